# SPDX-License-Identifier: Apache-2.0
"""Provisioning after the first deploy: ownership, plans, proofs, limits, and forbidden effects."""
import contextlib
import http.client
import http.server
import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.request

from support import Case, IOTIFYD, job, step, wait_until

DEVICE = ('pipelines:\n  deploy:\n    - aws.thing_type: {}\n    - aws.thing_group: {}\n'
          '    - aws.policy: {%s}\n    - aws.device: {%s}\n    - aws.template: {}\n')


def deploy_job(devices=3, policy='', **settings):
    inner = ', '.join(f'{name}: {value}' for name, value in settings.items())
    return job(devices, DEVICE % (policy, inner))


class Provisioning(Case):
    DETACH = 0.05

    def setUp(self):
        super().setUp()
        self.start_sandbox('--deprecation-wait', '1', '--detach-delay', f'{self.DETACH}s')
        self.environment['AWS_ENDPOINT_URL_SERVICE_QUOTAS'] = self.environment['AWS_ENDPOINT_URL_STS']
        self.iot = self.boto()

    def things(self):
        return sorted(thing['thingName'] for thing in self.iot.list_things(maxResults=250)['things'])

    def certificates(self):
        return self.iot.list_certificates(pageSize=250)['certificates']

    def sandbox(self, method, path, body=''):
        request = urllib.request.Request(
            f'http://127.0.0.1:{self.api_port}/_sandbox{path}', method=method, data=body.encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b'{}')

    def calls(self, forget=True):
        """Number of calls of each operation since the counts were last reset."""
        counts = {name: sum(results.values()) for name, results
                  in self.sandbox('GET', '')['calls'].items()}
        if forget:
            self.sandbox('DELETE', '/calls')
        return counts


class Ownership(Provisioning):
    def test_attributes(self):
        self.write('job.yaml', job(1))
        self.iotifyd('job.yaml', 'deploy')
        attributes = self.iot.describe_thing(thingName='iotify_0')['attributes']
        self.assertEqual({'iotify_job': 'job',
                          'iotify_certificate': self.certificates()[0]['certificateId']}, attributes)

    def test_adopt(self):
        self.iot.create_thing(thingName='iotify_1', attributePayload={'attributes': {'a': 'b'}})
        self.write('job.yaml', deploy_job(3))
        error = step(self.summary('job.yaml', 'deploy', status=1), 'aws.device')['errors'][0]
        self.assertEqual('ThingDiffers', error['code'])
        self.assertIn('set another name under thing:, or adopt: true to use it', error['message'])
        self.write('job.yaml', deploy_job(3, adopt='true'))
        self.iotifyd('job.yaml', 'deploy')
        thing = self.iot.describe_thing(thingName='iotify_1')
        self.assertEqual('b', thing['attributes']['a'])
        self.assertIn('iotify_adopted', thing['attributes'])
        self.assertEqual(1, len(self.iot.list_thing_principals(thingName='iotify_1')['principals']))
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual(['iotify_1'], self.things())
        self.assertEqual({'a': 'b'}, self.iot.describe_thing(thingName='iotify_1')['attributes'])
        self.assertEqual([], self.iot.list_thing_groups_for_thing(thingName='iotify_1')['thingGroups'])
        self.assertEqual([], self.certificates())

    def test_things_of_another_store_are_not_adopted(self):
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        for path in self.folder.glob('job.db*'):
            path.unlink()
        self.write('job.yaml', deploy_job(2, adopt='true'))
        error = step(self.summary('job.yaml', 'deploy', status=1), 'aws.device')['errors'][0]
        self.assertIn('was made by the job job with another store', error['message'])
        self.assertEqual(2, len(self.things()))

    def test_dynamic_deprecated_and_differing(self):
        self.iot.create_thing_type(thingTypeName='iotify_type')
        self.iot.deprecate_thing_type(thingTypeName='iotify_type')
        self.write('job.yaml', job(1))
        error = step(self.summary('job.yaml', 'deploy', status=1), 'aws.thing_type')['errors'][0]
        self.assertEqual('Deprecated', error['code'])

    def test_adopted_things_keep_what_they_had(self):
        self.iot.create_thing_group(thingGroupName='iotify')
        for i, attributes in enumerate(({'a': 'b'}, {'iotify_adopted': 'f' * 64})):
            self.iot.create_thing(thingName=f'iotify_{i}', attributePayload={'attributes': attributes})
            self.iot.add_thing_to_thing_group(thingGroupName='iotify', thingName=f'iotify_{i}')
        self.write('job.yaml', deploy_job(2, adopt='true'))
        error = step(self.summary('job.yaml', 'deploy', status=1), 'aws.device')['errors'][0]
        self.assertIn('iotify_1 is in use by another job already', error['message'])
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual(['iotify_0', 'iotify_1'], sorted(self.iot.list_things_in_thing_group(
            thingGroupName='iotify')['things']))
        self.assertEqual({'iotify_adopted': 'f' * 64},
                         self.iot.describe_thing(thingName='iotify_1')['attributes'])

    def test_policy_on_a_group_of_others(self):
        self.iot.create_thing_group(thingGroupName='iotify')
        self.write('job.yaml', deploy_job(1, 'attach: group'))
        error = step(self.summary('job.yaml', 'deploy', status=1), 'aws.policy')['errors'][0]
        self.assertEqual('GroupDiffers', error['code'])
        self.assertEqual([], self.iot.list_targets_for_policy(
            policyName='IOTIFY_AUTOMATED_POLICY')['targets'])

    def test_refused_creation_makes_nothing_ours(self):
        self.sandbox('PUT', '/faults', 'CreateThingGroup:throttle=100%')
        self.write('job.yaml', job(1))
        process = self.spawn('job.yaml', 'deploy')
        wait_until(lambda: 'CreateThingGroup' in self.calls(forget=False), 'a throttled call')
        process.send_signal(signal.SIGINT)
        process.wait(30)
        self.sandbox('PUT', '/faults', 'none')
        self.iot.create_thing_group(thingGroupName='iotify')
        self.iotifyd('job.yaml', 'deploy')
        self.iotifyd('job.yaml', 'cleanup', '--set',
                     'pipelines.cleanup.1.aws.remove_shared.enabled=true')
        self.assertEqual(1, len(self.iot.list_thing_groups()['thingGroups']))

    def test_names_are_of_one_client(self):
        for settings in ({'thing': '"t_{{client() % 2}}"'}, {'key': '"k_{{client() % 2}}"'}):
            self.write('job.yaml', deploy_job(2, **settings).replace('devices: 2', 'devices: 4'))
            device = step(self.summary('job.yaml', 'deploy', status=1), 'aws.device')
            self.assertEqual('SameName', device['errors'][0]['code'])
            self.iotifyd('job.yaml', 'cleanup')
            self.assertEqual([], self.things() + self.certificates())

    def test_another_alias(self):
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        self.write('job.yaml', job(2).replace('  aws: {', '  cloud: {'))
        self.assertIn('the store holds devices of the plugin alias "aws"',
                      self.iotifyd('job.yaml', 'cleanup', status=1).stderr)

    def test_policy_of_the_group(self):
        self.write('job.yaml', deploy_job(2, 'attach: group'))
        self.iotifyd('job.yaml', 'deploy')
        group = self.iot.describe_thing_group(thingGroupName='iotify')['thingGroupArn']
        self.assertEqual([group], self.iot.list_targets_for_policy(
            policyName='IOTIFY_AUTOMATED_POLICY')['targets'])
        self.write('aws_iotify.yaml', (self.folder / 'aws_iotify.yaml').read_text())
        summary = self.summary('job.yaml', 'simulate', '--set', 'pipelines.simulate.0.simulate.iterations=2',
                               '--set', 'pipelines.simulate.0.simulate.interval=100ms')
        self.assertEqual(4, summary['simulate']['acknowledged'])
        self.iotifyd('job.yaml', 'cleanup', '--set',
                     'pipelines.cleanup.1.aws.remove_shared.enabled=true')
        self.assertEqual([], self.iot.list_policies()['policies'])
        self.assertEqual([], self.iot.list_thing_groups()['thingGroups'])

    def test_group_policy_needs_a_group(self):
        self.write('job.yaml', job(1, 'pipelines:\n  deploy:\n    - aws.policy: {attach: group}\n'))
        self.assertIn('no step before this one makes a thing group',
                      self.iotifyd('--check', 'job.yaml', 'deploy', status=2).stderr)

    def test_shared_things_of_others_stay(self):
        self.iot.create_thing_group(thingGroupName='iotify')
        self.write('job.yaml', job(1))
        self.iotifyd('job.yaml', 'deploy')
        self.iot.create_thing(thingName='foreign', thingTypeName='iotify_type')
        done = self.iotifyd('job.yaml', 'cleanup', '--set',
                            'pipelines.cleanup.1.aws.remove_shared.enabled=true')
        self.assertIn('the group iotify was not made by this job, and is left', done.stderr)
        self.assertIn("the thing type iotify_type has things that are not this job's, and is left",
                      done.stderr)
        self.assertEqual([], self.iot.list_policies()['policies'])
        self.assertEqual(['iotify'], [g['groupName'] for g in self.iot.list_thing_groups()['thingGroups']])
        self.assertEqual(1, len(self.iot.list_thing_types()['thingTypes']))

    def test_interrupted_type_removal(self):
        self.write('job.yaml', job(1))
        self.iotifyd('job.yaml', 'deploy')
        self.iotifyd('job.yaml', 'cleanup')
        # The state after an interrupted removal: deprecated, and not yet deletable.
        self.iot.deprecate_thing_type(thingTypeName='iotify_type')
        self.iotifyd('job.yaml', 'deploy')
        self.assertFalse(self.iot.describe_thing_type(
            thingTypeName='iotify_type')['thingTypeMetadata']['deprecated'])
        self.iot.deprecate_thing_type(thingTypeName='iotify_type')
        time.sleep(1.1)
        self.iotifyd('job.yaml', 'cleanup', '--set',
                     'pipelines.cleanup.1.aws.remove_shared.enabled=true')
        self.assertEqual([], self.iot.list_thing_types()['thingTypes'])


