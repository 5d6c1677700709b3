# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of README and CONTRIBUTING, verbatim, in a fresh clone, while the usual ports
are in use. Packages come from earlier downloads: no network is needed."""
import contextlib
import os
import pathlib
import re
import socket
import subprocess

from support import Case

SOURCE = pathlib.Path(__file__).resolve().parents[2]
TAKEN = (1883, 7070, 8443, 8883)
SECONDS = 1200


def blocks(text):
    """The indented blocks of a document, each a list of lines."""
    text = re.sub(r'^```.*?^```', '', text, flags=re.DOTALL | re.MULTILINE)
    for block in re.findall(r'(?:\n    [^\n]+)+', text):
        yield [line[4:] for line in block.strip('\n').splitlines()]


class Newcomer(Case):
    def setUp(self):
        super().setUp()
        self.clone = self.folder / 'iotifyd'
        subprocess.run(['git', '-c', 'safe.directory=*', 'clone', '-q', str(SOURCE), str(self.clone)],
                       check=True)
        # scripts/clients.sh finds the packages of the source tree, and downloads nothing.
        (self.clone / 'build').mkdir()
        for name in ('venv', 'javascript'):
            (self.clone / 'build' / name).symlink_to(SOURCE / 'build' / name)
        home = pathlib.Path(os.environ.get('HOME', '/'))
        self.environment.update(
            npm_config_cache=os.environ.get('npm_config_cache', str(home / '.npm')),
            npm_config_prefer_offline='true')
        # The commands run without the settings of this test run.
        for name in ('IOTIFY_BUILD', 'IOTIFY_PLUGIN_PATH', 'ASAN_OPTIONS'):
            self.environment.pop(name, None)
        for port in TAKEN:
            taken = socket.socket()
            self.addCleanup(taken.close)
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # A port that another program already uses is in use as well.
            with contextlib.suppress(OSError):
                taken.bind(('127.0.0.1', port))
                taken.listen()

    def run_all(self, document, expected, outputs=(), left_out=()):
        """Run every block of the document, but for the commands `left_out` and the blocks that
        begin with one of `outputs`."""
        found = list(blocks((self.clone / document).read_text()))
        output = ''
        for block in found:
            if block[0].startswith(tuple(outputs)):
                continue
            lines = [line for line in block if line.split('#')[0].strip() not in left_out]
            done = subprocess.run(['bash', '-ec', '\n'.join(lines)], cwd=self.clone,
                                  env=self.environment, capture_output=True, text=True, timeout=SECONDS)
            self.assertEqual(0, done.returncode,
                             f'{lines}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}')
            output += done.stdout
        lines = {line.split('#')[0].strip() for block in found for line in block}
        self.assertLessEqual(set(left_out), lines)
        for start in outputs:
            self.assertTrue(any(block[0].startswith(start) for block in found), start)
        for text in expected:
            self.assertIn(text, output)
        status = subprocess.run(['git', 'status', '--porcelain'], cwd=self.clone, capture_output=True,
                                text=True, check=True)
        self.assertEqual('', status.stdout, 'the commands left files behind')

    def test_documents(self):
        # scripts/test.sh runs this test.
        self.run_all('README.md', ['250 acknowledged', 'threshold lost == 0: ok', 'build/job.yaml: OK',
                                   '# 148 of 148 passed'],
                     outputs=['quickstart: done in'], left_out=['scripts/test.sh'])
        self.run_all('CONTRIBUTING.md', ['100% tests passed'])
