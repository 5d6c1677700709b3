# SPDX-License-Identifier: Apache-2.0
"""The control plane's cases against the sandbox and against moto, a third-party AWS."""
import os
import pathlib
import re
import unittest

from botocore.config import Config

import cases
from support import Case, VENV, free_port, wait_for_port

ONCE = Config(retries={'max_attempts': 0}, parameter_validation=False)
DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / 'docs/sandbox.md'


def add_cases(suite):
    for name, function in cases.CASES.items():
        setattr(suite, f'test_{name}', lambda self, run=function: run(
            cases.World(self, type(self).client)))
    return suite


@add_cases
class Sandbox(unittest.TestCase):
    """One sandbox for all cases; each case has names of its own."""

    @classmethod
    def setUpClass(cls):
        cls.host = Case('setUp')
        cls.host.setUp()
        cls.addClassCleanup(cls.host.doCleanups)
        cls.host.start_sandbox('--detach-delay', '0')
        cls.client = cls.host.boto(config=ONCE)


class Moto(Case):
    """docs/sandbox.md lists exactly the cases in which moto differs."""

    def test_differences_are_those_of_the_document(self):
        port = free_port()
        self.start(str(VENV / 'moto_server'), '-H', '127.0.0.1', '-p', str(port))
        wait_for_port(port, 60)
        self.environment['AWS_ENDPOINT_URL'] = f'http://127.0.0.1:{port}'
        client = self.boto(config=ONCE)
        differs = set()
        for name, function in cases.CASES.items():
            try:
                function(cases.World(self, client))
            except Exception:
                differs.add(name)
        text = DOCUMENT.read_text()
        section = text[text.index('## Where moto differs'):]
        listed = set(re.findall(r'^\| `(\w+)`', section, re.MULTILINE))
        if os.environ.get('IOTIFY_SHOW'):
            print('\n'.join(sorted(differs)))
        self.assertEqual(sorted(listed), sorted(differs))
