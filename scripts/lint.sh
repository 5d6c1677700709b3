#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the C code: `fast` checks format and layers, `tidy` runs clang-tidy; no argument runs both.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-all}
if [ "$what" != tidy ]; then
    mapfile -t files < <(git ls-files '*.c' '*.h')
    clang-format --dry-run -Werror "${files[@]}"
    python3 -B tests/lint/test_check_source.py -q
    python3 tests/lint/check_source.py
fi
if [ "$what" != fast ]; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # clang-tidy needs the generated sources.
    scripts/build.sh release iotify-core
    # The plugins under tests/abi belong to the headers of their own version.
    mapfile -t sources < <(git ls-files '*.c' ':!tests/abi/[0-9]*')
    printf '%s\n' "${sources[@]}" | xargs -P 2 -n 6 clang-tidy --quiet -p build/release \
        --warnings-as-errors='*' 2>"$log" || { grep -v 'warnings generated\|Suppressed' "$log" >&2; exit 1; }
fi
