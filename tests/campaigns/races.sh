#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the sandbox's suites with a sandbox under ThreadSanitizer: a race ends it with status 66.
set -euo pipefail
cd "$(dirname "$0")/../.."

scripts/build.sh thread iotify-sandbox
export TSAN_OPTIONS=halt_on_error=1:exitcode=66 IOTIFY_BUILD=$PWD/build/thread
cd tests/end_to_end
PYTHONDONTWRITEBYTECODE=1 ../../build/venv/bin/python -m unittest \
    test_control_plane.Sandbox test_data_plane test_sandbox
