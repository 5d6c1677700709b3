#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, then runs every check: format, layers, unit tests, clang-tidy, a build
# with clang, and all tests in a sanitized and in an optimised build. The cheap checks run first. A
# failed check does not stop the later ones, unless they need what it builds; the output ends with
# a list of all failures and the number of tests that ran.
#
#     scripts/test.sh [CTEST-OPTION…]       e.g. -R unit, -LE end_to_end
set -uo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS
failures=()
passed=0 failed=0

# check NAME COMMAND…: run the command and record a failure.
check() {
    local name=$1 began=$SECONDS
    shift
    echo "== $name"
    if "$@"; then
        echo "== $name: OK in $((SECONDS - began)) s"
        return 0
    fi
    failures+=("$name: ${*}")
    echo "== $name: FAILED in $((SECONDS - began)) s"
    return 1
}

# must NAME COMMAND…: as check, but a failure ends the script.
must() {
    check "$@" || finish
}

# tests PRESET OPTION…: run the tests and count them.
tests() {
    local preset=$1 report name
    shift
    report=$PWD/build/$preset/tests.xml
    rm -f "$report"
    check "tests, $preset build" ctest --preset "$preset" -j 2 --output-junit "$report" "$@"
    [ -f "$report" ] || return 0
    passed=$((passed + $(grep -c '<testcase .*status="run"' "$report")))
    while read -r name; do
        failed=$((failed + 1))
        failures+=("$preset: $name")
    done < <(sed -n 's/.*<testcase name="\([^"]*\)".*status="fail".*/\1/p' "$report")
}

build() {
    cmake --preset "$1" >"build/configure-$1.log" 2>&1 ||
        { cat "build/configure-$1.log"; return 1; }
    cmake --build --preset "$1"
}

finish() {
    echo
    if [ ${#failures[@]} -gt 0 ]; then
        echo "Failed:"
        printf '  %s\n' "${failures[@]}"
    else
        echo "Everything passed."
    fi
    echo "in $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s"
    echo "$passed passed, $failed failed"
    [ ${#failures[@]} -eq 0 ]
    exit
}

must "packages of the system" scripts/setup.sh test
must "packages of Python and JavaScript" scripts/clients.sh
mkdir -p build
check "format and layers" scripts/lint.sh fast
built=true
check "release build" build release || built=false
$built && tests release -LE end_to_end "$@"
check "clang-tidy" scripts/lint.sh tidy
check "clang build" build clang
check "sanitized build" build sanitize && tests sanitize "$@"
$built && tests release -L end_to_end "$@"
finish
