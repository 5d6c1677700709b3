#!/usr/bin/env bash
# The Python packages that tests use as an AWS and as clients that this project did not write.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=build/venv/requirements.txt
if [ -f "$stamp" ] && cmp -s tests/requirements.txt "$stamp"; then
    exit 0
fi
mkdir -p build
python3 -m venv build/venv
build/venv/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt
cp tests/requirements.txt "$stamp"
