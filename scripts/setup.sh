#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the build needs, as Debian packages; with `test` also what the tests need.
# Does nothing, and needs no root, if all packages are installed.
set -euo pipefail

packages=(
    build-essential cmake git ninja-build pkg-config
    libcurl4-openssl-dev libhiredis-dev libjansson-dev libjavascriptcoregtk-4.1-dev libmicrohttpd-dev
    libmosquitto-dev libsqlite3-dev libssl-dev libuv1-dev libyaml-dev
    mosquitto ca-certificates
)
# npm installs the packages that templates can use. An npm from another source is kept.
command -v npm >/dev/null || packages+=(npm)
if [ "${1:-}" = test ]; then
    packages+=(abigail-tools chromium clang clang-format clang-tidy curl groff-base libcmocka-dev mosquitto-clients nginx-light openssl procps
        prometheus python3 python3-venv redis-server tmux valgrind)
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "install these packages as root: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
# Debian's packages start servers on ports 80, 1883, 6379 and 9090, which this project does not need.
for server in mosquitto nginx prometheus redis-server; do
    if [[ " ${missing[*]} " == *" $server"* ]] && command -v systemctl >/dev/null; then
        "${as_root[@]}" systemctl disable --now "$server" >/dev/null 2>&1 || true
    fi
done
