# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` puts down works where it lies, and an outsider can build a plugin on it."""
import pathlib
import shutil
import subprocess

from support import BUILD, Case, TEMPLATE_NONE, local_job


class Install(Case):
    def test_installed_program(self):
        root = self.folder / 'root'
        subprocess.run(['cmake', '--install', str(BUILD), '--prefix', str(root)], check=True,
                       capture_output=True)
        for path in ('bin/iotifyd', 'bin/iotify-sandbox', 'lib/iotify/iotify-aws-iot.so',
                     'include/iotify/plugin.h', 'share/iotify/examples/quickstart.yaml'):
            self.assertTrue((root / path).exists(), path)
        subprocess.run(['chmod', '-R', 'go-w', str(root)], check=True)
        program = str(root / 'bin/iotifyd')
        self.assertIn('aws-iot', self.run_program(program, 'plugins').stdout)
        self.assertIn(str(root), self.run_program(program, 'plugins', 'sqlite').stdout)
        self.write('t.yaml', TEMPLATE_NONE)
        self.write('job.yaml', local_job(iterations=1))
        self.run_program(program, 'job.yaml')
        # The packages of scripts lie beside the program, and nowhere else.
        self.write('t.yaml', 'transport: none\nmessage: |\n  assert(moment.utc(0).year() === 1970 && '
                             'jwt.decode(jwt.sign({a: 1}, "k")).a === 1 && location("Oslo").latitude > 59);\n')
        self.run_program(program, '--preview', 'job.yaml')
        self.check_example(root)

    def check_example(self, root):
        """The plugin of sdk/example, built against the installed SDK alone."""
        source = pathlib.Path(__file__).resolve().parents[2] / 'sdk/example'
        shutil.copytree(source, self.folder / 'example')
        build = self.folder / 'example/build'
        sanitize = 'sanitize' in BUILD.name
        flags = '-fsanitize=address,undefined' if sanitize else ''
        for command in (['cmake', '-S', str(self.folder / 'example'), '-B', str(build),
                         f'-DCMAKE_PREFIX_PATH={root}', f'-DCMAKE_C_FLAGS={flags}'],
                        ['cmake', '--build', str(build)]):
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        subprocess.run(['chmod', '-R', 'go-w', str(self.folder)], check=True)
        self.environment['IOTIFY_PLUGIN_PATH'] = str(build)
        self.write('example.yaml', local_job(store='example', iterations=1).replace(
            'use: example', 'use: example, greeting: hello'))
        self.write('t.yaml', 'transport: none\nmessage: |\n  glob.set("a", "b");\n'
                             '  console.log(glob.get("a"));\n')
        self.assertIn(': b', self.run_program(
            str(root / 'bin/iotifyd'), 'example.yaml').stderr)
