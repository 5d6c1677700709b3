#!/bin/sh
# The conformance suite for the plugin in the folder of the argument.
set -eu
folder=$1
#[storage] exec iotifyd --plugin-path "$folder" plugins test example
#[connector] exec iotifyd --plugin-path "$folder" plugins test example
#[transport] server=$(dirname "$0")/server.py
#[transport] output=$(mktemp)
#[transport] python3 "$server" 0 >"$output" &
#[transport] trap 'kill $!; rm -f "$output"' EXIT
#[transport] trap 'exit 130' HUP INT TERM
#[transport] until [ -s "$output" ]; do
#[transport]     kill -0 $! # ends the script when the server has not started
#[transport]     sleep 0.1
#[transport] done
#[transport] iotifyd --plugin-path "$folder" plugins test example --set connection.host=127.0.0.1 \
#[transport]     --set connection.port="$(cat "$output")" --set connection.client_id=c --set publish.topic=a/b
