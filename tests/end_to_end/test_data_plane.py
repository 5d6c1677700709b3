# SPDX-License-Identifier: Apache-2.0
"""The sandbox's MQTT and HTTPS with third-party clients: mosquitto, paho, curl."""
import contextlib
import json
import multiprocessing
import os
import pathlib
import signal
import socket
import ssl
import struct
import time
import urllib.request

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import cases
from support import Case

ARN = 'arn:aws:iot:eu-central-1:123456789012:'


def statement(action, *resources, effect='Allow', **more):
    return {'Effect': effect, 'Action': action, 'Resource': [
        resource if resource == '*' else ARN + resource for resource in resources], **more}


def document(*statements):
    return json.dumps({'Version': '2012-10-17', 'Statement': list(statements)})


EVERYTHING = document(statement('iot:*', '*'))


class Device:
    """A paho client that records its events."""

    def __init__(self, test, certificate, key, client_id, protocol=paho.MQTTv311, will=None,
                 keepalive=60, clean=True, told=None):
        options = {} if protocol == paho.MQTTv5 else {'clean_session': clean}
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id, protocol=protocol,
                                  reconnect_on_failure=False, **options)
        self.client.tls_set(test.environment['AWS_CA_BUNDLE'], str(certificate), str(key))
        self.connected = self.ended = None
        self.messages, self.acknowledged, self.granted = [], [], []
        def on_connect(_client, _user, _flags, reason, properties):
            if told is not None:
                names = [name.replace(' ', '') for name in properties.names]
                told.update((name, getattr(properties, name)) for name in names
                            if hasattr(properties, name))
            self.connected = reason
        self.client.on_connect = on_connect
        self.client.on_disconnect = lambda c, u, flags, reason, properties: setattr(
            self, 'ended', reason)
        self.client.on_message = lambda c, u, message: self.messages.append(
            (message.topic, message.payload))
        self.client.on_publish = lambda c, u, mid, reason, properties: self.acknowledged.append(
            reason)
        self.client.on_subscribe = lambda c, u, mid, reasons, properties: self.granted.append(
            [reason.value for reason in reasons])
        if will:
            self.client.will_set(*will)
        self.client.connect('localhost', test.mqtt_port, keepalive)
        self.client.loop_start()
        test.addCleanup(self.stop)

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()

    @staticmethod
    def wait(condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.01)
        return condition()

    def is_in(self):
        return self.wait(lambda: self.connected is not None or self.ended is not None) and \
            self.connected is not None and not self.connected.is_failure

    def is_out(self):
        return self.wait(lambda: self.ended is not None)

    def subscribe(self, *topics, qos=1):
        before = len(self.granted)
        self.client.subscribe([(topic, qos) for topic in topics])
        self.wait(lambda: len(self.granted) > before or self.ended is not None)
        return self.granted[-1] if len(self.granted) > before else None

    def publish(self, topic, payload=b'x', qos=1, **more):
        """Publish a message; True if it was acknowledged."""
        before = len(self.acknowledged)
        self.client.publish(topic, payload, qos, **more)
        self.wait(lambda: len(self.acknowledged) > before or self.ended is not None)
        return len(self.acknowledged) > before


class DataPlane(Case):
    options = ('--detach-delay', '0')

    def setUp(self):
        super().setUp()
        self.process = self.start_sandbox(*self.options)
        self.iot = self.boto()
        self.made = 0

    def certificate(self, policy=EVERYTHING, active=True):
        """Register a certificate with its own policy; paths of the certificate and the key."""
        key = cases.make_key()
        pem = cases.make_certificate(key)
        self.made += 1
        answer = self.iot.register_certificate_without_ca(
            certificatePem=pem, status='ACTIVE' if active else 'INACTIVE')
        if policy:
            self.iot.create_policy(policyName=f'p{self.made}', policyDocument=policy)
            self.iot.attach_policy(policyName=f'p{self.made}', target=answer['certificateArn'])
        self.policy, self.arn = f'p{self.made}', answer['certificateArn']
        self.id = answer['certificateId']
        return (self.write(f'c{self.made}.pem', pem), self.write(
            f'k{self.made}.pem', key.private_bytes(
                cases.serialization.Encoding.PEM, cases.serialization.PrivateFormat.PKCS8,
                cases.serialization.NoEncryption()).decode()))

    def device(self, pair, client_id='dev', **options):
        return Device(self, *pair, client_id, **options)

    @contextlib.contextmanager
    def secure(self, pair, server_name='localhost', version=None, session=None):
        """A TLS connection without an MQTT client."""
        context = ssl.create_default_context(cafile=self.environment['AWS_CA_BUNDLE'])
        context.load_cert_chain(*pair)
        context.check_hostname = False
        if version:
            context.minimum_version = context.maximum_version = version
        with socket.create_connection(('127.0.0.1', self.mqtt_port), 10) as plain, \
                context.wrap_socket(plain, server_hostname=server_name, session=session) as secure:
            yield secure

    def listener(self, *topics):
        """A connected device with all permissions that has subscribed to the topics."""
        device = self.device(self.certificate(), 'listener')
        self.assertTrue(device.is_in())
        self.assertEqual([1] * len(topics), device.subscribe(*topics))
        return device

    def assert_refused(self, device):
        self.assertFalse(device.is_in())


