# SPDX-License-Identifier: Apache-2.0
"""Test cases of AWS IoT's control plane, for any implementation: the sandbox or another one.

Each case gets a `World` with fresh names and must hold according to AWS's documentation.
"""
import datetime
import itertools
import json

import botocore.exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

ALLOW_ALL = json.dumps({'Version': '2012-10-17', 'Statement': [
    {'Effect': 'Allow', 'Action': 'iot:*', 'Resource': '*'}]})
numbers = itertools.count()
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class World:
    """An account, used through one client; each case has names of its own."""

    def __init__(self, test, client):
        self.test, self.iot = test, client
        self.number = next(numbers)

    def name(self, kind):
        return f'{kind}_{self.number}'

    def refused(self, code, status, function, /, **arguments):
        with self.test.assertRaises(botocore.exceptions.ClientError) as caught:
            function(**arguments)
        response = caught.exception.response
        self.test.assertEqual((code, status), (
            response['Error']['Code'], response['ResponseMetadata']['HTTPStatusCode']),
            response['Error'].get('Message'))
        return response['Error'].get('Message', '')

    def invalid(self, function, /, **arguments):
        return self.refused('InvalidRequestException', 400, function, **arguments)

    def missing(self, function, /, **arguments):
        return self.refused('ResourceNotFoundException', 404, function, **arguments)

    def thing(self, **more):
        self.iot.create_thing(thingName=self.name('thing'), **more)
        return self.name('thing')

    def type(self, **more):
        self.iot.create_thing_type(thingTypeName=self.name('type'), **more)
        return self.name('type')

    def group(self, suffix='', **more):
        self.iot.create_thing_group(thingGroupName=self.name('group') + suffix, **more)
        return self.name('group') + suffix

    def policy(self, document=ALLOW_ALL):
        self.iot.create_policy(policyName=self.name('policy'), policyDocument=document)
        return self.name('policy')

    def certificate(self, active=True):
        """Register a certificate; its ARN and identifier."""
        answer = self.iot.register_certificate_without_ca(
            certificatePem=make_certificate(), status='ACTIVE' if active else 'INACTIVE')
        return answer['certificateArn'], answer['certificateId']


def make_key():
    return ec.generate_private_key(ec.SECP256R1())


