#!/usr/bin/env bash
# What simulated devices cost: bench/fleet.sh [SESSIONS [PART…]]. Needs a release build and, for the
# comparison with other tools, what scripts/clients.sh installs. See bench/fleet.py.
set -euo pipefail
cd "$(dirname "$0")/.."
ulimit -n "$(ulimit -Hn)"
# Locust brings much along, so it has a place of its own.
if [ $# -lt 2 ] || [[ " ${*:2} " == *" peers "* ]]; then
    [ -x build/locust/bin/python ] || {
        python3 -m venv build/locust
        build/locust/bin/pip install -q --disable-pip-version-check locust==2.47.0 paho-mqtt==2.2.0 || rm -rf build/locust
    }
fi
exec python3 bench/fleet.py build/release "$@"