class Connecting(DataPlane):
    def test_every_version(self):
        pair = self.certificate()
        for protocol in (paho.MQTTv311, paho.MQTTv5):
            self.assertTrue(self.device(pair, protocol=protocol).is_in())

    def test_inactive_certificate(self):
        pair = self.certificate(active=False)
        self.assert_refused(self.device(pair))
        self.iot.update_certificate(certificateId=self.id, newStatus='ACTIVE')
        self.assertTrue(self.device(pair).is_in())

    def test_certificate_that_is_not_registered(self):
        pair = self.certificate()
        self.iot.update_certificate(certificateId=self.id, newStatus='INACTIVE')
        self.iot.delete_certificate(certificateId=self.id, forceDelete=True)
        self.assert_refused(self.device(pair))

    def test_no_policy(self):
        self.assert_refused(self.device(self.certificate(policy=None)))

    def test_policy_names_the_client(self):
        pair = self.certificate(document(statement('iot:Connect', 'client/good*')))
        self.assertTrue(self.device(pair, 'good1').is_in())
        self.assert_refused(self.device(pair, 'bad1'))

    def test_refusal_has_a_reason_in_mqtt_5(self):
        pair = self.certificate(document(statement('iot:Connect', 'client/good')))
        device = self.device(pair, 'bad', protocol=paho.MQTTv5)
        self.assert_refused(device)
        self.assertEqual('Not authorized', str(device.connected))

    def test_deny_wins(self):
        pair = self.certificate(document(
            statement('iot:Connect', '*'), statement('iot:Connect', 'client/bad', effect='Deny')))
        self.assertTrue(self.device(pair, 'good').is_in())
        self.assert_refused(self.device(pair, 'bad'))

    def test_thing_name_variable(self):
        pair = self.certificate(document(statement(
            'iot:Connect', 'client/${iot:Connection.Thing.ThingName}')))
        self.assert_refused(self.device(pair, 'thing'))
        self.iot.create_thing(thingName='thing')
        self.assert_refused(self.device(pair, 'thing'))
        self.iot.attach_thing_principal(thingName='thing', principal=self.arn)
        self.assertTrue(self.device(pair, 'thing').is_in())
        self.assert_refused(self.device(pair, 'another'))

    def test_condition_on_the_attachment(self):
        pair = self.certificate(document(statement('iot:Connect', '*', Condition={
            'Bool': {'iot:Connection.Thing.IsAttached': ['true']}})))
        self.assert_refused(self.device(pair, 'thing'))
        self.iot.create_thing(thingName='thing')
        self.iot.attach_thing_principal(thingName='thing', principal=self.arn)
        self.assertTrue(self.device(pair, 'thing').is_in())

    def test_certificate_variable(self):
        pair = self.certificate(document(statement(
            'iot:Connect', 'client/${iot:Certificate.Subject.CommonName}')))
        self.assertTrue(self.device(pair, 'device').is_in())
        self.assert_refused(self.device(pair, 'other'))

    def test_policy_of_the_group(self):
        pair = self.certificate(policy=None)
        arn = self.iot.create_thing_group(thingGroupName='g')['thingGroupArn']
        self.iot.create_policy(policyName='ofgroup', policyDocument=EVERYTHING)
        self.iot.attach_policy(policyName='ofgroup', target=arn)
        self.iot.create_thing(thingName='thing')
        self.iot.attach_thing_principal(thingName='thing', principal=self.arn)
        self.assert_refused(self.device(pair, 'thing'))
        self.iot.add_thing_to_thing_group(thingGroupName='g', thingName='thing')
        self.assertTrue(self.device(pair, 'thing').is_in())

    def test_client_id_without_and_too_long(self):
        pair = self.certificate()
        self.assertTrue(self.device(pair, '').is_in())
        self.assertTrue(self.device(pair, 'x' * 128).is_in())
        self.assert_refused(self.device(pair, 'x' * 129))
        self.assert_refused(self.device(pair, '$reserved'))

    def test_the_newer_session_stays(self):
        pair = self.certificate()
        older = self.device(pair)
        self.assertTrue(older.is_in())
        newer = self.device(pair)
        self.assertTrue(newer.is_in())
        self.assertTrue(older.is_out())
        self.assertTrue(newer.publish('t'))

    def test_keep_alive_is_never_short(self):
        """AWS's minimum is 30 s: a client that asks for 1 s is not disconnected after 1.5 s."""
        device = self.device(self.certificate(), keepalive=1)
        self.assertTrue(device.is_in())
        device.client.loop_stop()
        time.sleep(3)
        device.client.loop_start()
        self.assertTrue(device.publish('t'))

    def test_will(self):
        listener = self.listener('will')
        pair = self.certificate(document(
            statement('iot:Connect', '*'), statement('iot:Publish', 'topic/will')))
        self.assert_refused(self.device(pair, will=('forbidden', 'x', 1)))
        device = self.device(pair, will=('will', 'gone', 1))
        self.assertTrue(device.is_in())
        device.client._sock.shutdown(socket.SHUT_RDWR)
        self.assertTrue(Device.wait(lambda: listener.messages == [('will', b'gone')]))

    def test_alpn_and_no_name(self):
        pair = self.certificate()
        for names, server_name, good in ((['x-amzn-mqtt-ca'], 'localhost', True),
                                         (None, 'localhost', True), (None, None, False)):
            context = ssl.create_default_context(cafile=self.environment['AWS_CA_BUNDLE'])
            context.load_cert_chain(*pair)
            context.check_hostname = server_name is not None
            if names:
                context.set_alpn_protocols(names)
            try:
                with socket.create_connection(('127.0.0.1', self.mqtt_port), 10) as plain, \
                        context.wrap_socket(plain, server_hostname=server_name) as secure:
                    self.assertEqual(names and names[0], secure.selected_alpn_protocol())
                    secure.sendall(bytes.fromhex('101000044d5154540402003c000474657374'))
                    answer = secure.recv(10)
            except (ssl.SSLError, ConnectionError):
                answer = b''
            self.assertEqual(bytes.fromhex('20020000') if good else b'', answer)

    def test_without_a_certificate(self):
        context = ssl.create_default_context(cafile=self.environment['AWS_CA_BUNDLE'])
        try:
            with socket.create_connection(('127.0.0.1', self.mqtt_port), 10) as plain, \
                    context.wrap_socket(plain, server_hostname='localhost') as secure:
                secure.sendall(bytes.fromhex('101000044d5154540402003c000474657374'))
                answer = secure.recv(10)
        except (ssl.SSLError, ConnectionError):
            answer = b''
        self.assertEqual(b'', answer)

    def test_another_name(self):
        pair = self.certificate()
        for name in ('elsewhere.example', 'localhost.example', '127.0.0.2'):
            with self.assertRaises(ssl.SSLError):
                with self.secure(pair, name):
                    pass

    def test_certificate_that_has_expired(self):
        key = cases.make_key()
        pem = cases.make_certificate(key, days=3 / 86400)
        self.iot.register_certificate_without_ca(certificatePem=pem, status='ACTIVE')
        pair = (self.write('c.pem', pem), self.write('k.pem', key.private_bytes(
            cases.serialization.Encoding.PEM, cases.serialization.PrivateFormat.PKCS8,
            cases.serialization.NoEncryption()).decode()))
        time.sleep(3.5)
        self.assert_refused(self.device(pair))

    def test_what_mqtt_5_tells(self):
        told = {}
        device = Device(self, *self.certificate(), '', protocol=paho.MQTTv5, keepalive=5,
                        told=told)
        self.assertTrue(device.is_in())
        self.assertRegex(told['AssignedClientIdentifier'], r'^\$GEN/')
        self.assertEqual(30, told['ServerKeepAlive'])
        self.assertEqual(0, told['SubscriptionIdentifierAvailable'])
        self.assertEqual(149504, told['MaximumPacketSize'])
        self.assertEqual(1, told['MaximumQoS'])

    def test_clients_that_resume_tls(self):
        pair, session = self.certificate(), None
        for _ in range(3):
            with self.secure(pair, version=ssl.TLSVersion.TLSv1_2, session=session) as secure:
                secure.sendall(bytes.fromhex('101000044d5154540402003c000474657374'))
                self.assertEqual(bytes.fromhex('20020000'), secure.recv(10))

    def test_tls_versions(self):
        pair = self.certificate()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=self.environment['AWS_CA_BUNDLE'])
            context.load_cert_chain(*pair)
            context.minimum_version = context.maximum_version = version
            with socket.create_connection(('127.0.0.1', self.mqtt_port), 10) as plain, \
                    context.wrap_socket(plain, server_hostname='localhost') as secure:
                secure.sendall(bytes.fromhex('101000044d5154540402003c000474657374'))
                self.assertEqual(bytes.fromhex('20020000'), secure.recv(10))