def make_certificate(key=None, days=365, begins=-1):
    key = key or make_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'device')])
    now = datetime.datetime.now(datetime.timezone.utc)
    return x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(
        key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(
        now + datetime.timedelta(days=begins)).not_valid_after(
        now + datetime.timedelta(days=days)).sign(key, hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM).decode()


def make_request(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'device')])
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(
        key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def fingerprint(pem):
    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex()


def public_key(thing):
    return thing.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


# ------------------------------------------------------------------ thing types

@case
def type_create_answers_name_arn_id(w):
    answer = w.iot.create_thing_type(thingTypeName=w.name('type'))
    w.test.assertEqual(w.name('type'), answer['thingTypeName'])
    w.test.assertRegex(answer['thingTypeArn'], r'^arn:aws:iot:[\w-]+:\d{12}:thingtype/' + w.name('type'))
    w.test.assertRegex(answer['thingTypeId'], r'^[\da-f-]{36}$')


@case
def type_create_twice(w):
    w.type()
    w.refused('ResourceAlreadyExistsException', 409, w.iot.create_thing_type,
              thingTypeName=w.name('type'))


@case
def type_describe(w):
    name = w.type(thingTypeProperties={'thingTypeDescription': 'a type',
                                       'searchableAttributes': ['a', 'b']})
    answer = w.iot.describe_thing_type(thingTypeName=name)
    w.test.assertEqual('a type', answer['thingTypeProperties']['thingTypeDescription'])
    w.test.assertEqual(['a', 'b'], answer['thingTypeProperties']['searchableAttributes'])
    w.test.assertFalse(answer['thingTypeMetadata']['deprecated'])
    age = datetime.datetime.now(datetime.timezone.utc) - answer['thingTypeMetadata']['creationDate']
    w.test.assertLess(abs(age.total_seconds()), 600)


@case
def type_describe_missing(w):
    w.missing(w.iot.describe_thing_type, thingTypeName=w.name('type'))


@case
def type_too_many_searchable_attributes(w):
    w.invalid(w.iot.create_thing_type, thingTypeName=w.name('type'),
              thingTypeProperties={'searchableAttributes': ['a', 'b', 'c', 'd']})


@case
def type_update(w):
    name = w.type()
    w.iot.update_thing_type(thingTypeName=name,
                            thingTypeProperties={'thingTypeDescription': 'changed'})
    w.test.assertEqual('changed', w.iot.describe_thing_type(
        thingTypeName=name)['thingTypeProperties']['thingTypeDescription'])


@case
def type_update_missing(w):
    w.missing(w.iot.update_thing_type, thingTypeName=w.name('type'))


@case
def type_deprecate_and_undo(w):
    name = w.type()
    w.iot.deprecate_thing_type(thingTypeName=name)
    metadata = w.iot.describe_thing_type(thingTypeName=name)['thingTypeMetadata']
    w.test.assertTrue(metadata['deprecated'])
    w.test.assertIn('deprecationDate', metadata)
    w.iot.deprecate_thing_type(thingTypeName=name, undoDeprecate=True)
    w.test.assertFalse(w.iot.describe_thing_type(
        thingTypeName=name)['thingTypeMetadata']['deprecated'])


@case
def type_deprecate_missing(w):
    w.missing(w.iot.deprecate_thing_type, thingTypeName=w.name('type'))


@case
def type_delete_without_deprecation(w):
    name = w.type()
    w.invalid(w.iot.delete_thing_type, thingTypeName=name)


@case
def type_delete_too_early(w):
    name = w.type()
    w.iot.deprecate_thing_type(thingTypeName=name)
    w.invalid(w.iot.delete_thing_type, thingTypeName=name)


@case
def type_delete_missing(w):
    w.missing(w.iot.delete_thing_type, thingTypeName=w.name('type'))


@case
def type_list(w):
    name = w.type()
    listed = w.iot.list_thing_types(thingTypeName=name)['thingTypes']
    w.test.assertEqual([name], [t['thingTypeName'] for t in listed])


@case
def type_list_pages(w):
    for i in range(3):
        w.iot.create_thing_type(thingTypeName=f'{w.name("type")}_{i}')
    pages = list(w.iot.get_paginator('list_thing_types').paginate(PaginationConfig={'PageSize': 2}))
    names = [t['thingTypeName'] for page in pages for t in page['thingTypes']]
    w.test.assertEqual(3, len([n for n in names if n.startswith(w.name('type') + '_')]))
    w.test.assertTrue(all(len(page['thingTypes']) <= 2 for page in pages))


@case
def type_deprecated_takes_no_things(w):
    name = w.type()
    w.iot.deprecate_thing_type(thingTypeName=name)
    w.invalid(w.iot.create_thing, thingName=w.name('thing'), thingTypeName=name)


# ------------------------------------------------------------------ things

@case
def thing_create_answers_name_arn_id(w):
    answer = w.iot.create_thing(thingName=w.name('thing'))
    w.test.assertEqual(w.name('thing'), answer['thingName'])
    w.test.assertTrue(answer['thingArn'].endswith(':thing/' + w.name('thing')))
    w.test.assertRegex(answer['thingId'], r'^[\da-f-]{36}$')


@case
def thing_create_again_the_same(w):
    first = w.iot.create_thing(thingName=w.name('thing'), attributePayload={'attributes': {'a': '1'}})
    again = w.iot.create_thing(thingName=w.name('thing'), attributePayload={'attributes': {'a': '1'}})
    w.test.assertEqual(first['thingId'], again['thingId'])


@case
def thing_create_again_with_other_attributes(w):
    w.thing(attributePayload={'attributes': {'a': '1'}})
    w.refused('ResourceAlreadyExistsException', 409, w.iot.create_thing,
              thingName=w.name('thing'), attributePayload={'attributes': {'a': '2'}})


@case
def thing_create_again_with_another_type(w):
    w.thing()
    w.refused('ResourceAlreadyExistsException', 409, w.iot.create_thing,
              thingName=w.name('thing'), thingTypeName=w.type())


@case
def thing_create_with_missing_type(w):
    w.missing(w.iot.create_thing, thingName=w.name('thing'), thingTypeName=w.name('type'))


@case
def thing_with_missing_billing_group(w):
    w.missing(w.iot.create_thing, thingName=w.name('thing'), billingGroupName=w.name('billing'))


@case
def thing_names(w):
    for name in (f'a:b_{w.number}', f'a-b_c{w.number}', f'{w.number}' + 'A' * 120):
        w.iot.create_thing(thingName=name)
        w.test.assertEqual(name, w.iot.describe_thing(thingName=name)['thingName'])


@case
def thing_name_with_bad_character(w):
    message = w.invalid(w.iot.create_thing, thingName='a b')
    w.test.assertIn('[a-zA-Z0-9:_-]+', message)


@case
def thing_name_with_slash(w):
    w.invalid(w.iot.create_thing, thingName='a/b')


@case
def thing_name_too_long(w):
    w.test.assertIn('128', w.invalid(w.iot.create_thing, thingName='A' * 129))


@case
def thing_describe(w):
    name = w.thing(thingTypeName=w.type(), attributePayload={'attributes': {'a': 'x=[1]'}})
    answer = w.iot.describe_thing(thingName=name)
    w.test.assertEqual((name, name, w.name('type'), {'a': 'x=[1]'}, 1), tuple(answer[key] for key in (
        'thingName', 'defaultClientId', 'thingTypeName', 'attributes', 'version')))


@case
def thing_describe_missing(w):
    w.missing(w.iot.describe_thing, thingName=w.name('thing'))


@case
def thing_attribute_with_bad_name(w):
    w.invalid(w.iot.create_thing, thingName=w.name('thing'),
              attributePayload={'attributes': {'a b': 'x'}})


@case
def thing_attribute_with_bad_value(w):
    w.invalid(w.iot.create_thing, thingName=w.name('thing'),
              attributePayload={'attributes': {'a': 'x y'}})


@case
def thing_attribute_too_long(w):
    w.invalid(w.iot.create_thing, thingName=w.name('thing'),
              attributePayload={'attributes': {'a': 'x' * 801}})


@case
def thing_with_too_many_attributes(w):
    w.invalid(w.iot.create_thing, thingName=w.name('thing'),
              attributePayload={'attributes': {f'a{i}': '1' for i in range(4)}})


@case
def thing_of_a_type_has_more_attributes(w):
    w.thing(thingTypeName=w.type(),
            attributePayload={'attributes': {f'a{i}': '1' for i in range(50)}})
    w.test.assertEqual(50, len(w.iot.describe_thing(thingName=w.name('thing'))['attributes']))


@case
def thing_update_replaces_attributes(w):
    name = w.thing(attributePayload={'attributes': {'a': '1', 'b': '2'}})
    w.iot.update_thing(thingName=name, attributePayload={'attributes': {'c': '3'}})
    answer = w.iot.describe_thing(thingName=name)
    w.test.assertEqual(({'c': '3'}, 2), (answer['attributes'], answer['version']))


@case
def thing_update_merges_attributes(w):
    name = w.thing(attributePayload={'attributes': {'a': '1', 'b': '2'}})
    w.iot.update_thing(thingName=name, attributePayload={
        'attributes': {'b': '', 'c': '3'}, 'merge': True})
    w.test.assertEqual({'a': '1', 'c': '3'}, w.iot.describe_thing(thingName=name)['attributes'])


@case
def thing_update_missing(w):
    w.missing(w.iot.update_thing, thingName=w.name('thing'))


@case
def thing_update_with_wrong_version(w):
    name = w.thing()
    w.refused('VersionConflictException', 409, w.iot.update_thing, thingName=name, expectedVersion=7)


@case
def thing_update_type(w):
    name = w.thing(thingTypeName=w.type())
    w.iot.update_thing(thingName=name, removeThingType=True)
    w.test.assertNotIn('thingTypeName', w.iot.describe_thing(thingName=name))


@case
def thing_update_sets_and_removes_type(w):
    name = w.thing()
    w.invalid(w.iot.update_thing, thingName=name, removeThingType=True, thingTypeName=w.type())


@case
def thing_delete(w):
    name = w.thing()
    w.iot.delete_thing(thingName=name)
    w.missing(w.iot.describe_thing, thingName=name)


@case
def thing_delete_missing_is_success(w):
    w.iot.delete_thing(thingName=w.name('thing'))


@case
def thing_delete_with_wrong_version(w):
    name = w.thing()
    w.refused('VersionConflictException', 409, w.iot.delete_thing, thingName=name, expectedVersion=9)


@case
def thing_delete_with_principal(w):
    name = w.thing()
    w.iot.attach_thing_principal(thingName=name, principal=w.certificate()[0])
    w.invalid(w.iot.delete_thing, thingName=name)


@case
def thing_list_by_type(w):
    name = w.thing(thingTypeName=w.type())
    listed = w.iot.list_things(thingTypeName=w.name('type'))['things']
    w.test.assertEqual([name], [t['thingName'] for t in listed])


@case
def thing_list_by_attribute(w):
    value = w.name('value')
    name = w.thing(attributePayload={'attributes': {'a': value}})
    listed = w.iot.list_things(attributeName='a', attributeValue=value)['things']
    w.test.assertEqual([name], [t['thingName'] for t in listed])


@case
def thing_list_by_attribute_prefix(w):
    value = w.name('value')
    name = w.thing(attributePayload={'attributes': {'a': value + '-more'}})
    listed = w.iot.list_things(attributeName='a', attributeValue=value,
                               usePrefixAttributeValue=True)['things']
    w.test.assertEqual([name], [t['thingName'] for t in listed])


@case
def thing_list_value_without_name(w):
    w.invalid(w.iot.list_things, attributeValue='x')


@case
def thing_list_pages(w):
    w.type()
    names = [f'{w.name("thing")}_{i}' for i in range(5)]
    for name in names:
        w.iot.create_thing(thingName=name, thingTypeName=w.name('type'))
    pages = list(w.iot.get_paginator('list_things').paginate(
        thingTypeName=w.name('type'), PaginationConfig={'PageSize': 2}))
    w.test.assertEqual([2, 2, 1], [len(page['things']) for page in pages])
    w.test.assertEqual(names, sorted(t['thingName'] for page in pages for t in page['things']))


@case
def list_with_too_many_results(w):
    w.test.assertIn('250', w.invalid(w.iot.list_things, maxResults=251))


@case
def list_with_an_invalid_token(w):
    w.invalid(w.iot.list_things, nextToken='this is no token')


# ------------------------------------------------------------------ groups

@case
def group_create_answers_name_arn_id(w):
    answer = w.iot.create_thing_group(thingGroupName=w.name('group'))
    w.test.assertEqual(w.name('group'), answer['thingGroupName'])
    w.test.assertTrue(answer['thingGroupArn'].endswith(':thinggroup/' + w.name('group')))


@case
def group_create_again_the_same(w):
    properties = {'thingGroupDescription': 'x'}
    first = w.iot.create_thing_group(thingGroupName=w.name('group'), thingGroupProperties=properties)
    again = w.iot.create_thing_group(thingGroupName=w.name('group'), thingGroupProperties=properties)
    w.test.assertEqual(first['thingGroupId'], again['thingGroupId'])


@case
def group_create_again_with_other_properties(w):
    w.group()
    w.refused('ResourceAlreadyExistsException', 409, w.iot.create_thing_group,
              thingGroupName=w.name('group'),
              thingGroupProperties={'thingGroupDescription': 'other'})


@case
def group_create_below_missing_parent(w):
    w.missing(w.iot.create_thing_group, thingGroupName=w.name('group'),
              parentGroupName=w.name('parent'))


@case
def group_describe(w):
    parent = w.group('_parent')
    name = w.group('', parentGroupName=parent, thingGroupProperties={
        'thingGroupDescription': 'a group', 'attributePayload': {'attributes': {'a': '1'}}})
    answer = w.iot.describe_thing_group(thingGroupName=name)
    w.test.assertEqual('a group', answer['thingGroupProperties']['thingGroupDescription'])
    w.test.assertEqual({'a': '1'},
                       answer['thingGroupProperties']['attributePayload']['attributes'])
    metadata = answer['thingGroupMetadata']
    w.test.assertEqual(parent, metadata['parentGroupName'])
    w.test.assertEqual([parent], [g['groupName'] for g in metadata['rootToParentThingGroups']])
    w.test.assertEqual(1, answer['version'])


@case
def group_describe_missing(w):
    w.missing(w.iot.describe_thing_group, thingGroupName=w.name('group'))


@case
def group_update(w):
    name = w.group()
    answer = w.iot.update_thing_group(
        thingGroupName=name, thingGroupProperties={'thingGroupDescription': 'new'}, expectedVersion=1)
    w.test.assertEqual(2, answer['version'])


@case
def group_update_with_wrong_version(w):
    name = w.group()
    w.refused('VersionConflictException', 409, w.iot.update_thing_group, thingGroupName=name,
              thingGroupProperties={}, expectedVersion=5)


@case
def group_delete_missing_is_success(w):
    w.iot.delete_thing_group(thingGroupName=w.name('group'))


@case
def group_delete_with_children(w):
    parent = w.group('_parent')
    w.group('', parentGroupName=parent)
    w.invalid(w.iot.delete_thing_group, thingGroupName=parent)


@case
def group_delete_with_wrong_version(w):
    name = w.group()
    w.refused('VersionConflictException', 409, w.iot.delete_thing_group, thingGroupName=name,
              expectedVersion=5)


@case
def group_delete_keeps_things(w):
    group, thing = w.group(), w.thing()
    w.iot.add_thing_to_thing_group(thingGroupName=group, thingName=thing)
    w.iot.delete_thing_group(thingGroupName=group)
    w.test.assertEqual([], w.iot.list_thing_groups_for_thing(thingName=thing)['thingGroups'])


@case
def group_add_thing_is_a_set(w):
    group, thing = w.group(), w.thing()
    for _ in range(2):
        w.iot.add_thing_to_thing_group(thingGroupName=group, thingName=thing)
    w.test.assertEqual([thing], w.iot.list_things_in_thing_group(thingGroupName=group)['things'])


@case
def group_add_thing_by_arn(w):
    group = w.iot.create_thing_group(thingGroupName=w.name('group'))['thingGroupArn']
    thing = w.iot.create_thing(thingName=w.name('thing'))['thingArn']
    w.iot.add_thing_to_thing_group(thingGroupArn=group, thingArn=thing)
    w.test.assertEqual([w.name('thing')], w.iot.list_things_in_thing_group(
        thingGroupName=w.name('group'))['things'])


@case
def group_add_to_missing_group(w):
    w.missing(w.iot.add_thing_to_thing_group, thingGroupName=w.name('group'), thingName=w.thing())


@case
def group_add_missing_thing(w):
    w.missing(w.iot.add_thing_to_thing_group, thingGroupName=w.group(), thingName=w.name('thing'))


@case
def group_add_without_names(w):
    w.invalid(w.iot.add_thing_to_thing_group)


@case
def group_thing_in_too_many(w):
    thing = w.thing()
    for i in range(10):
        w.iot.add_thing_to_thing_group(thingGroupName=w.group(f'_{i}'), thingName=thing)
    w.invalid(w.iot.add_thing_to_thing_group, thingGroupName=w.group('_10'), thingName=thing)


@case
def group_remove_thing(w):
    group, thing = w.group(), w.thing()
    w.iot.add_thing_to_thing_group(thingGroupName=group, thingName=thing)
    w.iot.remove_thing_from_thing_group(thingGroupName=group, thingName=thing)
    w.test.assertEqual([], w.iot.list_things_in_thing_group(thingGroupName=group)['things'])


@case
def group_remove_from_missing_group(w):
    w.missing(w.iot.remove_thing_from_thing_group, thingGroupName=w.name('group'),
              thingName=w.thing())


@case
def group_update_groups_of_thing(w):
    a, b, thing = w.group('_a'), w.group('_b'), w.thing()
    w.iot.add_thing_to_thing_group(thingGroupName=a, thingName=thing)
    w.iot.update_thing_groups_for_thing(
        thingName=thing, thingGroupsToAdd=[b], thingGroupsToRemove=[a])
    w.test.assertEqual([b], [g['groupName'] for g in w.iot.list_thing_groups_for_thing(
        thingName=thing)['thingGroups']])


@case
def group_list_by_prefix(w):
    name = w.group('_prefixed')
    listed = w.iot.list_thing_groups(namePrefixFilter=name[:-2])['thingGroups']
    w.test.assertEqual([name], [g['groupName'] for g in listed])


@case
def group_list_below(w):
    parent = w.group('_parent')
    child = w.group('_child', parentGroupName=parent)
    grandchild = w.group('_grandchild', parentGroupName=child)
    names = lambda **more: sorted(g['groupName'] for g in w.iot.list_thing_groups(
        parentGroup=parent, **more)['thingGroups'])
    w.test.assertEqual([child], names(recursive=False))
    w.test.assertEqual(sorted([child, grandchild]), names(recursive=True))


@case
def group_list_below_missing_parent(w):
    w.missing(w.iot.list_thing_groups, parentGroup=w.name('parent'))


@case
def group_list_things_recursively(w):
    parent = w.group('_parent')
    child = w.group('_child', parentGroupName=parent)
    thing = w.thing()
    w.iot.add_thing_to_thing_group(thingGroupName=child, thingName=thing)
    w.test.assertEqual([], w.iot.list_things_in_thing_group(thingGroupName=parent)['things'])
    w.test.assertEqual([thing], w.iot.list_things_in_thing_group(
        thingGroupName=parent, recursive=True)['things'])


@case
def group_list_things_pages(w):
    group = w.group()
    names = [f'{w.name("thing")}_{i:02}' for i in range(12)]
    for name in names:
        w.iot.create_thing(thingName=name)
        w.iot.add_thing_to_thing_group(thingGroupName=group, thingName=name)
    pages = list(w.iot.get_paginator('list_things_in_thing_group').paginate(
        thingGroupName=group, PaginationConfig={'PageSize': 5}))
    w.test.assertEqual([5, 5, 2], [len(page['things']) for page in pages])
    w.test.assertEqual(names, sorted(name for page in pages for name in page['things']))


@case
def group_list_things_of_missing_group(w):
    w.missing(w.iot.list_things_in_thing_group, thingGroupName=w.name('group'))


# ------------------------------------------------------------------ policies

@case
def policy_create_answers(w):
    answer = w.iot.create_policy(policyName=w.name('policy'), policyDocument=ALLOW_ALL)
    w.test.assertEqual((w.name('policy'), ALLOW_ALL, '1'), tuple(answer[key] for key in (
        'policyName', 'policyDocument', 'policyVersionId')))


@case
def policy_create_twice(w):
    w.policy()
    w.refused('ResourceAlreadyExistsException', 409, w.iot.create_policy,
              policyName=w.name('policy'), policyDocument=ALLOW_ALL)


@case
def policy_names(w):
    for name in (f'p+=,.@-{w.number}', f'{w.number}' + 'P' * 120):
        w.iot.create_policy(policyName=name, policyDocument=ALLOW_ALL)
        w.test.assertEqual(name, w.iot.get_policy(policyName=name)['policyName'])


@case
def policy_name_with_bad_character(w):
    w.invalid(w.iot.create_policy, policyName='a:b', policyDocument=ALLOW_ALL)


def refused_document(w, document):
    w.refused('MalformedPolicyException', 400, w.iot.create_policy, policyName=w.name('policy'),
              policyDocument=document)


@case
def policy_document_that_is_not_json(w):
    refused_document(w, 'nonsense')


@case
def policy_document_without_version(w):
    refused_document(w, json.dumps({'Statement': json.loads(ALLOW_ALL)['Statement']}))


@case
def policy_document_without_statement(w):
    refused_document(w, json.dumps({'Version': '2012-10-17'}))


@case
def policy_document_with_bad_effect(w):
    refused_document(w, ALLOW_ALL.replace('Allow', 'Permit'))


@case
def policy_document_without_action(w):
    refused_document(w, json.dumps({'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Resource': '*'}]}))


