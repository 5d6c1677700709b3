# SPDX-License-Identifier: Apache-2.0
"""Templates from an author's view: helpers, errors, data, modules, and the examples of the
documentation."""
import json
import pathlib
import random
import re
import subprocess

from script_cases import ERRORS, LANGUAGE, TABLE
from support import Case, local_job, step

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = ('connection: {host: 127.0.0.1, port: 1, tls: false, client_id: "c{{client()}}"}\n'
          'publish: {topic: t}\n')
GPX = ('<gpx version="1.1"><trk><trkseg><trkpt lat="48.5" lon="11"/><trkpt lat="48.6" lon="11"/>'
       '</trkseg></trk></gpx>')


def block(text, indent='  '):
    return ''.join(f'{indent}{line}\n' for line in text.strip('\n').split('\n'))


class Template(Case):
    def preview(self, text, *arguments, status=0, **settings):
        self.write('t.yaml', text)
        self.write('job.yaml', local_job(**{'devices': 3, 'iterations': 10, 'interval': '1s', **settings}))
        return self.iotifyd('--preview', *arguments, 'job.yaml', status=status)


class Examples(Template):
    """The examples of docs/templates.md print the output shown there."""

    def test_documentation(self):
        text = (ROOT / 'docs/templates.md').read_text()
        examples = re.findall(r'```yaml\n((?:(?!```).)*)```\n```output\n((?:(?!```).)*)```', text, re.S)
        self.assertGreater(len(examples), 20)
        self.write('devices.csv', 'serial,site\nA-001,Berlin\nA-002,Oslo\nA-003,"Bad ""X"", Y"\n')
        for template, expected in examples:
            with self.subTest(template=template):
                own = template.startswith('transport')
                if own:
                    header = ''
                elif 'publish:' in template:
                    header = HEADER.split('\n', 1)[0] + '\n'
                else:
                    header = HEADER
                lines = self.preview(header + template, status=None).stdout.splitlines()
                lines = [line.rstrip() for line in lines]
                for line in expected.splitlines():
                    self.assertIn(line, lines)
                    lines = lines[lines.index(line) + 1:]


