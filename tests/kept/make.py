#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the store and the fleet of a released version, which every later version has to clean up.

    IOTIFY_BUILD=build/release build/venv/bin/python tests/kept/make.py tests/kept/VERSION

Run it with the build of that version. The folder gets, for each storage plugin, two stores: `ready`
(three devices, and one whose creation was interrupted) and `deleting` (the same, after a cleanup that
was interrupted), and `account.json`, what the sandbox had then. The keys belong to no account.
"""
import json
import pathlib
import shutil
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'end_to_end'))
from support import Case  # noqa: E402

JOB = '''name: kept
devices: 4
seal: {with: passphrase}
plugins:
  aws: {use: aws-iot, region: eu-central-1, quotas: {"*": 1000}}
  glob: {use: %s, path: %s}
'''
PASSPHRASE = 'a fleet that exists in no account'


def describe(iot):
    """The account, as far as a fleet is in it."""
    certificates = [iot.describe_certificate(certificateId=one['certificateId'])['certificateDescription']
                    for one in iot.list_certificates(pageSize=250)['certificates']]
    things = [iot.describe_thing(thingName=one['thingName']) for one in iot.list_things(maxResults=250)['things']]
    policies = [iot.get_policy(policyName=one['policyName']) for one in iot.list_policies()['policies']]
    return {
        'types': [one['thingTypeName'] for one in iot.list_thing_types()['thingTypes']],
        'groups': {one['groupName']: iot.list_things_in_thing_group(thingGroupName=one['groupName'])['things']
                   for one in iot.list_thing_groups()['thingGroups']},
        'policies': {one['policyName']: {
            'document': json.loads(one['policyDocument']),
            'targets': iot.list_targets_for_policy(policyName=one['policyName'])['targets']}
            for one in policies},
        'certificates': {one['certificateId']: {'pem': one['certificatePem'], 'status': one['status']}
                         for one in certificates},
        'things': {one['thingName']: {
            'type': one.get('thingTypeName'), 'attributes': one['attributes'],
            'principals': iot.list_thing_principals(thingName=one['thingName'])['principals']}
            for one in things}}


class Maker(Case):
    def fault(self, text):
        with urllib.request.urlopen(urllib.request.Request(
                f'http://127.0.0.1:{self.api_port}/_sandbox/faults', method='PUT', data=text.encode())):
            pass

    def keep(self, into, state):
        for name in ('kept.db', 'kept-store'):
            path = self.folder / name
            if path.is_dir():
                shutil.copytree(path, into / state / name)
            elif path.exists():
                (into / state).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, into / state / name)
        (into / state / 'account.json').write_text(json.dumps(describe(self.boto()), indent=1, sort_keys=True))

    def make(self, into, storage, path):
        self.environment['IOTIFY_SEAL_PASSPHRASE'] = PASSPHRASE
        self.start_sandbox('--detach-delay', '0s')
        self.write('job.yaml', JOB % (storage, path))
        self.iotifyd('job.yaml', 'deploy', '--set', 'devices=3')
        self.fault('CreateThing:error=100%')
        self.iotifyd('job.yaml', 'deploy', status=1)
        self.keep(into / storage, 'ready')
        self.fault('DeleteThing:error=100%')
        self.iotifyd('job.yaml', 'cleanup', status=1)
        self.keep(into / storage, 'deleting')
        shutil.copy(self.folder / 'job.yaml', into / storage)

    def runTest(self):
        pass


def main():
    into = pathlib.Path(sys.argv[1])
    for storage, path in (('sqlite', 'kept.db'), ('file', 'kept-store')):
        shutil.rmtree(into / storage, ignore_errors=True)
        maker = Maker()
        with tempfile.TemporaryDirectory():
            maker.setUp()
            try:
                maker.make(into, storage, path)
            finally:
                maker.doCleanups()


if __name__ == '__main__':
    main()
