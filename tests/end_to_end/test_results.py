# SPDX-License-Identifier: Apache-2.0
"""What programs read: comparisons of runs, metrics, and the log as JSON."""
import contextlib
import json
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

import jsonschema

from fleet import Fleet, MESSAGE, OWN
from support import IOTIFYD, Metrics, free_port, job, local_job, wait_for_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Comparisons(Fleet):
    def setUp(self):
        super().setUp()
        self.template(OWN + 'message: |\n  metric.add("heat", index());\n  return "m" + index();\n')
        self.write('job.yaml', local_job(devices=2, iterations=20, interval='10ms', stages='[{name: "a<b>", duration: 60s}]'))
        self.before = self.summary('-q', 'job.yaml')
        # How busy this machine is does not matter here: of saturated runs nothing is judged.
        self.before['simulations'][0]['generator']['saturated'] = False
        self.write('summary.json', json.dumps(self.before))

    def change(self, **members):
        """A second run whose only simulation has other numbers."""
        summary = json.loads(json.dumps(self.before))
        for member, value in members.items():
            part, *rest = member.split('__')
            if rest:
                summary['simulations'][0][part][rest[0]] = value
            elif part in summary:
                summary[part] = value
            else:
                summary['simulations'][0][part] = value
        self.write('after.json', json.dumps(summary))

    def compare(self, *limits, after='after.json', status=0, more=()):
        options = [word for limit in limits for word in ('--limit', limit)]
        return self.iotifyd('compare', 'summary.json', after, *options, *more, status=status)

    def test_numbers_side_by_side(self):
        self.change(publish_seconds__p99=self.before['simulate']['publish_seconds']['p99'] * 1.5, received=7)
        text = self.compare().stdout
        self.assertRegex(text, r'\n  publish\.p99 +[\d.]+ \S+ +[\d.]+ \S+ +\+50%\n')
        self.assertRegex(text, r'\n  published +40 +40 +=\n')
        self.assertRegex(text, r'\n  received +0 +7 +new\n')
        self.assertRegex(text, r'\n  heat\.mean +9\.5 +9\.5 +=\n')
        self.assertRegex(text, r'\n  simulate/simulate +[\d.]+ m?s ')

    def test_limits(self):
        p99 = self.before['simulate']['publish_seconds']['p99']
        self.change(publish_seconds__p99=p99 * 1.2, acknowledged=36)
        for limit, status in (('publish.p99 +25%', 0), ('publish.p99 +15%', 99), ('publish.p99 +1h', 0), ('publish.p99 +1ns', 99),
                              ('publish.p99 -0%', 0), ('acknowledged -10%', 0), ('acknowledged -9.9%', 99), ('acknowledged -4', 0), ('acknowledged -3', 99),
                              ('failed +0', 0), ('failed +0%', 0), ('heat.mean +0%', 0), ('heat+0', 0), ('generator.cpu +0', 0), ('end_to_end.p99 +10%', 99)):
            with self.subTest(limit):
                text = self.compare(limit, status=status).stdout
                self.assertRegex(text, rf'(?m)^limit {re.escape(limit)}: {"crossed" if status else "ok"} \(')
        self.assertIn('(no value)', self.compare('end_to_end.p99 +10%', status=99).stdout)
        # Zero that becomes something is more than any share of it.
        self.change(failed=1)
        self.compare('failed +1000%', status=99)
        self.assertEqual(2, len(re.findall('crossed', self.compare('failed +0', 'failed +0%', status=99).stdout)))

    def test_names_of_scripts_do_not_hide_others(self):
        """What is built in comes first, then a metric's own name, then a statistic of another."""
        metric = dict(self.before['simulations'][0]['metrics']['heat'])
        metrics = {'failed': metric, 'publish': metric, 'queue': {**metric, 'max': 7}, 'queue.max': {**metric, 'sum': 5}}
        self.change(metrics=metrics)
        (self.folder / 'after.json').rename(self.folder / 'before.json')
        self.before['simulations'][0]['failed'] = 1000
        self.change(metrics=metrics)
        done = self.iotifyd('compare', 'before.json', 'after.json', '--limit', 'failed +0', '--limit', 'queue.max +0', status=99)
        self.assertIn('limit failed +0: crossed (1000, was 0)', done.stdout)
        self.assertIn('limit queue.max +0: ok (5, was 5)', done.stdout)

    def test_verdict(self):
        """The last line says it, also with -q, where it is the only one."""
        self.change(failed=1)
        for limits, status, verdict in ((['lost +0'], 0, 'PASSED: 1 limit holds'), (['lost +0', 'published +1%'], 0, 'PASSED: 2 limits hold'),
                                        (['lost +0', 'failed +0'], 99, 'FAILED: failed +0 does not hold: 1, was 0')):
            self.assertEqual(verdict, self.compare(*limits, status=status).stdout.splitlines()[-1])
            self.assertEqual(verdict + '\n', self.compare(*limits, status=status, more=('-q',)).stdout)
        self.assertEqual('', self.compare(more=('-q',)).stdout)
        with open('/dev/full', 'w') as full:
            done = subprocess.run([IOTIFYD, 'compare', 'summary.json', 'after.json', '--limit', 'failed +0'], cwd=self.folder, stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(1, done.returncode)

    def test_limits_that_are_none(self):
        self.change()
        for limit, message in (('publish.p98 +10%', 'unknown metric "publish.p98"'), ('publish.p99', 'invalid limit'), ('', 'invalid limit'),
                               ('publish.p99 +5', 'needs a share such as 10% or a time such as 5ms'), ('failed +5ms', 'a share such as 10% or a number'),
                               ('failed + 5 +', 'invalid limit'), ('publish.p99 +5constructor', 'needs a share'), ('publish.p99 +1w', 'needs a share')):
            with self.subTest(limit):
                done = self.compare(limit, status=2)
                self.assertIn(message, done.stderr)
                self.assertEqual('', done.stdout)

    def test_runs_that_cannot_be_compared(self):
        """A warning says why, nothing is judged, and the exit code is 0."""
        for members, reason in (({'job': 'other'}, 'they are of different jobs, job and other'), ({'job_digest': '0' * 64}, 'the job was changed'),
                                ({'template_digest': '0' * 64}, 'the template of simulate was changed'),
                                ({'generator__saturated': True}, 'in the second, this machine was the bottleneck of simulate'),
                                ({'exit': 143}, 'the second was interrupted'), ({'clients': 1}, 'of simulate, the first had 2 clients, the second 1'), ({'name': 'x\x1b[31m'}, 'only the first has the simulation simulate')):
            with self.subTest(reason):
                self.change(failed=100, **members)
                limits = [] if 'name' in members else ['failed +0', 'resumed +0', 'verified +0', 'generator.saturated +1', 'publish.p99 +1d']
                done = self.compare(*limits)
                self.assertIn(f'iotifyd: warning: these runs cannot be compared: {reason}', done.stderr)
                self.assertNotIn('\x1b', done.stdout + done.stderr)
                if limits:
                    self.assertIn('limit failed +0: not judged (100, was 0)', done.stdout)

    def test_digests_of_real_runs(self):
        """The same job has the same digest, in another folder too; a changed one has another."""
        digests = [self.before['job_digest']]
        self.assertRegex(digests[0], '^[0-9a-f]{64}$')
        self.write('copy/job.yaml', (self.folder / 'job.yaml').read_text())
        self.write('copy/t.yaml', (self.folder / 't.yaml').read_text())
        for arguments, same in ((('copy/job.yaml',), True), (('job.yaml', '--set', 'devices=3'), False),
                                (('job.yaml', '--set', 'pipelines.simulate.0.simulate.interval=11ms'), False)):
            self.assertIs(same, self.summary('-q', *arguments)['job_digest'] == digests[0], arguments)
        template = (self.folder / 't.yaml').read_text()
        self.write('t.yaml', template + '# changed\n')
        after = self.summary('-q', 'job.yaml')
        self.assertEqual(digests[0], after['job_digest'])
        self.assertNotEqual(self.before['simulations'][0]['template_digest'], after['simulations'][0]['template_digest'])

    def test_files_that_are_not_summaries(self):
        self.write('old.json', '{"format": "iotify-summary/1"}')
        self.write('empty.json', '{"format": "iotify-summary/2"}')
        for file, message in (('old.json', 'but of iotify-summary/1'), ('missing.json', 'missing.json'), ('empty.json', 'empty.json: the summary has no text "job"')):
            done = self.compare(after=file, status=2)
            self.assertIn(message, done.stderr)
        for path, value, message in (('simulations', [None], 'no object "simulations[0]"'), ('steps', 5, 'no list "steps"'), ('verdict', None, 'no text "verdict"'),
                                     ('simulations.0.metrics', {'a': None}, 'no object "simulations[0].metrics.a"'),
                                     ('simulations.0.publish_seconds', {'buckets': 'abc'}, 'no list "simulations[0].publish_seconds.buckets"'),
                                     ('simulations.0.errors', [1], 'no object "simulations[0].errors[0]"'), ('machine', 'big', 'no object "machine"')):
            summary = json.loads(json.dumps(self.before))
            *way, last = path.split('.')
            place = summary
            for name in way:
                place = place[int(name) if name.isdigit() else name]
            place[last] = value
            self.write('odd.json', json.dumps(summary))
            for arguments in (('compare', 'summary.json', 'odd.json', '--report', 'c.html'), ('report', 'odd.json')):
                done = self.iotifyd(*arguments, status=2)
                self.assertIn(f'the summary has {message}', done.stderr)
                self.assertEqual('', done.stdout)
        self.write('escape.json', '{"format": "\\u001b[31mx"}')
        self.assertNotIn('\x1b', self.iotifyd('report', 'escape.json', status=2).stderr)
        self.assertIn('takes two files', self.iotifyd('compare', 'summary.json', status=2).stderr)
        self.change()
        self.assertIn('cannot write /dev/full', self.compare(more=('--report', '/dev/full'), status=1).stderr)


class Prometheus(Fleet):
    def scrape(self, port):
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics', timeout=10) as answer:
            return answer.read().decode()

    def samples(self, text):
        found = {}
        for line in text.splitlines():
            if not line.startswith('#'):
                name, labels, value = re.fullmatch(r'(\w+)(?:\{(.*)\})? (\S+)', line).groups()
                found[name, tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or '')))] = float(value)
        return found

    def check(self, text):
        done = subprocess.run(['promtool', 'check', 'metrics'], input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual((0, ''), (done.returncode, done.stderr + done.stdout))

    def test_during_deploy_and_cleanup(self):
        """Each text that was served is clean by Prometheus' own tool, and counters never fall."""
        self.start_sandbox()
        self.write('job.yaml', 'devices: 60\nplugins:\n  aws: {use: aws-iot, quotas: {"*": 200, CreateThing: 20, DeleteThing: 20}}\n'
                   'pipelines:\n  simulate:\n    - simulate: {template: aws_iotify.yaml, interval: 100ms, iterations: 20, connect_rate: 200/s}\n')
        port = free_port()
        process = self.spawn('-q', 'job.yaml', '--metrics-port', str(port), '--metrics-linger', '20s', '--json', 's.json')
        wait_for_port(port)
        texts = []
        while process.poll() is None:
            with contextlib.suppress(OSError):
                text = self.scrape(port)
                if text and text not in texts:
                    texts.append(text)
                if 'step="cleanup/aws.remove_device"} 60' in text and (self.folder / 's.json').exists() and (
                        self.folder / 's.json').stat().st_size and 'iotifyd_connections' not in text:
                    break
            time.sleep(0.05)
        # A signal ends the wait.
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(60))
        self.assertLess(time.monotonic() - began, 15)
        summary = json.loads((self.folder / 's.json').read_text())
        known = {}
        for text in texts:
            self.check(text)
            for key, value in self.samples(text).items():
                if key[0].endswith(('_total', '_bucket', '_count', '_sum')):
                    self.assertGreaterEqual(value, known.get(key, 0), key)
                    known[key] = value
        last, label = self.samples(texts[-1]), lambda step, **more: tuple(sorted({'job_name': 'job', 'step': step, **more}.items()))
        for step in summary['steps']:
            if step['pipeline'] != 'simulate':
                name = f'{step["pipeline"]}/{step["name"]}'
                self.assertEqual(step['ok'] + step['unchanged'], last['iotifyd_devices_done_total', label(name)], name)
                for call in step['calls']:
                    self.assertEqual(call['count'], last['iotifyd_calls_total', label(name, operation=call['operation'])], (name, call))
        for name in ('published', 'acknowledged', 'connected', 'lost'):
            self.assertEqual(summary['simulate'][name], last[f'iotifyd_{name}_total', label('simulate')])
        # Before the end of deploy, too.
        self.assertTrue(any(0 < self.samples(text).get(('iotifyd_devices_done_total', label('deploy/aws.device')), 0) < 60 for text in texts))
        self.assertEqual(1, last['iotify_build_info', (('version', summary['version']),)])

    def test_stages_and_histograms(self):
        """Stages add up to the whole; buckets are those of the summary, and can be added up."""
        self.template(OWN + 'message: |\n  if (index() === 3) throw new Error("\\"no\\" \\\\");\n  metric.add("a.b", 2);\n  return "m";\n')
        self.write('job.yaml', local_job(devices=4, interval='50ms', stages='[{duration: 2s}, {name: more, duration: 2s, rate: 100/s}, {duration: 1s, storm: 50%}]'))
        port = free_port()
        process = self.spawn('-q', 'job.yaml', '--metrics-port', str(port), '--metrics-linger', '60s', '--json', 's.json')
        wait_until(lambda: (self.folder / 's.json').exists() and (self.folder / 's.json').read_text().endswith('}\n'), 'the summary')
        summary = json.loads((self.folder / 's.json').read_text())['simulate']
        wait_until(lambda: 'iotifyd_connections' not in self.scrape(port), 'the last metrics')
        text = self.scrape(port)
        process.send_signal(signal.SIGTERM)
        self.check(text)
        samples = self.samples(text)
        published = {dict(labels).get('stage'): value for (name, labels), value in samples.items() if name == 'iotifyd_published_total'}
        self.assertLessEqual({'1', '2', '3'}, set(published))
        self.assertEqual(summary['published'], sum(published.values()))
        self.assertGreater(published['2'], published['1'] / 2)
        buckets = [(float(dict(labels)['le']), value) for (name, labels), value in samples.items() if name == 'iotifyd_publish_seconds_bucket']
        self.assertEqual(sorted(buckets), buckets)
        self.assertEqual(summary['publish_seconds']['count'], buckets[-1][1])
        self.assertEqual(sorted(value for _, value in buckets), [value for _, value in buckets])
        for share in ('p50', 'p99'):
            value = summary['publish_seconds'][share]
            within = next(count for bound, count in buckets if bound >= value)
            self.assertGreaterEqual(within, float('0.' + share[1:]) * buckets[-1][1])
        metric = {name: value for (name, labels), value in samples.items() if ('name', 'a.b') in labels}
        self.assertEqual({'iotifyd_metric_sum': summary['metrics']['a.b']['sum'], 'iotifyd_metric_count': summary['metrics']['a.b']['count']}, metric)

    def test_dashboard_of_grafana(self):
        """Its queries name metrics and labels that exist."""
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(devices=1, interval='50ms', stages='[{duration: 60s}]'))
        port = free_port()
        process = self.spawn('-q', 'job.yaml', '--metrics-port', str(port))
        Metrics(port).wait('connections', 1)
        text = self.scrape(port)
        process.kill()
        types = dict(re.findall(r'# TYPE (\w+) (\w+)', text))
        known = {name + suffix for name, kind in types.items()
                 for suffix in (('_bucket', '_sum', '_count') if kind == 'histogram' else ('_sum', '_count') if kind == 'summary' else ('',))}
        dashboard = json.loads((ROOT / 'share/grafana/iotifyd.json').read_text())
        queries = [target['expr'] for panel in dashboard['panels'] for target in panel['targets']]
        queries += [variable['query'] for variable in dashboard['templating']['list'] if variable['type'] == 'query']
        used = {name for query in queries for name in re.findall(r'iotifyd_\w+', query)}
        self.assertEqual(set(), used - known)
        self.assertGreater(len(used), 20)
        # Prometheus' own parser takes each query.
        rules = ''.join(f'  - record: job:number_{at}\n    expr: {json.dumps(query.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$step", ".*"))}\n'
                        for at, query in enumerate(query for query in queries if not query.startswith('label_values')))
        self.write('rules.yaml', f'groups:\n- name: all\n  rules:\n{rules}')
        self.run_program('promtool', 'check', 'rules', 'rules.yaml')

    def test_many_names_of_scripts(self):
        """The page stays small enough for a scrape, and has the counters."""
        self.template(OWN + 'message: |\n  for (let i = 0; i < 800; i++) metric.add("a_rather_long_name_of_a_metric_" + index() + "_" + i, i);\n  return "m";\n')
        self.write('job.yaml', local_job(devices=1, iterations=30, interval='10ms'))
        port = free_port()
        process = self.spawn('-q', 'job.yaml', '--metrics-port', str(port), '--metrics-linger', '60s', '--json', 's.json')
        wait_until(lambda: (self.folder / 's.json').exists() and (self.folder / 's.json').read_text().endswith('}\n'), 'the summary')
        wait_until(lambda: 'iotifyd_connections' not in self.scrape(port), 'the last metrics')
        text = self.scrape(port)
        process.send_signal(signal.SIGTERM)
        published = json.loads((self.folder / 's.json').read_text())['simulate']['published']
        self.assertIn(f'iotifyd_published_total{{job_name="job",step="simulate"}} {published}\n', text)
        self.assertEqual(500, text.count('iotifyd_metric_count{'))
        self.assertLess(len(text), 1 << 20)
        self.check(text)

    def test_before_the_first_second(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(devices=1, pacing='closed', interval='50ms', duration='60s'))
        port = free_port()
        process = self.spawn('-q', 'job.yaml', '--metrics-port', str(port))
        wait_for_port(port)
        wait_until(lambda: 'iotify_build_info{version="' in self.scrape(port), 'the version')
        Metrics(port).wait('connections', 1)
        self.assertNotIn('iotifyd_intended_rate', self.scrape(port))        # the schedule has no say
        process.kill()

    def test_failures_and_pruned_devices(self):
        """Each step has its own calls and retries, and reasons of its failures."""
        self.start_sandbox('--fault', 'throttle=20%')
        self.write('job.yaml', job(devices=30, quotas='{"*": 1000}'))
        self.iotifyd('-q', 'job.yaml', 'deploy')
        summary = self.summary('-q', 'job.yaml', 'deploy', '--set', 'devices=10', '--prune')
        steps = {step['step']: step for step in summary['steps']}
        deleted = {call['operation'] for call in steps['aws.device --prune']['calls']}
        self.assertLessEqual({'DeleteThing', 'DeleteCertificate'}, deleted)
        self.assertFalse(deleted & {call['operation'] for call in steps['aws.device']['calls']} & {'DeleteThing', 'DeleteCertificate'})
        self.assertGreater(steps['aws.device --prune']['throttled'], 0)
        for step in (steps['aws.device'], steps['aws.device --prune']):
            self.assertEqual(sum(call['throttled'] for call in step['calls']), step['throttled'])

    def test_bad_options(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job(iterations=1))
        for arguments, message in ((('--metrics-linger', '5s'), '--metrics-linger is valid only with --metrics-port'),
                                   (('--metrics-linger', '5', '--metrics-port', '0'), '--metrics-linger takes a time such as 10s, not 5'),
                                   (('--progress-interval', '0'), '--progress-interval takes a time such as 10s, not 0'),
                                   (('--report', '-'), '--report takes a file'), (('--json', 'a', '--junit', 'a'), '--json and --junit cannot both write a'),
                                   (('--json=',), '--json needs a value'), (('--metrics-port', '9' * 25), 'takes a port')):
            self.assertIn(message, self.iotifyd('job.yaml', *arguments, status=2).stderr)


