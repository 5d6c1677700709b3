#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check.sh IOTIFYD CASE: checks that the case fails with exactly the text of CASE.txt, with exit
# status 2, and creates no files.
set -u
program=$1 case=$2
cd "$(dirname "$0")" || exit 1
unset AWS_REGION AWS_DEFAULT_REGION AWS_PROFILE IOTIFY_TEST_UNSET IOTIFY_PLUGIN_PATH
export HOME=/nonexistent AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=y AWS_ENDPOINT_URL=http://127.0.0.1:1

before=$(find . -type f | sort)
if [[ $case == templates/* ]]; then
    arguments=(template-job.yaml --set "pipelines.simulate.0.simulate.template=$case.yaml")
else
    arguments=("$case.yaml")
fi
errors=$("$program" "${arguments[@]}" 2>&1 >/dev/null)
status=$?
diff <(cat "$case.txt") <(printf '%s\n' "$errors") || exit 1
[ $status -eq 2 ] || { echo "exit status $status instead of 2"; exit 1; }
[ "$before" = "$(find . -type f | sort)" ] || { echo "files were made"; exit 1; }
