#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds everything and runs examples/quickstart.yaml against AWS IoT in the sandbox.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake --preset release -DIOTIFY_TESTS=OFF >/dev/null
cmake --build --preset release

# A temporary folder, so that each run starts from scratch and the example stays unchanged.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp examples/quickstart.yaml "$work/"
report=build/quickstart.html
build/release/bin/iotify-sandbox -- build/release/bin/iotifyd "$work/quickstart.yaml" --report "$report"
echo "report: $PWD/$report"
