# SPDX-License-Identifier: Apache-2.0
"""An installation by `cmake --install` works, and a third-party plugin can be built on it."""
import os
import pathlib
import re
import shutil
import subprocess

from support import BUILD, Case, TEMPLATE_NONE, local_job


class Install(Case):
    def test_installed_program(self):
        root = self.folder / 'root'
        subprocess.run(['cmake', '--install', str(BUILD), '--prefix', str(root)], check=True,
                       capture_output=True)
        for path in ('bin/iotifyd', 'bin/iotify-sandbox', 'lib/iotify/iotify-aws-iot.so',
                     'include/iotify/plugin.h', 'share/doc/iotifyd/examples/quickstart.yaml',
                     'share/bash-completion/completions/iotifyd', 'share/zsh/site-functions/_iotifyd',
                     'share/fish/vendor_completions.d/iotify-sandbox.fish'):
            self.assertTrue((root / path).exists(), path)
        subprocess.run(['chmod', '-R', 'go-w', str(root)], check=True)
        program = str(root / 'bin/iotifyd')
        self.assertIn('aws-iot', self.run_program(program, 'plugins').stdout)
        self.assertIn(str(root), self.run_program(program, 'plugins', 'sqlite').stdout)
        self.write('t.yaml', TEMPLATE_NONE)
        self.write('job.yaml', local_job(iterations=1))
        self.run_program(program, 'job.yaml')
        # The packages of scripts come from the installation.
        self.write('t.yaml', 'transport: none\nmessage: |\n  assert(moment.utc(0).year() === 1970 && '
                             'jwt.decode(jwt.sign({a: 1}, "k")).a === 1 && location("Oslo").latitude > 59);\n')
        self.run_program(program, '--preview', 'job.yaml')
        self.check_protocols(root)
        self.check_example(root)
        self.check_manuals(root)
        self.check_links(root / 'share/doc/iotifyd')
        self.check_completion(root / 'share/bash-completion/completions/iotifyd')

    def check_protocols(self, root):
        """The program needs no protocol: a job without a connection runs without the transport."""
        program = str(root / 'bin/iotifyd')
        needed = subprocess.run(['readelf', '-d', program], capture_output=True, text=True, check=True)
        self.assertIn('NEEDED', needed.stdout)
        for library in ('mosquitto', 'curl'):
            self.assertNotIn(library, needed.stdout)
        (root / 'lib/iotify/iotify-mqtt.so').rename(self.folder / 'iotify-mqtt.so')
        for option in ('--check', '--print', '--preview', '-q'):
            self.run_program(program, option, 'job.yaml')
        (self.folder / 'iotify-mqtt.so').rename(root / 'lib/iotify/iotify-mqtt.so')

    def check_manuals(self, root):
        """Each manual page exists, groff prints no warnings, and the page contains each option."""
        for name, section in (('iotifyd', 1), ('iotify-sandbox', 1), ('iotify-job', 5), ('iotify-template', 5)):
            page = root / f'share/man/man{section}/{name}.{section}'
            shown = subprocess.run(['groff', '-man', '-Kutf8', '-Tutf8', '-ww', '-rLL=300n', str(page)],
                                   capture_output=True, text=True)
            self.assertEqual((0, ''), (shown.returncode, shown.stderr), page)
            if section == 5:
                continue
            options = re.findall(r'^ *(?:-\w, )?(--[a-z-]+)',
                                 self.run_program(str(root / 'bin' / name), '--help').stdout, re.MULTILINE)
            self.assertGreater(len(options), 10)
            for option in options:
                self.assertIn(option, re.sub('.\x08', '', shown.stdout), name)

    def check_links(self, documents):
        """Each link of an installed document points to an installed file."""
        pages = list(documents.rglob('*.md'))
        self.assertGreater(len(pages), 15)
        for page in pages:
            for target in re.findall(r'\]\(([^)#\s]+)', page.read_text()):
                if '://' not in target:
                    self.assertTrue((page.parent / target).exists(), f'{page}: {target}')

    def check_completion(self, file):
        """bash completes an option and a command with this file."""
        for typed, completed in (('--see', ''), ('--ser', '--series'), ('sche', 'schema'),
                                 ('glob l', 'list'), ('--log-format j', 'json')):
            done = subprocess.run(
                ['bash', '-c', f'. {file}; COMP_WORDS=(iotifyd {typed}); COMP_CWORD={len(typed.split())}; _iotifyd; '
                               'echo "${COMPREPLY[@]}"'],
                capture_output=True, text=True, check=True, cwd=self.folder)
            self.assertEqual(completed, done.stdout.strip())

    def check_example(self, root):
        """The installed examples work, built by the commands of docs/plugins.md against the installed SDK alone."""
        shutil.copytree(root / 'share/doc/iotifyd/plugin-example', self.folder / 'example')
        build = self.folder / 'example/build'
        page = (root / 'share/doc/iotifyd/docs/plugins.md').read_text()
        commands = re.search(r'\n\n((?:    .*\n)+)', page)[1].replace('/usr/local', str(root))
        self.assertIn('plugins test example', commands)
        done = subprocess.run(['sh', '-euc', 'umask 022; ' + commands], cwd=self.folder / 'example', capture_output=True, text=True,
                              env={**self.environment, 'PATH': f'{root}/bin:{os.environ["PATH"]}',
                                   'CFLAGS': '-fsanitize=address,undefined' if 'sanitize' in BUILD.name else ''})
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertNotIn('not ok', done.stdout)
        self.assertIn('# 144 of 144 passed', done.stdout)
        for name in ('null', 'null-connector'):
            self.assertIn(f'{build}/iotify-{name}.so', self.run_program(str(root / 'bin/iotifyd'), '--plugin-path', str(build), 'plugins', name).stdout)
        subprocess.run(['chmod', '-R', 'go-w', str(self.folder)], check=True)
        self.write('example.yaml', local_job(store='example', iterations=1).replace(
            'use: example', 'use: example, path: values.log'))
        self.write('t.yaml', 'transport: none\nmessage: |\n  glob.set("a", "b");\n'
                             '  console.log(glob.get("a"));\n')
        path = ('--plugin-path', str(build))
        self.assertIn(': b', self.run_program(
            str(root / 'bin/iotifyd'), 'example.yaml', *path).stderr)
        self.assertTrue((self.folder / 'values.log').stat().st_size)
