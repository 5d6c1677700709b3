# SPDX-License-Identifier: Apache-2.0
"""Plugins that were built with the SDK of an earlier version: loaded, or refused by name before their code runs."""
import pathlib
import re
import shutil
import subprocess

from support import Case

KEPT = pathlib.Path(__file__).resolve().parents[1] / 'abi'
SOURCE = KEPT.parents[1]
# The folder of a version: what is said of its plugins; None: they work.
VERSIONS = {'0.1.0': 'it was built for plugin ABI 1.4 and this iotifyd has 2.0; rebuild the plugin'}


LAST = '    size_t (*session_unwritten)(const void *session);\n'
# Changes of a header, and whether plugins that were built before them still work.
CHANGES = {
    'transport.h': ((LAST, LAST + '    int (*added)(void *session);\n', True), ('    uint32_t capabilities;', '    int added;\n    uint32_t capabilities;', False),
                    ('    uint32_t capabilities;', '    float capabilities;', False), (LAST, '', False),
                    ('void (*session_free)(void *session);', 'void (*session_free)(void *session, int how);', False)),
    'extensions.h': (('int (*with)(int', 'long (*with)(int', False),),
}


def abi_major(headers):
    return int(re.search(r'define IOTIFY_ABI_MAJOR (\d+)', (headers / 'iotify/plugin.h').read_text())[1])


def what_breaks(report):
    """The lines of abidiff's report that are no addition at the end of a structure."""
    breaks, size = [], 0
    for line in report.splitlines():
        if found := re.search(r'type size changed from (\d+) to', line):
            size = int(found[1])
        elif 'type size hasn\'t changed' in line:
            size = 1 << 30
        elif found := re.search(r"'.*', at offset (\d+) ", line):
            if int(found[1]) < size:
                breaks.append(line)
        elif re.search(r"offset changed|deletion|type name changed|entity changed|parameter|return type changed|from value|[1-9]\d* Removed", line):
            breaks.append(line)
    return breaks


class Abi(Case):
    def compare(self, before, after):
        """abidiff's report about two versions of the headers, as a plugin sees them."""
        for name, headers in (('before', before), ('after', after)):
            subprocess.run(['cc', '-std=c11', '-g', '-shared', '-fPIC', f'-I{headers}', str(KEPT / 'probe.c'), '-o', str(self.folder / f'{name}.so')], check=True)
        done = subprocess.run(['abidiff', 'before.so', 'after.so'], cwd=self.folder, capture_output=True, text=True)
        self.assertIn(done.returncode, (0, 4, 12), done.stderr)
        return done.stdout

    def test_headers(self):
        """The headers of a version with the same major number differ by members at the end of structures, and no others do."""
        now = SOURCE / 'sdk/include'
        for version in VERSIONS:
            with self.subTest(version):
                breaks = what_breaks(self.compare(KEPT / version, now))
                self.assertEqual(abi_major(KEPT / version) != abi_major(now), bool(breaks), '\n'.join(breaks))
        # What the comparison finds.
        for file, old, new, good in ((file, old, new, good) for file, changes in CHANGES.items() for old, new, good in changes):
            shutil.copytree(now / 'iotify', self.folder / 'changed/iotify', dirs_exist_ok=True)
            text = (now / 'iotify' / file).read_text()
            self.assertEqual(1, text.count(old), old)
            (self.folder / 'changed/iotify' / file).write_text(text.replace(old, new))
            self.assertEqual(good, not what_breaks(self.compare(now, self.folder / 'changed')), new)

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
