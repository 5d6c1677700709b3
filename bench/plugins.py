# SPDX-License-Identifier: Apache-2.0
"""What plugins cost: a message by each transport, a put by each store, beside bare clients. See plugins.sh."""
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(sys.argv[1]).resolve()
PARTS = sys.argv[2:] or ['messages', 'memory', 'redis', 'stores']
REPEATS = int(os.environ.get('REPEATS', '3'))
SESSIONS, RATE, SECONDS, BATCH = 500, 2500, 10, 100
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix='iotify-bench-'))
MESSAGE = '''message: |
  return '{"client":123,"n":45,"temperature":21.5,"text":"012345678901234567890123456789"}';
'''


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(*command):
    process = subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def nginx():
    """The ports of a server without TLS, and of one that takes any certificate."""
    port, secure = free_port(), free_port()
    if not (FOLDER / 'ca.pem').exists():
        subprocess.run([ROOT / 'certificates.sh', FOLDER], check=True)
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', '/CN=device',
                        '-keyout', FOLDER / 'client.key', '-out', FOLDER / 'client.pem'], check=True, stderr=subprocess.DEVNULL)
    paths = ' '.join(f'{name}_temp_path {FOLDER}/{name};' for name in ('proxy', 'fastcgi', 'uwsgi', 'scgi'))
    (FOLDER / 'nginx.conf').write_text(
        f'daemon off; pid {FOLDER}/pid; error_log {FOLDER}/errors;\nevents {{ worker_connections 12000; }}\n'
        f'http {{ access_log off; client_body_temp_path {FOLDER}/bodies; {paths}\nkeepalive_requests 10000000; keepalive_timeout 1h;\n'
        f'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "ok"; }} }}\n'
        f'server {{ listen 127.0.0.1:{secure} ssl; ssl_certificate {FOLDER}/server.pem; ssl_certificate_key {FOLDER}/server.key; '
        f'ssl_verify_client optional_no_ca; location / {{ return 200 "ok"; }} }} }}\n')
    with server('nginx', '-c', str(FOLDER / 'nginx.conf')):
        yield port, secure


def http_connection(port, secure):
    if not secure:
        return f'{{host: 127.0.0.1, port: {port}, tls: false}}'
    key, cert = (json.dumps((FOLDER / name).read_text()) for name in ('client.key', 'client.pem'))
    return f'{{host: 127.0.0.1, port: {port}, ca: {FOLDER}/ca.pem, key: {key}, cert: {cert}}}'


@contextlib.contextmanager
def broker():
    port = free_port()
    (FOLDER / 'm.conf').write_text(f'listener {port} 127.0.0.1\nallow_anonymous true\n')
    with server('mosquitto', '-c', 'm.conf'):
        yield port


def simulate(transport, connection, clients=SESSIONS, rate=RATE, seconds=SECONDS):
    """CPU time in µs of the whole program, its messages, and its memory in KiB."""
    (FOLDER / 't.yaml').write_text(f'transport: "{transport}"\nconnection: {connection}\npublish: {{topic: bench/t}}\n' + MESSAGE)
    (FOLDER / 'job.yaml').write_text(
        f'devices: {clients}\nplugins: {{glob: {{use: memory}}}}\npipelines:\n  simulate:\n'
        f'    - simulate: {{template: t.yaml, loops: 1, connect_rate: 5000, duration: {seconds}s, interval: {clients / rate}s, '
        f'jitter: {clients / rate}s, thresholds: []}}\n')
    process = subprocess.Popen([str(BUILD / 'bin/iotifyd'), '-q', 'job.yaml', '--json', 'out.json'], cwd=FOLDER, stdout=subprocess.DEVNULL)
    most = 0
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with contextlib.suppress(OSError, IndexError):
            most = max(most, int(pathlib.Path(f'/proc/{process.pid}/statm').read_text().split()[1]) * 4)
        time.sleep(0.05)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    result = json.loads((FOLDER / 'out.json').read_text())['simulate']
    if process.returncode or result['acknowledged'] < 0.7 * rate * seconds:
        sys.exit(f'{transport}: status {process.returncode}, {result["acknowledged"]} messages')
    return (usage.ru_utime + usage.ru_stime) * 1e6, result['acknowledged'], most


def per_message(transport, connection):
    """CPU time in µs that a message more takes: start and connections are left out, as for the bare client."""
    long, short = (simulate(transport, connection, seconds=seconds) for seconds in (SECONDS, 2))
    return (long[0] - short[0]) / (long[1] - short[1])


