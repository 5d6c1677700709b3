import signal
import subprocess
import time

from support import Case, IOTIFYD, local_job


class Signals(Case):
    def start_job(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  return "x";\n')
        self.write('job.yaml', local_job(interval='50ms', iterations=100000))
        return self.spawn()

    def spawn(self):
        process = subprocess.Popen(
            [IOTIFYD, 'job.yaml', '--json', 'summary.json'], cwd=self.folder,
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        return process

    def test_once_finishes_in_order(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start_job()
            time.sleep(1)
            process.send_signal(number)
            out, errors = process.communicate(timeout=20)
            self.assertEqual(128 + number, process.returncode)
            self.assertIn('job: interrupted', out)
            self.assertIn('To go on, run the same command: iotifyd job.yaml', errors)
            self.assertIn(f'"exit": {128 + number}', (self.folder / 'summary.json').read_text())

    def test_twice_leaves_at_once(self):
        # A script that is in the middle of a long call cannot finish quickly.
        self.write('t.yaml', 'transport: none\nmessage: |\n  while (true) {}\n')
        self.write('job.yaml', local_job(time_limit='1h', iterations=1))
        process = self.spawn()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        self.assertEqual(130, process.returncode)

    def test_no_cleanup_after_a_signal(self):
        self.start_sandbox()
        self.write('job.yaml', 'devices: 20\nplugins:\n  aws: {use: aws-iot, quotas: {"*": 5}}\n')
        process = self.spawn()
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        self.assertEqual(130, process.returncode)
        self.assertNotIn('cleanup/', out)
        # The same command with room to run goes on and takes everything away.
        self.iotifyd('-q', 'job.yaml', 'deploy', 'cleanup', '--set', 'plugins.aws.quotas={"*": 1000}')
        self.assertEqual([], self.boto().list_things()['things'])
        self.assertEqual([], self.boto().list_certificates()['certificates'])
