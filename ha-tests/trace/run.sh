#!/usr/bin/env bash
# make trace: a real campaign through both nodes while the primary moves every 20 s and is once killed.
#
# Makes the calling list and its requests from ../shared/data, imports the list, replays the requests through both HTTP Proxies,
# and compares the exports of both nodes with the export that expected.py computes from the same two inputs. Skipped, with the
# reason, where the data set is not there. Prints a report; exit 1 if anything was lost, applied twice, or not answered.
#
# PREVIEW       1: agents fetch the records from a campaign group, report each call and reschedule what the file says (0)
# CONTACTS      first contacts of the campaign only   (all 45,211)
# BIN_DIR       where the binaries are                (target/release)
# CONNECTIONS   connections of the replay, or agents  (64)
# RATE          requests a second of a replay; 0: no limit (1500; 300 for a part of the campaign)
# SWITCH_EVERY  seconds between switchovers           (20; 4 for a part of the campaign)
set -euo pipefail
cd "$(dirname "$0")/../.."

DATA=../shared/data
if [ ! -e "$DATA/make_calling_list.py" ]; then
  echo "trace: skipped: the data set ($DATA) is not here"
  exit 0
fi
BIN_DIR=${BIN_DIR:-target/release}
PREVIEW=${PREVIEW:-0}
CONTACTS=${CONTACTS:-}
CONNECTIONS=${CONNECTIONS:-64}
if [ -z "$CONTACTS" ]; then
  RATE=${RATE:-1500} SWITCH_EVERY=${SWITCH_EVERY:-20}
else
  RATE=${RATE:-300} SWITCH_EVERY=${SWITCH_EVERY:-4} # long enough for moves and the kill
fi
PORT_OFFSET=${PORT_OFFSET:-200}
WORK=$(mktemp -d -t ocs-trace.XXXXXX)
HERE=ha-tests/trace

endpoint() { echo "127.0.0.1:$((740$1 + PORT_OFFSET))"; }
OCSCTL_ENDPOINTS=$(endpoint 1),$(endpoint 2),$(endpoint 3)
OCSCTL_PROXIES=http://127.0.0.1:$((8080 + PORT_OFFSET)),http://127.0.0.1:$((8081 + PORT_OFFSET))
export OCSCTL_ENDPOINTS OCSCTL_PROXIES
ctl() { "$BIN_DIR/ocsctl" "$@"; }
say() { printf 'trace | %s\n' "$*"; }

nodes='' mover=''
clean_up() {
  trap - EXIT INT TERM
  [ -z "$mover" ] || kill "$mover" 2> /dev/null || true
  if [ -n "$nodes" ]; then
    kill -TERM "$nodes" 2> /dev/null || true
    wait "$nodes" 2> /dev/null || true
  fi
  if [ "${1:-1}" -ne 0 ]; then
    say "failed; the nodes' log is in $WORK/nodes.log, its last lines:"
    tail -n 40 "$WORK/nodes.log" || true
  else
    rm -rf "$WORK"
  fi
}
trap 'clean_up $?' EXIT
trap 'exit 1' INT TERM

