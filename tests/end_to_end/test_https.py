# SPDX-License-Identifier: Apache-2.0
"""The transport https: against the sandbox, and against servers that answer in every way."""
import http.server
import json
import threading
import time

from support import Case, IOTIFYD, SANDBOX

JOB = '''devices: 2
plugins:
  glob: {use: memory}
pipelines:
  simulate:
    - simulate: {template: t.yaml, iterations: 2, interval: 10ms, loops: 1, reconnect: {backoff: none, attempts: 3}}
'''
TEMPLATE = '''transport: https
connection: {url: "http://127.0.0.1:%d/%s", timeout: %s, method: PUT, headers: {X-Client: "c{{client()}}", X-Other: 1}}
message: return "m" + iteration();
response: |
  metric.add("status_" + response.status, 1);
  metric.add("header_" + response.headers["x-answer"], 1);
'''


class Server(http.server.ThreadingHTTPServer):
    """Answers as the path says; counts connections and keeps requests."""
    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.connections, self.requests, self.answered, self.throttled = 0, [], [], set()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def process_request(self, request, address):
        self.connections += 1
        super().process_request(request, address)

    def stop(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, address):
        pass    # clients hang up on purpose


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self, status, body=b'', **headers):
        self.send_response(status)
        self.send_header('Content-Length', len(body))
        self.send_header('X-Answer', 'yes')
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        what, client = self.path[1:], self.headers['X-Client']
        with self.server.lock:
            self.server.requests.append((client, body))
            self.server.answered.append((time.monotonic(), self.path, client))
            first = client not in self.server.throttled
            self.server.throttled.add(client)
        if what.isdigit():
            self.answer(int(what), b'line one\nline \x1b[31mtwo', Location='http://127.0.0.1:1/')
        elif what.startswith(('throttle', 'topics/throttle')) and first:
            # The first client waits longer than the others.
            self.answer(429, Retry_After='3' if client == 'c0' and what != 'throttle' else '1')
        elif what == 'half':
            self.send_response(200)
            self.send_header('Content-Length', '100')
            self.end_headers()
            self.wfile.write(b'x' * 10)
            self.close_connection = True
        elif what == 'huge':
            self.answer(200, b'x' * (17 << 20))
        elif what == 'garbage':
            self.wfile.write(b'this is not HTTP\r\n\r\n')
            self.close_connection = True
        elif what == 'close':
            self.close_connection = True
        elif what == 'silent':
            self.rfile.read(1)      # until the client gives up
            self.close_connection = True
        else:
            self.answer(200, b'good')

    def log_message(self, *_):
        pass


# What the server does: acknowledged, refused, the code among the errors, the exit status.
ANSWERS = {
    '200': (4, 0, None, 0), '204': (4, 0, None, 0), '302': (0, 4, 'Refused302', 99), '403': (0, 4, 'Refused403', 99), '500': (0, 4, 'Refused500', 99),
    'throttle': (2, 2, 'Refused429', 99), 'half': (0, 0, 'ClosedByServer', 99), 'huge': (0, 4, 'Refused0', 99), 'garbage': (0, 0, 'ProtocolError', 99),
    'close': (0, 0, 'ClosedByServer', 99), 'silent': (0, 0, 'Timeout', 99),
}


