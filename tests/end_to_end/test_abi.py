# SPDX-License-Identifier: Apache-2.0
"""Plugins that were built with the SDK of an earlier version: loaded, or refused by name before their code runs."""
import pathlib
import subprocess

from support import Case

KEPT = pathlib.Path(__file__).resolve().parents[1] / 'abi'
# The folder of a version: what is said of its plugins; None: they work.
VERSIONS = {'0.1.0': 'it was built for plugin ABI 1.4 and this iotifyd has 2.0; rebuild the plugin'}


class Abi(Case):
    def test_kept_versions(self):
        self.assertEqual(set(VERSIONS), {folder.name for folder in KEPT.iterdir() if folder.is_dir()})
        for version, words in VERSIONS.items():
            with self.subTest(version):
                library = self.folder / 'iotify-example.so'
                subprocess.run(['cc', '-std=c11', '-shared', '-fPIC', '-fvisibility=hidden', f'-I{KEPT / version}', str(KEPT / version / 'example.c'), '-o', str(library)],
                               check=True)
                library.chmod(0o755)
                done = self.iotifyd('--plugin-path', str(self.folder), 'plugins', 'example', status=1 if words else 0)
                self.assertIn(words or 'example', done.stderr if words else done.stdout)
