# SPDX-License-Identifier: Apache-2.0
"""Load over time: clients that connect, leave and return, rates, storms, and the end of a run."""
import json
import time

from fleet import Fleet, MESSAGE, OWN
from support import local_job, wait_until


class Shapes(Fleet):
    def test_clients_ramp(self):
        self.template(OWN + MESSAGE)
        self.run_job('--series', 's.csv', devices=40, interval='100ms', connect_rate='1000/s',
                     stages='[{name: up, duration: 3s, clients: 40}, {duration: 3s}, '
                            '{duration: 3s, clients: 10}, {duration: 3s}]')
        rows = self.series()
        connected = [(float(row['seconds']), int(row['connected'])) for row in rows]
        counts = [count for _, count in connected]
        top = counts.index(40)
        self.assertEqual(sorted(counts[:top + 1]), counts[:top + 1], connected)
        self.assertEqual(sorted(counts[top:], reverse=True), counts[top:], connected)
        # Each row matches the number that the stages require at that time, within ±1.5 s.
        for second, count in connected[:-1]:
            near = [self.ramp(second + late) for late in (-1.5, 0, 1.5)]
            self.assertTrue(min(near) - 1 <= count <= max(near) + 1, connected)
        self.assertEqual(10, counts[-2], connected)

    @staticmethod
    def ramp(second):
        """The number of clients: up to 40 in 3 s, hold for 3 s, then down to 10 in 3 s."""
        if second < 6:
            return max(0, min(40, 40 * second / 3))
        return max(10, 40 - 30 * (second - 6) / 3)

    def test_who_left_comes_back(self):
        self.template(OWN + 'init: |\n  state.runs = 0;\nmessage: |\n  state.runs++;\n'
                            '  return JSON.stringify({c: client(), n: index(), r: state.runs});\n'
                            'finish: |\n  metric.add("finished");\n')
        subscriber = self.subscriber()
        results = self.run_job(devices=5, interval='50ms', connect_rate='1000/s',
                               stages='[{duration: 300ms, clients: 5}, {duration: 10ms, clients: 1},'
                                      ' {duration: 3s}, {duration: 10ms, clients: 5}, {duration: 3s}]')
        subscriber.settle()
        self.assertEqual(0, results['lost'])
        # The clients that left returned with their state, and finish() ran once for each client.
        self.assertEqual(4, results['reconnects'])
        self.assertEqual(5, results['metrics']['finished']['sum'])
        for payload in subscriber.seen:
            message = json.loads(payload)
            self.assertEqual(message['n'] + 1, message['r'])

    def test_rate(self):
        self.template(OWN + MESSAGE)
        results = self.run_job(devices=20, connect_rate='1000/s', loops=2,
                               stages='[{duration: 2s, rate: 200/s}, {duration: 4s}]')
        # Half of the plateau during the ramp of 2 s, and the plateau for 4 s: 200 and 800. A slow
        # machine may miss the messages that were due in the last second.
        self.assertTrue(800 <= results['published'] <= 1010, results['published'])

    def test_storm(self):
        self.template(OWN + MESSAGE)
        results = self.run_job(devices=100, interval='100ms', connect_rate='2000/s',
                               reconnect='{backoff: fixed, cap: 200ms}',
                               stages='[{duration: 100ms, clients: 100}, {duration: 4s}, '
                                      '{name: outage, duration: 2s, storm: 30%}]')
        self.assertEqual((100, 0, 0), tuple(results[name] for name in (
            'connected', 'lost', 'failed')))
        self.assertTrue(15 <= results['reconnects'] <= 45, results['reconnects'])
        again = self.summary('job.yaml')['simulate']
        self.assertEqual(results['reconnects'], again['reconnects'])

    def test_a_seed_makes_all_the_same(self):
        self.template(OWN + 'message: |\n'
                            '  return [client(), index(), Math.random(), volatile({key: "a", min: 0, '
                            'max: 9, delta: 1}), volatile({key: "b", min: 0, max: 1})].join();\n')
        sent = []
        for loops, seed in ((1, 7), (2, 7), (1, 8)):
            subscriber = self.subscriber()
            self.run_job(devices=7, iterations=10, interval='5ms', jitter='20ms', loops=loops,
                         seed=seed)
            subscriber.settle()
            subscriber.close()
            sent.append(sorted(subscriber.seen.elements()))
        self.assertEqual(70, len(sent[0]))
        self.assertEqual(sent[0], sent[1])
        self.assertNotEqual(sent[0], sent[2])

    def test_closed_pacing_and_no_interval(self):
        self.template(OWN + MESSAGE)
        results = self.run_job(devices=5, pacing='closed', interval='0s', iterations=200)
        self.assertEqual((1000, 1000), (results['published'], results['acknowledged']))

    def test_who_comes_back_begins_anew(self):
        """Messages that were due while a client was away are not sent later."""
        self.template(OWN + MESSAGE)
        for shape, asked in (
                ('interval: 50ms, stages: [{duration: 10ms, clients: 10}, {duration: 1s}, '
                 '{duration: 10ms, clients: 0}, {duration: 2s}, {duration: 10ms, clients: 10}, '
                 '{duration: 1s}]', 400),
                ('stages: [{duration: 500ms, rate: 200/s}, {duration: 1s, clients: 0}, '
                 '{duration: 1s}, {duration: 500ms, clients: 10}, {duration: 1s}]', 550)):
            self.write('job.yaml', local_job(devices=10, connect_rate='1000/s', loops=1)
                       .replace('loops: 1', 'loops: 1, ' + shape))
            results = self.summary('job.yaml', '--series', 's.csv')['simulate']
            # The messages that the stages require, without those that were due while clients were
            # away: these would be 200 more, late by a second or more.
            self.assertLessEqual(results['published'], asked + 100, shape)
            self.assertLess(results['publish_seconds']['p90'], 0.8)
            self.assertEqual(0, results['failed'])

    def test_storm_between_leaving_and_coming_back(self):
        self.template(OWN + 'message: |\n  return "x";\nfinish: |\n  metric.add("finished");\n')
        began = time.monotonic()
        results = self.run_job(
            devices=10, iterations=12, interval='200ms', hold='1500ms', connect_rate='1000/s',
            reconnect='{backoff: fixed, cap: 500ms}',
            stages='[{duration: 10ms, clients: 10}, {duration: 1s}, {duration: 10ms, storm: 100%}, '
                   '{duration: 100ms, clients: 0}, {duration: 500ms}, {duration: 10ms, clients: 10}, '
                   '{duration: 6s}]')
        self.assertGreater(time.monotonic() - began, 4)
        self.assertEqual((120, 120, 0, 0), tuple(results[name] for name in (
            'published', 'acknowledged', 'failed', 'lost')))
        self.assertEqual(([], 10), (results['errors'], results['metrics']['finished']['sum']))

    def test_storms_are_no_failed_attempts(self):
        self.template(OWN + MESSAGE)
        results = self.run_job(devices=10, interval='60s', connect_rate='1000/s',
                               reconnect='{backoff: none, attempts: 1}',
                               stages='[{duration: 300ms, clients: 10}, {duration: 2s}, '
                                      + ', '.join(['{duration: 1500ms, storm: 100%}'] * 6) + ']')
        self.assertEqual((60, 0, []), tuple(results[name] for name in (
            'reconnects', 'failed', 'errors')))

    def test_jitter_beyond_the_interval(self):
        self.template(OWN + MESSAGE)
        results = self.run_job(devices=5, iterations=40, interval='100ms', jitter='4s')
        # Latency counts from the due time with jitter: counted without it, half of the messages
        # would be late by 2 s, the average jitter.
        self.assertEqual(200, results['acknowledged'])
        self.assertLess(results['publish_seconds']['p50'], 1)

    def test_as_fast_as_it_goes(self):
        self.template(OWN + MESSAGE)
        results = self.run_job(devices=2, interval='0s', duration='4s', qos=1)
        self.assertEqual((0, 0), (results['failed'], results['lost']))
        self.assertGreater(results['published'], 1000)
        # Latency counts from when a message could be sent, not from the start of the run.
        self.assertLess(results['publish_seconds']['p50'], 1)

    def test_abort_does_not_hold(self):
        self.template(OWN + MESSAGE)
        began = time.monotonic()
        self.run_job(devices=2, iterations=1, hold='60s', status=99,
                     thresholds='[{expression: "published < 1", abort: true}]')
        self.assertLess(time.monotonic() - began, 50)

    def test_a_slow_batch_is_not_stuck(self):
        """Each call is within its limit; all together take long."""
        self.template(OWN + 'message: |\n  const t = Date.now(); while (Date.now() - t < 300);\n'
                            '  return "x";\n')
        results = self.run_job(devices=30, iterations=1, interval='100ms', connect_rate='10000/s',
                               loops=1)
        self.assertEqual((30, 0), (results['published'], results['failed']))

    def test_the_end_waits_for_who_reconnects(self):
        """The broker is down when the run ends: unacknowledged messages are sent again."""
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(
            devices=10, duration='10s', interval='50ms', connect_rate='1000/s',
            reconnect='{backoff: fixed, cap: 1s, attempts: 100}'))
        subscriber = self.subscriber()
        process = self.spawn('-q', 'job.yaml', '--json', 'summary.json')
        wait_until(lambda: len(subscriber.order) >= 50, '50 messages')
        self.kill_broker()
        # The ten seconds began before this sleep, so they end before it.
        time.sleep(11)
        self.restart_broker()
        self.assertEqual(0, process.wait(60))
        results = json.loads((self.folder / 'summary.json').read_text())['simulate']
        self.assertEqual((results['published'], 0), (results['acknowledged'], results['lost']))
        self.assertGreater(results['resent'], 0)

    def test_the_end_comes_without_a_broker(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(devices=3, duration='10s', interval='50ms',
                                         reconnect='{backoff: fixed, cap: 1s, attempts: 1000}'))
        subscriber = self.subscriber()
        process = self.spawn('-q', 'job.yaml')
        wait_until(lambda: len(subscriber.order) >= 10, '10 messages')
        self.kill_broker()
        self.assertEqual(0, process.wait(60))

    def test_hold(self):
        self.template(OWN + MESSAGE)
        began = time.monotonic()
        results = self.run_job(devices=2, iterations=1, hold='1500ms')
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assertEqual(2, results['acknowledged'])
