"""The sandbox with clients that this project did not write: boto3, the AWS CLI, mosquitto, paho."""
import json
import os
import socket
import ssl
import subprocess
import time
import unittest

import botocore.exceptions
from botocore.config import Config

from support import Case, SANDBOX, VENV

DOCUMENT = json.dumps({'Version': '2012-10-17', 'Statement': [
    {'Effect': 'Allow', 'Action': 'iot:*', 'Resource': '*'}]})


class Sandbox(Case):
    def setUp(self):
        super().setUp()
        self.process = self.start_sandbox('--deprecation-wait', '1')
        self.iot = self.boto()

    def assert_error(self, code, status, function, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            function(**arguments)
        self.assertEqual((code, status), (
            caught.exception.response['Error']['Code'],
            caught.exception.response['ResponseMetadata']['HTTPStatusCode']))

    def make_certificate(self, active=True):
        return self.iot.create_keys_and_certificate(setAsActive=active)

    def test_signatures(self):
        once = Config(retries={'max_attempts': 0})
        for options, code in (({'secret': 'wrong'}, 'InvalidSignatureException'),
                              ({'key': 'AKIDWRONG'}, 'UnrecognizedClientException')):
            self.assert_error(code, 403, self.boto(config=once, **options).list_things)
        self.assertEqual('123456789012', self.boto('sts').get_caller_identity()['Account'])

    def test_signatures_of_tricky_names(self):
        for name in ('a:b', 'a-b_c', 'A' * 128):
            self.iot.create_thing(thingName=name)
            self.assertEqual(name, self.iot.describe_thing(thingName=name)['thingName'])
        for name in ('p+=,.@-', 'plain'):
            self.iot.create_policy(policyName=name, policyDocument=DOCUMENT)
            self.assertEqual(name, self.iot.get_policy(policyName=name)['policyName'])

    def test_unsigned(self):
        with socket.create_connection(('127.0.0.1', self.api_port)) as connection:
            connection.sendall(b'GET /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
            answer = connection.makefile('rb').read()
        self.assertIn(b'403', answer.splitlines()[0])
        self.assertIn(b'MissingAuthenticationTokenException', answer)

    def test_garbage_does_no_harm(self):
        for port in (self.api_port, self.mqtt_port):
            for garbage in (b'\0' * 1000, b'GET / HTTP/9.9\r\n\r\n', b'POST /things/x HTTP/1.1\r\n'
                            b'Content-Length: 99999999999\r\n\r\n', os.urandom(5000)):
                with socket.create_connection(('127.0.0.1', port)) as connection:
                    connection.sendall(garbage)
        self.assertIsNone(self.process.poll())
        self.assertEqual([], self.iot.list_things()['things'])

    def test_things_and_types(self):
        self.iot.create_thing_type(thingTypeName='t')
        self.assert_error('ResourceAlreadyExistsException', 409, self.iot.create_thing_type,
                          thingTypeName='t')
        self.iot.create_thing(thingName='x', thingTypeName='t')
        self.iot.create_thing(thingName='x', thingTypeName='t')
        self.assert_error('ResourceAlreadyExistsException', 409, self.iot.create_thing,
                          thingName='x', attributePayload={'attributes': {'a': 'b'}})
        self.assert_error('ResourceNotFoundException', 404, self.iot.create_thing, thingName='y',
                          thingTypeName='nothing')
        self.assert_error('ResourceNotFoundException', 404, self.iot.describe_thing, thingName='y')
        self.assert_error('InvalidRequestException', 400, self.iot.delete_thing_type,
                          thingTypeName='t')
        self.iot.delete_thing(thingName='x')
        self.iot.delete_thing(thingName='x')
        self.iot.deprecate_thing_type(thingTypeName='t')
        self.assertTrue(self.iot.describe_thing_type(
            thingTypeName='t')['thingTypeMetadata']['deprecated'])
        self.assert_error('InvalidRequestException', 400, self.iot.delete_thing_type,
                          thingTypeName='t')
        time.sleep(1.2)
        self.iot.delete_thing_type(thingTypeName='t')

    def test_groups(self):
        self.iot.create_thing_group(thingGroupName='g')
        self.iot.create_thing(thingName='x')
        self.iot.add_thing_to_thing_group(thingGroupName='g', thingName='x')
        self.iot.add_thing_to_thing_group(thingGroupName='g', thingName='x')
        self.assertEqual(['x'], self.iot.list_things_in_thing_group(thingGroupName='g')['things'])
        self.assertEqual(['g'], [group['groupName'] for group in
                                 self.iot.list_thing_groups_for_thing(thingName='x')['thingGroups']])
        self.assert_error('ResourceNotFoundException', 404, self.iot.add_thing_to_thing_group,
                          thingGroupName='h', thingName='x')
        self.iot.remove_thing_from_thing_group(thingGroupName='g', thingName='x')
        self.assertEqual([], self.iot.list_things_in_thing_group(thingGroupName='g')['things'])
        self.iot.delete_thing_group(thingGroupName='g')
        self.assert_error('ResourceNotFoundException', 404, self.iot.describe_thing_group,
                          thingGroupName='g')

    def test_policies(self):
        self.iot.create_policy(policyName='p', policyDocument=DOCUMENT)
        self.assert_error('ResourceAlreadyExistsException', 409, self.iot.create_policy,
                          policyName='p', policyDocument=DOCUMENT)
        self.assert_error('MalformedPolicyException', 400, self.iot.create_policy, policyName='q',
                          policyDocument='nonsense')
        arn = self.make_certificate()['certificateArn']
        self.iot.attach_policy(policyName='p', target=arn)
        self.assertEqual([arn], self.iot.list_targets_for_policy(policyName='p')['targets'])
        self.assertEqual(['p'], [p['policyName'] for p in
                                 self.iot.list_attached_policies(target=arn)['policies']])
        self.assert_error('DeleteConflictException', 409, self.iot.delete_policy, policyName='p')
        self.iot.detach_policy(policyName='p', target=arn)
        self.iot.delete_policy(policyName='p')
        self.assert_error('ResourceNotFoundException', 404, self.iot.attach_policy, policyName='p',
                          target=arn)

    def test_certificates(self):
        made = self.make_certificate()
        identifier = made['certificateId']
        self.iot.create_thing(thingName='x')
        self.iot.attach_thing_principal(thingName='x', principal=made['certificateArn'])
        self.assertEqual(['x'], self.iot.list_principal_things(
            principal=made['certificateArn'])['things'])
        self.assert_error('InvalidRequestException', 400, self.iot.delete_thing, thingName='x')
        self.assert_error('CertificateStateException', 406, self.iot.delete_certificate,
                          certificateId=identifier)
        self.iot.update_certificate(certificateId=identifier, newStatus='INACTIVE')
        self.assert_error('DeleteConflictException', 409, self.iot.delete_certificate,
                          certificateId=identifier)
        self.iot.detach_thing_principal(thingName='x', principal=made['certificateArn'])
        self.iot.delete_certificate(certificateId=identifier)
        self.assert_error('ResourceNotFoundException', 404, self.iot.describe_certificate,
                          certificateId=identifier)
        self.assert_error('CertificateValidationException', 400,
                          self.iot.register_certificate_without_ca, certificatePem='nonsense')

    def test_chain(self):
        """What AWS's stand-ins lack: certificates that a root has signed, for the request's key."""
        key = self.folder / 'k.pem'
        request = self.folder / 'r.pem'
        subprocess.run(['openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt',
                        'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', request,
                        '-subj', '/CN=x'], check=True, capture_output=True)
        pem = self.iot.create_certificate_from_csr(
            certificateSigningRequest=request.read_text(), setAsActive=True)['certificatePem']
        self.write('c.pem', pem)
        subprocess.run(['openssl', 'verify', '-CAfile', self.environment['AWS_CA_BUNDLE'],
                        self.folder / 'c.pem'], check=True, capture_output=True)
        public = lambda *command: subprocess.run(
            ['openssl', *command], check=True, capture_output=True).stdout
        self.assertEqual(public('pkey', '-in', key, '-pubout'),
                         public('x509', '-in', self.folder / 'c.pem', '-pubkey', '-noout'))
        self.assert_error('ResourceAlreadyExistsException', 409,
                          self.iot.register_certificate_without_ca, certificatePem=pem)

    def test_paging(self):
        for i in range(25):
            self.iot.create_thing(thingName=f'x{i:02}')
        self.iot.create_thing_group(thingGroupName='g')
        for i in range(25):
            self.iot.add_thing_to_thing_group(thingGroupName='g', thingName=f'x{i:02}')
        names = [f'x{i:02}' for i in range(25)]
        pages = list(self.iot.get_paginator('list_things').paginate(
            PaginationConfig={'PageSize': 10}))
        self.assertEqual([10, 10, 5], [len(page['things']) for page in pages])
        self.assertEqual(names, [t['thingName'] for page in pages for t in page['things']])
        pages = list(self.iot.get_paginator('list_things_in_thing_group').paginate(
            thingGroupName='g', PaginationConfig={'PageSize': 7}))
        self.assertEqual(names, [name for page in pages for name in page['things']])
        for _ in range(5):
            self.make_certificate()
        pages = list(self.iot.get_paginator('list_certificates').paginate(
            PaginationConfig={'PageSize': 2}))
        self.assertEqual([2, 2, 1], [len(page['certificates']) for page in pages])
        self.assert_error('InvalidRequestException', 400, self.iot.list_things, maxResults=251)

    def test_aws_command_line(self):
        aws = lambda *words: json.loads(self.run_program(
            str(VENV / 'aws'), '--output', 'json', *words).stdout or '{}')
        aws('iot', 'create-thing', '--thing-name', 'cli')
        self.assertEqual('cli', aws('iot', 'describe-thing', '--thing-name', 'cli')['thingName'])
        self.assertEqual(1, len(aws('iot', 'list-things')['things']))
        endpoint = aws('iot', 'describe-endpoint', '--endpoint-type', 'iot:Data-ATS')
        self.assertEqual(f'localhost:{self.mqtt_port}', endpoint['endpointAddress'])

    def test_state_survives_a_restart(self):
        self.iot.create_thing(thingName='kept')
        root = (self.folder / 'sandbox/ca.pem').read_text()
        self.process.kill()
        self.process.wait()
        self.start(SANDBOX, '--dir', str(self.folder / 'sandbox'), '--api-port',
                   str(self.api_port), '--mqtt-port', str(self.mqtt_port))
        from support import wait_for_port
        wait_for_port(self.api_port)
        self.assertEqual('kept', self.iot.describe_thing(thingName='kept')['thingName'])
        self.assertEqual(root, (self.folder / 'sandbox/ca.pem').read_text())
        self.assertEqual(0o600, (self.folder / 'sandbox/ca.key').stat().st_mode & 0o777)

    def mosquitto_pub(self, certificate, key, host='localhost', ca=None):
        return subprocess.run(
            ['mosquitto_pub', '-h', host, '-p', str(self.mqtt_port), '--cafile',
             ca or self.environment['AWS_CA_BUNDLE'], '--cert', certificate, '--key', key, '-t',
             'x', '-m', 'hello', '-q', '1'], capture_output=True, text=True, timeout=30)

    def test_mqtt_lets_in_active_certificates(self):
        made = self.make_certificate(active=False)
        certificate = self.write('c.pem', made['certificatePem'])
        key = self.write('k.pem', made['keyPair']['PrivateKey'])
        self.assertNotEqual(0, self.mosquitto_pub(certificate, key).returncode)
        self.iot.update_certificate(certificateId=made['certificateId'], newStatus='ACTIVE')
        done = self.mosquitto_pub(certificate, key)
        self.assertEqual(0, done.returncode, done.stderr)

    def test_mqtt_wants_a_certificate_and_a_name(self):
        context = ssl.create_default_context(cafile=self.environment['AWS_CA_BUNDLE'])

        def talk(server_name, certificate=None):
            if certificate:
                context.load_cert_chain(*certificate)
            context.check_hostname = server_name is not None
            with socket.create_connection(('127.0.0.1', self.mqtt_port), 10) as plain, \
                    context.wrap_socket(plain, server_hostname=server_name) as secure:
                secure.sendall(bytes.fromhex('101000044d5154540402003c000474657374'))
                return secure.recv(10)
        for_nobody = lambda: talk('localhost')
        try:
            self.assertEqual(b'', for_nobody())
        except (ssl.SSLError, ConnectionError):
            pass
        made = self.make_certificate()
        pair = (self.write('c.pem', made['certificatePem']),
                self.write('k.pem', made['keyPair']['PrivateKey']))
        self.assertEqual(bytes.fromhex('20020000'), talk('localhost', pair))
        try:
            self.assertEqual(b'', talk(None, pair))
        except (ssl.SSLError, ConnectionError):
            pass

    def test_paho(self):
        import paho.mqtt.client as paho
        made = self.make_certificate()
        certificate = self.write('c.pem', made['certificatePem'])
        key = self.write('k.pem', made['keyPair']['PrivateKey'])
        got = []
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, 'paho')
        client.tls_set(self.environment['AWS_CA_BUNDLE'], str(certificate), str(key))
        client.on_message = lambda _client, _user, message: got.append(message.payload)
        client.connect('localhost', self.mqtt_port)
        client.loop_start()
        self.addCleanup(client.loop_stop)
        client.subscribe('t', 1)
        time.sleep(0.5)
        client.publish('t', b'x' * 100000, 1).wait_for_publish(10)
        end = time.monotonic() + 10
        while not got and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual([b'x' * 100000], got)


class AroundACommand(Case):
    def test_environment_and_status(self):
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION'):
            del self.environment[name]
        done = self.run_program(
            SANDBOX, '--api-port', '0', '--mqtt-port', '0', '--', 'sh', '-c',
            'echo $AWS_ENDPOINT_URL_IOT $AWS_REGION; test -f "$AWS_CA_BUNDLE" && '
            'test -n "$AWS_SECRET_ACCESS_KEY" && exit 7', status=7)
        self.assertRegex(done.stdout, r'^http://127\.0\.0\.1:\d+ eu-central-1\n$')

    def test_bad_usage(self):
        self.assertIn('unknown option', self.run_program(SANDBOX, '--nonsense', status=2).stderr)
        self.assertIn('takes a number', self.run_program(
            SANDBOX, '--api-port', '70000', status=2).stderr)
        self.assertIn('cannot run', self.run_program(
            SANDBOX, '--api-port', '0', '--mqtt-port', '0', '--', '/nonexistent', status=127).stderr)

    def test_port_is_taken(self):
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            self.assertIn('try --mqtt-port 0', self.run_program(
                SANDBOX, '--mqtt-port', port, '--', 'true', status=1).stderr)
            self.assertIn('try --api-port 0', self.run_program(
                SANDBOX, '--mqtt-port', '0', '--api-port', port, '--', 'true', status=1).stderr)
