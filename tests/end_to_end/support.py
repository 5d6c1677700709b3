# SPDX-License-Identifier: Apache-2.0
"""Shared by the end-to-end tests: a folder per test, the programs, and a clean environment."""
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

BUILD = pathlib.Path(os.environ['IOTIFY_BUILD'])
IOTIFYD = str(BUILD / 'bin/iotifyd')
SANDBOX = str(BUILD / 'bin/iotify-sandbox')
VENV = pathlib.Path(__file__).resolve().parents[2] / 'build/venv/bin'
TIMEOUT = 120

TEMPLATE_NONE = 'transport: none\nmessage: |\n  return "x";\n'


# Ports below those that the system assigns to outgoing connections. A test process locks each port
# that it uses until it ends, so that no other test takes the port before the server listens on it.
PORTS = range(20000, 32000)
LOCKS = pathlib.Path(tempfile.gettempdir()) / f'iotify-test-ports-{os.getuid()}'
ports = itertools.cycle([*PORTS[os.getpid() * 16 % len(PORTS):],
                         *PORTS[:os.getpid() * 16 % len(PORTS)]])
locked = {}


def lock_port(port):
    if port not in locked:
        LOCKS.mkdir(mode=0o700, exist_ok=True)
        lock = open(LOCKS / str(port), 'w')
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise
        locked[port] = lock


def free_port():
    for _ in PORTS:
        port = next(ports)
        with contextlib.suppress(OSError), socket.socket() as probe:
            lock_port(port)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(('127.0.0.1', port))
            return port
    raise AssertionError('all ports are taken')


