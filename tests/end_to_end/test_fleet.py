# SPDX-License-Identifier: Apache-2.0
"""Fleets under load: the ledger against an independent subscriber, bad networks, bad servers, live
figures. Except for bad servers, all against a plain mosquitto."""
import collections
import json
import math
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import paho.mqtt.client as paho

from fleet import (ECHO, Fleet, MESSAGE, OWN, PINGREQ, PINGRESP, PUBLISH, SUBACK, SUBSCRIBE, Server,
                   packets)
from support import Metrics, free_port, local_job, step, wait_for_port, wait_until

PROXY = str(pathlib.Path(__file__).with_name('proxy.py'))


class Counts(Fleet):
    """Compares the summary with an independent subscriber."""

    def test_qos_0_without_faults(self):
        self.template(OWN + MESSAGE)
        subscriber = self.subscriber()
        results = self.run_job(devices=50, iterations=40, interval='20ms', qos=0, loops=2,
                               connect_rate='2000/s')
        subscriber.settle()
        self.assertEqual({f'{{"c":{c},"n":{n}}}'.encode(): 1 for c in range(50) for n in range(40)},
                         dict(subscriber.seen))
        self.assertEqual((2000, 2000, 0, 0), tuple(results[name] for name in (
            'published', 'acknowledged', 'lost', 'failed')))

    def test_broker_killed_and_restarted(self):
        """Twenty kills; no acknowledged message may be missing."""
        held, proxy = self.folder / 'held', free_port()
        self.start(sys.executable, PROXY, str(proxy), str(self.port), '--hold', str(held))
        wait_for_port(proxy)
        self.template(OWN + MESSAGE, port=proxy)
        self.write('job.yaml', local_job(
            devices=20, iterations=1000000, interval='100ms', jitter='50ms',
            reconnect='{backoff: fixed, cap: 100ms, attempts: 1000}', connect_rate='2000/s'))
        subscriber = self.subscriber()
        process = self.spawn('-q', 'job.yaml', '--json', 'summary.json')
        wait_until(lambda: len(subscriber.order) >= 40, '40 messages')
        for _ in range(20):
            # New connections wait until the subscriber is back: a killed mosquitto loses messages.
            # At least one message is in flight each time: the broker has not read it.
            held.touch()
            self.kill_broker()
            subscriber.subscribed.clear()
            self.restart_broker()
            self.assertTrue(subscriber.subscribed.wait(60))
            # Devices are connected again before the next kill: only they can send something.
            before = len(subscriber.order)
            held.unlink()
            wait_until(lambda: len(subscriber.order) >= before + 20, '20 more messages')
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(120))
        subscriber.settle()
        results = json.loads((self.folder / 'summary.json').read_text())['simulate']
        self.assertEqual((0, 0), (results['lost'], results['failed']))
        self.assertEqual(results['published'], results['acknowledged'])
        self.assertGreaterEqual(results['reconnects'], 20)
        self.assertEqual(results['published'], len(subscriber.seen))
        # Only resent messages arrive twice.
        again = sum(count - 1 for count in subscriber.seen.values())
        self.assertLessEqual(again, results['resent'])
        self.assertGreaterEqual(results['resent'], 20)

    def bad_network(self, seed, *options):
        proxy = free_port()
        process = subprocess.Popen(
            [sys.executable, PROXY, str(proxy), str(self.port), '--seed', str(seed), *options],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        process.stdout.readline()
        self.template(ECHO + MESSAGE, port=proxy)
        subscriber = self.subscriber()
        results = self.run_job(devices=60, iterations=40, interval='100ms', verify='end_to_end',
                               verify_within='30s', connect_rate='500/s',
                               reconnect='{backoff: fixed, cap: 50ms, attempts: 100}')
        process.send_signal(signal.SIGTERM)
        done = json.loads(process.stdout.readline())
        process.wait(20)
        subscriber.settle()
        self.assertEqual((2400, 2400), (results['published'], results['acknowledged']))
        self.assertEqual([], [(c, n) for c in range(60) for n in range(40)
                              if not subscriber.seen[f'{{"c":{c},"n":{n}}}'.encode()]])
        # The ledger counts messages that could not return to a disconnected client as lost.
        self.assertEqual(2400, results['verified'] + results['lost'])
        return done, results

    def test_delays_and_stalls(self):
        done, results = self.bad_network(1, '--delay', '20', '--stall', '.3', '--stall-seconds', '1')
        self.assertGreater(done['stalls'], 5)
        self.assertEqual((0, 0, 0), tuple(results[name] for name in (
            'lost', 'duplicates', 'reordered')))
        # The schedule does not wait for a stall, so the latency includes it.
        self.assertGreater(results['publish_seconds']['p99'], 0.5)

    def test_throttled(self):
        done, results = self.bad_network(2, '--throttle', '4000')
        self.assertEqual((0, 0), (results['lost'], results['reconnects']))

    def test_resets(self):
        done, results = self.bad_network(3, '--reset', '.5', '--reset-after', '3000', '--delay', '100')
        self.assertGreater(done['resets'], 10)
        self.assertGreaterEqual(results['reconnects'], done['resets'] // 2)
        # An answer takes 0 to 400 ms, and a message is sent every 100 ms: some were in flight.
        self.assertGreater(results['resent'], 0)


class Ledger(Fleet):
    def test_end_to_end(self):
        self.template(ECHO + MESSAGE)
        for qos in (0, 1):
            results = self.run_job(devices=10, iterations=20, interval='10ms', qos=qos,
                                   verify='end_to_end', loops=2)
            self.assertEqual((200, 200, 200, 0, 0, 0), tuple(results[name] for name in (
                'acknowledged', 'received', 'verified', 'lost', 'duplicates', 'reordered')))
            self.assertGreater(results['end_to_end_seconds']['p50'], 0)

    def test_equal_payloads(self):
        self.template(ECHO + 'message: |\n  return "x";\n')
        results = self.run_job(devices=3, iterations=20, interval='0s', verify='end_to_end')
        self.assertEqual((60, 0, 0), tuple(results[name] for name in (
            'verified', 'lost', 'duplicates')))

    def test_what_does_not_come_back(self):
        """With a different subscription, all messages are lost, and the clients are named."""
        self.template(OWN + 'subscribe: ["u/{{client()}}"]\n' + MESSAGE)
        results = self.run_job(devices=3, iterations=5, interval='10ms', verify='end_to_end',
                               verify_within='500ms')
        self.assertEqual((15, 0, 15), tuple(results[name] for name in (
            'acknowledged', 'verified', 'lost')))
        self.assertEqual(('NotReceived', 15), (results['errors'][0]['code'],
                                               results['errors'][0]['count']))
        self.assertEqual([(0, 5), (1, 5), (2, 5)],
                         [(device['client'], device['lost']) for device in results['devices']])

    def test_duplicates(self):
        """Another client sends every message a second time."""
        self.template(ECHO + MESSAGE)
        self.write('job.yaml', local_job(devices=1, iterations=20, interval='50ms', hold='1s',
                                         verify='end_to_end'))
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        seen = set()

        def repeat(client, data, message):
            if message.payload not in seen:
                seen.add(message.payload)
                client.publish(message.topic, message.payload)
        client.on_message = repeat
        client.connect('127.0.0.1', self.port)
        client.subscribe('t/#')
        client.loop_start()
        results = self.summary('job.yaml')['simulate']
        client.disconnect()
        client.loop_stop()
        self.assertEqual((20, 20, 0), tuple(results[name] for name in (
            'verified', 'duplicates', 'lost')))
        self.assertEqual(20, results['devices'][0]['duplicates'])


class Live(Fleet):
    def test_thresholds_abort(self):
        self.template(OWN + 'message: |\n  throw new Error("no");\n')
        began = time.monotonic()
        self.run_job(devices=3, interval='20ms', duration='60s', status=99, thresholds=(
            '["published == 0", {expression: "failed < 10", abort: true, grace: 1s}]'))
        self.assertTrue(1 < time.monotonic() - began < 55)
        summary = json.loads((self.folder / 'summary.json').read_text())
        self.assertEqual(['script_errors == 0', 'failed < 10'],
                         [entry['expression'] for entry in summary['thresholds'] if not entry['ok']])
        self.assertEqual(99, summary['exit'])

    def test_metrics_of_scripts(self):
        self.template(OWN + 'message: |\n  metric.add("battery", 100 - index());\n'
                            '  metric.add("sent");\n  return "x";\n')
        results = self.run_job(devices=4, iterations=5, interval='10ms', loops=2, status=99,
                               thresholds='["battery.min == 96", "battery.mean == 98", "sent == 20", '
                                          '"sent.count < 20"]')
        battery = results['metrics']['battery']
        self.assertEqual({'count': 20, 'sum': 1960, 'mean': 98, 'min': 96, 'max': 100},
                         {name: battery[name] for name in ('count', 'sum', 'mean', 'min', 'max')})
        self.assertEqual([98, 100, 100], [round(battery[name], 1) for name in ('p50', 'p95', 'p999')])
        self.assertEqual([4] * 5, battery['buckets'][1::2])
        for value, bucket in zip(range(96, 101), battery['buckets'][::2]):
            self.assertEqual(round(200 * math.log(value)) + 150000, bucket)
        summary = json.loads((self.folder / 'summary.json').read_text())
        self.assertEqual(['sent.count < 20'],
                         [entry['expression'] for entry in summary['thresholds'] if not entry['ok']])

    def test_metric_add_takes_numbers(self):
        self.template(OWN + 'message: |\n  metric.add("x", "much");\n')
        results = self.run_job(devices=1, iterations=1)
        self.assertIn('metric.add: the value of x is not a number', results['errors'][0]['message'])

    def test_series(self):
        self.template(OWN + MESSAGE)
        results = self.run_job('--series', 's.csv', devices=5, interval='50ms', duration='3s')
        rows = self.series()
        self.assertGreaterEqual(len(rows), 3)
        self.assertEqual(results['published'], sum(int(row['published']) for row in rows))
        self.assertEqual(results['acknowledged'], sum(int(row['acknowledged']) for row in rows))
        self.assertIn('5', [row['connected'] for row in rows])
        self.assertGreater(max(float(row['publish_p99_seconds'] or 0) for row in rows), 0)
        self.assertEqual({''}, {row['end_to_end_p50_seconds'] for row in rows})

    def test_series_that_cannot_be_written(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(iterations=1))
        done = self.iotifyd('job.yaml', '--series', 'missing/s.csv', status=1)
        self.assertIn('cannot write missing/s.csv: No such file', done.stderr)

    def test_metrics_port(self):
        self.template(OWN + 'message: |\n  metric.add("n");\n  throw new Error("no");\n')
        self.write('job.yaml', local_job(devices=3, interval='50ms', duration='120s'))
        port = free_port()
        process = self.spawn('job.yaml', '--metrics-port', str(port))
        metrics = Metrics(port)
        metrics.wait('connections', 3)
        metrics.wait('metric_sum', 1)
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics') as answer:
            text = answer.read().decode()
        label = '{job_name="job",step="simulate"}'
        self.assertIn(f'iotifyd_connections{label} 3\n', text)
        self.assertIn(f'iotifyd_clients_total{label} 3\n', text)
        self.assertIn('reason="ScriptError"', text)
        self.assertIn('iotifyd_metric_sum{job_name="job",step="simulate",name="n"} ', text)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) iotifyd?_|iotifyd?_[a-z0-9_]+\{.*\} [-0-9.e+]+$)')
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(f'http://127.0.0.1:{port}/other')
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(30))

    def test_bad_metrics_port(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(iterations=1))
        self.assertIn('takes a port', self.iotifyd(
            'job.yaml', '--metrics-port', 'http', status=2).stderr)
        self.assertIn('Address already in use', self.iotifyd(
            'job.yaml', '--metrics-port', str(self.port), status=1).stderr)

    def test_capture(self):
        self.template(ECHO + 'message: |\n  state.__$key = "HIDDEN";\n  state.n = index();\n'
                             '  console.log("at", index());\n'
                             '  console.log("then");\n  if (index() === 2) throw new Error("no");\n'
                             '  return index() === 1 ? Buffer.from([255, 0]) : "m" + index();\n')
        self.run_job(devices=2, iterations=3, interval='50ms', hold='2s',
                     capture='{file: c.jsonl}')
        text = (self.folder / 'c.jsonl').read_text()
        self.assertNotIn('HIDDEN', text)
        lines = [json.loads(line) for line in text.splitlines()]
        messages = [line for line in lines if line['event'] == 'message' and line['client'] == 1]
        self.assertEqual(['m0', {'base64': '/wA='}, None], [m.get('payload') for m in messages])
        self.assertEqual([{'n': 0}, {'n': 1}, {'n': 2}], [m['state'] for m in messages])
        self.assertEqual([['at 0', 'then'], ['at 1', 'then'], ['at 2', 'then']], [m['logs'] for m in messages])
        self.assertEqual([True, True, False], [m['ok'] for m in messages])
        self.assertEqual('Error: no', messages[2]['error'])
        responses = [line for line in lines if line['event'] == 'response' and line['client'] == 1]
        self.assertEqual(['m0', {'base64': '/wA='}], [r['payload'] for r in responses])

    def test_capture_of_lists_and_failures(self):
        """As many lines are not ok as iterations failed."""
        self.template(OWN + 'message: |\n  if (index() === 1) assert(false, "no");\n'
                            '  if (index() === 2) return [{topic: "#", payload: "x"}, "y"];\n'
                            '  if (index() === 3) disconnect();\n'
                            '  return index() % 2 ? ["a", {topic: "t/b", payload: "b"}] : "s";\n')
        results = self.run_job(devices=1, iterations=6, interval='50ms', capture='{file: c.jsonl}')
        lines = [json.loads(line) for line in (self.folder / 'c.jsonl').read_text().splitlines()]
        self.assertEqual(['s', ['a', {'topic': 't/b', 'payload': 'b'}], [{'topic': '#', 'payload': 'x'}, 'y']],
                         [line['payload'] for line in lines[:3]])
        self.assertEqual([True, False, False, True, True, True], [line['ok'] for line in lines])
        # A list is not sent while the device is disconnected, as a string is not.
        self.assertEqual((2, 4, 1, 0), tuple(results[name] for name in (
            'failed', 'published', 'refused', 'script_errors')))

    def test_capture_of_a_sample(self):
        self.template(OWN + MESSAGE)
        chosen = []
        for loops in (1, 2):
            self.run_job(devices=10, iterations=20, interval='5ms', loops=loops,
                         capture='{file: c.jsonl, sample: 20%, state: false, logs: false}')
            lines = [json.loads(line) for line in
                     (self.folder / 'c.jsonl').read_text().splitlines()]
            self.assertNotIn('state', lines[0])
            chosen.append(sorted((line['client'], line['iteration']) for line in lines))
        self.assertTrue(15 <= len(chosen[0]) <= 70, len(chosen[0]))
        self.assertEqual(chosen[0], chosen[1])