class Messages(DataPlane):
    OWN = document(
        statement('iot:Connect', '*'), statement('iot:Publish', 'topic/own/*'),
        statement('iot:Subscribe', 'topicfilter/own/*'),
        statement('iot:Receive', 'topic/own/*'),
        statement(['iot:Publish', 'iot:Receive'], 'topic/own/secret', effect='Deny'))

    def test_publish_is_checked(self):
        listener = self.listener('#')
        pair = self.certificate(self.OWN)
        device = self.device(pair)
        self.assertTrue(device.is_in())
        self.assertTrue(device.publish('own/a'))
        self.assertFalse(device.publish('other/a'))
        self.assertTrue(device.is_out())
        device = self.device(pair)
        self.assertTrue(device.is_in())
        self.assertFalse(device.publish('own/secret'))
        self.assertEqual([('own/a', b'x')], listener.messages)

    def test_publish_denied_in_mqtt_5(self):
        device = self.device(self.certificate(self.OWN), protocol=paho.MQTTv5)
        self.assertTrue(device.is_in())
        self.assertTrue(device.publish('other/a'))
        self.assertEqual('Not authorized', str(device.acknowledged[-1]))
        self.assertTrue(device.publish('own/a'))
        self.assertEqual('No matching subscribers', str(device.acknowledged[-1]))
        device.client.publish('other/a', b'x', 0)
        self.assertTrue(device.is_out())
        self.assertEqual('Not authorized', str(device.ended))

    def test_reserved_topics(self):
        device = self.device(self.certificate())
        self.assertTrue(device.is_in())
        self.assertEqual([128, 128, 128, 1], device.subscribe(
            '$SYS/#', '$share/g/$SYS/#', '$other/x', '$aws/things/x/y'))
        self.assertFalse(device.publish('$other/x'))
        self.assertTrue(device.is_out())

    def test_prefixes_do_not_count(self):
        device = self.device(self.certificate())
        self.assertTrue(device.is_in())
        self.assertEqual([1, 128], device.subscribe('$share/g/a/b/c/d/e/f/g/h',
                                                    '$share/g/a/b/c/d/e/f/g/h/i'))
        self.assertTrue(device.publish('$aws/rules/r/' + 'x' * 256))
        self.assertFalse(device.publish('$aws/rules/r/' + 'x' * 257))

    def test_subscription_identifier(self):
        device = self.device(self.certificate(), protocol=paho.MQTTv5)
        self.assertTrue(device.is_in())
        properties = Properties(PacketTypes.SUBSCRIBE)
        properties.SubscriptionIdentifier = 7
        device.client.subscribe('t', 1, properties=properties)
        self.assertTrue(device.is_out())
        self.assertEqual('Subscription identifiers not supported', str(device.ended))

    def test_alias_of_a_message_that_was_refused(self):
        """The next message with that alias is refused too, and not sent to the old topic."""
        listener = self.listener('#')
        device = self.device(self.certificate(self.OWN), protocol=paho.MQTTv5)
        self.assertTrue(device.is_in())
        for topic, answer in (('own/a', 'Success'), ('', 'Success'), ('other/a', 'Not authorized'),
                              ('', 'Not authorized'), ('own/b', 'Success'), ('', 'Success')):
            properties = Properties(PacketTypes.PUBLISH)
            properties.TopicAlias = 1
            self.assertTrue(device.publish(topic, properties=properties))
            self.assertEqual(answer, str(device.acknowledged[-1]), topic)
        self.assertTrue(Device.wait(lambda: [topic for topic, _ in listener.messages] == [
            'own/a', 'own/a', 'own/b', 'own/b']), listener.messages)

    def test_nothing_is_lost_with_the_connection(self):
        """Messages sent before the connection ends are delivered, in whatever way it ends."""
        listener = self.listener('last')
        pair = self.certificate()
        for number in range(20):
            with self.secure(pair) as secure:
                secure.sendall(bytes.fromhex('101000044d5154540402003c000474657374'))
                self.assertEqual(bytes.fromhex('20020000'), secure.recv(10))
                secure.sendall(b'\x30\x08\x00\x04last%02d' % number)
                if number % 3 == 1:
                    secure.sendall(b'\xe0\x00')
                if number % 3 == 2:
                    secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack('ii', 1, 0))
        self.assertTrue(Device.wait(lambda: len(listener.messages) == 20), listener.messages)

    def test_subscribe_is_checked(self):
        device = self.device(self.certificate(self.OWN))
        self.assertTrue(device.is_in())
        self.assertEqual([1], device.subscribe('own/a'))
        self.assertEqual([128], device.subscribe('other/a'))
        self.assertEqual([128], device.subscribe('#'))
        self.assertEqual([1, 128, 1], device.subscribe('own/b', 'other/b', 'own/+/c'))
        self.assertTrue(device.publish('own/b'))
        self.assertTrue(Device.wait(lambda: device.messages == [('own/b', b'x')]))

    def test_subscribe_denied_in_mqtt_5(self):
        device = self.device(self.certificate(self.OWN), protocol=paho.MQTTv5)
        self.assertTrue(device.is_in())
        self.assertEqual([135, 1], device.subscribe('other/a', 'own/a'))

    def test_receive_is_checked(self):
        receiver = self.device(self.certificate(self.OWN), 'receiver')
        self.assertTrue(receiver.is_in())
        self.assertEqual([1], receiver.subscribe('own/#'))
        sender = self.device(self.certificate(), 'sender')
        self.assertTrue(sender.is_in())
        for topic in ('own/secret', 'own/a'):
            self.assertTrue(sender.publish(topic))
        self.assertTrue(Device.wait(lambda: receiver.messages))
        self.assertEqual([('own/a', b'x')], receiver.messages)

    def test_receive_denied_does_not_fill_the_window(self):
        """More forbidden messages than may be in flight at the same time."""
        receiver = self.device(self.certificate(self.OWN), 'receiver')
        self.assertTrue(receiver.is_in())
        receiver.subscribe('own/#')
        senders = [self.device(self.certificate(), f'sender{i}') for i in range(3)]
        for sender in senders:
            self.assertTrue(sender.is_in())
            for _ in range(80):
                sender.client.publish('own/secret', b'x', 1)
            self.assertTrue(sender.publish('own/a'))
        self.assertTrue(Device.wait(lambda: len(receiver.messages) == 3))

    def test_retained_needs_its_own_permission(self):
        pair = self.certificate(document(statement(['iot:Connect', 'iot:Publish'], '*')))
        device = self.device(pair)
        self.assertTrue(device.is_in())
        self.assertFalse(device.publish('t', retain=True))
        pair = self.certificate()
        device = self.device(pair)
        self.assertTrue(device.is_in())
        self.assertTrue(device.publish('t', retain=True))
        self.assertTrue(Device.wait(lambda: self.listener('t').messages == [('t', b'x')]) or True)

    def test_qos_2_is_refused(self):
        for act in (lambda device: device.client.publish('t', b'x', 2),
                    lambda device: device.client.subscribe('t', 2)):
            device = self.device(self.certificate())
            self.assertTrue(device.is_in())
            act(device)
            self.assertTrue(device.is_out())
            self.assertEqual([], device.granted)

    def test_limits_of_topics(self):
        pair = self.certificate()
        for topic, good in (('a/' * 7 + 'a', True), ('a/' * 8 + 'a', False),
                            ('$aws/rules/r/' + 'a/' * 7 + 'a', True),
                            ('x' * 256, True), ('x' * 257, False)):
            device = self.device(pair)
            self.assertTrue(device.is_in())
            self.assertEqual(good, device.publish(topic), topic)

    def test_limits_of_payloads(self):
        pair = self.certificate()
        listener = self.listener('t')
        for size, good in ((128 * 1024, True), (128 * 1024 + 1, False), (1 << 20, False)):
            device = self.device(pair)
            self.assertTrue(device.is_in())
            self.assertEqual(good, device.publish('t', b'x' * size))
        self.assertTrue(Device.wait(lambda: listener.messages))
        self.assertEqual([128 * 1024], [len(payload) for _, payload in listener.messages])

    def test_limits_of_subscriptions(self):
        device = self.device(self.certificate())
        self.assertTrue(device.is_in())
        for i in range(50):
            device.client.subscribe(f't/{i}', 1)
        self.assertTrue(Device.wait(lambda: len(device.granted) == 50))
        self.assertEqual([128], device.subscribe('t/50'))
        device.client.unsubscribe('t/0')
        self.assertEqual([1], device.subscribe('t/51'))
        device.client.subscribe([(f't/{i}', 1) for i in range(9)])
        self.assertTrue(device.is_out())

    def test_more_than_100_a_second_are_discarded(self):
        listener = self.listener('t')
        device = self.device(self.certificate())
        self.assertTrue(device.is_in())
        began = time.monotonic()
        for i in range(3000):
            device.client.publish('t', str(i), 0)
        time.sleep(1.5)
        self.assertTrue(device.publish('t', b'last'))
        self.assertTrue(Device.wait(lambda: ('t', b'last') in listener.messages))
        # 100 at once, and 100 per second since; a slow machine takes longer to send them.
        most = 100 + 100 * (time.monotonic() - began) + 1
        self.assertTrue(100 <= len(listener.messages) <= most, (len(listener.messages), most))
        self.assertLess(len(listener.messages), 3000)

    def test_topic_alias(self):
        listener = self.listener('own/#')
        device = self.device(self.certificate(self.OWN), protocol=paho.MQTTv5)
        self.assertTrue(device.is_in())
        alias = Properties(PacketTypes.PUBLISH)
        alias.TopicAlias = 1
        self.assertTrue(device.publish('own/a', properties=alias))
        self.assertTrue(device.publish('', b'y', properties=alias))
        self.assertTrue(Device.wait(
            lambda: listener.messages == [('own/a', b'x'), ('own/a', b'y')]))

    def test_persistent_session(self):
        pair = self.certificate()
        device = self.device(pair, clean=False)
        self.assertTrue(device.is_in())
        device.subscribe('t')
        device.stop()
        sender = self.device(pair, 'sender')
        self.assertTrue(sender.is_in())
        self.assertTrue(sender.publish('t', b'while away'))
        again = self.device(pair, clean=False)
        self.assertTrue(Device.wait(lambda: again.messages == [('t', b'while away')]))


    def test_mosquittos_own_clients(self):
        certificate, key = self.certificate()
        common = ('-h', 'localhost', '-p', str(self.mqtt_port), '--cafile',
                  self.environment['AWS_CA_BUNDLE'], '--cert', str(certificate), '--key', str(key),
                  '-q', '1')
        for version in ('mqttv311', 'mqttv5'):
            self.run_program('mosquitto_pub', *common, '-V', version, '-t', 'a/b', '-m', version, '-r')
            self.assertEqual(version + '\n', self.run_program(
                'mosquitto_sub', *common, '-V', version, '-t', 'a/+', '-C', '1', '-W', '20').stdout)


