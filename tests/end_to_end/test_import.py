# SPDX-License-Identifier: Apache-2.0
"""Exports of IoTIFY, in the format of its published samples: imported, checked and run."""
import json

from fleet import Fleet, Recorder
from support import Case


def export(name, message, transport='mqtt', host='', options=None, custom=None, topic='t', qos=0, **more):
    inner = {'name': name, 'message': '', 'messageString': message, 'topic': topic, 'protocol': 'mqtt',
             'transport': transport, 'host': host, 'endpoint': f'{transport}://{host}',
             'options': {'clientId': 'client_%d', 'keepalive': 60, 'connectTimeout': 30000, **(options or {})},
             'custom': {'init': '', 'initString': '', 'finish': '', 'finishString': '', 'sub': '',
                        'subString': '', 'subscribe': '', **(custom or {})},
             'msgOptions': {'qos': qos, 'retain': False}, **more}
    return {'name': name, 'type': 'network', 'json': inner}


class Import(Fleet):
    def take(self, given, *arguments, status=0):
        self.write('export.json', json.dumps(given))
        return self.iotifyd('import', 'export.json', *arguments, status=status)

    def run_imported(self, name, status=0, devices=2):
        self.iotifyd('--check', f'{name}.yaml')
        recorder = Recorder(self.port)
        self.addCleanup(recorder.close)
        # A simulation sets of a run what the export does not say.
        path = 'pipelines.simulate.0.simulate.'
        results = self.summary(f'{name}.yaml', '--set', f'devices={devices}', '--set', f'{path}iterations=2',
                               '--set', f'{path}interval=20ms', '--set', f'{path}hold=1s', status=status)
        recorder.settle()
        return results['simulate'], recorder.messages

    def export(self, *arguments, **more):
        return export(*arguments, host=f'127.0.0.1:{self.port}', **more)

    def test_plain(self):
        done = self.take(self.export('Plain sensor', '{\n    let n = index();\n    return "m" + n;\n}', topic='/s/%d'))
        self.assertIn('wrote Plain_sensor.yaml', done.stdout)
        self.assertNotIn('not carried over', done.stdout)
        _, messages = self.run_imported('Plain_sensor')
        self.assertEqual({('/s/0', 'm0'), ('/s/0', 'm1'), ('/s/1', 'm0'), ('/s/1', 'm1')},
                         {message[:2] for message in messages})

    def test_user_name_and_password(self):
        self.take(self.export('login', '{ return "x" }', options={'username': 'u_{{client()}}', 'password': 'p"%d\\',
                                                                  'rejectUnauthorized': False}))
        text = (self.folder / 'login-template.yaml').read_text()
        self.assertIn('username: "u_{{client()}}"', text)
        self.assertIn('password: "p\\"%d\\\\"', text)
        self.assertIn('verify: false', text)
        self.assertEqual(4, self.run_imported('login')[0]['acknowledged'])

    def test_state_and_helpers(self):
        results, messages = self.take_and_run(self.export(
            'helpers', '{\n  state.t = volatile({min: 1, max: 2, delta: 0.1, key: "t"});\n'
            '  assert(state.t >= 1, "low");\n  metric.add("m_" + jobClients(), state.t);\n'
            '  console.log("at", moment().valueOf() > 0);\n  return JSON.stringify({t: state.t, b: state.b});\n}',
            custom={'initString': '{ state.b = Buffer.from("x").toString("base64"); }'}))
        self.assertEqual((4, 4), (results['acknowledged'], len(messages)))
        self.assertEqual({'eA=='}, {json.loads(message[1])['b'] for message in messages})
        self.assertEqual(4, results['metrics']['m_2']['count'])

    def take_and_run(self, given, **settings):
        self.take(given)
        return self.run_imported(given['name'], **settings)

    def test_glob_and_mailbox(self):
        _, messages = self.take_and_run(self.export(
            'stores', '{\n  glob.set(this.clientId, {n: index()}, (ok) => { state.ok = ok; });\n'
            '  mailbox.post("b" + client(), index());\n'
            '  return index() ? [state.ok, glob.get(this.clientId).n, mailbox.pop("b" + client())].join() : "";\n}'))
        self.assertIn('true,1,1', {message[1] for message in messages})

    def test_drive(self):
        _, messages = self.take_and_run(self.export(
            'drive', '{ const p = drive({start: "Paris,FR", end: "Lille, FR", key: "my-maps-key", speed: 60, '
                     'interval: 3600}); return [p.latitude.toFixed(0), p.finished].join(); }'))
        self.assertEqual({'49,', '51,true'}, {message[1] for message in messages})

    def test_commands(self):
        """Each client hears its own messages, as if they were commands."""
        results, messages = self.take_and_run(self.export(
            'commands', '{ return JSON.stringify({do: "it"}); }', topic='/c/{{client()}}',
            custom={'subscribe': '/c/{{client()}}', 'subString':
                    '{\n  const command = JSON.parse(response);\n  console.log("got", response);\n'
                    '  metric.add(command.do);\n}', 'finishString': '{ publish("done/" + client(), "1"); }'}, qos=1))
        self.assertEqual(4, results['metrics']['it']['sum'])
        self.assertEqual(2, len([message for message in messages if message[0].startswith('done/')]))

    def test_certificates(self):
        done = self.take(self.export('certs', '{ return "x" }', transport='mqtts', qos=2, options={
            'key': '{{state.__$key}}', 'cert': '{{state.__$cert}}', 'ca': '{{state.ca}}', 'useQuerystring': True}))
        self.assertIn('msgOptions.qos: 2 is not supported; the template has 1', done.stdout)
        self.assertIn('options.useQuerystring: a template has no such setting here', done.stdout)
        text = (self.folder / 'certs-template.yaml').read_text()
        self.assertIn('tls: true', text)
        self.assertIn('key: "{{state.__$key}}"', text)
        self.iotifyd('--check', 'certs.yaml')

    def test_http(self):
        given = export('rest', '{ metric.add("n"); return "x" }', transport='https', host='example.com')
        given['json'].update(protocol='http', url='/x', simulation_id='5')
        done = self.take(given)
        self.assertIn('protocol: there is no transport for it', done.stdout)
        self.assertIn('url: a template has no such setting here', done.stdout)
        self.assertEqual(4, self.run_imported('rest')[0]['metrics']['n']['count'])

    def test_minified_only_and_windows_lines(self):
        given = self.export('small', '')
        given['json']['message'] = '{return"a"+client()}'
        given['json']['custom']['initString'] = '{\r\n\r\n  state.a = 1;\r\n\r\n  state.b = `x\r\n  y`;\r\n}'
        _, messages = self.take_and_run(given)
        self.assertEqual({'a0', 'a1'}, {message[1] for message in messages})

    def test_one_client_id_for_all(self):
        done = self.take(self.export('one', '{ return "x" }', options={'clientId': 'device'}))
        self.assertIn('options.clientId: is the same for all clients', done.stdout)
        self.iotifyd('--check', 'one.yaml')
        self.assertIn('devices: 1\n', (self.folder / 'one.yaml').read_text())