class Expressions(Template):
    """All expressions, in one client."""

    def setUp(self):
        super().setUp()
        self.write('beside.js', 'exports.twice = (n) => n * 2;\n')
        self.write('config.json', '{"deep": [1, 2]}')
        self.write('way.gpx', GPX)
        self.write('broken.js', 'const a = ;\n')
        self.write('node_modules/pack/package.json', '{"main": "lib/main"}')
        self.write('node_modules/pack/lib/main.js', 'module.exports = "main of pack";')
        self.write('node_modules/pack/extra.js', 'module.exports = "extra";')
        self.write('node_modules/@scope/modern/package.json', json.dumps({'exports': {
            '.': {'import': './no.mjs', 'require': './yes.cjs'}, './sub/*': './parts/*.js'}}))
        self.write('node_modules/@scope/modern/yes.cjs', 'module.exports = "by exports";')
        self.write('node_modules/@scope/modern/parts/x.js', 'module.exports = "sub x";')
        self.write('node_modules/modern-only/package.json', '{"type": "module", "exports": {"import": "./a.mjs"}}')
        self.write('latin.js', b'module.exports = "\xfc";')
        self.write('node_modules/circle/index.js',
                   'exports.half = true; exports.other = require("./other"); exports.done = true;')
        self.write('node_modules/circle/other.js', 'module.exports = require("./index").half;')

    def results(self, expressions):
        """The value of each expression as JSON, or the text of its error."""
        functions = ',\n'.join(f'(state) => ({one})' for one in expressions)
        text = HEADER + 'library: |\n' + block(
            'const class_ = () => new (class { v = 7; })();\n'
            'const structured = () => ({deep: {list: ["a", "b"]}});\n'
            f'const cases = [\n{functions}\n];') + (
            'stages:\n  Run: |\n    next("Finished");\n'
            '    return cases.map((call) => { try { const value = call(state);\n'
            '      return "=" + JSON.stringify(value === undefined ? null : value); }\n'
            '      catch (error) { return "!" + error; } });\n')
        lines = self.preview(text, '--solo', '2', devices=5, interval='2s').stdout.splitlines()
        found = [line.split('to t: ', 1)[1] for line in lines if line.startswith('message 0')]
        self.assertEqual(len(expressions), len(found), lines[-3:])
        return found

    def check(self, cases):
        for (expression, expected), found in zip(cases, self.results([one for one, _ in cases])):
            with self.subTest(expression=expression):
                self.assertEqual('=', found[0], found)
                self.assertEqual(expected, json.loads(found[1:]))

    def test_rows_of_the_table(self):
        self.check(TABLE)

    def test_language(self):
        self.check(LANGUAGE)

    def test_errors(self):
        for (expression, expected), found in zip(ERRORS, self.results([one for one, _ in ERRORS])):
            with self.subTest(expression=expression):
                self.assertEqual('!', found[0], found)
                if expected:
                    self.assertEqual(expected, found[1:])

    def test_nothing_outside_is_read(self):
        outside = self.folder.parent / f'{self.folder.name}-outside.js'
        outside.write_text('module.exports = "leaked";')
        self.addCleanup(outside.unlink)
        (self.folder / 'link.js').symlink_to(outside)
        (self.folder / 'node_modules/linked').symlink_to('/etc')
        for request in (f'../{outside.name}', str(outside), './link', 'linked/hostname',
                        '/etc/hostname', './t.yaml', '../../etc/passwd'):
            found = self.results([f'require({json.dumps(request)})'])[0]
            self.assertTrue(found.startswith('!Error: Cannot find module'), found)

    def test_faker_from_npm(self):
        source = ROOT / 'build/javascript/node_modules/@faker-js'
        subprocess.run(['cp', '-r', str(source), str(self.folder / 'node_modules/@faker-js')],
                       check=True)
        found = self.results(['(({faker}) => (faker.seed(1), faker.person.firstName().length > 1))'
                              '(require("@faker-js/faker"))'])
        self.assertEqual(['=true'], found)