def row(what, ours, yard, unit, target=''):
    ratio = f'{ours / yard:6.2f}' if yard else '      '
    print(f'{what:58s} {ours:10.2f} {yard or 0:10.2f} {unit:8s} {ratio}  {target}', flush=True)


def requests(port, secure, clients=SESSIONS, rate=RATE, seconds=SECONDS):
    files = [FOLDER / 'client.key', FOLDER / 'client.pem', FOLDER / 'ca.pem'] if secure else []
    done = subprocess.run([BUILD / 'bench/bench-requests', f'http{"s" * secure}://127.0.0.1:{port}/', str(clients), str(rate), str(seconds), *files],
                          check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def messages():
    null, mqtt = [], []
    ours, bare = ([], []), ([], [])
    with nginx() as ports, broker() as port:
        for _ in range(REPEATS):
            for secure in (False, True):
                ours[secure].append(per_message('https', http_connection(ports[secure], secure)))
                bare[secure].append(requests(ports[secure], secure)['cpu_us_per_request'])
            null.append(per_message('null', '{client_id: "c{{client()}}"}'))
            mqtt.append(per_message('mqtt', f'{{host: 127.0.0.1, port: {port}, tls: false, client_id: "c{{{{client()}}}}"}}'))
    middle = statistics.median
    row(f'CPU per message, {SESSIONS} sessions at {RATE}/s: null', middle(null), None, 'µs')
    row('the same: mqtt, QoS 1', middle(mqtt), None, 'µs')
    for secure, name in ((False, 'https without TLS'), (True, 'https with certificates')):
        row(f'the same: {name}, against libcurl alone', middle(ours[secure]), middle(bare[secure]), 'µs', '≤ 1.3')


def memory():
    with nginx() as ports:
        # Handshakes take their time: fewer sessions, and few messages.
        for secure, name, count, rate, seconds in ((False, 'without TLS', 5000, 2500, 8), (True, 'with a certificate', 2000, 200, 20)):
            few = simulate('https', http_connection(ports[secure], secure), 500, 100, seconds)[2]
            many = simulate('https', http_connection(ports[secure], secure), count, rate, seconds)[2]
            bare = requests(ports[secure], secure, count, 500, 2)['kib_per_connection']
            row(f'memory per https session {name}, 500 → {count}', (many - few) / (count - 500), bare, 'KiB')


def puts(plugin, *settings):
    done = subprocess.run([BUILD / 'bench/bench-puts', plugin, str(BATCH), '4', *settings], cwd=FOLDER, check=True,
                          stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def redis():
    script = (ROOT.parent / 'plugins/storage/redis/apply.lua').read_text()
    writes = ['p', 'key:__rand_int__', 'v' * 100, ''] * BATCH
    for fsync in ('always', 'no'):
        folder = FOLDER / fsync
        folder.mkdir()
        with server('redis-server', '--port', '0', '--unixsocket', str(folder / 's'), '--dir', str(folder), '--save', '', '--appendonly', 'yes', '--appendfsync', fsync):
            ours, yard = [], []
            for _ in range(REPEATS):
                ours.append(puts('redis', f'socket={folder}/s'))
                done = subprocess.run(['redis-benchmark', '-s', str(folder / 's'), '-c', '1', '-n', '1000', '-r', '100000', '--csv', 'eval', script, '3',
                                       '{b}:values', '{b}:keys', '{b}:batch:__rand_int__', '2', *writes], check=True, stdout=subprocess.PIPE, text=True)
                yard.append(float(done.stdout.splitlines()[-1].rsplit('",', 7)[1].split('"')[1]) * BATCH)
        row(f'puts per second, batches of {BATCH}: redis, appendfsync {fsync}', statistics.median(ours), statistics.median(yard), 'puts/s', '≥ 0.7')


def stores():
    for plugin in ('memory', 'sqlite', 'file'):
        row(f'puts per second, batches of {BATCH}: {plugin}', puts(plugin), None, 'puts/s')


try:
    print(f'{"":58s} {"iotifyd":>10s} {"yardstick":>10s} {"":8s} {"ratio":>6s}  target')
    for part in PARTS:
        {'messages': messages, 'memory': memory, 'redis': redis, 'stores': stores}[part]()
finally:
    shutil.rmtree(FOLDER)
