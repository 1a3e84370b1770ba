#!/bin/sh
# Tests a program against a simulated gateway that fails while the program runs. Here the program is mxgw-py wait;
# put your own service in its place, in any language.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
export MXGATEWAY_READY_FILE="$folder/gateway.json"

end() {
    mxgw-py sim stop --quiet >"$folder/stopped" 2>&1 || true
    wait
    rm -rf "$folder"
}
trap end EXIT

# Starts it, and waits until it is ready. The file says where it is; each of its lines has one key.
mxgw-py simulate --port 0 --control 0 --certificate self --ready-file "$MXGATEWAY_READY_FILE" >"$folder/out" 2>"$folder/err" &
mxgw-py sim status --wait-for-gateway 30 -o value
ready() { sed -n "s/^  \"$1\": \"\\(.*\\)\",\\{0,1\\}\$/\\1/p" "$MXGATEWAY_READY_FILE"; }
MXGATEWAY_ENDPOINT=$(ready endpoint)
MXGATEWAY_API_KEY=$(ready apiKey)
MXGATEWAY_CA_FILE=$(ready caFile)
export MXGATEWAY_ENDPOINT MXGATEWAY_API_KEY MXGATEWAY_CA_FILE

# The program, while the gateway goes through an outage.
mxgw-py wait Tank01.Level --until '> 90' --timeout 60 -o value &
program=$!
mxgw-py sim play "$here/outage.toml"
mxgw-py sim set Tank01.Level 95.5 -o value
wait "$program"

# What the program has done.
mxgw-py sim status --json | sed -n 's/^    "OpenSession": \([0-9]*\),\{0,1\}$/sessions opened: \1/p'