class Calls(Provisioning):
    def test_register_thing(self):
        for issuer in ('local', 'csr', 'aws'):
            self.write('job.yaml', deploy_job(4, issuer=issuer, register_thing='true'))
            self.calls()
            self.iotifyd('job.yaml', 'deploy')
            calls = self.calls()
            self.assertEqual(4, calls['RegisterThing'])
            for absent in ('CreateThing', 'AttachPolicy', 'AttachThingPrincipal', 'AddThingToThingGroup'):
                self.assertNotIn(absent, calls)
            self.assertEqual(['ACTIVE'] * 4, [c['status'] for c in self.certificates()])
            self.assertEqual(4, len(self.iot.list_things_in_thing_group(thingGroupName='iotify')['things']))
            for i in range(4):
                principal = self.iot.list_thing_principals(thingName=f'iotify_{i}')['principals'][0]
                self.assertEqual(1, len(self.iot.list_attached_policies(target=principal)['policies']))
            self.iotifyd('job.yaml', 'cleanup')
            self.assertEqual([], self.things() + self.certificates())

    def test_register_thing_takes_no_foreign_thing(self):
        self.iot.create_thing(thingName='iotify_0', attributePayload={'attributes': {'a': 'b'}})
        self.write('job.yaml', deploy_job(2, register_thing='true'))
        error = step(self.summary('job.yaml', 'deploy', status=1), 'aws.device')['errors'][0]
        self.assertEqual('ThingDiffers', error['code'])
        self.assertEqual([], self.iot.list_thing_principals(thingName='iotify_0')['principals'])
        self.assertEqual({'a': 'b'}, self.iot.describe_thing(thingName='iotify_0')['attributes'])

    def test_five_calls_a_device(self):
        self.write('job.yaml', job(10))
        self.calls()
        self.iotifyd('job.yaml', 'deploy')
        calls = self.calls()
        for name in ('RegisterCertificateWithoutCA', 'CreateThing', 'AttachPolicy',
                     'AttachThingPrincipal', 'AddThingToThingGroup'):
            self.assertEqual(10, calls.pop(name), name)
        self.assertEqual({'GetCallerIdentity', 'ListServiceQuotas', 'DescribeThingType',
                          'CreateThingType', 'DescribeThingGroup', 'CreateThingGroup', 'GetPolicy',
                          'CreatePolicy'}, set(calls))
        self.assertEqual({1}, set(calls.values()))

    def test_iam_policy_is_what_is_called(self):
        """Every call is permitted, and for a plain job every permission is used."""
        for settings, extra in (({}, ''), ({'issuer': 'csr'}, ''), ({'issuer': 'aws'}, ''),
                                ({'register_thing': 'true'}, ''), ({}, 'attach: group'),
                                ({'adopt': 'true'}, '')):
            if 'adopt' in settings:
                self.iot.create_thing(thingName='iotify_1')
            self.write('job.yaml', deploy_job(3, extra, **settings))
            policy = json.loads(self.iotifyd(
                'iam-policy', 'job.yaml', '--set', 'pipelines.cleanup.1.aws.remove_shared.enabled=true').stdout)
            allowed = {action.split(':')[1] for statement in policy['Statement']
                       for action in statement['Action']}
            self.calls()
            self.iotifyd('job.yaml', 'deploy')
            self.iotifyd('job.yaml', 'deploy')
            self.iotifyd('job.yaml', 'simulate', '--set', 'pipelines.simulate.0.simulate.iterations=1')
            self.iotifyd('job.yaml', 'cleanup', '--from-aws', status=2)
            self.iotifyd('job.yaml', 'cleanup', '--set',
                         'pipelines.cleanup.1.aws.remove_shared.enabled=true')
            called = set(self.calls())
            self.assertEqual(set(), called - allowed)
            # The unused permissions are for other cases: versions, crashes, undone deprecation, repairs.
            self.assertLessEqual(allowed - called, {
                'DeletePolicyVersion', 'DescribeCertificate', 'DeprecateThingType', 'ListCertificates',
                'ListThingPrincipals', 'ListThingGroupsForThing',
                'ListPrincipalThings', 'ListAttachedPolicies', 'DescribeThing', 'DetachPolicy',
                'AttachPolicy', 'CreateThing', 'AttachThingPrincipal', 'AddThingToThingGroup'})
            for thing in self.things():
                self.iot.delete_thing(thingName=thing)

    def test_iam_policy_names_resources(self):
        self.write('job.yaml', job(2, accounts='["123456789012"]'))
        policy = json.loads(self.iotifyd('iam-policy', 'job.yaml').stdout)
        resources = {statement['Resource'] for statement in policy['Statement']}
        arn = 'arn:aws:iot:eu-central-1:123456789012:'
        self.assertEqual({'*', arn + 'thing/iotify_*', arn + 'thingtype/iotify_type', arn + 'cert/*',
                          arn + 'thinggroup/iotify', arn + 'policy/IOTIFY_AUTOMATED_POLICY'}, resources)
        for statement in policy['Statement']:
            for action in statement['Action']:
                self.assertNotIn('*', action)

    def test_accounts_and_regions(self):
        self.write('job.yaml', job(1, accounts='["210987654321"]'))
        error = step(self.summary('job.yaml', 'deploy', status=1), 'aws.thing_type')['errors'][0]
        self.assertEqual('WrongAccount', error['code'])
        self.assertEqual({'GetCallerIdentity'}, set(self.calls()))
        self.write('job.yaml', job(1, accounts='["123456789012"]', regions='[eu-central-1]'))
        self.iotifyd('job.yaml', 'deploy')
        self.write('job.yaml', job(1, regions='[us-east-1, eu-west-1]'))
        self.assertIn('job.yaml:3:', self.iotifyd('--check', 'job.yaml', status=2).stderr)
        self.write('job.yaml', job(1, accounts='[1234]'))
        self.assertIn('12 digits in quotes, not "1234"',
                      self.iotifyd('--check', 'job.yaml', status=2).stderr)


