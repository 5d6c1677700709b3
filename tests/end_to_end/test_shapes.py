"""Load over time: clients that come, leave and come back, rates, storms, and how a run ends."""
import json
import signal
import time

from fleet import Fleet, MESSAGE, OWN
from support import local_job


class Shapes(Fleet):
    def test_clients_ramp(self):
        self.template(OWN + MESSAGE)
        self.run_job('--series', 's.csv', devices=40, interval='100ms', connect_rate='1000/s',
                     stages='[{name: up, duration: 2s, clients: 40}, {duration: 1500ms}, '
                            '{duration: 2s, clients: 10}, {duration: 1500ms}]')
        rows = self.series()
        connected = [(float(row['seconds']), int(row['connected'])) for row in rows]
        for second, count in connected:
            if second < 1.5:
                self.assertTrue(10 <= count <= 30, connected)
            elif 2.5 < second < 3.4:
                self.assertEqual(40, count, connected)
            elif 5.7 < second < 6.8:
                self.assertEqual(10, count, connected)

    def test_who_left_comes_back(self):
        self.template(OWN + 'init: |\n  state.runs = 0;\nmessage: |\n  state.runs++;\n'
                            '  return JSON.stringify({c: client(), n: index(), r: state.runs});\n'
                            'finish: |\n  metric.add("finished");\n')
        subscriber = self.subscriber()
        results = self.run_job(devices=5, interval='50ms', connect_rate='1000/s',
                               stages='[{duration: 300ms, clients: 5}, {duration: 300ms, clients: 1},'
                                      ' {duration: 300ms, clients: 5}, {duration: 500ms}]')
        subscriber.settle()
        self.assertEqual(0, results['lost'])
        # Those that left have come again, their state with them, and finish() ran once for each.
        self.assertGreaterEqual(results['reconnects'], 3)
        self.assertEqual(5, results['metrics']['finished']['sum'])
        for payload in subscriber.seen:
            message = json.loads(payload)
            self.assertEqual(message['n'] + 1, message['r'])

    def test_rate(self):
        self.template(OWN + MESSAGE)
        results = self.run_job(devices=20, connect_rate='1000/s', loops=2,
                               stages='[{duration: 2s, rate: 200/s}, {duration: 2s}]')
        # A half of the plateau on the way up, and the plateau: 200 and 400.
        self.assertTrue(560 <= results['published'] <= 620, results['published'])

    def test_storm(self):
        self.template(OWN + MESSAGE)
        results = self.run_job(devices=100, interval='100ms', connect_rate='2000/s',
                               reconnect='{backoff: fixed, cap: 200ms}',
                               stages='[{duration: 100ms, clients: 100}, {duration: 1s}, '
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
        """What was not sent while a client was away is not made up for."""
        self.template(OWN + MESSAGE)
        for shape in ('interval: 50ms, stages: [{duration: 10ms, clients: 10}, {duration: 1s}, '
                      '{duration: 10ms, clients: 0}, {duration: 2s}, {duration: 10ms, clients: 10}, '
                      '{duration: 1s}]',
                      'stages: [{duration: 500ms, rate: 200/s}, {duration: 1s, clients: 0}, '
                      '{duration: 1s}, {duration: 500ms, clients: 10}, {duration: 1s}]'):
            self.write('job.yaml', local_job(devices=10, connect_rate='1000/s', loops=1)
                       .replace('loops: 1', 'loops: 1, ' + shape))
            results = self.summary('job.yaml', '--series', 's.csv')['simulate']
            for row in self.series():
                self.assertLessEqual(int(row['published']), 260, shape)
            self.assertLess(results['publish_seconds']['p99'], 0.5)
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
                               stages='[{duration: 300ms, clients: 10}, '
                                      + ', '.join(['{duration: 300ms, storm: 100%}'] * 6) + ']')
        self.assertEqual((60, 0, []), tuple(results[name] for name in (
            'reconnects', 'failed', 'errors')))

    def test_jitter_beyond_the_interval(self):
        self.template(OWN + MESSAGE)
        results = self.run_job(devices=5, iterations=40, interval='20ms', jitter='400ms',
                               thresholds='["publish.p50 < 200ms"]')
        self.assertFalse(results['generator']['saturated'])

    def test_as_fast_as_it_goes(self):
        self.template(OWN + MESSAGE)
        results = self.run_job(devices=2, interval='0s', duration='2s', qos=1)
        self.assertEqual((0, 0), (results['failed'], results['lost']))
        self.assertGreater(results['published'], 1000)
        # Latency counts from when a message could go, not from the beginning of the run.
        self.assertLess(results['publish_seconds']['p50'], 0.5)

    def test_abort_does_not_hold(self):
        self.template(OWN + MESSAGE)
        began = time.monotonic()
        self.run_job(devices=2, iterations=1, hold='20s', status=99,
                     thresholds='[{expression: "published < 1", abort: true}]')
        self.assertLess(time.monotonic() - began, 10)

    def test_a_slow_batch_is_not_stuck(self):
        """Each call keeps to its limit; together they take long."""
        self.template(OWN + 'message: |\n  const t = Date.now(); while (Date.now() - t < 300);\n'
                            '  return "x";\n')
        results = self.run_job(devices=30, iterations=1, interval='100ms', connect_rate='10000/s',
                               loops=1)
        self.assertEqual((30, 0), (results['published'], results['failed']))

    def test_the_end_waits_for_who_reconnects(self):
        """The broker is away when the run ends: what was not acknowledged is sent again."""
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(
            devices=10, duration='2500ms', interval='50ms', connect_rate='1000/s',
            reconnect='{backoff: fixed, cap: 2s, attempts: 20}'))
        subscriber = self.subscriber()
        process = self.spawn('-q', 'job.yaml', '--json', 'summary.json')
        while len(subscriber.order) < 100:
            time.sleep(0.01)
        self.broker.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        self.broker.kill()
        self.broker.wait()
        time.sleep(2.2)
        self.restart_broker()
        self.assertEqual(0, process.wait(60))
        results = json.loads((self.folder / 'summary.json').read_text())['simulate']
        self.assertEqual((results['published'], 0), (results['acknowledged'], results['lost']))
        self.assertGreater(results['resent'], 0)

    def test_the_end_comes_without_a_broker(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(devices=3, duration='1s', interval='50ms',
                                         reconnect='{backoff: fixed, cap: 1s, attempts: 1000}'))
        subscriber = self.subscriber()
        process = self.spawn('-q', 'job.yaml')
        while len(subscriber.order) < 10:
            time.sleep(0.01)
        self.broker.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        self.broker.kill()
        self.broker.wait()
        self.assertEqual(0, process.wait(60))

    def test_hold(self):
        self.template(OWN + MESSAGE)
        began = time.monotonic()
        results = self.run_job(devices=2, iterations=1, hold='1500ms')
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assertEqual(2, results['acknowledged'])
