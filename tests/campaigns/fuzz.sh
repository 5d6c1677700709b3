#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs each fuzzer for SECONDS: fuzz.sh [SECONDS [NAME…]]. New inputs are kept in
# build/fuzz/corpus; an input that causes a failure is written to build/fuzz and reported.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- request signature policy mqtt expression template
targets=("${@/#/fuzz-}")
scripts/build.sh fuzz "${targets[@]}"
export ASAN_OPTIONS=detect_leaks=1
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
for name in "$@"; do
    mkdir -p "build/fuzz/corpus/$name"
    "build/fuzz/tests/fuzz-$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 \
        -max_len=8192 -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" \
        "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" 2>&1 |
        grep -E "^(#.*DONE|stat::(number_of_executed|peak)|==|SUMMARY|Test unit)" ||
        exit 1
done