@case
def policy_document_too_long(w):
    statement = {'Effect': 'Allow', 'Action': 'iot:Publish', 'Resource': ['x' * 100] * 21}
    refused_document(w, json.dumps({'Version': '2012-10-17', 'Statement': [statement]}))


@case
def policy_document_may_have_white_space(w):
    document = ALLOW_ALL.replace(' ', ' ' * 1000)
    w.iot.create_policy(policyName=w.name('policy'), policyDocument=document)


@case
def policy_get(w):
    answer = w.iot.get_policy(policyName=w.policy())
    w.test.assertEqual((ALLOW_ALL, '1'), (answer['policyDocument'], answer['defaultVersionId']))


@case
def policy_get_missing(w):
    w.missing(w.iot.get_policy, policyName=w.name('policy'))


@case
def policy_list_pages(w):
    for i in range(3):
        w.iot.create_policy(policyName=f'{w.name("policy")}_{i}', policyDocument=ALLOW_ALL)
    pages = list(w.iot.get_paginator('list_policies').paginate(PaginationConfig={'PageSize': 2}))
    names = [p['policyName'] for page in pages for p in page['policies']]
    w.test.assertEqual(3, len([n for n in names if n.startswith(w.name('policy') + '_')]))
    w.test.assertTrue(all(len(page['policies']) <= 2 for page in pages))


