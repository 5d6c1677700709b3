# SPDX-License-Identifier: Apache-2.0
"""Plugins that break the contract: a line names plugin, operation and rule, the step fails, nothing crashes."""
import re
import signal
import subprocess

from support import BUILD, Case, IOTIFYD, SANDBOX

# What the plugin `wrong-storage` does: what the host says of it.
STORAGE = {
    'open-null': 'open() returned OK without an instance', 'open-zero': 'open() returned the result 0', 'open-unknown': 'open() returned the result 99',
    'open-unchanged': 'open() returned the result Unchanged', 'open-later': 'open() returned the result 13', 'open-silent': None, 'open-null-texts': None,
    'open-controls': None, 'open-null-format': None,
    'get-nothing': 'get_many() returned OK and left read 0 without a result', 'get-zero': 'get_many() returned the result 0',
    'get-unknown': 'get_many() returned the result 99', 'get-not-found': 'get_many() returned the result NotFound',
    'get-exists': 'get_many() returned OK and left read 0 without a result', 'get-no-value': 'get_many() returned OK and left read 0 without a value',
    'get-too-large': 'get_many() returned OK and left read 0 with a value that is too large',
    'get-no-nul': 'get_many() returned OK and left read 0 with a value that no NUL follows',
    'get-result-99': 'get_many() returned OK and left read 0 without a result',
    'apply-nothing': 'apply() returned OK and left write 0 without a result', 'apply-some': 'apply() returned OK and left write 0 without a result',
    'apply-zero': 'apply() returned the result 0', 'apply-unknown': 'apply() returned the result 99', 'apply-unchanged': 'apply() returned the result Unchanged',
    'apply-not-found': 'apply() returned the result NotFound', 'apply-result-99': 'apply() returned OK and gave write 0 the result 99',
    'apply-put-exists': 'apply() returned OK and gave write 0 the result Exists', 'apply-put-conflict': 'apply() returned OK and gave write 0 the result Conflict',
    'apply-failed': 'apply() returned OK and gave write 0 the result Failed',
    'flush-zero': 'flush() returned the result 0', 'flush-unknown': 'flush() returned the result 99', 'flush-later': 'flush() returned the result 13',
    'scan-zero': 'scan() returned the result 0', 'scan-unknown': 'scan() returned the result 99', 'scan-null': 'scan() gave an empty key',
    'scan-empty': 'scan() gave an empty key', 'scan-long': 'scan() gave a key that is too long', 'scan-other': 'scan() gave a key without the prefix',
    'scan-same': 'scan() gave keys that do not ascend', 'scan-down': 'scan() gave keys that do not ascend', 'scan-more': 'scan() gave',
}


CONNECTOR = {
    'open-null': 'open() returned OK without an instance', 'open-unchanged': 'open() returned the result Unchanged',
    'connect-realm-empty': 'connect() gave a realm that is not 1 to 128 letters, digits and /-_.', 'connect-realm-long': 'connect() gave a realm that is not 1 to 128 letters, digits and /-_.',
    'connect-realm-control': 'connect() gave a realm that is not 1 to 128 letters, digits and /-_.',
    'endpoint-nothing': 'endpoint() returned OK without host and port', 'endpoint-no-port': 'endpoint() returned OK without host and port',
    **{f'{operation}-{word}': f'{prefix}{operation}() returned the result {number}'
       for operation, prefix in (('open', ''), ('connect', ''), ('prepare', 'item.'), ('begin', 'item.'), ('apply', 'item.'), ('conclude', 'item.'), ('plan', 'item.'), ('endpoint', ''))
       for word, number in (('zero', 0), ('unknown', 99), ('later', 13)) if (operation, word) != ('endpoint', 'later')},
}
TRANSPORT = {
    'open-null': 'open() returned OK without an instance', 'channel-null': 'channel_new() returned OK without a channel',
    'session-null': 'session_new() returned OK without a session', 'connected-null': 'connected() came without its times',
    'connected-negative': 'connected() came with a negative time', 'closed-reason': 'closed() came with the reason 99',
    'closed-negative': 'closed() came with the reason -3', 'closed-null': 'closed() came without a text',
    'message-no-topic': 'message() came without a topic', 'message-no-payload': 'message() came with a payload at NULL',
    'message-null': 'message() came without a message', 'message-small': 'message() came with a struct_size that is too small',
    'message-no-properties': 'message() came with properties that are not valid',
    'message-property-null': 'message() came with a property whose name or value is NULL',
    'connected-small': 'connected() came with a struct_size that is too small', 'refused-null': 'refused() came without a text',
    **{f'{word}-{kind}': f'{operation}() returned the result {number}'
       for word, operation in (('open', 'open'), ('channel', 'channel_new'), ('session', 'session_new'), ('publish', 'session_publish'))
       for kind, number in (('zero', 0), ('unknown', 99), ('later', 13))},
}


