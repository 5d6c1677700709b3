# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import time

from support import Case, local_job

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
