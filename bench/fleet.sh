#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures the cost of simulated devices: bench/fleet.sh [SESSIONS [PART…]]. See bench/fleet.py.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh release
ulimit -n "$(ulimit -Hn)"
# Clients in other languages go into folders of their own: they have many dependencies.
if [ $# -lt 2 ] || [[ " ${*:2} " == *" peers "* ]]; then
    [ -x build/locust/bin/python ] || {
        python3 -m venv build/locust
        build/locust/bin/pip install -q --disable-pip-version-check locust==2.47.0 paho-mqtt==2.2.0 ||
            rm -rf build/locust
    }
    [ -d build/peers/node_modules/mqtt ] || {
        mkdir -p build/peers
        npm --prefix build/peers install --loglevel=error --no-fund --no-audit mqtt@5.16.0 node@22 || true
    }
fi
exec python3 bench/fleet.py build/release "$@"
