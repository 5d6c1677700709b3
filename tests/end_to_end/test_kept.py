# SPDX-License-Identifier: Apache-2.0
"""Stores and fleets of released versions: this version cleans them up, with proof."""
import json
import pathlib
import shutil

from support import Case, step

KEPT = pathlib.Path(__file__).resolve().parents[1] / 'kept'
PASSPHRASE = 'a fleet that exists in no account'


class Kept(Case):
    def restore(self, account):
        """Make again in a new sandbox what the account had."""
        for name in account['types']:
            self.iot.create_thing_type(thingTypeName=name)
        for name, policy in account['policies'].items():
            self.iot.create_policy(policyName=name, policyDocument=json.dumps(policy['document']))
        for one in account['certificates'].values():
            self.iot.register_certificate_without_ca(certificatePem=one['pem'], status=one['status'])
        for name, thing in account['things'].items():
            more = {'thingTypeName': thing['type']} if thing['type'] else {}
            self.iot.create_thing(thingName=name, attributePayload={'attributes': thing['attributes']}, **more)
            for principal in thing['principals']:
                self.iot.attach_thing_principal(thingName=name, principal=principal)
        for name, policy in account['policies'].items():
            for target in policy['targets']:
                self.iot.attach_policy(policyName=name, target=target)
        for name, members in account['groups'].items():
            self.iot.create_thing_group(thingGroupName=name)
            for member in members:
                self.iot.add_thing_to_thing_group(thingGroupName=name, thingName=member)

    def open(self, folder, state):
        self.environment['IOTIFY_SEAL_PASSPHRASE'] = PASSPHRASE
        self.start_sandbox('--detach-delay', '0s', '--deprecation-wait', '0')
        self.iot = self.boto()
        account = json.loads((folder / state / 'account.json').read_text())
        self.restore(account)
        self.write('job.yaml', (folder / 'job.yaml').read_text())
        for path in (folder / state).iterdir():
            if path.is_dir():
                shutil.copytree(path, self.folder / path.name, dirs_exist_ok=True)
            elif path.suffix != '.json':
                shutil.copy(path, self.folder)
        for path in [*self.folder.glob('kept*'), *self.folder.glob('kept-store/**/*')]:
            path.chmod(0o700 if path.is_dir() else 0o600)
        return account

    def left(self):
        return ([one['thingName'] for one in self.iot.list_things()['things']] +
                self.iot.list_certificates()['certificates'] + self.iot.list_policies()['policies'] +
                self.iot.list_thing_groups()['thingGroups'] + self.iot.list_thing_types()['thingTypes'])

    def each(self, state, check):
        folders = [folder for folder in KEPT.glob('*/*') if (folder / 'job.yaml').exists()]
        self.assertTrue(folders)
        for folder in folders:
            with self.subTest(f'{folder.parent.name} {folder.name} {state}'):
                self.setUp()
                check(self.open(folder, state))
                self.doCleanups()

    def clean_up(self, account):
        done = self.iotifyd('job.yaml', 'cleanup', '--json', 'summary.json',
                            '--set', 'pipelines.cleanup.1.aws.remove_shared.enabled=true')
        self.assertIn('proven by listing: nothing is left of the', done.stderr)
        self.assertEqual([], self.left())
        self.assertEqual('', self.iotifyd('glob', 'list', 'job.yaml').stdout)

    def test_cleanup(self):
        self.each('ready', self.clean_up)

    def test_cleanup_that_was_interrupted(self):
        self.each('deleting', self.clean_up)

    def test_deploy_goes_on(self):
        """Devices that are ready stay as they are, the other one is completed."""
        def check(account):
            self.iotifyd('job.yaml', 'deploy', '--json', 'summary.json')
            device = step(json.loads((self.folder / 'summary.json').read_text()), 'aws.device')
            self.assertEqual((1, 3, 0), (device['ok'], device['unchanged'], device['failed']))
            self.assertEqual(set(account['certificates']), {
                one['certificateId'] for one in self.iot.list_certificates()['certificates']})
            self.clean_up(account)
        self.each('ready', check)