class BadServers(Fleet):
    """Each failure is counted by its reason, with the first client; the run ends in time."""

    def against(self, handle, more=OWN, **settings):
        server = Server(self, handle)
        self.template(more + MESSAGE, port=server.port, connection=', keepalive: 5s')
        self.write('job.yaml', local_job(devices=3, iterations=2, interval='50ms',
                                         reconnect='{backoff: none, attempts: 2}', **settings))
        began = time.monotonic()
        summary = self.summary('job.yaml', status=None)
        self.assertLess(time.monotonic() - began, 45)
        # No busy waiting: it would take a core. Short runs only create their script contexts.
        if step(summary, 'simulate')['seconds'] > 5:
            self.assertLess(summary['simulate']['generator']['cpu'], 0.5)
        return summary['simulate']

    def first(self, results):
        error = results['errors'][0]
        self.assertEqual(0, error['first_client'])
        return error

    def test_never_answers(self):
        error = self.first(self.against(lambda connection: connection.recv(1000) and time.sleep(30)))
        self.assertEqual(('Timeout', 6), (error['code'], error['count']))
        self.assertEqual('no answer in 3 s while waiting for CONNACK', error['message'])

    def test_garbage(self):
        error = self.first(self.against(lambda connection: connection.sendall(b'\xff' * 300)
                                        or time.sleep(5)))
        self.assertEqual(('ProtocolError', 6), (error['code'], error['count']))

    def test_garbage_behind_connack(self):
        def handle(connection):
            connection.recv(1000)
            connection.sendall(b'\x20\x02\0\0' + bytes(range(1, 200)))
            time.sleep(5)
        results = self.against(handle)
        self.assertEqual(3, results['connected'])
        self.assertIn(self.first(results)['code'], ('ProtocolError', 'ClosedByServer'))

    def test_closes_at_once(self):
        results = self.against(lambda connection: connection.close())
        # The error depends on which side is faster.
        self.assertLessEqual({error['code'] for error in results['errors']},
                             {'Refused', 'ClosedByServer', 'Unreachable'})
        self.assertEqual(6, sum(error['count'] for error in results['errors']))

    def test_no_suback(self):
        def handle(connection):
            for _ in packets(connection):
                pass
        error = self.first(self.against(handle, ECHO))
        self.assertEqual('SubscriptionFailed', error['code'])
        self.assertIn('waiting for SUBACK; the server ignores the subscription', error['message'])

    def test_refused_subscription(self):
        def handle(connection):
            for packet in packets(connection):
                if packet.type == SUBSCRIBE:
                    connection.sendall(bytes([SUBACK, 3]) + packet.identifier + b'\x80')
        error = self.first(self.against(handle, ECHO))
        self.assertEqual(('SubscriptionFailed', 'the server refused the subscription to t/0'),
                         (error['code'], error['message']))

    def test_no_acknowledgement(self):
        published = []

        def handle(connection):
            for packet in packets(connection):
                if packet.type == PINGREQ:
                    connection.sendall(PINGRESP)
                elif packet.type == PUBLISH:
                    published.append(packet)
        server = Server(self, handle)
        self.template(OWN + MESSAGE, port=server.port)
        self.write('job.yaml', local_job(devices=3, duration='1s', interval='100ms'))
        process = self.spawn('-q', 'job.yaml', '--json', 'summary.json')
        wait_until(lambda: len(published) >= 6, 'messages from the clients')
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(20))
        results = json.loads((self.folder / 'summary.json').read_text())['simulate']
        self.assertGreaterEqual(results['published'], 6)
        self.assertEqual((0, results['published']), (results['acknowledged'], results['lost']))
        self.assertEqual('NotAcknowledged', self.first(results)['code'])


    def test_what_does_not_fit_into_the_window(self):
        """Without acknowledgements 100 messages are on the way; further ones wait in this process."""
        server = Server(self, lambda connection: collections.deque(packets(connection), maxlen=0))
        self.template('publish: {topic: t, qos: 1}\nmessage: |\n  return "x".repeat(10000);\n', port=server.port)
        for name in ('max_unwritten', 'max_unwritten_total'):
            self.write('job.yaml', local_job(devices=1, iterations=400, interval='2ms', ack_timeout='3s', loops=1)
                       .replace('loops: 1', f'loops: 1, {name}: 500KB'))
            results = self.summary('job.yaml')['simulate']
            # 100 in the window and about 50 after it.
            self.assertTrue(140 < results['published'] < 160, (name, results['published']))
            self.assertEqual((400, results['published']), (
                results['published'] + results['dropped'], results['lost']))
            self.assertIn('Dropped', {error['code'] for error in results['errors']})

    def test_a_stop_while_the_server_does_not_read(self):
        """Nobody waits for a goodbye that cannot be written."""
        done = threading.Event()
        self.addCleanup(done.set)

        def handle(connection):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for _ in packets(connection):
                done.wait(300)
        server = Server(self, handle)
        self.template('publish: {topic: t, qos: 1}\nmessage: |\n  return "x".repeat(100000);\n', port=server.port)
        self.write('t.yaml', (self.folder / 't.yaml').read_text().replace('timeout: 3s', 'timeout: 300s'))
        self.write('job.yaml', local_job(devices=2, interval='10ms', duration='600s', ack_timeout='300s'))
        process = self.spawn('-q', 'job.yaml', '--series', 's.csv')
        wait_until(lambda: (self.folder / 's.csv').exists() and
                   sum(int(row['published']) for row in self.series()) > 4, 'messages')
        process.send_signal(signal.SIGTERM)
        # With the connection's time-out it would take 300 s.
        self.assertEqual(143, process.wait(60))


