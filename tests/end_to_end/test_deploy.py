# SPDX-License-Identifier: Apache-2.0
import json
import signal
import subprocess
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from support import Case, IOTIFYD, job, step


class Deploy(Case):
    def setUp(self):
        super().setUp()
        self.start_sandbox('--deprecation-wait', '1')

    def check_devices(self, count):
        """Check things, certificates, groups and policies with an independent client."""
        iot = self.boto()
        names = [f'iotify_{i}' for i in range(count)]
        self.assertEqual(sorted(names), sorted(t['thingName'] for t in iot.list_things()['things']))
        self.assertEqual(sorted(names), sorted(
            iot.list_things_in_thing_group(thingGroupName='iotify')['things']))
        certificates = iot.list_certificates()['certificates']
        self.assertEqual(count, len(certificates))
        self.assertEqual({'ACTIVE'}, {c['status'] for c in certificates} or {'ACTIVE'})
        for i, name in enumerate(names):
            self.assertEqual('iotify_type', iot.describe_thing(thingName=name)['thingTypeName'])
            principals = iot.list_thing_principals(thingName=name)['principals']
            self.assertEqual(1, len(principals))
            attached = iot.list_attached_policies(target=principals[0])['policies']
            self.assertEqual(['IOTIFY_AUTOMATED_POLICY'], [p['policyName'] for p in attached])
            self.check_key(i, principals[0])

    def check_key(self, client, arn):
        """The stored key matches the stored certificate, and that is the registered certificate."""
        read = lambda name: subprocess.run(
            [IOTIFYD, 'glob', 'get', 'job.yaml', name, '--reveal'], cwd=self.folder,
            env=self.environment, capture_output=True, timeout=60, check=True).stdout
        certificate = x509.load_pem_x509_certificate(read(f'aws_iotify_{client}_cert'))
        key = serialization.load_pem_private_key(read(f'aws_iotify_{client}_key'), None)
        self.assertEqual(key.public_key().public_numbers(),
                         certificate.public_key().public_numbers())
        self.assertTrue(arn.endswith('cert/' + certificate.fingerprint(hashes.SHA256()).hex()))

    def check_nothing_left(self):
        iot = self.boto()
        self.assertEqual([], iot.list_things()['things'])
        self.assertEqual([], iot.list_certificates()['certificates'])
        self.assertEqual('', self.iotifyd('glob', 'list', 'job.yaml').stdout)

    def test_local(self):
        self.write('job.yaml', job(5))
        summary = self.summary('job.yaml', 'deploy')
        self.assertEqual(5, step(summary, 'aws.device')['ok'])
        self.check_devices(5)
        again = self.summary('job.yaml', 'deploy')
        for entry in again['steps']:
            self.assertEqual((0, entry['total']), (entry['ok'], entry['unchanged']), entry)
        self.assertIn('up to date', self.iotifyd('job.yaml', 'deploy').stdout)
        self.iotifyd('job.yaml', 'cleanup')
        self.check_nothing_left()
        self.assertEqual(1, len(self.boto().list_thing_groups()['thingGroups']))
        self.iotifyd('job.yaml', 'cleanup')

    def test_aws_and_csr(self):
        for issuer in ('aws', 'csr'):
            self.write('job.yaml', job(
                3, f'pipelines:\n  deploy:\n    - aws.thing_type: {{}}\n    - aws.thing_group: {{}}\n'
                   f'    - aws.policy: {{}}\n    - aws.device: {{issuer: {issuer}}}\n'))
            self.iotifyd('job.yaml', 'deploy')
            self.check_devices(3)
            self.iotifyd('job.yaml', 'cleanup')
            self.check_nothing_left()

    def test_file_storage(self):
        self.write('job.yaml', job(3).replace('plugins:\n', 'plugins:\n  glob: {use: file}\n'))
        self.iotifyd('job.yaml', 'deploy')
        self.check_devices(3)
        self.iotifyd('job.yaml', 'cleanup')
        self.check_nothing_left()

    def test_remove_shared(self):
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        self.iotifyd('job.yaml', 'cleanup', '--set',
                     'pipelines.cleanup.1.aws.remove_shared.enabled=true')
        iot = self.boto()
        self.check_nothing_left()
        self.assertEqual([], iot.list_thing_groups()['thingGroups'])
        self.assertEqual([], iot.list_policies()['policies'])
        self.assertEqual([], iot.list_thing_types()['thingTypes'])

    def test_more_and_fewer_devices(self):
        self.write('job.yaml', job(3))
        self.iotifyd('job.yaml', 'deploy')
        summary = self.summary('job.yaml', 'deploy', '--set', 'devices=6')
        self.assertEqual((3, 3), (step(summary, 'aws.device')['ok'],
                                  step(summary, 'aws.device')['unchanged']))
        # Cleanup uses the records, not the number of devices in the job.
        summary = self.summary('job.yaml', 'cleanup', '--set', 'devices=1')
        self.assertEqual(6, step(summary, 'aws.remove_device')['ok'])
        self.check_nothing_left()

    def test_own_names(self):
        self.write('job.yaml', job(
            2, 'pipelines:\n  deploy:\n    - aws.thing_type: {name: t}\n    - aws.thing_group: {name: g}\n'
               '    - aws.policy: {name: "p+=,.@-"}\n    - aws.device: {thing: "a:b_{{client() + 100}}", '
               'key: "k{{client()}}", cert: "c{{client()}}"}\n    - aws.template: {file: sub.yaml}\n'))
        self.iotifyd('job.yaml', 'deploy')
        iot = self.boto()
        self.assertEqual(['a:b_100', 'a:b_101'], [t['thingName'] for t in iot.list_things()['things']])
        self.assertEqual('c0\nc1\nk0\nk1\n', self.iotifyd('glob', 'list', 'job.yaml').stdout)
        text = (self.folder / 'sub.yaml').read_text()
        self.assertIn('glob.get("k" + client());', text)
        self.assertIn('client_id: "a:b_{{client() + 100}}"', text)
        self.iotifyd('job.yaml', 'cleanup')
        self.check_nothing_left()

    def test_existing_policy_is_left_alone(self):
        document = json.dumps({'Version': '2012-10-17', 'Statement': [
            {'Effect': 'Deny', 'Action': 'iot:*', 'Resource': '*'}]})
        self.boto().create_policy(policyName='IOTIFY_AUTOMATED_POLICY', policyDocument=document)
        self.write('job.yaml', job(2))
        summary = self.summary('job.yaml', 'deploy', status=1)
        self.assertEqual('PolicyDiffers', step(summary, 'aws.policy')['errors'][0]['code'])
        self.assertEqual([], self.boto().list_things()['things'])
        self.assertEqual(document, self.boto().get_policy(
            policyName='IOTIFY_AUTOMATED_POLICY')['policyDocument'])

    def test_default_policy(self):
        self.write('job.yaml', job(1))
        self.iotifyd('job.yaml', 'deploy')
        policy = json.loads(self.boto().get_policy(
            policyName='IOTIFY_AUTOMATED_POLICY')['policyDocument'])
        resources = [statement['Resource'] for statement in policy['Statement']]
        self.assertEqual(
            ['arn:aws:iot:eu-central-1:123456789012:client/${iot:Connection.Thing.ThingName}',
             'arn:aws:iot:eu-central-1:123456789012:topic/iotify/${iot:Connection.Thing.ThingName}/*',
             'arn:aws:iot:eu-central-1:123456789012:topicfilter/iotify/'
             '${iot:Connection.Thing.ThingName}/*'], resources)

    def test_changed_template_is_kept(self):
        self.write('job.yaml', job(1))
        self.iotifyd('job.yaml', 'deploy')
        path = self.folder / 'aws_iotify.yaml'
        path.write_text(path.read_text() + '# mine\n')
        self.iotifyd('job.yaml', 'deploy')
        self.assertIn('# mine', path.read_text())
        self.assertTrue((self.folder / 'aws_iotify.yaml.new').exists())

    def test_things_of_others_are_left_alone(self):
        self.boto().create_thing(thingName='iotify_1', attributePayload={
            'attributes': {'owner': 'somebody'}})
        self.write('job.yaml', job(3))
        summary = self.summary('job.yaml', 'deploy', status=1)
        self.assertEqual(('ThingDiffers', 1), tuple(
            step(summary, 'aws.device')['errors'][0][name] for name in ('code', 'first_client')))
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual(['iotify_1'], [
            thing['thingName'] for thing in self.boto().list_things()['things']])
        self.assertEqual([], self.boto().list_certificates()['certificates'])

    def test_other_account_is_an_error(self):
        self.write('job.yaml', job(3))
        self.iotifyd('job.yaml', 'deploy')
        summary = self.summary('job.yaml', 'cleanup', status=1,
                               environment={'AWS_ENDPOINT_URL_STS': ''})
        self.assertIn('the store holds 3 devices of account and region 123456789012/eu-central-1, '
                      'and this run would use -/eu-central-1',
                      step(summary, 'aws.remove_device')['errors'][0]['message'])
        self.iotifyd('job.yaml', 'cleanup')
        self.check_nothing_left()

    def test_changed_key_names_are_an_error(self):
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        summary = self.summary('job.yaml', 'deploy', '--set',
                               'pipelines.deploy.3.aws.device.key="k{{client()}}"', status=1)
        self.assertEqual('OtherKeys', step(summary, 'aws.device')['errors'][0]['code'])

    def test_two_at_once(self):
        for store in ('sqlite', 'file'):
            self.write('job.yaml', job(20).replace(
                'plugins:\n', f'plugins:\n  glob: {{use: {store}}}\n'))
            processes = [subprocess.Popen([IOTIFYD, '-q', 'job.yaml', 'deploy'], cwd=self.folder,
                                          env=self.environment, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL) for _ in range(2)]
            for process in processes:
                process.wait(60)
            self.iotifyd('-q', 'job.yaml', 'deploy')
            self.assertEqual(20, len(self.boto().list_certificates()['certificates']))
            self.iotifyd('-q', 'job.yaml', 'cleanup')
            self.check_nothing_left()

    def test_kill_and_resume(self):
        self.write('job.yaml', job(40, quotas='{"*": 60}'))
        for pause in (0.2, 0.4, 0.6, 0.8, 1.0):
            process = subprocess.Popen([IOTIFYD, '-q', 'job.yaml', 'deploy'], cwd=self.folder,
                                       env=self.environment, stdout=subprocess.DEVNULL)
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.iotifyd('-q', 'job.yaml', 'deploy', '--set', 'plugins.aws.quotas={"*": 1000}')
        iot = self.boto()
        self.assertEqual(40, len(iot.list_certificates(pageSize=250)['certificates']))
        self.assertEqual(40, len(iot.list_things(maxResults=250)['things']))
        for pause in (0.2, 0.5):
            process = subprocess.Popen([IOTIFYD, '-q', 'job.yaml', 'cleanup'], cwd=self.folder,
                                       env=self.environment, stdout=subprocess.DEVNULL)
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.iotifyd('-q', 'job.yaml', 'cleanup', '--set', 'plugins.aws.quotas={"*": 1000}')
        self.check_nothing_left()