@case
def policy_versions(w):
    name = w.policy()
    answer = w.iot.create_policy_version(policyName=name, policyDocument=ALLOW_ALL, setAsDefault=True)
    w.test.assertEqual(('2', True), (answer['policyVersionId'], answer['isDefaultVersion']))
    versions = {v['versionId']: v['isDefaultVersion'] for v in w.iot.list_policy_versions(
        policyName=name)['policyVersions']}
    w.test.assertEqual({'1': False, '2': True}, versions)
    w.test.assertEqual(ALLOW_ALL, w.iot.get_policy_version(
        policyName=name, policyVersionId='1')['policyDocument'])
    w.iot.set_default_policy_version(policyName=name, policyVersionId='1')
    w.test.assertEqual('1', w.iot.get_policy(policyName=name)['defaultVersionId'])


@case
def policy_too_many_versions(w):
    name = w.policy()
    for _ in range(4):
        w.iot.create_policy_version(policyName=name, policyDocument=ALLOW_ALL)
    w.refused('VersionsLimitExceededException', 409, w.iot.create_policy_version, policyName=name,
              policyDocument=ALLOW_ALL)


@case
def policy_version_numbers_are_not_used_again(w):
    name = w.policy()
    w.iot.create_policy_version(policyName=name, policyDocument=ALLOW_ALL)
    w.iot.delete_policy_version(policyName=name, policyVersionId='2')
    w.test.assertEqual('3', w.iot.create_policy_version(
        policyName=name, policyDocument=ALLOW_ALL)['policyVersionId'])


