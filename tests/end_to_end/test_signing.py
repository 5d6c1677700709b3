# SPDX-License-Identifier: Apache-2.0
"""Compares Signature Version 4 with two others: the published algorithm, written out here, whose
results are in signing_cases.json, and botocore's signer."""
import hashlib
import hmac
import json
import pathlib
import random
import subprocess
import unittest
import urllib.parse

from support import BUILD

CASES = pathlib.Path(__file__).with_name('signing_cases.json')
SIGN = BUILD / 'tests/sign'
SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'


def sign(requests):
    done = subprocess.run([SIGN], input=''.join(json.dumps(r) + '\n' for r in requests), text=True,
                          capture_output=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def quote(text):
    return urllib.parse.quote(text, safe='-_.~')


def by_the_book(request):
    """The algorithm as AWS documents it; a reference, and used to regenerate signing_cases.json."""
    pairs = sorted((quote(urllib.parse.unquote_plus(name)), quote(urllib.parse.unquote_plus(value)))
                   for name, _, value in (part.partition('=') for part in request['query'].split('&'))
                   if name)
    headers = sorted((name.lower(), ' '.join(value.split())) for name, value in request['headers'])
    names = ';'.join(name for name, _ in headers)
    canonical = '\n'.join([
        request['method'], urllib.parse.quote(request['path'] or '/', safe='/-_.~'),
        '&'.join(f'{name}={value}' for name, value in pairs),
        ''.join(f'{name}:{value}\n' for name, value in headers), names,
        hashlib.sha256(request['body'].encode()).hexdigest()])
    scope = '/'.join([request['timestamp'][:8], request['region'], request['service'], 'aws4_request'])
    to_sign = '\n'.join(['AWS4-HMAC-SHA256', request['timestamp'], scope,
                         hashlib.sha256(canonical.encode()).hexdigest()])
    key = ('AWS4' + request['secret']).encode()
    for part in scope.split('/'):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return {'canonical': canonical, 'headers': names,
            'signature': hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()}


class Signing(unittest.TestCase):
    def test_golden_cases(self):
        cases = json.loads(CASES.read_text())
        self.assertGreater(len(cases), 20)
        for case, answer in zip(cases, sign([case['request'] for case in cases])):
            with self.subTest(case['name']):
                self.assertEqual(case['expected'], answer)
                self.assertEqual(case['expected'], by_the_book(case['request']))

    def random_request(self, chance):
        letters = 'abcXYZ019-_.~:/+=,@ %&?#é日"<>'
        text = lambda most: ''.join(chance.choice(letters) for _ in range(chance.randint(0, most)))
        kind = chance.choice(['things', 'policies', 'certificates', 'topics'])
        query = [(text(6) or 'k', text(8)) for _ in range(chance.randint(0, 5))]
        chance.shuffle(query)
        headers = [['Host', 'iot.eu-central-1.amazonaws.com'], ['X-Amz-Date', '20260102T030405Z']]
        if chance.random() < 0.5:
            headers.append(['Content-Type', 'application/json'])
        if chance.random() < 0.5:
            headers.append(['X-Amz-Security-Token', ''.join(chance.choice('abcXYZ019+/=') for _ in range(200))])
        if chance.random() < 0.5:
            headers.append(['x-amzn-principal', f'arn:aws:iot:eu-central-1:123456789012:cert/{text(5).strip() or "c"}'
                            .encode('ascii', 'ignore').decode()])
        chance.shuffle(headers)
        return {'method': chance.choice(['GET', 'PUT', 'POST', 'DELETE', 'PATCH']),
                'path': f'/{kind}/{quote(text(12) or "x")}',
                'query': '&'.join(f'{quote(name)}={quote(value)}' for name, value in query),
                'headers': headers, 'body': chance.choice(['', text(40)]),
                'timestamp': '20260102T030405Z', 'region': chance.choice(['eu-central-1', 'us-east-1']),
                'service': chance.choice(['iot', 'iotdata', 'sts', 'execute-api']), 'secret': SECRET}

    def test_botocore_signs_the_same(self):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        chance = random.Random(4)
        requests = [self.random_request(chance) for _ in range(500)]
        for request, answer in zip(requests, sign(requests)):
            auth = SigV4Auth(Credentials('AKID', SECRET), request['service'], request['region'])
            query = '?' + request['query'] if request['query'] else ''
            theirs = AWSRequest(
                request['method'], f'https://iot.eu-central-1.amazonaws.com{request["path"]}{query}',
                headers=dict(request['headers']), data=request['body'].encode())
            theirs.context['timestamp'] = request['timestamp']
            canonical = auth.canonical_request(theirs)
            with self.subTest(request):
                self.assertEqual(canonical, answer['canonical'])
                self.assertEqual(auth.signature(auth.string_to_sign(theirs, canonical), theirs),
                                 answer['signature'])


if __name__ == '__main__':
    # IOTIFY_BUILD=… python test_signing.py: regenerates the golden cases.
    base = {'method': 'GET', 'path': '/', 'query': '', 'headers': [
        ['Host', 'iot.eu-central-1.amazonaws.com'], ['X-Amz-Date', '20260102T030405Z']], 'body': '',
        'timestamp': '20260102T030405Z', 'region': 'eu-central-1', 'service': 'iot', 'secret': SECRET}
    date = base['headers']
    variants = {
        'plain': {}, 'no path': {'path': ''}, 'colon in a thing': {'path': '/things/a%3Ab_c-1'},
        'policy name': {'path': '/policies/p%2B%3D%2C.%40-'}, 'space': {'path': '/things/a%20b'},
        'slash in a name': {'path': '/policies/a%2Fb'}, 'tilde': {'path': '/things/~a'},
        'utf-8 path': {'path': '/things/%C3%A9%E6%97%A5'}, 'percent': {'path': '/things/%25'},
        'unsorted query': {'query': 'b=2&a=z&a=b&A=1&ab=1'}, 'flag': {'query': 'recursive&maxResults=2'},
        'empty value': {'query': 'marker=&pageSize=250'}, 'utf-8 query': {'query': 'n=%C3%A9'},
        'lower-case escapes': {'query': 'm=a%2fb%7Ec'}, 'plus is a space': {'query': 'q=a+b'},
        'equals in a value': {'query': 'q=a%3Db'}, 'ampersand in a value': {'query': 'q=a%26b'},
        'prefix of a name': {'query': 'ab=1&a=2&a-b=3'},
        'body': {'method': 'POST', 'body': '{"policyDocument":"{}"}',
                 'headers': [*date, ['Content-Type', 'application/json']]},
        'utf-8 body': {'method': 'POST', 'body': 'é日'},
        'token': {'headers': [['X-Amz-Security-Token', 'abc/+=='], *date]},
        'principal': {'method': 'PUT', 'path': '/things/t/principals', 'headers': [
            *date, ['x-amzn-principal', 'arn:aws:iot:eu-central-1:123456789012:cert/' + 'a' * 64]]},
        'spaces in a header': {'headers': [*date, ['X-B', '  a   b  ']]},
        'empty header': {'headers': [*date, ['X-B', '']]},
        'other region and service': {'region': 'us-gov-west-1', 'service': 'iotdata'},
    }
    CASES.write_text(json.dumps([
        {'name': name, 'request': {**base, **change}, 'expected': by_the_book({**base, **change})}
        for name, change in variants.items()], indent=1, ensure_ascii=False) + '\n')
