# SPDX-License-Identifier: Apache-2.0
"""Effects of scripts on their devices and on the store, with a real broker."""
import collections
import json
import re
import resource
import signal
import subprocess
import time

from fleet import Fleet, Recorder
from support import IOTIFYD, Case, job, local_job, step


class Wishes(Fleet):
    def recorder(self, react=None):
        recorder = Recorder(self.port, react)
        self.addCleanup(recorder.close)
        return recorder

    def test_more_than_one_message(self):
        recorder = self.recorder()
        self.template('publish: {topic: "t/{{client()}}", qos: 1}\nmessage: |\n'
                      '  publish("extra", "e" + index(), {qos: 0, retain: index() === 1});\n'
                      '  return ["a", Buffer.from("b"), {topic: "other", payload: "c"}, null];\n'
                      'finish: |\n  publish("bye/" + client(), "last", {qos: 1});\n')
        results = self.run_job(devices=2, iterations=2, interval='20ms')
        recorder.settle()
        self.assertEqual({'t/0': 4, 't/1': 4, 'extra': 4, 'other': 4, 'bye/0': 1, 'bye/1': 1},
                         dict(recorder.topics()))
        self.assertEqual((18, 18, 0, 0), tuple(results[name] for name in (
            'published', 'acknowledged', 'lost', 'failed')))
        payloads = [payload for topic, payload, *_ in recorder.messages if topic == 't/0']
        self.assertEqual(['a', 'b', 'a', 'b'], payloads)

    def test_nothing_is_nothing(self):
        recorder = self.recorder()
        self.template('publish: {topic: t}\nmessage: |\n'
                      '  return [undefined, null, "", "x", []][index()];\n')
        results = self.run_job(devices=1, iterations=5, interval='10ms')
        recorder.settle()
        self.assertEqual(['', 'x'], [payload for _, payload, *_ in recorder.messages])
        self.assertEqual((2, 0), (results['published'], results['failed']))

    def test_off_the_network_and_back(self):
        recorder = self.recorder()
        self.template('publish: {topic: t}\nmessage: |\n'
                      '  if (index() === 2) disconnect({clean: client() === 0});\n'
                      '  if (index() === 3) { try { publish("t", "x"); } catch (e) { state.e = e.message; } }\n'
                      '  if (index() === 5) reconnect();\n'
                      '  if (index() === 8) reconnect();\n'
                      '  if (index() === 11) return state.e;\n'
                      '  return `${client()} ${index()}`;\n',
                      connection=', will: {topic: "gone", payload: "{{client()}}"}')
        results = self.run_job(devices=2, iterations=12, interval='60ms')
        recorder.settle()
        text = 'the device is disconnected; reconnect() brings it back'
        self.assertEqual(2, sum(payload == text for _, payload, *_ in recorder.messages))
        for client in '01':
            seen = [int(payload.split()[1]) for topic, payload, *_ in recorder.messages
                    if topic == 't' and payload.startswith(client + ' ')]
            self.assertEqual([0, 1], seen[:2])
            self.assertNotIn(2, seen)
            self.assertNotIn(4, seen)
            self.assertIn(7, seen)
            self.assertIn(10, seen)
        # Client 1 disconnected without DISCONNECT, and both did before the second reconnect.
        self.assertEqual(['0', '1', '1'], sorted(
            payload for topic, payload, *_ in recorder.messages if topic == 'gone'))
        self.assertEqual((4, 0, 0), tuple(results[name] for name in ('reconnects', 'failed', 'lost')))

    def test_ends_while_disconnected(self):
        self.template('publish: {topic: t}\nmessage: |\n  disconnect();\n  return "x";\n')
        results = self.run_job(devices=3, iterations=3, interval='20ms')
        self.assertEqual((0, 0, 0), tuple(results[name] for name in ('published', 'abandoned', 'failed')))

    def test_reconnect_between_iterations(self):
        """Messages after the reconnect are sent."""
        recorder = self.recorder()
        self.template('publish: {topic: "t/{{client()}}", qos: 1}\nsubscribe: ["t/{{client()}}"]\n'
                      'message: return "m" + index();\nresponse: |\n'
                      '  if (response.toString() === "m1" && !state.done) { state.done = 1; reconnect(); }\n')
        results = self.run_job(devices=2, iterations=6, interval='200ms')
        recorder.settle()
        self.assertEqual((12, 2), (results['acknowledged'], results['reconnects']))
        # Messages that were not acknowledged are sent again.
        self.assertEqual({(f't/{c}', f'm{n}') for c in range(2) for n in range(6)},
                         {(topic, payload) for topic, payload, *_ in recorder.messages})

    def test_reconnect_in_the_last_iteration(self):
        """Nothing is lost, and what a message() that waited returns is sent after the reconnect."""
        # The broker keeps WAKE and delivers it again after the reconnect, whether or not the device
        # had its acknowledgement by then.
        recorder = self.recorder()
        self.template('publish: {topic: "t/{{client()}}", qos: 1}\nsubscribe: ["t/{{client()}}"]\n'
                      'message: |\n  const p = new Promise((r) => { state.r = r; });\n'
                      '  publish("t/" + client(), "WAKE", {qos: 1, retain: true});\n  return p.then(() => "wake");\n'
                      'response: |\n  if (!state.d) { state.d = 1; disconnect(); reconnect(); }\n'
                      '  else if (state.r) { state.r(); state.r = null; }\n')
        results = self.run_job(devices=2, iterations=1, hold='2s')
        recorder.settle()
        self.assertEqual((4, 0, 2, []), tuple(results[name] for name in ('acknowledged', 'lost', 'reconnects', 'errors')))
        self.assertEqual({('t/0', 'WAKE'), ('t/1', 'WAKE'), ('t/0', 'wake'), ('t/1', 'wake')},
                         {(topic, payload) for topic, payload, *_ in recorder.messages})

    def test_reconnect_as_the_last_act(self):
        self.template('publish: {topic: "t/{{client()}}", qos: 1}\nmessage: |\n'
                      '  if (index() === 1) disconnect();\n  if (index() === 3) reconnect();\n  return "m" + index();\n')
        results = self.run_job(devices=2, iterations=4, interval='50ms', hold='2s')
        self.assertEqual((0, 2, []), tuple(results[name] for name in ('lost', 'reconnects', 'errors')))

    def test_publish_behind_disconnect(self):
        self.template('publish: {topic: t}\nmessage: |\n  disconnect();\n'
                      '  try { publish("a", "b"); } catch (e) { state.e = e.message; }\n'
                      '  assert(state.e === "the device is disconnected; reconnect() brings it back", state);\n')
        results = self.run_job(devices=1, iterations=1)
        self.assertEqual(([], 0), (results['errors'], results['failed']))

    def test_finish_is_the_end(self):
        self.template('publish: {topic: t}\nmessage: return "x"\nfinish: |\n  disconnect();\n')
        results = self.run_job(devices=1, iterations=1)
        self.assertEqual(1, len(results['errors']))
        self.assertIn('in finish() the device is about to disconnect by itself', results['errors'][0]['message'])

    def test_closed_pacing_counts_what_each_sent(self):
        """Each message of a batch waits for its own acknowledgement, even if publish() sent it."""
        self.template('publish: {topic: t, qos: 1}\nmessage: |\n  publish("t", "x");\n')
        results = self.run_job(devices=50, iterations=20, interval='0', pacing='closed', loops=1)
        self.assertEqual((1000, 1000, 0, []), tuple(results[name] for name in (
            'published', 'acknowledged', 'lost', 'errors')))

    def test_stages_end_a_client(self):
        recorder = self.recorder()
        self.template('publish: {topic: "t/{{client()}}"}\nstages:\n  Init: state.n = 0;\n'
                      '  Running: |\n    if (++state.n > client()) next("Closing");\n    return "run";\n'
                      '  Closing: |\n    next("Finished");\n    return "close";\n'
                      '  Finished: |\n    publish("end", String(state.n));\n')
        results = self.run_job(devices=3, iterations=50, interval='10ms')
        recorder.settle()
        self.assertEqual({'t/0': 2, 't/1': 3, 't/2': 4, 'end': 3}, dict(recorder.topics()))
        self.assertEqual((0, 0), (results['abandoned'], results['failed']))

    def test_assertions_fail_what_is_sent(self):
        recorder = self.recorder()
        self.template('publish: {topic: t}\nsubscribe: ["t"]\nmessage: |\n'
                      '  assert(index() !== 1, "one");\n  assert(index() !== 1, "again");\n  return "x";\n'
                      'response: |\n  assert(response.toString() === "y", "an answer");\n')
        results = self.run_job(devices=1, iterations=3, interval='50ms')
        recorder.settle()
        self.assertEqual(3, len(recorder.messages))
        self.assertEqual((3, 4), (results['acknowledged'], results['failed']))
        self.assertEqual([('AssertionFailed', 1), ('AssertionFailed', 1), ('AssertionFailed', 3)],
                         sorted((one['code'], one['count']) for one in results['errors']))

    def test_promises_of_all_functions(self):
        recorder = self.recorder()
        self.template('publish: {topic: t}\nsubscribe: ["in/{{client()}}"]\n'
                      'init: |\n  state.id = await glob.increment("ids");\n'
                      '  glob.get("nothing", (e, v) => { state.called = client(); });\n'
                      'message: |\n  const n = await glob.increment("n");\n'
                      '  if (index() === 0) publish("in/" + client(), "go");\n'
                      '  assert(state.called === client(), "callback");\n'
                      '  return JSON.stringify([state.id, n, client(), index()]);\n'
                      'response: |\n  await glob.increment("answers");\n  publish("ack", String(client()));\n'
                      'finish: |\n  await glob.increment("finished");\n  publish("end", "e");\n')
        self.write('job.yaml', local_job(store='sqlite', devices=10, iterations=5, interval='30ms', hold='2s', loops=2))
        results = self.summary('job.yaml')['simulate']
        recorder.settle()
        self.assertEqual(0, results['failed'], results['errors'])
        rows = [json.loads(payload) for topic, payload, *_ in recorder.messages if topic == 't']
        self.assertEqual(list(range(1, 51)), sorted(row[1] for row in rows))
        self.assertEqual({(client, n) for client in range(10) for n in range(5)},
                         {(row[2], row[3]) for row in rows})
        self.assertEqual(10, len({row[0] for row in rows}))
        self.assertEqual({str(n) for n in range(10)}, {p for t, p, *_ in recorder.messages if t == 'ack'})
        self.assertEqual(10, recorder.topics()['end'])
        for key in ('answers', 'finished'):
            self.assertEqual('10\n', self.iotifyd('glob', 'get', 'job.yaml', key).stdout)

    def test_solo(self):
        self.template('publish: {topic: "t/{{client()}}", qos: 1}\nsubscribe: ["t/{{client()}}"]\n'
                      'init: state.__$key = "hidden"; state.a = 1;\nmessage: |\n  console.log("hello");\n'
                      '  return "m" + index();\nresponse: state.got = response.toString();\n')
        self.write('job.yaml', local_job(devices=5, iterations=2, interval='100ms'))
        done = self.iotifyd('--solo', '3', 'job.yaml', 'simulate')
        found = [re.sub(r'^ *[\d.]+ s +', '', line) for line in done.stdout.splitlines()]
        found = [re.sub(r'\d+\.\d+ ms|\d+\.\d+', '_', line) for line in found]
        self.assertEqual([
            'init         client 3', 'state        {"a":1}',
            'connected    in _ (TCP _, TLS _, session _)', 'console.log  hello',
            'message 0    to t/3: m0', 'state        {"a":1}'], found[:6])
        for line in ('acknowledged after _', 'received     from t/3: m1', 'finish       client 3',
                     'state        {"a":1,"got":"m1"}'):
            self.assertIn(line, found)
        self.assertNotIn('hidden', done.stdout + done.stderr)
        done = self.iotifyd('--solo', '5', 'job.yaml', status=2)
        self.assertEqual('iotifyd: --solo takes a client of the job, 0 to 4, not 5\n', done.stderr)

    def test_solo_of_lists(self):
        self.template('publish: {topic: t}\nmessage: |\n  return index() ? [] : ["a", "b"];\n')
        self.write('job.yaml', local_job(devices=1, iterations=2, interval='10ms'))
        out = self.iotifyd('--solo', '0', 'job.yaml', 'simulate').stdout
        self.assertEqual(2, out.count('message 0 '))
        self.assertEqual(['iteration 1 sent nothing'], re.findall('iteration . sent nothing', out))

    def test_no_key_is_found(self):
        recorder = self.recorder()
        self.template('publish: {topic: t}\ninit: |\n'
                      '  state.__$key = "-----BEGIN PRIVATE KEY-----\\nSECRET\\n-----END PRIVATE KEY-----\\n";\n'
                      '  state.deep = [{__$pin: "SECRET", list: [{__$x: "SECRET"}]}];\n'
                      'message: |\n  console.log(state, "%j", {state}); console.log(state.__$key);\n'
                      '  console.log(new Map([["k", state]]), [state.deep]);\n'
                      '  return JSON.stringify(state);\n')
        self.write('job.yaml', local_job(devices=1, iterations=2, interval='20ms',
                                         capture='{file: c.jsonl}'))
        done = self.iotifyd('job.yaml', '-v', '--json', 's.json')
        recorder.settle()
        everything = (done.stdout + done.stderr + (self.folder / 'c.jsonl').read_text() +
                      (self.folder / 's.json').read_text() + str(recorder.messages))
        self.assertNotIn('SECRET', everything)
        self.assertNotIn('__$', everything)
        self.assertIn('[redacted]', done.stderr)
        self.assertEqual('{"deep":[{"list":[{}]}]}', recorder.messages[0][1])


