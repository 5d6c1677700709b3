#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# headers.sh INCLUDE-FOLDER: each public header compiles alone, as every C and C++ that plugins are
# written in, without a warning.
set -uo pipefail
failed=0
try() {
    local compiler=$1 language=$2 standard=$3 header=$4
    "$compiler" -std="$standard" -pedantic -Wall -Wextra -Werror -I"$include" -x "$language" -fsyntax-only - \
        <<<"#include <$header>" || { echo "$header: $compiler, $standard"; failed=1; }
}
include=$1
count=0
for file in "$include"/iotify/*.h; do
    header=iotify/${file##*/}
    count=$((count + 1))
    for standard in c99 c11 c17; do
        try gcc c "$standard" "$header"
        try clang c "$standard" "$header"
    done
    for standard in c++11 c++14 c++17 c++20; do
        try g++ c++ "$standard" "$header"
        try clang++ c++ "$standard" "$header"
    done
done
[ "$count" -gt 0 ] || { echo "no headers in $include"; exit 1; }
exit $failed
