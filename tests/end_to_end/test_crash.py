# SPDX-License-Identifier: Apache-2.0
"""SIGKILL before and after every durable write and every call, and at random times. Afterwards the
same commands reach the same result: one active certificate per device with its key in the store,
and nothing after cleanup."""
import contextlib
import os
import random
import signal
import subprocess
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from support import BUILD, Case, IOTIFYD, job, wait_until
from test_provisioning import DEVICE

# tests/campaigns/crashes.sh sets more kills.
KILLS = int(os.environ.get('IOTIFY_KILLS', '60'))
STEP = int(os.environ.get('IOTIFY_CRASH_STEP', '1'))
FAULTS = 'throttle=4%,error=2%,drop_reply=4%'


class Crash(Case):
    def set_up(self, issuer, devices, *options, quotas='{"*": 2000}', **settings):
        self.devices, self.issuer = devices, issuer
        self.start_sandbox('--ephemeral', '--deprecation-wait', '0', '--detach-delay',
                           '50ms', *options)
        url = self.environment['AWS_ENDPOINT_URL_STS']
        self.environment['AWS_ENDPOINT_URL_SERVICE_QUOTAS'] = url
        inner = ', '.join([f'issuer: {issuer}', *(f'{k}: {v}' for k, v in settings.items())])
        self.write('job.yaml', job(devices, DEVICE % ('', inner), quotas=quotas))
        self.iot = self.boto()
        self.reported, self.kills = '', 0

    def run_job(self, pipeline, *options, environment=None):
        done = subprocess.run([IOTIFYD, 'job.yaml', pipeline, *options], cwd=self.folder, text=True,
                              env={**self.environment, **(environment or {})}, capture_output=True,
                              timeout=120)
        self.reported += done.stderr
        self.kills += done.returncode == -signal.SIGKILL
        return done

    def finish(self, pipeline):
        """Repeat the command until it succeeds, as a user would."""
        for _ in range(10):
            done = self.run_job(pipeline)
            if done.returncode == 0:
                return
        self.fail(f'{pipeline} does not come to an end:\n{done.stderr}')

    def certificates(self):
        pages = self.iot.get_paginator('list_certificates').paginate(PaginationConfig={'PageSize': 250})
        return [certificate for page in pages for certificate in page['certificates']]

    def check_strays(self, certificates, pipeline):
        """Only certificates issued by AWS may be left, inactive, and a command reports them."""
        if any(certificate['certificateId'] not in self.reported for certificate in certificates):
            # A request of the killed run may have been carried out after the next run.
            self.run_job(pipeline)
        for certificate in certificates:
            self.assertEqual(('aws', 'INACTIVE'), (self.issuer, certificate['status']))
            self.assertIn(f'delete-certificate --certificate-id {certificate["certificateId"]}',
                          self.reported)
            # The injected faults affect this client too: an earlier attempt may have deleted it.
            with contextlib.suppress(self.iot.exceptions.ResourceNotFoundException):
                self.iot.delete_certificate(certificateId=certificate['certificateId'])

    def read_glob(self, name):
        return subprocess.run([IOTIFYD, 'glob', 'get', 'job.yaml', name, '--reveal'], cwd=self.folder,
                              env=self.environment, capture_output=True, timeout=60, check=True).stdout

    def check_deployed(self, keys=2):
        certificates = {c['certificateArn']: c for c in self.certificates()}
        things = self.iot.list_things(maxResults=250)['things']
        self.assertEqual(sorted(f'iotify_{i}' for i in range(self.devices)),
                         sorted(thing['thingName'] for thing in things))
        for thing in things:
            principals = self.iot.list_thing_principals(thingName=thing['thingName'])['principals']
            self.assertEqual(1, len(principals))
            self.assertEqual('ACTIVE', certificates.pop(principals[0])['status'])
            client = int(thing['thingName'].split('_')[1])
            if client < keys:
                self.check_key(client, principals[0])
        self.check_strays(certificates.values(), 'deploy')

    def check_key(self, client, arn):
        certificate = x509.load_pem_x509_certificate(self.read_glob(f'aws_iotify_{client}_cert'))
        key = serialization.load_pem_private_key(self.read_glob(f'aws_iotify_{client}_key'), None)
        self.assertEqual(key.public_key().public_numbers(), certificate.public_key().public_numbers())
        self.assertTrue(arn.endswith(certificate.fingerprint(hashes.SHA256()).hex()))

    def check_clean(self):
        self.check_strays(self.certificates(), 'cleanup')
        self.assertEqual([], self.iot.list_things()['things'])
        done = subprocess.run([IOTIFYD, 'glob', 'list', 'job.yaml'], cwd=self.folder, text=True,
                              env=self.environment, capture_output=True, timeout=60, check=True)
        self.assertEqual('', done.stdout)


