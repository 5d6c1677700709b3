# SPDX-License-Identifier: Apache-2.0
"""The table of docs/verdict.md: each situation gives its exit code and its last line."""
import collections
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import junitparser
import paho.mqtt.client as paho
from junit2htmlreport.parser import Junit as OtherReader

from fleet import ECHO, Fleet, MESSAGE, OWN, PINGREQ, PINGRESP, PUBLISH, Server, packets
from support import free_port, job, local_job, wait_until

TABLE = pathlib.Path(__file__).resolve().parents[2] / 'docs/verdict.md'
ROW = re.compile(r'^\| ([^|]+) \| (\d+) \| `(.+)` \|$', re.MULTILINE)
THROWS = OWN + 'message: |\n  throw new Error("no");\n'


def rows():
    return {name: (int(status), line) for name, status, line in ROW.findall(TABLE.read_text())}


def situation(function):
    """A test whose name is a situation of the table: it returns what the program printed."""
    def test(self):
        name = function.__name__.removeprefix('test_').replace('_', ' ')
        status, line = rows()[name]
        output = function(self, status).strip().splitlines()
        self.assertRegex(output[-1], '^' + '.*'.join(map(re.escape, line.split('…'))) + '$')
    test.__name__ = function.__name__
    return test


def acknowledging(case, answer=True, read=True, published=None, poison=None):
    """A server that accepts everything, and acknowledges or reads only if it is told so. It hangs up
    when a message has the payload `poison`."""
    done = threading.Event()
    case.addCleanup(done.set)

    def handle(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for packet in packets(connection):
            if not read:
                done.wait(100)
            if packet.type == PUBLISH:
                if published is not None:
                    published.append(packet.body)
                if poison and packet.payload.endswith(poison):
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                if answer:
                    connection.sendall(packet.acknowledgement())
            elif packet.type == PINGREQ:
                connection.sendall(PINGRESP)
    return Server(case, handle).port


def forgetful(case, port, kept):
    """A relay of HTTP requests that answers those that match by itself."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def handle_one(self):
            body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
            status, answer, kind = 200, b'', None
            if not kept.match(f'{self.command} {self.path} '):
                connection = http.client.HTTPConnection('127.0.0.1', port)
                connection.request(self.command, self.path, body, dict(self.headers))
                got = connection.getresponse()
                status, answer, kind = got.status, got.read(), got.headers['x-amzn-errortype']
                connection.close()
            self.send_response(status)
            if kind:
                self.send_header('x-amzn-errortype', kind)
            self.send_header('Content-Length', str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = handle_one

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    case.addCleanup(server.server_close)
    case.addCleanup(server.shutdown)
    return server.server_port


# Each iteration asks, and waits for the answer.
ASKS = ('publish: {topic: "q/{{client()}}", qos: 0}\nsubscribe: ["a/{{client()}}"]\n'
        'message: |\n  publish("q/" + client(), "x");\n'
        '  await new Promise((done) => { state.__$done = done; });\n'
        'response: |\n  state.__$done();\n')


class Table(Fleet):
    def answer_after(self, seconds):
        """Something behind the broker that answers each question."""
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        subscribed = threading.Event()

        def answer(_, __, message):
            threading.Timer(seconds, client.publish,
                            (message.topic.replace('q/', 'a/'), 'yes')).start()
        client.on_message = answer
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect('127.0.0.1', self.port)
        client.subscribe('q/#')
        client.loop_start()
        self.addCleanup(client.loop_stop)
        self.addCleanup(client.disconnect)
        self.assertTrue(subscribed.wait(60))

    def run_line(self, status, template=OWN + MESSAGE, port=None, log=None, connection='', **settings):
        settings = {'devices': 2, 'iterations': 10, 'interval': '10ms', **settings}
        settings.setdefault('thresholds', None)
        self.template(template, port=port, connection=connection)
        self.write('job.yaml', re.sub(', [a-z]+: None', '', local_job(**settings)))
        done = self.iotifyd('-q', 'job.yaml', '--json', 'summary.json', status=status)
        self.results = json.loads((self.folder / 'summary.json').read_text())
        self.assertEqual(self.results['verdict'], done.stdout.strip().splitlines()[-1])
        if log:
            self.assertRegex(done.stderr, log)
        return done.stdout

    def test_every_row_is_tested(self):
        names = {name.removeprefix('test_').replace('_', ' ') for name in dir(self)}
        self.assertEqual(set(), set(rows()) - names)
        self.assertGreater(len(rows()), 20)

    @situation
    def test_all_messages_acknowledged(self, status):
        return self.run_line(status)

    @situation
    def test_every_iteration_throws(self, status):
        return self.run_line(status, THROWS)

    @situation
    def test_19_of_20_throw_beside_a_latency_that_holds(self, status):
        return self.run_line(status, OWN + 'message: |\n  if (client() || index()) throw new Error("no");\n'
                                           '  return "x";\n', thresholds='["publish.p99 < 60s"]')

    @situation
    def test_an_error_in_response(self, status):
        return self.run_line(status, ECHO + MESSAGE + 'response: |\n  throw new Error("no");\n', hold='2s')

    @situation
    def test_an_error_in_finish(self, status):
        return self.run_line(status, OWN + MESSAGE + 'finish: |\n  throw new Error("no");\n')

    @situation
    def test_a_promise_rejected(self, status):
        return self.run_line(status, OWN + 'message: |\n  Promise.reject(new Error("no"));\n'
                                           '  return "x";\n')

    @situation
    def test_failures_with_thresholds_empty(self, status):
        return self.run_line(status, THROWS, thresholds='[]')

    @situation
    def test_failures_that_a_threshold_allows(self, status):
        return self.run_line(status, THROWS, thresholds='["failed < 50", "script_errors < 50"]')

    @situation
    def test_some_devices_never_connected(self, status):
        def handle(connection):
            for _ in packets(connection, lambda client_id: 5 if client_id in (b'c0', b'c1', b'c2') else 0):
                pass
        server = Server(self, handle)
        return self.run_line(status, 'publish: {topic: "t/{{client()}}", qos: 0}\n' + MESSAGE,
                             port=server.port, devices=10, reconnect='{backoff: none, attempts: 2}')

    @situation
    def test_CONNECT_not_answered_before_the_end(self, status):
        done = threading.Event()
        self.addCleanup(done.set)
        return self.run_line(status, port=Server(self, lambda connection: done.wait(100)).port,
                             iterations=1000, duration='500ms')

    @situation
    def test_init_throws(self, status):
        return self.run_line(status, OWN + MESSAGE + 'init: |\n  throw new Error("no");\n')

    @situation
    def test_init_rejects_a_promise(self, status):
        return self.run_line(status, OWN + MESSAGE + 'init: |\n  await glob.flush();\n'
                                                     '  throw new Error("no");\n')

    @situation
    def test_no_broker(self, status):
        return self.run_line(status, port=free_port(), reconnect='{backoff: none, attempts: 2}')

    @situation
    def test_never_acknowledged(self, status):
        output = self.run_line(status, port=acknowledging(self, answer=False), iterations=2,
                               ack_timeout='300ms')
        self.assertEqual(('NotAcknowledged', 4), tuple(
            self.results['simulate']['errors'][0][name] for name in ('code', 'count')))
        return output

    @situation
    def test_never_acknowledged_with_closed_pacing(self, status):
        return self.run_line(status, port=acknowledging(self, answer=False), iterations=2,
                             pacing='closed', ack_timeout='300ms')

    def test_a_new_connection_after_many_without_answer(self):
        """The first connection never gets an acknowledgement: 100 messages use up what it may send."""
        connections = []

        def handle(connection):
            connections.append(connection)
            answers = len(connections) > 1
            for packet in packets(connection):
                if answers and packet.type == PUBLISH:
                    connection.sendall(packet.acknowledgement())
        self.template('publish: {topic: t, qos: 1}\nmessage: |\n  return String(index());\n',
                      port=Server(self, handle).port)
        self.write('job.yaml', local_job(devices=1, iterations=2000, interval='5ms', ack_timeout='500ms'))
        results = self.summary('job.yaml')['simulate']
        self.assertEqual(1, results['reconnects'])
        self.assertGreaterEqual(results['lost'], 100)
        self.assertGreater(results['acknowledged'], 1000)
        self.assertEqual(2000, results['lost'] + results['acknowledged'] + results['failed'])

    def leaving(self, seconds, hangs_up=True):
        """A server that accepts everything, and listens no more after a while."""
        begun = threading.Event()

        def handle(connection):
            for _ in packets(connection):
                begun.set()
        server = Server(self, handle)

        def leave():
            begun.wait(60)
            time.sleep(seconds)
            if hangs_up:
                server.close()
            else:
                server.refuse()
        threading.Thread(target=leave, daemon=True).start()
        return server.port

    @situation
    def test_the_server_does_not_come_back_after_a_storm(self, status):
        """The storm is no failed attempt; those after it are."""
        output = self.run_line(
            status, 'publish: {topic: t, qos: 0}\n' + MESSAGE, port=self.leaving(0.3, hangs_up=False), iterations=1000,
            interval='20ms', stages='[{duration: 1s}, {duration: 20s, storm: 100%}]',
            reconnect='{backoff: fixed, cap: 100ms, attempts: 3}')
        codes = {error['code']: error['count'] for error in self.results['simulate']['errors']}
        self.assertEqual(2 * 3, codes['Unreachable'])
        return output

    @situation
    def test_the_server_is_gone_at_the_end(self, status):
        output = self.run_line(
            status, 'publish: {topic: t, qos: 0}\n' + MESSAGE, port=self.leaving(0.3), iterations=None,
            interval='20ms', duration='2s', reconnect='{backoff: fixed, cap: 100ms, attempts: 1000}')
        self.assertIn('NotReconnected', {error['code'] for error in self.results['simulate']['errors']})
        return output

    def test_an_abort_while_devices_connect(self):
        """Those that did not get their turn are no failures."""
        self.template(THROWS)
        self.write('job.yaml', local_job(devices=1000, connect_rate='20/s', interval='100ms', duration='60s',
                                         thresholds='[{expression: "failed < 5", abort: true}]'))
        self.iotifyd('-q', 'job.yaml', '--json', 's.json', status=99)
        codes = {error['code'] for error in json.loads((self.folder / 's.json').read_text())['simulate']['errors']}
        self.assertEqual({'ScriptError'}, codes)

    def test_acknowledgements_that_come_late(self):
        """After given-up ones the device goes on, also when the server acknowledges those after all."""
        waiting = []

        def handle(connection):
            for packet in packets(connection):
                if packet.type == PUBLISH and len(waiting) < 70:
                    waiting.append(packet.acknowledgement())
                    if len(waiting) == 70:
                        time.sleep(1)     # 50 are given up by then, and the next one waits
                        connection.sendall(b''.join(waiting))
                elif packet.type == PUBLISH:
                    connection.sendall(packet.acknowledgement())
        self.template('publish: {topic: t, qos: 1}\nmessage: |\n  return String(index());\n', port=Server(self, handle).port)
        self.write('job.yaml', local_job(devices=1, iterations=500, interval='10ms', ack_timeout='200ms'))
        results = self.summary('job.yaml')['simulate']
        self.assertEqual(500, results['published'] + results['failed'])
        self.assertGreaterEqual(results['lost'], 50)

    @situation
    def test_the_run_ends_before_all_devices_connected(self, status):
        output = self.run_line(status, devices=30, connect_rate='10/s', duration='1s', iterations=None)
        self.assertIn('NotStarted', {error['code'] for error in self.results['simulate']['errors']})
        return output

    @situation
    def test_a_promise_open_at_the_end(self, status):
        """It is waited for until wait_limit, also where everything else is done."""
        return self.run_line(status, OWN + 'message: |\n  await new Promise(() => {});\n', iterations=None,
                             duration='500ms', interval='10s', verify_within='100ms', wait_limit='2s')

    @situation
    def test_finish_waits_for_ever(self, status):
        return self.run_line(status, OWN + MESSAGE + 'finish: |\n  await new Promise(() => {});\n')

    @situation
    def test_a_threshold_ends_the_run_and_holds_again(self, status):
        """Acknowledgements come after the threshold has ended the run."""
        def handle(connection):
            waiting = []
            for packet in packets(connection):
                if packet.type == PUBLISH:
                    waiting.append(packet.acknowledgement())
                if len(waiting) == 20:
                    time.sleep(2.5)
                    connection.sendall(b''.join(waiting))
        return self.run_line(status, port=Server(self, handle).port, iterations=20, log='is crossed',
                             thresholds='[{expression: "acknowledged > 5", abort: true}]')

    @situation
    def test_messages_that_are_never_returned(self, status):
        """Nothing of them is unaccounted."""
        self.template(OWN + 'subscribe: ["elsewhere"]\n' + MESSAGE)
        self.write('job.yaml', local_job(devices=2, iterations=1, verify='end_to_end', verify_within='200ms')
                   .replace(', thresholds: []', ''))
        output = self.iotifyd('-q', 'job.yaml', '--json', 's.json', '--junit', 'j.xml', status=status).stdout
        failed = [case.name for suite in junitparser.JUnitXml.fromfile(str(self.folder / 'j.xml'))
                  for case in suite if case.result]
        self.assertEqual(['lost == 0'], failed)
        results = json.loads((self.folder / 's.json').read_text())['simulate']
        self.assertEqual((2, 2, 2, 2), tuple(results[name] for name in (
            'published', 'acknowledged', 'lost', 'unreturned')))
        return output

    @situation
    def test_the_series_cannot_be_completed(self, status):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job())
        return self.iotifyd('-q', 'job.yaml', '--series', '/dev/full', status=status).stdout

    @situation
    def test_a_capture_cannot_be_completed(self, status):
        return self.run_line(status, capture='{file: /dev/full}')

    @situation
    def test_removed_devices_are_still_listed(self, status):
        """Something between us and AWS answers two deletions, and does not pass them on."""
        self.start_sandbox()
        self.write('job.yaml', job(3))
        self.iotifyd('-q', 'job.yaml', 'deploy')
        kept = re.compile(r'DELETE /things/iotify_1 ')
        self.environment['AWS_ENDPOINT_URL_IOT'] = f'http://127.0.0.1:{forgetful(self, self.api_port, kept)}'
        output = self.iotifyd('-q', 'job.yaml', 'cleanup', '--json', 's.json', status=status).stdout
        removed = json.loads((self.folder / 's.json').read_text())['steps'][0]
        self.assertEqual((3, 2, 1), (removed['total'], removed['ok'], removed['failed']))
        return output

    @situation
    def test_the_server_stops_reading(self, status):
        """2 devices, 200 MB: only what may wait is kept."""
        output = self.run_line(
            status, 'publish: {topic: t, qos: 0}\nmessage: |\n  return "x".repeat(100000);\n',
            port=acknowledging(self, read=False), iterations=1000, interval='0s', duration='3s',
            max_unwritten='500KB', connection=', keepalive: 5s',
            reconnect='{backoff: none, attempts: 1}')
        results = self.results['simulate']
        self.assertGreater(results['dropped'], 0)
        self.assertLess(results['published'] * 100000, 16 << 20)
        return output

    @situation
    def test_the_server_hangs_up_at_a_message(self, status):
        return self.run_line(
            status, 'publish: {topic: t, qos: 1}\nmessage: |\n  return String(index());\n',
            port=acknowledging(self, poison=b'3'), devices=1, iterations=6, interval='50ms', pacing='closed',
            reconnect='{backoff: fixed, cap: 20ms, attempts: 5}')

    @situation
    def test_await_longer_than_the_interval(self, status):
        self.answer_after(0.5)
        output = self.run_line(status, ASKS.replace('});\n', '});\n  return "x";\n', 1), iterations=5,
                               interval='20ms', thresholds='["publish.p99 < 450ms"]')
        results = self.results['simulate']
        self.assertFalse(results['generator']['saturated'])
        self.assertLess(results['generator']['lag_p99_seconds'], 0.45)
        self.assertEqual((20, 0), (results['acknowledged'], results['skipped']))
        return output

    @situation
    def test_await_with_overlap_skip(self, status):
        self.answer_after(0.2)
        output = self.run_line(status, ASKS, iterations=100, interval='20ms', overlap='skip')
        results = self.results['simulate']
        self.assertEqual(200, results['acknowledged'] + results['skipped'])
        self.assertGreater(results['skipped'], 100)
        # At the end of the time, too, what was left out is skipped and not dropped.
        self.run_line(0, ASKS, iterations=None, duration='1s', interval='20ms', overlap='skip')
        results = self.results['simulate']
        self.assertGreater(results['skipped'], 20)
        self.assertEqual(0, results['dropped'])
        return output

    @situation
    def test_a_stage_not_reached(self, status):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(
            devices=300, interval='1s', connect_rate='20/s',
            stages='[{name: up, duration: 2s, clients: 300}]').replace(', thresholds: []', ''))
        self.assertIn('lets 40 of 300 clients connect', self.iotifyd('--check', 'job.yaml').stderr)
        done = self.iotifyd('-q', 'job.yaml', '--json', 'summary.json', status=status)
        stage, = json.loads((self.folder / 'summary.json').read_text())['simulations'][0]['stages']
        self.assertEqual(('up', 'clients', 300), (stage['name'], stage['unit'], stage['intended']))
        self.assertLess(stage['reached'], 60)
        self.assertIn('stage 1: up reached', done.stderr)
        return done.stdout

    @situation
    def test_a_stage_not_reached_with_a_threshold(self, status):
        """Each iteration waits for one second, so the rate is not reached."""
        self.answer_after(1)
        self.template(ASKS)
        self.write('job.yaml', local_job(
            devices=2, stages='[{duration: 3s, rate: 200/s}]', thresholds='["dropped == 0"]'))
        done = self.iotifyd('-q', 'job.yaml', '--json', 'summary.json', status=status)
        results = json.loads((self.folder / 'summary.json').read_text())['simulations'][0]
        stage, = results['stages']
        self.assertEqual(('messages', 300), (stage['unit'], stage['intended']))
        self.assertLess(stage['reached'], 20)
        self.assertAlmostEqual(300, stage['reached'] + results['dropped'], delta=5)
        return done.stdout

    @situation
    def test_a_threshold_without_a_value(self, status):
        return self.run_line(status, thresholds='["end_to_end.p99 < 1s"]')

    @situation
    def test_interrupted(self, status):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(devices=2, interval='50ms', duration='100s'))
        published = self.subscriber()
        process = self.spawn('-q', 'job.yaml', stdout=subprocess.PIPE)
        wait_until(lambda: published.count() > 2, 'messages')
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)[0]
        self.assertEqual(status, process.returncode)
        return output

    @situation
    def test_the_summary_cannot_be_written(self, status):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(devices=2, iterations=1, interval='10ms'))
        done = self.iotifyd('-q', 'job.yaml', '--json', 'missing/summary.json', status=status)
        self.assertNotIn('published', done.stdout)
        return done.stdout

    @situation
    def test_deployed_and_cleaned_up(self, status):
        self.start_sandbox()
        self.write('job.yaml', job(3))
        return self.iotifyd('-q', 'job.yaml', 'deploy', 'cleanup', status=status).stdout

    @situation
    def test_deploy_refused(self, status):
        self.start_sandbox()
        self.boto().create_thing(thingName='iotify_0')
        self.write('job.yaml', job(1))
        return self.iotifyd('-q', 'job.yaml', status=status).stdout

    @situation
    def test_things_remain_after_cleanup(self, status):
        self.start_sandbox()
        self.write('job.yaml', job(2))
        self.iotifyd('-q', 'job.yaml', 'deploy')
        for path in self.folder.glob('job.*'):
            if path.name != 'job.yaml':
                path.unlink()
        return self.iotifyd('-q', 'job.yaml', 'cleanup', status=status).stdout


class Causes(Fleet):
    """The likely cause of a failure is in its text."""

    def error(self, status=1, template=OWN + MESSAGE, **settings):
        self.write('t.yaml', template)
        self.write('job.yaml', local_job(**{'devices': 1, 'iterations': 2, 'interval': '10ms', **settings}))
        self.results = self.summary('job.yaml', status=status)['simulate']
        return self.results['errors'][0]

    def connection(self, port=None, **settings):
        settings = {'host': '127.0.0.1', 'port': port or self.port, 'tls': 'false',
                    'client_id': '"c{{client()}}"', 'timeout': '3s', **settings}
        return 'connection: {' + ', '.join(f'{name}: {value}' for name, value in settings.items()) + '}\n'

    def test_tls_to_a_plain_port(self):
        error = self.error(template=self.connection(tls='true') + OWN + MESSAGE,
                           reconnect='{backoff: none, attempts: 1}')
        self.assertEqual('TlsFailed', error['code'])
        self.assertIn('set tls: false', error['message'])

    def test_plain_to_a_tls_port(self):
        self.start_sandbox()
        error = self.error(template=self.connection(port=self.mqtt_port) + OWN + MESSAGE,
                           reconnect='{backoff: none, attempts: 1}')
        self.assertIn('is this a TLS port (tls: true)', error['message'])

    def test_a_wrong_password_is_not_tried_again(self):
        def handle(connection):
            for _ in packets(connection, code=5):
                pass
        server = Server(self, handle)
        error = self.error(template=self.connection(port=server.port) + OWN + MESSAGE)
        self.assertEqual(('Refused', 1, 1), (error['code'], error['count'], len(server.connections)))

    def test_an_unavailable_server_is(self):
        def handle(connection):
            for _ in packets(connection, code=3):
                pass
        server = Server(self, handle)
        self.error(template=self.connection(port=server.port) + OWN + MESSAGE,
                   reconnect='{backoff: none, attempts: 3}')
        self.assertEqual(3, len(server.connections))

    def test_the_fleet_is_missing(self):
        error = self.error(template=self.connection(key='"{{state.__$key}}"') + OWN + MESSAGE +
                           'init: |\n  state.__$key = glob.get("nothing");\n')
        self.assertIn('{{state.__$key}} is undefined; if init() reads it from the glob, run deploy first',
                      error['message'])

    def test_a_topic_outside_the_policy(self):
        """The broker closes the connection at the publish."""
        def handle(connection):
            next(packets(connection))
            connection.shutdown(socket.SHUT_RDWR)
        server = Server(self, handle)
        error = self.error(status=0, template=self.connection(port=server.port) + OWN + MESSAGE,
                           reconnect='{backoff: none, attempts: 1}')
        self.assertIn('while a message was in flight; does it allow the topic', error['message'])

    def test_what_the_job_s_policy_does_not_allow(self):
        """Before the run where it can be known, and when AWS hangs up."""
        self.start_sandbox()
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        whose = 'the policy IOTIFY_AUTOMATED_POLICY of this job does not allow the client id '
        own = 'iotify/iotify_{{client()}}'

        def template(client_id='iotify_{{client()}}', topic=own + '/t', filters='', body=''):
            return (f'connection: {{client_id: "{client_id}", key: "{{{{state.__$key}}}}", '
                    f'cert: "{{{{state.__$cert}}}}"}}\npublish: {{topic: "{topic}", qos: 1}}\n'
                    f'subscribe: [{filters}]\ninit: |\n  for (const part of ["key", "cert"])\n'
                    '    state["__$" + part] = glob.get("aws_iotify_" + client() + "_" + part);\n'
                    f'message: |\n  {body}\n  return "m" + index();\n')

        for text, early, late in (
                (template(filters=f'"{own}/#"'), None, None),
                (template(topic='all/{{client()}}'), 'iotify_0 to publish to all/0', 'to publish to all/'),
                (template(body='if (index() == 1) publish("all/of/them", "x");'), None,
                 'to publish to all/of/them'),
                (template(body=f'publish("{"long/" * 30}", "x");'.replace('publish', 'if (index() == 1) publish')), None, None),
                (template(client_id='x{{client()}}'), 'x0; its thing is iotify_0', '; its thing is iotify_'),
                (template(filters='"all/#"'), 'iotify_0 to subscribe to all/#', 'to subscribe to all/#')):
            with self.subTest(early=early, late=late):
                self.write('aws_iotify.yaml', text)
                checked = self.iotifyd('--check', 'job.yaml').stderr
                self.assertIn(whose + early, checked) if early else self.assertNotIn(whose, checked)
                run = self.iotifyd('job.yaml', 'simulate', '--json', 's.json', '--set',
                                   'pipelines.simulate.0.simulate.reconnect={backoff: fixed, cap: 20ms, attempts: 3}',
                                   status=None)
                errors = json.loads((self.folder / 's.json').read_text())['simulate']['errors']
                messages = [error['message'] for error in errors if whose in error['message']]
                if late:
                    self.assertIn(late, messages[0], run.stderr)
                else:
                    self.assertEqual([], messages)

    def test_which_policy_counts(self):
        """That of the device step, and any other that the job makes; without a region there is none."""
        self.start_sandbox()
        wide = self.write('wide.json', json.dumps({'Version': '2012-10-17', 'Statement': [
            {'Effect': 'Allow', 'Action': 'iot:*', 'Resource': '*'}]}))
        steps = ('{policy: {name: narrow}}', '{policy: {name: wide, document: wide.json}}')
        self.write('t.yaml', 'connection: {client_id: "x{{client()}}"}\npublish: {topic: t}\nmessage: return "x";\n')
        for policies, device, expected in ((steps[:1], '', 'the policy narrow of this job does not allow'),
                                           (steps[:1], 'policy: other', None), (steps, 'policy: wide', None),
                                           (steps, 'policy: narrow', None)):
            self.write('job.yaml', 'devices: 2\nplugins: {aws: {use: aws-iot, region: eu-central-1}}\npipelines:\n  deploy:\n' +
                       ''.join(f'    - {{aws.{step[1:-1]}}}\n' for step in policies) + f'    - aws.device: {{{device}}}\n' +
                       '  simulate:\n    - simulate: {template: t.yaml}\n')
            checked = self.iotifyd('--check', 'job.yaml').stderr
            self.assertIn(expected, checked) if expected else self.assertNotIn('does not allow', checked)
        self.write('job.yaml', (self.folder / 'job.yaml').read_text().replace(', region: eu-central-1', ''))
        self.environment = {name: value for name, value in self.environment.items() if 'REGION' not in name}
        self.assertIn('region', self.iotifyd('--check', 'job.yaml', status=None).stderr)

    def test_a_message_that_makes_the_server_hang_up(self):
        """It is given up at the third hang-up; those before and after it arrive."""
        published = []
        port = acknowledging(self, published=published, poison=b'3')
        self.template('publish: {topic: t, qos: 1}\nmessage: |\n  return String(index());\n', port=port)
        self.write('job.yaml', local_job(devices=1, iterations=6, interval='100ms', pacing='closed',
                                         reconnect='{backoff: fixed, cap: 20ms, attempts: 5}'))
        results = self.summary('job.yaml')['simulate']
        self.assertEqual((6, 5, 1, 3, 0), tuple(results[name] for name in (
            'published', 'acknowledged', 'lost', 'reconnects', 'failed')))
        self.assertEqual({'ClosedByServer': 3, 'GivenUp': 1},
                         {error['code']: error['count'] for error in results['errors']})
        self.assertEqual([b'0', b'1', b'2', b'3', b'3', b'3', b'4', b'5'], [body[-1:] for body in published])

    def test_a_message_that_makes_the_server_crash(self):
        """Between the hang-ups the server is away; the message before the last waits, and `hold` holds."""
        published, turns = [], []

        def handle(connection):
            turns.append(0)
            if len(turns) in (2, 4):    # not there
                return connection.shutdown(socket.SHUT_RDWR)
            for packet in packets(connection):
                if packet.type == PUBLISH:
                    published.append(packet.payload)
                    if packet.payload == b'3':
                        return connection.shutdown(socket.SHUT_RDWR)
                    connection.sendall(packet.acknowledgement())
        self.template('publish: {topic: t, qos: 1}\nmessage: |\n  return String(index());\n', port=Server(self, handle).port)
        self.write('job.yaml', local_job(devices=1, iterations=4, interval='50ms', hold='200ms',
                                         reconnect='{backoff: fixed, cap: 20ms, attempts: 20}'))
        results = self.summary('job.yaml')['simulate']
        self.assertEqual((4, 3, 1, 0, 3), tuple(results[name] for name in (
            'published', 'acknowledged', 'lost', 'failed', 'reconnects')))
        self.assertEqual([b'0', b'1', b'2', b'3', b'3', b'3'], published)

    def test_a_ca_that_blocks(self):
        os.mkfifo(self.folder / 'ca.pem')
        error = self.error(template=self.connection(tls='true', ca='ca.pem') + OWN + MESSAGE)
        self.assertIn('ca.pem: it is not a regular file', error['message'])

    def test_the_cause_leaves_the_script_alone(self):
        """A topic that counts: hang-ups do not evaluate it."""
        topics = []

        def handle(connection):
            for packet in packets(connection):      # also what comes after the hang-up
                if packet.type == PUBLISH:
                    topics.append(packet.topic)
                    connection.shutdown(socket.SHUT_WR)
        self.template('publish: {topic: "t/{{state.n = (state.n || 0) + 1}}", qos: 0}\nmessage: return "x";\n',
                      port=Server(self, handle).port)
        self.write('job.yaml', local_job(devices=1, iterations=4, interval='50ms', pacing='closed',
                                         reconnect='{backoff: fixed, cap: 20ms, attempts: 20}'))
        self.summary('job.yaml', status=None)
        self.assertEqual([b't/1', b't/2', b't/3', b't/4'], sorted(topics))

    def test_the_same_client_id_twice(self):
        """Different expressions may have the same value, and a broker keeps one connection."""
        error = self.error(status=None, template=self.connection(client_id='"c{{client() % 2}}"') + OWN + MESSAGE,
                           devices=4, iterations=3, interval='100ms', hold='1s',
                           reconnect='{backoff: fixed, cap: 200ms, attempts: 3}')
        errors = {error['code']: error for error in self.results['errors']}
        self.assertEqual(2, errors['SameClientId']['count'])
        self.assertIn('put {{client()}} into client_id', errors['SameClientId']['message'])
        self.assertRegex(errors['ClosedByServer']['message'],
                         '^the server closed the connection[^;:]*: client [0-3] connects with the same client id$')

    def test_a_wrong_password_of_two_with_the_same_client_id(self):
        """The server did not hang up: the id is not the cause."""
        server = Server(self, lambda connection: collections.deque(packets(connection, code=4), maxlen=0))
        error = self.error(template=self.connection(port=server.port, client_id='"c{{client() % 2}}"') + OWN + MESSAGE,
                           devices=4)
        messages = {error['code']: error['message'] for error in self.results['errors']}
        self.assertNotIn('same client id', messages['Refused'])
        self.assertEqual('Refused', error['code'])

    def test_a_constant_client_id(self):
        template = self.connection(client_id='c') + OWN + MESSAGE
        self.write('t.yaml', template)
        self.write('job.yaml', local_job(devices=2))
        self.assertIn('put {{client()}} into it, or set shared_client_id: true', self.iotifyd(
            '--check', 'job.yaml', status=2).stderr)
        self.iotifyd('--check', 'job.yaml', '--set', 'devices=1')
        self.write('t.yaml', self.connection(client_id='c', shared_client_id='true') + OWN + MESSAGE)
        self.iotifyd('--check', 'job.yaml')

    def test_a_payload_that_aws_does_not_take(self):
        self.start_sandbox()
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        path = self.folder / 'aws_iotify.yaml'
        lines, text = [], path.read_text()
        for line in text[:text.index('message: |')].splitlines():
            lines.append(line)
        path.write_text('\n'.join(lines) + '\nmessage: |\n'
                        '  return "x".repeat(index() ? 131073 : 131072);\n')
        results = self.summary('job.yaml', 'simulate', '--set', 'pipelines.simulate.0.simulate.iterations=2',
                               '--set', 'pipelines.simulate.0.simulate.interval=10ms', status=99)['simulate']
        self.assertEqual((2, 2, 2, 0), tuple(results[name] for name in (
            'acknowledged', 'refused', 'failed', 'reconnects')))
        self.assertEqual('PayloadTooLarge', results['errors'][0]['code'])
        self.assertIn('a payload of 131073 bytes is not sent: the endpoint takes at most 131072',
                      results['errors'][0]['message'])


class Junit(Fleet):
    """Two readers that CI tools use find in --junit what the summary says."""

    def read(self, status, *pipelines):
        self.iotifyd('-q', 'job.yaml', *pipelines, '--junit', 'j.xml', '--json', 's.json', status=status)
        return self.compare()

    def compare(self):
        file, summary = self.folder / 'j.xml', json.loads((self.folder / 's.json').read_text())
        cases = [case for suite in junitparser.JUnitXml.fromfile(str(file)) for case in suite]
        others = OtherReader(str(file)).suites[0].all()
        self.assertEqual([(case.name, bool(case.result)) for case in cases],
                         [(case.name, case.failed()) for case in others])
        self.assertEqual({summary['job']}, {case.classname for case in cases})
        names = [case.name for case in cases]
        self.assertEqual(len(set(names)), len(names))
        for step, count in collections.Counter(f'{step["pipeline"]}/{step["step"]}' for step in summary['steps']).items():
            self.assertEqual([step, *(f'{step} {number}' for number in range(2, count + 1))],
                             [name for name in names if name.startswith(step) and ':' not in name])
        self.assertEqual(len(names), 1 + len(summary['steps']) + len(summary['thresholds']) + sum(
            simulation['transport'] != 'none' for simulation in summary['simulations']))
        failed = {case.name: case.result[0].text for case in cases if case.result}
        self.assertEqual(summary['exit'] != 0, bool(failed))
        if failed:
            self.assertIn(summary['verdict'], [text.split('\n')[0] for text in failed.values()])
        return failed

    def test_all_is_well(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(thresholds='["publish.p99 < 100s", "lost < 5"]'))
        self.assertEqual({}, self.read(0))

    def test_thresholds_of_two_steps(self):
        self.template(OWN + MESSAGE)
        self.write('bad.yaml', 'transport: none\nmessage: |\n  throw new Error("<b>&\\x01\\u0085\\ufffe]]>é");\n')
        self.write('job.yaml', 'name: two\ndevices: 2\nplugins: {glob: {use: memory}}\npipelines:\n  simulate:\n' + ''.join(
            f'    - simulate: {{template: {name}.yaml, iterations: 2, interval: 10ms}}\n' for name in ('t', 'bad')))
        failed = self.read(99)
        self.assertEqual({f'simulate/simulate 2: {name} == 0' for name in ('failed', 'script_errors')}, set(failed))
        self.assertIn('FAILED: simulate 2: failed == 0 does not hold: 4\nScriptError × 4: bad.yaml:3:18: Error: <b>&', failed['simulate/simulate 2: failed == 0'])
        self.assertIn(']]>é', failed['simulate/simulate 2: failed == 0'])

    def test_a_step_fails(self):
        self.start_sandbox()
        self.boto().create_thing(thingName='iotify_1')
        self.write('job.yaml', job(3))
        failed = self.read(1, 'deploy')
        self.assertEqual(['deploy/aws.device'], list(failed))
        self.assertIn('1 of 3: ThingDiffers', failed['deploy/aws.device'])

    def test_interrupted(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(iterations=100000, interval='10ms'))
        process = self.spawn('job.yaml', '--junit', 'j.xml', '--json', 's.json', '--series', 'live.csv')
        wait_until(lambda: (self.folder / 'live.csv').exists() and (self.folder / 'live.csv').stat().st_size, 'the series')
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual({'the run ends by itself': 'FAILED: interrupted by signal 15'}, self.compare())

    def test_a_file_that_cannot_be_written(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job())
        self.assertIn('cannot write none/j.xml', self.iotifyd('job.yaml', '--junit', 'none/j.xml', status=1).stdout)
        done = self.iotifyd('-q', 'job.yaml', '--junit', '/dev/full', status=1)
        self.assertEqual('FAILED: cannot write the summary to /dev/full', done.stdout.strip().splitlines()[-1])
