#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Repeats each test: 20 times if it takes less than 10 s, else 5 times, in the optimised and in the
# sanitized build. A test passes when it never fails. State is kept in build/flakes for the committed
# content of the sources and the load: a second start continues with the tests that have not run, and
# reports at the end all that failed so far.
#
#     tests/campaigns/flakes.sh [--load N] [--jobs N] [REGEX]
#
# --load: run N busy loops during the tests; --jobs: run N tests at a time (2).
set -euo pipefail
cd "$(dirname "$0")/../.."

load=0 jobs=2
while [[ "${1:-}" == --* ]]; do
    case $1 in
    --load) load=$2 ;;
    --jobs) jobs=$2 ;;
    *) echo "unknown option $1" >&2 && exit 2 ;;
    esac
    shift 2
done
pattern=${1:-.}
sources=(core plugins sandbox sdk reference tests bench cmake docs examples scripts README.md CONTRIBUTING.md
    CMakeLists.txt CMakePresets.json)
state=build/flakes/$(for path in "${sources[@]}"; do git rev-parse "HEAD:$path"; done |
    sha256sum | cut -c1-16)-load-$load
mkdir -p "$state"

# run PRESET TEST: repeat the test, and record the result.
run() {
    local file log began took=0 times
    file=$state/$1/${2//\//,}
    log=$file.log
    [ ! -f "$file.passed" ] && [ ! -f "$file.failed" ] || return 0
    mkdir -p "$(dirname "$file")"
    began=$EPOCHREALTIME
    if ctest --preset "$1" -R "^$2\$" >"$log" 2>&1; then
        took=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000000))
        times=$((took < 10 ? 20 : 5))
        if ctest --preset "$1" -R "^$2\$" --repeat "until-fail:$((times - 1))" >>"$log" 2>&1; then
            echo "$times times, $took s" >"$file.passed"
            rm -f "$log"
            return 0
        fi
    fi
    mv "$log" "$file.failed"
    echo "FAILED in the $1 build: $2 (see $file.failed)"
}

for preset in release sanitize; do
    scripts/build.sh "$preset"
done
loops=()
trap 'kill "${loops[@]}" 2>/dev/null || true' EXIT
for ((i = 0; i < load; i++)); do
    while :; do :; done &
    loops+=($!)
done
export -f run
export state
for preset in release sanitize; do
    ctest --preset "$preset" -N | sed -n 's/^ *Test *#[0-9]*: //p' | grep -E -- "$pattern" |
        xargs -r -P "$jobs" -I '{}' bash -c 'run "$@"' run "$preset" '{}'
    echo "$preset: $(find "$state/$preset" -name '*.passed' | wc -l) tests passed each time," \
        "$(find "$state/$preset" -name '*.failed' | wc -l) failed"
done
! find "$state" -name '*.failed' | grep -q .
