#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes docs/pictures from a real run: devices in the sandbox, with stages and a storm.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test
scripts/clients.sh
scripts/build.sh release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/telemetry.yaml" <<'EOF'
devices: 200
plugins:
  aws: {use: aws-iot, quotas: {"*": 200}}
pipelines:
  simulate:
    - simulate:
        template: aws_telemetry.yaml
        connect_rate: 100/s
        reconnect: {backoff: full_jitter, cap: 2s}
        stages:
          - {name: ramp, duration: 10s, rate: 400/s}
          - {name: hold, duration: 10s}
          - {name: storm, duration: 10s, storm: 40%}
        thresholds: ["publish.p99 < 2s", "failed == 0"]
  deploy:
    - aws.thing_type: {name: iotify_type}
    - aws.thing_group: {name: iotify}
    - aws.policy: {name: IOTIFY_AUTOMATED_POLICY}
    - aws.device: {}
    - aws.template: {file: aws_telemetry.yaml}
EOF
mkdir -p docs/pictures
# In a terminal, whose picture is taken in the middle of the simulation.
terminal() { tmux -S "$work/tmux" -f /dev/null "$@"; }
trap 'terminal kill-server 2>/dev/null || true; rm -rf "$work"' EXIT
LC_ALL=C.UTF-8 terminal new-session -d -x 124 -y 20 "build/release/bin/iotify-sandbox --api-port 0 --mqtt-port 0 \
    --https-port 0 -- build/release/bin/iotifyd $work/telemetry.yaml --report $work/report.html; echo \$? >$work/status"
for ((i = 0; i < 600; i++)); do
    screen=$(terminal capture-pane -p)
    [[ $screen != *"stage 3 of 3"* ]] || break
    sleep 0.2
done
sleep 3
terminal capture-pane -p | python3 scripts/terminal_picture.py 124 >docs/pictures/terminal.svg
until [ -s "$work/status" ]; do sleep 0.2; done
grep -qx -e 0 -e 99 "$work/status"
build/javascript/node_modules/.bin/node build/javascript/browser.mjs picture "$work/report.html" docs/pictures/report
