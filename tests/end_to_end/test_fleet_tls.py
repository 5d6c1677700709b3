# SPDX-License-Identifier: Apache-2.0
"""Fleets with one certificate per device, against the sandbox: refusals are named, other devices
continue."""
import datetime
import json
import pathlib
import signal
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support import Case, Metrics, free_port, job


def certificate(days_from, days_until, key=None):
    """A self-signed certificate and its key, PEM."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'test')])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days_from))
            .not_valid_after(now + datetime.timedelta(days=days_until)).sign(key, hashes.SHA256()))
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    return text, key


def pem(key, form):
    return key.private_bytes(serialization.Encoding.PEM, form,
                             serialization.NoEncryption()).decode()


class Cloud(Case):
    DEVICES = 10

    def setUp(self):
        super().setUp()
        self.start_sandbox()
        self.configure(duration='2s', interval='100ms')

    def configure(self, **settings):
        inner = ', '.join(f'{name}: {value}' for name, value in
                          {'reconnect': '{backoff: fixed, cap: 100ms, attempts: 3}',
                           'connect_rate': '500/s', **settings}.items())
        self.write('job.yaml', job(self.DEVICES, 'pipelines:\n  simulate:\n    - simulate: {template: '
                                                 f'aws_iotify.yaml, {inner}}}\n'))

    def certificate_id(self, iot, thing):
        return iot.list_thing_principals(thingName=thing)['principals'][0].split('/')[1]

    def test_certificates_revoked_in_mid_run(self):
        self.iotifyd('job.yaml', 'deploy')
        self.configure(iterations=100000, interval='100ms')
        iot = self.boto()
        metrics = Metrics(free_port())
        process = self.spawn('-q', 'job.yaml', 'simulate', '--json', 'summary.json',
                             '--metrics-port', str(metrics.port))
        metrics.wait('connections', 10)
        for client in (1, 4, 7):
            iot.update_certificate(certificateId=self.certificate_id(iot, f'iotify_{client}'),
                                   newStatus='REVOKED')
        # The three fail, and the others go on sending.
        metrics.wait('failed_total', 3)
        metrics.wait('acknowledged_total', metrics.read('acknowledged_total') + 70)
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(60))
        results = json.loads((self.folder / 'summary.json').read_text())['simulate']
        # They fail with the first client and the reason; only they may have lost messages.
        self.assertEqual((10, 3), (results['connected'], results['failed']))
        codes = {error['code']: error for error in results['errors']}
        self.assertIn('Refused', codes)
        self.assertEqual(1, codes['Refused']['first_client'])
        self.assertIn('registered and active', codes['Refused']['message'])
        self.assertLessEqual({device['client'] for device in results['devices']}, {1, 4, 7})

    def test_more_than_the_endpoint_takes(self):
        """AWS silently drops messages beyond 100 per second: the error names the cause."""
        self.iotifyd('job.yaml', 'deploy')
        self.configure(iterations=500, interval='1ms', clients=1)
        metrics = Metrics(free_port())
        process = self.spawn('-q', 'job.yaml', 'simulate', '--json', 'summary.json',
                             '--metrics-port', str(metrics.port))
        metrics.wait('published_total', 500)
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(30))
        results = json.loads((self.folder / 'summary.json').read_text())['simulate']
        self.assertGreater(results['lost'], 0)
        self.assertEqual(results['published'], results['acknowledged'] + results['lost'])
        errors = {error['code']: error for error in results['errors']}
        self.assertIn('more than the 100 messages that the endpoint takes',
                      errors['OverRate']['message'])

    def test_resent_after_a_storm(self):
        self.iotifyd('job.yaml', 'deploy')
        self.configure(interval='50ms', stages='[{duration: 1s, clients: 10}, {duration: 2s}, '
                                               '{duration: 3s, storm: 50%}]')
        results = self.summary('job.yaml', 'simulate')['simulate']
        self.assertEqual((0, 0, results['published']), (
            results['lost'], results['failed'], results['acknowledged']))
        self.assertGreater(results['reconnects'], 0)
        self.assertGreater(results['connect_tls_seconds']['p50'], 0)

    def bad_identity(self, cert, key):
        """Run with this certificate and key for client 2; the other clients have their own."""
        self.iotifyd('job.yaml', 'deploy')
        for name, value in (('cert', cert), ('key', key)):
            self.iotifyd('glob', 'set', 'job.yaml', f'aws_iotify_2_{name}', stdin=value)
        self.configure(iterations=2, interval='50ms')
        results = self.summary('job.yaml', 'simulate', status=1)['simulate']
        self.assertEqual((9, 1, 18), tuple(results[name] for name in (
            'connected', 'failed', 'acknowledged')))
        self.assertEqual(2, results['errors'][0]['first_client'])
        return results['errors'][0]

    def test_expired_certificate(self):
        cert, key = certificate(-10, -5)
        error = self.bad_identity(cert, pem(key, serialization.PrivateFormat.PKCS8))
        self.assertIn(error['code'], ('TlsFailed', 'Refused'))

    def test_wrong_key_for_a_certificate(self):
        cert, _ = certificate(-1, 5)
        error = self.bad_identity(cert, pem(ec.generate_private_key(ec.SECP256R1()),
                                            serialization.PrivateFormat.TraditionalOpenSSL))
        self.assertEqual(('BadKey', 'key: does not belong to the certificate in cert'),
                         (error['code'], error['message']))

    def test_not_registered(self):
        cert, key = certificate(-1, 5)
        error = self.bad_identity(cert, pem(key, serialization.PrivateFormat.TraditionalOpenSSL))
        self.assertIn(error['code'], ('TlsFailed', 'Refused'))

    def test_refused_by_the_policy(self):
        self.iotifyd('job.yaml', 'deploy')
        iot = self.boto()
        arn = iot.list_thing_principals(thingName='iotify_3')['principals'][0]
        iot.detach_policy(policyName='IOTIFY_AUTOMATED_POLICY', target=arn)
        self.configure(iterations=2, interval='50ms')
        results = self.summary('job.yaml', 'simulate', status=1)['simulate']
        self.assertEqual((9, 1), (results['connected'], results['failed']))
        self.assertEqual(('Refused', 3), (results['errors'][0]['code'],
                                          results['errors'][0]['first_client']))


class Resumption(Case):
    """A server with session tickets: the second handshake of a client is abbreviated."""

    def test_resumes(self):
        build = pathlib.Path(self.environment['IOTIFY_BUILD'])
        subprocess.run([build.parents[1] / 'bench/certificates.sh', self.folder], check=True)
        sink = subprocess.Popen([build / 'bench/bench-sink', '0', 'server.pem', 'server.key'],
                                cwd=self.folder, stdout=subprocess.PIPE, text=True)
        self.addCleanup(sink.stdout.close)
        self.addCleanup(sink.wait)
        self.addCleanup(sink.terminate)
        port = sink.stdout.readline().split()[1]
        cert, key = certificate(-1, 5)
        key = pem(key, serialization.PrivateFormat.TraditionalOpenSSL)
        self.write('t.yaml', f'connection: {{host: localhost, port: {port}, ca: ca.pem, client_id: '
                             '"c{{client()}}", key: "{{state.__$key}}", cert: "{{state.__$cert}}"}\n'
                             'publish: {topic: t}\ninit: |\n  state.__$key = glob.get("key");\n'
                             '  state.__$cert = glob.get("cert");\nmessage: |\n  return "x";\n')
        self.write('job.yaml', 'devices: 20\nplugins:\n  glob: {use: sqlite, path: g.db}\n'
                   'pipelines:\n  simulate:\n'
                   '    - simulate: {template: t.yaml, interval: 50ms, connect_rate: 1000/s, '
                   'reconnect: {backoff: none}, stages: [{duration: 1s, clients: 20}, '
                   '{duration: 4s}, {duration: 4s, storm: 100%}]}\nrun: [simulate]\n')
        for name, value in (('cert', cert), ('key', key)):
            self.iotifyd('glob', 'set', 'job.yaml', name, stdin=value)
        results = self.summary('job.yaml')['simulate']
        self.assertEqual((20, 20, 20, 0), tuple(results[name] for name in (
            'connected', 'reconnects', 'resumed', 'lost')))