class Plan(Provisioning):
    def plan(self, *arguments, status=0):
        self.iotifyd('--plan', 'job.yaml', *arguments, '--json', 'plan.json', status=status)
        return {entry['step']: entry for entry in json.loads(
            (self.folder / 'plan.json').read_text())['plan']}

    def test_plan(self):
        self.write('job.yaml', job(20, quotas='{"*": 1000, AttachPolicy: 10}'))
        self.iot.create_thing(thingName='iotify_7')
        plan = self.plan('deploy', status=1)
        changes = {(c['change'], c['count']) for c in plan['aws.device']['changes']}
        self.assertEqual({('create', 19), ('blocked', 1)}, changes)
        # A plan creates no key file.
        self.assertFalse((self.folder / 'job.key').exists())
        self.assertEqual({'count': 19, 'per_second': 10.0}, plan['aws.device']['calls']['AttachPolicy'])
        self.assertAlmostEqual(1.9, plan['aws.device']['seconds'])
        self.assertEqual('create', plan['aws.policy']['changes'][0]['change'])
        self.assertEqual(['iotify_7'], self.things())
        self.iot.delete_thing(thingName='iotify_7')
        self.iotifyd('job.yaml', 'deploy', '--set', 'plugins.aws.quotas={"*": 1000}')
        self.calls()
        plan = self.plan('deploy')
        # One listing, not one call per device.
        self.assertEqual(1, self.calls()['ListThings'])
        self.assertEqual([('keep', 20)], [(c['change'], c['count']) for c in plan['aws.device']['changes']])
        self.assertEqual({}, plan['aws.device']['calls'])
        plan = self.plan('cleanup')
        self.assertEqual(('delete', 20, 'iotify_0', 'iotify_19'), tuple(
            plan['aws.remove_device']['changes'][0][name] for name in ('change', 'count', 'first', 'last')))
        text = self.iotifyd('--plan', 'job.yaml', 'cleanup').stdout
        self.assertIn('- delete 20 × device iotify_0 … iotify_19', text)
        self.assertIn('nothing was changed', text)
        self.assertEqual(20, len(self.things()))

    def test_plan_of_other_names(self):
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        self.write('job.yaml', deploy_job(2, key='"other_{{client()}}"'))
        changes = self.plan('deploy', status=1)['aws.device']['changes']
        self.assertEqual([('blocked', 2)], [(c['change'], c['count']) for c in changes])
        self.iot.deprecate_thing_type(thingTypeName='iotify_type')
        self.write('job.yaml', job(2))
        self.assertEqual('keep', self.plan('deploy')['aws.thing_type']['changes'][0]['change'])

    def test_plan_without_sts(self):
        del self.environment['AWS_ENDPOINT_URL_STS']
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        self.assertEqual('keep', self.plan('deploy')['aws.policy']['changes'][0]['change'])

    def test_prune(self):
        self.write('job.yaml', job(10))
        self.iotifyd('job.yaml', 'deploy')
        plan = self.plan('deploy', '--set', 'devices=6')['aws.device']
        self.assertEqual([('keep', 6), ('keep', 4)], [(c['change'], c['count']) for c in plan['changes']])
        plan = self.plan('deploy', '--prune', '--set', 'devices=6')['aws.device']
        self.assertEqual([('keep', 6), ('delete', 4)], [(c['change'], c['count']) for c in plan['changes']])
        self.assertEqual(4, plan['calls']['DeleteCertificate']['count'])
        done = self.iotifyd('job.yaml', 'deploy', '--set', 'devices=6')
        self.assertIn('4 devices that this job deployed, clients 6 to 9, are no longer in the '
                      'job; they stay until cleanup, or add --prune', done.stderr)
        self.assertEqual(10, len(self.things()))
        summary = self.summary('job.yaml', 'deploy', '--prune', '--set', 'devices=6')
        pruned = step(summary, 'aws.device --prune')
        self.assertEqual(4, pruned['ok'])
        self.assertGreater(pruned['seconds'], 0)
        self.assertLessEqual(pruned['seconds'] + step(summary, 'aws.device')['seconds'], summary['seconds'])
        self.assertEqual([f'iotify_{i}' for i in range(6)], self.things())
        self.assertEqual(6, len(self.certificates()))
        self.assertEqual(12, len(self.iotifyd('glob', 'list', 'job.yaml').stdout.split()))
        self.assertNotIn('--prune', self.iotifyd('job.yaml', 'deploy', '--set', 'devices=6').stderr)

    def test_resumed_deploy_forecasts_what_is_missing(self):
        """20 devices are complete, 10 have only a certificate, and 10 have nothing."""
        self.write('job.yaml', job(40, quotas='{"*": 1000, AttachPolicy: 15}'))
        self.iotifyd('job.yaml', 'deploy', '--set', 'devices=20')
        self.sandbox('PUT', '/faults', 'AttachThingPrincipal:error=100%')
        self.iotifyd('job.yaml', 'deploy', '--set', 'devices=30', status=1)
        self.sandbox('PUT', '/faults', 'none')
        self.assertIn('aws.device: 20 devices, about 1 s: AttachPolicy at 15/s sets the pace',
                      self.iotifyd('job.yaml', 'deploy').stderr)

    def test_cleanup_from_aws(self):
        self.write('job.yaml', job(5))
        self.iotifyd('job.yaml', 'deploy')
        self.iot.create_thing(thingName='foreign')
        self.iot.add_thing_to_thing_group(thingGroupName='iotify', thingName='foreign')
        self.iot.create_thing(thingName='iotify_5', attributePayload={'attributes': {'iotify_job': 'other'}})
        for path in self.folder.glob('job.*'):
            if path.name != 'job.yaml':
                path.unlink()
        done = self.iotifyd('job.yaml', 'cleanup', '--from-aws', status=2)
        self.assertIn('- delete 5 × device iotify_0 … iotify_4', done.stdout)
        self.assertIn('the group iotify has 6 things, of which 5 are of this job', done.stderr)
        self.assertIn('add --yes', done.stderr)
        self.assertEqual(7, len(self.things()))
        # Only devices within `devices`; the others are reported.
        done = self.iotifyd('job.yaml', 'cleanup', '--from-aws', '--yes', '--set', 'devices=2', status=1)
        self.assertIn('3 things of this job remain that its store does not know: iotify_2, iotify_3, '
                      'iotify_4', done.stderr)
        self.assertEqual(['foreign', 'iotify_2', 'iotify_3', 'iotify_4', 'iotify_5'], self.things())
        self.iotifyd('job.yaml', 'cleanup', '--from-aws', '--yes', '--set', 'devices=6')
        self.assertEqual(['foreign', 'iotify_5'], self.things())
        self.assertEqual([], self.certificates())
        self.assertIn('is valid only with cleanup', self.iotifyd('job.yaml', '--from-aws', status=2).stderr)