class Machine(Fleet):
    def test_what_the_system_does_not_allow(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(devices=3000, iterations=1))
        done = self.run_program('bash', '-c', 'ulimit -n 500; exec "$0" --check job.yaml',
                                str(pathlib.Path(self.program())))
        self.assertIn('3000 connections need 3200 descriptors, and the system allows 500; raise the '
                      'limit with ulimit -Hn', done.stderr)

    def test_sessions_beyond_the_limit(self):
        """They are counted as a limit of this machine; the other sessions work."""
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(devices=200, iterations=2, interval='200ms', hold='6s',
                                         connect_rate='1000/s',
                                         reconnect='{backoff: none, attempts: 1}'))
        self.run_program('bash', '-c', 'ulimit -n 120; exec "$0" -q job.yaml --json summary.json',
                         str(pathlib.Path(self.program())), status=1)
        results = json.loads((self.folder / 'summary.json').read_text())['simulate']
        self.assertEqual('LocalLimit', results['errors'][0]['code'])
        self.assertGreater(results['connected'], 50)
        self.assertEqual(200, results['connected'] + results['errors'][0]['count'])
        self.assertEqual(2 * results['connected'], results['acknowledged'])

    @staticmethod
    def program():
        from support import IOTIFYD
        return IOTIFYD

    def test_no_will_after_a_stop(self):
        """Ctrl-C finishes messages in flight and sends DISCONNECT, so that no will is published."""
        self.template(OWN + MESSAGE, connection=', will: {topic: "t/will", payload: gone}')
        self.write('job.yaml', local_job(devices=20, duration='60s', interval='20ms', loops=2))
        subscriber = self.subscriber()
        process = self.spawn('-q', 'job.yaml', '--json', 'summary.json')
        wait_until(lambda: len(subscriber.order) >= 200, '200 messages')
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(30))
        subscriber.settle()
        results = json.loads((self.folder / 'summary.json').read_text())['simulate']
        self.assertNotIn(b'gone', subscriber.seen)
        self.assertEqual((results['published'], results['published'], 0),
                         (sum(subscriber.seen.values()), results['acknowledged'], results['lost']))

    def test_saturated(self):
        """A script takes all the time of its loop: a latency that crosses its limit says so, and one
        that holds its limit is held."""
        self.template(OWN + 'message: |\n  const end = Date.now() + 20;\n'
                            '  while (Date.now() < end);\n  return "x";\n')
        results = self.run_job(devices=10, duration='3s', interval='100ms', loops=1, status=99,
                               thresholds='["publish.p99 < 1h", "publish.p99 < 1us"]')
        self.assertTrue(results['generator']['saturated'])
        summary = json.loads((self.folder / 'summary.json').read_text())
        crossed = {entry['expression']: entry for entry in summary['thresholds'] if not entry['ok']}
        self.assertEqual({'publish.p99 < 1us'}, set(crossed))
        self.assertEqual('generator saturated', crossed['publish.p99 < 1us']['reason'])
