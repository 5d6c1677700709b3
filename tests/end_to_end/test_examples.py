# SPDX-License-Identifier: Apache-2.0
"""Each job of examples/ does what its comment says; only the broker's port is changed."""
import json
import os
import pathlib
import shutil
import subprocess
import threading

import paho.mqtt.client as paho

from support import IOTIFYD, SANDBOX, Case, free_port, step, wait_for_port, wait_until

SOURCE = pathlib.Path(__file__).resolve().parents[2]


class Examples(Case):
    def setUp(self):
        super().setUp()
        shutil.copytree(SOURCE / 'examples', self.folder, dirs_exist_ok=True)

    def test_all_are_run(self):
        """Each example has a test here, and a comment of at most five lines."""
        for path in sorted((SOURCE / 'examples').glob('*.yaml')):
            name = path.stem
            self.assertTrue(hasattr(self, 'test_' + name.replace('-', '_')), name)
            comment = [line for line in path.read_text().splitlines() if line.startswith('#')]
            self.assertTrue(1 <= len(comment) <= 5, name)

    def run_example(self, name):
        """Run an example; its summary. All thresholds held, because otherwise the status is 99."""
        self.run_program(IOTIFYD, f'{name}.yaml', '--json', 'summary.json')
        return json.loads((self.folder / 'summary.json').read_text())

    def run_in_sandbox(self, name):
        """Run an example in the sandbox; its summary of the simulation. On a busy machine a latency
        counts as crossed, because the generator was saturated; all other thresholds must hold."""
        done = self.run_program(SANDBOX, '--', IOTIFYD, f'{name}.yaml', '--json', 'summary.json',
                                status=None)
        summary = json.loads((self.folder / 'summary.json').read_text())
        crossed = [each['expression'] for each in summary['thresholds'] if not each['ok']]
        if summary['simulate']['generator']['saturated']:
            crossed = [expression for expression in crossed if '.p' not in expression]
            self.assertIn(done.returncode, (0, 99), done.stderr)
        else:
            self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual([], crossed)
        self.assertEqual(step(summary, 'aws.device')['ok'], step(summary, 'aws.remove_device')['ok'])
        return summary['simulate']

    def use_port(self, name, usual, port):
        template = self.folder / f'templates/{name}.yaml'
        text = template.read_text()
        self.assertEqual(1, text.count(f'port: {usual}'))
        template.write_text(text.replace(f'port: {usual}', f'port: {port}'))

    def messages(self, name, count):
        """Run an example on a plain broker; the messages that a separate client received."""
        port = self.start_broker()
        self.use_port(name, 1883, port)
        received, subscribed = [], threading.Event()
        listener = paho.Client(paho.CallbackAPIVersion.VERSION2)
        listener.on_message = lambda _, __, message: received.append(
            (message.topic, message.payload.decode()))
        listener.on_subscribe = lambda *_: subscribed.set()
        listener.connect('127.0.0.1', port)
        listener.loop_start()
        self.addCleanup(listener.loop_stop)
        self.addCleanup(listener.disconnect)
        listener.subscribe('#', 1)
        self.assertTrue(subscribed.wait(60))
        self.run_example(name)
        wait_until(lambda: len(received) >= count, f'{count} messages')
        return received

    def test_quickstart(self):
        self.assertEqual(250, self.run_in_sandbox('quickstart')['acknowledged'])

    def test_plain_broker(self):
        messages = self.messages('plain-broker', 50)
        self.assertEqual(50, len(messages))
        for topic, payload in messages:
            self.assertTrue(18 <= json.loads(payload)['temperature'] <= 30, topic)

    def test_csv_data(self):
        topics = {topic for topic, _ in self.messages('csv-data', 9)}
        self.assertEqual({'Berlin/A-001', 'Munich/A-002', 'Hamburg/B-017'}, topics)

    def test_npm_package(self):
        (self.folder / 'node_modules').symlink_to(SOURCE / 'build/javascript/node_modules')
        for topic, payload in self.messages('npm-package', 9):
            self.assertEqual(topic.split('/')[1], json.loads(payload)['vin'])

    def test_gps_track(self):
        for _, payload in self.messages('gps-track', 15):
            self.assertTrue(48.14 < json.loads(payload)['latitude'] < 48.16, payload)

    def test_glob_counter(self):
        numbers = sorted(int(payload) for _, payload in self.messages('glob-counter', 20))
        self.assertEqual(list(range(1, 21)), numbers)
        self.assertEqual('20\n', self.iotifyd('glob', 'get', 'glob-counter.yaml', 'messages').stdout)

    def test_stages(self):
        self.assertEqual(20, self.run_in_sandbox('stages')['connected'])

    def test_storm(self):
        self.assertGreater(self.run_in_sandbox('storm')['reconnects'], 0)

    def test_thresholds(self):
        self.assertEqual(100, self.run_in_sandbox('thresholds')['metrics']['payload']['count'])
        # The same job with a limit that cannot hold.
        job = (self.folder / 'thresholds.yaml').read_text().replace('payload.mean < 64', 'payload.mean < 4')
        self.write('thresholds.yaml', job)
        self.run_program(SANDBOX, '--', IOTIFYD, 'thresholds.yaml', status=99)

    def test_end_to_end(self):
        self.assertEqual(100, self.run_in_sandbox('end-to-end')['verified'])

    # ---------------------------------------------------------------- brokers with TLS

    def openssl(self, *arguments):
        subprocess.run(['openssl', *arguments], cwd=self.folder, check=True, capture_output=True)

    def certify(self, name, file, key):
        """Create a key, and a certificate issued by the test's CA."""
        self.openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj',
                     f'/CN={name}', '-keyout', key, '-out', 'request.pem')
        self.write('extensions', f'subjectAltName=DNS:{name}\n')
        self.openssl('x509', '-req', '-in', 'request.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key',
                     '-days', '1', '-extfile', 'extensions', '-out', file)

    def start_tls_broker(self, name, settings):
        self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                     '-subj', '/CN=test root', '-days', '1', '-keyout', 'ca.key', '-out',
                     'ca.pem')
        self.certify('localhost', 'server.pem', 'server.key')
        port = free_port()
        self.use_port(name, 8883, port)
        user = 'user root\n' if os.geteuid() == 0 else ''
        self.write('mosquitto.conf', f'listener {port} 127.0.0.1\n{user}'
                   f'cafile {self.folder}/ca.pem\ncertfile {self.folder}/server.pem\n'
                   f'keyfile {self.folder}/server.key\n{settings}')
        self.restart_broker()
        wait_for_port(port)

    def test_tls_password(self):
        password = subprocess.run(['openssl', 'rand', '-hex', '12'], capture_output=True, text=True,
                                  check=True).stdout.strip()
        self.write('passwords', f'sensors:{password}\n')
        subprocess.run(['mosquitto_passwd', '-U', str(self.folder / 'passwords')], check=True,
                       capture_output=True)
        self.start_tls_broker('tls-password',
                              f'allow_anonymous false\npassword_file {self.folder}/passwords\n')
        self.iotifyd('glob', 'set', 'tls-password.yaml', 'broker_password', stdin=password)
        summary = self.run_example('tls-password')
        self.assertEqual(50, summary['simulate']['acknowledged'])
        self.iotifyd('glob', 'set', 'tls-password.yaml', 'broker_password', stdin='another')
        self.iotifyd('tls-password.yaml', status=1)

    def test_mtls_glob(self):
        self.start_tls_broker('mtls-glob', 'require_certificate true\nuse_identity_as_username true\n')
        for n in range(3):
            self.certify(f'device-{n}', 'device.pem', 'device.key')
            for kind, file in (('key', 'device.key'), ('cert', 'device.pem')):
                self.iotifyd('glob', 'set', 'mtls-glob.yaml', f'device_{n}_{kind}',
                             stdin=(self.folder / file).read_text())
        self.run_example('mtls-glob')
