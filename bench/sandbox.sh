#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures the throughput of the sandbox on this machine, for MQTT against mosquitto:
# bench/sandbox.sh [SESSIONS].
set -euo pipefail
cd "$(dirname "$0")/.."

sessions=${1:-2000}
seconds=5
rounds=5
bin=$PWD/build/release
python=$PWD/build/venv/bin/python
if [ "${IOTIFY_BENCH_INSIDE:-}" = "" ]; then
    scripts/build.sh release
    scripts/clients.sh
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    sandbox=("$bin/bin/iotify-sandbox" --api-port 0 --mqtt-port 0 --https-port 0)
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
    echo "start to end of a command that does nothing:"
    for _ in 1 2 3; do
        start=$(date +%s%N)
        "${sandbox[@]}" -- true
        echo "  $((($(date +%s%N) - start) / 1000000)) ms"
    done
    echo "control plane, state in memory:"
    "${sandbox[@]}" -- "$bin/bench/bench-control" | sed 's/^/  /'
    echo "control plane, state on disk:"
    "${sandbox[@]}" --dir "$folder/state" -- "$bin/bench/bench-control" | sed 's/^/  /'
    IOTIFY_BENCH_INSIDE=$folder exec "${sandbox[@]}" --dir "$folder/mqtt" -- "$0" "$@"
fi

# A device with all permissions, and a mosquitto that uses the CA of the sandbox.
folder=$IOTIFY_BENCH_INSIDE
cd "$folder"
trap 'kill "${broker:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
"$python" - "$folder" <<'PYTHON'
import boto3, json, os, sys
iot = boto3.client('iot')
made = iot.create_keys_and_certificate(setAsActive=True)
iot.create_policy(policyName='bench', policyDocument=json.dumps({'Version': '2012-10-17',
    'Statement': [{'Effect': 'Allow', 'Action': 'iot:*', 'Resource': '*'}]}))
iot.attach_policy(policyName='bench', target=made['certificateArn'])
for name, text in (('device.pem', made['certificatePem']),
                   ('device.key', made['keyPair']['PrivateKey'])):
    with open(os.open(os.path.join(sys.argv[1], name), os.O_CREAT | os.O_WRONLY, 0o600), 'w') as out:
        out.write(text)
PYTHON
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key \
    -out server.csr -subj /CN=localhost 2>/dev/null
printf 'subjectAltName=DNS:localhost\n' >server.ext
openssl x509 -req -in server.csr -CA "$AWS_CA_BUNDLE" -CAkey mqtt/ca.key -days 1 \
    -extfile server.ext -out server.pem 2>/dev/null
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >mosquitto.conf <<CONF
listener $port 127.0.0.1
cafile $AWS_CA_BUNDLE
certfile $folder/server.pem
keyfile $folder/server.key
require_certificate true
allow_anonymous true
max_connections -1
max_inflight_messages 100
set_tcp_nodelay true
user root
CONF
mosquitto -c mosquitto.conf >mosquitto.log 2>&1 &
broker=$!
for _ in $(seq 100); do
    (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null && break
    sleep 0.05
done
measure() {
    "$bin/bench/bench-mqtt" "$1" "$AWS_CA_BUNDLE" device.pem device.key "$sessions" "$seconds"
}
echo "MQTT, QoS 1, acknowledged messages per second of $sessions sessions over mutual TLS:"
for round in $(seq "$rounds"); do
    alone=$(measure "$port")
    front=$(measure "$IOTIFY_SANDBOX_MQTT_PORT")
    echo "  mosquitto $alone, sandbox $front: $((front * 100 / alone))%"
done