def wait_until(condition, what, seconds=60):
    """Poll until the condition holds, and return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f'not within {seconds} s: {what}')
        time.sleep(0.01)
    return value


def unread_bytes(port):
    """Number of bytes that clients have sent to the server on this port and it has not read."""
    total = 0
    for line in pathlib.Path('/proc/net/tcp').read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == '01' and int(fields[1].split(':')[1], 16) == port:
            total += int(fields[4].split(':')[1], 16)
    return total


def wait_for_port(port, seconds=60):
    def listens():
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 1):
            return True
    wait_until(listens, f'a server that listens on port {port}', seconds)


class Case(unittest.TestCase):
    """A test with its own folder."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='iotify-test-'))
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith('AWS_')}
        self.environment.update(
            HOME=str(self.folder), XDG_CACHE_HOME=str(BUILD / 'cache'), AWS_EC2_METADATA_DISABLED='true', AWS_ACCESS_KEY_ID='AKIDTEST',
            AWS_SECRET_ACCESS_KEY='secret-of-the-test', AWS_REGION='eu-central-1',
            AWS_DEFAULT_REGION='eu-central-1')

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def run_program(self, *command, status=0, stdin='', environment=None):
        done = subprocess.run(
            command, cwd=self.folder, env={**self.environment, **(environment or {})}, input=stdin,
            capture_output=True, text=True, timeout=TIMEOUT)
        if status is not None:
            self.assertEqual(done.returncode, status, f'{command}\n{done.stdout}\n{done.stderr}')
        self.assertNotIn('secret-of-the-test', done.stdout + done.stderr)
        self.assertNotIn('PRIVATE KEY', done.stderr)
        return done

    def iotifyd(self, *arguments, status=0, stdin='', environment=None):
        return self.run_program(
            IOTIFYD, *arguments, status=status, stdin=stdin, environment=environment)

    def summary(self, *arguments, status=0, environment=None):
        """Run a job and return its summary."""
        self.iotifyd(*arguments, '--json', 'summary.json', status=status, environment=environment)
        return json.loads((self.folder / 'summary.json').read_text())

    def start(self, *command, environment=None):
        """Start a program; it is stopped when the test ends."""
        log = open(self.folder / 'started.log', 'w')
        self.addCleanup(log.close)
        process = subprocess.Popen(
            command, cwd=self.folder, env={**self.environment, **(environment or {})}, stdout=log,
            stderr=subprocess.STDOUT, text=True)

        def stop():
            # mosquitto forgets a signal that comes between its first connection and its main loop.
            for _ in range(6):
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                try:
                    return process.wait(10)
                except subprocess.TimeoutExpired:
                    pass
            raise AssertionError(f'{command[0]} does not end')
        self.addCleanup(stop)
        return process

    def start_sandbox(self, *options):
        """Start a sandbox on free ports, and add its endpoints to the test's environment."""
        api, mqtt, https = free_port(), free_port(), free_port()
        folder = self.folder / 'sandbox'
        process = self.start(SANDBOX, '--dir', str(folder), '--api-port', str(api), '--mqtt-port',
                             str(mqtt), '--https-port', str(https), *options)
        wait_for_port(api)
        url = f'http://127.0.0.1:{api}'
        self.environment.update(AWS_ENDPOINT_URL_IOT=url, AWS_ENDPOINT_URL_STS=url,
                                AWS_CA_BUNDLE=str(folder / 'ca.pem'))
        self.api_port, self.mqtt_port, self.https_port = api, mqtt, https
        return process

    def boto(self, service='iot', **options):
        import boto3
        name = {'iot': 'AWS_ENDPOINT_URL_IOT', 'sts': 'AWS_ENDPOINT_URL_STS'}[service]
        return boto3.client(
            service, region_name='eu-central-1',
            endpoint_url=self.environment.get(name, self.environment.get('AWS_ENDPOINT_URL')),
            aws_access_key_id=options.pop('key', 'AKIDTEST'),
            aws_secret_access_key=options.pop('secret', 'secret-of-the-test'), **options)

    def spawn(self, *arguments, **options):
        """Start iotifyd in the background; it is killed at the latest when the test ends."""
        process = subprocess.Popen(
            [IOTIFYD, *arguments], cwd=self.folder, env=self.environment, text=True,
            **{'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL, **options})

        def stop():
            process.kill()
            process.wait(30)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        self.addCleanup(stop)
        return process

    def wait_for_text(self, stream, text):
        """Read lines until one contains the text; a thread reads the rest of the stream."""
        for line in stream:
            if text in line:
                break
        else:
            raise AssertionError(f'{text!r} did not come')
        threading.Thread(target=stream.read, daemon=True).start()

    def start_broker(self):
        """Start a plain mosquitto; returns its port."""
        port = free_port()
        user = 'user root\n' if os.geteuid() == 0 else ''
        self.write('mosquitto.conf', f'listener {port} 127.0.0.1\nallow_anonymous true\n{user}')
        self.restart_broker()
        wait_for_port(port)
        return port

    def kill_broker(self, unread=True):
        """SIGKILL; with `unread` only after clients have sent data that the broker has not read."""
        self.broker.send_signal(signal.SIGSTOP)
        if unread:
            wait_until(lambda: unread_bytes(self.port), 'a message that the broker has not read')
        self.broker.kill()
        self.broker.wait()

    def restart_broker(self):
        # Debian installs it in a folder that is not in a user's PATH.
        program = shutil.which('mosquitto') or '/usr/sbin/mosquitto'
        self.broker = self.start(program, '-c', str(self.folder / 'mosquitto.conf'))


class Metrics:
    """The metrics of a running simulation, from its --metrics-port."""

    def __init__(self, port):
        self.port = port

    def read(self, name):
        """The value of a metric; 0 if it does not exist yet."""
        with contextlib.suppress(OSError), urllib.request.urlopen(
                f'http://127.0.0.1:{self.port}/metrics', timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f'iotifyd_{name}{{'):
                    return float(line.rsplit(' ', 1)[1])
        return 0

    def wait(self, name, value):
        wait_until(lambda: self.read(name) >= value, f'{name} is {value}')


def step(summary, name):
    return next(entry for entry in summary['steps'] if entry['step'] == name)


def job(devices=5, extra='', **settings):
    """The smallest job, without waiting for AWS's quotas."""
    settings = {'region': 'eu-central-1', 'quotas': '{"*": 1000}', **settings}
    inner = ', '.join(f'{name}: {value}' for name, value in settings.items())
    return f'devices: {devices}\nplugins:\n  aws: {{use: aws-iot, {inner}}}\n{extra}'


def local_job(template='t.yaml', store='memory', devices=3, **settings):
    """A job without a cloud, and without the default thresholds."""
    settings.setdefault('thresholds', '[]')
    inner = ''.join(f', {name}: {value}' for name, value in settings.items())
    return (f'devices: {devices}\nplugins:\n  glob: {{use: {store}}}\npipelines:\n  simulate:\n'
            f'    - simulate: {{template: {template}{inner}}}\n')
