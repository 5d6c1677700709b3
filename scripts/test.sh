#!/usr/bin/env bash
# Installs what is missing, builds with gcc, clang and the sanitizers, and runs every test.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test
scripts/clients.sh

scripts/lint.sh
cmake --preset clang -DIOTIFY_TESTS=ON >/dev/null
cmake --build --preset clang
cmake --preset sanitize -DIOTIFY_TESTS=ON >/dev/null
cmake --build --preset sanitize
ctest --preset sanitize -j 2
cmake --preset release -DIOTIFY_TESTS=ON >/dev/null
cmake --build --preset release
ctest --preset release -j 2
