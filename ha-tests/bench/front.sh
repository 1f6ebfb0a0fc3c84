#!/usr/bin/env bash
# make bench-front: updates over HTTPS against updates over HTTP, updates with API tokens against updates without, and updates with
# traces, each in full, against updates without, on loopback.
#
# Each section makes a group of its own and measures in rounds: each round has the measured load and the load of its comparison in
# turn, both at the same group, so that neither the age of a group nor other load of the machine falls on one load alone. Section https
# has both ports at the primary; sections tokens and traces start the group anew before each measurement, with the data of before and
# the other mode of http_proxy.auth or of otlp. Standard output has one line a measure, as that of campaigns.sh. The course goes to
# standard error. Ends with 1 where a bar was missed or a figure is invalid.
#
# SECTIONS     which to run, of: https tokens traces             (all)
# ROUNDS       rounds                                            (5)
# SECS         length of one measurement, s                      (3)
# RECORDS      records that updates change                       (10000)
# BIN_DIR      where the binaries are                            (target/release)
# OUT          a file for the lines, too                         (none)
# WORK_DIR     where data are kept meanwhile                     (a directory of mktemp)
#
# Needs bash, coreutils, awk, curl and procps, and 3 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/../.."

ALL='https tokens traces'
SECTIONS=${SECTIONS:-$ALL}
ROUNDS=${ROUNDS:-5}
SECS=${SECS:-3}
RECORDS=${RECORDS:-10000}
BIN_DIR=${BIN_DIR:-target/release}
OUT=${OUT:-}
PORT_OFFSET=${PORT_OFFSET:-600}
CLIENTS=64
# A command of ocsctl ends after so long, a loader so long after its measurement.
CTL_SECONDS=600
LOADER_SECONDS=120
# HTTP Proxy answers within so long after a start.
FRONT_SECONDS=30
BENCH_NAME=front
WORK=${WORK_DIR:-$(mktemp -d -t ocs-front.XXXXXX)}
mkdir -p "$WORK"
. ha-tests/bench/group.sh
. ha-tests/bench/figures.sh

for section in $SECTIONS; do
  [[ " $ALL " == *" $section "* ]] || { say "there is no section $section; there are $ALL"; exit 1; }
done

updates() { load --what update --records "$RECORDS" "$@"; } # further options of the loader

# A group in place of that of another section, with the list bench.
fresh() { # group
  stop_groups
  say "$SECTION: starting a group and importing $RECORDS records into bench"
  start_group "$1" "$PORT_OFFSET" >&2
  make_list "$RECORDS" "$WORK/list.csv"
  ctl list create bench --from "$WORK/list.csv" > "$WORK/import.out"
  rm "$WORK/list.csv"
  settle
  at_primary
}

# === sections ===

# A fresh group is fast for some seconds: the first load counts for no round.
section_https() {
  WITH_HTTPS=1 fresh https
  round=0
  updates
  rounds round_of_https
  judge https "updates/s over HTTPS, against HTTP, $CLIENTS connections" '>=0.85x' '>=0.95x'
}
round_of_https() {
  local rate
  at_primary
  updates
  rate=$RATE
  AT=$(https_of "$(primary)") updates --tls-ca "$WORK/$GROUP/certs/ca.pem"
  pair https "$RATE" "$rate"
}
https_of() { case $1 in a) echo "127.0.0.1:$((8443 + PORT_OFFSET))" ;; b) echo "127.0.0.1:$((8444 + PORT_OFFSET))" ;; esac; }

section_tokens() {
  fresh tokens
  make_token "$WORK/token"
  rounds round_of_tokens
  judge tokens "updates/s with API tokens, against none, $CLIENTS connections" '>=0.95x' -
  rm "$WORK/token"
}
round_of_tokens() {
  local rate
  start_again none 200
  updates
  rate=$RATE
  start_again tokens 401
  updates --token-file "$WORK/token"
  pair tokens "$RATE" "$rate"
}

# Every update has its five spans, which a collector on the same machine takes.
section_traces() {
  local collector=127.0.0.1:$((4317 + PORT_OFFSET))
  fresh traces
  "$BIN_DIR/ocs-bench" collector --address "$collector" &
  loads+=($!)
  rounds round_of_traces
  judge traces "updates/s with every update traced, against none, $CLIENTS connections" '>=0.9x' -
}
round_of_traces() {
  local rate
  start_again none 200
  updates
  rate=$RATE
  OCS__OTLP__ENDPOINT=http://127.0.0.1:$((4317 + PORT_OFFSET)) OCS__OTLP__SAMPLE_RATIO=1.0 start_again none 200
  updates
  pair traces "$RATE" "$rate"
}

make_token() { # file
  (umask 077 && ctl token create bench --scopes update -o json | sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' > "$1")
  [ -s "$1" ] || { say "ocsctl shows no token"; exit 1; }
}

# The group with its data and another mode of http_proxy.auth.
start_again() { # mode, status of a GET without a credential
  local tenths=$((FRONT_SECONDS * 10))
  kill -TERM "${supervisor_of[$GROUP]}"
  wait "${supervisor_of[$GROUP]}" 2> /dev/null || true
  OCS__HTTP_PROXY__AUTH=$1 start_group "$GROUP" "$PORT_OFFSET" >&2
  at_primary
  until [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$AT/records/1" || true)" = "$2" ]; do
    tenths=$((tenths - 1))
    [ "$tenths" -gt 0 ] || { say "with auth = \"$1\" a GET without a credential is not answered by $2"; exit 1; }
    sleep 0.1
  done
}

run_sections
