# SPDX-License-Identifier: Apache-2.0
"""None of a thousand private keys leaks into logs, arguments, the environment, a core, a report, a
temporary file or the bytes of the store."""
import base64
import contextlib
import json
import os
import pathlib
import resource
import signal
import sqlite3
import subprocess
import time

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from support import Case, IOTIFYD, job, wait_until

DEVICES = 1000
MARK = b'\x89ISE\x01'


def unbox(key, box, bound):
    nonce, tag, text = box[:12], box[12:28], box[28:]
    return AESGCM(key).decrypt(nonce, text + tag, bound)


class Secrets(Case):
    def setUp(self):
        super().setUp()
        self.start_sandbox()
        self.environment['AWS_ENDPOINT_URL_SERVICE_QUOTAS'] = self.environment['AWS_ENDPOINT_URL_STS']
        self.write('job.yaml', job(DEVICES, 'workers: 32\n', quotas='{"*": 5000}'))

    def keys(self):
        """Decrypt every private key of the glob, from the sealed form in docs/store.md."""
        with contextlib.closing(sqlite3.connect(self.folder / 'job.db')) as store:
            table = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()[0]
            rows = {(key if isinstance(key, bytes) else key.encode()): bytes(value)
                    for key, value, *_ in store.execute(f'SELECT * FROM {table}')}
        wrapping = bytes.fromhex((self.folder / 'job.key').read_text())
        note = json.loads(rows[b'note/seal'])
        data_key = unbox(wrapping, bytes.fromhex(note['key']), b'iotifyd data key')[:32]
        self.assertTrue(all(value.startswith(MARK) for key, value in rows.items()
                            if not key.startswith(b'note/')))
        return [unbox(data_key, value[len(MARK):], key) for key, value in rows.items()
                if key.startswith(b'glob/') and key.endswith(b'_key')]

    def watch(self, process):
        """The arguments and the environment of a running process."""
        seen = b''
        while process.poll() is None:
            for name in ('cmdline', 'environ'):
                with contextlib.suppress(OSError):
                    seen += pathlib.Path(f'/proc/{process.pid}/{name}').read_bytes()
            time.sleep(0.02)
        return seen

    def run_watched(self, *arguments):
        with open(self.folder / 'log', 'ab') as log:
            process = subprocess.Popen(
                [IOTIFYD, '-v', 'job.yaml', *arguments, '--json', 'summary.json'], cwd=self.folder,
                env=self.environment, stdout=log, stderr=log)
            seen = self.watch(process)
        self.assertEqual(0, process.returncode)
        self.assertIn(b'job.yaml', seen)
        return seen

    def test_a_thousand_keys(self):
        seen = self.run_watched('deploy')
        keys = self.keys()
        self.assertEqual(DEVICES, len(set(keys)))
        seen += self.run_watched('simulate', '--set', 'pipelines.simulate.0.simulate.iterations=1',
                                 '--set', 'pipelines.simulate.0.simulate.clients=100')
        files = {path: path.read_bytes() for path in self.folder.rglob('*')
                 if path.is_file() and 'sandbox' not in path.parts}
        self.assertIn(self.folder / 'job.db', files)
        traces = []
        for key in keys:
            body = b''.join(key.split(b'\n')[1:-2])
            scalar = base64.b64decode(body)[36:68]
            # A part of the PEM text, and the private number in binary and hexadecimal.
            traces += [body[50:62], scalar, scalar.hex().encode()]
        for path, content in (*files.items(), ('what a process shows', seen)):
            for trace in traces:
                self.assertFalse(trace in content, f'a private key is in {path}')
        self.run_watched('cleanup')
        self.assertEqual([], self.keys())

    def test_no_core(self):
        process = subprocess.Popen(
            [IOTIFYD, '-q', 'job.yaml', 'deploy'], cwd=self.folder, env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (
                resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2))
        wait_until(lambda: (self.folder / 'job.db').exists(), 'the store of the run')
        process.send_signal(signal.SIGABRT)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = -os.WTERMSIG(status)
        self.assertEqual(signal.SIGABRT, os.WTERMSIG(status))
        self.assertFalse(os.WCOREDUMP(status))
        self.assertEqual([], list(self.folder.glob('core*')))