class Errors(Template):
    """The exact text, location and stack of an error."""

    def fails(self, template, *lines):
        output = self.preview(HEADER + template, status=1).stdout
        self.assertIn('\n'.join(lines), output)

    CASES = [
        ('message: |\n  let a = null;\n  return a.b;\n',
         "t.yaml:5:11: TypeError: null is not an object (evaluating 'a.b')", 5, 'return a.b;', 9),
        ('message: |\n  missing();\n', "t.yaml:4:10: ReferenceError: Can't find variable: missing", 4, 'missing();', 8),
        ('message: return missing\n', "t.yaml:3:24: ReferenceError: Can't find variable: missing", 3, 'return missing', 15),
        ('message: "return missing"\n', "t.yaml:3:25: ReferenceError: Can't find variable: missing", 3, 'return missing', 15),
        ('message: |\n  throw new RangeError("far");\n', 't.yaml:4:23: RangeError: far', 4, 'throw new RangeError("far");', 21),
        ('message: |\n  const x = 1;\n  x = 2;\n', 't.yaml:4:3: TypeError: Attempted to assign to readonly property.', 4, 'const x = 1;', 1),
        ('message: |\n    if (true) {\n      null.x;\n    }\n', "t.yaml:5:11: TypeError: null is not an object (evaluating 'null.x')", 5, '  null.x;', 7),
        ('message: |\n  JSON.parse("{");\n', "t.yaml:4:13: SyntaxError: JSON Parse error: Expected '}'", 4, 'JSON.parse("{");', 11),
        ('message: |\n  await null;\n  missing();\n', "t.yaml:5:10: ReferenceError: Can't find variable: missing", 5, 'missing();', 8),
        ('init: |\n  state.x.y;\nmessage: return 1\n', "t.yaml:4:10: TypeError: undefined is not an object (evaluating 'state.x.y')", 4, 'state.x.y;', 8),
        ('finish: |\n  missing();\nmessage: return "x"\n', "t.yaml:4:10: ReferenceError: Can't find variable: missing", 4, 'missing();', 8),
        ('library: |\n  const inner = (a) => a.b.c;\nmessage: |\n  return inner({});\n',
         "t.yaml:4:27: TypeError: undefined is not an object (evaluating 'a.b.c')", 4, 'const inner = (a) => a.b.c;', 25),
        ('message: |\n  glob.get("");\n', 't.yaml:4:11: TypeError: a glob key is a string that is not empty', 4, 'glob.get("");', 9),
        ('message: |\n  return {a: 1};\n', 't.yaml:4:3: message must return a string, a Buffer or a list of messages; return JSON.stringify(…) of an object', None, '', 0),
        ('message: |\n  return [1];\n', 't.yaml:4:3: TypeError: a message of the list is a string, a Buffer or {topic, payload, qos, retain}', None, '', 0),
        ('message: |\n  throw {toString() { throw 1; }};\n', 't.yaml:4:3: threw a value without a text', None, '', 0),
        ('message: |\n  throw "-----BEGIN PRIVATE KEY-----\\nAA\\n-----END PRIVATE KEY-----";\n', 't.yaml:4:3: threw [redacted]', None, '', 0),
        ('message: |\n  throw "just text";\n', 't.yaml:4:3: threw just text', None, '', 0),
        ('message: |\n  const grün = "ü"; missing();\n', "t.yaml:4:28: ReferenceError: Can't find variable: missing", 4, 'const grün = "ü"; missing();', 26),
        ('stages:\n  A: |\n    return "a" + missing;\n', "t.yaml:5:25: ReferenceError: Can't find variable: missing", 5, 'return "a" + missing;', 21),
        ('message: >\n  const ü = 1;\n  const b = () =>\n    missing;\n\n  return b();\n',
         "t.yaml:6:12: ReferenceError: Can't find variable: missing", 6, '    missing;', 12),
        ('message: "const a = 1;\\n\\treturn \\u00fc +\n\n  a;"\n', "t.yaml:3:40: ReferenceError: Can't find variable: ü", 3, 'message: "const a = 1;\\n\\treturn \\u00fc +', 40),
        ('message: "let s = \\"a\\x20\\u0020b\\";\\r\\n  null.x"\n', "t.yaml:3:46: TypeError: null is not an object (evaluating 'null.x')", 3, 'message: "let s = \\"a\\x20\\u0020b\\";\\r\\n  null.x"', 46),
        ('message: |\r\n\r\n  const a = 1;\r\n  null.x;\r\n', "t.yaml:6:7: TypeError: null is not an object (evaluating 'null.x')", 6, 'null.x;', 5),
        ("message: 'return ''a'' +\n  missing;'\n", "t.yaml:4:10: ReferenceError: Can't find variable: missing", 4, "  missing;'", 10),
        ('message: const a = 1;\n  return a + missing\n', "t.yaml:4:20: ReferenceError: Can't find variable: missing", 4, '  return a + missing', 20),
        ('init: "null.x"\nmessage: "\\n\\n\\n\\nnull.y"\n', "t.yaml:3:12: TypeError: null is not an object (evaluating 'null.x')", 3, 'null.x', 5),
        ('script: own.js\n', "own.js:2:17: ReferenceError: Can't find variable: missing", 2, '  return missing;', 17),
        ('message: |\n  return require("./deep").call();\n', "deep.js:1:29: ReferenceError: Can't find variable: missing", 1, 'exports.call = () => missing() + 1;', 29),
    ]

    def test_runtime_errors(self):
        self.write('own.js', 'function message(state) {\n  return missing;\n}\n')
        self.write('deep.js', 'exports.call = () => missing() + 1;\n')
        for template, text, line, shown, column in self.CASES:
            with self.subTest(template=template):
                lines = [f'  error      {text} (client 0, iteration {10 if template.startswith("finish") else 0})']
                if line:
                    lines += [f'    {line:5} | {shown}', '          | ' + ' ' * (column - 1) + '^']
                self.fails(template, *lines)

    def test_stacks_are_the_users(self):
        self.fails('library: |\n  function outer(a) {\n    return a();\n  }\nmessage: |\n'
                   '  return outer(() => missing);\n',
                   "  error      t.yaml:8:29: ReferenceError: Can't find variable: missing "
                   "(client 0, iteration 0)",
                   '        8 | return outer(() => missing);',
                   '          |                           ^',
                   '    at t.yaml:8:29', '    at outer (t.yaml:5:13)', '    at message (t.yaml:8:15)')

    def test_stacks_of_asynchronous_functions(self):
        self.fails('library: |\n  async function helper(a) {\n    return a.b.c;\n  }\n'
                   '  const arrow = async (x) => {\n    return helper(x);\n  };\nmessage: |\n'
                   '  const x = 1;\n  await arrow({});\n',
                   '        5 |   return a.b.c;', '          |             ^',
                   '    at helper (t.yaml:5:15)', '    at t.yaml:8:18', '    at message (t.yaml:12:14)',
                   '  state      {}')

    def test_a_thousand_failures_are_one_line_and_a_count(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  if (client() % 2) throw new Error("odd " '
                             '+ index());\n  return missing;\n')
        self.write('job.yaml', local_job(devices=20, iterations=100, interval='1ms'))
        done = self.iotifyd('job.yaml', '--json', 's.json')
        self.assertEqual(2, done.stderr.count('WARNING'), done.stderr)
        errors = json.loads((self.folder / 's.json').read_text())['simulate']['errors']
        self.assertEqual([('ScriptError', 1000), ('ScriptError', 1000)],
                         [(one['code'], one['count']) for one in errors])
        self.assertEqual(['t.yaml:3:36', 't.yaml:4:17'], sorted(
            one['message'].split(': ')[0] for one in errors))

    def test_limits(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  if (client() === 1) for (;;);\n'
                             '  if (client() === 2) { const a = []; for (;;) a.push(new Array(9999).fill(index())); }\n'
                             '  if (client() === 3) { await null; for (;;); }\n'
                             '  return "fine";\n')
        self.write('job.yaml', local_job(devices=4, iterations=2, interval='10ms', loops=1,
                                         time_limit='1s', memory_limit='100MB'))
        results = self.summary('job.yaml')['simulate']
        self.assertEqual(6, results['failed'])
        texts = ' '.join(one['message'] for one in results['errors'])
        self.assertIn('stopped after 1 s; a call may not take longer', texts)
        self.assertIn('stopped: it took more than 95 MiB of memory; memory_limit allows no more', texts)

    def test_limits_are_told_of_whom_they_stopped(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  if (client() === 0) throw new TypeError("mine");\n'
                             '  if (client() === 1) for (;;);\n'
                             '  if (client() === 2) { await glob.increment("a"); for (;;); }\n'
                             '  if (client() === 3) await new Promise(() => {});\n  throw "number " + client();\n')
        self.write('job.yaml', local_job(devices=6, iterations=1, interval='1ms', loops=1, time_limit='1s', wait_limit='3s'))
        errors = self.summary('job.yaml')['simulate']['errors']
        self.assertEqual([
            ('PromiseNotSettled', 't.yaml:3:3: message() has waited for a promise for 3 s, which is wait_limit (client 3, iteration 0)', 1),
            ('ScriptError', 't.yaml:3:3: threw number 4 (client 4, iteration 0)', 2),
            ('ScriptError', 't.yaml:3:42: TypeError: mine (client 0, iteration 0)', 1),
            ('ScriptTimeout', 't.yaml:3:3: stopped after 1 s; a call may not take longer (client 1, iteration 0)', 2)],
            sorted((one['code'], one['message'], one['count']) for one in errors))

    def test_memory_that_is_kept_ends_the_run(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  state.all ||= [];\n'
                             '  state.all.push("x".repeat(3e6) + index());\n  state.all.at(-1).charCodeAt(5);\n')
        self.write('job.yaml', local_job(devices=1, iterations=100000, interval='1ms', loops=1,
                                         memory_limit='200MB'))
        results = self.summary('job.yaml', status=1)['simulate']
        self.assertIn('ScriptMemory', [one['code'] for one in results['errors']])
        self.assertEqual('ScriptMemory', step(json.loads((self.folder / 'summary.json').read_text()),
                                               'simulate')['errors'][0]['code'])


class Data(Template):
    def test_csv_and_lines(self):
        self.write('d.csv', '\ufeffserial,site\nA,"Oslo, N"\nB,"a ""b"""\n\nC,x\n')
        out = self.preview('transport: none\ndata: d.csv\nmessage: return JSON.stringify(device)\n', '--solo', '1').stdout
        self.assertIn('message 0    {"serial":"B","site":"a \\"b\\""}\n', out)
        self.write('d.jsonl', '{"a": 1}\n{"a": [2]}\n\n{"a": 3}\n')
        out = self.preview('transport: none\ndata: d.jsonl\nmessage: return JSON.stringify(device)\n', '--solo', '2').stdout
        self.assertIn('message 0    {"a":3}\n', out)

    def test_rows_of_empty_values(self):
        for content, expected in (('a,b\nA,1\n,\n  \nC,3\n', '{"a":"","b":""}'), ('a\nA\n""\n\nC\n', '{"a":""}')):
            self.write('d.csv', content)
            out = self.preview('transport: none\ndata: d.csv\nmessage: return JSON.stringify(device)\n', '--solo', '1').stdout
            self.assertIn(f'message 0    {expected}\n', out)

    def test_wrong_data(self):
        for name, content, text in (
                ('d.csv', 'a,b\n1,2\n1,2,3\n', 't.yaml:2:7: SyntaxError: d.csv:3: Too many fields: expected 2 fields but parsed 3'),
                ('d.jsonl', '{"a": 1}\n{"a": \n', "t.yaml:2:7: SyntaxError: d.jsonl:2: JSON Parse error: Unexpected EOF"),
                ('d.jsonl', '\ufeff{"a": 1}\n[1]\n', 't.yaml:2:7: SyntaxError: d.jsonl:2: not a JSON object'),
                ('d.csv', 'a,b\n\n\n"x\ny",2\n\n3\n', 't.yaml:2:7: SyntaxError: d.csv:7: Too few fields: expected 2 fields but parsed 1'),
                ('d.csv', 'a,b\r1,2\r3\r', 't.yaml:2:7: SyntaxError: d.csv:3: Too few fields: expected 2 fields but parsed 1'),
                ('d.csv', 'a,b,a\n1,2,3\n', 't.yaml:2:7: SyntaxError: d.csv:1: two columns have the name "a"'),
                ('d.csv', b'a\n\xff\n', 't.yaml:2:7: cannot read d.csv: it is not UTF-8 text'),
                ('d.csv', b'a\n\0\n', 't.yaml:2:7: cannot read d.csv: it is not text: it holds a NUL'),
                ('d.csv', 'a\n1\n2\n', 't.yaml:2:7: d.csv has 2 rows, and client 2 takes part: each client has a row, from 0 on'),
                ('d.txt', 'a', 't.yaml:2:7: "data" takes a .csv file, or a .jsonl file with one JSON object per line')):
            self.write(name, content)
            done = self.preview(f'transport: none\ndata: {name}\nmessage: return "x"\n', status=2)
            self.assertEqual(text + '\n', done.stderr)

    def test_seed_over_loops(self):
        self.write('rows.csv', 'k\n' + ''.join(f'r{n}\n' for n in range(20)))
        self.write('t.yaml', 'transport: none\ndata: rows.csv\nmessage: |\n'
                             '  glob.set(`v${client()}-${index()}`, [device.k, Math.random(), '
                             'chance.integer(), volatile({key: "a"}), chance.guid()]);\n')
        seen = []
        for loops in (1, 2, 7):
            self.write('job.yaml', local_job(store='sqlite', devices=20, iterations=3, interval='1ms', loops=loops))
            self.iotifyd('job.yaml')
            keys = self.iotifyd('glob', 'list', 'job.yaml').stdout.split()
            self.assertEqual(60, len(keys))
            seen.append([self.iotifyd('glob', 'get', 'job.yaml', key).stdout for key in keys[::10]])
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[0], seen[2])