class Drift(Provisioning):
    """Somebody changes the account by hand, or the store is another one than before."""

    def certificate_of(self, client):
        return self.iot.list_thing_principals(thingName=f'iotify_{client}')['principals'][0]

    def detach(self, client):
        arn = self.certificate_of(client)
        self.iot.detach_thing_principal(thingName=f'iotify_{client}', principal=arn)
        wait_until(lambda: not self.iot.list_thing_principals(thingName=f'iotify_{client}')['principals'],
                   'the detach has arrived')
        return arn

    def set_status(self, client, status):
        self.iot.update_certificate(certificateId=self.certificate_of(client).split('/')[1],
                                    newStatus=status)

    def change_by_hand(self):
        self.detach(1)
        self.iot.delete_thing(thingName='iotify_1')
        self.delete_certificate(2)
        self.iot.detach_policy(policyName='IOTIFY_AUTOMATED_POLICY', target=self.certificate_of(3))
        self.iot.remove_thing_from_thing_group(thingGroupName='iotify', thingName='iotify_4')
        self.iotifyd('glob', 'delete', 'job.yaml', 'aws_iotify_5_key')
        self.set_status(6, 'INACTIVE')
        self.set_status(7, 'REVOKED')

    def delete_certificate(self, client):
        self.set_status(client, 'INACTIVE')
        arn = self.detach(client)
        self.iot.delete_certificate(certificateId=arn.split('/')[1], forceDelete=True)
        return arn

    def counts(self, *arguments, status=0):
        done = step(self.summary('job.yaml', 'deploy', *arguments, status=status), 'aws.device')
        return done['ok'], done['unchanged'], done['repaired'], done['failed'], {
            error['code']: error['count'] for error in done['errors']}

    def test_repair(self):
        self.write('job.yaml', job(8))
        self.iotifyd('job.yaml', 'deploy')
        self.change_by_hand()
        plan = self.iotifyd('--plan', 'job.yaml', 'deploy', status=1).stdout
        for text in ('iotify_1: repair: the thing, the group', 'iotify_2: repair: the certificate, the policy',
                     'iotify_3: repair: the policy', 'iotify_4: repair: the group',
                     'its certificate is not active; --repair activates or replaces it'):
            self.assertIn(text, plan)
        self.calls()
        self.assertEqual((0, 1, 0, 7, {'Drift': 5, 'NotActive': 2}), self.counts('--no-repair', status=1))
        self.assertFalse({name for name in self.calls() if name.startswith((
            'Create', 'Attach', 'Add', 'Update', 'Register', 'Delete', 'Detach'))})
        self.assertEqual((0, 1, 5, 2, {'NotActive': 2}), self.counts(status=1))
        self.assertEqual((0, 6, 2, 0, {}), self.counts('--repair'))
        self.assertEqual((0, 8, 0, 0, {}), self.counts())
        self.assertEqual({'ACTIVE'}, {one['status'] for one in self.certificates()})
        # No listing shows which certificate a thing has.
        self.detach(0)
        self.assertEqual((0, 8, 0, 0, {}), self.counts())
        self.assertEqual((0, 7, 1, 0, {}), self.counts('--verify', 'full'))
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual(([], []), (self.things(), self.certificates()))

    def test_interrupted_repair(self):
        """What it did not reach is done by the next deploy, and decisions since then are seen."""
        self.write('job.yaml', job(3))
        self.iotifyd('job.yaml', 'deploy')
        arns = [self.detach(0), self.detach(1)]
        for client in (0, 1):
            self.iot.delete_thing(thingName=f'iotify_{client}')
        self.sandbox('PUT', '/faults', 'AttachThingPrincipal:error=100%')
        self.assertEqual((0, 1, 0, 2), self.counts(status=1)[:4])
        self.sandbox('PUT', '/faults', 'none')
        self.assertEqual(3, len(self.things()))
        self.iot.update_certificate(certificateId=arns[1].split('/')[1], newStatus='INACTIVE')
        self.assertIn('iotify_0: repair', self.iotifyd('--plan', 'job.yaml', 'deploy', status=1).stdout)
        self.assertEqual((0, 1, 1, 1, {'NotActive': 1}), self.counts(status=1))
        self.assertEqual(arns[0], self.certificate_of(0))
        self.assertEqual((0, 2, 1, 0, {}), self.counts('--repair'))
        self.assertEqual((0, 3, 0, 0, {}), self.counts())
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual(([], []), (self.things(), self.certificates()))

    def test_adopted_things(self):
        """One that is gone is not created, and one that another job has taken is left to it."""
        for client in range(2):
            self.iot.create_thing(thingName=f'iotify_{client}')
        self.write('job.yaml', deploy_job(2, adopt='true'))
        self.iotifyd('job.yaml', 'deploy')
        self.detach(0)
        self.iot.delete_thing(thingName='iotify_0')
        self.iot.update_thing(thingName='iotify_1', attributePayload={
            'attributes': {'iotify_adopted': 'f' * 64}, 'merge': True})
        self.assertEqual((0, 0, 0, 2, {'ThingGone': 1, 'ThingDiffers': 1}), self.counts(status=1))
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual((['iotify_1'], []), (self.things(), self.certificates()))
        self.assertEqual({'iotify_adopted': 'f' * 64},
                         self.iot.describe_thing(thingName='iotify_1')['attributes'])

    def test_certificates_of_aws_are_replaced(self):
        self.write('job.yaml', deploy_job(2, issuer='aws'))
        self.iotifyd('job.yaml', 'deploy')
        arn = self.delete_certificate(1)
        self.iotifyd('job.yaml', 'deploy')
        self.assertNotEqual(arn, self.certificate_of(1))
        self.assertEqual(2, len(self.certificates()))
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual([], self.certificates())

    def lose_store(self):
        for path in self.folder.glob('job.*'):
            if path.name != 'job.yaml':
                path.unlink()

    def test_lost_store(self):
        """No cleanup says that nothing is left while something is."""
        self.write('job.yaml', job(3))
        self.iotifyd('job.yaml', 'deploy')
        self.lose_store()
        done = self.iotifyd('-q', 'job.yaml', 'cleanup', status=1)
        self.assertIn('3 things of this job remain that its store does not know: iotify_0, iotify_1, '
                      'iotify_2', done.stderr)
        self.assertEqual(['job.yaml'], sorted(path.name for path in self.folder.glob('job.*')))
        self.assertIn('with another store', self.iotifyd('job.yaml', 'deploy', status=1).stderr)
        for _ in range(2):
            done = self.iotifyd('job.yaml', 'cleanup', status=1)
            self.assertIn('another store of this job made it', done.stderr)
            self.assertNotIn('nothing is left', done.stderr)
        self.assertEqual(3, len(self.things()))
        self.iotifyd('job.yaml', 'cleanup', '--from-aws', '--yes')
        self.assertEqual(([], []), (self.things(), self.certificates()))

    def test_restored_store(self):
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        shutil.copy(self.folder / 'job.db', self.folder / 'backup')
        self.iotifyd('job.yaml', 'cleanup')
        self.iotifyd('job.yaml', 'deploy')
        shutil.copy(self.folder / 'backup', self.folder / 'job.db')
        self.assertIn('with another store', self.iotifyd('job.yaml', 'deploy', status=1).stderr)
        self.iotifyd('job.yaml', 'cleanup', status=1)
        self.assertEqual(2, len(self.things()))
        self.iotifyd('job.yaml', 'cleanup', '--from-aws', '--yes')
        self.assertEqual(([], []), (self.things(), self.certificates()))

    def test_nothing_to_clean_up(self):
        self.write('job.yaml', job(2))
        done = self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual(1, done.stderr.count('nothing to clean up'))
        done = self.iotifyd('job.yaml', 'cleanup', '--from-aws', '--yes')
        self.assertIn('nothing of this job', done.stdout)
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
            del self.environment[name]
        done = self.iotifyd('job.yaml', 'cleanup', status=1)
        self.assertEqual(1, done.stderr.count('no AWS credentials'))
        self.assertEqual(['job.yaml'], sorted(path.name for path in self.folder.glob('job.*')))

    def test_foreign_attachments_are_named(self):
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        self.iot.create_policy(policyName='theirs', policyDocument=json.dumps({
            'Version': '2012-10-17', 'Statement': [
                {'Effect': 'Allow', 'Action': 'iot:Connect', 'Resource': '*'}]}))
        self.iot.attach_policy(policyName='theirs', target=self.certificate_of(0))
        self.iot.create_thing(thingName='their-thing')
        self.iot.attach_thing_principal(thingName='their-thing', principal=self.certificate_of(1))
        arns = [self.certificate_of(0), self.certificate_of(1)]
        done = self.iotifyd('job.yaml', 'cleanup', status=1)
        self.assertIn('has the policy theirs', done.stderr)
        self.assertIn('is attached to the thing their-thing', done.stderr)
        self.iot.detach_policy(policyName='theirs', target=arns[0])
        self.iot.detach_thing_principal(thingName='their-thing', principal=arns[1])
        wait_until(lambda: not self.iot.list_thing_principals(thingName='their-thing')['principals'],
                   'the detach has arrived')
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual((['their-thing'], []), (self.things(), self.certificates()))


