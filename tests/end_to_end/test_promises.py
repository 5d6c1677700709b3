# SPDX-License-Identifier: Apache-2.0
"""The turn after an await, and promises that are never settled or have no handler."""
from fleet import Fleet, Recorder
from support import local_job


class Turns(Fleet):
    def check_turns(self, message, devices=20, iterations=5, library='', **settings):
        """Each message is on the topic of its client and iteration, and contains both."""
        recorder = Recorder(self.port)
        self.template('publish: {topic: "t/{{client()}}/{{index()}}", qos: 1}\n' +
                      (f'library: |\n{library}' if library else '') + 'message: |\n' + message)
        results = self.run_job(devices=devices, iterations=iterations, interval='20ms', loops=1, **settings)
        self.assertEqual(([], 0, 0), (results['errors'], results['failed'], results['lost']))
        recorder.settle()
        wanted = {f't/{c}/{n}': f'{c} {n}' for c in range(devices) for n in range(iterations)}
        self.assertEqual(wanted, {topic: payload for topic, payload, *_ in recorder.messages})
        self.assertEqual(len(wanted), len(recorder.messages))
        recorder.close()

    SHOWN = '`${client()} ${index()}`'

    def test_one_promise_of_many(self):
        self.check_turns('  const before = client();\n  await shared();\n'
                         '  assert(client() === before, "another turn");\n'
                         f'  return {self.SHOWN};\n',
                         library='  let promise;\n  const shared = () => promise ||= glob.increment("n");\n')

    def test_one_promise_without_await(self):
        self.check_turns(f'  return shared().then(() => {self.SHOWN});\n',
                         library='  let promise;\n  const shared = () => promise ||= glob.increment("n");\n')

    def test_settled_by_another(self):
        """20 clients wait; the last one settles the promises of all, in reverse order."""
        self.check_turns('  const wait = new Promise((resolve) => { waiting.push(resolve); });\n'
                         '  if (waiting.length === 20) waiting.splice(0).reverse().forEach((one) => one());\n'
                         f'  await wait;\n  return {self.SHOWN};\n', library='  const waiting = [];\n')

    def test_what_nobody_waits_for(self):
        for body in ('  Promise.resolve().then(() => publish(topic(), text()));\n',
                     '  (async () => { await null; publish(topic(), text()); })();\n',
                     '  (async () => { await glob.increment("n"); publish(topic(), text()); })();\n',
                     '  Promise.all([1, glob.increment("n")]).finally(() => publish(topic(), text()));\n'):
            with self.subTest(body=body):
                self.check_turns(body, library='  const topic = () => `t/${client()}/${index()}`;\n'
                                               f'  const text = () => {self.SHOWN};\n', hold='2s')

    def test_lists_go_to_their_own(self):
        self.check_turns('  await shared();\n' f'  return [{self.SHOWN}];\n',
                         library='  let promise;\n  const shared = () => promise ||= glob.increment("n");\n')

    def test_promise_is_what_it_was(self):
        self.template('publish: {topic: t}\nmessage: |\n'
                      '  const p = Promise.resolve(1);\n'
                      '  assert(Promise.resolve(p) === p && p instanceof Promise && p.constructor === Promise, "a");\n'
                      '  assert((async () => {})() instanceof Promise && Promise.name === "Promise", "b");\n'
                      '  class Mine extends Promise {}\n'
                      '  const mine = Mine.resolve(2).then((v) => v + 1);\n'
                      '  assert(mine instanceof Mine && await mine === 3, "c");\n'
                      '  assert(await {then: (resolve) => resolve(4)} === 4, "d");\n'
                      '  assert(await Promise.race([new Promise(() => {}), Promise.resolve(5)]) === 5, "e");\n'
                      '  assert((await Promise.allSettled([Promise.reject(6)]))[0].reason === 6, "f");\n'
                      '  try { await Promise.reject(new Error("7")); } catch (e) { assert(e.message === "7", "g"); }\n'
                      '  for await (const x of (async function* () { yield 8; })()) assert(x === 8, "h");\n')
        results = self.run_job(devices=3, iterations=2, interval='10ms')
        self.assertEqual(([], 0), (results['errors'], results['failed']))

    def test_random_values_behind_a_shared_promise(self):
        seen = []
        for loops in (1, 3):
            self.write('t.yaml', 'transport: none\nlibrary: |\n  let promise;\n'
                       '  const shared = () => promise ||= glob.increment("n");\nmessage: |\n'
                       '  await shared();\n  glob.set(`v${client()}`, Math.random());\n')
            self.write('job.yaml', local_job(store='sqlite', devices=12, iterations=3, interval='5ms', loops=loops))
            self.iotifyd('job.yaml')
            seen.append([self.iotifyd('glob', 'get', 'job.yaml', f'v{client}').stdout for client in range(12)])
        self.assertEqual(seen[0], seen[1])


