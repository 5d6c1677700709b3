#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sends SIGKILL at every crash point, and at random times while the service injects faults: by
# default 600 random kills; takes about 15 minutes.
#
#     tests/campaigns/crashes.sh [KILLS]
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/clients.sh >/dev/null
scripts/build.sh release
export IOTIFY_KILLS=${1:-600} IOTIFY_BUILD=$PWD/build/release JSC_usePollingTraps=true
export PYTHONDONTWRITEBYTECODE=1 AWS_EC2_METADATA_DISABLED=true
cd tests/end_to_end
exec ../../build/venv/bin/python -m unittest -v test_crash