# What is found while the template is loaded.
CHECKED = {f'check-{kind}': f'check() returned the result {number}' for kind, number in (('zero', 0), ('unknown', 99), ('later', 13))}
# What takes its time: the plugin's own limit, and ten seconds.
SLOW = {'connect-never': 'session_connect() was followed by neither `connected` nor `closed` in time',
        'close-never': 'session_disconnect() was not followed by `closed` in time'}
# What IOTIFY_PLUGIN_CHECKS=strict finds.
STRICT = {'event-thread': 'acknowledged() came on a foreign thread', 'timer-thread': 'timer_start() was called on a foreign thread; post() is the only function for that',
          'inside': 'acknowledged() came inside of session_publish()', 'twice': 'acknowledged() came for token 0, which is settled already, or was never published',
          'unpublished': 'refused() came for token 12345, which is settled already, or was never published',
          'connected-twice': 'connected() came for a session that is connected already',
          'connected-closed': 'connected() came for a session that does not connect', 'closed-twice': 'closed() came for a session that is closed',
          'message-closed': 'message() came for a session that is not connected',
          'user': 'acknowledged() came with a `user` that is of no session of the channel',
          'timer-left': 'channel_free() left 0 watches, 5 timers and 0 lookups behind',
          'timer-freed': 'timer_start() got a timer that is none: it was freed, or is not of this channel',
          'watch-left': 'channel_free() left 5 watches, 0 timers and 0 lookups behind',
          'watch-freed': 'unwatch() got a watch that is none: it was freed, or is not of this channel',
          'descriptor-closed': 'watch() got the descriptor <number>, which was closed without unwatch() before',
          'lookup-done': 'resolve_cancel() got a lookup that is none: it was freed, or is not of this channel',
          'lookup-left': 'channel_free() left 0 watches, 0 timers and 1 lookups behind',
          'waits': 'timer() blocked its loop for <number> ms', 'computes': 'timer() blocked its loop for <number> ms'}
# The operations and callbacks of each kind, by the name that messages have for them. Each can crash, end the process, and not return.
OPERATIONS = {
    'storage': ('load', 'open', 'get_many', 'apply', 'flush', 'scan', 'close'),
    'connector': ('load', 'open', 'connect', 'endpoint', 'item.prepare', 'item.begin', 'item.apply', 'item.conclude', 'item.plan', 'close'),
    'transport': ('load', 'open', 'check', 'channel_new', 'session_new', 'session_connect', 'timer', 'posted', 'session_publish', 'session_unwritten',
                  'session_disconnect', 'session_free', 'channel_free', 'close'),
}
ENDS = {'crash': ('crashed (SIGSEGV)', -signal.SIGSEGV), 'abort': ('crashed (SIGABRT: abort(), or an exception that nothing caught)', -signal.SIGABRT),
        'exit': ('ended the process with exit()', 1)}


