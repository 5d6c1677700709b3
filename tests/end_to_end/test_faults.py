# SPDX-License-Identifier: Apache-2.0
"""Failures of the environment: one clear error that says what to do, and exit status 1."""
import http.server
import json
import os
import shutil
import subprocess
import threading

from support import BUILD, Case, TEMPLATE_NONE, job, local_job, step


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers every request in the same way."""
    protocol_version = 'HTTP/1.1'

    def do_any(self):
        length = int(self.headers.get('Content-Length') or 0)
        self.rfile.read(length)
        status, headers, body = self.server.answer
        if self.server.by_path:
            body = self.server.by_path(self.path)
        self.server.count += 1
        if self.server.later and self.server.count == self.server.later[0]:
            self.server.answer = self.server.later[1]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_any

    def log_message(self, *_):
        pass


class Faults(Case):
    def answer_with(self, status, body=b'', **headers):
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Answering)
        server.answer = (status, {name.replace('_', '-'): v for name, v in headers.items()}, body)
        server.count = 0
        server.by_path = None
        server.later = None
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.environment['AWS_ENDPOINT_URL_IOT'] = f'http://127.0.0.1:{server.server_port}'
        return server

    def first_error(self, *arguments):
        summary = self.summary('job.yaml', 'deploy', *arguments, status=1)
        return step(summary, 'aws.thing_type')['errors'][0]

    def test_refused_signature(self):
        self.start_sandbox()
        self.write('job.yaml', job())
        self.environment['AWS_SECRET_ACCESS_KEY'] = 'another-secret'
        error = self.first_error()
        self.assertEqual('SignatureDoesNotMatch', error['code'])
        self.assertIn('check the secret access key and the clock', error['message'])
        self.environment['AWS_ACCESS_KEY_ID'] = 'AKIDOTHER'
        self.assertIn('check the access key', self.first_error()['message'])

    def test_unreachable_endpoint(self):
        self.write('job.yaml', job(endpoint='"http://127.0.0.1:1"'))
        error = self.first_error()
        self.assertEqual('Unreachable', error['code'])
        self.assertIn('no answer from http://127.0.0.1:1', error['message'])
        self.assertIn('check the endpoint and the network', error['message'])

    def test_no_credentials(self):
        self.write('job.yaml', job(endpoint='"http://127.0.0.1:1"'))
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
            del self.environment[name]
        self.assertIn('set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or run: aws configure',
                      self.first_error()['message'])
        self.assertIn('the profile "x" is not in the shared AWS files',
                      self.first_error('--set', 'plugins.aws.profile=x')['message'])

    def test_profile(self):
        self.start_sandbox()
        self.write('.aws/credentials', '[fleet]\naws_access_key_id = AKIDTEST\n'
                                       'aws_secret_access_key = secret-of-the-test\n')
        self.write('.aws/config', '[profile fleet]\nregion = eu-central-1\n')
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION',
                     'AWS_DEFAULT_REGION'):
            del self.environment[name]
        self.write('job.yaml', 'devices: 2\nplugins:\n  aws: {use: aws-iot, profile: fleet}\n')
        self.iotifyd('job.yaml', 'deploy', 'cleanup')

    def test_profiles_that_go_another_way(self):
        """iotifyd never uses an identity other than the configured one."""
        self.write('job.yaml', job(endpoint='"http://127.0.0.1:1"'))
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
            del self.environment[name]
        self.write('.aws/config', '[profile role]\nrole_arn = arn:aws:iam::1:role/x\n'
                                  'aws_access_key_id = AKIDTEST\naws_secret_access_key = x\n')
        self.environment['AWS_PROFILE'] = 'role'
        self.assertIn('takes its credentials by role_arn, which iotifyd does not support',
                      self.first_error()['message'])
        self.environment['AWS_PROFILE'] = 'typo'
        self.assertIn('the profile "typo" is not in the shared AWS files',
                      self.first_error()['message'])

    def test_web_identity_is_not_passed_over(self):
        self.write('job.yaml', job(endpoint='"http://127.0.0.1:1"'))
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
            del self.environment[name]
        self.environment.update(AWS_WEB_IDENTITY_TOKEN_FILE='token',
                                AWS_ROLE_ARN='arn:aws:iam::123456789012:role/fleet')
        self.assertIn('AWS_WEB_IDENTITY_TOKEN_FILE asks for the role arn:aws:iam::123456789012:role/'
                      'fleet, which iotifyd cannot assume', self.first_error()['message'])

    def test_container_endpoints(self):
        """Credentials and the container's token are not sent in clear text to other hosts."""
        self.write('job.yaml', job(endpoint='"http://127.0.0.1:1"'))
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
            del self.environment[name]
        for url in ('http://192.0.2.1/creds', 'http://127.0.0.1.example/creds', 'ftp://127.0.0.1/',
                    'http://localhost@192.0.2.1/', 'http://[::2]/', '127.0.0.1/creds'):
            self.environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = url
            self.assertIn('AWS_CONTAINER_CREDENTIALS_FULL_URI must be an https URL',
                          self.first_error()['message'])
        self.environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] = '@192.0.2.1/creds'
        self.assertIn('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with /',
                      self.first_error()['message'])

    def test_endpoint_of_the_profile(self):
        """The keys of a profile go to the profile's endpoint only."""
        self.start_sandbox()
        endpoint = self.environment.pop('AWS_ENDPOINT_URL_IOT')
        for name in [name for name in self.environment if name.startswith('AWS_ENDPOINT_URL')]:
            del self.environment[name]
        self.write('job.yaml', job(2))
        self.write('.aws/config', f'[default]\nendpoint_url = {endpoint}\n')
        self.iotifyd('job.yaml', 'deploy', 'cleanup')
        self.write('.aws/config', '[default]\nservices = local\n[services local]\n'
                                  f'iot =\n  endpoint_url = {endpoint}\n')
        self.assertIn('sets endpoints under services = local, which iotifyd does not read',
                      self.iotifyd('job.yaml', 'deploy', status=2).stderr)

    def test_container_credentials(self):
        self.start_sandbox()
        iot = self.environment['AWS_ENDPOINT_URL_IOT']
        server = self.answer_with(200, json.dumps({
            'AccessKeyId': 'AKIDTEST', 'SecretAccessKey': 'secret-of-the-test', 'Token': 'a-token',
            'Expiration': '2099-01-01T00:00:00Z'}).encode())
        self.environment['AWS_ENDPOINT_URL_IOT'] = iot
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
            del self.environment[name]
        self.environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = (
            f'http://127.0.0.1:{server.server_port}/creds')
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy', 'cleanup')
        self.assertEqual(1, server.count)

    def test_instance_credentials(self):
        self.start_sandbox()
        iot = self.environment['AWS_ENDPOINT_URL_IOT']
        server = self.answer_with(200, json.dumps({
            'AccessKeyId': 'AKIDTEST', 'SecretAccessKey': 'secret-of-the-test', 'Token': 'a-token',
            'Expiration': '2099-01-01T00:00:00Z'}).encode())
        self.environment['AWS_ENDPOINT_URL_IOT'] = iot
        credentials = server.answer[2]
        server.by_path = lambda path: {
            '/latest/api/token': b'session-token',
            '/latest/meta-data/iam/security-credentials/': b'fleet-role\n',
            '/latest/meta-data/iam/security-credentials/fleet-role': credentials}[path]
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_EC2_METADATA_DISABLED'):
            del self.environment[name]
        self.environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] = (
            f'http://127.0.0.1:{server.server_port}')
        self.write('job.yaml', job(2))
        self.iotifyd('job.yaml', 'deploy', 'cleanup')
        self.assertEqual(3, server.count)

    def test_expired_credentials(self):
        self.answer_with(403, b'{"message": "The security token included in the request is expired"}',
                         x_amzn_ErrorType='ExpiredTokenException:http://x/')
        self.write('job.yaml', job())
        error = self.first_error()
        self.assertEqual('ExpiredTokenException', error['code'])
        self.assertIn('get new credentials, then run the same command', error['message'])

    def test_denied(self):
        self.answer_with(403, b'{"message": "User is not authorized to perform: iot:X"}',
                         x_amzn_ErrorType='AccessDeniedException')
        self.write('job.yaml', job())
        self.assertIn("add the permission to the user's IAM policy", self.first_error()['message'])

    def test_answers_that_are_not_from_aws(self):
        self.write('job.yaml', job())
        self.answer_with(200, b'<html>Welcome to the hotel</html>')
        self.assertIn('is there a proxy', self.first_error()['message'])
        self.answer_with(404, b'<html>not here</html>')
        self.assertIn('the answer is not from AWS', self.first_error()['message'])
        self.answer_with(200, b'{"thingTypeName": "x"')
        self.assertEqual('BadAnswer', self.first_error()['code'])
        self.answer_with(200, b'x' * (5 << 20))
        self.assertIn('the answer is too large', self.first_error()['message'])

    def test_throttling_is_repeated(self):
        server = self.answer_with(400, b'{"message": "Rate exceeded"}',
                                  x_amzn_ErrorType='ThrottlingException', Retry_After='0')
        server.later = (3, (403, {'x-amzn-ErrorType': 'AccessDeniedException'}, b'{}'))
        self.write('job.yaml', job())
        summary = self.summary('job.yaml', 'deploy', status=1)
        self.assertEqual(3, step(summary, 'aws.thing_type')['throttled'])

    def test_refused_plugins(self):
        self.write('t.yaml', TEMPLATE_NONE)
        self.write('job.yaml', local_job(store='broken'))
        plugins = self.folder / 'plugins'
        plugins.mkdir(mode=0o755)
        self.environment['IOTIFY_PLUGIN_PATH'] = str(plugins)
        target = plugins / 'iotify-broken.so'
        target.write_bytes(b'this is no shared object')
        self.assertIn('refused', self.iotifyd('job.yaml', status=1).stderr)
        shutil.copy(BUILD / 'tests/plugins/iotify-abi.so', target)
        self.assertIn('was built for plugin ABI 3.', self.iotifyd('job.yaml', status=1).stderr)
        target.chmod(0o666)
        self.assertIn('chmod o-w', self.iotifyd('job.yaml', status=1).stderr)
        target.unlink()
        self.assertIn('job.yaml:3:15: unknown plugin "broken"',
                      self.iotifyd('job.yaml', status=2).stderr)

    def test_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest('needs to mount a small file system')
        disk = self.folder / 'disk'
        disk.mkdir()
        mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', str(disk)])
        if mounted.returncode != 0:
            self.skipTest('this machine lets nobody mount')
        self.addCleanup(subprocess.run, ['umount', str(disk)], check=True)
        self.start_sandbox()
        for store, path in (('sqlite', 'disk/store.db'), ('file', 'disk/store')):
            self.write('job.yaml', job(200).replace(
                'plugins:\n', f'plugins:\n  glob: {{use: {store}, path: {path}}}\n'))
            summary = self.summary('job.yaml', 'deploy', status=1)
            error = step(summary, 'aws.device')['errors'][0]
            self.assertEqual('DiskFull', error['code'], error)
            self.assertIn('free disk space and run the same command again', error['message'])
            # With free space again, the same command finishes, and nothing is lost.
            subprocess.run(['mount', '-o', 'remount,size=64m', str(disk)], check=True)
            self.iotifyd('-q', 'job.yaml', 'deploy')
            self.assertEqual(200, len(self.boto().list_certificates(pageSize=250)['certificates']))
            self.iotifyd('-q', 'job.yaml', 'cleanup')
            self.assertEqual([], self.boto().list_certificates()['certificates'])
            subprocess.run(f'rm -rf {disk}/*', shell=True, check=True)
            subprocess.run(['mount', '-o', 'remount,size=256k', str(disk)], check=True)

    def test_invalid_store(self):
        self.write('t.yaml', TEMPLATE_NONE)
        self.write('job.yaml', local_job(store='sqlite'))
        self.write('job.db', 'this is a text file, and long enough not to look empty ' * 20)
        self.assertIn('is not an SQLite database', self.iotifyd('job.yaml', status=1).stderr)
        (self.folder / 'job.db').unlink()
        import sqlite3
        other = sqlite3.connect(self.folder / 'job.db')
        other.execute('PRAGMA user_version = 7')
        other.commit()
        other.close()
        self.assertIn("another program's database", self.iotifyd('job.yaml', status=1).stderr)