class BadInput(Case):
    def test_what_is_no_export(self):
        for text, error in (('{"a": 1,}', 'export.json:1:'), ('[]', 'no object "json"'), ('', 'export.json:'),
                            ('{"json": 5}', 'no object "json"'), ('{"json": {"host": 5, "options": 7}}', None)):
            self.write('export.json', text)
            with self.subTest(text):
                done = self.iotifyd('import', 'export.json', '--force', status=2 if error else 0)
                self.assertIn(error or 'host: is missing', done.stderr + done.stdout)
        self.assertIn('No such file', self.iotifyd('import', 'none.json', status=2).stderr)
        self.iotifyd('import', status=2)

    def test_files_stay(self):
        self.write('export.json', json.dumps(export('a', '{ return "x" }', host='h:1')))
        self.iotifyd('import', 'export.json', '-o', 'new')
        before = (self.folder / 'new/a.yaml').read_text()
        self.write('new/a.yaml', 'mine')
        self.assertIn('already exists; add --force', self.iotifyd(
            'import', 'export.json', '-o', 'new', status=1).stderr)
        self.assertEqual('mine', (self.folder / 'new/a.yaml').read_text())
        self.iotifyd('import', 'export.json', '-o', 'new', '--force')
        self.assertEqual(before, (self.folder / 'new/a.yaml').read_text())
        self.assertIn('cannot make the folder', self.iotifyd(
            'import', 'export.json', '-o', 'no/such/place', status=1).stderr)
