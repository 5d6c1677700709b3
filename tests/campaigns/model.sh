#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every schedule of up to FAULTS faults (default: 3) in the creation and removal of a device,
# for each way of issuing certificates, with one run and with two; takes some minutes.
#
#     tests/campaigns/model.sh [FAULTS]
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/build.sh release test-model
exec build/release/tests/test-model "${1:-3}"