class Glob(Case):
    def simulate(self, template, status=0, **settings):
        self.write('t.yaml', 'transport: none\n' + template)
        self.write('job.yaml', local_job(**{'store': 'sqlite', 'interval': '1ms', **settings}))
        return self.summary('job.yaml', status=status)

    def get(self, key):
        return self.iotifyd('glob', 'get', 'job.yaml', key).stdout.rstrip('\n')

    def test_seen_at_once_and_durable_at_the_end(self):
        results = self.simulate('message: |\n  glob.set("k" + client(), {n: index()});\n'
                                '  assert(glob.get("k" + client()).n === index());\n',
                                devices=50, iterations=100, loops=3)['simulate']
        self.assertEqual((0, 0), (results['failed'], results['glob']['failed_writes']))
        self.assertEqual(0, results['glob']['blocking'])
        for client in (0, 17, 49):
            self.assertEqual('{"n":99}', self.get(f'k{client}'))

    def test_counted_across_processes(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  await glob.increment("n");\n'
                             '  for (;;) { const a = glob.get("c");\n'
                             '    if (await glob.compareAndSet("c", await new Promise((r) => glob.get("c", (e, v) => r(v))), '
                             '(await new Promise((r) => glob.get("c", (e, v) => r(v))) || 0) + 1)) break; }\n'
                             '  mailbox.post("q", client());\n')
        self.write('job.yaml', local_job(store='sqlite', devices=10, iterations=10, interval='1ms'))
        self.iotifyd('--check', 'job.yaml')
        runs = [self.spawn('job.yaml') for _ in range(3)]
        self.assertEqual([0, 0, 0], [run.wait(100) for run in runs])
        self.assertEqual(('300', '300'), (self.get('n'), self.get('c')))
        # Each message is delivered to one reader.
        self.write('t.yaml', 'transport: none\nmessage: |\n'
                             '  await new Promise((r) => mailbox.pop("q", async (e, v) => {\n'
                             '    if (v !== undefined) await glob.increment("popped"); r(); }));\n')
        self.write('job.yaml', local_job(store='sqlite', devices=10, iterations=20, interval='1ms'))
        runs = [self.spawn('job.yaml') for _ in range(2)]
        self.assertEqual([0, 0], [run.wait(100) for run in runs])
        self.assertEqual('300', self.get('popped'))

    def test_init_reads_many_at_once(self):
        self.simulate('message: |\n  glob.set(`a_${client()}_key`, "k" + client());\n'
                      '  glob.set("row/r" + client() * 7, client());\n', devices=2000, iterations=1)
        self.write('d.csv', 'id\n' + ''.join(f'r{n * 7}\n' for n in range(2000)))
        trace = self.folder / 'trace'
        self.write('t.yaml', 'transport: none\ndata: d.csv\ninit: |\n'
                             '  state.k = glob.get("a_" + client() + "_key");\n  state.r = glob.get("row/" + device.id);\n'
                             'message: |\n  assert(state.k === "k" + client() && state.r === client(), state);\n')
        self.write('job.yaml', local_job(store='sqlite', devices=2000, iterations=1, loops=2))
        results = self.summary('job.yaml', '--series', str(trace))['simulate']
        self.assertEqual((0, 0), (results['failed'], results['glob']['blocking']), results['errors'])

    def test_a_get_that_waits_is_told(self):
        self.simulate('message: |\n  glob.set("x", 1);\n', devices=1, iterations=1)
        self.write('t.yaml', 'transport: none\nmessage: |\n  glob.get("x");\n  glob.get("absent");\n')
        done = self.iotifyd('job.yaml')
        self.assertIn('glob: scripts waited 2 times for the store', done.stdout)
        self.assertIn('WARNING', done.stderr)

    def test_others_changes_are_seen(self):
        self.write('t.yaml', 'transport: none\nstages:\n  Run: |\n    if (glob.get("stop") === "yes") next("Finished");\n')
        self.write('job.yaml', local_job(store='sqlite', devices=5, iterations=100000, interval='20ms'))
        run = self.spawn('job.yaml')
        time.sleep(1)
        self.iotifyd('glob', 'set', 'job.yaml', 'stop', stdin='yes')
        self.assertEqual(0, run.wait(20))

    def test_what_is_not_stored_fails_the_step(self):
        def no_room():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

        self.write('t.yaml', 'transport: none\nmessage: |\n  glob.set("small", 1);\n  await glob.flush();\n'
                             '  glob.set("big", "x".repeat(300000), (e, unused) => { state.e = String(e); });\n'
                             '  glob.set("big2", "x".repeat(300000));\n  await glob.flush();\n'
                             '  console.log(state.e); assert(glob.get("small") === 1 && !glob.get("big2"));\n')
        self.write('job.yaml', local_job(store='sqlite', devices=1, iterations=1))
        done = subprocess.run([IOTIFYD, 'job.yaml', '--json', 's.json'], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=60, preexec_fn=no_room)
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        summary = json.loads((self.folder / 's.json').read_text())
        self.assertEqual((0, 2), (summary['simulate']['failed'], summary['simulate']['glob']['failed_writes']))
        self.assertEqual(['GlobWriteFailed'], [one['code'] for one in step(summary, 'simulate')['errors']])
        self.assertIn('ERROR job/simulate: glob.set("big") is not in the store', done.stderr)
        self.assertRegex(done.stderr, 'Error: glob.set: .*(disk|full|I/O|large)')
        self.assertIn('2 writes are not in the store', done.stdout)

    def test_killed_after_the_answer(self):
        """Values that a callback reported as stored are there after SIGKILL."""
        self.write('t.yaml', 'transport: none\nmessage: |\n  glob.set("k" + index(), index(), (stored) => '
                             '{ if (stored) console.log("stored", index()); });\n')
        self.write('job.yaml', local_job(store='sqlite', devices=1, iterations=100000, interval='1ms'))
        for _ in range(3):
            run = self.spawn('job.yaml', stderr=subprocess.PIPE)
            stored = set()
            for line in run.stderr:
                found = re.search(r'stored (\d+)', line)
                if found:
                    stored.add(int(found[1]))
                if len(stored) > 200:
                    break
            run.send_signal(signal.SIGKILL)
            run.wait(10)
            keys = set(self.iotifyd('glob', 'list', 'job.yaml').stdout.split())
            self.assertLessEqual({f'k{n}' for n in stored}, keys)


