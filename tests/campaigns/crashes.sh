#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SIGKILL at every point and at random times, with faults of the service: 600 random kills unless
# told; about a quarter of an hour.
#
#     tests/campaigns/crashes.sh [KILLS]
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/clients.sh >/dev/null
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
export IOTIFY_KILLS=${1:-600} IOTIFY_BUILD=$PWD/build/release JSC_usePollingTraps=true
export PYTHONDONTWRITEBYTECODE=1 AWS_EC2_METADATA_DISABLED=true
cd tests/end_to_end
exec ../../build/venv/bin/python -m unittest -v test_crash