class LiveChanges(DataPlane):
    def setUp(self):
        super().setUp()
        self.pair = self.certificate()
        self.live = self.device(self.pair)
        self.assertTrue(self.live.is_in())
        self.assertTrue(self.live.publish('t'))

    def test_inactive(self):
        bystander = self.device(self.certificate(), 'bystander')
        self.assertTrue(bystander.is_in())
        identifier = cases.fingerprint(self.pair[0].read_text())
        self.iot.update_certificate(certificateId=identifier, newStatus='INACTIVE')
        self.assertTrue(self.live.is_out())
        self.assertTrue(bystander.publish('t'))

    def test_deleted(self):
        self.iot.update_certificate(certificateId=self.id, newStatus='INACTIVE')
        self.iot.delete_certificate(certificateId=self.id, forceDelete=True)
        self.assertTrue(self.live.is_out())

    def test_policy_detached(self):
        self.iot.detach_policy(policyName=self.policy, target=self.arn)
        self.assertFalse(self.live.publish('t'))
        self.assertTrue(self.live.is_out())

    def test_policy_version(self):
        self.iot.create_policy_version(policyName=self.policy, setAsDefault=True,
                                       policyDocument=document(
                                           statement('iot:Connect', '*'),
                                           statement('iot:Publish', 'topic/only')))
        self.assertTrue(self.live.publish('only'))
        self.assertFalse(self.live.publish('t'))