class Batches(Fleet):
    def test_promises_among_texts(self):
        """Reporting the result of one call may end another client, which calls finish()."""
        self.write('t.yaml', 'transport: none\nmessage: |\n'
                             '  if (client() % 2) return {then(done) { done("y"); }};\n  return "x";\n'
                             'finish: |\n  metric.add("finished");\n')
        results = self.run_job(devices=50, iterations=1, interval='1ms', loops=1)
        self.assertEqual(([], 0, 50), (results['errors'], results['failed'], results['metrics']['finished']['count']))

    def test_a_limit_stops_one_of_those_that_wait(self):
        shared = 'library: |\n  let token, r;\n  const p = new Promise((k) => { r = k; });\n'
        for body in ('  token ||= glob.increment("token");\n  await token;\n  if (client() === 0) for (;;);\n'
                     '  await glob.increment("used");\n',
                     '  if (client() === 2) r();\n  return p.then(() => { if (client() === 2) for (;;); });\n',
                     '  if (client() === 2) { await glob.increment("a"); r(); await null; for (;;); }\n  await p;\n',
                     '  if (client() === 2) { await glob.increment("a"); r(); for (;;); }\n  await p;\n',
                     '  if (client() === 2) return glob.increment("a").then(() => { r(); for (;;); });\n  await p;\n'):
            with self.subTest(body=body):
                self.write('t.yaml', 'transport: none\n' + shared + 'message: |\n' + body)
                results = self.run_job(devices=3, iterations=1, loops=1, wait_limit='60s', time_limit='1s')
                self.assertEqual([('ScriptTimeout', 1)], [(one['code'], one['count']) for one in results['errors']])
                self.assertEqual(1, results['failed'])

    def test_a_rejection_is_of_whose_promise_it_is(self):
        self.write('t.yaml', 'transport: none\nlibrary: |\n  let rej;\n  const p = new Promise((k, j) => { rej = j; });\n'
                             '  p.catch(() => {});\nmessage: |\n  if (client() === 3) p.then(() => {});\n'
                             '  if (client() === 9) rej(new Error("why"));\n')
        results = self.run_job(devices=10, iterations=1, loops=1)
        self.assertEqual(['t.yaml:8:36: Error: why (client 3, iteration 0)'], [one['message'] for one in results['errors']])

    def test_callbacks_fail_by_themselves(self):
        recorder = Recorder(self.port)
        self.addCleanup(recorder.close)
        self.template('publish: {topic: "t/{{client()}}", qos: 1}\nmessage: |\n'
                      '  glob.get("x", () => { throw new Error("callback"); });\n'
                      '  await glob.flush();\n  await glob.flush();\n  return "hello";\n')
        results = self.run_job(devices=3, iterations=1)
        recorder.settle()
        self.assertEqual({'t/0': 1, 't/1': 1, 't/2': 1}, dict(recorder.topics()))
        self.assertEqual([('ScriptError', 3)], [(one['code'], one['count']) for one in results['errors']])

    def test_rejections_of_a_batch(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n'
                             '  if (client() % 100 === 7) Promise.reject(new Error("boom"));\n  return "x";\n')
        results = self.run_job(devices=400, iterations=1, interval='1ms', loops=1)
        self.assertEqual([('t.yaml:3:53: Error: boom (client 7, iteration 0)', 4)],
                         [(one['message'], one['count']) for one in results['errors']])

    def test_what_finish_leaves_behind(self):
        self.write('t.yaml', 'transport: none\nlibrary: |\n  let go;\n  const all = new Promise((r) => { go = r; });\n'
                             'message: |\n  all.then(() => { metric.add("resumed"); for (let i = 0; i < 1e5; i++); });\n'
                             'finish: |\n  if (client() === 1999) go();\n'
                             '  glob.get("k", () => { metric.add("late"); assert(client() > 2, "late"); });\n')
        results = self.run_job(devices=2000, iterations=1, interval='1ms', loops=1)
        self.assertEqual((2000, 2000), tuple(results['metrics'][name]['count'] for name in ('resumed', 'late')))
        self.assertEqual(([('AssertionFailed', 3)], 3), (
            [(one['code'], one['count']) for one in results['errors']], results['failed']))


