# SPDX-License-Identifier: Apache-2.0
"""The cost of simulated devices: memory per session, CPU per handshake and per message, schedule
error, and the number of sessions that one process holds; compared in the same run with a minimal
client (bench/raw.c) and other tools.

    bench/fleet.sh [SESSIONS [PART…]]        parts: memory reconnect handshake publish scale schedule outputs peers most
"""
import contextlib
import csv
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(sys.argv[1]).resolve()
SESSIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
PARTS = sys.argv[3:] or ['memory', 'reconnect', 'handshake', 'publish', 'scale', 'schedule', 'peers']
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix='iotify-bench-'))
IOTIFYD = str(BUILD / 'bin/iotifyd')
REPEATS = int(os.environ.get("REPEATS", "3"))

MESSAGE = '''message: |
  state.temperature = volatile({key: "temperature", min: 18, max: 30, delta: 0.5});
  return JSON.stringify({client: client(), n: index(), temperature: state.temperature,
    text: "012345678901234567890123456789"});
'''
PLAIN = '''connection: {host: 127.0.0.1, port: %d, tls: false, client_id: "iotify_{{client()}}",
  keepalive: 1200s}
publish: {topic: "iotify/iotify_{{client()}}/telemetry", qos: 1}
''' + MESSAGE
TLS = '''connection:
  host: localhost
  port: %d
  ca: ca.pem
  client_id: "iotify_{{client()}}"
  keepalive: 1200s
  key:  "{{state.__$key}}"
  cert: "{{state.__$cert}}"
publish: {topic: "iotify/iotify_{{client()}}/telemetry", qos: 1}
init: |
  state.__$key  = glob.get("aws_iotify_" + client() + "_key");
  state.__$cert = glob.get("aws_iotify_" + client() + "_cert");
''' + MESSAGE
JOB = '''name: bench
devices: %d
plugins:
  aws: {use: aws-iot, region: eu-central-1, quotas: {"*": 100000}}
  glob: {use: sqlite, path: bench.db}
seal: {with: none}
workers: 64
pipelines:
  simulate:
    - simulate: {template: t.yaml}
'''
STEP = 'pipelines.simulate.0.simulate.'


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith('AWS_')}
    return {**kept, 'AWS_ACCESS_KEY_ID': 'AKIDBENCH', 'AWS_SECRET_ACCESS_KEY': 'secret',
            'AWS_EC2_METADATA_DISABLED': 'true', **more}


