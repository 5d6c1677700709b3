# SPDX-License-Identifier: Apache-2.0
import json
import signal
import subprocess
import time

from support import Case, Metrics, TEMPLATE_NONE, free_port, job, local_job


class Plain(Case):
    """Against a plain broker."""

    def setUp(self):
        super().setUp()
        self.port = self.start_broker()

    def template(self, more, client='c{{client()}}'):
        self.write('t.yaml', f'connection: {{host: 127.0.0.1, port: {self.port}, tls: false, '
                             f'client_id: "{client}", timeout: 3s}}\n' + more)

    def subscribe(self, count, topic='#'):
        """Start a subscriber, and wait until it has printed a first message."""
        process = subprocess.Popen(
            ['mosquitto_sub', '-p', str(self.port), '-t', topic, '-C', str(count + 1), '-W', '60',
             '-q', '1', '-F', '%t %p'], stdout=subprocess.PIPE, text=True)
        subprocess.run(['mosquitto_pub', '-p', str(self.port), '-t', 'here', '-m', 'x', '-q', '1',
                        '-r'], check=True)
        self.assertEqual('here x\n', process.stdout.readline())
        return process

    def test_messages_arrive(self):
        self.template('publish: {topic: "t/{{client()}}/{{index()}}", qos: 1}\nmessage: |\n'
                      '  return JSON.stringify({c: client(), n: index()});\n')
        self.write('job.yaml', local_job(iterations=4, interval='50ms', devices=5))
        subscriber = self.subscribe(20)
        results = self.summary('job.yaml')['simulate']
        lines = sorted(subscriber.communicate(timeout=30)[0].splitlines())
        self.assertEqual(sorted(f't/{c}/{n} {{"c":{c},"n":{n}}}' for c in range(5)
                                for n in range(4)), lines)
        self.assertEqual((5, 5, 20, 20, 0, 0), tuple(results[name] for name in (
            'clients', 'connected', 'published', 'acknowledged', 'lost', 'failed')))

    def test_qos_0_and_several_loops(self):
        self.template('publish: {topic: t, qos: 1}\nmessage: |\n  return String(client());\n')
        self.write('job.yaml', local_job(iterations=3, interval='20ms', devices=7, loops=2, qos=0))
        subscriber = self.subscribe(21)
        results = self.summary('job.yaml')['simulate']
        lines = sorted(subscriber.communicate(timeout=30)[0].splitlines())
        self.assertEqual(sorted([f't {c}' for c in range(7)] * 3), lines)
        self.assertEqual(21, results['acknowledged'])

    def test_subscriptions_and_response(self):
        self.template('publish: {topic: "t/{{client()}}", qos: 1}\nsubscribe: ["t/{{client()}}"]\n'
                      'message: |\n  return "n" + index();\nresponse: |\n'
                      '  glob.set("got" + client(), (glob.get("got" + client()) || "") + '
                      'topic + "=" + response.toString() + ";");\nfinish: |\n'
                      '  glob.set("done" + client(), "yes");\n')
        self.write('job.yaml', local_job(store='sqlite', iterations=3, interval='100ms', hold='2s'))
        results = self.summary('job.yaml')['simulate']
        self.assertEqual(9, results['received'])
        self.assertEqual('t/1=n0;t/1=n1;t/1=n2;\n',
                         self.iotifyd('glob', 'get', 'job.yaml', 'got1').stdout)
        self.assertEqual('yes\n', self.iotifyd('glob', 'get', 'job.yaml', 'done2').stdout)

    def test_script_errors_are_results(self):
        self.template('publish: {topic: t}\nmessage: |\n  if (client() === 1 && index() === 2) {\n'
                      '    state.nothing.x;\n  }\n  return "x";\n')
        self.write('job.yaml', local_job(iterations=4, interval='20ms'))
        summary = self.summary('job.yaml')
        self.assertEqual((1, 11), (summary['simulate']['failed'], summary['simulate']['published']))
        self.assertEqual(
            't.yaml:5:18: TypeError: undefined is not an object (evaluating \'state.nothing.x\') '
            '(client 1, iteration 2)', summary['simulate']['errors'][0]['message'])

    def test_thresholds(self):
        self.template('publish: {topic: t}\nmessage: |\n  throw new Error("no");\n')
        self.write('job.yaml', local_job(iterations=2, interval='10ms',
                                         thresholds='["failed == 0", "published == 0"]'))
        summary = self.summary('job.yaml', status=99)
        # Those of every step, unless the step has its own about the same metric.
        self.assertEqual({'failed == 0': (False, 6), 'published == 0': (True, 0), 'lost == 0': (True, 0),
                          'script_errors == 0': (False, 6)},
                         {t['expression']: (t['ok'], t['value']) for t in summary['thresholds']})

    def test_hidden_keys_are_not_published(self):
        self.template('publish: {topic: t}\ninit: |\n  state.__$key = "HIDDEN";\n  '
                      'state.deep = {list: [{__$x: "HIDDEN", y: 1}]};\nmessage: |\n'
                      '  console.log(state);\n  return JSON.stringify(state);\n')
        self.write('job.yaml', local_job(iterations=1))
        subscriber = self.subscribe(3)
        done = self.iotifyd('job.yaml')
        self.assertEqual('t {"deep":{"list":[{"y":1}]}}\n' * 3,
                         subscriber.communicate(timeout=30)[0])
        self.assertNotIn('HIDDEN', done.stdout + done.stderr)

    def test_expression_that_is_undefined(self):
        self.template('publish: {topic: t}\nmessage: |\n  return "x";\n',
                      client='{{state.nothing}}')
        self.write('job.yaml', local_job(iterations=1))
        summary = self.summary('job.yaml', status=1)
        self.assertIn('"client_id": {{state.nothing}} is undefined',
                      summary['simulate']['errors'][0]['message'])

    def test_broker_comes_back(self):
        self.template('publish: {topic: t, qos: 1}\nmessage: |\n  return "x";\n')
        self.write('job.yaml', local_job(iterations=150, interval='100ms',
                                         reconnect='{backoff: fixed, cap: 200ms, attempts: 100}'))
        metrics = Metrics(free_port())
        process = self.spawn('-q', 'job.yaml', '--json', 'summary.json', '--metrics-port',
                             str(metrics.port))
        metrics.wait('connections', 3)
        self.kill_broker()
        time.sleep(0.7)
        self.restart_broker()
        self.assertEqual(0, process.wait(60))
        results = json.loads((self.folder / 'summary.json').read_text())['simulate']
        self.assertEqual((450, 450, 0, 3), tuple(results[name] for name in (
            'published', 'acknowledged', 'lost', 'reconnects')))

    def test_parts_of_buffers(self):
        self.template('publish: {topic: t}\nmessage: |\n'
                      '  return Buffer.from("hello").subarray(2);\n')
        self.write('job.yaml', local_job(iterations=1, devices=1))
        subscriber = self.subscribe(1)
        self.iotifyd('job.yaml')
        self.assertEqual('t llo\n', subscriber.communicate(timeout=30)[0])

    def test_unreachable_broker(self):
        self.template('publish: {topic: t}\nmessage: |\n  return "x";\n')
        self.write('job.yaml', local_job(iterations=1,
                                         reconnect='{backoff: none, attempts: 2}'))
        self.broker.terminate()
        self.broker.wait()
        summary = self.summary('job.yaml', status=1)
        error = summary['simulate']['errors'][0]
        self.assertEqual(('Unreachable', 6, 0),
                         (error['code'], error['count'], error['first_client']))
        self.assertIn('Connection refused', error['message'])
        self.assertEqual(3, summary['simulate']['abandoned'])

    def test_interrupted_run_finishes_in_flight(self):
        self.template('publish: {topic: t, qos: 1}\nmessage: |\n  return "x";\n')
        self.write('job.yaml', local_job(interval='20ms', duration='60s'))
        subscriber = self.subscribe(50)
        process = self.spawn('-q', 'job.yaml', '--json', 'summary.json')
        subscriber.communicate(timeout=60)
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(60))
        results = json.loads((self.folder / 'summary.json').read_text())['simulate']
        self.assertGreaterEqual(results['published'], 50)
        self.assertEqual((results['published'], 0), (results['acknowledged'], results['lost']))

    def test_duration_and_rate(self):
        self.template('publish: {topic: t, qos: 0}\nmessage: |\n  return "x";\n')
        self.write('job.yaml', local_job(interval='100ms', duration='2s', devices=20,
                                         connect_rate='20/s'))
        summary = self.summary('job.yaml')
        # One more device every 50 ms: 305 messages. 20 devices from the start would send 400.
        self.assertTrue(100 <= summary['simulate']['published'] <= 370, summary['simulate'])