class Original(Fleet):
    """What the templates of IoTIFY rely on."""

    def test_index_and_client_id(self):
        self.write('t.yaml', f'connection: {{host: 127.0.0.1, port: {self.port}, tls: false, '
                             'client_id: client_%d, will: {topic: "w/%d"}}\n'
                             'publish: {topic: "/t/%d/{{5 %d}}"}\nsubscribe: ["/c/%d"]\n'
                             'init: |\n  const d = 3;\n  state.id = this.clientId;\n'
                             'message: |\n  return this.clientId + state.id;\n'
                             'response: |\n  metric.add("same", this.clientId === "client_" + client());\n'
                             'library: |\n  globalThis.d = 3;\n')
        recorder = Recorder(self.port)
        self.addCleanup(recorder.close)
        self.run_job(devices=2, iterations=1)
        recorder.settle()
        self.assertEqual({('/t/0/2', 'client_0client_0'), ('/t/1/2', 'client_1client_1')},
                         {(topic, payload) for topic, payload, *_ in recorder.messages})

    def test_callbacks_by_their_parameters(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n'
                             '  const seen = [];\n'
                             '  glob.set("a", {n: 1}, (ok) => {\n    seen.push(ok);\n'
                             '    glob.get("a", (value) => {\n      seen.push(value.n);\n'
                             '      glob.get("a", (error, value) => {\n        seen.push(error, value.n);\n'
                             '        glob.delete("a", (done) => {\n          seen.push(done);\n'
                             '          glob.get("a", (value) => console.log(JSON.stringify([...seen, typeof value])));\n'
                             '        });\n      });\n    });\n  });\n')
        self.write('job.yaml', local_job(devices=1, iterations=1))
        self.assertIn('[true,1,null,1,true,"undefined"]', self.iotifyd('job.yaml').stderr)

    def test_whole_functions_are_refused(self):
        for body in ('(s) => "x"', 's => "x"', 'function (s) { return "x"; }', 'async (s) => "x";',
                     '|\n  async function message(state) {\n    return "x";\n  }'):
            self.write('t.yaml', f'transport: none\nmessage: {body}\n')
            self.write('job.yaml', local_job())
            with self.subTest(body):
                self.assertIn('and this is a whole function', self.iotifyd(
                    '--check', 'job.yaml', status=2).stderr)
        for body in ('function one() { return "1"; }\n  return one();', '((x) => x)(1);', 'const f = (a) => a;'):
            self.write('t.yaml', f'transport: none\nmessage: |\n  {body}\n')
            with self.subTest(body):
                self.iotifyd('--check', 'job.yaml')

    def test_delimiters_of_data(self):
        self.write('t.yaml', 'transport: none\ndata: d.csv\nmessage: |\n  console.log(device.b);\n')
        self.write('job.yaml', local_job(devices=1, iterations=1))
        for text, value in (('a,b\n1,x;y\n', 'x;y'), ('a;b\n1,5;2,5\n', '2,5'), ('a\tb\n1\tx\n', 'x'),
                            ('"a;1";b\n1;2\n', '2')):
            self.write('d.csv', text)
            with self.subTest(text):
                self.assertIn(f'iteration 0: {value}\n', self.iotifyd('job.yaml').stderr)


