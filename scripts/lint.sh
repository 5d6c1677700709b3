#!/usr/bin/env bash
# clang-format and clang-tidy over our own C; both have to be clean.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(git ls-files '*.c' '*.h')
clang-format --dry-run -Werror "${files[@]}"
cmake --preset release -DIOTIFY_TESTS=ON >/dev/null
# Generated sources have to be there before they can be looked at.
cmake --build --preset release --target iotify-core >/dev/null
mapfile -t sources < <(git ls-files '*.c')
printf '%s\n' "${sources[@]}" | xargs -P 2 -n 6 clang-tidy --quiet -p build/release \
    --warnings-as-errors='*' 2>/dev/null
