# SPDX-License-Identifier: Apache-2.0
"""iotifyd plugins test: the shipped transports and connectors pass, and plugins that break a rule do not."""
import contextlib
import re
import resource
import socket
import threading

from support import BUILD, Case, IOTIFYD, SANDBOX, free_port, wait_for_port


class Conformance(Case):
    @classmethod
    def setUpClass(cls):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        cls.addClassCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        # Its servers have thousands of clients.
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))

    def conformance(self, name, *settings, environment=None, status=0, command=(), more=()):
        sets = [word for setting in settings for word in ('--set', setting)]
        done = self.run_program(*command, IOTIFYD, 'plugins', 'test', name, *sets, *more, status=None, environment=environment)
        lines = done.stdout.splitlines()
        if status == 0:
            self.assertEqual([], [line for line in lines if line.startswith('not ok')], done.stdout + done.stderr)
        self.assertEqual(status, done.returncode, done.stdout[-2000:] + done.stderr[-2000:])
        return lines

    def check_tap(self, lines, least):
        """The plan is the number of cases, which are numbered in turn."""
        self.assertEqual('TAP version 13', lines[0])
        cases = [int(number) for line in lines if (number := (re.match(r'(?:not )?ok (\d+) - ', line) or [0, 0])[1])]
        self.assertEqual(list(range(1, len(cases) + 1)), cases)
        self.assertIn(f'1..{len(cases)}', lines)
        self.assertGreaterEqual(len(cases), least)

    def test_null(self):
        self.check_tap(self.conformance('null'), 70)
        self.conformance('null', 'latency=5ms')

    def test_mqtt(self):
        port = free_port()
        self.write('m.conf', f'listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\n')
        self.start('mosquitto', '-c', 'm.conf')
        wait_for_port(port)
        lines = self.conformance('mqtt', 'connection.host=127.0.0.1', f'connection.port={port}', 'connection.tls=false', 'connection.client_id=c', 'publish.topic=a/b')
        self.check_tap(lines, 70)
        self.assertFalse([line for line in lines if 'SKIP' in line and 'answers' not in line])

    def test_no_session(self):
        """A server that refuses all: the suite says so, and does not try everything."""
        with socket.create_server(('127.0.0.1', 0)) as listener:
            thread = threading.Thread(target=self.refuse, args=(listener,))
            thread.start()
            lines = self.conformance('mqtt', 'connection.host=127.0.0.1', f'connection.port={listener.getsockname()[1]}', 'connection.tls=false',
                                     'connection.client_id=c', status=1)
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
        self.assertEqual(['1..1'], [line for line in lines if line.startswith('1..')])
        self.assertRegex('\n'.join(lines), r'Bail out! Without a session nothing can be tested: .*it has closed, and the reason is \w+: ')

    @staticmethod
    def refuse(listener):
        with contextlib.suppress(OSError):
            while True:
                listener.accept()[0].close()

    def test_one_case(self):
        lines = self.conformance('memory', more=('--case', 'a value of: 0 bytes'))
        self.assertEqual(['TAP version 13', 'ok 1 - a value of: 0 bytes', '1..1', '# 1 of 1 passed'], [line for line in lines if not line.startswith('# the')])
        self.assertEqual([], [line for line in self.conformance('memory', more=('--case', 'no such case'), status=2) if 'ok' in line])
        self.conformance('null-connector', more=('--case', 'deploy'), status=2)

    def test_https(self):
        port = free_port()
        paths = ' '.join(f'{name}_temp_path {self.folder}/{name};' for name in ('proxy', 'fastcgi', 'uwsgi', 'scgi'))
        self.write('n.conf', f'daemon off; pid {self.folder}/pid; error_log {self.folder}/errors;\nevents {{ worker_connections 15000; }}\n'
                   f'http {{ access_log off; client_body_temp_path {self.folder}/bodies; {paths}\n'
                   f'server {{ listen 127.0.0.1:{port}; keepalive_requests 100000; client_max_body_size 40m; location / {{ return 200 "ok"; }} }} }}\n')
        self.start('nginx', '-c', str(self.folder / 'n.conf'))
        wait_for_port(port)
        self.check_tap(self.conformance('https', 'connection.host=127.0.0.1', f'connection.port={port}', 'connection.tls=false', 'publish.topic=a/b'), 70)

    def test_connectors(self):
        self.check_tap(self.conformance('null-connector'), 20)
        lines = self.conformance('aws-iot', command=(SANDBOX, '--api-port', '0', '--mqtt-port', '0', '--https-port', '0', '--'))
        self.check_tap(lines, 20)

    def test_wrong_plugins(self):
        """What breaks a rule fails at least one case, and ends the suite in good order."""
        environment = {'IOTIFY_PLUGIN_PATH': str(BUILD / 'tests/wrong')}
        # It says that it is durable, and keeps its values in memory.
        lines = self.conformance('wrong-storage', environment=environment, status=1)
        self.assertTrue([line for line in lines if line.startswith('not ok') and 'survives SIGKILL' in line])
        for does in ('get-nothing', 'get-no-nul', 'apply-nothing', 'apply-put-exists', 'scan-same', 'scan-more', 'flush-zero'):
            with self.subTest(does):
                lines = self.conformance('wrong-storage', f'does={does}', environment=environment, status=1)
                self.assertTrue([line for line in lines if 'wrong-storage' in line and 'this is a mistake of the plugin' in line])
        for does in ('connected-negative', 'closed-reason', 'closed-null', 'message-no-topic', 'publish-unknown'):
            with self.subTest(does):
                self.conformance('wrong-transport', f'does={does}', environment=environment, status=1)

    def test_usage(self):
        for words, text in (([], 'takes the name of one plugin'), (['nothing'], 'unknown plugin "nothing"'), (['mqtt', '--set', 'connection.client_id=c'], '--set connection.host=HOST'),
                            (['sqlite', '--set', 'pth=x'], 'unknown setting "pth"')):
            with self.subTest(words):
                done = self.iotifyd('plugins', 'test', *words, status=2)
                self.assertIn(text, done.stderr)