@case
def policy_version_with_bad_document(w):
    w.refused('MalformedPolicyException', 400, w.iot.create_policy_version, policyName=w.policy(),
              policyDocument='{}')


@case
def policy_version_missing(w):
    w.missing(w.iot.get_policy_version, policyName=w.policy(), policyVersionId='7')


@case
def policy_version_of_missing_policy(w):
    w.missing(w.iot.list_policy_versions, policyName=w.name('policy'))


@case
def policy_version_that_is_not_a_number(w):
    w.invalid(w.iot.get_policy_version, policyName=w.policy(), policyVersionId='x')


@case
def policy_default_version_is_not_deleted(w):
    w.invalid(w.iot.delete_policy_version, policyName=w.policy(), policyVersionId='1')


@case
def policy_delete_with_versions(w):
    name = w.policy()
    w.iot.create_policy_version(policyName=name, policyDocument=ALLOW_ALL)
    w.refused('DeleteConflictException', 409, w.iot.delete_policy, policyName=name)


@case
def policy_delete_while_attached(w):
    name = w.policy()
    w.iot.attach_policy(policyName=name, target=w.certificate()[0])
    w.refused('DeleteConflictException', 409, w.iot.delete_policy, policyName=name)


@case
def policy_delete_missing(w):
    w.missing(w.iot.delete_policy, policyName=w.name('policy'))


# ------------------------------------------------------------------ targets

@case
def attach_policy_is_a_set(w):
    name, arn = w.policy(), w.certificate()[0]
    for _ in range(2):
        w.iot.attach_policy(policyName=name, target=arn)
    w.test.assertEqual([arn], w.iot.list_targets_for_policy(policyName=name)['targets'])
    w.test.assertEqual([name], [p['policyName'] for p in w.iot.list_attached_policies(
        target=arn)['policies']])


@case
def attach_policy_to_group(w):
    name = w.policy()
    arn = w.iot.create_thing_group(thingGroupName=w.name('group'))['thingGroupArn']
    w.iot.attach_policy(policyName=name, target=arn)
    w.test.assertEqual([arn], w.iot.list_targets_for_policy(policyName=name)['targets'])


@case
def attach_missing_policy(w):
    w.missing(w.iot.attach_policy, policyName=w.name('policy'), target=w.certificate()[0])


@case
def attach_policy_to_nothing(w):
    arn = w.certificate()[0]
    w.missing(w.iot.attach_policy, policyName=w.policy(), target=arn[:-64] + '0' * 64)


@case
def attach_too_many_policies(w):
    arn = w.certificate()[0]
    for i in range(10):
        w.iot.create_policy(policyName=f'{w.name("policy")}_{i}', policyDocument=ALLOW_ALL)
        w.iot.attach_policy(policyName=f'{w.name("policy")}_{i}', target=arn)
    w.refused('LimitExceededException', 410, w.iot.attach_policy, policyName=w.policy(), target=arn)


@case
def detach_policy_that_is_not_attached(w):
    w.iot.detach_policy(policyName=w.policy(), target=w.certificate()[0])


@case
def attached_policies_of_groups(w):
    group = w.iot.create_thing_group(thingGroupName=w.name('group'))['thingGroupArn']
    arn, thing, name = w.certificate()[0], w.thing(), w.policy()
    w.iot.attach_policy(policyName=name, target=group)
    w.iot.add_thing_to_thing_group(thingGroupName=w.name('group'), thingName=thing)
    w.iot.attach_thing_principal(thingName=thing, principal=arn)
    w.test.assertEqual([], w.iot.list_attached_policies(target=arn)['policies'])
    w.test.assertEqual([name], [p['policyName'] for p in w.iot.list_attached_policies(
        target=arn, recursive=True)['policies']])


