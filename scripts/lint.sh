#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks our own C: `fast` checks format and layers, `tidy` runs clang-tidy; without a word, both.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-all}
if [ "$what" != tidy ]; then
    mapfile -t files < <(git ls-files '*.c' '*.h')
    clang-format --dry-run -Werror "${files[@]}"
    python3 tests/lint/check_source.py
fi
if [ "$what" != fast ]; then
    cmake --preset release >/dev/null
    # Generated sources have to exist before they can be checked.
    cmake --build --preset release --target iotify-core >/dev/null
    mapfile -t sources < <(git ls-files '*.c')
    printf '%s\n' "${sources[@]}" | xargs -P 2 -n 6 clang-tidy --quiet -p build/release \
        --warnings-as-errors='*' 2>/dev/null
fi