# Moves the primary every SWITCH_EVERY seconds; the second time its node is killed instead, and started again 10 s later.
move() {
  local round=0 pid pause=''
  trap '[ -z "$pause" ] || kill "$pause" 2> /dev/null || true; exit 0' TERM
  while sleep "$SWITCH_EVERY" & do
    pause=$!
    wait "$pause" || return 0
    round=$((round + 1))
    if [ "$round" -eq 2 ]; then
      pid=$(ctl status -o json | python3 -c 'import json,sys
status = json.load(sys.stdin)
print(next(node["pid"] for node in status["nodes"] if node["node"] == status["primary"]))')
      kill -KILL "$pid"
      echo "killed" >> "$WORK/moves"
      sleep 12 & # down for 10 s, then the node starts and catches up
      pause=$!
      wait "$pause" || return 0
    elif ctl switchover >> "$WORK/switchovers.log" 2>&1; then
      echo "moved" >> "$WORK/moves"
    else
      echo "refused" >> "$WORK/moves"
    fi
  done
}

say "making the list and the requests"
python3 "$DATA/make_calling_list.py" ${CONTACTS:+--contacts "$CONTACTS"} "$WORK" > /dev/null
mode=''
if [ "$PREVIEW" = 1 ]; then
  mode=preview
  # a campaign is worked off at any time of the day: every window is open
  python3 -c 'import csv, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
out = csv.DictWriter(open(sys.argv[1], "w", newline=""), rows[0], lineterminator="\n")
out.writeheader()
out.writerows({**row, "daily_from": 0, "daily_till": 86400} for row in rows)' "$WORK/calling-list.csv"
fi
python3 "$HERE/expected.py" "$WORK/calling-list.csv" "$WORK/requests.jsonl" "$WORK/expected.csv" ${mode:+"$mode"}

say "starting the nodes"
RUN_DIR=$WORK/run BIN_DIR=$BIN_DIR PORT_OFFSET=$PORT_OFFSET LIST_RECORDS=0 RESTART_SECONDS=10 \
  deploy/dev/run.sh > "$WORK/nodes.log" 2>&1 &
nodes=$!
for _ in $(seq 300); do
  ! grep -q '^Ctrl-C stops' "$WORK/nodes.log" 2> /dev/null || break
  sleep 0.2
done
ctl --timeout 60 wait --for ready

begun=$(date +%s)
say "importing $(($(wc -l < "$WORK/calling-list.csv") - 1)) records"
ctl list create campaign > /dev/null
ctl list import campaign "$WORK/calling-list.csv"
: > "$WORK/moves"
replayed=0
if [ "$PREVIEW" = 1 ]; then
  printf '%s\n' '[[campaigns]]' 'name = "Trace"' 'lists = [{ list = "campaign" }]' \
    '[[campaign_groups]]' 'campaign = "Trace"' 'group = "Agents"' > "$WORK/campaign.toml"
  ctl apply -f "$WORK/campaign.toml"
  ctl list export campaign -o "$WORK/handles.csv"
  say "$CONNECTIONS agents work the campaign off by preview"
  move &
  mover=$!
  OCS_PROXIES=$OCSCTL_PROXIES python3 "$HERE/agents.py" Trace@Agents "$WORK/handles.csv" "$WORK/requests.jsonl" \
    "$CONNECTIONS" 2> "$WORK/agents.log" || replayed=$?
else
  say "replaying $(wc -l < "$WORK/requests.jsonl") requests over $CONNECTIONS connections (at most $RATE/s, 0: no limit)"
  move &
  mover=$!
  pace=()
  [ "$RATE" -eq 0 ] || pace=(--rate "$RATE")
  ctl replay --list campaign "$WORK/requests.jsonl" --connections "$CONNECTIONS" "${pace[@]}" || replayed=$?
fi
kill "$mover" 2> /dev/null || true
wait "$mover" 2> /dev/null || true
mover=''
say "the primary was moved $(grep -c moved "$WORK/moves" || true) times and killed $(grep -c killed "$WORK/moves" || true) times"
[ ! -s "$WORK/switchovers.log" ] || sort "$WORK/switchovers.log" | tail -n 3
ctl --timeout 90 wait --for ready
ended=$(($(date +%s) + 1))

say "comparing what both nodes export"
faults=$replayed
for node in a b; do
  ctl list export campaign --node "$node" -o "$WORK/export-$node.csv"
  python3 "$HERE/compare.py" "$WORK/expected.csv" "$WORK/export-$node.csv" "$((begun - 1))" "$ended" || faults=1
done
if cmp -s "$WORK/export-a.csv" "$WORK/export-b.csv"; then say "both exports are equal, byte by byte"; else
  say "the exports of a and b differ"
  faults=1
fi
ctl verify || faults=1
[ "$faults" -eq 0 ] && say "nothing lost, nothing applied twice" || say "FAILED"
exit "$faults"
