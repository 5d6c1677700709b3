# SPDX-License-Identifier: Apache-2.0
"""An installation by `cmake --install` works, and a third-party plugin can be built on it."""
import itertools
import os
import pathlib
import re
import shutil
import subprocess

from support import BUILD, Case, TEMPLATE_NONE, local_job

SANITIZE = '-fsanitize=address,undefined' if 'sanitize' in BUILD.name else ''


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
        self.check_guide(root)
        # Once is enough: the sanitized build has tried the plugins of the guide.
        if not SANITIZE:
            self.check_new_plugins(root)
            self.check_mutants(root)
        self.check_new_refused(root)
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

    def author(self, root, folder, *words, fails=False, **variables):
        """Run a command as an author of plugins, who has only what is installed."""
        done = subprocess.run(
            ['sh', '-euc', 'umask 022; ' + ' '.join(words)], cwd=folder, capture_output=True, text=True,
            env={**self.environment, 'PATH': f'{root}/bin:{os.environ["PATH"]}', 'HOME': str(self.folder / 'home'),
                 'PKG_CONFIG_PATH': f'{root}/lib/pkgconfig',
                 **{flags: SANITIZE for flags in ('CFLAGS', 'CXXFLAGS', 'LDFLAGS')}, **variables})
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        if not fails:
            self.assertNotIn('not ok', done.stdout)
        self.assertNotIn('warning', done.stdout + done.stderr)
        return done.stdout

    def check_guide(self, root):
        """The commands of docs/plugins.md, verbatim."""
        page = (root / 'share/doc/iotifyd/docs/plugins.md').read_text()
        commands = [block for block in re.findall(r'\n\n((?:    .*\n)+)', page)
                    if not any(word in block for word in ('--set', 'Fault', 'LD_PRELOAD'))]
        self.assertEqual(4, len(commands))
        folder = self.folder / 'author'
        folder.mkdir()
        # The second continues in the folder that the first has made.
        output = self.author(root, folder, (commands[0] + commands[1]).replace('/usr/local', str(root)))
        self.assertIn('100% tests passed', output)
        self.assertIn('# 148 of 148 passed', output)
        self.assertIn('# 80 of 80 passed', self.author(root, folder, commands[2]))
        self.assertIn('# 23 of 23 passed', self.author(root, folder, commands[3]))

    def check_new_plugins(self, root):
        """What `plugins new` makes can be built with both compilers, in both languages, by cmake and make; the
        jobs of the README files run."""
        folder = self.folder / 'author'
        cases = {'storage': 148, 'transport': 80, 'connector': 23}
        for kind, language in itertools.product(cases, ('c', 'c++')):
            name = f'my-{kind}_{len(language)}'
            self.author(root, folder, f'iotifyd plugins new {kind} {name} --language {language}')
            # make takes gcc, as cmake does in the guide.
            self.author(root, folder / name, f'cmake -B build -DCMAKE_PREFIX_PATH={root} && cmake --build build',
                        CC='clang', CXX='clang++')
            self.assertIn('ABI 2.', self.author(root, folder / name, f'iotifyd --plugin-path build plugins {name}'))
            output = self.author(root, folder / name, 'make -s test install')
            self.assertIn(f'# {cases[kind]} of {cases[kind]} passed', output)
            files = re.findall(r'`([a-z.]+)`[^`]*:\n\n((?:    .*\n)+)', (folder / name / 'README.md').read_text().replace('`python3 server.py 7000`', ''))
            for file, text in files:
                (folder / name / file).write_text(re.sub('^    ', '', text, flags=re.MULTILINE))
            self.assertIn('job.yaml', dict(files))
            self.try_new_plugin(root, folder / name, kind)

    def check_mutants(self, root):
        """The suite finds mistakes in the plugins that it has passed."""
        folder = self.folder / 'author'
        for kind, case, old, new, text in (
                ('storage', 'on the disk', 'store->end) ||\n        fdatasync(store->file) != 0)', 'store->end))', 'did not sync it afterwards'),
                ('storage', 'two processes', 'flock(store->file, LOCK_EX | LOCK_NB) != 0', 'false', 'not ok'),
                ('storage', 'a disk that fails', '        example_take_back(store, call);', '        (void)0;', 'failed with ENOSPC; apply() returned Full, and before closing the store the value is new, not old'),
                ('storage', 'a disk that fails', '            bytes += written;\n            at += written;\n            size -= (size_t)written;', '            return true;', 'half of the bytes written'),
                ('storage', 'a value of', '(char *)call->host->alloc(call, value.size + 1)', '(char *)malloc(value.size + 1)', 'not in the arena of the call'),
                ('transport', 'connect and disconnect', '    session->channel->loop->timer_free(session->timer);', '', 'left 0 watches, 1 timers and 0 lookups behind'),
                ('transport', 'connect twice', '    session->state = EXAMPLE_RESOLVING;', '    session->state = EXAMPLE_RESOLVING;\n    sleep(1);', 'session_connect() blocked its loop for 10'),
                ('transport', 'free while it is connected', '        loop->unwatch(session->watch);', '        (void)0;', 'left 1 watches, 0 timers and 0 lookups behind'),
                ('transport', 'three subscribers', 'message.struct_size = sizeof(message);', '', 'with a struct_size that is too small'),
                ('transport', 'three subscribers', "*++from == 'n' ? '\\n' : *from", '*++from', 'which are others')):
            name = f'my-{kind}_1'
            source = (folder / name / f'{name}.c').read_text()
            changed = tuple(text.replace('example', name.replace('-', '_')).replace('EXAMPLE', name.replace('-', '_').upper()) for text in (old, new))
            self.assertEqual(1, source.count(changed[0]), changed[0])
            (folder / name / f'{name}.c').write_text(source.replace(*changed))
            test = (folder / name / 'test.sh').read_text()
            (folder / name / 'test.sh').write_text(test.replace(f'plugins test {name}', f'plugins test {name} --case "{case}"'))
            output = self.author(root, folder / name, 'make -s test 2>&1 || true', fails=True)
            (folder / name / f'{name}.c').write_text(source)
            (folder / name / 'test.sh').write_text(test)
            self.assertRegex(output, r'# \d+ of \d+ passed', old)
            self.assertIn('not ok', output, old)
            self.assertIn(text, output, old)

    def try_new_plugin(self, root, folder, kind):
        if kind == 'storage':
            self.assertIn('1 of 1', self.author(root, folder, 'iotifyd job.yaml'))
            self.assertTrue((folder / 'values.log').stat().st_size)
        elif kind == 'connector':
            self.author(root, folder, 'iotifyd job.yaml deploy; iotifyd glob list job.yaml >list')
            self.assertEqual(6, len((folder / 'list').read_text().splitlines()))
            self.author(root, folder, 'iotifyd glob get job.yaml device_1_cert --reveal >cert; '
                                      'openssl verify -CAfile first_ca.pem cert; iotifyd job.yaml cleanup; test ! -e first_ca.pem')
        else:
            template = (folder / 'template.yaml').read_text()
            self.assertIn('7000', template)
            server = subprocess.Popen(['python3', str(folder / 'server.py'), '0'], stdout=subprocess.PIPE, text=True)
            self.addCleanup(server.communicate)
            self.addCleanup(server.kill)
            (folder / 'template.yaml').write_text(template.replace('7000', server.stdout.readline().strip()))
            self.assertRegex(self.author(root, folder, 'iotifyd job.yaml 2>&1'), '30 acknowledged .*, 30 received')

    def check_new_refused(self, root):
        """Bad words for `plugins new` make nothing."""
        program = str(root / 'bin/iotifyd')
        for words, why in ((('new',), 'kind and name are missing'), (('new', 'storage'), 'kind and name are missing'),
                           (('new', 'broker', 'x'), 'the kind is none of these'),
                           (('new', 'storage', 'X'), 'lower-case'), (('new', 'storage', '../x'), 'lower-case'),
                           (('new', 'storage', '1x'), 'begins with a letter'), (('new', 'storage', 'x' * 65), 'at most 64'),
                           (('new', 'storage', 'x', 'y'), 'one word too many'),
                           (('new', 'storage', 'x', '--language', 'rust'), 'the language is none'),
                           (('new', 'storage', 'root'), 'root: File exists'),
                           (('x', '--language', 'c'), '--language for plugins new')):
            before = sorted(os.listdir(self.folder))
            self.assertIn(why, self.run_program(program, 'plugins', *words, status=2).stderr)
            self.assertEqual(before, sorted(os.listdir(self.folder)))