class Consistency(Provisioning):
    DETACH = 2

    def test_resources_that_are_not_visible_yet(self):
        """AWS may not find for seconds what was just created: no device fails by that."""
        self.sandbox('PUT', '/faults', 'AttachPolicy:absent=15%,AttachThingPrincipal:absent=15%,'
                                       'AddThingToThingGroup:absent=15%')
        self.write('job.yaml', job(20))
        summary = self.summary('job.yaml', 'deploy')
        self.assertEqual(20, step(summary, 'aws.device')['ok'])
        self.sandbox('PUT', '/faults', 'none')
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual(([], []), (self.things(), self.certificates()))

    def test_one_that_never_appears(self):
        self.write('job.yaml', job(2))
        self.sandbox('PUT', '/faults', 'AddThingToThingGroup:absent=100%')
        summary = self.summary('job.yaml', 'deploy', status=1)
        self.assertEqual('ResourceNotFoundException', step(summary, 'aws.device')['errors'][0]['code'])

    def test_no_worker_waits_for_detachments(self):
        """One worker, ten devices, and AWS takes two seconds for each detachment."""
        self.write('job.yaml', job(10, 'workers: 1\n'))
        self.iotifyd('job.yaml', 'deploy')
        summary = self.summary('job.yaml', 'cleanup')
        done = step(summary, 'aws.remove_device')
        self.assertEqual(10, done['ok'])
        self.assertLess(done['seconds'], 10 * self.DETACH)
        self.assertEqual(([], []), (self.things(), self.certificates()))

    def test_few_attempts_are_too_early(self):
        """Each costs a call of the quota that sets the pace of the removal."""
        self.sandbox('PUT', '/quotas', '*=1000,DeleteCertificate=10')
        self.write('job.yaml', job(60).replace(', quotas: {"*": 1000}', ''))
        self.iotifyd('job.yaml', 'deploy')
        self.calls()
        self.iotifyd('job.yaml', 'cleanup')
        self.assertLess(self.calls()['DeleteCertificate'], 60 * 1.5)