@case
def effective_policies(w):
    arn, thing, name = w.certificate()[0], w.thing(), w.policy()
    w.iot.attach_policy(policyName=name, target=arn)
    w.iot.attach_thing_principal(thingName=thing, principal=arn)
    effective = w.iot.get_effective_policies(principal=arn, thingName=thing)['effectivePolicies']
    w.test.assertEqual([(name, ALLOW_ALL)], [(p['policyName'], p['policyDocument'])
                                             for p in effective])


@case
def older_names_of_attaching(w):
    name, arn = w.policy(), w.certificate()[0]
    w.iot.attach_principal_policy(policyName=name, principal=arn)
    w.test.assertEqual([arn], w.iot.list_policy_principals(policyName=name)['principals'])
    w.test.assertEqual([name], [p['policyName'] for p in w.iot.list_principal_policies(
        principal=arn)['policies']])
    w.iot.detach_principal_policy(policyName=name, principal=arn)
    w.test.assertEqual([], w.iot.list_policy_principals(policyName=name)['principals'])


# ------------------------------------------------------------------ certificates

@case
def certificate_with_keys(w):
    answer = w.iot.create_keys_and_certificate(setAsActive=True)
    certificate = x509.load_pem_x509_certificate(answer['certificatePem'].encode())
    key = serialization.load_pem_private_key(answer['keyPair']['PrivateKey'].encode(), None)
    w.test.assertEqual(2048, key.key_size)
    w.test.assertEqual(public_key(key), certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    w.test.assertTrue(answer['certificateArn'].endswith(':cert/' + answer['certificateId']))


@case
def certificate_id_is_the_fingerprint(w):
    answer = w.iot.create_keys_and_certificate()
    w.test.assertEqual(fingerprint(answer['certificatePem']), answer['certificateId'])


@case
def certificate_is_inactive_by_default(w):
    identifier = w.iot.create_keys_and_certificate()['certificateId']
    w.test.assertEqual('INACTIVE', w.iot.describe_certificate(
        certificateId=identifier)['certificateDescription']['status'])


@case
def certificate_from_request(w):
    key = make_key()
    pem = w.iot.create_certificate_from_csr(
        certificateSigningRequest=make_request(key), setAsActive=True)['certificatePem']
    w.test.assertEqual(public_key(key), x509.load_pem_x509_certificate(
        pem.encode()).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


@case
def certificate_from_request_has_an_issuer(w):
    pem = w.iot.create_certificate_from_csr(
        certificateSigningRequest=make_request(make_key()))['certificatePem']
    certificate = x509.load_pem_x509_certificate(pem.encode())
    w.test.assertNotEqual(certificate.issuer, certificate.subject)


@case
def certificate_from_the_same_request_is_another(w):
    request = make_request(make_key())
    ids = {w.iot.create_certificate_from_csr(certificateSigningRequest=request)['certificateId']
           for _ in range(2)}
    w.test.assertEqual(2, len(ids))


@case
def certificate_from_bad_request(w):
    w.invalid(w.iot.create_certificate_from_csr, certificateSigningRequest='nonsense')


@case
def certificate_from_weak_request(w):
    w.invalid(w.iot.create_certificate_from_csr, certificateSigningRequest=make_request(
        rsa.generate_private_key(65537, 1024)))


@case
def certificate_register(w):
    pem = make_certificate()
    answer = w.iot.register_certificate_without_ca(certificatePem=pem, status='ACTIVE')
    w.test.assertEqual(fingerprint(pem), answer['certificateId'])
    description = w.iot.describe_certificate(
        certificateId=answer['certificateId'])['certificateDescription']
    w.test.assertEqual(('ACTIVE', 'SNI_ONLY', pem.strip()), (
        description['status'], description['certificateMode'],
        description['certificatePem'].strip()))


@case
def certificate_register_curves_and_rsa(w):
    for key in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)):
        w.iot.register_certificate_without_ca(certificatePem=make_certificate(key))


@case
def certificate_register_twice(w):
    pem = make_certificate()
    w.iot.register_certificate_without_ca(certificatePem=pem)
    w.refused('ResourceAlreadyExistsException', 409, w.iot.register_certificate_without_ca,
              certificatePem=pem)


def refused_certificate(w, pem):
    w.refused('CertificateValidationException', 400, w.iot.register_certificate_without_ca,
              certificatePem=pem)


@case
def certificate_register_nonsense(w):
    refused_certificate(w, 'nonsense')


@case
def certificate_register_expired(w):
    refused_certificate(w, make_certificate(days=-1, begins=-10))


@case
def certificate_register_weak_key(w):
    refused_certificate(w, make_certificate(rsa.generate_private_key(65537, 1024)))


@case
def certificate_register_other_curve(w):
    refused_certificate(w, make_certificate(ec.generate_private_key(ec.SECP256K1())))


@case
def certificate_register_with_bad_status(w):
    w.invalid(w.iot.register_certificate_without_ca, certificatePem=make_certificate(),
              status='PENDING_TRANSFER')


@case
def certificate_describe_missing(w):
    w.missing(w.iot.describe_certificate, certificateId='0' * 64)


@case
def certificate_describe_with_bad_id(w):
    w.invalid(w.iot.describe_certificate, certificateId='x' * 64)


@case
def certificate_validity(w):
    pem = make_certificate(days=10)
    identifier = w.iot.register_certificate_without_ca(certificatePem=pem)['certificateId']
    validity = w.iot.describe_certificate(
        certificateId=identifier)['certificateDescription']['validity']
    certificate = x509.load_pem_x509_certificate(pem.encode())
    w.test.assertEqual(certificate.not_valid_after_utc, validity['notAfter'])


@case
def certificate_update(w):
    arn, identifier = w.certificate(active=False)
    status = lambda: w.iot.describe_certificate(
        certificateId=identifier)['certificateDescription']['status']
    w.test.assertEqual('INACTIVE', status())
    for wanted in ('ACTIVE', 'INACTIVE', 'REVOKED'):
        w.iot.update_certificate(certificateId=identifier, newStatus=wanted)
        w.test.assertEqual(wanted, status())


