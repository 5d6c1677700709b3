# SPDX-License-Identifier: Apache-2.0
"""The sandbox as a program and as a server: signatures, bad requests, faults, quotas, state."""
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import unittest.mock

import botocore.auth
import botocore.exceptions
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from support import Case, SANDBOX, VENV, wait_until

ONCE = Config(retries={'max_attempts': 0})
DOCUMENTS = pathlib.Path(__file__).resolve().parents[2] / 'docs'
EVERYTHING = json.dumps({'Version': '2012-10-17', 'Statement': [
    {'Effect': 'Allow', 'Action': 'iot:*', 'Resource': '*'}]})
JAVASCRIPT = pathlib.Path(__file__).resolve().parents[2] / 'build/javascript'


class Requests(Case):
    """Requests of any form, including those that no SDK sends."""

    options = ('--detach-delay', '0')

    def setUp(self):
        super().setUp()
        self.process = self.start_sandbox(*self.options)
        self.iot = self.boto(config=ONCE)

    def code(self, function, **arguments):
        """The error code of a call and its status; OK and 200 when there is none."""
        try:
            function(**arguments)
        except botocore.exceptions.ClientError as error:
            return (error.response['Error']['Code'],
                    error.response['ResponseMetadata']['HTTPStatusCode'])
        return 'OK', 200

    def signed(self, method, path, body='', key='AKIDTEST', secret='secret-of-the-test', token=None,
               service='iot', region='eu-central-1', late=0, headers=None):
        """The headers of a signed request, by botocore's signer."""
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=late)
        request = AWSRequest(method, f'http://127.0.0.1:{self.api_port}{path}', headers or {}, body)
        with unittest.mock.patch('botocore.auth.get_current_datetime', lambda *_: now):
            botocore.auth.SigV4Auth(Credentials(key, secret, token), service, region).add_auth(
                request)
        return dict(request.headers)

    def send(self, method, path, headers, body=''):
        """Send a request; status and error code."""
        connection = http.client.HTTPConnection('127.0.0.1', self.api_port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        code = answer.getheader('x-amzn-ErrorType')
        return answer.status, code or ('<Code>' in text and text.split('<Code>')[1].split('<')[0])

    def admin(self, method='GET', path='', body=''):
        connection = http.client.HTTPConnection('127.0.0.1', self.api_port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, '/_sandbox' + path, body)
            answer = connection.getresponse()
            return answer.status, json.load(answer)


class Signatures(Requests):
    def get(self, **how):
        return self.send('GET', '/things', self.signed('GET', '/things', **how))

    def test_keys(self):
        self.assertEqual((200, False), self.get())
        self.assertEqual((403, 'InvalidSignatureException'), self.get(secret='wrong'))
        self.assertEqual((403, 'UnrecognizedClientException'), self.get(key='AKIDOTHER'))
        self.assertEqual((403, 'UnrecognizedClientException'), self.get(key='ASIATEMPORARY'))

    def test_clock(self):
        for late in (-240, 240):
            self.assertEqual((200, False), self.get(late=late))
        for late in (-360, 360, -86400 * 2):
            self.assertEqual((403, 'InvalidSignatureException'), self.get(late=late))

    def test_scope(self):
        self.assertEqual((403, 'InvalidSignatureException'), self.get(service='s3'))
        self.assertEqual((403, 'InvalidSignatureException'), self.get(service='sts'))
        self.assertEqual((200, False), self.get(region='us-east-1'))

    def test_what_was_signed_was_sent(self):
        headers = self.signed('POST', '/things/a', '{}')
        self.assertEqual((403, 'InvalidSignatureException'), self.send(
            'POST', '/things/b', headers, '{}'))
        self.assertEqual((403, 'InvalidSignatureException'), self.send(
            'POST', '/things/a', headers, '{ }'))
        self.assertEqual((403, 'InvalidSignatureException'), self.send(
            'POST', '/things/a?x=y', headers, '{}'))
        self.assertEqual((403, 'InvalidSignatureException'), self.send(
            'POST', '/things/a', {**headers, 'X-Amz-Date': '20200101T000000Z'}, '{}'))
        self.assertEqual((200, False), self.send('POST', '/things/a', headers, '{}'))

    def test_headers_that_are_none(self):
        good = self.signed('GET', '/things')
        self.assertEqual((403, 'MissingAuthenticationTokenException'),
                         self.send('GET', '/things', {}))
        for value in ('', 'AWS4-HMAC-SHA256', 'Bearer x', 'AWS4-HMAC-SHA256 Credential=a/b/c',
                      good['Authorization'].replace('aws4_request', 'aws3_request'),
                      good['Authorization'].split('Signature=')[0],
                      'AWS4-HMAC-SHA256 ' + 'Credential=' + '/' * 3000):
            self.assertEqual((403, 'IncompleteSignatureException'), self.send(
                'GET', '/things', {**good, 'Authorization': value}), value)
        for unsigned in ('host', 'x-amz-date'):
            self.assertEqual((403, 'InvalidSignatureException'), self.send(
                'GET', '/things', {**good, 'Authorization': good['Authorization'].replace(
                    unsigned, 'accept')}))
        self.assertEqual((403, 'IncompleteSignatureException'), self.send(
            'GET', '/things', {**good, 'Authorization': good['Authorization'].replace(
                'eu-central-1', 'no"where')}))

    def test_sts_has_codes_of_its_own(self):
        self.assertEqual('123456789012', self.boto('sts').get_caller_identity()['Account'])
        for options, code in (({'secret': 'wrong'}, 'SignatureDoesNotMatch'),
                              ({'key': 'AKIDOTHER'}, 'InvalidClientTokenId')):
            self.assertEqual((code, 403), self.code(
                self.boto('sts', config=ONCE, **options).get_caller_identity))
        for method, path, body, expected in (
                ('GET', '/?Action=GetCallerIdentity&Version=2011-06-15', '', (200, False)),
                ('POST', '/', 'Version=2011-06-15&Action=GetCallerIdentity', (200, False)),
                ('POST', '/', 'Action=Nothing', (400, 'InvalidAction'))):
            self.assertEqual(expected, self.send(
                method, path, self.signed(method, path, body, service='sts'), body))

    def test_names_that_need_encoding(self):
        for name in ('a:b', 'a-b_c', 'A' * 128):
            self.iot.create_thing(thingName=name)
            self.assertEqual(name, self.iot.describe_thing(thingName=name)['thingName'])
        for name in ('p+=,.@-', 'plain'):
            self.iot.create_policy(policyName=name, policyDocument=EVERYTHING)
            self.assertEqual(name, self.iot.get_policy(policyName=name)['policyName'])


class TemporaryKeys(Requests):
    def setUp(self):
        Case.setUp(self)
        self.environment.update(AWS_ACCESS_KEY_ID='ASIATEST', AWS_SESSION_TOKEN='token-of-the-test')
        self.process = self.start_sandbox()

    def test_token(self):
        for token, expected in (('token-of-the-test', (200, False)),
                                ('other', (403, 'UnrecognizedClientException')),
                                (None, (403, 'UnrecognizedClientException'))):
            self.assertEqual(expected, self.send('GET', '/things', self.signed(
                'GET', '/things', key='ASIATEST', token=token)), token)


class BadRequests(Requests):
    def call(self, method, path, body=''):
        return self.send(method, path, self.signed(method, path, body), body)

    def test_bodies(self):
        for body in ('{', '[]', '"x"', '{"a":1,"a":2}', '\0', '{"a":"\\ud800"}', '[' * 100000,
                     '{"a":' * 5000 + '1' + '}' * 5000):
            self.assertEqual((400, 'SerializationException'), self.call('POST', '/things/x', body),
                             body[:20])
        for body in ('{"thingTypeName":1}', '{"attributePayload":[]}', '{"attributePayload":"x"}',
                     '{"attributePayload":{"attributes":{"a":1}}}', '{"thingTypeName":"a b"}',
                     '{"thingTypeName":"' + 'x' * 129 + '"}'):
            status, code = self.call('POST', '/things/x', body)
            self.assertEqual(400, status, body)
            self.assertIn(code, ('InvalidRequestException', 'SerializationException'), body)
        self.assertEqual([], self.iot.list_things()['things'])

    def test_a_body_that_is_too_large(self):
        body = json.dumps({'attributePayload': {'attributes': {'a': 'x' * 1100000}}})
        self.assertEqual((413, 'RequestEntityTooLargeException'), self.call(
            'POST', '/things/x', body))

    def test_paths(self):
        self.assertEqual((404, 'UnknownOperationException'), self.call('GET', '/nothing'))
        self.assertEqual((404, 'UnknownOperationException'), self.call('PUT', '/things/x'))
        for path in ('/things/%00', '/things/%ff%fe', '/things/' + 'x' * 5000, '/things/a%2Fb',
                     '/things/%zz', '/things?maxResults=x', '/things?maxResults=-1',
                     '/things?maxResults=99999999999999999999'):
            status, _ = self.call('GET', path)
            self.assertIn(status, (400, 403, 404), path)
        self.assertEqual([], self.iot.list_things()['things'])

    def test_what_is_no_http(self):
        for unfinished in (b'\0' * 1000, b'GET'):
            with socket.create_connection(('127.0.0.1', self.api_port)) as connection:
                connection.sendall(unfinished)
        for garbage in (b'GET / HTTP/9.9\r\n\r\n', b'POST /things/x HTTP/1.1\r\n'
                        b'Content-Length: 99999999999\r\n\r\n', os.urandom(5000) + b'\r\n\r\n',
                        b'POST /things/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
                        b'ffffffffffffffffff\r\n', b'GET /things HTTP/1.1\r\n' + b'A: b\r\n' * 9000,
                        b'GET /' + b'a' * 100000 + b' HTTP/1.1\r\n\r\n'):
            with socket.create_connection(('127.0.0.1', self.api_port)) as connection, \
                    contextlib.suppress(ConnectionError):
                connection.sendall(garbage)
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                connection.settimeout(20)
                answer = connection.recv(100)
                self.assertTrue(not answer or b' 4' in answer or b' 5' in answer, answer)
        self.assertIsNone(self.process.poll())
        self.assertEqual([], self.iot.list_things()['things'])

    def test_many_connections_that_say_nothing(self):
        with contextlib.ExitStack() as stack:
            for _ in range(500):
                stack.enter_context(socket.create_connection(('127.0.0.1', self.api_port)))
            self.assertEqual([], self.iot.list_things()['things'])


class Clients(Requests):
    """The two other common clients: the AWS CLI and the SDK for JavaScript."""

    def aws(self, *words, status=0):
        done = self.run_program(str(VENV / 'aws'), '--output', 'json', *words, status=status)
        return json.loads(done.stdout or '{}') if status == 0 else done.stderr

    def test_aws_command_line(self):
        policy = self.write('p.json', EVERYTHING)
        self.aws('iot', 'create-thing', '--thing-name', 'cli')
        made = self.aws('iot', 'create-keys-and-certificate', '--set-as-active',
                        '--certificate-pem-outfile', 'c.pem', '--private-key-outfile', 'k.pem')
        self.aws('iot', 'create-policy', '--policy-name', 'p', '--policy-document', f'file://{policy}')
        self.aws('iot', 'attach-policy', '--policy-name', 'p', '--target', made['certificateArn'])
        self.aws('iot', 'attach-thing-principal', '--thing-name', 'cli', '--principal',
                 made['certificateArn'])
        endpoint = self.aws('iot', 'describe-endpoint', '--endpoint-type', 'iot:Data-ATS')
        host, port = endpoint['endpointAddress'].split(':')
        done = self.run_program(
            'mosquitto_pub', '-h', host, '-p', port, '--cafile', self.environment['AWS_CA_BUNDLE'],
            '--cert', 'c.pem', '--key', 'k.pem', '-i', 'cli', '-t', 'x', '-m', 'y', '-q', '1')
        self.assertEqual('', done.stderr)
        self.assertIn('DeleteConflictException', self.aws(
            'iot', 'delete-policy', '--policy-name', 'p', status=255))
        self.aws('iot', 'detach-policy', '--policy-name', 'p', '--target', made['certificateArn'])
        self.aws('iot', 'delete-policy', '--policy-name', 'p')
        self.aws('iot', 'detach-thing-principal', '--thing-name', 'cli', '--principal',
                 made['certificateArn'])
        self.aws('iot', 'update-certificate', '--certificate-id', made['certificateId'],
                 '--new-status', 'INACTIVE')
        self.aws('iot', 'delete-certificate', '--certificate-id', made['certificateId'])
        self.aws('iot', 'delete-thing', '--thing-name', 'cli')
        self.assertEqual([], self.aws('iot', 'list-things')['things'])
        self.assertEqual('123456789012', self.aws('sts', 'get-caller-identity')['Account'])

    def test_chain_by_openssl(self):
        """The certificate is signed by the root CA and is for the key in the request."""
        self.run_program('openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt',
                         'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'k.pem', '-out', 'r.pem',
                         '-subj', '/CN=x')
        made = self.aws('iot', 'create-certificate-from-csr', '--certificate-signing-request',
                        'file://r.pem', '--set-as-active')
        self.write('c.pem', made['certificatePem'])
        self.run_program('openssl', 'verify', '-CAfile', self.environment['AWS_CA_BUNDLE'], 'c.pem')
        public = lambda *command: self.run_program('openssl', *command).stdout
        self.assertEqual(public('pkey', '-in', 'k.pem', '-pubout'),
                         public('x509', '-in', 'c.pem', '-pubkey', '-noout'))

    def test_sdk_for_javascript(self):
        done = self.run_program(str(JAVASCRIPT / 'node_modules/.bin/node'),
                                str(JAVASCRIPT / 'client.mjs'))
        self.assertEqual('devices: 3\nconflict: DeleteConflictException 409\n'
                         'gone: ResourceNotFoundException 404\nleft: 0\n', done.stdout)


class State(Case):
    def start_again(self, *options):
        self.process = self.start_sandbox(*options)
        self.iot = self.boto(config=ONCE)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def test_killed_after_an_answer(self):
        self.start_again()
        root = (self.folder / 'sandbox/ca.pem').read_text()
        for number in range(3):
            self.iot.create_thing(thingName=f'kept{number}')
            certificate = self.iot.create_keys_and_certificate(setAsActive=True)
            self.iot.attach_thing_principal(thingName=f'kept{number}',
                                            principal=certificate['certificateArn'])
            self.kill()
            self.start_again()
            self.assertEqual([certificate['certificateArn']], self.iot.list_thing_principals(
                thingName=f'kept{number}')['principals'])
        self.assertEqual(3, len(self.iot.list_things()['things']))
        self.assertEqual(root, (self.folder / 'sandbox/ca.pem').read_text())
        self.assertEqual(0o600, (self.folder / 'sandbox/ca.key').stat().st_mode & 0o777)

    def test_killed_in_the_middle(self):
        """Answered calls are kept; an unanswered call is kept completely or not at all."""
        self.start_again()
        answered = []

        def work():
            client = self.boto(config=ONCE)
            with contextlib.suppress(Exception):
                for number in range(10000):
                    client.create_thing(thingName=f'x{number}', attributePayload={
                        'attributes': {'a': 'b'}})
                    answered.append(f'x{number}')
        thread = threading.Thread(target=work)
        thread.start()
        while len(answered) < 100:
            time.sleep(0.001)
        self.kill()
        thread.join()
        self.start_again()
        names = {thing['thingName']: thing['attributes'] for page in self.iot.get_paginator(
            'list_things').paginate() for thing in page['things']}
        self.assertLessEqual(set(answered), set(names))
        self.assertLessEqual(len(names), len(answered) + 1)
        self.assertEqual({'b'}, {attributes['a'] for attributes in names.values()})

    def test_ephemeral(self):
        self.start_again('--ephemeral')
        self.iot.create_thing(thingName='x')
        root = (self.folder / 'sandbox/ca.pem').read_text()
        self.kill()
        self.start_again('--ephemeral')
        self.assertEqual([], self.iot.list_things()['things'])
        self.assertEqual(root, (self.folder / 'sandbox/ca.pem').read_text())

    def test_reset(self):
        self.start_again()
        self.iot.create_thing(thingName='x')
        self.process.terminate()
        self.process.wait()
        self.start_again('--reset')
        self.assertEqual([], self.iot.list_things()['things'])

    def test_one_sandbox_to_a_folder(self):
        self.start_again()
        self.assertIn('another sandbox', self.run_program(
            SANDBOX, '--dir', 'sandbox', '--api-port', '0', '--mqtt-port', '0', '--https-port', '0',
            '--', 'true', status=1).stderr)


class Keys(Requests):
    def setUp(self):
        Case.setUp(self)
        self.environment['XDG_CACHE_HOME'] = str(self.folder / 'cache')

    def ready(self):
        return self.admin()[1]['keys_ready']

    def files(self):
        return {path for path in (self.folder / 'cache').rglob('*.key') if path.is_file()}

    def test_made_ahead_and_kept(self):
        process = self.start_sandbox('--ephemeral')
        # Keys are made in idle time only, of which a busy machine has little.
        wait_until(lambda: self.ready() >= 1, 'a key that was made ahead', 600)
        process.terminate()
        self.assertEqual(0, process.wait(30))
        kept = self.files()
        self.assertGreaterEqual(len(kept), 1)
        self.assertEqual({0o600}, {path.stat().st_mode & 0o777 for path in kept})
        self.assertEqual({0o700}, {path.parent.stat().st_mode & 0o777 for path in kept})
        # The next sandbox uses them: the file of a key that is used is deleted.
        self.start_sandbox('--ephemeral')
        iot = self.boto()

        def used():
            iot.create_keys_and_certificate()
            return kept - self.files()
        wait_until(used, 'the use of a key that was kept', 600)


class Quotas(Requests):
    options = ('--detach-delay', '0', '--quota', 'CreateThing=5', '--quota', 'DescribeThing=1')

    def burst(self, count, function, **arguments):
        return [self.code(function, **arguments)[0] for _ in range(count)]

    def test_throttling(self):
        codes = self.burst(200, self.iot.describe_thing, thingName='x')
        self.assertEqual('ResourceNotFoundException', codes[0])
        self.assertEqual({'ResourceNotFoundException', 'ThrottlingException'}, set(codes))
        self.assertEqual(('ThrottlingException', 400), next(
            found for found in iter(lambda: self.code(self.iot.describe_thing, thingName='x'), None)
            if found[0] == 'ThrottlingException'))
        self.assertEqual({'OK'}, set(self.burst(50, self.iot.list_things)))

    def test_clients_that_retry_get_through(self):
        patient = self.boto(config=Config(retries={'max_attempts': 10, 'mode': 'standard'}))
        for number in range(12):
            patient.create_thing(thingName=f'x{number}')
        self.assertEqual(12, len(self.iot.list_things()['things']))

    def test_at_run_time(self):
        self.assertEqual(200, self.admin('PUT', '/quotas', 'DescribeThing=0, ListThings=1')[0])
        self.assertNotIn('ThrottlingException', self.burst(50, self.iot.describe_thing,
                                                           thingName='x'))
        self.assertIn('ThrottlingException', self.burst(200, self.iot.list_things))
        self.assertEqual(200, self.admin('PUT', '/quotas', '*=0')[0])
        self.assertEqual({'OK'}, set(self.burst(50, self.iot.list_things)))
        for body in ('CreateTing=5', 'ListThings=1,CreateTing=5', 'ListThings=nan', 'ListThings=-1',
                     'ListThings', ''):
            status, answer = self.admin('PUT', '/quotas', body)
            self.assertEqual(400, status, body)
        self.assertEqual({'OK'}, set(self.burst(50, self.iot.list_things)))

    def test_service_quotas_reports_what_holds(self):
        import boto3
        client = boto3.client('service-quotas', region_name='eu-central-1',
                              endpoint_url=self.environment['AWS_ENDPOINT_URL_IOT'],
                              aws_access_key_id='AKIDTEST',
                              aws_secret_access_key='secret-of-the-test')
        values = {quota['QuotaName']: quota['Value'] for page in client.get_paginator(
            'list_service_quotas').paginate(ServiceCode='iotcore') for quota in page['Quotas']}
        self.assertIn(5, [value for name, value in values.items() if 'CreateThing ' in name + ' '])


class Faults(Requests):
    options = ('--detach-delay', '0', '--seed', '42')

    def codes(self, count=60):
        found = []
        for _ in range(count):
            try:
                found.append(self.code(self.iot.list_things)[0])
            except botocore.exceptions.HTTPClientError as error:
                found.append(type(error).__name__)
        return found

    def test_reproducible(self):
        def run(seed):
            self.assertEqual(200, self.admin('PUT', '/seed', seed)[0])
            return self.codes()
        self.admin('PUT', '/faults', 'throttle=20%,error=10%,drop_request=10%')
        first = run('1')
        self.assertGreater(len(set(first)), 3)
        self.assertEqual(first, run('1'))
        self.assertNotEqual(first, run('2'))

    def test_each_kind(self):
        for fault, expected in (('throttle=100%', {'ThrottlingException'}),
                                ('error=100%', {'InternalFailureException',
                                                'ServiceUnavailableException'}),
                                ('drop_request=100%', {'ConnectionClosedError'}),
                                ('reset=100%', {'ConnectionClosedError'}),
                                ('DescribeThing:error=100%', {'OK'}),
                                ('ListThings:throttle=100%', {'ThrottlingException'})):
            self.admin('PUT', '/faults', 'none')
            self.assertEqual(200, self.admin('PUT', '/faults', fault)[0])
            self.assertEqual(expected, set(self.codes(20)), fault)

    def test_done_but_not_answered(self):
        for fault, left in (('drop_request', []), ('drop_reply', ['x'])):
            self.admin('PUT', '/faults', 'none')
            self.admin('PUT', '/faults', f'CreateThing:{fault}=100%')
            with self.assertRaises(botocore.exceptions.ConnectionClosedError):
                self.iot.create_thing(thingName='x')
            self.assertEqual(left, [t['thingName'] for t in self.iot.list_things()['things']])

    def test_latency(self):
        self.admin('PUT', '/faults', 'ListThings:latency=4s~1s')
        start = time.monotonic()
        self.iot.list_things()
        self.assertGreaterEqual(time.monotonic() - start, 3)
        # Other operations are not delayed: this one would not end before the client gives up.
        self.admin('PUT', '/faults', 'ListThings:latency=1h')
        with contextlib.suppress(botocore.exceptions.ClientError):
            self.iot.describe_thing(thingName='x')

    def test_a_wait_does_not_hold_up_the_end(self):
        self.admin('PUT', '/faults', 'latency=1h')
        with socket.create_connection(('127.0.0.1', self.api_port)) as connection:
            connection.sendall(b'GET /things HTTP/1.1\r\nHost: x\r\n\r\n')
            time.sleep(0.2)
            self.process.terminate()
            self.assertEqual(0, self.process.wait(20))

    def test_counts(self):
        self.iot.list_things()
        self.iot.list_things()
        self.code(self.iot.describe_thing, thingName='x')
        status, told = self.admin()
        self.assertEqual(200, status)
        self.assertEqual({'ListThings': {'OK': 2},
                          'DescribeThing': {'ResourceNotFoundException': 1}}, told['calls'])
        self.assertEqual({}, self.admin('DELETE', '/calls')[1]['calls'])

    def test_wrong_settings(self):
        for body in ('', 'x', 'throttle=101%', 'throttle=-1%', 'throttle=', 'throtle=1%',
                     'CreateTing:error=1%', 'latency=x', 'latency=1s~', ',', 'throttle=nan%',
                     'CreateThing:stall=1%', 'Connect:latency=1s', 'Connect:throttle=1%',
                     'throttle=1%,error=x'):
            status, answer = self.admin('PUT', '/faults', body)
            self.assertEqual(400, status, (body, answer))
            self.assertTrue(answer['message'])
        self.assertEqual('', self.admin()[1]['faults'])
        for body in ('', 'x', '1x', '-', '-1', ' 1', '9' * 30):
            self.assertEqual(400, self.admin('PUT', '/seed', body)[0], body)
        self.assertEqual(404, self.admin('GET', '/nothing')[0])
        self.assertEqual(404, self.admin('POST', '/faults', 'none')[0])


class AroundACommand(Case):
    PORTS = ('--api-port', '0', '--mqtt-port', '0', '--https-port', '0')

    def test_environment_and_status(self):
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION'):
            del self.environment[name]
        done = self.run_program(
            SANDBOX, *self.PORTS, '--', 'sh', '-c',
            'echo $AWS_ENDPOINT_URL_IOT $AWS_REGION; test -f "$AWS_CA_BUNDLE" && '
            'test -n "$AWS_SECRET_ACCESS_KEY" && test "$IOTIFY_SANDBOX_MQTT_PORT" -gt 1024 && '
            'test "$IOTIFY_SANDBOX_HTTPS_PORT" -gt 1024 && exit 7', status=7)
        self.assertRegex(done.stdout, r'^http://127\.0\.0\.1:\d+ eu-central-1\n$')
        self.assertEqual('', done.stderr)

    def test_every_program_finds_it(self):
        done = self.run_program(SANDBOX, *self.PORTS, '--', str(VENV / 'aws'), 'iot',
                                'create-thing', '--thing-name', 'x', '--query', 'thingName')
        self.assertEqual('"x"\n', done.stdout)

    def test_nothing_is_left(self):
        for status, command in ((0, 'true'), (128 + signal.SIGKILL, 'kill -9 $$'), (1, 'exit 1')):
            done = self.run_program(SANDBOX, *self.PORTS, '--', 'sh', '-c',
                                    f'echo "$AWS_CA_BUNDLE"; {command}', status=status)
            self.assertFalse(pathlib.Path(done.stdout.strip()).parent.exists())

    def test_bad_usage(self):
        for options, error in ((('--nonsense',), 'unknown option --nonsense'),
                               (('--api-prot', '1'), 'did you mean "--api-port"?'),
                               (('--api-port', '70000'), 'takes a whole number from 0 to 65535'),
                               (('--api-port', ''), 'takes a whole number'),
                               (('--api-port',), 'needs a value'),
                               (('--ephemeral=1',), 'takes no value'),
                               (('--reset',), 'needs --dir'),
                               (('--listen', 'nowhere'), 'takes an IPv4 address'),
                               (('--quota', 'CreateTing=1'), 'CreateThing'),
                               (('--quota', 'CreateThing'), 'CreateThing'),
                               (('--quota', 'CreateThing=-1'), 'CreateThing'),
                               (('--fault', 'throtle=1%'), 'throttle'),
                               (('--seed', 'x'), 'takes a whole number'),
                               (('--detach-delay', '1y'), 'takes a time'),
                               (('--deprecation-wait', '2d'), 'takes a time'),
                               (('--',), 'needs a command')):
            done = self.run_program(SANDBOX, *options, status=2)
            self.assertIn(error, done.stderr, options)
            self.assertEqual(1, done.stderr.count('\n'), options)
            self.assertEqual('', done.stdout)

    def test_invalid_command(self):
        self.assertIn('cannot run /nonexistent', self.run_program(
            SANDBOX, *self.PORTS, '--', '/nonexistent', status=127).stderr)

    def test_invalid_folder(self):
        self.write('file', '')
        self.assertIn('file', self.run_program(
            SANDBOX, '--dir', 'file', *self.PORTS, '--', 'true', status=1).stderr)
        self.assertIn('cannot use the folder', self.run_program(
            SANDBOX, '--dir', 'no/such/folder', *self.PORTS, '--', 'true', status=1).stderr)

    def test_folder_with_blanks(self):
        self.run_program(SANDBOX, '--dir', 'a folder', *self.PORTS, '--', 'true')

    def test_help_does_nothing_else(self):
        self.write('kept/state.db', '')
        for option in ('--help', '--version', '--operations'):
            self.assertTrue(self.run_program(SANDBOX, '--dir', 'kept', '--reset', option).stdout)
        self.assertTrue((self.folder / 'kept/state.db').exists())

    def test_no_way_past_it(self):
        done = self.run_program(
            SANDBOX, *self.PORTS, '--', 'sh', '-c',
            'echo "$AWS_PROFILE$AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" $AWS_REGION $AWS_DEFAULT_REGION',
            environment={'AWS_PROFILE': 'mine', 'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS': 'true',
                         'AWS_REGION': '', 'AWS_DEFAULT_REGION': 'us-west-2'})
        self.assertEqual(' us-west-2 us-west-2\n', done.stdout)

    def test_invalid_state(self):
        self.write('sandbox/state.db', 'this is no database, and long enough to be seen as none')
        self.assertIn('state.db', self.run_program(
            SANDBOX, '--dir', 'sandbox', *self.PORTS, '--', 'true', status=1).stderr)

    def test_port_is_taken(self):
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            for option in ('--api-port', '--mqtt-port', '--https-port'):
                self.assertIn(f'try {option} 0', self.run_program(
                    SANDBOX, *self.PORTS, option, port, '--', 'true', status=1).stderr)

    def test_interrupt(self):
        process = subprocess.Popen([SANDBOX, *self.PORTS], cwd=self.folder, env=self.environment,
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        lines = [process.stdout.readline() for _ in range(9)]
        self.assertEqual('Ctrl-C ends it.\n', lines[-1], lines)
        process.send_signal(signal.SIGINT)
        self.assertEqual(0, process.wait(30))


class Operations(Case):
    """The operations of the program match its document and AWS's model."""

    # Members that the table omits: MQTT 5 properties of a message, its payload, which is the body,
    # and the members that select a quota.
    LEFT_OUT = {'Publish': ('payload', 'userProperties', 'payloadFormatIndicator', 'contentType',
                            'responseTopic', 'correlationData', 'messageExpiry'),
                'ListServiceQuotas': ('QuotaCode', 'QuotaAppliedAtLevel'),
                'GetServiceQuota': ('ContextId',)}

    def table(self):
        """Name, method, path, and parameters with a flag: required."""
        for row in self.run_program(SANDBOX, '--operations').stdout.splitlines()[2:]:
            name, http, parameters, _ = (cell.strip() for cell in row.strip('|').split('|'))
            yield name, *http.split(), {parameter.rstrip('*'): parameter.endswith('*')
                                        for parameter in parameters.split(', ') if parameter}

    def test_document(self):
        self.assertIn(self.run_program(SANDBOX, '--operations').stdout.strip(),
                      (DOCUMENTS / 'sandbox.md').read_text())

    def test_service_model(self):
        """Methods, paths and parameters match the official model."""
        import botocore.session
        session = botocore.session.get_session()
        models = [session.get_service_model(name) for name in (
            'iot', 'iot-data', 'sts', 'service-quotas')]
        rows = list(self.table())
        self.assertGreater(len(rows), 60)
        for name, method, path, parameters in rows:
            model = next((m for m in models if name in m.operation_names), None)
            self.assertIsNotNone(model, name)
            operation = model.operation_model(name)
            self.assertEqual((operation.http['method'], operation.http['requestUri'].split('?')[0]),
                             (method, path.replace('+', '')), name)
            shape = operation.input_shape
            expected = {member: member in shape.required_members for member in shape.members
                        if member not in self.LEFT_OUT.get(name, ())} if shape else {}
            self.assertEqual(expected, parameters, name)
