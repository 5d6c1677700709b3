# SPDX-License-Identifier: Apache-2.0
import json

from support import Case, IOTIFYD, TEMPLATE_NONE, job, local_job


class CommandLine(Case):
    def test_help_and_version(self):
        self.assertIn('Usage: iotifyd', self.iotifyd('--help').stdout)
        version = self.iotifyd('--version').stdout
        self.assertRegex(version, r'^iotifyd \d+\.\d+\.\d+ \(\w+\), plugin ABI \d+\.\d+\n')
        self.assertIn('OpenSSL 3', version)

    def test_bad_usage(self):
        self.assertIn('Usage', self.iotifyd(status=2).stderr)
        self.assertIn('did you mean "--check"?', self.iotifyd('--chek', 'x', status=2).stderr)
        self.assertIn('--set needs a value', self.iotifyd('--set', status=2).stderr)
        self.assertIn('--json needs a value', self.iotifyd('x.yaml', '--json', status=2).stderr)
        self.assertIn('takes no value', self.iotifyd('--check=1', status=2).stderr)
        self.assertIn('takes text or json', self.iotifyd('--log-format', 'xml', status=2).stderr)
        self.assertEqual('nothing.yaml: cannot open: No such file or directory\n',
                         self.iotifyd('nothing.yaml', status=2).stderr)
        self.assertIn('is a directory', self.iotifyd('.', status=2).stderr)

    def test_unknown_pipeline(self):
        self.write('job.yaml', job())
        self.assertEqual('iotifyd: the job has no pipeline "deplyo"; did you mean "deploy"?\n',
                         self.iotifyd('job.yaml', 'deplyo', status=2).stderr)

    def test_check(self):
        self.write('job.yaml', job())
        self.assertEqual('job.yaml: OK\n', self.iotifyd('--check', 'job.yaml').stdout)
        self.assertEqual(['job.yaml'], [path.name for path in self.folder.iterdir()])

    def test_print_is_the_same_job(self):
        self.write('job.yaml', job(extra='pipelines:\n  deploy:\n    - aws.policy: {document: '
                                         '{Version: 2012-10-17, Statement: [{Resource: '
                                         '"${iot:ClientId}"}]}}\n'))
        first = self.iotifyd('--print', 'job.yaml').stdout
        self.assertIn('aws.remove_shared:\n        enabled: false', first)
        self.write('again.yaml', first.replace('name: job', 'name: job'))
        self.assertEqual(first, self.iotifyd('--print', 'again.yaml').stdout)

    def test_set(self):
        self.write('job.yaml', job())
        text = self.iotifyd('--print', 'job.yaml', '--set', 'devices=500', '--set',
                            'plugins.aws.region=us-east-1', '--set',
                            'pipelines.simulate.0.simulate.iterations=5', '--set',
                            'pipelines.deploy.3.aws.device.issuer=csr').stdout
        self.assertIn('count: 500', text)
        self.assertIn('region: us-east-1', text)
        self.assertIn('iterations: 5', text)
        self.assertIn('issuer: csr', text)
        self.assertEqual('--set devces=5: unknown setting "devces" in the job file; did you mean '
                         '"devices"?\n',
                         self.iotifyd('--check', 'job.yaml', '--set', 'devces=5', status=2).stderr)
        self.assertEqual('--set devices=many: "devices" takes a whole number, not "many"\n',
                         self.iotifyd('job.yaml', '--set', 'devices=many', status=2).stderr)

    def test_set_reaches_what_the_file_leaves_out(self):
        self.write('job.yaml', job())
        text = self.iotifyd('--print', 'job.yaml', '--set', 'plugins.glob.path=other.db', '--set',
                            'devices.first=3').stdout
        self.assertIn('other.db', text)
        self.assertIn('first: 3\n  count: 5', text)

    def test_standard_output_is_full(self):
        self.write('job.yaml', job())
        with open('/dev/full', 'w') as full:
            done = __import__('subprocess').run(
                [IOTIFYD, '--print', 'job.yaml'], cwd=self.folder, env=self.environment,
                stdout=full, stderr=-1, text=True)
        self.assertEqual(1, done.returncode)
        self.assertIn('No space left on device', done.stderr)

    def test_environment_in_the_job(self):
        self.write('job.yaml', job(devices='${FLEET:-7}'))
        self.assertIn('count: 7', self.iotifyd('--print', 'job.yaml').stdout)
        self.assertIn('count: 9', self.iotifyd(
            '--print', 'job.yaml', environment={'FLEET': '9'}).stdout)

    def test_plugins(self):
        listed = self.iotifyd('plugins').stdout
        for name in ('aws-iot', 'file', 'memory', 'mqtt', 'sqlite'):
            self.assertRegex(listed, rf'(?m)^{name} ')
        self.assertIn('issuer', self.iotifyd('plugins', 'aws-iot').stdout)
        self.assertIn('will.topic', self.iotifyd('plugins', 'mqtt').stdout)
        self.assertIn('did you mean "mqtt"?', self.iotifyd('plugins', 'mqt', status=2).stderr)

    def test_schema_accepts_and_refuses(self):
        import jsonschema
        schema = json.loads(self.iotifyd('schema').stdout)
        jsonschema.Draft202012Validator.check_schema(schema)
        good = {'devices': 3, 'plugins': {'aws': {'use': 'aws-iot', 'region': 'eu-central-1'}},
                'pipelines': {'deploy': [{'aws.device': {'issuer': 'csr'}}]}}
        jsonschema.validate(good, schema)
        for bad in ({}, {**good, 'devcies': 1}, {**good, 'devices': 0},
                    {**good, 'plugins': {'aws': {'use': 'aws-iot', 'regoin': 'x'}}},
                    {**good, 'pipelines': {'deploy': [{'aws.device': {'issuer': 'x'}}]}},
                    {**good, 'pipelines': {'deploy': [{'aws.devise': {}}]}}):
            with self.assertRaises(jsonschema.ValidationError):
                jsonschema.validate(bad, schema)

    def test_glob(self):
        self.write('t.yaml', TEMPLATE_NONE)
        for store in ('sqlite', 'file'):
            self.write(f'{store}.yaml', local_job(store=store))
            glob = lambda verb, *more, **options: self.iotifyd(
                'glob', verb, f'{store}.yaml', *more, **options)
            self.assertEqual('', glob('list').stdout)
            glob('set', 'a/b', stdin='value')
            glob('set', 'key', stdin='-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n')
            self.assertEqual('a/b\nkey\n', glob('list').stdout)
            self.assertEqual('value\n', glob('get', 'a/b').stdout)
            sealed = self.iotifyd_raw('glob', 'get', f'{store}.yaml', 'key')
            self.assertEqual((1, ''), (sealed.returncode, sealed.stdout))
            self.assertIn('--reveal', sealed.stderr)
            self.assertIn('-----BEGIN', glob('get', 'key', '--reveal').stdout)
            glob('delete', 'a/b')
            self.assertIn('the glob has no key "a/b"', glob('delete', 'a/b', status=1).stderr)
            self.assertIn('the glob has no key "a/b"', glob('get', 'a/b', status=1).stderr)
        self.assertIn('usage: ', self.iotifyd('glob', 'lst', 'x', status=2).stderr)
        self.assertIn('usage: ', self.iotifyd('glob', 'get', 'x', status=2).stderr)

    def iotifyd_raw(self, *arguments):
        import subprocess
        return subprocess.run([IOTIFYD, *arguments], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=60)

    def test_init(self):
        done = self.iotifyd('init', 'new.yaml', '--region', 'eu-west-1', '--devices', '12')
        policy = json.loads(done.stdout)
        self.assertIn('iot:CreateThing', [action for statement in policy['Statement']
                                          for action in statement['Action']])
        self.assertIn('count: 12', self.iotifyd('--print', 'new.yaml').stdout)
        self.assertIn('--force', self.iotifyd(
            'init', 'new.yaml', '--region', 'x-1', status=1).stderr)
        self.iotifyd('init', 'new.yaml', '--region', 'eu-west-1', '--force')
        unknown = self.iotifyd('init', 'other.yaml', status=2, environment={'AWS_REGION': '', 'AWS_DEFAULT_REGION': ''})
        self.assertIn('the region is not known', unknown.stderr)
        self.assertIn('nothing was written', unknown.stderr)
        self.assertIn('invalid number of devices', self.iotifyd(
            'init', 'other.yaml', '--region', 'a-1', '--devices', '0', status=2).stderr)
        self.assertIn('--set regoin=a-1: expected NAME=VALUE with a setting of aws-iot', self.iotifyd(
            'init', 'other.yaml', '--set', 'regoin=a-1', status=2).stderr)
        self.assertIn('"redis" is a storage plugin, not a connector', self.iotifyd('init', 'other.yaml', '--set', 'use=redis', status=2).stderr)
        self.assertIn('invalid region', self.iotifyd('init', 'other.yaml', '--set', 'region=a"b', status=2).stderr)
        self.assertFalse((self.folder / 'other.yaml').exists())
        # Any connector, and any of its settings.
        self.iotifyd('init', 'null.yaml', '--set', 'use=null-connector', '--set', 'latency=5ms', '--set', 'devices=3')
        self.assertIn('3 of 3', self.iotifyd('null.yaml', 'deploy').stdout)
        self.iotifyd('init', 'set.yaml', '--set', 'region=eu-west-1', '--set', 'endpoint=http://127.0.0.1:1/')
        self.assertIn('endpoint: "http://127.0.0.1:1/"', (self.folder / 'set.yaml').read_text())

    def test_quiet_and_verbose(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  console.debug("debugging");\n')
        self.write('job.yaml', local_job(iterations=1))
        self.assertEqual('', self.iotifyd('-q', 'job.yaml').stderr)
        self.assertNotIn('debugging', self.iotifyd('job.yaml').stderr)
        self.assertIn('DEBUG client 0, iteration 0: debugging',
                      self.iotifyd('-v', 'job.yaml').stderr)
        line = self.iotifyd('job.yaml', '--log-format', 'json').stderr.splitlines()[0]
        self.assertEqual('INFO', json.loads(line)['level'])
        self.assertRegex(self.iotifyd('job.yaml').stderr,
                         r'(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO job/simulate')

    def test_summary_on_standard_output(self):
        self.write('t.yaml', TEMPLATE_NONE)
        self.write('job.yaml', local_job(iterations=2, interval='10ms'))
        summary = json.loads(self.iotifyd('job.yaml', '--json', '-').stdout)
        self.assertEqual({'format', 'job', 'job_digest', 'version', 'run', 'machine', 'started', 'ended', 'seconds', 'exit', 'verdict',
                          'steps', 'simulations', 'simulate', 'thresholds'}, set(summary))
        self.assertEqual('iotify-summary/2', summary['format'])
        self.assertEqual(0, summary['exit'])
        self.assertEqual(3, summary['simulate']['clients'])
        # Nothing was measured: null, and not 0.
        for name in ('connect_seconds', 'publish_seconds', 'end_to_end_seconds'):
            self.assertIsNone(summary['simulate'][name])
        script = summary['simulations'][0]['script_seconds']
        self.assertEqual({'count', 'mean', 'p50', 'p90', 'p95', 'p99', 'p999', 'max', 'buckets'}, set(script))
        self.assertEqual(script['count'], sum(script['buckets'][1::2]))
        self.assertIn('cannot write /nonexistent/x: No such file', self.iotifyd(
            'job.yaml', '--json', '/nonexistent/x', status=1).stderr)

    def test_other_jobs_store(self):
        self.write('t.yaml', TEMPLATE_NONE)
        text = local_job(store='{use: sqlite, path: shared.db}').replace(
            'glob: {use: {use: sqlite, path: shared.db}}', 'glob: {use: sqlite, path: shared.db}')
        self.write('first.yaml', text.replace('t.yaml}', 't.yaml, iterations: 1}'))
        self.write('second.yaml', text.replace('t.yaml}', 't.yaml, iterations: 1}'))
        self.iotifyd('first.yaml')
        self.assertIn('the store belongs to the job "first" and this one is "second"',
                      self.iotifyd('second.yaml', status=1).stderr)
        self.iotifyd('second.yaml', '--set', 'name=first')
