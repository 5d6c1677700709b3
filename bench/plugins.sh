#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures what plugins cost: bench/plugins.sh [PART…]. See bench/plugins.py.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh release
ulimit -n "$(ulimit -Hn)"
exec python3 bench/plugins.py build/release "$@"