class Https(Case):
    def setUp(self):
        super().setUp()
        self.server = Server()
        self.addCleanup(self.server.stop)

    def run_with(self, what, status=0, timeout='10s', job=JOB):
        self.write('job.yaml', job)
        self.write('t.yaml', TEMPLATE % (self.server.server_port, what, timeout))
        done = self.iotifyd('job.yaml', '--json', 's.json', status=status)
        return done, json.loads((self.folder / 's.json').read_text())['simulate']

    def test_answers(self):
        for what, (acknowledged, refused, code, status) in ANSWERS.items():
            with self.subTest(what):
                self.server.throttled.clear()
                done, result = self.run_with(what, status, '300ms' if what == 'silent' else '10s')
                self.assertEqual((acknowledged, refused), (result['acknowledged'], result['refused']), done.stdout)
                self.assertNotIn('\x1b', done.stdout + done.stderr)
                if code:
                    self.assertIn(code, [error['code'] for error in result['errors']])
                if what.isdigit():
                    self.assertEqual({f'status_{what}': 4, 'header_yes': 4}, {name: metric['count'] for name, metric in result['metrics'].items()})
                if what == 'throttle':
                    self.assertIn('the server asks for a pause: messages wait for', done.stderr)

    def test_a_connection_for_each_device(self):
        _, result = self.run_with('200', job=JOB.replace('devices: 2', 'devices: 10').replace('iterations: 2', 'iterations: 20'))
        self.assertEqual(200, result['acknowledged'])
        self.assertEqual(10, self.server.connections)
        for client in range(10):
            bodies = [body for name, body in self.server.requests if name == f'c{client}']
            self.assertEqual([b'm%d' % n for n in range(20)], bodies)

    def test_one_certificate_for_all(self):
        """Devices do not share connections, whatever their settings have in common."""
        self.write('job.yaml', JOB.replace('devices: 2', 'devices: 5'))
        self.write('t.yaml', (TEMPLATE % (self.server.server_port, '200', '10s')).replace('method: PUT', 'method: PUT, cert: one, key: one'))
        self.iotifyd('job.yaml')
        self.assertEqual(5, self.server.connections)

    def test_disconnect_closes(self):
        """A device that disconnects has no connection; one that reconnects makes a new one."""
        self.write('job.yaml', JOB.replace('iterations: 2', 'iterations: 4'))
        self.write('t.yaml', (TEMPLATE % (self.server.server_port, '200', '10s')).replace(
            'message: return "m" + iteration();', 'message: |\n  if (iteration() === 1) reconnect();\n  return "m" + iteration();'))
        done = self.iotifyd('job.yaml', '--json', 's.json')
        result = json.loads((self.folder / 's.json').read_text())['simulate']
        self.assertEqual((2, 2), (result['connected'], result['reconnects']), done.stdout)
        self.assertEqual(4, self.server.connections)

    def test_pauses(self):
        """Each device waits for its own time, and what waits keeps its order and its topics."""
        self.write('job.yaml', JOB.replace('iterations: 2', 'iterations: 3'))
        self.write('t.yaml', f'transport: https\nconnection: {{host: 127.0.0.1, port: {self.server.server_port}, tls: false, method: PUT, '
                   'headers: "X-Client: c{{client()}}"}\npublish: {topic: "throttle/main"}\nmessage: |\n'
                   '  if (iteration() === 1) publish("throttle/other/" + client(), "p");\n  return "m" + iteration();\n')
        done = self.iotifyd('job.yaml', '--json', 's.json', status=99)
        result = json.loads((self.folder / 's.json').read_text())['simulate']
        self.assertEqual((6, 2), (result['acknowledged'], result['refused']), done.stdout)
        for client in range(2):
            seen = [(moment, path) for moment, path, name in self.server.answered if name == f'c{client}']
            self.assertEqual(['main', f'other/{client}', 'main', 'main'], [path.split('throttle/')[1].split('?')[0] for _, path in seen])
            self.assertGreaterEqual(seen[1][0] - seen[0][0], 2.9 if client == 0 else 0.9)
        self.assertLess(min(moment for moment, path, name in self.server.answered if name == 'c1' and 'other' in path),
                        min(moment for moment, path, name in self.server.answered if name == 'c0' and 'other' in path))

    def test_no_server(self):
        self.server.stop()
        done, result = self.run_with('200', status=1)
        self.assertIn('Unreachable', [error['code'] for error in result['errors']])
        self.assertEqual(0, result['connected'])
        self.assertIn('2 of 2 never connected', done.stdout.splitlines()[-1])

    def test_bad_settings(self):
        self.write('job.yaml', JOB)
        for connection, words in (('{url: "ftp://h/"}', 'is not an address that begins with http:// or https://'),
                                  ('{url: "http://h/", version: "3"}', '"version" is 1.1 or 2, not 3'),
                                  ('{url: "http://h/", cert: x}', '"cert" and "key" belong together'),
                                  ('{host: h}', '"publish" needs the setting "topic"')):
            with self.subTest(connection):
                self.write('t.yaml', f'transport: https\nconnection: {connection}\nmessage: return "x"\n')
                done = self.iotifyd('job.yaml', status=1 if 'ftp' in connection else 2)
                self.assertIn(words, done.stdout + done.stderr)

    def test_template_of_mqtt(self):
        """The generated template runs over HTTPS, with the devices' certificates and AWS's policies."""
        for exclusive, status in (('true', 0), ('false', 99)):
            with self.subTest(exclusive=exclusive):
                self.write('job.yaml', 'devices: 3\nplugins:\n  aws: {use: aws-iot}\npipelines:\n  deploy:\n    - aws.thing_type: {}\n'
                           f'    - aws.thing_group: {{}}\n    - aws.policy: {{}}\n    - aws.device: {{exclusive: {exclusive}}}\n    - aws.template: {{}}\n'
                           '  simulate:\n    - simulate: {template: aws_iotify.yaml, transport: https, iterations: 3, interval: 50ms}\n')
                done = self.run_program(SANDBOX, '--api-port', '0', '--mqtt-port', '0', '--https-port', '0', '--', IOTIFYD, 'job.yaml',
                                        '--json', 's.json', status=status)
                result = json.loads((self.folder / 's.json').read_text())['simulate']
                self.assertEqual(3, result['connected'])
                self.assertEqual(9, result['acknowledged' if status == 0 else 'refused'])
                for file in self.folder.glob('job.[dk]*'):
                    file.unlink()
        self.run_program(SANDBOX, '--api-port', '0', '--mqtt-port', '0', '--https-port', '0', '--', 'sh', '-c',
                         f'{IOTIFYD} job.yaml deploy 2>&1 && {IOTIFYD} --check job.yaml simulate 2>check.log && {IOTIFYD} job.yaml cleanup 2>&1')
        warnings = (self.folder / 'check.log').read_text()
        self.assertIn('need exclusive: true in aws.device', warnings)
        self.assertIn('the transport https has no subscriptions; "subscribe" is left out', warnings)
        self.assertEqual(done.returncode, 99)
