#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures concurrent sessions over mutual TLS in the sandbox, with one certificate per session:
# bench/sessions.sh [SESSIONS].
set -euo pipefail
cd "$(dirname "$0")/.."

sessions=${1:-5000}
bin=$PWD/build/release/bin
if [ "${IOTIFY_BENCH_INSIDE:-}" = "" ]; then
    scripts/build.sh release
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
    ulimit -n "$(ulimit -Hn)"
    export IOTIFY_BENCH_INSIDE=$folder
    "$bin/iotify-sandbox" --api-port 0 --mqtt-port 0 --https-port 0 --detach-delay 0 -- "$0" "$@"
    exit
fi

cd "$IOTIFY_BENCH_INSIDE"
cat >job.yaml <<JOB
devices: $sessions
plugins:
  aws: {use: aws-iot, region: eu-central-1, quotas: {"*": 5000}}
pipelines:
  simulate:
    - simulate: {template: aws_iotify.yaml, iterations: 2, interval: 60s, connect_rate: 250/s}
JOB
"$bin/iotifyd" job.yaml deploy
"$bin/iotifyd" job.yaml simulate >simulate.log 2>&1 &
simulation=$!
most=0
while kill -0 "$simulation" 2>/dev/null; do
    now=$(curl -s "http://127.0.0.1:$IOTIFY_SANDBOX_API_PORT/_sandbox" |
        sed -n 's/.*"sessions": \([0-9]*\).*/\1/p')
    if [ "${now:-0}" -gt "$most" ]; then
        most=$now
        memory=$(ps -o rss= -p "$PPID")
    fi
    sleep 0.5
done
wait "$simulation" && status=0 || status=$?
cat simulate.log
echo "sessions at once: $most of $sessions; sandbox $((memory / 1024)) MiB (exit status $status)"