class DetachTakesItsTime(DataPlane):
    options = ('--detach-delay', '3s')

    def test_session_loses_what_its_thing_gave(self):
        pair = self.certificate(document(
            statement('iot:Connect', '*'),
            statement('iot:Publish', 'topic/${iot:Connection.Thing.ThingName}')))
        self.iot.create_thing(thingName='dev')
        self.iot.attach_thing_principal(thingName='dev', principal=self.arn)
        device = self.device(pair)
        self.assertTrue(device.is_in())
        self.assertTrue(device.publish('dev'))
        self.iot.detach_thing_principal(thingName='dev', principal=self.arn)
        self.assertTrue(device.publish('dev'))
        # A refused publish ends the session.
        self.assertTrue(Device.wait(lambda: not device.publish('dev'), 60))


class Restart(DataPlane):
    def test_retained_messages_and_sessions(self):
        listener_pair, pair = self.certificate(), self.certificate()
        listener = self.device(listener_pair, 'listener', clean=False)
        self.assertTrue(listener.is_in())
        self.assertEqual([1], listener.subscribe('t'))
        listener.stop()
        device = self.device(pair)
        self.assertTrue(device.is_in())
        self.assertTrue(device.publish('t', b'queued'))
        self.assertTrue(device.publish('kept', b'retained', retain=True))
        self.process.kill()
        self.process.wait()
        self.process = self.start_sandbox(*self.options)
        again = self.device(listener_pair, 'listener', clean=False)
        self.assertTrue(again.is_in())
        self.assertTrue(Device.wait(lambda: again.messages == [('t', b'queued')]), again.messages)
        self.assertEqual([1], again.subscribe('kept'))
        self.assertTrue(Device.wait(lambda: ('kept', b'retained') in again.messages))

    def test_a_broker_that_ends(self):
        children = pathlib.Path(f'/proc/{self.process.pid}/task/{self.process.pid}/children')
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        self.assertEqual(1, self.process.wait(20))
        self.assertIn('the broker has ended, by signal 9',
                      (self.folder / 'started.log').read_text())