class None_(Case):
    def test_original_clean_up_template(self):
        self.write('cleanup.yaml', 'transport: none\nmessage: |\n'
                   '  glob.delete("aws_iotify_" + client() + "_key"); '
                   'glob.delete("aws_iotify_" + client() + "_cert");\n')
        self.write('job.yaml', local_job('cleanup.yaml', store='sqlite', iterations=1))
        for client in range(4):
            for kind in ('key', 'cert'):
                self.iotifyd('glob', 'set', 'job.yaml', f'aws_iotify_{client}_{kind}', stdin='x')
        self.iotifyd('job.yaml')
        self.assertEqual('aws_iotify_3_cert\naws_iotify_3_key\n',
                         self.iotifyd('glob', 'list', 'job.yaml').stdout)

    def test_endless_script_ends(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  while (true) {}\n')
        self.write('job.yaml', local_job(iterations=1, time_limit='200ms'))
        summary = self.summary('job.yaml')
        self.assertEqual(3, summary['simulate']['failed'])
        self.assertIn('stopped after 0.2 s', summary['simulate']['errors'][0]['message'])

    def test_many_endless_scripts_end(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  while (true) {}\n')
        self.write('job.yaml', local_job(iterations=20, time_limit='50ms', devices=1,
                                         interval='1ms'))
        self.assertEqual(20, self.summary('job.yaml')['simulate']['failed'])

    def test_two_simulations_in_one_run(self):
        self.write('t.yaml', TEMPLATE_NONE)
        self.write('mqtt.yaml', 'connection: {host: 127.0.0.1, port: 1, tls: false, client_id: '
                                '"c{{client()}}"}\npublish: {topic: t}\nmessage: |\n  return "x";\n')
        self.write('job.yaml', local_job(iterations=1) +
                   '    - simulate: {template: mqtt.yaml, iterations: 1, reconnect: {backoff: none, '
                   'attempts: 1}}\n')
        summary = self.summary('job.yaml', status=1)
        self.assertEqual([(3, 0), (0, 3)], [(s['ok'], s['failed']) for s in summary['steps']])
        self.assertEqual((6, 3), (summary['simulate']['clients'], summary['simulate']['failed']))

    def test_thresholds_are_each_steps_own(self):
        self.write('bad.yaml', 'transport: none\nmessage: |\n  throw new Error("no");\n')
        self.write('t.yaml', TEMPLATE_NONE)
        self.write('job.yaml', local_job('bad.yaml', iterations=1) + '    - simulate: {template: '
                   't.yaml, iterations: 1, thresholds: ["failed == 0", "clients == 3"]}\n')
        summary = self.summary('job.yaml')
        self.assertEqual({'failed == 0', 'clients == 3', 'lost == 0', 'script_errors == 0'},
                         {entry['expression'] for entry in summary['thresholds']})
        self.assertEqual({True}, {entry['ok'] for entry in summary['thresholds']})

    def test_errors_of_the_runtime_blame_the_caller(self):
        self.write('t.yaml', 'message: |\n  let a = 1;\n  glob.get("");\ntransport: none\n')
        self.write('job.yaml', local_job(iterations=1, devices=1))
        message = self.summary('job.yaml')['simulate']['errors'][0]['message']
        self.assertTrue(message.startswith('t.yaml:3:'), message)

    def test_values_beyond_the_limit(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  return "x".repeat(17 << 20);\n')
        self.write('job.yaml', local_job(iterations=1, devices=1))
        message = self.summary('job.yaml')['simulate']['errors'][0]['message']
        self.assertIn('the message is larger than 16 MiB', message)

    def test_an_interrupt_is_heard_at_full_speed(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  if (index() === 0) '
                             'console.log("here");\n')
        self.write('job.yaml', local_job(iterations=1000000000, interval='0s'))
        process = self.spawn('job.yaml', stderr=subprocess.PIPE)
        self.wait_for_text(process.stderr, 'here')
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(60))

    def test_a_promise_that_never_ends(self):
        """No limit of the script engine ends a chain of promises: the step fails."""
        self.write('t.yaml', 'transport: none\nmessage: |\n  (async () => { for (;;) await 0; })();\n')
        self.write('job.yaml', local_job(iterations=1, devices=1, time_limit='100ms'))
        summary = self.summary('job.yaml', status=1)
        self.assertEqual('ScriptStuck', summary['steps'][0]['errors'][0]['code'])

    def test_a_busy_machine_is_not_taken_for_a_stuck_script(self):
        """The time limit counts CPU time; here the script gets none for seven seconds."""
        self.write('t.yaml', 'transport: none\nmessage: |\n  console.log("here");\n  for (;;);\n')
        self.write('job.yaml', local_job(iterations=1, devices=1, time_limit='1s'))
        process = self.spawn('job.yaml', '--json', 'summary.json', stderr=subprocess.PIPE)
        self.wait_for_text(process.stderr, 'here')
        process.send_signal(signal.SIGSTOP)
        time.sleep(7)
        process.send_signal(signal.SIGCONT)
        self.assertEqual(0, process.wait(60))
        errors = json.loads((self.folder / 'summary.json').read_text())['simulate']['errors']
        self.assertEqual(['ScriptTimeout'], [error['code'] for error in errors])

    def test_a_promise_that_is_cut(self):
        self.write('t.yaml', 'transport: none\nmessage: |\n  if (index() === 0)\n'
                             '    Promise.resolve().then(() => { for (;;) {} });\n  return "x";\n')
        self.write('job.yaml', local_job(iterations=3, interval='10ms', devices=1,
                                         time_limit='1s'))
        self.assertEqual(1, self.summary('job.yaml')['simulate']['failed'])

    def test_all_inits_fail(self):
        self.write('t.yaml', 'transport: none\ninit: |\n  throw new Error("no");\nmessage: ""\n')
        self.write('job.yaml', local_job(iterations=2))
        self.assertEqual(3, self.summary('job.yaml')['simulate']['failed'])

    def test_failed_init_abandons_the_client(self):
        self.write('t.yaml', 'transport: none\ninit: |\n  if (client() == 1) throw new Error("no");\n'
                             'message: |\n  return "x";\n')
        self.write('job.yaml', local_job(iterations=5, interval='10ms'))
        results = self.summary('job.yaml')['simulate']
        self.assertEqual((1, 5), (results['failed'], results['abandoned']))


class Cloud(Case):
    """Against the sandbox, with a certificate for each device."""

    def setUp(self):
        super().setUp()
        self.start_sandbox()
        self.write('job.yaml', job(5, 'pipelines:\n  simulate:\n    - simulate: {template: '
                                      'aws_iotify.yaml, iterations: 3, interval: 50ms, '
                                      'reconnect: {backoff: none, attempts: 2}}\n'))

    def test_everything(self):
        summary = self.summary('job.yaml')
        self.assertEqual((5, 15, 15, 0), tuple(summary['simulate'][name] for name in (
            'connected', 'published', 'acknowledged', 'lost')))
        self.assertEqual([], self.boto().list_things()['things'])

    def test_keep(self):
        self.iotifyd('job.yaml', '--keep')
        self.assertEqual(5, len(self.boto().list_things()['things']))

    def test_inactive_certificate_is_refused(self):
        self.iotifyd('job.yaml', 'deploy')
        iot = self.boto()
        arn = iot.list_thing_principals(thingName='iotify_2')['principals'][0]
        iot.update_certificate(certificateId=arn.split('/')[1], newStatus='INACTIVE')
        results = self.summary('job.yaml', 'simulate', status=1)['simulate']
        self.assertEqual((4, 12, 3, 1), (results['connected'], results['published'],
                                         results['abandoned'], results['failed']))
        self.assertEqual(2, results['errors'][0]['first_client'])

    def test_wrong_root(self):
        self.iotifyd('job.yaml', 'deploy')
        summary = self.summary('job.yaml', 'simulate', status=1,
                               environment={'AWS_CA_BUNDLE': ''})
        self.assertEqual('TlsFailed', summary['simulate']['errors'][0]['code'])
        self.assertIn("the server's certificate is not trusted",
                      summary['simulate']['errors'][0]['message'])

    def test_deploy_fails_simulate_is_skipped(self):
        summary = self.summary('job.yaml', '--set', 'pipelines.deploy.3.aws.device.thing="x {{client()}}"',
                               status=1)
        steps = [(entry['pipeline'], entry['step']) for entry in summary['steps']]
        self.assertNotIn(('simulate', 'simulate'), steps)
        self.assertIn(('cleanup', 'aws.remove_device'), steps)
        self.assertNotIn('simulate', summary)
