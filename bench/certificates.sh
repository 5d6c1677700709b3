#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Creates a P-256 CA and a server certificate signed by it, for localhost and 127.0.0.1:
# ca.pem, server.pem and server.key in a folder.
#
#     bench/certificates.sh FOLDER
set -euo pipefail
folder=${1:?takes FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
openssl req -x509 "${key[@]}" -keyout "$work/ca.key" -out "$folder/ca.pem" -days 30 \
    -subj "/CN=bench authority" -addext "keyUsage=critical,keyCertSign,cRLSign" 2>"$work/log" ||
    { cat "$work/log" >&2; exit 1; }
openssl req "${key[@]}" -keyout "$folder/server.key" -out "$work/server.csr" \
    -subj "/CN=localhost" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
cat >"$work/extensions" <<'TEXT'
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1
TEXT
openssl x509 -req -in "$work/server.csr" -CA "$folder/ca.pem" -CAkey "$work/ca.key" \
    -set_serial 2 -days 30 -extfile "$work/extensions" -out "$folder/server.pem" 2>"$work/log" ||
    { cat "$work/log" >&2; exit 1; }
