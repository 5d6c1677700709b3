#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds what the benchmarks need: the release with its tests. Prints nothing unless it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ scripts/setup.sh test && cmake --preset release && cmake --build --preset release; } \
    >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