@case
def certificate_update_missing(w):
    w.missing(w.iot.update_certificate, certificateId='0' * 64, newStatus='ACTIVE')


@case
def certificate_update_to_bad_status(w):
    w.invalid(w.iot.update_certificate, certificateId=w.certificate()[1], newStatus='NONSENSE')


@case
def certificate_delete_while_active(w):
    w.refused('CertificateStateException', 406, w.iot.delete_certificate,
              certificateId=w.certificate()[1])


@case
def certificate_delete_while_attached_to_thing(w):
    arn, identifier = w.certificate(active=False)
    w.iot.attach_thing_principal(thingName=w.thing(), principal=arn)
    w.refused('DeleteConflictException', 409, w.iot.delete_certificate, certificateId=identifier)


@case
def certificate_delete_with_policy(w):
    arn, identifier = w.certificate(active=False)
    w.iot.attach_policy(policyName=w.policy(), target=arn)
    w.refused('DeleteConflictException', 409, w.iot.delete_certificate, certificateId=identifier)


@case
def certificate_delete_with_policy_by_force(w):
    arn, identifier = w.certificate(active=False)
    w.iot.attach_policy(policyName=w.policy(), target=arn)
    w.iot.delete_certificate(certificateId=identifier, forceDelete=True)
    w.missing(w.iot.describe_certificate, certificateId=identifier)


@case
def certificate_delete_missing(w):
    w.missing(w.iot.delete_certificate, certificateId='0' * 64)


@case
def certificate_list_pages(w):
    wanted = {w.certificate()[1] for _ in range(5)}
    pages = list(w.iot.get_paginator('list_certificates').paginate(
        PaginationConfig={'PageSize': 2}))
    listed = {c['certificateId'] for page in pages for c in page['certificates']}
    w.test.assertLessEqual(wanted, listed)
    w.test.assertTrue(all(len(page['certificates']) <= 2 for page in pages))


@case
def certificate_list_order(w):
    first, second = w.certificate()[1], w.certificate()[1]
    ids = [c['certificateId'] for page in w.iot.get_paginator('list_certificates').paginate(
        ascendingOrder=True) for c in page['certificates']]
    w.test.assertLess(ids.index(first), ids.index(second))


# ------------------------------------------------------------------ principals

@case
def principal_attach_is_a_set(w):
    thing, arn = w.thing(), w.certificate()[0]
    for _ in range(2):
        w.iot.attach_thing_principal(thingName=thing, principal=arn)
    w.test.assertEqual([arn], w.iot.list_thing_principals(thingName=thing)['principals'])
    w.test.assertEqual([thing], w.iot.list_principal_things(principal=arn)['things'])


@case
def principal_of_missing_thing(w):
    w.missing(w.iot.attach_thing_principal, thingName=w.name('thing'), principal=w.certificate()[0])


@case
def principal_that_is_missing(w):
    arn = w.certificate()[0]
    w.missing(w.iot.attach_thing_principal, thingName=w.thing(), principal=arn[:-64] + '0' * 64)


@case
def principal_that_is_exclusive(w):
    arn = w.certificate()[0]
    w.iot.attach_thing_principal(thingName=w.thing(), principal=arn,
                                 thingPrincipalType='EXCLUSIVE_THING')
    w.iot.create_thing(thingName=w.name('other'))
    w.invalid(w.iot.attach_thing_principal, thingName=w.name('other'), principal=arn)


@case
def principal_detach_what_is_not_attached(w):
    w.missing(w.iot.detach_thing_principal, thingName=w.thing(), principal=w.certificate()[0])


@case
def principal_list_of_missing_thing(w):
    w.missing(w.iot.list_thing_principals, thingName=w.name('thing'))


@case
def principal_list_v2(w):
    thing, arn = w.thing(), w.certificate()[0]
    w.iot.attach_thing_principal(thingName=thing, principal=arn)
    w.test.assertEqual([{'principal': arn, 'thingPrincipalType': 'NON_EXCLUSIVE_THING'}],
                       w.iot.list_thing_principals_v2(thingName=thing)['thingPrincipalObjects'])
    w.test.assertEqual([{'thingName': thing, 'thingPrincipalType': 'NON_EXCLUSIVE_THING'}],
                       w.iot.list_principal_things_v2(principal=arn)['principalThingObjects'])


# ------------------------------------------------------------------ tags, endpoints, registration

@case
def tags(w):
    arn = w.iot.create_thing_group(thingGroupName=w.name('group'), tags=[
        {'Key': 'a', 'Value': '1'}])['thingGroupArn']
    w.iot.tag_resource(resourceArn=arn, tags=[{'Key': 'b', 'Value': '2'}])
    w.iot.untag_resource(resourceArn=arn, tagKeys=['a'])
    w.test.assertEqual([{'Key': 'b', 'Value': '2'}],
                       w.iot.list_tags_for_resource(resourceArn=arn)['tags'])


@case
def tags_of_what_is_missing(w):
    arn = w.iot.create_thing_group(thingGroupName=w.name('group'))['thingGroupArn']
    w.missing(w.iot.list_tags_for_resource, resourceArn=arn + 'x')


@case
def tags_of_an_invalid_arn(w):
    w.invalid(w.iot.tag_resource, resourceArn='nonsense', tags=[{'Key': 'a', 'Value': 'b'}])


@case
def endpoint_stays_the_same(w):
    ask = lambda: w.iot.describe_endpoint(endpointType='iot:Data-ATS')['endpointAddress']
    w.test.assertEqual(ask(), ask())


@case
def endpoint_of_unknown_type(w):
    w.invalid(w.iot.describe_endpoint, endpointType='iot:Nonsense')


TEMPLATE = {
    'Parameters': {'Name': {'Type': 'String'}, 'Id': {'Type': 'String'},
                   'Policy': {'Type': 'String'}, 'Place': {'Type': 'String', 'Default': 'hall'}},
    'Resources': {
        'thing': {'Type': 'AWS::IoT::Thing', 'Properties': {
            'ThingName': {'Fn::Join': ['', ['x', {'Ref': 'Name'}]]},
            'AttributePayload': {'place': {'Ref': 'Place'}}}},
        'certificate': {'Type': 'AWS::IoT::Certificate', 'Properties': {
            'CertificateId': {'Ref': 'Id'}}},
        'policy': {'Type': 'AWS::IoT::Policy', 'Properties': {'PolicyName': {'Ref': 'Policy'}}}}}