def free_port():
    """A port below those of outgoing connections, of which a benchmark uses thousands."""
    for port in range(21000 + os.getpid() % 500 * 20, 32000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue
    sys.exit('no free port')


class Sink:
    """bench-sink, plain or with TLS."""

    def __init__(self, tls=False):
        self.port = free_port()
        certificate = [str(FOLDER / 'server.pem'), str(FOLDER / 'server.key')] if tls else []
        self.process = subprocess.Popen([BUILD / 'bench/bench-sink', str(self.port), *certificate],
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)


def deploy():
    """Create a certificate and a key per device, with a control plane that answers at once."""
    port = free_port()
    server = subprocess.Popen([BUILD / 'bench/bench-canned', str(port)])
    time.sleep(0.3)
    (FOLDER / 'job.yaml').write_text(JOB % SESSIONS)
    try:
        subprocess.run([IOTIFYD, '-q', 'job.yaml', 'deploy'], cwd=FOLDER, check=True,
                       stdout=subprocess.DEVNULL, env=environment(
                           AWS_ENDPOINT_URL_IOT=f'http://127.0.0.1:{port}'))
    finally:
        server.terminate()
        server.wait()


def resident(process):
    for line in pathlib.Path(f'/proc/{process.pid}/status').read_text().splitlines():
        if line.startswith('VmRSS'):
            return int(line.split()[1])
    return 0


def cpu_of(process):
    fields = pathlib.Path(f'/proc/{process.pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def simulate(sink, tls, clients, outputs=('--series', 'out.csv'), **settings):
    """Start a simulation; finish() returns its rows, one per second, and its summary."""
    (FOLDER / 't.yaml').write_text((TLS if tls else PLAIN) % sink.port)
    settings = {'clients': clients, 'loops': 1, 'connect_rate': 5000, **settings}
    sets = [word for name, value in settings.items() for word in ('--set', f'{STEP}{name}={value}')]
    return subprocess.Popen([IOTIFYD, '-q', 'job.yaml', 'simulate', '--json', 'out.json', *outputs,
                             *sets], cwd=FOLDER, env=environment(),
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finish(process):
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f'iotifyd ended with {process.returncode}')
    with open(FOLDER / 'out.csv') as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads((FOLDER / 'out.json').read_text())['simulate'], usage


def raw(*arguments):
    done = subprocess.run([BUILD / 'bench/bench-raw', *map(str, arguments)], stdout=subprocess.PIPE,
                          check=True, env=environment(BENCH_CA=str(FOLDER / 'ca.pem')))
    return json.loads(done.stdout)


def print_row(what, ours, yard, unit, target):
    ratio = f'{ours / yard:6.2f}' if yard else '      '
    print(f'{what:52s} {ours:10.2f} {yard or 0:10.2f} {unit:8s} {ratio}  {target}', flush=True)


# ------------------------------------------------------------------ parts


def held(tls, clients, storms=0):
    """Memory of a process that holds this number of connected sessions, after so many storms in
    each of which all connections break and come back."""
    rate, began = 600 if tls else 5000, 0
    settings = {'iterations': 1, 'hold': '1h'}
    if storms:
        pause = clients // 250 + 2
        began = pause * (storms + 1)
        stages = [{'duration': f'{pause}s', 'clients': clients}] + [
            {'duration': f'{pause}s', 'storm': '100%'}] * storms
        settings = {'interval': '10m', 'jitter': '10m', 'reconnect': {'backoff': 'none', 'cap': '1s'},
                    'stages': [*stages, {'duration': '1h'}]}
        settings = {name: json.dumps(value) for name, value in settings.items()}
    with Sink(tls) as sink:
        process = simulate(sink, tls, clients, connect_rate=rate, **settings)
        wanted = str(clients)
        while process.poll() is None:
            time.sleep(0.5)
            with open(FOLDER / 'out.csv') as file:
                rows = list(csv.DictReader(file))
            if rows and rows[-1]['connected'] == wanted and float(rows[-1]['seconds']) > began:
                break
        time.sleep(3)
        memory = resident(process)
        process.send_signal(signal.SIGINT)
        process.wait()
        return memory


def memory():
    few = min(1000, SESSIONS // 10)
    for tls, target in ((True, '≤ 26 KiB'), (False, '≤ 2.5 KiB')):
        least, most = held(tls, few), held(tls, SESSIONS)
        print_row(f'memory per session, {"mTLS" if tls else "plain"}, {few} → {SESSIONS}',
                  (most - least) / (SESSIONS - few), None, 'KiB', target)


def reconnect():
    """What a session costs that has come back, against one that has not."""
    few, many = min(500, SESSIONS // 10), min(4000, SESSIONS)
    slopes = [(held(True, many, storms) - held(True, few, storms)) / (many - few)
              for storms in (0, 1, 10)]
    print_row('memory per session after 1 reconnect, mTLS', slopes[1], slopes[0], 'KiB', '')
    print_row('memory per session after 10 reconnects, mTLS', slopes[2], slopes[0], 'KiB', '≤ 25 KiB')


def handshake():
    """CPU slope of whole runs between few and many sessions, with init, glob and parsing."""
    few, many = min(200, SESSIONS // 10), min(4000, SESSIONS)
    ratios = []
    for _ in range(REPEATS):
        with Sink(True) as sink:
            yard = raw('connect', sink.port, many - few, 16, 'generate')
            cpu = []
            for clients in (few, many):
                *_, usage = finish(simulate(sink, True, clients, connect_rate=1000, iterations=1))
                cpu.append(usage.ru_utime + usage.ru_stime)
            ours = (cpu[1] - cpu[0]) * 1e6 / (many - few)
            whole = yard['cpu_us_per_connect'] + yard['cpu_us_per_decode']
            ratios.append((ours / whole, ours, whole, yard['cpu_us_per_connect']))
    ratio, ours, whole, connect = statistics.median_low(ratios)
    print_row('CPU per session: init, decoding, handshake, message', ours, whole, 'µs',
              f'≤ 1.25 (the handshake alone is {connect:.0f} of the raw client)')


def steady(rows):
    """CPU per message in µs, without the first and last rows of the run."""
    rows = [row for row in rows[3:-2]]
    messages = sum(int(row['published']) for row in rows[1:])
    cpu = sum(float(row['cpu']) * (float(row['seconds']) - float(before['seconds']))
              for before, row in zip(rows, rows[1:]))
    return cpu * 1e6 / max(messages, 1)


def publish_once(tls, clients, rate, seconds=10):
    with Sink(tls) as sink:
        yard = raw('publish', sink.port, clients, rate, seconds, *(['generate'] if tls else []))
        ramp = clients / (600 if tls else 5000)
        process = simulate(sink, tls, clients, connect_rate=600 if tls else 5000,
                           interval=f'{clients * 1000000 // rate}us', jitter=f'{clients * 1000 // rate}ms',
                           duration=f'{seconds + ramp:.0f}s')
        rows, summary, _ = finish(process)
        if summary['lost'] or summary['failed']:
            sys.exit(f'lost {summary["lost"]}, failed {summary["failed"]}')
        connected = [row for row in rows if row['connected'] == str(clients)]
        return steady(connected), yard['cpu_us_per_message'], summary


def publish():
    for tls, target in ((False, '≤ 1.35'), (True, '≤ 1.15')):
        results = sorted((ours / yard, ours, yard) for ours, yard, _ in (
            publish_once(tls, 1000, 10000) for _ in range(REPEATS)))
        _, ours, yard = results[REPEATS // 2]
        print_row(f'CPU per QoS 1 message with script, 1000 {"mTLS" if tls else "plain"} at 10000/s',
                  ours, yard, 'µs', target)


def scale():
    costs = {}
    for clients in (1000, SESSIONS):
        costs[clients] = statistics.median(
            publish_once(False, clients, 5000)[0] for _ in range(REPEATS))
    print_row(f'CPU per message at 5000/s: {SESSIONS} against 1000 sessions', costs[SESSIONS],
              costs[1000], 'µs', '≤ 1.15')


def schedule():
    """The schedule error at half of the maximum rate of one loop."""
    with Sink() as sink:
        rows, summary, _ = finish(simulate(sink, False, 1000, interval='0s', pacing='closed',
                                           duration='6s'))
        most = sorted(int(row['published']) for row in rows)[-2]
        half = most // 2
        rows, summary, _ = finish(simulate(sink, False, 1000, interval=f'{1000 * 1000000 // half}us',
                                           jitter=f'{1000 * 1000000 // half}us', duration='20s'))
    # Without the seconds in which the clients connect.
    errors = [float(row['lag_p99_seconds']) * 1e3 for row in rows[2:-1] if row['lag_p99_seconds']]
    print_row(f'schedule error p99 at {half}/s, half of the saturation', statistics.median(errors),
              None, 'ms', f'≤ 2 ms (the worst second: {max(errors):.2f})')


def others(process):
    """CPU seconds of a run, and of its threads without the busiest, which is the loop."""
    used = {}
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        for thread in pathlib.Path(f'/proc/{process.pid}/task').glob('*/schedstat'):
            with contextlib.suppress(OSError, ValueError, IndexError):
                used[thread.parent.name] = int(thread.read_text().split()[0]) / 1e9
        time.sleep(0.02)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f'iotifyd ended with {process.returncode}: ' + json.loads((FOLDER / 'out.json').read_text())['verdict'])
    total = usage.ru_utime + usage.ru_stime
    return total, total - max(used.values())


@contextlib.contextmanager
def browser(url):
    """Chromium with the page, in a profile of its own; it is stopped at the end."""
    time.sleep(1)
    with tempfile.TemporaryDirectory(prefix='iotify-bench-') as profile:
        process = subprocess.Popen(
            ['chromium', '--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0',
             f'--user-data-dir={profile}', url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(0.5)


def outputs():
    """What report, series and live page cost, by the threads that they run on; the runs alternate."""
    kinds = {'no output': [], 'report, series, live page': [], 'the same with a browser': []}
    with Sink() as sink:
        port = free_port()
        for _ in range(REPEATS):
            for kind, used in kinds.items():
                more = () if kind == 'no output' else (
                    '--series', 'out.csv', '--report', 'out.html', '--dashboard-port', str(port))
                process = simulate(sink, False, 1000, more, interval='100ms', jitter='100ms', duration='30s')
                with browser(f'http://127.0.0.1:{port}/') if 'browser' in kind else contextlib.nullcontext():
                    used.append(others(process))
    bare = kinds.pop('no output')
    total, least = (statistics.median(values) for values in zip(*bare))
    for (kind, used), target in zip(kinds.items(), (2, 3)):
        more = statistics.median(other for _, other in used) - least
        print_row(f'CPU of a run at 10000/s, 30 s: {kind}', total + more, total, 's', f'< {1 + target / 100} ({more * 1e3:.0f} ms)')


def peers():
    tools = (('MQTT.js', ['build/peers/node_modules/.bin/node', 'bench/peers/mqttjs.mjs']),
             ('paho-python', ['build/venv/bin/python', 'bench/peers/paho.py']),
             ('Locust', ['build/locust/bin/python', 'bench/peers/locust.py']),
             ('mosquitto_pub, one session', ['bench/peers/mosquitto_pub.sh']))
    with Sink() as sink:
        ours = steady([row for row in finish(simulate(
            sink, False, 1000, interval='1s', jitter='1s', duration='12s'))[0]
            if row['connected'] == '1000'])
        for name, command in tools:
            if not (ROOT.parent / command[0]).exists():
                print(f'{name}: not installed')
                continue
            done = subprocess.run([*command, str(sink.port), '1000', '1000', '10'], cwd=ROOT.parent,
                                  stdout=subprocess.PIPE, text=True)
            if done.returncode:
                print(f'{name}: failed')
                continue
            result = json.loads(done.stdout.splitlines()[-1])
            print_row(f'CPU per message at 1000/s: {name} against iotifyd',
                      result['cpu_us_per_message'], ours, 'µs',
                      f'{result["rss_kib_per_session"]:.0f} KiB per session')


def most():
    """Run SESSIONS sessions over mutual TLS; print the peak, losses, failures and memory."""
    clients = SESSIONS
    with Sink(True) as sink:
        process = simulate(sink, True, clients, connect_rate=400, iterations=3, interval='30s',
                           loops=2)
        peak, memory_peak = 0, 0
        while process.poll() is None:
            time.sleep(1)
            try:
                memory_peak = max(memory_peak, resident(process))
            except OSError:
                break
        if process.returncode is None:
            process.wait()
        with open(FOLDER / 'out.csv') as file:
            peak = max(int(row['connected']) for row in csv.DictReader(file))
        summary = json.loads((FOLDER / 'out.json').read_text())['simulate']
    print(f'{peak} sessions at once; {summary["published"]} published, {summary["acknowledged"]} '
          f'acknowledged, {summary["lost"]} lost, {summary["failed"]} failed; {memory_peak // 1024} MiB; '
          f'exit status {process.returncode}')


def main():
    subprocess.run([ROOT / 'certificates.sh', FOLDER], check=True)
    if set(PARTS) - {'scale', 'schedule', 'peers'}:
        deploy()
    else:
        (FOLDER / 'job.yaml').write_text(JOB % SESSIONS)
    print(f'{"":52s} {"iotifyd":>10s} {"yardstick":>10s}          {"ratio":>6s}  target')
    for part in PARTS:
        globals()[part]()


if __name__ == '__main__':
    try:
        main()
    finally:
        shutil.rmtree(FOLDER)