class Pace(Provisioning):
    def test_quotas_of_the_account(self):
        self.sandbox('PUT', '/quotas', '*=300,AttachPolicy=25')
        self.write('job.yaml', job(30).replace(', quotas: {"*": 1000}', ''))
        done = self.iotifyd('job.yaml', 'deploy', '--json', 'summary.json')
        self.assertRegex(done.stderr, r'30 devices, about 1 s: AttachPolicy at 25/s sets the pace')
        device = step(json.loads((self.folder / 'summary.json').read_text()), 'aws.device')
        self.assertEqual((30, 0, 0), (device['ok'], device['failed'], device['throttled']))

    def test_quotas_may_be_unreadable(self):
        self.environment['AWS_ENDPOINT_URL_SERVICE_QUOTAS'] = 'http://127.0.0.1:9'
        self.write('job.yaml', job(1))
        self.assertIn("cannot read the account's quotas", self.iotifyd('job.yaml', 'deploy').stderr)

    def test_other_services_are_asked_where_they_are_told_to_be(self):
        del self.environment['AWS_ENDPOINT_URL_SERVICE_QUOTAS']
        del self.environment['AWS_ENDPOINT_URL_STS']
        self.write('job.yaml', job(1))
        done = self.iotifyd('job.yaml', 'deploy')
        self.assertNotIn('quotas', done.stderr)
        self.assertFalse({'GetCallerIdentity', 'ListServiceQuotas'} & set(self.calls()))

    def test_throttled_without_known_quotas(self):
        """The quota is below the assumed one: the deploy is slower, and no device fails."""
        del self.environment['AWS_ENDPOINT_URL_SERVICE_QUOTAS']
        self.sandbox('PUT', '/quotas', 'RegisterCertificateWithoutCA=6')
        self.write('job.yaml', job(30).replace(', quotas: {"*": 1000}', ''))
        device = step(self.summary('job.yaml', 'deploy'), 'aws.device')
        self.assertEqual((30, 0), (device['ok'], device['failed']))


class Issuers(Provisioning):
    def test_lost_replies_leave_nothing_with_csr(self):
        self.write('job.yaml', deploy_job(10, issuer='csr'))
        self.sandbox('PUT', '/faults', 'CreateCertificateFromCsr:drop_reply=60%')
        self.iotifyd('job.yaml', 'deploy', status=None)
        self.sandbox('PUT', '/faults', 'none')
        self.iotifyd('job.yaml', 'deploy')
        self.assertEqual(['ACTIVE'] * 10, [c['status'] for c in self.certificates()])
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual([], self.certificates())

    def test_what_is_not_provably_ours_is_reported(self):
        self.write('job.yaml', deploy_job(4, issuer='aws'))
        foreign = self.iot.create_keys_and_certificate(setAsActive=True)['certificateId']
        self.sandbox('PUT', '/faults', 'CreateKeysAndCertificate:drop_reply=50%')
        told = self.iotifyd('job.yaml', 'deploy', status=None).stderr
        self.sandbox('PUT', '/faults', 'none')
        told += self.iotifyd('job.yaml', 'deploy').stderr
        inactive = [c['certificateId'] for c in self.certificates() if c['status'] == 'INACTIVE']
        self.assertGreater(len(inactive), 0)
        for identifier in inactive:
            self.assertIn(f'aws iot delete-certificate --certificate-id {identifier}', told)
        self.assertNotIn(foreign, told)

        self.assertEqual(5, sum(c['status'] == 'ACTIVE' for c in self.certificates()))
        self.iotifyd('job.yaml', 'cleanup')
        left = {c['certificateId'] for c in self.certificates()}
        self.assertEqual({foreign, *inactive}, left)
        for identifier in inactive:
            self.iot.delete_certificate(certificateId=identifier)
        self.iotifyd('job.yaml', 'cleanup')
        self.assertNotIn('delete-certificate', self.iotifyd('job.yaml', 'deploy').stderr)

    def test_proof(self):
        self.write('job.yaml', job(3))
        self.iotifyd('job.yaml', 'deploy')
        done = self.iotifyd('job.yaml', 'cleanup')
        self.assertIn('proven by listing: nothing is left of the 3 devices that were removed', done.stderr)
        self.assertNotIn('proven', self.iotifyd('job.yaml', 'cleanup').stderr)


class Between(http.server.BaseHTTPRequestHandler):
    """Forwards calls to the sandbox, but answers the calls that a test selects itself."""
    protocol_version = 'HTTP/1.1'

    def do_any(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        status, kind, content = answer.status, answer.headers['Content-Type'], answer.read()
        error = answer.headers['x-amzn-errortype']
        connection.close()
        length = len(content)
        if self.server.matches(self.command, self.path, body):
            status, kind, content, length = self.server.bad
            error = None
        self.send_response(status)
        self.send_header('Content-Type', kind or '')
        if error:
            self.send_header('x-amzn-errortype', error)
        self.send_header('Content-Length', str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)
        if length is not None and length != len(content):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_any

    def log_message(self, *_):
        pass


class BadAnswersBase(Provisioning):
    def setUp(self):
        super().setUp()
        self.server = server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Between)
        server.daemon_threads = True
        # A client that closes the connection early is not an error of the test.
        server.handle_error = lambda *_: None
        server.port, server.matches = self.api_port, lambda *_: False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.environment['AWS_ENDPOINT_URL_IOT'] = f'http://127.0.0.1:{server.server_port}'


class WrongService(BadAnswersBase):
    """Another server answers for AWS: nothing counts as deleted, and no record is lost."""

    # The calls are executed as well; so none of the certificates can be deleted.
    DETACH = 2

    def test_cleanup(self):
        json_type = 'application/json'
        for bad in ((404, 'text/html', b'<html>Not found</html>', None), (200, json_type, b'', None),
                    (200, json_type, b'{}', None), (404, json_type, b'{}', None)):
            with self.subTest(bad):
                self.write('job.yaml', job(3))
                self.server.matches = lambda *_: False
                self.iotifyd('job.yaml', 'deploy')
                self.server.bad, self.server.matches = bad, lambda *_: True
                done = self.iotifyd('job.yaml', 'cleanup', status=1)
                self.assertNotIn('proven', done.stderr)
                self.iotifyd('job.yaml', 'deploy', status=1)
                self.server.matches = lambda *_: False
                self.assertEqual(3, len(self.certificates()))
                self.iotifyd('job.yaml', 'deploy')
                self.assertEqual(['ACTIVE'] * 3, [c['status'] for c in self.certificates()])
                self.iotifyd('job.yaml', 'cleanup')
                self.assertEqual([], self.things() + self.certificates())