class Wrong(Case):
    def setUp(self):
        super().setUp()
        self.environment.update(IOTIFY_PLUGIN_PATH=str(BUILD / 'tests/wrong'), IOTIFY_SEAL_KEY='0' * 64)

    def run_wrong(self, does):
        self.write('job.yaml', 'devices: 3\nplugins:\n  aws: {use: aws-iot, quotas: {"*": 1000}}\n'
                   f'  glob: {{use: wrong-storage, does: {does}}}\nseal: {{with: environment}}\n')
        done = self.run_program(SANDBOX, '--api-port', '0', '--mqtt-port', '0', '--https-port', '0', '--', IOTIFYD, 'job.yaml', 'deploy', 'cleanup',
                                '--json', 's.json', status=None)
        for file in self.folder.iterdir():
            if file.name.endswith('.yaml') and file.name != 'job.yaml':
                file.unlink()
        return done

    def test_storage(self):
        names = re.search(r'nothing.*', self.iotifyd('plugins', 'wrong-storage').stdout)[0]
        self.assertEqual({'nothing', 'group-some', *STORAGE}, set(re.findall(r'[a-z]+-[a-z0-9-]+|nothing', names)))
        done = self.run_wrong('nothing')
        self.assertEqual(0, done.returncode, done.stderr)
        for does, rule in STORAGE.items():
            with self.subTest(does):
                done = self.run_wrong(does)
                self.assertEqual(1, done.returncode, done.stderr)
                self.assertRegex(done.stdout.splitlines()[-1], '^FAILED: ')
                self.assertNotRegex(done.stdout + done.stderr, r'Sanitizer|\x1b|\(null\)')
                if rule:
                    self.assertIn(f'wrong-storage: {rule}', done.stdout + done.stderr)
                    self.assertIn('this is a mistake of the plugin', done.stdout + done.stderr)

    def test_fault_of_a_group(self):
        """Writes of several devices in one batch, which the plugin carries out and leaves without a result: they are not repeated."""
        self.write('job.yaml', 'devices: 40\nplugins:\n  n: {use: null-connector}\n  glob: {use: wrong-storage, does: group-some}\nseal: {with: environment}\n')
        done = self.iotifyd('job.yaml', 'deploy', status=1)
        self.assertIn('wrong-storage: apply() returned OK and left write 3 without a result; this is a mistake of the plugin', done.stdout)
        self.assertNotIn('another iotifyd', done.stdout + done.stderr)

    def test_connector(self):
        names = re.search(r'nothing.*', self.iotifyd('plugins', 'wrong-connector').stdout)[0]
        self.assertEqual({'nothing', *CONNECTOR}, set(re.findall(r'[a-z]+-[a-z0-9-]+|nothing', names)))
        self.write('t.yaml', 'connection: {client_id: "c{{client()}}", tls: false}\npublish: {topic: t}\nmessage: return "x"\n')
        for does, rule in {'nothing': None, **CONNECTOR}.items():
            with self.subTest(does):
                self.write('job.yaml', f'devices: 3\nplugins:\n  w: {{use: wrong-connector, does: {does}}}\n'
                           'pipelines:\n  deploy:\n    - w.item: {}\n  simulate:\n    - simulate: {template: t.yaml, iterations: 1}\n')
                arguments = ['simulate'] if does.startswith('endpoint') else ['deploy', '--plan'] if does.startswith('plan') else ['deploy']
                done = self.iotifyd('job.yaml', *arguments, status=None)
                for file in self.folder.glob('job.[dk]*'):
                    file.unlink()
                self.assertNotRegex(done.stdout + done.stderr, r'Sanitizer|\x1b|\(null\)')
                if not rule:
                    self.assertEqual(0, done.returncode, done.stderr)
                    continue
                # What is found while the job is loaded is an error of the job file.
                self.assertEqual(2 if does.startswith(('open', 'prepare')) else 1, done.returncode, done.stderr)
                self.assertIn(f'wrong-connector: {rule}; this is a mistake of the plugin', done.stdout + done.stderr)

    def run_transport(self, does, *arguments):
        self.write('job.yaml', f'devices: 5\nplugins:\n  w: {{use: wrong-transport, does: {does}}}\n  glob: {{use: memory}}\n'
                   'pipelines:\n  simulate:\n    - simulate: {template: t.yaml, iterations: 5, interval: 10ms, loops: 1}\n')
        self.write('t.yaml', 'transport: w\nconnection: {client_id: "c{{client()}}"}\npublish: {topic: t}\nmessage: return "x"\nresponse: ""\n')
        return self.iotifyd('job.yaml', *arguments, status=None)

    def test_strict(self):
        """IOTIFY_PLUGIN_CHECKS=strict; what keeps the rules runs as it does without."""
        self.assertIn('IOTIFY_PLUGIN_CHECKS is "strikt", and can only be strict',
                      self.iotifyd('plugins', environment={'IOTIFY_PLUGIN_CHECKS': 'strikt'}, status=2).stderr)
        self.environment['IOTIFY_PLUGIN_CHECKS'] = 'strict'
        for does in ('nothing', 'throttled-once'):
            self.assertIn('25 messages acknowledged', self.run_transport(does).stdout)
        for does, rule in STRICT.items():
            with self.subTest(does):
                done = self.run_transport(f'strict-{does}')
                self.assertEqual(1, done.returncode, done.stdout + done.stderr)
                self.assertNotRegex(done.stdout + done.stderr, r'Sanitizer|\x1b|\(null\)')
                self.assertRegex(done.stdout.splitlines()[-1], '^FAILED: simulate/simulate: .*: PluginFault: ')
                rule = re.escape(f'wrong-transport: {rule}; this is a mistake of the plugin').replace('<number>', r'\d+')
                self.assertRegex(done.stdout + done.stderr, rule)

    def test_strict_mqtt(self):
        """The transport with a library in it keeps the rules, also when connections end."""
        self.environment['IOTIFY_PLUGIN_CHECKS'] = 'strict'
        port = self.start_broker()
        self.write('job.yaml', 'devices: 5\nplugins:\n  glob: {use: memory}\npipelines:\n  simulate:\n'
                   '    - simulate: {template: t.yaml, iterations: 8, interval: 20ms, loops: 1}\n')
        self.write('t.yaml', f'connection: {{host: 127.0.0.1, port: {port}, tls: false, client_id: "c{{{{client()}}}}"}}\n'
                   'publish: {topic: "t/{{client()}}"}\nsubscribe: ["t/{{client()}}"]\n'
                   'message: |\n  if (iteration() % 3 === 2) reconnect();\n  return "x";\nresponse: ""\n')
        self.assertIn('30 messages acknowledged', self.iotifyd('job.yaml').stdout)

    def test_checked(self):
        for does, rule in CHECKED.items():
            with self.subTest(does):
                done = self.run_transport(does, '--check')
                self.assertEqual(2, done.returncode, done.stderr)
                self.assertIn(f'wrong-transport: {rule}; this is a mistake of the plugin', done.stderr)

    def spawn_ending(self, kind, operation, how):
        """Start a run, in a folder of its own, in which an operation of the plugin does not return."""
        folder = self.folder / f'{kind}-{operation}-{how}'
        folder.mkdir()
        (folder / 't.yaml').write_text(f'transport: {"w" if kind == "transport" else "null"}\n'
                                       'connection: {client_id: "c{{client()}}"}\npublish: {topic: t}\nmessage: return "x"\nresponse: ""\n')
        deploy = {'storage': 'n.device: {key: "k%d", value: "v"}', 'connector': 'w.item: {}', 'transport': ''}[kind]
        (folder / 'job.yaml').write_text('devices: 40\nplugins:\n' + f'  w: {{use: wrong-{kind}}}\n'.replace('w:', 'glob:' if kind == 'storage' else 'w:')
                                         + '  n: {use: "null-connector"}\n' * (kind == 'storage') + '  glob: {use: memory}\n' * (kind == 'transport')
                                         + ('seal: {with: environment}\n' if kind == 'storage' else '')
                                         + 'pipelines:\n' + (f'  deploy:\n    - {deploy}\n' if deploy else '')
                                         + '  simulate:\n    - simulate: {template: t.yaml, iterations: 1, loops: 1}\n')
        pipelines = ['deploy', '--plan'] if operation == 'item.plan' else ['simulate'] if operation == 'endpoint' or kind == 'transport' else ['deploy']
        return subprocess.Popen([IOTIFYD, 'job.yaml', *pipelines], cwd=folder, env={**self.environment, 'WRONG': f'{operation.split(".")[-1]}-{how}'},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_ends(self):
        for how, (what, status) in ENDS.items():
            for kind, operation in ((kind, operation) for kind, operations in OPERATIONS.items() for operation in operations):
                with self.subTest(kind=kind, operation=operation, how=how):
                    if BUILD.name == 'sanitize' and status != 1:
                        continue    # the sanitizers report crashes themselves
                    process = self.spawn_ending(kind, operation, how)
                    output, error = process.communicate(timeout=60)
                    self.assertEqual(status, process.returncode, output + error)
                    self.assertIn(f'iotifyd: PluginFault: wrong-{kind}: {operation}() {what}; this is a mistake of the plugin', error)

    def test_a_thread_of_a_plugin_exits(self):
        for kind in OPERATIONS:
            with self.subTest(kind):
                output, error = self.spawn_ending(kind, 'open', 'thread').communicate(timeout=60)
                self.assertEqual('\niotifyd: PluginFault: a thread that a plugin has started ended the process with exit(); '
                                 'this is a mistake of the plugin\n', error, output)

    def test_hangs(self):
        """A stop ends the process, whatever does not return. All at once, as each has its time to return."""
        running = {(kind, operation): self.spawn_ending(kind, operation, 'hang') for kind, operations in OPERATIONS.items() for operation in operations}
        for process in running.values():
            self.addCleanup(process.kill)
        for (kind, operation), process in running.items():
            for line in process.stderr:
                if line == 'hangs\n':
                    break
            process.send_signal(signal.SIGTERM)
        for (kind, operation), process in running.items():
            with self.subTest(kind=kind, operation=operation):
                output, error = process.communicate(timeout=120)
                self.assertEqual(128 + signal.SIGTERM, process.returncode, output + error)
                self.assertIn(f'PluginFault: wrong-{kind}: {operation.split(".")[-1]}() does not return after a stop', error)

    def test_stop(self):
        """Sessions that never close do not keep a stopped run."""
        self.write('t.yaml', 'transport: w\nconnection: {client_id: "c{{client()}}", timeout: 1h}\npublish: {topic: t}\nmessage: return "x"\n')
        for does in SLOW:
            with self.subTest(does):
                self.write('job.yaml', f'devices: 5\nplugins:\n  w: {{use: wrong-transport, does: {does}}}\n  glob: {{use: memory}}\n'
                           'pipelines:\n  simulate:\n    - simulate: {template: t.yaml, iterations: 1, loops: 1}\n')
                process = self.spawn('-v', 'job.yaml', stderr=subprocess.PIPE)
                self.wait_for_text(process.stderr, 'a session begins')
                process.send_signal(signal.SIGTERM)
                _, error = process.communicate(timeout=60)
                self.assertEqual(128 + signal.SIGTERM, process.returncode, error)

    def test_slow_goodbyes(self):
        """A connection that takes longer to close than the interval is no fault of the transport."""
        self.write('job.yaml', 'devices: 5\nplugins:\n  null: {use: null, latency: 300ms}\n  glob: {use: memory}\n'
                   'pipelines:\n  simulate:\n    - simulate: {template: t.yaml, iterations: 8, interval: 50ms, loops: 1}\n')
        self.write('t.yaml', 'transport: "null"\nconnection: {client_id: "c{{client()}}"}\npublish: {topic: t}\n'
                   'message: |\n  if (iteration() === 1) disconnect();\n  if (iteration() === 5) reconnect();\n  return "x";\n')
        done = self.iotifyd('job.yaml')
        self.assertNotIn('PluginFault', done.stdout + done.stderr)

    def test_transport(self):
        names = re.search(r'nothing.*', self.iotifyd('plugins', 'wrong-transport').stdout)[0]
        self.assertEqual({'nothing', 'throttled-once', *TRANSPORT, *CHECKED, *SLOW, *(f'strict-{does}' for does in STRICT)}, set(re.findall(r'[a-z]+-[a-z0-9-]+|nothing', names)))
        self.write('t.yaml', 'transport: w\nconnection: {client_id: "c{{client()}}"}\npublish: {topic: t}\nmessage: return "x"\nresponse: ""\n')
        for does, rule in {'nothing': None, 'throttled-once': None, **TRANSPORT, **SLOW}.items():
            with self.subTest(does):
                done = self.run_transport(does)
                self.assertNotRegex(done.stdout + done.stderr, r'Sanitizer|\x1b|\(null\)')
                if not rule:
                    self.assertEqual(0, done.returncode, done.stderr)
                    self.assertIn('25 messages acknowledged', done.stdout)
                    continue
                self.assertEqual(1, done.returncode, done.stderr)
                self.assertRegex(done.stdout.splitlines()[-1], '^FAILED: simulate/simulate: 5 of 5: PluginFault: ')
                self.assertIn(f'wrong-transport: {rule}; this is a mistake of the plugin', done.stdout + done.stderr)