@case
def register_thing(w):
    arn, identifier = w.certificate()
    name, policy = w.name('thing'), w.policy()
    answer = w.iot.register_thing(templateBody=json.dumps(TEMPLATE), parameters={
        'Name': name, 'Id': identifier, 'Policy': policy})
    w.test.assertEqual(arn, answer['resourceArns']['certificate'])
    w.test.assertEqual({'place': 'hall'}, w.iot.describe_thing(thingName='x' + name)['attributes'])
    w.test.assertEqual([arn], w.iot.list_thing_principals(thingName='x' + name)['principals'])
    w.test.assertEqual([policy], [p['policyName'] for p in w.iot.list_attached_policies(
        target=arn)['policies']])


@case
def register_thing_without_a_parameter(w):
    w.refused('ResourceRegistrationFailureException', 400, w.iot.register_thing,
              templateBody=json.dumps(TEMPLATE), parameters={'Name': 'x'})


@case
def register_thing_with_bad_template(w):
    w.invalid(w.iot.register_thing, templateBody='nonsense')


@case
def register_thing_leaves_nothing_half(w):
    identifier = w.certificate()[1]
    w.refused('ResourceRegistrationFailureException', 400, w.iot.register_thing,
              templateBody=json.dumps(TEMPLATE), parameters={
                  'Name': w.name('thing'), 'Id': identifier, 'Policy': w.name('policy')})
    w.missing(w.iot.describe_thing, thingName='x' + w.name('thing'))


@case
def register_thing_with_bad_name(w):
    identifier, policy = w.certificate()[1], w.policy()
    for name in ('a b', 'a/b', 'x' * 128):
        w.refused('ResourceRegistrationFailureException', 400, w.iot.register_thing,
                  templateBody=json.dumps(TEMPLATE), parameters={
                      'Name': name, 'Id': identifier, 'Policy': policy})


@case
def register_thing_that_is_another_one(w):
    identifier, policy, name = w.certificate()[1], w.policy(), w.name('thing')
    w.iot.create_thing(thingName='x' + name, attributePayload={'attributes': {'other': '1'}})
    w.refused('ConflictingResourceUpdateException', 409, w.iot.register_thing,
              templateBody=json.dumps(TEMPLATE), parameters={
                  'Name': name, 'Id': identifier, 'Policy': policy})


@case
def register_thing_overrides_what_is_there(w):
    identifier, policy, name = w.certificate()[1], w.policy(), w.name('thing')
    template = json.loads(json.dumps(TEMPLATE))
    settings = template['Resources']['thing']['OverrideSettings'] = {}

    def register():
        w.iot.register_thing(templateBody=json.dumps(template), parameters={
            'Name': name, 'Id': identifier, 'Policy': policy})
        return w.iot.describe_thing(thingName='x' + name)['attributes']

    w.iot.create_thing(thingName='x' + name, attributePayload={'attributes': {'other': '1'}})
    settings['AttributePayload'] = 'FAIL'
    w.refused('ConflictingResourceUpdateException', 409, register)
    settings['AttributePayload'] = 'nonsense'
    w.refused('ResourceRegistrationFailureException', 400, register)
    for how, expected in (('DO_NOTHING', {'other': '1'}), ('MERGE', {'other': '1', 'place': 'hall'}),
                          ('REPLACE', {'place': 'hall'})):
        settings['AttributePayload'] = how
        w.test.assertEqual(expected, register())


@case
def group_update_merges_attributes(w):
    name = w.name('group')
    w.iot.create_thing_group(thingGroupName=name, thingGroupProperties={
        'thingGroupDescription': 'd', 'attributePayload': {'attributes': {'a': '1', 'b': '2'}}})
    w.iot.update_thing_group(thingGroupName=name, thingGroupProperties={
        'attributePayload': {'attributes': {'b': '3'}, 'merge': True}})
    properties = w.iot.describe_thing_group(thingGroupName=name)['thingGroupProperties']
    w.test.assertEqual({'a': '1', 'b': '3'}, properties['attributePayload']['attributes'])


@case
def group_arn_of_something_else(w):
    group, thing = w.name('group'), w.name('thing')
    arn = w.iot.create_thing_group(thingGroupName=group)['thingGroupArn']
    w.iot.create_thing(thingName=thing)
    w.iot.add_thing_to_thing_group(thingGroupArn=arn, thingName=thing)
    w.invalid(w.iot.add_thing_to_thing_group, thingGroupArn=arn.replace('thinggroup', 'policy'),
              thingName=thing)


@case
def type_with_bad_searchable_attribute(w):
    w.invalid(w.iot.create_thing_type, thingTypeName=w.name('type'),
              thingTypeProperties={'searchableAttributes': ['a b']})


@case
def policy_without_statements(w):
    w.refused('MalformedPolicyException', 400, w.iot.create_policy, policyName=w.name('policy'),
              policyDocument=json.dumps({'Version': '2012-10-17', 'Statement': []}))


@case
def policy_conditions_of_all_kinds(w):
    for number, (operator, key, value) in enumerate((
            ('NumericLessThan', 'aws:EpochTime', '9999999999'), ('Bool', 'aws:SecureTransport', 'true'),
            ('DateGreaterThanEquals', 'aws:CurrentTime', '2026-01-01T00:00:00Z'),
            ('IpAddress', 'aws:SourceIp', '10.0.0.0/8'), ('StringLikeIfExists', 'iot:ClientId', 'a*'),
            ('ForAnyValue:StringEquals', 'iot:Connection.Thing.ThingTypeName', ['a', 'b']))):
        w.iot.create_policy(policyName=f'{w.name("policy")}_{number}', policyDocument=json.dumps({
            'Version': '2012-10-17', 'Statement': [{
                'Effect': 'Allow', 'Action': 'iot:Connect', 'Resource': '*',
                'Condition': {operator: {key: value}}}]}))