class Twins(Fleet):
    """Shadows, jobs and commands of AWS IoT against a simulated service on a broker."""

    def service(self):
        self.shadows = collections.defaultdict(lambda: {'version': 0, 'reported': {}, 'desired': {}})
        self.executions = [{'jobId': 'j1', 'status': 'QUEUED', 'jobDocument': {'do': 'it'}}]
        self.responses = []

        def react(client, message):
            topic, body = message.topic, json.loads(message.payload or b'{}')
            def send(suffix, document):
                client.publish(topic + suffix, json.dumps({**document, 'clientToken': body.get('clientToken')}), 1)
            found = re.fullmatch(r'\$aws/things/([^/]+)/shadow(/name/[^/]+)?/(get|update|delete)', topic)
            if found:
                shadow = self.shadows[found[1] + (found[2] or '')]
                if found[3] == 'update':
                    if body.get('version', shadow['version']) != shadow['version']:
                        send('/rejected', {'code': 409, 'message': 'Version conflict'})
                        return
                    shadow['version'] += 1
                    for part, values in body['state'].items():
                        shadow[part].update(values)
                    send('/accepted', {'state': body['state'], 'version': shadow['version']})
                    delta = {k: v for k, v in shadow['desired'].items() if shadow['reported'].get(k) != v}
                    if delta:
                        client.publish(topic + '/delta', json.dumps({'state': delta, 'version': shadow['version']}), 1)
                elif found[3] == 'get' and shadow['version']:
                    send('/accepted', {'state': {k: shadow[k] for k in ('reported', 'desired')}, 'version': shadow['version']})
                elif found[3] == 'get':
                    send('/rejected', {'code': 404, 'message': 'No shadow exists with name'})
                else:
                    send('/accepted', {'version': shadow['version']})
            elif topic.endswith('/jobs/start-next'):
                one = next((one for one in self.executions if one['status'] == 'QUEUED'), None)
                if one:
                    one['status'] = 'IN_PROGRESS'
                send('/accepted', {'execution': one} if one else {})
            elif re.search(r'/jobs/j1/update$', topic):
                self.executions[0]['status'] = body['status']
                send('/accepted', {})
            elif topic.endswith('/response/json'):
                self.responses.append(body)
                good = body['status'] != 'TIMED_OUT'
                client.publish(topic[:-4] + ('accepted' if good else 'rejected') + '/json', json.dumps(
                    {'executionId': topic.split('/')[5]} if good else
                    {'error': 'INVALID_STATUS', 'errorMessage': 'not by a device'}), 1)
            elif topic == 'ready':
                client.publish('$aws/commands/things/c0/executions/e1/request/json', '{"light": "on"}', 1)
        recorder = Recorder(self.port, react)
        self.addCleanup(recorder.close)
        return recorder

    def run_twins(self, template, **settings):
        settings.setdefault('thresholds', '[]')
        self.template('publish: {topic: t}\nsubscribe: ["{{shadow.topics()}}", "{{jobs.topics()}}", '
                      '"{{commands.topics()}}"]\n' + template)
        self.write('job.yaml', f'devices: {settings.pop("devices", 1)}\nplugins:\n  aws: {{use: aws-iot, region: eu-central-1}}\n'
                               '  glob: {use: sqlite}\npipelines:\n  simulate:\n    - simulate: {template: t.yaml'
                               + ''.join(f', {k}: {v}' for k, v in settings.items()) + '}\n')
        return self.summary('job.yaml', 'simulate')['simulate']

    def test_shadow(self):
        self.service()
        results = self.run_twins(
            'init: |\n  shadow.onDelta((delta) => { state.delta = delta; });\n'
            'message: |\n'
            '  if (index() === 0) { try { await shadow.get(); } catch (e) { assert(e.code === 404, e); } }\n'
            '  if (index() === 0) await shadow.update({reported: {t: 20}});\n'
            '  if (index() === 1) await shadow.update({desired: {t: 25}});\n'
            '  if (index() === 2) {\n'
            '    assert(state.delta?.t === 25, state);\n'
            '    const document = await shadow.get();\n'
            '    assert(document.state.reported.t === 20 && document.version === 2, document);\n'
            '    await shadow.update({reported: {t: 25}}, 1).then(() => assert(false, "no conflict"), (e) => assert(e.code === 409, e));\n'
            '    await shadow("config").update({reported: {rate: client()}});\n'
            '    await shadow.delete();\n  }\n'
            'response: |\n  assert(false, "an answer of a helper: " + topic);\n', devices=5, iterations=3, interval='2s')
        self.assertEqual((0, []), (results['failed'], results['errors']))
        self.assertEqual({'reported': {'rate': 4}, 'desired': {}, 'version': 1}, dict(self.shadows['c4/name/config']))
        metrics = results['metrics']
        self.assertEqual(10, metrics['shadow_get_seconds']['count'])
        self.assertEqual(20, metrics['shadow_update_seconds']['count'])
        self.assertLess(metrics['shadow_update_seconds']['max'], 5)

    def test_jobs_and_commands(self):
        self.service()
        results = self.run_twins(
            'init: |\n  commands.onCommand((payload, id) => ({result: {light: {s: payload.light + id}}}));\n'
            'message: |\n'
            '  publish("ready", "{}");\n'
            '  const job = await jobs.startNext();\n'
            '  if (job) await jobs.update(job.jobId, job.jobDocument.do === "it" ? "SUCCEEDED" : "FAILED");\n',
            iterations=2, interval='200ms', hold='2s')
        self.assertEqual((0, []), (results['failed'], results['errors']))
        self.assertEqual('SUCCEEDED', self.executions[0]['status'])
        self.assertEqual({'status': 'SUCCEEDED', 'result': {'light': {'s': 'one1'}}}, self.responses[0])
        self.assertEqual(2, results['metrics']['jobs_start_next_seconds']['count'])
        self.assertEqual(2, results['metrics']['commands_respond_seconds']['count'])
        self.assertLess(results['metrics']['commands_respond_seconds']['max'], 5)

    def test_two_answers_to_one_command(self):
        self.service()
        results = self.run_twins(
            'init: |\n  commands.onCommand((payload, id) => {\n'
            '    commands.respond(id, {status: "IN_PROGRESS"});\n    return {status: "SUCCEEDED"};\n  });\n'
            'message: |\n  publish("ready", "{}");\n', iterations=1, hold='2s')
        self.assertEqual([], results['errors'])
        self.assertEqual(['IN_PROGRESS', 'SUCCEEDED'], [one['status'] for one in self.responses])
        self.assertEqual(2, results['metrics']['commands_respond_seconds']['count'])

    def test_what_no_helper_asked_for_comes_to_response(self):
        self.service()
        results = self.run_twins(
            'init: |\n  commands.onCommand(() => null);\nmessage: |\n'
            '  await shadow.update({reported: {a: 1}});\n'
            '  publish("$aws/things/c0/shadow/get", JSON.stringify({clientToken: "mine"}));\n'
            '  publish("ready", "{}");\n'
            'response: |\n  if (topic.endsWith("get/accepted")) metric.add(JSON.parse(response.toString()).clientToken);\n',
            iterations=1, hold='2s')
        self.assertEqual(([], 0, []), (results['errors'], results['failed'], self.responses))
        self.assertEqual(1, results['metrics']['mine']['count'])

    def test_a_rejected_answer_is_told(self):
        self.service()
        results = self.run_twins(
            'init: |\n  commands.onCommand(async () => ({status: "TIMED_OUT"}));\n'
            'message: |\n  publish("ready", "{}");\n', iterations=1, hold='2s')
        self.assertEqual(1, len(results['errors']), results['errors'])
        self.assertIn('commands.respond: not by a device (INVALID_STATUS)', results['errors'][0]['message'])

    def test_handlers_that_fail(self):
        self.service()
        results = self.run_twins(
            'init: |\n  commands.onCommand(async () => { throw new Error("no light"); });\n'
            '  shadow.onDelta(async () => { throw new Error("no delta"); });\n'
            'message: |\n  publish("ready", "{}");\n  await shadow.update({desired: {t: 1}});\n',
            iterations=1, hold='2s')
        self.assertEqual({'status': 'FAILED', 'statusReason': {'reasonCode': 'DEVICE_ERROR',
                          'reasonDescription': 'Error: no light'}}, self.responses[0])
        self.assertEqual(['Error: no delta', 'Error: no light'],
                         sorted(re.search(r'Error: no \w+', one['message'])[0] for one in results['errors']))

    def test_nobody_answers(self):
        results = self.run_twins('message: |\n  await shadow.get();\n', iterations=1)
        self.assertEqual(1, results['failed'])
        self.assertIn('shadow.get: no answer within 10 s', results['errors'][0]['message'])


class Generated(Case):
    def test_template_of_deploy(self):
        self.start_sandbox('--quota', '*=1000')
        self.write('job.yaml', job(devices=3))
        self.iotifyd('job.yaml', 'deploy')
        template = (self.folder / 'aws_iotify.yaml').read_text()
        self.assertEqual('# Made by iotifyd; change it as you like, your changes are kept. ', template[:65])
        done = self.iotifyd('--preview', 'job.yaml')
        self.assertIn('message 0    to iotify/iotify_0/telemetry: {"client":0,"n":0,"temperature":', done.stdout)
        results = self.summary('job.yaml', 'simulate', 'cleanup', '--set',
                               'pipelines.simulate.0.simulate.iterations=2')['simulate']
        self.assertEqual((6, 0, 0), (results['acknowledged'], results['failed'], results['glob']['blocking']))
