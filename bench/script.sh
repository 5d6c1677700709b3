#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures the cost of scripts against bare JavaScriptCore: bench/script.sh [DEVICES].
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh release
program=build/release/bench/bench-script
devices=${1:-100000}

"$program" calls
# The slope between few and many devices: it excludes the script engine's own memory.
few=$((devices / 100))
for which in ours bare; do
    low=$("$program" memory $which $few)
    high=$("$program" memory $which "$devices")
    declare "$which=$(((high - low) * 1024 / (devices - few)))"
done
awk -v ours="$ours" -v bare="$bare" -v devices="$devices" 'BEGIN {
    printf "%d states: ours %d bytes, bare %d bytes per device: %.2f\n", devices, ours, bare, ours / bare }'
"$program" pauses "$devices"
