# SPDX-License-Identifier: Apache-2.0
"""Load test with Locust: its own MqttUser, which publishes at QoS 1, in one process.

    PYTHON bench/peers/locust.py PORT SESSIONS RATE SECONDS

PYTHON has locust and paho-mqtt. This is what `locust --headless` runs, without its command line: an
environment and a local runner. CPU is measured from the first message to the last acknowledgement,
with all sessions connected; memory is the growth of the process from before the first session on.
"""
import sys

sys.path.pop(0)     # this folder: this file and paho.py would hide the packages
import locust       # before other imports: it patches the standard library for gevent

import json
import pathlib
import resource
import time
import warnings

import gevent
import gevent.event
import locust.contrib.mqtt
import locust.env

PAYLOAD = b'x' * 100
SPAWN_RATE = 100    # per second; Locust warns about more
port, sessions, rate, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(
    sys.argv[4])
total = round(rate * seconds)
counts = {'users': 0, 'connected': 0, 'published': 0, 'acknowledged': 0, 'disconnected': 0}
start = gevent.event.Event()


def rss_kib():
    pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def cpu_us():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


class User(locust.contrib.mqtt.MqttUser):
    host, port = '127.0.0.1', port
    use_loop_selectors = True       # its select() cannot handle a thousand sessions
    wait_time = locust.constant_throughput(rate / sessions)

    def on_start(self):
        self.number = counts['users']
        counts['users'] += 1
        start.wait()
        # Otherwise all sessions send at the same time.
        gevent.sleep(self.number / rate)

    @locust.task
    def publish(self):
        if counts['published'] < total:
            counts['published'] += 1
            # One name for all topics: Locust keeps statistics per name.
            self.client.publish('peers/0', PAYLOAD, qos=1)


def on_request(name, exception, **_):
    if name.startswith('publish'):
        counts['acknowledged'] += exception is None
    elif name == 'connect':
        counts['connected'] += exception is None
    elif name == 'disconnect':
        counts['disconnected'] += 1


def wait_for(name, most, limit_s):
    end = time.monotonic() + limit_s
    while counts[name] < most and time.monotonic() < end:
        gevent.sleep(0.02)
    return counts[name]


def main():
    # Locust's use of Paho causes this warning once per session.
    warnings.filterwarnings('ignore', 'Callback API version 1', DeprecationWarning)
    environment = locust.env.Environment(user_classes=[User])
    environment.events.request.add_listener(on_request)
    runner = environment.create_local_runner()
    before = rss_kib()
    runner.start(sessions, spawn_rate=SPAWN_RATE)
    if wait_for('connected', sessions, 30 + sessions / SPAWN_RATE) < sessions:
        sys.exit(f'only {counts["connected"]} sessions connected')
    wait_for('users', sessions, 30)
    cpu = cpu_us()
    start.set()
    # Users that fall behind publish fewer messages: the limit is twice the time.
    wait_for('published', total, 2 * seconds + sessions / rate)
    wait_for('acknowledged', counts['published'], 10)
    cpu, memory = cpu_us() - cpu, rss_kib() - before
    if counts['disconnected']:
        print(f'{counts["disconnected"]} connections were lost', file=sys.stderr)

    print(json.dumps({
        'tool': 'locust', 'sessions': sessions, 'published': counts['published'],
        'acknowledged': counts['acknowledged'],
        'cpu_us_per_message': round(cpu / counts['published'], 1),
        'rss_kib_per_session': round(memory / sessions, 1)}), flush=True)
    runner.quit()


if __name__ == '__main__':
    main()
