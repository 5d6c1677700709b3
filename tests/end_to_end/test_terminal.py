# SPDX-License-Identifier: Apache-2.0
"""Progress and summary as people see them: in a real terminal, tmux, which breaks lines anew when it is resized."""
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess

from fleet import Fleet, OWN
from support import IOTIFYD, local_job, wait_until

TALKING = OWN + 'message: |\n  console.log("line " + index() + ".");\n  return "m" + index();\n'


class Terminal(Fleet):
    def tmux(self, *arguments):
        return subprocess.run(['tmux', '-S', self.socket, '-f', '/dev/null', *arguments], cwd=self.folder,
                              env={**self.environment, 'LC_ALL': 'C.UTF-8', 'TERM': 'xterm-256color'}, capture_output=True, text=True, check=True, timeout=60).stdout

    def open(self, columns, rows, *arguments, environment=''):
        # Each has a server of its own: one that ends may not have closed its socket yet.
        self.socket = str(self.folder / f'tmux{len(list(self.folder.glob("tmux*")))}')
        self.addCleanup(subprocess.run, ['tmux', '-S', self.socket, 'kill-server'], stderr=subprocess.DEVNULL)
        command = f'{environment} {shlex.join([IOTIFYD, *arguments])}; echo "ended with $?"'
        self.tmux('set', '-g', 'remain-on-exit', 'on', ';', 'set', '-g', 'history-limit', '5000', ';',
                  'new-session', '-d', '-x', str(columns), '-y', str(rows), command)

    def screen(self):
        return self.tmux('capture-pane', '-p').rstrip('\n')

    def all_lines(self):
        return self.tmux('capture-pane', '-p', '-J', '-S', '-').splitlines()

    def resize(self, columns):
        """tmux changes what it shows at once, and tells the program later: what that writes in between is
        for the old size. So it must not run."""
        shell, terminal = self.tmux('display', '-p', '#{pane_pid} #{pane_tty}').split()
        program = int(subprocess.run(['pgrep', '-P', shell, '-x', 'iotifyd'], capture_output=True, text=True, check=True).stdout)
        os.kill(program, signal.SIGSTOP)
        wait_until(lambda: pathlib.Path(f'/proc/{program}/stat').read_text().rsplit(')', 1)[1].split()[0] == 'T', 'a program that is stopped')
        self.tmux('resize-window', '-x', str(columns), '-y', '24')
        with open(terminal) as file:
            wait_until(lambda: os.get_terminal_size(file.fileno()).columns == columns, f'{columns} columns')
        os.kill(program, signal.SIGCONT)

    def check_block(self, columns):
        """The block is there once, at the end, and fits."""
        def drawn():
            lines = self.screen().splitlines()
            heads = [at for at, line in enumerate(lines) if line.startswith('step 1 of 1  ')]
            return lines if len(heads) == 1 and len(lines) - heads[0] in (3, 4) and re.search(r'ETA \d+ s$', lines[heads[0]]) else None
        lines = wait_until(drawn, f'one block of progress in {columns} columns')
        head = next(at for at, line in enumerate(lines) if line.startswith('step 1 of 1  '))
        self.assertTrue(all(len(line) < columns for line in lines[head:]), lines)
        return lines[head:]

    def test_block_and_resize(self):
        self.template(TALKING)
        self.write('job.yaml', local_job(devices=1, interval='300ms', stages='[{duration: 50s}, {duration: 50s}]'))
        self.open(100, 24, 'job.yaml', '--json', 's.json')
        block = self.check_block(100)
        self.assertRegex(block[0], r'^step 1 of 1  job/simulate  \[#*-+\]  \d+%  ETA \d+ s$')
        self.assertRegex(block[1], r'^  \d+ of 100 s  stage 1 of 2  1 connected  out \d+/s  in 0/s$')
        for columns in (60, 140, 45, 60):
            self.resize(columns)
            block = self.check_block(columns)
            self.assertRegex(block[0], r'^step 1 of 1 .* \d+%  ETA \d+ s$')
        wait_until(lambda: 'line 12.' in '\n'.join(self.all_lines()), 'twelve messages')
        self.tmux('send-keys', 'C-c')
        wait_until(lambda: 'ended with 130' in self.screen(), 'the end')
        text = '\n'.join(self.all_lines())
        # Nothing of the block stays, and no line of the log was taken away with it.
        self.assertNotRegex(text, r'step 1 of 1|ETA|\[#')
        published = json.loads((self.folder / 's.json').read_text())['simulate']['published']
        self.assertEqual([f'line {at}.' for at in range(published)], re.findall(r'line \d+\.', text))
        self.assertIn('FAILED: interrupted by signal 2', text)

    def test_names_that_do_not_fit(self):
        """The name gives way, not the percentage; wide characters do not break the block."""
        self.start_sandbox()
        for number, name in enumerate(('a-very-long-name-of-a-pipeline-for-a-terminal', 'デプロイメント工場の大きな試験デプロイメント工場の大きな試験')):
            self.write(f'factory-{number}.yaml', f'devices: 100\nplugins:\n  aws: {{use: aws-iot, quotas: {{"*": 10}}}}\nrun: ["{name}"]\npipelines:\n  deploy: []\n  simulate: []\n  cleanup: []\n  "{name}":\n'
                       f'    - aws.thing_type: {{name: type_{number}}}\n    - aws.thing_group: {{name: group_{number}}}\n    - aws.policy: {{name: policy_{number}}}\n'
                       f'    - aws.device: {{thing: "thing{number}_{{{{client()}}}}"}}\n')
            self.open(60, 24, f'factory-{number}.yaml')
            wait_until(lambda: re.search(r'  1\d of 100 devices', self.screen()), 'ten devices')
            # Not the history: tmux keeps there what is cleared at the top of the screen.
            lines = self.screen().splitlines()
            heads = [line for line in lines if line.startswith('step ')]
            self.assertEqual(1, len(heads), lines)
            self.assertRegex(heads[0], r'^step 4 of 4  .*\d+%( |$)')

    def test_iterations_are_what_is_counted(self):
        """A message() may send several messages, or none."""
        for number, returned in enumerate(('["a", "b", "c"]', 'undefined')):
            self.template(OWN + f'message: |\n  return {returned};\n')
            self.write('job.yaml', local_job(devices=2, interval='100ms', iterations=40))
            shown = [line for line in self.iotifyd('job.yaml', '--progress-interval', '1s').stderr.splitlines() if 'step 1 of 1' in line]
            parts = [tuple(map(int, re.search(r'(\d+)%.* (\d+) of 80 iterations', line).groups())) for line in shown]
            self.assertTrue(parts)
            self.assertTrue(all(0 < done <= 80 and abs(100 * done / 80 - percent) <= 1 for percent, done in parts), parts)

    def test_summary(self):
        """Rates, percentages, a table of times and thresholds with units; all within 80 columns."""
        self.template(OWN + 'message: |\n  if (index() === 3) throw new Error("no");\n  return "x".repeat(100);\n')
        self.write('job.yaml', local_job(devices=4, interval='100ms', thresholds='["publish.p99 < 20s", "publish.max < 1us", "failed < 100", "end_to_end.p99 < 1s", "script_errors < 9"]',
                                         stages='[{name: first, duration: 2s, rate: 40/s}]'))
        text = self.iotifyd('-q', 'job.yaml', status=99).stdout
        time_, rate = r'[\d.]+ (?:µs|ms|s)', r'[\d.]+/s'
        for line in (r'      4 clients, 4 connected \(100%\)', rf'      \d+ published \({rate}, [\d.]+ k?B/s\), \d+ acknowledged \(100%\), 0 received',
                     r'      4 failed \([\d.]+%\)', r'                      mean       p50       p90       p95       p99       max',
                     rf'      publish   (?: +{time_}){{6}}', rf'      connect   (?: +{time_}){{6}}',
                     r'      stage 1 first, 2\.00 s: \d+ of \d+ messages \([>\d.]+%\)', rf'  threshold publish\.p99 < 20s: ok \({time_}\)',
                     rf'  threshold publish\.max < 1us: crossed \({time_}\)', r'  threshold failed < 100: ok \(4\)',
                     r'  threshold end_to_end\.p99 < 1s: crossed \(no value\)', rf'FAILED: publish\.max < 1us does not hold: {time_}'):
            self.assertRegex(text, rf'(?m)^{line}$')
        self.assertLessEqual(max(map(len, text.splitlines())), 90)

    def test_no_terminal_for_blocks(self):
        """On a terminal without movements, and with a log for programs, progress is events of the log."""
        self.template(TALKING)
        self.write('job.yaml', local_job(devices=1, interval='300ms', duration='2s'))
        for more, environment in (((), 'TERM=dumb'), (('--log-format', 'json'), '')):
            self.open(200, 24, 'job.yaml', '--progress-interval', '500ms', *more, environment=environment)
            wait_until(lambda: 'ended with 0' in self.screen(), 'the end')
            self.assertRegex(self.screen(), r'INFO.*step 1 of 1  \d+%  ETA \d s  \d of 2 s  1 connected')

    def test_a_line_per_interval(self):
        self.template(TALKING)
        self.write('job.yaml', local_job(devices=1, interval='100ms', duration='5s'))
        for interval, least, most in ((('--progress-interval', '1s'), 2, 5), ((), 0, 0)):
            lines = [line for line in self.iotifyd('job.yaml', *interval).stderr.splitlines() if '1 connected' in line]
            self.assertTrue(least <= len(lines) <= most, lines)
        self.assertNotIn('step 1', self.iotifyd('-q', 'job.yaml', '--progress-interval', '1s').stderr)
