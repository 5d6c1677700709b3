# SPDX-License-Identifier: Apache-2.0
"""Shared by the tests of fleets: a plain broker, and an independent subscriber that counts."""
import collections
import csv
import socket
import threading
import time

import paho.mqtt.client as paho

from support import Case, free_port, local_job

MESSAGE = 'message: |\n  return JSON.stringify({c: client(), n: index()});\n'
OWN = 'publish: {topic: "t/{{client()}}", qos: 1}\n'
ECHO = OWN + 'subscribe: ["t/{{client()}}"]\n'


class Listener:
    """Tells its own messages from those of the test, and knows when it has received everything."""
    SETTLED = 't/settled'

    def __init__(self):
        self.settled = threading.Event()

    def is_marker(self, message):
        if message.topic == self.SETTLED:
            self.settled.set()
        return message.topic == self.SETTLED

    def settle(self):
        """Wait for a marker, which the broker delivers after the messages that it has; again until
        none has come in between: one with QoS 0 may still be on its way to the broker."""
        count = -1
        while count != self.count():
            count = self.count()
            time.sleep(0.2)
            self.settled.clear()
            self.client.publish(self.SETTLED, '', 1)
            assert self.settled.wait(60)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class Subscriber(Listener):
    """Counts every payload below t/, and reconnects when the broker stops."""

    def __init__(self, port):
        super().__init__()
        self.seen = collections.Counter()
        self.order = []
        self.subscribed = threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id='subscriber')
        self.client.reconnect_delay_set(0.05, 0.1)
        self.client.on_connect = lambda client, *_: client.subscribe('t/#', 0)
        self.client.on_disconnect = lambda *_: self.subscribed.clear()
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self.on_message
        self.client.connect_async('127.0.0.1', port)
        self.client.loop_start()

    def on_message(self, client, data, message):
        if not self.is_marker(message):
            self.seen[message.payload] += 1
            self.order.append(message.payload)

    def count(self):
        return len(self.order)


class Recorder(Listener):
    """Records every message that a broker delivers, in order."""

    def __init__(self, port, react=None):
        super().__init__()
        self.messages = []
        self.react = react
        self.ready = threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id='recorder')
        self.client.on_connect = lambda client, *_: client.subscribe([('#', 1), ('$aws/#', 1)])
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self.on_message
        self.client.connect('127.0.0.1', port)
        self.client.loop_start()
        assert self.ready.wait(60)

    def on_message(self, client, data, message):
        if self.is_marker(message):
            return
        self.messages.append((message.topic, message.payload.decode(), message.qos, message.retain))
        if self.react:
            self.react(client, message)

    def topics(self):
        return collections.Counter(topic for topic, *_ in self.messages)

    def count(self):
        return len(self.messages)


PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ = 0x30, 0x40, 0x80, 0x90, 0xc0
PINGRESP = b'\xd0\0'


class Packet:
    """An MQTT packet: `data` is all of it, `body` what follows the fixed header."""

    def __init__(self, header, body):
        self.data, self.body, self.type = header + body, body, header[0] & 0xf0
        if self.type == PUBLISH:
            end = 2 + int.from_bytes(body[:2], 'big')
            qos = header[0] & 6
            self.topic, self.identifier = body[2:end], body[end:end + 2] if qos else b''
            self.payload = body[end + len(self.identifier):]
        elif self.type == SUBSCRIBE:
            self.identifier = body[:2]

    def acknowledgement(self):
        """Empty for a PUBLISH packet with QoS 0."""
        return bytes([PUBACK, 2]) + self.identifier if self.identifier else b''


def read_packet(stream):
    """None at the end, also inside a packet."""
    header, size, shift = stream.read(1), 0, 0
    while header:
        byte = stream.read(1)
        if not byte:
            return None
        header += byte
        size, shift = size | (byte[0] & 0x7f) << shift, shift + 7
        if byte[0] < 0x80:
            body = stream.read(size)
            return Packet(header, body) if len(body) == size else None
    return None


def packets(connection, code=0):
    """Answer CONNECT with a return code, which may be a function of the client id; then yield each packet."""
    stream = connection.makefile('rb')
    if connect := read_packet(stream):
        client_id = connect.body[12:12 + connect.body[11]]
        connection.sendall(bytes([0x20, 2, 0, code(client_id) if callable(code) else code]))
        while packet := read_packet(stream):
            yield packet


class Server:
    """A minimal server: `handle` gets each connection, in a separate thread."""

    def __init__(self, case, handle):
        self.port = free_port()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', self.port))
        self.listener.listen(100)
        self.handle, self.connections = handle, []
        threading.Thread(target=self.serve, daemon=True).start()
        case.addCleanup(self.close)

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        try:
            self.handle(connection)
        except OSError:
            pass

    @staticmethod
    def end(endpoint):
        try:
            endpoint.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        endpoint.close()

    def refuse(self):
        """Listen no more."""
        self.end(self.listener)

    def close(self):
        """Listen no more, and end all connections."""
        self.refuse()
        for connection in self.connections:
            self.end(connection)


class Fleet(Case):
    def setUp(self):
        super().setUp()
        self.port = self.start_broker()

    def template(self, more, port=None, connection=''):
        self.write('t.yaml', f'connection: {{host: 127.0.0.1, port: {port or self.port}, tls: false, '
                             f'client_id: "c{{{{client()}}}}", timeout: 3s{connection}}}\n' + more)

    def subscriber(self):
        subscriber = Subscriber(self.port)
        self.addCleanup(subscriber.close)
        self.assertTrue(subscriber.subscribed.wait(60))
        return subscriber

    def run_job(self, *arguments, status=0, **settings):
        self.write('job.yaml', local_job(**settings))
        return self.summary('job.yaml', *arguments, status=status)['simulate']

    def series(self):
        with open(self.folder / 's.csv') as file:
            return list(csv.DictReader(file))