class Properties(Template):
    def test_json_through_the_glob(self):
        source = random.Random(7)

        def value(depth=0):
            kind = source.randrange(8 if depth < 4 else 6)
            if kind == 0:
                return None
            if kind == 1:
                return source.random() < 0.5
            if kind == 2:
                return source.randint(-2**53, 2**53)
            if kind == 3:
                return source.uniform(-1e9, 1e9) * 10 ** source.randint(-200, 200)
            if kind in (4, 5):
                return ''.join(chr(source.choice((source.randrange(0, 128), source.randrange(0xa0, 0xd7ff),
                                                  source.randrange(0x10000, 0x10ffff), 0xd800, 1)))
                               for _ in range(source.randrange(12)))
            if kind == 6:
                return [value(depth + 1) for _ in range(source.randrange(5))]
            return {str(source.randrange(10**6)) + source.choice('aü"\\ '): value(depth + 1) for _ in range(source.randrange(5))}

        values = [value() for _ in range(600)]
        self.write('values.json', json.dumps(values))
        template = ('transport: none\nlibrary: |\n  const values = require("./values.json");\n'
                    '  const show = (v) => JSON.stringify(v);\nmessage: |\n')
        self.write('t.yaml', template + '  values.forEach((v, i) => glob.set("v" + i, v));\n')
        self.write('job.yaml', local_job(store='sqlite', devices=1, iterations=1))
        self.iotifyd('job.yaml')
        self.write('t.yaml', template + '  values.forEach((v, i) => assert(show(glob.get("v" + i)) === show(v), i + show(v)));\n')
        results = self.summary('job.yaml')['simulate']
        self.assertEqual(([], 0), (results['errors'], results['failed']))
        self.assertEqual(600, results['glob']['blocking'])

    def test_buffer_as_in_node(self):
        node = ROOT / 'build/javascript/node_modules/.bin/node'
        self.write('cases.js', (ROOT / 'tests/javascript/buffer_cases.js').read_text())
        expected = subprocess.run(
            [str(node), '-e', 'console.log(require("./cases.js").run(10000))'], cwd=self.folder,
            capture_output=True, text=True, check=True).stdout.strip()
        out = self.preview('transport: none\nmessage: |\n  if (index() === 0) return require("./cases").run(10000);\n',
                           time_limit='60s').stdout
        self.assertIn(f'message 0    {expected}\n', out)

    def test_walks_and_journeys(self):
        template = '''transport: none
library: |
  const to = ([latitude, longitude]) => ({latitude, longitude});
message: |
  const low = chance.floating({min: -1e6, max: 1e6}), width = chance.floating({min: 0, max: 1e5});
  const delta = chance.floating({min: 0, max: 2 * width});
  let before;
  for (let i = 0; i < 50; i++) {
    const v = volatile({key: "k" + index(), min: low, max: low + width, delta});
    assert(v >= low && v <= low + width, `${v} is outside`);
    assert(before === undefined || Math.abs(v - before) <= delta * 1.0000001, "a jump");
    before = v;
  }
  const start = [chance.latitude(), chance.longitude()], end = [chance.latitude(), chance.longitude()];
  const metres = geolib.getDistance(to(start), to(end), 0.001);
  const steps = chance.integer({min: 1, max: 40});
  const speed = metres / steps * 1.0001;
  let point, count = -1;
  do {
    point = drive({name: "d" + index(), start, end, speed, interval: 1});
    count++;
  } while (!point.finished && count < 100);
  assert(point.latitude === end[0] && point.longitude === end[1], `${JSON.stringify(point)} is not ${end}`);
  assert(count === steps, `${count} steps in place of ${steps}`);
'''
        self.write('t.yaml', template)
        self.write('job.yaml', local_job(devices=20, iterations=20, interval='1ms', time_limit='20s'))
        results = self.summary('job.yaml')['simulate']
        self.assertEqual(([], 0), (results['errors'], results['failed']))