class EveryPoint(Crash):
    def count(self, pipeline):
        done = self.run_job(pipeline, environment={
            'LD_PRELOAD': str(BUILD / 'tests/crash_points.so'), 'CRASH_COUNT': str(self.folder / 'count')})
        self.assertEqual(0, done.returncode, done.stderr)
        return int((self.folder / 'count').read_text())

    def crash(self, pipeline, point):
        done = self.run_job(pipeline, environment={
            'LD_PRELOAD': str(BUILD / 'tests/crash_points.so'), 'CRASH_AT': str(point)})
        self.assertIn(done.returncode, (-signal.SIGKILL, 0), done.stderr)
        return done.returncode != 0

    def every_point(self, issuer, devices, **settings):
        self.set_up(issuer, devices, **settings)
        with open(self.folder / 'job.yaml', 'a') as stream:
            stream.write('workers: 1\n')
        # Each deploy of this test creates the store and the shared resources: see forget().
        totals = {'deploy': self.count('deploy'), 'cleanup': self.count('cleanup')}
        self.check_clean()
        kills = {'deploy': 0, 'cleanup': 0}
        for point in range(1, max(totals.values()) + 1, STEP):
            self.forget()
            kills['deploy'] += self.crash('deploy', point)
            # For even points, cleanup starts from the state after the crash.
            if point % 2:
                self.finish('deploy')
                self.check_deployed()
            kills['cleanup'] += self.crash('cleanup', point)
            self.finish('cleanup')
            self.check_clean()
        print(f'{issuer} {settings}: points {totals}, kills {kills}', flush=True)
        self.assertGreaterEqual(kills['deploy'], totals['deploy'] // STEP - 3)
        # After an interrupted deploy there may be less to clean up.
        self.assertGreaterEqual(kills['cleanup'], totals['cleanup'] // STEP // 2)

    def forget(self):
        """Reset the store and the account to their state before the first run."""
        for path in self.folder.glob('job.*'):
            if path.name not in ('job.yaml',):
                path.unlink()
        self.iot.delete_thing_group(thingGroupName='iotify')
        for policy in self.iot.list_policies()['policies']:
            wait_until(lambda: self.delete_policy(policy['policyName']), 'the detach has arrived')
        for kind in self.iot.list_thing_types()['thingTypes']:
            self.iot.deprecate_thing_type(thingTypeName=kind['thingTypeName'])
            self.iot.delete_thing_type(thingTypeName=kind['thingTypeName'])

    def delete_policy(self, name):
        try:
            self.iot.delete_policy(policyName=name)
        except self.iot.exceptions.DeleteConflictException:
            return False
        return True

    def test_local(self):
        self.every_point('local', 2)

    def test_local_register_thing(self):
        self.every_point('local', 1, register_thing='true')

    def test_csr(self):
        self.every_point('csr', 1)

    def test_aws(self):
        self.every_point('aws', 1)


class AnyTime(Crash):
    def kill_at_random(self, pipeline, chance, longest):
        process = subprocess.Popen([IOTIFYD, 'job.yaml', pipeline], cwd=self.folder, text=True,
                                   env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0, longest))
        process.send_signal(signal.SIGKILL)
        self.reported += process.communicate(timeout=60)[1]
        self.kills += process.returncode == -signal.SIGKILL

    def any_time(self, issuer, kills):
        chance = random.Random(issuer)
        self.set_up(issuer, 25, '--fault', FAULTS, quotas='{"*": 150}')
        rounds = 0
        while self.kills < kills:
            for pipeline, check in (('deploy', self.check_deployed), ('cleanup', self.check_clean)):
                for _ in range(chance.randint(1, 4)):
                    self.kill_at_random(pipeline, chance, 0.5)
                self.finish(pipeline)
                check()
            rounds += 1
        print(f'{issuer}: {self.kills} kills in {rounds} rounds', flush=True)

    def test_local(self):
        self.any_time('local', KILLS // 2)

    def test_csr(self):
        self.any_time('csr', KILLS // 4)

    def test_aws(self):
        self.any_time('aws', KILLS // 4)
