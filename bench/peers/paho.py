# SPDX-License-Identifier: Apache-2.0
"""Load test with Paho: sessions that publish at QoS 1, in one thread with one epoll.

    build/venv/bin/python bench/peers/paho.py PORT SESSIONS RATE SECONDS

CPU is measured from the first message to the last acknowledgement, with all sessions connected;
memory is the growth of the process from before the first session until then.
"""
import json
import pathlib
import resource
import select
import sys
import time

sys.path.pop(0)     # this folder: this file would hide the package
import paho.mqtt.client as mqtt

PAYLOAD = b'x' * 100
MISC_EVERY_S = 5
port, sessions, rate, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(
    sys.argv[4])
counts = {'connected': 0, 'acknowledged': 0}


def rss_kib():
    pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def cpu_us():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


def on_connect(client, userdata, flags, reason_code, properties):
    counts['connected'] += not reason_code.is_failure


def on_publish(client, userdata, mid, reason_code, properties):
    counts['acknowledged'] += not reason_code.is_failure


class Loop:
    """The event loop of a single-threaded program with Paho's clients.

    Without a thread and without write callbacks, publish() writes to the socket itself: the loop
    has to write only what the socket did not take. This is the cheapest way to use Paho.
    """

    def __init__(self):
        self.epoll = select.epoll()
        self.clients = {}
        self.misc_at = time.monotonic() + MISC_EVERY_S

    def add(self, number):
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f'paho-{number}')
        client.on_connect, client.on_publish = on_connect, on_publish
        client.connect('127.0.0.1', port)
        self.clients[client.socket().fileno()] = client
        self.epoll.register(client.socket(), select.EPOLLIN)
        return client

    def want(self, client):
        """After a call that may write: wait until the socket is writable if data is left."""
        if client.want_write():
            self.epoll.modify(client.socket(), select.EPOLLIN | select.EPOLLOUT)

    def turn(self, timeout):
        for descriptor, events in self.epoll.poll(timeout):
            client = self.clients[descriptor]
            if events & select.EPOLLOUT:
                client.loop_write()
                if not client.want_write():
                    self.epoll.modify(descriptor, select.EPOLLIN)
            if events & ~select.EPOLLOUT:
                if client.loop_read() != mqtt.MQTT_ERR_SUCCESS:
                    sys.exit('the broker closed a connection')
                self.want(client)
        if time.monotonic() >= self.misc_at:
            self.misc_at = time.monotonic() + MISC_EVERY_S
            for client in self.clients.values():
                client.loop_misc()


def main():
    before = rss_kib()
    loop = Loop()
    clients = []
    for number in range(sessions):
        clients.append(loop.add(number))
        loop.turn(0)
    while counts['connected'] < sessions:
        loop.turn(1)

    total, published = round(rate * seconds), 0
    cpu, began = cpu_us(), time.monotonic()
    while published < total:
        due = min(total, int((time.monotonic() - began) * rate) + 1)
        while published < due:
            session = published % sessions
            clients[session].publish(f'peers/{session}', PAYLOAD, qos=1)
            loop.want(clients[session])
            published += 1
        loop.turn(max(0, began + published / rate - time.monotonic()))
    end = time.monotonic() + 10
    while counts['acknowledged'] < total and time.monotonic() < end:
        loop.turn(0.01)
    cpu, memory = cpu_us() - cpu, rss_kib() - before

    print(json.dumps({
        'tool': 'paho', 'sessions': sessions, 'published': published,
        'acknowledged': counts['acknowledged'], 'cpu_us_per_message': round(cpu / published, 1),
        'rss_kib_per_session': round(memory / sessions, 1)}))
    for client in clients:
        client.disconnect()


if __name__ == '__main__':
    main()
