# SPDX-License-Identifier: Apache-2.0
"""The cost of provisioning: CPU per device, calls per second and memory with a server of canned
answers, compared with boto3 in the same run; and how close to a quota it gets in the sandbox.

    bench/provisioning.sh [DEVICES]
"""
import concurrent.futures
import contextlib
import datetime
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

BUILD = pathlib.Path(sys.argv[1]).resolve()
DEVICES = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
CALLS = 5


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def environment(url, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith('AWS_')}
    return {**kept, 'AWS_ACCESS_KEY_ID': 'AKIDBENCH', 'AWS_SECRET_ACCESS_KEY': 'secret',
            'AWS_REGION': 'eu-central-1', 'AWS_ENDPOINT_URL_IOT': url, **more}


def run(folder, env, devices, workers, quotas, taskset=()):
    """Deploy into a new store: seconds, CPU seconds, peak KiB, the device step of the summary."""
    for path in pathlib.Path(folder).glob('job.*'):
        path.unlink()
    pathlib.Path(folder, 'job.yaml').write_text(
        f'devices: {devices}\nworkers: {workers}\nplugins:\n  aws: {{use: aws-iot{quotas}}}\n')
    began = time.monotonic()
    process = subprocess.Popen([*taskset, BUILD / 'bin/iotifyd', '-q', 'job.yaml', 'deploy', '--json',
                                'job.json'], cwd=folder, env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if status:
        sys.exit(f'deploy failed with {status}')
    steps = json.loads(pathlib.Path(folder, 'job.json').read_text())['steps']
    device = next(step for step in steps if step['step'] == 'aws.device')
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, device


def boto3_device(iot, i):
    """The same work with the SDK for Python: key, certificate, five calls."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f'iotify_{i}')])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(
        key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(
        now).not_valid_after(now + datetime.timedelta(days=7300)).sign(key, hashes.SHA256())
    key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                      serialization.NoEncryption())
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    arn = iot.register_certificate_without_ca(certificatePem=pem, status='ACTIVE')['certificateArn']
    iot.create_thing(thingName=f'iotify_{i}', thingTypeName='iotify_type', attributePayload={
        'attributes': {'iotify_certificate': certificate.fingerprint(hashes.SHA256()).hex()}})
    iot.attach_policy(policyName='IOTIFY_AUTOMATED_POLICY', target=arn)
    iot.attach_thing_principal(thingName=f'iotify_{i}', principal=arn)
    iot.add_thing_to_thing_group(thingGroupName='iotify', thingName=f'iotify_{i}')


def bench_boto3(url, devices):
    import boto3
    import botocore.config
    iot = boto3.client('iot', region_name='eu-central-1', endpoint_url=url, aws_access_key_id='AKIDBENCH',
                       aws_secret_access_key='secret', config=botocore.config.Config(max_pool_connections=16))
    boto3_device(iot, 0)
    before = resource.getrusage(resource.RUSAGE_SELF)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: boto3_device(iot, i), range(devices)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / devices


def bench_cost(folder):
    port = free_port()
    server = subprocess.Popen([BUILD / 'bench/bench-canned', str(port)])
    url = f'http://127.0.0.1:{port}'
    time.sleep(0.2)
    try:
        free = ', quotas: {"*": 1000000}'
        print(f'against canned answers, 64 calls in flight, no limit\n'
              f'{"devices":>10} {"CPU per device":>14} {"calls/s":>9} {"calls/s, one core":>18} {"peak":>9}')
        for devices in (1000, DEVICES, 10 * DEVICES):
            seconds, cpu, peak, device = run(folder, environment(url), devices, 64, free)
            pinned = run(folder, environment(url), devices, 64, free, ('taskset', '-c', '0')) \
                if devices <= DEVICES else None
            one = f'{CALLS * devices / pinned[3]["seconds"]:.0f}' if pinned else '-'
            print(f'{devices:>10} {cpu / devices * 1e3:>11.3f} ms {CALLS * devices / device["seconds"]:>9.0f} '
                  f'{one:>18} {peak / 1024:>6.1f} MB', flush=True)
        mine = cpu / devices
        theirs = bench_boto3(url, 300)
        print(f'boto3: {theirs * 1e3:.2f} ms of CPU per device, {theirs / mine:.1f} times as much')
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def sandbox(folder, *options):
    api, mqtt, https = free_port(), free_port(), free_port()
    process = subprocess.Popen(
        [BUILD / 'bin/iotify-sandbox', '--api-port', str(api), '--mqtt-port', str(mqtt), '--https-port',
         str(https), '--ephemeral', '--dir', str(pathlib.Path(folder, 'sandbox')), *options],
        env=environment(''), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', api), 1):
            break
        time.sleep(0.05)
    try:
        yield f'http://127.0.0.1:{api}'
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def bench_pace(folder):
    print('\nat a quota: AttachPolicy=50 of the account governs, read by Service Quotas')
    for workers in (64, 256):
        with sandbox(folder, '--quota', '*=500,AttachPolicy=50') as url:
            env = environment(url, AWS_ENDPOINT_URL_STS=url, AWS_ENDPOINT_URL_SERVICE_QUOTAS=url)
            _, _, _, device = run(folder, env, 1500, workers, '')
            with urllib.request.urlopen(f'{url}/_sandbox', timeout=10) as answer:
                calls = json.loads(answer.read())['calls']
            made = sum(sum(results.values()) for results in calls.values())
            print(f'{workers:>10} in flight: {1500 / device["seconds"] / 50 * 100:.1f} % of the quota, '
                  f'{device["throttled"] / made * 100:.2f} % throttled, {device["failed"]} failed', flush=True)


with tempfile.TemporaryDirectory(prefix='iotify-bench-') as place:
    bench_cost(place)
    bench_pace(place)
