# SPDX-License-Identifier: Apache-2.0
"""What independent observers count is what the summary says, whatever happens on the way: a relay
sees each packet between the devices and the broker, and a subscriber what the broker has taken."""
import collections
import json
import socket
import threading
import time

import paho.mqtt.client as paho

from fleet import Fleet, PUBLISH, Server, read_packet

DEVICES = 6


class Wire(Server):
    """A relay that counts PUBLISH packets. Each connection is hung up after `hang_up` of them, and
    what comes then is counted and discarded; `slow` is the time that a packet takes; with `silent`
    no acknowledgement comes back."""

    def __init__(self, case, broker, hang_up=None, slow=0, silent=False):
        self.broker, self.hang_up, self.slow, self.silent = broker, hang_up, slow, silent
        self.seen, self.discarded = collections.Counter(), collections.Counter()
        self.lock, self.open = threading.Lock(), 0
        super().__init__(case, self.relay)

    def relay(self, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        with self.lock:
            self.open += 1
        broker = socket.create_connection(('127.0.0.1', self.broker))
        back = threading.Thread(target=self.answer, args=(broker, client), daemon=True)
        back.start()
        try:
            self.forward(client, broker)
        finally:
            broker.close()
            back.join()
            with self.lock:
                self.open -= 1

    def answer(self, broker, client):
        """Everything, or only CONNACK."""
        try:
            while data := broker.recv(4 if self.silent else 4096):
                client.sendall(data)
                while self.silent and broker.recv(4096):
                    pass
        except OSError:     # the broker had not read everything when it closed
            pass
        try:
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def forward(self, client, broker):
        stream, count = client.makefile('rb'), 0
        while packet := read_packet(stream):
            hung_up = self.hang_up and count >= self.hang_up
            if packet.type == PUBLISH:
                time.sleep(self.slow)
                count += 1
                with self.lock:
                    (self.discarded if hung_up else self.seen)[packet.payload.rstrip(b'.')] += 1
            if hung_up:
                continue
            try:
                broker.sendall(packet.data)
                if self.hang_up and count == self.hang_up:
                    client.shutdown(socket.SHUT_WR)
            except OSError:
                pass


class Observed(Fleet):
    def setUp(self):
        super().setUp()
        self.watcher = self.subscriber()

    def observe(self, qos, wire=None, size=0, during=None, **settings):
        """Run a simulation through a wire; returns its results, the wire and the subscriber."""
        self.watcher.seen.clear()
        wire = Wire(self, self.port, **(wire or {}))
        self.template(f'publish: {{topic: "t/{{{{client()}}}}", qos: {qos}}}\n'
                      f'message: |\n  return (client() + "/" + index()).padEnd({size}, ".");\n', port=wire.port)
        if during:
            threading.Thread(target=during, daemon=True).start()
        results = self.run_job(**{
            'devices': DEVICES, 'interval': '20ms', 'iterations': 50, 'connect_rate': '1000/s',
            'reconnect': '{backoff: fixed, cap: 50ms, attempts: 100}', **settings})
        while wire.open:
            time.sleep(0.05)
        self.watcher.settle()
        seen = collections.Counter()
        for payload, count in self.watcher.seen.items():
            seen[payload.rstrip(b'.')] += count
        self.results, self.wire, self.taken = results, wire, seen
        self.told = json.dumps({name: value for name, value in results.items() if isinstance(value, int)})
        self.balance(qos)

    def balance(self, qos):
        """What holds in every situation."""
        results, wire = self.results, self.wire
        sent = wire.seen + wire.discarded
        self.assertEqual(results['published'], results['acknowledged'] + results['lost'], self.told)
        if qos == 0:
            self.assertEqual(results['acknowledged'], sent.total(), self.told)
            self.assertEqual(results['acknowledged'], len(sent), self.told)
        else:
            self.assertLessEqual(results['acknowledged'], len(self.taken), self.told)
            self.assertLessEqual(len(self.taken), results['published'], self.told)
            self.assertLessEqual(sent.total(), results['published'] + results['resent'], self.told)

    def arrived(self, qos, intended=DEVICES * 50):
        """Nothing may be missing, except what the relay has discarded with QoS 0."""
        self.assertEqual(intended, self.results['published'] + self.results['failed'] +
                         self.results['dropped'], self.told)
        if qos == 0:
            self.assertEqual(set(self.wire.seen), set(self.taken), self.told)
        else:
            self.assertEqual((0, self.results['acknowledged']), (self.results['lost'], len(self.taken)), self.told)

    def for_each_qos(self, **settings):
        for qos in (0, 1):
            with self.subTest(qos=qos):
                self.observe(qos, **settings)
                self.arrived(qos)

    def test_nothing_happens(self):
        self.for_each_qos()
        self.assertEqual(DEVICES * 50, self.results['acknowledged'])

    def test_the_server_hangs_up(self):
        self.for_each_qos(wire={'hang_up': 7})
        self.assertGreaterEqual(self.results['reconnects'], DEVICES * 7)

    def test_connections_are_dropped(self):
        stages = ', '.join(f'{{duration: 400ms, storm: {share}%}}' for share in (50, 100, 50, 100))
        for qos in (0, 1):
            with self.subTest(qos=qos):
                self.observe(qos, iterations=100, stages=f'[{{duration: 400ms}}, {stages}, {{duration: 20s}}]')
                self.arrived(qos, DEVICES * 100)
                self.assertGreaterEqual(self.results['reconnects'], DEVICES * 2)

    def test_another_client_takes_over(self):
        def take_over():
            for turn in range(10):
                time.sleep(0.1)
                intruder = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f'c{turn % DEVICES}')
                intruder.connect('127.0.0.1', self.port)
                connected = threading.Event()
                intruder.on_connect = lambda *_: connected.set()
                intruder.loop_start()
                connected.wait(60)
                intruder.disconnect()
                intruder.loop_stop()
        for qos in (0, 1):
            with self.subTest(qos=qos):
                self.observe(qos, during=take_over, iterations=100)
                self.assertGreater(self.results['reconnects'], 0)
                if qos:
                    self.arrived(qos, DEVICES * 100)
                else:   # what the broker had not read is missing
                    self.assertLessEqual(set(self.taken), set(self.wire.seen))

    def test_a_slow_reader(self):
        """Messages are dropped by the device, and counted; the rest arrives."""
        for qos in (0, 1):
            with self.subTest(qos=qos):
                self.observe(qos, wire={'slow': 0.05}, size=200000, iterations=60, interval='5ms', max_unwritten='200KB',
                             ack_timeout='60s')
                self.assertGreater(self.results['dropped'], 0)
                self.arrived(qos, DEVICES * 60)

    def test_no_acknowledgement(self):
        self.observe(1, wire={'silent': True}, iterations=5, ack_timeout='500ms')
        self.assertEqual((0, DEVICES * 5), (self.results['acknowledged'], self.results['lost']))
        self.assertEqual(DEVICES * 5, len(self.taken))
