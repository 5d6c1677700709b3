# SPDX-License-Identifier: Apache-2.0
"""Reports in a real browser: they show the numbers of the summary, ask for nothing, and are inert."""
import http.client
import http.server
import json
import pathlib
import re
import signal
import socket
import subprocess
import threading
import urllib.request
import xml.etree.ElementTree

from fleet import Fleet, MESSAGE, OWN
from support import free_port, job, local_job, wait_for_port, wait_until
from test_faults import Answering

JAVASCRIPT = pathlib.Path(__file__).resolve().parents[2] / 'build/javascript'
UNITS = {'µs': 1e-6, 'ms': 1e-3, 's': 1, 'B': 1, 'kB': 1e3, 'MB': 1e6}
# What ends a tag, an attribute, a script, a comment, a JSON text or a line, and what reorders text.
HOSTILE = ('</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'`${alert(3)}--><!--'
           ']]>\\u003c&lt;\u2028\u2029\u202eé')
# Names have no control characters and no marks of direction.
NAME = HOSTILE.translate(dict.fromkeys((0x2028, 0x2029, 0x202e)))


def number(text):
    """The value of a cell, such as "1 234", "5.47 ms" or "12 (40%)"."""
    text = text.replace('\u202f', '').split(' (')[0]
    if text in ('–', ''):
        return None
    parts = re.fullmatch(r'([\d.]+)(?: min (\d+) s| (µs|ms|s|B|kB|MB)|/s)?', text)
    if parts[2]:
        return float(parts[1]) * 60 + float(parts[2])
    return float(parts[1]) * UNITS.get(parts[3], 1)


class Browsing(Fleet):
    def browser(self, *arguments):
        return subprocess.Popen(
            [str(JAVASCRIPT / 'node_modules/.bin/node'), str(JAVASCRIPT / 'browser.mjs'), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**self.environment, 'HOME': str(self.folder)})

    def browse(self, file='r.html', status=0):
        browser = self.browser('report', str(self.folder / file))
        out, error = browser.communicate(timeout=300)
        self.assertEqual(('', status), (error, browser.returncode))
        found = json.loads(out)
        self.assertEqual({f'file://{self.folder / file}'}, set(found['requests']))
        self.assertEqual([], found['errors'])
        self.assertEqual([], [violation for violation in found['violations']
                              if violation.startswith(('serious', 'critical'))])
        return found

    def same(self, expected, cell, what):
        value = number(cell)
        if expected is None or value is None:
            self.assertIs(expected, value, what)
        else:
            self.assertAlmostEqual(expected, value, delta=abs(expected) * 0.006 + 1e-9, msg=what)

    def rows(self, section, caption):
        tables = self.page['sections'][section]['tables']
        return next(table for name, table in tables.items() if name.startswith(caption))['rows']

    def check_verdict(self):
        summary = self.summary_
        self.assertIn(summary['verdict'], self.page['sections']['verdict']['text'])
        self.assertEqual(f'{summary["job"]}: {summary["verdict"]}', self.page['title'])
        rows = self.rows('verdict', 'Thresholds')
        self.assertEqual(len(summary['thresholds']), len(rows))
        several = len({threshold['simulation'] for threshold in summary['thresholds']}) > 1
        for threshold, row in zip(summary['thresholds'], rows):
            self.assertEqual([threshold['expression'], *[threshold['simulation']] * several], row[:1 + several])
            self.same(threshold['value'], row[-2], row)
            self.assertTrue(row[-1].startswith('✓ holds' if threshold['ok'] else '✗ crossed'), row)

    def check_steps(self):
        for step, row in zip(self.summary_['steps'], self.rows('steps', 'Devices by step'), strict=True):
            self.assertEqual(f'{step["pipeline"]}/{step["name"]}', row[0])
            for name, cell in zip(('ok', 'unchanged', 'repaired', 'failed', 'skipped', 'retried', 'throttled'), row[2:]):
                self.same(step[name], cell, (row, name))
            self.same(step['seconds'], row[9], row)
        for at, step in enumerate(self.summary_['steps']):
            if not step['calls']:
                continue
            for call, row in zip(step['calls'], self.rows(f'step-{at}', 'Calls'), strict=True):
                self.assertEqual(call['operation'], row[0])
                for name, cell in (('count', row[1]), ('quota', row[3]), ('throttled', row[4]), ('retried', row[5])):
                    self.same(call[name], cell, (row, name))

    def check_simulation(self, at, simulation):
        section = f'simulation-{at}'
        self.assertEqual(f'Simulation {simulation["name"]}', self.page['sections'][section]['heading'])
        labels = {'tcp': 'connect_tcp', 'tls': 'connect_tls', 'session': 'connect_session', 'end to end': 'end_to_end', 'own delay': 'lag'}
        measured = {name: value for name, value in simulation.items() if isinstance(value, dict) and 'p99' in value}
        rows = self.rows(section, 'Times')
        self.assertEqual(len(measured), len(rows))
        for row in rows:
            times = simulation[labels.get(row[0], row[0]) + '_seconds']
            for name, cell in zip(('count', 'mean', 'p50', 'p90', 'p95', 'p99', 'p999', 'max'), row[1:], strict=True):
                self.same(times[name], cell, (row, name))
        ledger = self.page['sections'][section]['tables']
        outcomes = next(table for caption, table in ledger.items() if 'messages were intended' in caption)['rows']
        self.assertEqual(simulation['published'], sum(number(row[1]) for row in outcomes if not row[0].startswith('not sent: ')))
        self.assertEqual({name: simulation[name] for name in ('failed', 'dropped', 'skipped', 'abandoned') if simulation[name]},
                         {row[0].removeprefix('not sent: '): number(row[1]) for row in outcomes if row[0].startswith('not sent: ')})
        others = {row[0].replace(' ', '_'): row[1] for row in ledger.get('What else was counted', {'rows': []})['rows']}
        for name in ('failed', 'script_errors', 'reconnects', 'closed', 'duplicates', 'dropped', 'received', 'verified'):
            self.same(simulation[name], others.get(name, '0'), name)
        happened = self.page['sections']['verdict']['text'].replace('\u202f', '')
        for error in sorted(simulation['errors'], key=lambda error: -error['count'])[:3]:
            self.assertRegex(happened, rf'{error["code"]}, {error["count"]} times, (at|from) ')
        for stage in simulation['stages']:
            self.assertIs(stage['reached'] < 0.95 * stage['intended'], f'reached {stage["reached"]} of {stage["intended"]} {stage["unit"]}' in happened)
        for name, caption, cells in (
                ('errors', 'Failures by reason', ('code', 'count', 'first_client', 'message')),
                ('stages', 'Stages', (None, 'seconds', 'intended', 'reached', 'unit'))):
            if not simulation[name]:
                continue
            for entry, row in zip(simulation[name], self.rows(section, caption), strict=True):
                # Between them, when there is a series, stand the times of the first and the last.
                for member, cell in zip(cells, row if name == 'stages' else row[:3] + row[-1:]):
                    if member and isinstance(entry[member], str):
                        self.assertEqual(entry[member], cell)
                    elif member:
                        self.same(entry[member], cell, (row, member))
        for row in self.rows(section, 'Metrics of scripts') if simulation['metrics'] else []:
            for member, cell in zip(('count', 'sum', 'mean', 'min', 'p50', 'p99', 'max'), row[1:], strict=True):
                self.same(simulation['metrics'][row[0]][member], cell, (row, member))
        facts = self.page['sections'][section]['facts']
        self.assertEqual([simulation['template'], simulation['transport'], str(simulation['seed'])],
                         [facts[name] for name in ('template', 'transport', 'seed')])
        self.same(simulation['generator']['busy'] * 100, facts['busiest loop'].removesuffix('%'), facts)


class Report(Browsing):
    def test_shows_what_the_summary_says(self):
        """Failures, a storm, two simulations, throttled calls; the same without JavaScript."""
        self.start_sandbox('--fault', 'throttle=20%')
        self.write('fails.yaml', f'connection: {{host: 127.0.0.1, port: {self.port}, tls: false, client_id: "c{{{{client()}}}}"}}\n'
                   + OWN + 'subscribe: ["t/{{client()}}"]\nmessage: |\n  metric.add("m", index() + 0.5);\n'
                   '  if (index() % 3 == 1) throw new Error("third");\n  return JSON.stringify([client(), index()]);\n')
        self.write('job.yaml', job(6) + 'pipelines:\n  simulate:\n'
                   '    - simulate: {template: aws_iotify.yaml, name: storm, connect_rate: 100/s, reconnect: {backoff: fixed, cap: 200ms},\n'
                   '        stages: [{name: calm, duration: 2s, rate: 60/s}, {name: storm, duration: 2s, storm: 50%}], thresholds: ["publish.p99 < 60s"]}\n'
                   '    - simulate: {template: fails.yaml, iterations: 9, interval: 200ms, verify: end_to_end, thresholds: ["failed < 2"]}\n')
        done = self.iotifyd('job.yaml', '--json', 's.json', '--series', 's.csv', '--report', 'r.html', status=99)
        self.assertIn('the report is in r.html', done.stderr)
        self.summary_ = json.loads((self.folder / 's.json').read_text())
        found = self.browse()
        self.page = found['page']
        self.check_verdict()
        self.check_steps()
        for at, simulation in enumerate(self.summary_['simulations']):
            self.check_simulation(at, simulation)
        self.assertEqual({'simulation-0', 'simulation-1'}, {name for name in self.page['sections'] if name.startswith('sim')})
        # Dragging and keys change all charts over time of the same simulation, and no others.
        over_time = {id for id in found['reset'] if id.startswith('simulation-0/') and not id.endswith('/distribution')}
        self.assertIn('simulation-0/latency', over_time)
        for action in ('dragged', 'zoomed', 'moved'):
            self.assertEqual({id for id, text in found[action].items() if text}, over_time, action)
            self.assertEqual(1, len({found[action][id] for id in over_time}))
        self.assertNotEqual(found['zoomed'], found['moved'])
        self.assertEqual({''}, set(found['reset'].values()))
        self.assertEqual(found['back-light'], found['back-dark-switched'])
        self.assertEqual(found['back-dark'], found['back-light-switched'])
        self.assertNotEqual(found['back-light'], found['back-dark'])
        plain = found['plain']
        for name, section in self.page['sections'].items():
            self.assertEqual(section['tables'], plain['sections'][name]['tables'])
            for chart, drawing in zip(section['charts'], plain['sections'][name]['charts'], strict=True):
                self.assertEqual((chart['id'], 0, 1, chart['labels']), (drawing['id'], chart['svg'], drawing['svg'], drawing['labels']))
        self.assertGreater(found['pdf'], 20000)
        # The page that is made again from the files is the same, but for what it was asked to note.
        self.assertEqual('again.html\n', self.iotifyd('report', 's.json', '--series', 's.csv', '-o', 'again.html').stdout)
        self.assertEqual((self.folder / 'r.html').read_bytes(), (self.folder / 'again.html').read_bytes())

    def test_the_account_adds_up(self):
        """What was acknowledged and did not return is counted as both; and what is missing is unknown."""
        self.template(OWN + 'subscribe: ["elsewhere"]\n' + MESSAGE)
        self.write('job.yaml', local_job(devices=2, iterations=5, interval='10ms', verify='end_to_end', verify_within='100ms'))
        self.iotifyd('-q', 'job.yaml', '--json', 's.json')
        summary = json.loads((self.folder / 's.json').read_text())
        self.assertEqual((10, 10, 10), tuple(summary['simulate'][name] for name in ('published', 'lost', 'unreturned')))
        simulation = summary['simulations'][0]
        simulation.update(published=14, lost=11)
        for name in ('bytes_in', 'received', 'thresholds', 'devices'):
            del simulation[name]
        self.write('s.json', json.dumps(summary))
        self.iotifyd('report', 's.json')
        section = self.browse('report.html')['page']['sections']['simulation-0']
        self.assertEqual([['acknowledged', '0 (0%)'], ['lost', '1 (7.14%)'], ['acknowledged, never returned', '10 (71.4%)'],
                          ['no outcome yet', '3 (21.4%)']], section['tables']['14 messages were intended, 14 published']['rows'])
        self.assertEqual('– messages, –, –', section['facts']['received'])

    def test_hostile_texts(self):
        """Whatever a broker, a script or a file is called: it is text."""
        name = 'a<b>&"\'.yaml'
        self.template(OWN + 'message: |\n'
                      f'  if (index()) throw new Error({json.dumps(HOSTILE)});\n  return {json.dumps(HOSTILE)};\n')
        (self.folder / 't.yaml').rename(self.folder / name)
        self.write('job.yaml', json.dumps({
            'devices': 2, 'plugins': {'glob': {'use': 'memory'}}, 'pipelines': {'simulate': [{'simulate': {
                'template': name, 'name': NAME, 'interval': '500ms', 'thresholds': [],
                'stages': [{'name': NAME[:90], 'duration': '3s'}]}}]}}))
        self.iotifyd('-q', 'job.yaml', '--json', 's.json', '--series', 's.csv', '--report', 'r.html')
        found = self.browse()
        self.assertEqual(set(), set(found['page']['elements']) & {'img', 'iframe', 'a', 'link', 'object'})
        self.assertEqual(2, (self.folder / 'r.html').read_text().count('</script>'))
        section = found['page']['sections']['simulation-0']
        self.assertIn('<img src=x onerror=alert(2)>', section['heading'])
        for caption in ('Failures by reason', 'Stages'):
            self.assertIn('<img src=x onerror=alert(2)>', json.dumps(section['tables'][caption]), caption)
        self.assertEqual(name, section['facts']['template'])
        data = re.search(r'id="data">(.*?)</script>', (self.folder / 'r.html').read_text(), re.DOTALL)[1]
        self.assertFalse(set('<>&\u2028\u2029') & set(data))
        self.assertEqual(json.loads(data)['summary'], json.loads((self.folder / 's.json').read_text()))

    def check_outputs(self, errors, found):
        """Each output of a run with hostile texts can be read, and has them as text."""
        summary = json.loads((self.folder / 's.json').read_text())
        self.assertLessEqual(errors, {error['code'] for part in summary['steps'] + summary['simulations'] for error in part['errors']})
        self.assertIn('alert(1)', (self.folder / 'j.xml').read_text())
        cases = xml.etree.ElementTree.parse(self.folder / 'j.xml').getroot().findall('.//testcase')
        self.assertTrue(any('<script>alert(1)</script>' in ''.join(case.itertext()) + case.get('name') for case in cases))
        rows = self.series()
        self.assertEqual({None}, {row.get(None) for row in rows})
        self.assertTrue(all(re.fullmatch(r'\d+\.\d+', row['seconds']) for row in rows))
        self.assertEqual(set(), set(found['page']['elements']) & {'img', 'iframe', 'a', 'link', 'object'})
        self.assertEqual(2, (self.folder / 'r.html').read_text().count('</script>'))

    def test_hostile_texts_of_services_and_scripts(self):
        """Names of simulations and topics, and errors, in every output. Names of jobs and metrics are words."""
        outputs = ['--json', 's.json', '--series', 's.csv', '--report', 'r.html', '--junit', 'j.xml']
        self.template('publish: {topic: ' + json.dumps('t/' + HOSTILE.replace('+', '')) + ', qos: 0}\nmessage: |\n'
                      f'  if (index() == 3) metric.add({json.dumps(HOSTILE)}, 1);\n  if (index() == 1) throw new Error({json.dumps(HOSTILE)});\n'
                      f'  if (index() == 2) return {{topic: {json.dumps(HOSTILE + "#")}, payload: "x"}};\n  return "x";\n')
        self.write('job.yaml', json.dumps({
            'devices': 1, 'plugins': {'glob': {'use': 'memory'}}, 'pipelines': {'simulate': [{'simulate': {
                'template': 't.yaml', 'name': NAME, 'interval': '200ms', 'iterations': 15}}]}}))
        port = free_port()
        process = self.spawn('-q', 'job.yaml', *outputs, '--metrics-port', str(port), '--metrics-linger', '60s', '--log-format', 'json')
        wait_until(lambda: (self.folder / 'r.html').exists() and (self.folder / 'r.html').read_text().endswith('</html>\n'), 'the report')
        text = self.ask_metrics(port)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(99, process.wait(60))
        self.check_outputs({'ScriptError'}, self.browse())
        checked = subprocess.run(['promtool', 'check', 'metrics'], input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual((0, ''), (checked.returncode, checked.stderr))
        self.iotifyd('compare', 's.json', 's.json', '--report', 'c.html')
        self.assertEqual(set(), set(self.browse('c.html')['page']['elements']) & {'img', 'iframe', 'a', 'link', 'object'})

    def test_hostile_texts_of_aws(self):
        answer = json.dumps({'message': HOSTILE, '__type': HOSTILE}).encode()
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Answering)
        server.answer, server.count, server.by_path, server.later = (400, {'x-amzn-ErrorType': '<script>alert(1)</script>'}, answer), 0, None, None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.environment['AWS_ENDPOINT_URL_IOT'] = f'http://127.0.0.1:{server.server_port}'
        self.write('job.yaml', job(devices=1))
        self.iotifyd('job.yaml', 'deploy', '--json', 's.json', '--series', 's.csv', '--report', 'r.html', '--junit', 'j.xml', status=1)
        self.check_outputs(set(), self.browse())

    def test_files_that_are_not_those_of_a_run(self):
        for text, message in (('', "'[' or '{' expected"), ('{"format": "iotify-summary/1"}', 'but of iotify-summary/1'),
                              ('[]', 'not a summary'), ('{"format": "iotify-summary/2"}', 'the summary has no text "job"')):
            self.write('s.json', text)
            self.assertIn(message, self.iotifyd('report', 's.json', status=2).stderr)
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job())
        self.iotifyd('-q', 'job.yaml', '--json', 's.json', '--series', 's.csv')
        self.assertFalse((self.folder / 'report.html').exists())
        self.write('other.csv', 'a,b\n1,2\n')
        for series, message in (('other.csv', 'it has no columns "step" and "seconds"'), ('missing', 'No such file'), ('.', 'Is a directory')):
            self.assertIn(message, self.iotifyd('report', 's.json', '--series', series, status=2).stderr)
        (self.folder / 'binary.csv').write_bytes(b'step,seconds\n\xff,1\n')
        self.assertIn('not UTF-8', self.iotifyd('report', 's.json', '--series', 'binary.csv', status=2).stderr)
        for output in ('/dev/full', 'missing/r.html'):
            self.assertIn(f'cannot write {output}', self.iotifyd('report', 's.json', '-o', output, status=1).stderr)
        # The rest of a series that was cut off is shown, and the page says that it is not all.
        text = (self.folder / 's.csv').read_text()
        self.write('cut.csv', text[:-20])
        self.iotifyd('report', 's.json', '--series', 'cut.csv')
        self.assertIn('The series is not complete', self.browse('report.html')['page']['sections']['verdict']['text'])

    def test_a_run_whose_report_cannot_be_written(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job())
        done = self.iotifyd('-q', 'job.yaml', '--report', 'missing/r.html', status=1)
        self.assertEqual('FAILED: cannot write missing/r.html', done.stdout.strip())
        done = self.iotifyd('-q', 'job.yaml', '--report', '/dev/full', '--json', 's.json', '--junit', 'j.xml', status=1)
        self.assertEqual('FAILED: cannot write the summary to /dev/full', done.stdout.strip().splitlines()[-1])
        for file in ('s.json', 'j.xml'):
            self.assertIn('cannot write the summary to /dev/full', (self.folder / file).read_text())
        self.assertEqual(30, json.loads((self.folder / 's.json').read_text())['simulate']['acknowledged'])
        # On a pipe, which cannot be written again, the summary comes last.
        done = self.iotifyd('-q', 'job.yaml', '--report', '/dev/full', '--json', '-', status=1)
        self.assertEqual(1, json.loads(done.stdout)['exit'])
        # Also what was written before the failure.
        self.iotifyd('-q', 'job.yaml', '--report', 'r.html', '--json', '/dev/full', status=1)
        self.assertIn('cannot write the summary to /dev/full', (self.folder / 'r.html').read_text())

    def test_a_long_run_is_shown_with_fewer_points(self):
        """A day has 86,400 rows: counts add up, and of percentiles the highest is kept."""
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job())
        self.iotifyd('-q', 'job.yaml', '--json', 's.json', '--series', 's.csv')
        head, row = (self.folder / 's.csv').read_text().splitlines()[:2]
        names, cells = head.split(','), row.split(',')
        rows = []
        for second in range(1, 20001):
            cells[names.index('seconds')] = f'{second}.000'
            rows.append(','.join(cells))
        self.write('long.csv', '\n'.join([head, *rows, '']))
        self.iotifyd('report', 's.json', '--series', 'long.csv', '-o', 'long.html')
        found = self.browse('long.html')
        self.assertIn('A point of a chart stands for 3 rows', found['page']['sections']['verdict']['text'])


    def ask_metrics(self, port):
        def last():
            with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics', timeout=10) as answer:
                text = answer.read().decode()
            return None if 'iotifyd_connections' in text else text
        return wait_until(last, 'the last metrics')


class Live(Browsing):
    def test_a_whole_run_is_watched(self):
        """Deploy, simulation and cleanup, until the verdict; then the page has the summary's numbers."""
        self.start_sandbox()
        port = free_port()
        self.write('job.yaml', 'devices: 100\nplugins:\n  aws: {use: aws-iot, quotas: {"*": 100, RegisterCertificateWithoutCA: 20, DeleteThing: 20}}\n'
                   'pipelines:\n  simulate:\n    - simulate: {template: aws_iotify.yaml, interval: 200ms, duration: 4s, '
                   'connect_rate: 1000/s}\n')
        browser = self.browser('live', f'http://127.0.0.1:{port}/')
        self.assertEqual('ready\n', browser.stdout.readline())
        process = self.spawn('-q', 'job.yaml', '--dashboard-port', str(port), '--json', 's.json')
        out, error = browser.communicate(timeout=300)
        self.assertEqual('', error)
        self.assertEqual(0, process.wait(60))
        found = json.loads(out)
        self.summary_ = json.loads((self.folder / 's.json').read_text())
        self.page = found['page']
        self.assertEqual([], found['errors'])
        self.assertEqual({f'http://127.0.0.1:{port}/', f'http://127.0.0.1:{port}/events'}, set(found['requests']))
        self.assertLessEqual({'RUNNING: deploy/aws.device', 'RUNNING: simulate', 'RUNNING: cleanup/aws.remove_device'}, set(found['seen']))
        self.assertTrue(any(re.search(r'\d+ of 100 devices, \w+ at .*/s sets the pace, about .* left', text) for text in found['progress']),
                        found['progress'])
        self.assertLessEqual({'simulation-0/load', 'simulation-0/latency', 'simulation-0/generator'}, set(found['charts']))
        self.check_verdict()
        self.check_steps()
        self.check_simulation(0, self.summary_['simulations'][0])

    def ask(self, port, path, host='127.0.0.1', method='GET'):
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
        self.addCleanup(connection.close)
        connection.request(method, path, headers={'Host': f'{host}:{port}'})
        return connection.getresponse()

    def test_a_browser_that_does_not_read(self):
        """Neither the run nor its end waits for it; other sites cannot read the page."""
        self.template(OWN + MESSAGE)
        port = free_port()
        self.write('job.yaml', local_job(devices=3, interval='100ms', iterations=80))
        process = self.spawn('-q', 'job.yaml', '--dashboard-port', str(port), '--json', 's.json', '--series', 's.csv')
        wait_for_port(port)
        for path, host, method, status in (('/', '127.0.0.1', 'GET', 200), ('/', 'localhost', 'HEAD', 200), ('/', 'example.com', 'GET', 403),
                                           ('/events', 'example.com', 'GET', 403), ('/other', 'localhost', 'GET', 404), ('/', 'localhost', 'POST', 405)):
            self.assertEqual(status, self.ask(port, path, host, method).status, (path, host, method))
        followers = [self.ask(port, '/events') for _ in range(5)]
        self.assertEqual({'text/event-stream'}, {each.headers['Content-Type'] for each in followers})
        self.assertEqual(0, process.wait(60))
        self.assertEqual(240, json.loads((self.folder / 's.json').read_text())['simulate']['acknowledged'])
        text = followers[0].read().decode()
        self.assertEqual('begin', text.split('\n')[0].split(' ')[1])
        states = [json.loads(line.removeprefix('data: ')) for event, line in re.findall(r'event: (\w+)\n(data: .*)\n', text) if event == 'state']
        self.assertEqual('simulate', states[0]['running']['step'])
        # All rows, and before them the header, also for one that came before the first row.
        rows = ''.join(json.loads(line.removeprefix('data: ')) for event, line in re.findall(r'event: (\w+)\n(data: .*)\n', text) if event == 'rows')
        self.assertEqual((self.folder / 's.csv').read_text(), rows)
        self.assertNotIn('running', states[-1])
        self.assertEqual(json.loads((self.folder / 's.json').read_text()), states[-1]['summary'])

    def test_beside_more_than_a_thousand_sessions(self):
        """Their descriptors are beyond those that select() knows."""
        self.template(OWN + MESSAGE)
        metrics, page = free_port(), free_port()
        self.write('job.yaml', local_job(devices=1200, interval='1s', duration='600s', connect_rate='2000/s'))
        process = self.spawn('-q', 'job.yaml', '--metrics-port', str(metrics), '--dashboard-port', str(page), '--series', 's.csv')
        wait_until(lambda: (self.folder / 's.csv').exists() and any(row['connected'] == '1200' for row in self.series()), 'all sessions')
        self.assertIn(b'iotifyd_connections{job_name="job",step="simulate"} 1200', self.ask(metrics, '/metrics').read())
        self.assertEqual(200, self.ask(page, '/').status)
        self.assertTrue(self.ask(page, '/events').readline().startswith(b'event: begin'))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(143, process.wait(60))

    def test_a_port_that_cannot_be_used(self):
        self.template(OWN + MESSAGE)
        self.write('job.yaml', local_job())
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)     # two runs cannot share one
            taken.bind(('127.0.0.1', free_port()))
            taken.listen()
            done = self.iotifyd('job.yaml', '--dashboard-port', str(taken.getsockname()[1]), status=1)
        self.assertIn('Address already in use', done.stderr)
        for port in ('many', '0.0.0.0:80', '99999', ''):
            self.assertIn(f'--dashboard-port {port}: takes a port', self.iotifyd('job.yaml', '--dashboard-port', port, status=2).stderr)
