# SPDX-License-Identifier: Apache-2.0
"""The connector against moto, a third-party AWS."""
from support import Case, VENV, free_port, job, step, wait_for_port


class Moto(Case):
    def setUp(self):
        super().setUp()
        port = free_port()
        self.start(str(VENV / 'moto_server'), '-H', '127.0.0.1', '-p', str(port))
        wait_for_port(port, 60)
        self.environment['AWS_ENDPOINT_URL'] = f'http://127.0.0.1:{port}'

    def test_deploy_and_cleanup(self):
        self.write('job.yaml', job(8))
        self.iotifyd('job.yaml', 'deploy')
        iot = self.boto()
        self.assertEqual(8, len(iot.list_things()['things']))
        self.assertEqual(8, len(iot.list_things_in_thing_group(thingGroupName='iotify')['things']))
        for i in range(8):
            principals = iot.list_thing_principals(thingName=f'iotify_{i}')['principals']
            self.assertEqual(1, len(principals))
            self.assertEqual(1, len(iot.list_attached_policies(target=principals[0])['policies']))
        again = self.summary('job.yaml', 'deploy')
        self.assertEqual([0] * len(again['steps']), [entry['ok'] for entry in again['steps']])
        self.iotifyd('job.yaml', 'cleanup', '--set',
                     'pipelines.cleanup.1.aws.remove_shared.enabled=true')
        self.assertEqual([], iot.list_things()['things'])
        self.assertEqual([], iot.list_certificates()['certificates'])
        self.assertEqual([], iot.list_policies()['policies'])
        self.assertEqual([], iot.list_thing_groups()['thingGroups'])
        self.assertEqual([], iot.list_thing_types()['thingTypes'])

    def test_keys_from_aws(self):
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy', '--set', 'pipelines.deploy.3.aws.device.issuer=aws')
        statuses = [c['status'] for c in self.boto().list_certificates()['certificates']]
        self.assertEqual(['ACTIVE', 'ACTIVE'], statuses)
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual([], self.boto().list_certificates()['certificates'])

    def test_certificate_for_another_key_is_noticed(self):
        # moto signs a key of its own instead of the key in the request.
        self.write('job.yaml', job(1))
        summary = self.summary('job.yaml', 'deploy', '--set',
                               'pipelines.deploy.3.aws.device.issuer=csr', status=1)
        self.assertEqual('CertificateLeft', step(summary, 'aws.device')['errors'][0]['code'])

    def test_names_that_need_encoding(self):
        self.write('job.yaml', job(2, 'pipelines:\n  deploy:\n    - aws.thing_type: {name: "a:b-c_d"}\n'
                                      '    - aws.thing_group: {name: "g:1"}\n    - aws.policy: {name: "p+=,.@-"}\n'
                                      '    - aws.device: {thing: "t:{{client()}}"}\n'))
        self.iotifyd('job.yaml', 'deploy')
        self.assertEqual(['t:0', 't:1'], sorted(
            t['thingName'] for t in self.boto().list_things()['things']))
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual([], self.boto().list_things()['things'])
