#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests that check_source.py reports what it is for."""
import pathlib
import subprocess
import tempfile
import unittest

import check_source

LICENCE = '/* SPDX-License-Identifier: Apache-2.0 */\n'


class CheckSource(unittest.TestCase):
    def problems(self, **files):
        """The problems of a tree with these files; `__` in a name is a slash, `_dot_` a dot."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            subprocess.run(['git', 'init', '-q', folder], check=True)
            (root / 'docs').mkdir()
            (root / 'docs/architecture.md').write_text('')
            for name, text in files.items():
                path = root / name.replace('__', '/').replace('_dot_', '.')
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(LICENCE + text)
            return [line for line in check_source.check(root) if 'docs/' not in line]

    def test_good(self):
        self.assertEqual([], self.problems(
            core__base__a_dot_c='#include "core/base/a.h"\n#include <iotify/text.h>\n#include <stdio.h>\n'
                                'struct a_thing {\n};\nstatic int a_do(void)\n{\n}\n',
            core__base__a_dot_h='int a_count(void);\n'))

    def test_directions(self):
        for line in ('#include "core/job/job.h"', '#  include "core/job/job.h"',
                     '#include"core/job/job.h"', '  #include "core/job/job.h"'):
            self.assertEqual(['core/base/a.c:2: core/base may not include core/job'],
                             self.problems(core__base__a_dot_c=line + '\n'))
        self.assertEqual(['core/base/a.c:2: write the headers of the project in quotes',
                          'core/base/a.c:2: core/base may not include core/job'],
                         self.problems(core__base__a_dot_c='#include <core/job/job.h>\n'))
        self.assertEqual(['core/base/a.c:2: write the whole path of a header'],
                         self.problems(core__base__a_dot_c='#include "b.h"\n'))
        self.assertEqual(['plugins/aws/api/a.c:2: plugins/aws/api may not include plugins/aws'],
                         self.problems(plugins__aws__api__a_dot_c='#include "plugins/aws/instance.h"\n'))

    def test_rooms(self):
        self.assertEqual(['core/other/a.c:1: belongs to no room'],
                         self.problems(core__other__a_dot_c=''))

    def test_prefixes(self):
        for text in ('static int tell(void);', 'static inline int tell(void);'):
            for name in ('core__base__a_dot_c', 'core__base__a_internal_dot_h'):
                self.assertRegex(self.problems(**{name: text})[0],
                                 'the static name tell does not begin with a_')
        for text in ('struct tell {\n};', 'typedef struct {\n  int i;\n} tell;', 'enum tell {\n};'):
            self.assertEqual(['core/base/a.c:2: the type tell does not begin with a_'],
                             [line.replace(':4:', ':2:') for line in self.problems(
                                 core__base__a_dot_c=text)])

    def test_one_name_once(self):
        self.assertEqual(['core/cli/a.h:2: the name a_do is also in core/base/a.c'], self.problems(
            core__base__a_dot_c='static int a_do(void);', core__cli__a_dot_h='int a_do(void);'))
        self.assertEqual(['core/cli/a.h:2: the type a is also in core/base/a.h'], self.problems(
            core__base__a_dot_h='struct a {\n};', core__cli__a_dot_h='struct a {\n};'))

    def test_calls_of_plugins(self):
        body = 'static int job_do(void)\n{\n%s    plugin->connector.close(a);\n}\n'
        self.assertEqual(['core/job/job.c:4: a call into a plugin without activity_begin() before it'],
                         self.problems(core__job__job_dot_c=body % ''))
        self.assertEqual([], self.problems(core__job__job_dot_c=body % '    before = activity_begin("a", "close");\n'))

    def test_sizes_and_licences(self):
        self.assertEqual(['core/base/a.c:502: more than 500 lines'],
                         self.problems(core__base__a_dot_c='\n' * 501))
        self.assertEqual([], self.problems(sdk__examples__a_dot_c='\n' * 501))
        self.assertEqual(['sdk/examples/a.c:702: more than 700 lines'],
                         self.problems(sdk__examples__a_dot_c='\n' * 701))
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(['git', 'init', '-q', folder], check=True)
            (pathlib.Path(folder) / 'docs').mkdir()
            (pathlib.Path(folder) / 'docs/architecture.md').write_text('')
            (pathlib.Path(folder) / 'tests').mkdir()
            (pathlib.Path(folder) / 'tests/a.c').write_text('int a;\n')
            self.assertIn('tests/a.c:1: begins without the licence line',
                          check_source.check(pathlib.Path(folder)))


if __name__ == '__main__':
    unittest.main()
