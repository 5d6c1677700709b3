#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the third-party packages of PyPI and npm that the tests use as AWS and as clients.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build
stamp=build/venv/requirements.txt
if ! { [ -f "$stamp" ] && cmp -s tests/requirements.txt "$stamp"; }; then
    python3 -m venv build/venv
    build/venv/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt
    cp tests/requirements.txt "$stamp"
fi

# npm runs in the folder of package.json; done.json is written last, when all packages are there.
folder=build/javascript
if ! { [ -f "$folder/done.json" ] && cmp -s tests/javascript/package.json "$folder/done.json"; }; then
    rm -rf "$folder"
    mkdir -p "$folder"
    cp tests/javascript/package.json "$folder"
    (cd "$folder" && npm install --loglevel=error --no-package-lock --no-audit --no-fund)
    cp tests/javascript/package.json "$folder/done.json"
fi
cp tests/javascript/client.mjs tests/javascript/browser.mjs "$folder"