class EndlessListing(BadAnswersBase):
    def test_ends(self):
        item = {'thingName': 'a', 'attributes': {}}
        for name, token, things in (('the same', lambda n: 'a', [item]), ('in turn', lambda n: 'ab'[n % 2], [item]),
                                    ('new ones', lambda n: str(n), [])):
            with self.subTest(name):
                pages = []

                def matches(method, path, body):
                    if method != 'GET' or not path.startswith('/things?'):
                        return False
                    pages.append(path)
                    self.server.bad = (200, 'application/json', json.dumps(
                        {'things': things, 'nextToken': token(len(pages))}).encode(), None)
                    return True
                self.write('job.yaml', job(1))
                self.server.matches = matches
                done = self.iotifyd('job.yaml', 'cleanup', status=1)
                self.assertIn('ListThings: the listing does not end', done.stderr)
                self.assertLessEqual(len(pages), 1001)


class FullDisk(Provisioning):
    def test_goes_on_when_there_is_room(self):
        def no_room():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

        for issuer in ('local', 'csr', 'aws'):
            self.write('job.yaml', deploy_job(60, issuer=issuer))
            done = subprocess.run([IOTIFYD, 'job.yaml', 'deploy'], cwd=self.folder, env=self.environment,
                                  capture_output=True, text=True, timeout=120, preexec_fn=no_room)
            self.assertEqual(1, done.returncode)
            self.assertIn('the remaining devices were skipped', done.stderr)
            self.iotifyd('job.yaml', 'deploy')
            self.assertEqual(['ACTIVE'] * 60, [c['status'] for c in self.certificates()])
            self.iotifyd('job.yaml', 'cleanup')
            self.assertEqual([], self.things() + self.certificates())
            for path in self.folder.glob('job.*'):
                if path.name != 'job.yaml':
                    path.unlink()


class Seal(Provisioning):
    def store_bytes(self):
        return b''.join(path.read_bytes() for path in self.folder.glob('job.db*'))

    def test_keys_are_sealed(self):
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        self.assertEqual(0o600, (self.folder / 'job.key').stat().st_mode & 0o777)
        self.assertNotIn(b'PRIVATE KEY', self.store_bytes())
        self.assertIn('BEGIN PRIVATE KEY', self.iotifyd(
            'glob', 'get', 'job.yaml', 'aws_iotify_0_key', '--reveal').stdout)

    def test_lost_and_wrong_key(self):
        self.write('job.yaml', job(1))
        self.iotifyd('job.yaml', 'deploy')
        key = self.folder / 'job.key'
        text = key.read_text()
        key.unlink()
        self.assertIn('its key file', self.iotifyd('job.yaml', 'cleanup', status=1).stderr)
        self.assertFalse(key.exists())
        key.write_text('00' * 32)
        self.assertIn('chmod 600', self.iotifyd('job.yaml', 'cleanup', status=1).stderr)
        key.chmod(0o600)
        self.assertIn('sealed with another key', self.iotifyd('job.yaml', 'cleanup', status=1).stderr)
        key.write_text('nonsense')
        self.assertIn('64 hexadecimal digits', self.iotifyd('job.yaml', 'cleanup', status=1).stderr)
        key.write_text(text)
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual([], self.things())

    def test_environment_and_passphrase(self):
        for kind, variable, good, bad in (
                ('environment', 'IOTIFY_SEAL_KEY', 'ab' * 32, 'cd' * 32),
                ('passphrase', 'IOTIFY_SEAL_PASSPHRASE', 'correct horse', 'wrong horse')):
            self.write('job.yaml', job(1, f'seal: {{with: {kind}}}\nname: {kind}\n'))
            self.assertIn(variable, self.iotifyd('job.yaml', 'deploy', status=1).stderr)
            self.iotifyd('job.yaml', 'deploy', environment={variable: good})
            self.assertIn('sealed with another', self.iotifyd(
                'job.yaml', 'cleanup', status=1, environment={variable: bad}).stderr)
            self.iotifyd('job.yaml', 'cleanup', environment={variable: good})
            self.assertFalse((self.folder / f'{kind}.key').exists())

    def test_none(self):
        self.write('job.yaml', job(1, 'seal: {with: none}\n'))
        self.iotifyd('job.yaml', 'deploy')
        self.assertIn(b'PRIVATE KEY', self.store_bytes())
        self.assertIn('a store keeps the one', self.iotifyd(
            'job.yaml', 'cleanup', '--set', 'seal.with=file', status=1).stderr)

    def change_store(self, statement, *values):
        """Run a statement on the store as another program would: a table of keys and values."""
        with contextlib.closing(sqlite3.connect(self.folder / 'job.db')) as store:
            table = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()[0]
            key, value = [row[1] for row in store.execute(f'PRAGMA table_info({table})')][:2]
            rows = store.execute(statement.format(table=table, key=f'CAST({key} AS TEXT)', value=value),
                                 values).fetchall()
            store.commit()
        return rows

    def test_moved_and_changed_entries(self):
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy')
        value = self.change_store(
            "SELECT {value} FROM {table} WHERE {key} = 'glob/aws_iotify_0_key'")[0][0]
        changed = value[:-1] + bytes([value[-1] ^ 1])
        for name, to in (('glob/aws_iotify_1_key', value), ('glob/aws_iotify_0_key', changed)):
            self.change_store("UPDATE {table} SET {value} = ? WHERE {key} = ?", to, name)
            done = self.iotifyd('glob', 'get', 'job.yaml', name[5:], '--reveal', status=1)
            self.assertIn('changed by another program, or moved from another key', done.stderr)
        # The records still contain the keys, and deploy restores them.
        self.iotifyd('job.yaml', 'deploy')
        self.assertIn('PRIVATE KEY', self.iotifyd(
            'glob', 'get', 'job.yaml', 'aws_iotify_1_key', '--reveal').stdout)

    def test_planted_record(self):
        """A record that was written without the key must not make cleanup delete what it names."""
        self.write('job.yaml', job(1))
        self.iotifyd('job.yaml', 'deploy')
        name = self.change_store(
            "SELECT {key} FROM {table} WHERE {key} LIKE 'record/%0'")[0][0]
        victim = self.boto().create_keys_and_certificate(setAsActive=True)
        planted = json.dumps({'format': 1, 'state': 'ready', 'thing': 'iotify_0',
                              'certificate_id': victim['certificateId'],
                              'certificate_arn': victim['certificateArn']}).encode()
        kept = self.change_store("SELECT {value} FROM {table} WHERE {key} = ?", name)[0][0]
        self.change_store("UPDATE {table} SET {value} = ? WHERE {key} = ?", planted, name)
        for command in ('cleanup', 'deploy'):
            self.assertIn('is not sealed', self.iotifyd('job.yaml', command, status=1).stderr)
        self.assertEqual('ACTIVE', self.boto().describe_certificate(
            certificateId=victim['certificateId'])['certificateDescription']['status'])
        self.change_store("UPDATE {table} SET {value} = ? WHERE {key} = ?", kept, name)
        self.iotifyd('job.yaml', 'cleanup')
        self.assertEqual([victim['certificateId']], [
            each['certificateId'] for each in self.boto().list_certificates()['certificates']])

    def test_planted_glob_entry(self):
        self.write('job.yaml', job(1))
        self.iotifyd('job.yaml', 'deploy')
        self.change_store("UPDATE {table} SET {value} = ? WHERE {key} = 'glob/aws_iotify_0_cert'",
                          b'planted')
        self.assertIn('accept_unsealed: true', self.iotifyd(
            'glob', 'get', 'job.yaml', 'aws_iotify_0_cert', status=1).stderr)
        self.assertEqual('planted', self.iotifyd(
            'glob', 'get', 'job.yaml', 'aws_iotify_0_cert', '--set',
            'seal.accept_unsealed=true').stdout.rstrip())

    def test_planted_glob_entry_fails_its_device_only(self):
        """Entries are read in batches."""
        self.write('job.yaml', job(20))
        self.iotifyd('job.yaml', 'deploy')
        self.change_store("UPDATE {table} SET {value} = ? WHERE {key} = 'glob/aws_iotify_7_cert'",
                          b'planted')
        done = self.iotifyd('job.yaml', 'simulate', '--json', 'summary.json', status=1)
        summary = json.loads((self.folder / 'summary.json').read_text())['simulate']
        self.assertEqual(19, summary['connected'], done.stderr)

    def test_newer_and_older_format(self):
        self.write('job.yaml', job(1))
        self.iotifyd('job.yaml', 'deploy')
        note = json.loads(self.change_store("SELECT {value} FROM {table} WHERE {key} = 'note/seal'")[0][0])
        note['format'] = 99
        self.change_store("UPDATE {table} SET {value} = ? WHERE {key} = 'note/seal'",
                          json.dumps(note).encode())
        self.assertIn('written by a newer iotifyd (format 99', self.iotifyd(
            'job.yaml', 'cleanup', status=1).stderr)
        self.change_store("DELETE FROM {table} WHERE {key} = 'note/seal'")
        self.assertIn('written by an older iotifyd', self.iotifyd(
            'job.yaml', 'cleanup', status=1).stderr)
        self.assertEqual(['iotify_0'], self.things())


