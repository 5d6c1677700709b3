# SPDX-License-Identifier: Apache-2.0
"""The storage redis, with real servers: the conformance suite, faults, and what is not durable."""
import json
import os
import signal
import socket
import subprocess

from support import Case, free_port, wait_until

DURABLE = ('--appendonly', 'yes', '--appendfsync', 'always')


class Redis(Case):
    def start_redis(self, *options, name='redis', port=0):
        """Start a server on a socket of the test's folder; returns the process."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        process = self.start('redis-server', '--port', str(port), '--bind', '127.0.0.1', '--unixsocket', str(folder / 's'), '--dir', str(folder), '--save', '', *options)
        wait_until(lambda: process.poll() is not None or self.ask('PING', name=name).startswith('PONG'), 'a redis server that answers')
        self.assertIsNone(process.poll(), (self.folder / 'started.log').read_text())
        return process

    def ask(self, *words, name='redis'):
        done = subprocess.run(['redis-cli', '-s', str(self.folder / name / 's'), *words], capture_output=True, text=True, timeout=30)
        return done.stdout

    def write_job(self, settings='socket: redis/s', devices=3):
        self.write('job.yaml', f'devices: {devices}\nplugins:\n  c: {{use: null-connector, latency: 1ms}}\n  glob: {{use: redis, {settings}}}\n')

    def conformance(self, *settings, options=()):
        sets = [word for setting in settings for word in ('--set', setting)]
        return self.iotifyd('plugins', 'test', 'redis', *sets, *options, status=None)

    def check_conformance(self, *settings):
        done = self.conformance(*settings)
        self.assertNotIn('not ok', done.stdout)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('# 148 of 148 passed', done.stdout)

    def test_conformance(self):
        self.start_redis(*DURABLE)
        self.check_conformance(f'socket={self.folder}/redis/s')
        self.assertEqual('', self.ask('KEYS', '*values').strip())

    def test_tls_and_users(self):
        """By TCP and TLS with a client's certificate, as a user with a password and the fewest rights."""
        openssl = lambda *words: subprocess.run(['openssl', *words], cwd=self.folder, check=True, capture_output=True)
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca', '-days', '2')
        for who, names in (('server', 'DNS:localhost,IP:127.0.0.1'), ('client', 'DNS:client')):
            openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', f'{who}.key', '-out', f'{who}.csr', '-subj', f'/CN={who}')
            self.write('ext', f'subjectAltName={names}\n')
            openssl('x509', '-req', '-in', f'{who}.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', f'{who}.pem', '-days', '2', '-extfile', 'ext')
        port = free_port()
        self.start_redis(*DURABLE, '--tls-port', str(port), '--tls-cert-file', str(self.folder / 'server.pem'), '--tls-key-file', str(self.folder / 'server.key'),
                         '--tls-ca-cert-file', str(self.folder / 'ca.pem'))
        self.ask('ACL', 'SETUSER', 'fleet', 'on', '>secret-of-the-test', '~{iotify}*', '+@hash', '+@sortedset', '+@scripting', '+get', '+set', '+config|get', '+ping')
        tls = ('host=localhost', f'port={port}', 'tls=true', f'ca={self.folder}/ca.pem', f'cert={self.folder}/client.pem', f'key={self.folder}/client.key')
        self.check_conformance(*tls, 'username=fleet', 'password=secret-of-the-test', 'database=0')
        for change, code, words in (({'password': 'wrong'}, 'WRONGPASS', 'it refuses the name or the password'),
                                    ({'ca': None}, 'TlsFailed', 'certificate verify failed'),
                                    ({'cert': 'none.pem'}, 'BadCertificate', 'cert: cannot use')):
            with self.subTest(code, **change):
                settings = {'host': 'localhost', 'port': port, 'tls': 'true', 'ca': 'ca.pem', 'cert': 'client.pem', 'key': 'client.key', 'username': 'fleet',
                            'password': 'secret-of-the-test', **change}
                self.write_job(', '.join(f'{name}: {value}' for name, value in settings.items() if value is not None))
                done = self.iotifyd('job.yaml', 'deploy', status=1)
                self.assertIn(words, done.stdout + done.stderr)

    def test_durability(self):
        """Records are refused unless the server keeps each write, or the job accepts less."""
        self.start_redis('--appendonly', 'yes', '--appendfsync', 'everysec')
        self.write_job()
        done = self.iotifyd('job.yaml', 'deploy', status=1)
        self.assertIn('NotDurable', done.stdout)
        self.assertIn('appendfsync everysec', done.stdout)
        self.write_job('socket: redis/s, durability: weaker')
        self.iotifyd('job.yaml')
        self.ask('CONFIG', 'SET', 'appendfsync', 'always')
        self.write_job()
        self.iotifyd('job.yaml')

    def test_no_config(self):
        self.start_redis(*DURABLE, '--rename-command', 'CONFIG', '')
        self.write_job()
        done = self.iotifyd('job.yaml', 'deploy', status=1)
        self.assertIn('DurabilityUnknown', done.stdout)
        self.assertIn('set durability: weaker', done.stdout)

    def refuse(self, code, words):
        done = self.iotifyd('job.yaml', 'deploy', status=1)
        self.assertIn(words, done.stdout + done.stderr)
        return done

    def test_named_errors(self):
        self.start_redis(*DURABLE)
        self.write_job()
        self.iotifyd('job.yaml', 'deploy')
        with self.subTest('a replica'):
            self.ask('REPLICAOF', '127.0.0.1', str(free_port()))
            self.write_job(devices=5)
            self.refuse('READONLY', 'it is a replica: name the primary')
            self.ask('REPLICAOF', 'NO', 'ONE')
        with self.subTest('full'):
            self.ask('CONFIG', 'SET', 'maxmemory', '1mb')
            self.refuse('OOM', 'its memory is used up (maxmemory)')
            self.ask('CONFIG', 'SET', 'maxmemory', '0')
        with self.subTest('a password'):
            self.ask('CONFIG', 'SET', 'requirepass', 'secret-of-the-test')
            self.refuse('NOAUTH', 'it wants a password')
        with self.subTest('another job'):
            self.write_job('socket: redis/s, password: secret-of-the-test')
            self.write('other.yaml', 'name: other\n' + (self.folder / 'job.yaml').read_text())
            done = self.iotifyd('other.yaml', 'deploy', status=1)
            self.assertIn('the store belongs to the job "job"', done.stdout + done.stderr)
        with self.subTest('keys of another program'):
            self.write_job('socket: redis/s, password: secret-of-the-test, prefix: mine')
            subprocess.run(['redis-cli', '-s', str(self.folder / 'redis/s'), '-a', 'secret-of-the-test', 'SET', '{mine}:values', 'x'], capture_output=True, check=True)
            self.refuse('WRONGTYPE', 'another program uses keys of this prefix')

    def test_cluster(self):
        """A node that does not have the slot says MOVED, or that the cluster is down."""
        self.start_redis(*DURABLE, '--cluster-enabled', 'yes', '--cluster-port', str(free_port()), '--cluster-require-full-coverage', 'no', port=free_port())
        self.ask('CLUSTER', 'ADDSLOTS', '0')
        self.write_job('socket: redis/s, timeout: 1s')
        process = self.spawn('job.yaml', 'deploy', stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait_for_text(process.stderr, 'the cluster is down')
        process.send_signal(signal.SIGTERM)
        self.assertEqual(128 + signal.SIGTERM, process.wait(60))

    def test_server_is_killed(self):
        """The server dies again and again while devices are deployed: nothing acknowledged is lost. IOTIFY_KILLS=200 makes it a campaign."""
        kills = int(os.environ.get('IOTIFY_KILLS', '5'))
        devices = 60 * kills
        server = self.start_redis(*DURABLE)
        self.write('job.yaml', f'devices: {devices}\nplugins:\n  c: {{use: null-connector, latency: 5ms, rate: 100/s}}\n  glob: {{use: redis, socket: redis/s}}\n')
        process = self.spawn('job.yaml', 'deploy', '--json', 'deploy.json', stderr=subprocess.PIPE)
        count = lambda: int(self.ask('HLEN', '{iotify}:values') or 0)
        for kill in range(kills):
            before = count()
            wait_until(lambda: count() > before + 20, 'records that are written')
            server.kill()
            server.wait()
            self.assertIsNone(process.poll())
            server = self.start_redis(*DURABLE)
        _, error = process.communicate(timeout=120 + 2 * kills)
        self.assertEqual(0, process.returncode, error)
        self.assertIn('trying again for 30 s', error)
        step = json.loads((self.folder / 'deploy.json').read_text())['steps'][0]
        self.assertEqual((devices, 0), (step['ok'], step['failed']))
        values = self.ask('HKEYS', '{iotify}:values').splitlines()
        self.assertEqual(devices, len([key for key in values if key.startswith('glob/')]))
        self.assertEqual(devices, len([key for key in values if key.startswith('record/')]))
        self.iotifyd('job.yaml', 'cleanup', '--set', 'plugins.c.rate=10000/s')
        self.assertEqual([], [key for key in self.ask('HKEYS', '{iotify}:values').splitlines() if key.startswith(('glob/', 'record/'))])

    def test_no_server(self):
        """A server that never comes is named, and a stop is obeyed at once."""
        self.write_job('port: %d, timeout: 1s' % free_port())
        process = self.spawn('job.yaml', 'deploy', stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait_for_text(process.stderr, 'cannot connect: Connection refused; trying again')
        process.send_signal(signal.SIGTERM)
        self.assertEqual(128 + signal.SIGTERM, process.wait(30))

    def test_silent_server(self):
        with socket.create_server(('127.0.0.1', 0)) as server:
            self.write_job(f'port: {server.getsockname()[1]}, timeout: 200ms')
            process = self.spawn('job.yaml', 'deploy', stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.wait_for_text(process.stderr, 'no answer in time')
            process.send_signal(signal.SIGTERM)
            self.assertEqual(128 + signal.SIGTERM, process.wait(30))

    def test_bad_settings(self):
        for settings, words in (('socket: s, tls: true', '"tls" is for connections by host and port'), ('cert: a, tls: true', '"cert" and "key" belong together'),
                                ('ca: a', 'it needs tls: true'), ('username: u', '"username" needs password'), ('prefix: "{a}"', '"prefix" takes 1 to 200'),
                                ('port: 0', '"port"')):
            with self.subTest(settings):
                self.write_job(settings)
                done = self.iotifyd('--check', 'job.yaml', status=2)
                self.assertIn(words, done.stderr)
                self.assertRegex(done.stderr, r'^job\.yaml:4:\d+: ')
