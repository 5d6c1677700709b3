#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The packages of PyPI and npm that tests use as an AWS and as clients that this project did not
# write.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build
stamp=build/venv/requirements.txt
if ! { [ -f "$stamp" ] && cmp -s tests/requirements.txt "$stamp"; }; then
    python3 -m venv build/venv
    build/venv/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt
    cp tests/requirements.txt "$stamp"
fi

# npm runs where the package file is; it is copied last when all of it is there.
folder=build/javascript
if ! { [ -f "$folder/done.json" ] && cmp -s tests/javascript/package.json "$folder/done.json"; }; then
    rm -rf "$folder"
    mkdir -p "$folder"
    cp tests/javascript/package.json "$folder"
    (cd "$folder" && npm install --silent --no-package-lock --no-audit --no-fund)
    cp tests/javascript/package.json "$folder/done.json"
fi
cp tests/javascript/client.mjs "$folder"