class BadAnswers(BadAnswersBase):
    def test_one_device_suffers(self):
        json_type = 'application/json'
        bad = {
            'html': (200, 'text/html', b'<html>Please log in</html>', None),
            'html error': (502, 'text/html', b'<html>Bad gateway</html>', None),
            'truncated': (200, json_type, b'{"certificateArn":"arn:aws', None),
            'cut off': (200, json_type, b'{"certifi', 100),
            'array': (200, json_type, b'[]', None),
            'number': (200, json_type, b'{"certificateArn":1,"certificateId":{},"certificatePem":[]}', None),
            'empty object': (200, json_type, b'{}', None),
            'huge': (200, json_type, b'{"x":"' + b'a' * (5 << 20) + b'"}', None),
            'unknown error': (418, json_type, b'{"__type":"TeapotException","message":"short and stout"}', None),
            'binary': (200, json_type, bytes(range(256)), None),
            'deep': (200, json_type, b'[' * 100000, None),
        }
        for issuer, path in (('local', '/certificate/register-no-ca'), ('csr', '/certificates'),
                             ('aws', '/keys-and-certificate')):
            self.write('job.yaml', deploy_job(4, issuer=issuer))
            for name, answer in bad.items():
                if issuer != 'local' and name not in ('html', 'cut off', 'number', 'empty object'):
                    continue
                with self.subTest(f'{issuer}, {name}'):
                    seen = []

                    def matches(method, at, body):
                        # The first request, of whatever device, and its repetitions.
                        if method != 'POST' or at.split('?')[0] != path:
                            return False
                        seen.append(body)
                        return body == seen[0] and (issuer != 'aws' or len(seen) == 1)

                    self.server.bad, self.server.matches = answer, matches
                    summary = self.summary('job.yaml', 'deploy', status=None)
                    device = step(summary, 'aws.device')
                    if device['failed']:
                        self.assertEqual((3, 1), (device['ok'], device['failed']), device)
                        self.assertIn(device['errors'][0]['code'], (
                            'BadAnswer', 'Unreachable', 'NotStored', 'Http502', 'TeapotException'))
                    else:
                        # iotifyd repeats the call, which then succeeds.
                        self.assertIn(name, ('html error', 'cut off'))
                    self.server.matches = lambda *_: False
                    self.iotifyd('job.yaml', 'deploy')
                    self.assertEqual(4, sum(c['status'] == 'ACTIVE' for c in self.certificates()))
                    self.iotifyd('job.yaml', 'cleanup')
                    self.assertEqual([], self.things())
                    left = self.certificates()
                    self.assertEqual({'INACTIVE'} if left else set(), {c['status'] for c in left})
                    self.assertTrue(issuer == 'aws' or not left, f'{issuer}: {left}')
                    for certificate in left:
                        self.iot.delete_certificate(certificateId=certificate['certificateId'])

    def test_every_call(self):
        """A nonsense answer to any call: an error, and cleanup removes everything."""
        self.server.bad = (200, 'text/html', b'<html>proxy</html>', None)
        self.write('job.yaml', job(2))
        for path in ('/thing-types/', '/thing-groups/iotify', '/policies/', '/certificate/', '/things/iotify_0',
                     '/target-policies/', '/principals', '/thing-groups/addThing'):
            with self.subTest(path):
                self.server.matches = lambda method, at, body, path=path: path in at
                done = self.iotifyd('job.yaml', 'deploy', status=1)
                self.assertIn('is there a proxy between here and AWS?', done.stderr)
                self.server.matches = lambda *_: False
                self.iotifyd('job.yaml', 'cleanup')
                self.assertEqual([], self.things() + self.certificates())
