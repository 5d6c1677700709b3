#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures the cost of provisioning against boto3, and how close to a quota it gets; takes minutes.
#
#     bench/provisioning.sh [DEVICES]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/clients.sh >/dev/null
scripts/build.sh release
exec build/venv/bin/python bench/provisioning.py build/release "$@"