class Log(Fleet):
    def check(self, text):
        schema = json.loads((ROOT / 'docs/log.schema.json').read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        lines = [json.loads(line) for line in text.splitlines()]
        for line in lines:
            validator.validate(line)
        return lines

    def test_json(self):
        """Every line of stderr is one of the schema: progress, warnings, errors, stacks."""
        self.start_sandbox()
        self.write('job.yaml', 'devices: 4\nplugins:\n  aws: {use: aws-iot, quotas: {"*": 4}}\n'
                   'pipelines:\n  simulate:\n    - simulate: {template: t.yaml, interval: 100ms, iterations: 5}\n')
        self.template(OWN + 'message: |\n  console.log("a\\nb\\u001b[31m", index());\n  if (index() > 2) throw new Error("no");\n  return "x";\n')
        done = self.iotifyd('-v', 'job.yaml', '--log-format', 'json', '--progress-interval', '500ms', status=None)
        lines = self.check(done.stderr)
        self.assertTrue(any(line['text'].startswith('step 4 of 8  ') for line in lines))
        self.assertTrue(any('details' in line for line in lines))
        self.assertLessEqual({'INFO', 'WARNING'}, {line['level'] for line in lines})

    def test_a_fleet_that_talks(self):
        """Of many lines of scripts some are shown, the rest is counted; -v shows all."""
        self.template('transport: none\nmessage: |\n  for (let i = 0; i < 100; i++) console.log("line", i);\n  console.debug("hidden");\n  console.error("urgent");\n')
        self.write('job.yaml', local_job(devices=10, iterations=10))
        error = self.iotifyd('job.yaml').stderr
        self.assertEqual(100, error.count('urgent'))
        self.assertLess(error.count('are not shown'), 10)
        self.assertEqual(100, self.iotifyd('-q', 'job.yaml').stderr.count('urgent'))
        shown, left_out = error.count(': line '), sum(map(int, re.findall(r'(\d+) lines of the scripts\' console are not shown; -v shows all', error)))
        self.assertEqual(10000, shown + left_out)
        self.assertGreaterEqual(shown, 500)
        self.assertLess(shown, 5000)
        self.assertEqual(10000, self.iotifyd('-v', 'job.yaml').stderr.count(': line '))
