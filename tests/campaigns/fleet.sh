#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs 200 sessions with one certificate each under ThreadSanitizer and under valgrind: connect,
# storm, reconnect, verify, capture, stop. Any report of these tools makes the script fail.
set -euo pipefail
cd "$(dirname "$0")/../.."

sessions=${1:-200}
if [ "${IOTIFY_CAMPAIGN_INSIDE:-}" = "" ]; then
    scripts/build.sh release
    scripts/build.sh thread
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
    export IOTIFY_CAMPAIGN_INSIDE=$folder
    build/release/bin/iotify-sandbox --api-port 0 --mqtt-port 0 --https-port 0 --detach-delay 0 -- \
        "$PWD/tests/campaigns/fleet.sh" "$sessions"
    exit
fi

root=$PWD
cd "$IOTIFY_CAMPAIGN_INSIDE"
cat >job.yaml <<JOB
devices: $sessions
plugins:
  aws: {use: aws-iot, region: eu-central-1, quotas: {"*": 5000}}
pipelines:
  simulate:
    - simulate:
        template: t.yaml
        interval: 500ms
        jitter: 100ms
        loops: 2
        connect_rate: 50/s
        verify: end_to_end
        verify_within: 60s
        capture: {file: capture.jsonl, sample: 10%}
        thresholds: ["lost == 0", "failed == 0", "clients == $sessions"]
        reconnect: {backoff: full_jitter, cap: 2s, attempts: 50}
        stages:
          - {duration: 10s, clients: $sessions}
          - {duration: 5s, storm: 40%}
          - {duration: 5s, clients: $((sessions / 2))}
          - {duration: 5s, rate: 100/s}
JOB
cat >t.yaml <<'TEMPLATE'
connection:
  client_id: "iotify_{{client()}}"
  key:  "{{state.__$key}}"
  cert: "{{state.__$cert}}"
publish: {topic: "iotify/iotify_{{client()}}/telemetry", qos: 1}
subscribe: ["iotify/iotify_{{client()}}/telemetry"]
init: |
  state.__$key  = glob.get("aws_iotify_" + client() + "_key");
  state.__$cert = glob.get("aws_iotify_" + client() + "_cert");
message: |
  metric.add("messages");
  if (index() === 3) console.log("three");
  return JSON.stringify({c: client(), n: index(), v: volatile({key: "v", min: 0, max: 1})});
TEMPLATE
"$root/build/release/bin/iotifyd" -q job.yaml deploy
echo "ThreadSanitizer"
TSAN_OPTIONS="halt_on_error=1:exitcode=66:suppressions=$root/tests/tsan.supp" \
    "$root/build/thread/bin/iotifyd" -q job.yaml simulate --series tsan.csv --metrics-port 0
echo "valgrind"
JSC_useJIT=0 valgrind -q --error-exitcode=66 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
    --suppressions="$root/tests/valgrind.supp" --trace-children=no \
    "$root/build/release/bin/iotifyd" -q job.yaml simulate --series valgrind.csv --metrics-port 0