class Unsettled(Fleet):
    def test_an_answer_settles_it(self):
        recorder = Recorder(self.port)
        self.addCleanup(recorder.close)
        self.template('publish: {topic: t, qos: 1}\nsubscribe: ["ask/{{client()}}"]\nmessage: |\n'
                      '  const answer = new Promise((resolve) => { waiting[client()] = resolve; });\n'
                      '  publish("ask/" + client(), "q" + index(), {qos: 1});\n'
                      '  return `${client()} ${await answer}`;\n'
                      'response: |\n  waiting[client()](response.toString());\n'
                      'library: |\n  const waiting = {};\n')
        results = self.run_job(devices=4, iterations=3, interval='100ms')
        self.assertEqual(([], 0), (results['errors'], results['failed']))
        recorder.settle()
        self.assertEqual({f'{c} q{n}' for c in range(4) for n in range(3)},
                         {payload for topic, payload, *_ in recorder.messages if topic == 't'})

    def test_nothing_settles_it(self):
        self.template('publish: {topic: t}\nmessage: |\n  await new Promise(() => {});\n')
        results = self.run_job(devices=2, iterations=2, interval='10ms', wait_limit='300ms')
        self.assertEqual(4, results['failed'])
        self.assertEqual(1, len(results['errors']))
        self.assertIn('message() has waited for a promise for 0.3 s, which is wait_limit',
                      results['errors'][0]['message'])

    def test_an_init_that_waits_for_another(self):
        self.write('t.yaml', 'transport: none\nlibrary: |\n  let release;\n'
                             '  const last = new Promise((resolve) => { release = resolve; });\n'
                             'init: |\n  if (client() === 999) release();\n  else await last;\n  state.ready = client();\n'
                             'message: |\n  assert(state.ready === client(), state);\n')
        results = self.run_job(devices=1000, iterations=1, loops=1)
        self.assertEqual(([], 0), (results['errors'], results['failed']))
        self.write('t.yaml', 'transport: none\ninit: |\n  await new Promise(() => {});\nmessage: return "x"\n')
        results = self.run_job(devices=3, iterations=1)
        self.assertEqual(3, results['failed'])
        self.assertIn('init() waits for a promise that nothing settles', results['errors'][0]['message'])

    def test_many_that_work_behind_one_promise(self):
        """Together the calls take longer than the time limit; each one alone does not."""
        self.write('t.yaml', 'transport: none\nlibrary: |\n  let open;\n  const gate = new Promise((r) => { open = r; });\n'
                             'message: |\n  if (client() === 79) return open();\n  await gate;\n'
                             '  for (const t = performance.now(); performance.now() - t < 100;);\n')
        results = self.run_job(devices=80, iterations=1, loops=1)
        self.assertEqual(([], 0), (results['errors'], results['failed']))

    def test_a_ring_without_end_holds_nobody_up(self):
        self.write('t.yaml', 'transport: none\nlibrary: |\n  let wake;\n'
                             '  const turn = () => { const before = wake; const p = new Promise((r) => { wake = r; }); before?.(); return p; };\n'
                             'message: |\n  if (client() > 1) return;\n  for (;;) await turn();\n')
        results = self.run_job(devices=5, iterations=3, interval='1ms', wait_limit='500ms', loops=1)
        self.assertEqual(6, results['failed'])
        self.assertEqual([('PromiseNotSettled', 6)], [(one['code'], one['count']) for one in results['errors']])


class Unhandled(Fleet):
    def rejected(self, template, text, **settings):
        self.template('publish: {topic: t}\nsubscribe: ["t"]\n' + template)
        results = self.run_job(**{'devices': 1, 'iterations': 1, 'hold': '2s', **settings})
        self.assertEqual([text], [one['message'] for one in results['errors']])

    def test_told_with_place_and_client(self):
        self.rejected('message: |\n  missing(null);\n  return "x";\nlibrary: |\n'
                      '  const missing = async (a) => {\n    a.b;\n  };\n',
                      "t.yaml:9:6: TypeError: null is not an object (evaluating 'a.b') (client 0, iteration 0)")
        self.rejected('message: |\n  Promise.reject(new Error("nobody cares"));\n',
                      't.yaml:5:27: Error: nobody cares (client 0, iteration 0)')
        self.rejected('message: |\n  return "x";\nresponse: |\n'
                      '  glob.get("k", async () => { throw new Error("in a callback"); });\n',
                      't.yaml:7:46: Error: in a callback (client 0, iteration 1)', hold='2s')

    def test_those_that_are_looked_at_later_are_not(self):
        self.template('publish: {topic: t}\nmessage: |\n  const p = Promise.reject(new Error("seen"));\n'
                      '  try { await p; } catch (e) { return "caught " + e.message; }\n')
        results = self.run_job(devices=1, iterations=2, interval='5ms')
        self.assertEqual(([], 0), (results['errors'], results['failed']))

    def test_of_the_library(self):
        self.template('publish: {topic: t}\nmessage: return "x"\nlibrary: |\n'
                      '  (async () => {\n    null.x;\n  })();\n')
        self.write('job.yaml', local_job())
        done = self.iotifyd('--check', 'job.yaml', status=2)
        self.assertEqual("t.yaml:6:9: TypeError: null is not an object (evaluating 'null.x')\n", done.stderr)
        self.template('publish: {topic: t}\nmessage: return "x"\nlibrary: |\n  const all = glob.list();\n')
        done = self.iotifyd('--check', 'job.yaml', status=2)
        self.assertEqual('t.yaml:5:24: Error: glob: not while the template is loaded; use it in a function '
                         'that init() or message() calls\n', done.stderr)
