#!/usr/bin/env bash
# with-group.sh COMMAND...: starts a group whose REST interface asks for tokens, and runs the command with the address of the primary
# and a token of all scopes as its last arguments. The group and its data are gone afterwards.
#
# BIN_DIR      where the binaries are                  (target/release)
# PORT_OFFSET  added to every port                     (640)
#
# Needs what deploy/dev/run.sh needs, and curl.
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN_DIR=${BIN_DIR:-target/release}
BENCH_NAME=api
WORK=$(mktemp -d -t ocs-api.XXXXXX)
. ha-tests/bench/group.sh

export OCS__HTTP_PROXY__API=true OCS__HTTP_PROXY__AUTH=tokens
start_group api "${PORT_OFFSET:-640}"
token=$(ctl token create api --scopes read,update,admin -o json | sed -n 's/.*"token": *"\([^"]*\)".*/\1/p')
[ -n "$token" ] || { say "ocsctl shows no token"; exit 1; }
base=http://$(http_of "$(primary)")
tenths=300
until [ "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token" "$base/api/v1/cluster" || true)" = 200 ]; do
  tenths=$((tenths - 1))
  [ "$tenths" -gt 0 ] || { say "the primary does not take the token"; exit 1; }
  sleep 0.1
done
"$@" "$base" "$token"
