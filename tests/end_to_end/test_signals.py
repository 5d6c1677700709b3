# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import threading
import time

from fleet import Server
from support import Case, job, local_job

# A script that prints a line when it has begun.
SAYS_HERE = 'transport: none\nmessage: |\n  if (index() === 0) console.log("here");\n'


class Signals(Case):
    def start_job(self, template, **settings):
        self.write('t.yaml', template)
        self.write('job.yaml', local_job(**settings))
        process = self.spawn('job.yaml', '--json', 'summary.json', stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        for line in process.stderr:
            if 'here' in line:
                return process
        raise AssertionError('the script did not begin')

    def test_once_finishes_in_order(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start_job(SAYS_HERE + '  return "x";\n', interval='50ms',
                                     iterations=100000)
            process.send_signal(number)
            out, errors = process.communicate(timeout=60)
            self.assertEqual(128 + number, process.returncode)
            self.assertIn('job: interrupted', out)
            self.assertIn('To resume, run the same command: iotifyd job.yaml --json summary.json',
                          errors)
            self.assertIn(f'"exit": {128 + number}', (self.folder / 'summary.json').read_text())

    def test_twice_leaves_at_once(self):
        # A script in a long call cannot finish quickly.
        process = self.start_job(SAYS_HERE + '  while (true) {}\n', time_limit='1h', iterations=1)
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        self.assertEqual(130, process.returncode)

    def test_no_cleanup_after_a_signal(self):
        self.start_sandbox()
        self.write('job.yaml', 'devices: 20\nplugins:\n  aws: {use: aws-iot, quotas: {"*": 5}}\n')
        process = self.spawn('job.yaml', stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in process.stderr:
            if 'aws.device' in line:
                break
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(130, process.returncode)
        self.assertNotIn('cleanup/', out)
        # The same command with higher quotas continues and removes everything.
        self.iotifyd('-q', 'job.yaml', 'deploy', 'cleanup', '--set', 'plugins.aws.quotas={"*": 1000}')
        self.assertEqual([], self.boto().list_things()['things'])
        self.assertEqual([], self.boto().list_certificates()['certificates'])

    def test_a_cleanup_that_was_interrupted(self):
        """The next run finishes the removal, and then runs all its pipelines."""
        self.start_sandbox('--detach-delay', '2s')
        self.write('job.yaml', 'devices: 5\nplugins:\n  aws: {use: aws-iot, quotas: {"*": 1000}}\n'
                               'pipelines:\n  simulate: []\n')
        self.iotifyd('-q', 'job.yaml', 'deploy')
        process = self.spawn('job.yaml', 'cleanup', stderr=subprocess.PIPE)
        for line in process.stderr:
            if 'remove_device' in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(130, process.returncode)
        self.iotifyd('job.yaml')
        self.assertEqual([], self.boto().list_things()['things'])
        self.assertEqual([], self.boto().list_certificates()['certificates'])

    def stop_with_aws(self, answer):
        """Stop a deploy whose service behaves so; how long that takes."""
        asked = threading.Event()

        def handle(connection):
            connection.recv(10000)
            asked.set()
            answer(connection)
        self.environment['AWS_ENDPOINT_URL'] = f'http://127.0.0.1:{Server(self, handle).port}'
        self.write('job.yaml', job(5))
        process = self.spawn('-q', 'job.yaml', '--json', 'summary.json', stdout=subprocess.PIPE)
        self.assertTrue(asked.wait(60))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(143, process.returncode)
        self.assertEqual('FAILED: interrupted by signal 15', out.strip().splitlines()[-1])
        self.assertIn('"exit": 143', (self.folder / 'summary.json').read_text())
        # The request itself would take a minute.
        self.assertLess(time.monotonic() - began, 30)

    def test_aws_does_not_answer(self):
        self.stop_with_aws(lambda connection: time.sleep(100))

    def test_aws_answers_byte_by_byte(self):
        def drip(connection):
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
                               b'Content-Length: 100000\r\n\r\n{')
            for _ in range(1000):
                connection.sendall(b' ')
                time.sleep(0.1)
        self.stop_with_aws(drip)

    def test_a_key_file_that_blocks(self):
        self.start_sandbox()
        os.mkfifo(self.folder / 'job.key', 0o600)
        self.write('job.yaml', job(1))
        self.assertIn('job.key is not a regular file', self.iotifyd('job.yaml', 'deploy', status=1).stderr)