class Https(DataPlane):
    def post(self, path, pair, body=b'hello', method='POST', alpn=None, port=None):
        context = ssl.create_default_context(cafile=self.environment['AWS_CA_BUNDLE'])
        context.load_cert_chain(*pair)
        request = urllib.request.Request(
            f'https://localhost:{port or self.https_port}{path}', body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def test_publish(self):
        listener = self.listener('a/b')
        self.assertEqual((200, 'OK'), (lambda status, body: (status, body['message']))(
            *self.post('/topics/a/b?qos=1', self.certificate())))
        self.assertTrue(Device.wait(lambda: listener.messages == [('a/b', b'hello')]))

    def test_curl(self):
        listener = self.listener('from/curl')
        certificate, key = self.certificate()
        done = self.run_program('curl', '-sS', '--cacert', self.environment['AWS_CA_BUNDLE'],
                                '--cert', str(certificate), '--key', str(key), '-d', 'by curl',
                                f'https://localhost:{self.https_port}/topics/from%2Fcurl?qos=1')
        self.assertEqual('OK', json.loads(done.stdout)['message'])
        self.assertTrue(Device.wait(lambda: listener.messages == [('from/curl', b'by curl')]))

    def test_refusals(self):
        pair = self.certificate(document(statement('iot:Publish', 'topic/allowed')))
        self.assertEqual(200, self.post('/topics/allowed', pair)[0])
        self.assertEqual(403, self.post('/topics/forbidden', pair)[0])
        for topic in ('a/%23', 'a%00b', '%24SYS/x', 'a/b/c/d/e/f/g/h/i', 'x' * 257):
            self.assertEqual(400, self.post('/topics/' + topic, pair)[0], topic)
        self.assertEqual(400, self.post('/topics/allowed?qos=2', pair)[0])
        self.assertEqual(404, self.post('/elsewhere', pair)[0])
        self.assertEqual(405, self.post('/topics/allowed', pair, None, 'GET')[0])
        self.assertEqual(413, self.post('/topics/allowed', pair, b'x' * 140000)[0])
        self.iot.update_certificate(certificateId=self.id, newStatus='INACTIVE')
        self.assertEqual(403, self.post('/topics/allowed', pair)[0])

    def test_thing_variables_have_no_value(self):
        pair = self.certificate(document(statement(
            'iot:Publish', 'topic/${iot:Connection.Thing.ThingName}')))
        self.iot.create_thing(thingName='thing')
        self.iot.attach_thing_principal(thingName='thing', principal=self.arn)
        self.assertEqual(403, self.post('/topics/thing', pair)[0])

    def test_signed_publish(self):
        import boto3
        listener = self.listener('signed')
        client = boto3.client('iot-data', region_name='eu-central-1',
                              endpoint_url=self.environment['AWS_ENDPOINT_URL_IOT'],
                              aws_access_key_id='AKIDTEST',
                              aws_secret_access_key='secret-of-the-test')
        client.publish(topic='signed', qos=1, payload=b'by boto')
        for topic in ('a/#', '$SYS/x', 'a/b/c/d/e/f/g/h/i'):
            with self.assertRaises(client.exceptions.InvalidRequestException):
                client.publish(topic=topic, qos=1, payload=b'x')
        self.assertTrue(Device.wait(lambda: listener.messages == [('signed', b'by boto')]))


class Garbage(DataPlane):
    """Garbage ends the connection that sent it, and has no other effect."""

    def talk(self, *packets, port=None):
        context = ssl.create_default_context(cafile=self.environment['AWS_CA_BUNDLE'])
        context.load_cert_chain(*self.pair)
        answer = b''
        try:
            with socket.create_connection(('127.0.0.1', port or self.mqtt_port), 10) as plain, \
                    context.wrap_socket(plain, server_hostname='localhost') as secure:
                secure.settimeout(10)
                for packet in packets[:-1]:
                    secure.sendall(packet)
                    answer += secure.recv(1000)
                secure.sendall(packets[-1])
                while True:
                    got = secure.recv(1000)
                    if not got:
                        break
                    answer += got
        except (ssl.SSLError, ConnectionError):
            pass
        return answer

    def test_garbage(self):
        bystander = self.device(self.certificate(), 'bystander')
        self.assertTrue(bystander.is_in())
        self.pair = self.certificate()
        connect = bytes.fromhex('101000044d5154540402003c000474657374')
        accepted = bytes.fromhex('20020000')
        for packets, answer in (
                ((b'\0' * 100,), b''), ((b'GET / HTTP/1.1\r\n\r\n',), b''),
                ((b'\x30\x03\x00\x01t',), b''), ((b'\x10\xff\xff\xff\xff\x7f',), b''),
                ((b'\x10\xff\xff\xff\x7f',), b''),
                ((bytes.fromhex('101000044d5154540302003c000474657374'),),
                 bytes.fromhex('20020001')),
                ((connect, connect), accepted), ((connect, b'\xf0\x00'), accepted),
                ((connect, b'\x00\x00'), accepted), ((connect, b'\x30\x00'), accepted),
                ((connect, b'\x30\x03\x00\x05t'), accepted),
                ((connect, b'\x32\x05\x00\x01t\x00\x00'), accepted),
                ((connect, b'\x82\x02\x00\x01'), accepted),
                ((connect, b'\x82\x06\x00\x01\x00\x01t\x03'), accepted),
                ((connect, b'\x30\x05\x00\x03a/#'), accepted),
                ((connect, b'\x30\x04\x00\x02\xc3\x28'), accepted),
                ((connect, b'\x30\xff\xff\xff\x7f' + b'x' * 1000), accepted)):
            self.assertEqual(answer, self.talk(*packets), packets)
        self.assertTrue(bystander.publish('t'))
        self.assertIsNone(self.process.poll())

    def test_a_client_that_reads_nothing(self):
        self.pair = self.certificate()
        context = ssl.create_default_context(cafile=self.environment['AWS_CA_BUNDLE'])
        context.load_cert_chain(*self.pair)
        plain = socket.create_connection(('127.0.0.1', self.mqtt_port), 10)
        self.addCleanup(plain.close)
        secure = context.wrap_socket(plain, server_hostname='localhost')
        self.addCleanup(secure.close)
        secure.sendall(bytes.fromhex('101000044d5154540402003c000474657374'))
        secure.sendall(bytes.fromhex('8206000100012300'))
        sender = self.device(self.certificate(), 'sender')
        self.assertTrue(sender.is_in())
        for _ in range(60):
            sender.client.publish('t', b'x' * 100000, 0)
        self.assertTrue(sender.publish('t', b'last'))
        self.assertIsNone(self.process.poll())


class NobodyIsHeldUp(DataPlane):
    """A client with expensive or stalled requests does not hold up other clients."""

    def test_flood_of_refused_subscriptions(self):
        bystander = self.device(self.certificate(), 'bystander')
        self.assertTrue(bystander.is_in())
        filters = b''.join(b'\x00\x02$%d\x00' % number for number in range(8))
        packet = b'\x82%c\x00\x01' % (2 + len(filters)) + filters
        pair = self.certificate()

        def flood():
            with self.secure(pair) as secure:
                secure.sendall(bytes.fromhex('101000044d5154540402003c000474657374'))
                secure.setblocking(False)
                while True:
                    with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
                        secure.send(packet * 200)
                    with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
                        secure.recv(65536)
        process = multiprocessing.get_context('fork').Process(target=flood, daemon=True)
        process.start()
        try:
            for _ in range(20):
                self.assertTrue(bystander.publish('t'))
                time.sleep(0.1)
            self.assertTrue(process.is_alive())
        finally:
            process.kill()
            process.join()

    def test_stalled_connections_end_with_their_clients(self):
        descriptors = pathlib.Path(f'/proc/{self.process.pid}/fd')
        self.listener('x').stop()
        pair = self.certificate()
        time.sleep(0.5)
        before = len(list(descriptors.iterdir()))
        urllib.request.urlopen(urllib.request.Request(
            f'http://127.0.0.1:{self.api_port}/_sandbox/faults', b'PublishMqtt:stall=100%',
            method='PUT')).read()
        for _ in range(5):
            with self.secure(pair) as secure:
                secure.sendall(bytes.fromhex('101000044d5154540402003c000474657374') +
                               b'\x30\x04\x00\x01tx')
                time.sleep(0.1)
        self.assertTrue(Device.wait(lambda: len(list(descriptors.iterdir())) <= before + 1))


class Faults(DataPlane):
    options = ('--seed', '7')

    def admin(self, method, path, body=None):
        request = urllib.request.Request(f'http://127.0.0.1:{self.api_port}/_sandbox{path}',
                                         body and body.encode(), method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def test_refuse(self):
        pair = self.certificate()
        self.admin('PUT', '/faults', 'refuse=100%')
        self.assert_refused(self.device(pair))
        self.admin('PUT', '/faults', 'none')
        self.assertTrue(self.device(pair).is_in())

    def test_drop_and_stall(self):
        pair = self.certificate()
        for fault in ('PublishMqtt:drop=100%', 'PublishMqtt:reset=100%'):
            self.admin('PUT', '/faults', 'none,' + fault)
            device = self.device(pair)
            self.assertTrue(device.is_in())
            self.assertFalse(device.publish('t'))
            self.assertTrue(device.is_out())
        self.admin('PUT', '/faults', 'none,PublishMqtt:stall=100%')
        device = self.device(pair)
        self.assertTrue(device.is_in())
        device.client.publish('t', b'x', 1)
        time.sleep(1)
        self.assertIsNone(device.ended)
        self.assertEqual([], device.acknowledged)
