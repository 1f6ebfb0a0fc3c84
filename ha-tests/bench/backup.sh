#!/usr/bin/env bash
# make bench-backup: cost of a backup, and its speed when made, verified and restored, on loopback.
#
# For each size a pair is made and filled. A backup is taken with nothing else running, and one under closed loops of updates,
# which are measured in turn with and without it. Then every node loses its data, the idle backup is restored on a, and the
# others join empty. Prints each figure with its bar, stops the groups that the script started, writes the page OUT if given,
# and ends with 1 where a bar was not held.
#
# RECORDS      sizes                            (1000000)
# ROUNDS       pairs of rounds under load       (3)
# SECS         length of a round without, s     (5)
# BIN_DIR      where the binaries are           (target/release)
# OUT          the page                         (none)
# WORK_DIR     where data are kept meanwhile    (a directory of mktemp)
#
# Needs bash, coreutils, awk, curl and procps, and 12 GB of disk for 10 million records.
set -euo pipefail
cd "$(dirname "$0")/../.."

RECORDS=${RECORDS:-1000000}
ROUNDS=${ROUNDS:-3}
SECS=${SECS:-5}
BIN_DIR=${BIN_DIR:-target/release}
OUT=${OUT:-}
PORT_OFFSET=${PORT_OFFSET:-800}
CLIENTS=64
BENCH_NAME=backup
WORK=${WORK_DIR:-$(mktemp -d -t ocs-backup.XXXXXX)}
mkdir -p "$WORK"
. ha-tests/bench/group.sh

failed=0
figure() { # records, name, value, bar (as in ">= 200000"; empty: none)
  local verdict=''
  if [ -n "${4:-}" ]; then
    verdict=held
    awk -v value="$3" -v bar="${4#* }" -v less="${4%% *}" 'BEGIN { exit !(less == ">=" ? value >= bar : value <= bar) }' || { verdict=NOT_HELD; failed=1; }
  fi
  say "$1 records: $2 $3${4:+ (bar $4: $verdict)}"
  printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:+$4, $verdict}" >> "$WORK/figures.tsv"
}
bench() { # records, seconds
  "$BIN_DIR/ocs-bench" http --label backup --clients "$CLIENTS" --round 1 --secs "$2" --warm-secs 1 --address "$(http_of "$(primary)")" --records "$1"
}

fill() { # records
  make_list "$1" "$WORK/list.csv"
  ctl list create bench --from "$WORK/list.csv" > "$WORK/import.out"
  rm "$WORK/list.csv"
  settled_mb > /dev/null
}

idle() { # records
  local from ms
  from=$(now_ms)
  ctl backup create --force "$WORK/idle.ocsbackup" > "$WORK/idle.out"
  ms=$(($(now_ms) - from))
  figure "$1" "backup idle, records/s" "$(ratio "$1"000 "$ms" %.0f)" ">= 200000"
  figure "$1" "backup, MB" "$(du -m --apparent-size "$WORK/idle.ocsbackup" | cut -f1)"
  from=$(now_ms)
  ctl backup verify "$WORK/idle.ocsbackup" > "$WORK/verify.out"
  figure "$1" "verify, records/s" "$(ratio "$1"000 $(($(now_ms) - from)) %.0f)"
}

# A round without a backup, then rounds while a backup is being made; the ratio is the median of the pairs'.
under_load() { # records
  local round without making from longest=0 ms highest=0
  : > "$WORK/ratios"
  for round in $(seq "$ROUNDS"); do
    without=$(bench "$1" "$SECS" | cut -f4)
    from=$(now_ms)
    { ctl backup create --force "$WORK/loaded.ocsbackup" > "$WORK/loaded.out" && now_ms > "$WORK/loaded.end"; } &
    making=$!
    loads+=("$making")
    : > "$WORK/rates"
    while kill -0 "$making" 2> /dev/null; do bench "$1" 2 | cut -f4 >> "$WORK/rates"; done
    wait "$making" || { say "the backup under load failed"; failed=1; return 0; }
    ms=$(($(cat "$WORK/loaded.end") - from))
    [ "$ms" -le "$longest" ] || longest=$ms
    ratio "$(median < "$WORK/rates")" "$without" "%.3f\n" >> "$WORK/ratios"
    say "$1 records, round $round: $without updates/s without, $(median < "$WORK/rates") beside a backup of $ms ms; $(rss_of_group)"
    ctl --timeout 120 wait --for ready
  done
  figure "$1" "updates beside a backup ÷ without" "$(median < "$WORK/ratios")" ">= 0.8"
  figure "$1" "backup under load, s" "$(ratio "$longest" 1000)" "<= 600"
}

# Every node loses its data; a is restored, the others join.
restore() { # records
  local from node offset=${offset_of[$GROUP]} certs=$WORK/$GROUP/certs
  local tls="peer.tls={ca=\"$certs/ca.pem\",certificate=\"$certs/a.pem\",key=\"$certs/a.key\"}"
  kill -TERM "${supervisor_of[$GROUP]}"
  wait "${supervisor_of[$GROUP]}" 2> /dev/null || true
  rm -rf "$WORK/$GROUP/data"
  from=$(now_ms)
  ctl backup restore "$WORK/idle.ocsbackup" --config deploy/dev/a.toml --set "node.data_dir=$WORK/$GROUP/data/a" --set "$tls" --set "cluster.id=$(< "$WORK/$GROUP/cluster-id")" > "$WORK/restore.out" 2> "$WORK/restore.err" || {
    cat "$WORK/restore.err"
    exit 1
  }
  figure "$1" "restore, s" "$(ratio $(($(now_ms) - from)) 1000)"
  JOIN_EMPTY=1 RUN_DIR=$WORK/$GROUP BIN_DIR=$BIN_DIR PORT_OFFSET=$offset LIST_RECORDS=0 RESTART_SECONDS=1 deploy/dev/run.sh >> "$WORK/$GROUP.log" 2>&1 &
  supervisor_of[$GROUP]=$!
  until [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$(admin_of a)/readyz" || true)" = 200 ]; do sleep 0.05; done
  figure "$1" "from the restore's begin to ready, s" "$(ratio $(($(now_ms) - from)) 1000)" "<= 60"
  until ctl status -o json 2> /dev/null | grep -q '"survives": "the loss of any one node"'; do sleep 0.2; done
  figure "$1" "from the restore's begin to a whole group, s" "$(ratio $(($(now_ms) - from)) 1000)"
  node=$(ctl list show bench -o json | awk '/"records":/ { print $2 + 0 }')
  [ "$node" = "$1" ] || { say "the restored list has $node records"; failed=1; }
  ctl verify > "$WORK/verified.out" || { say "the restored nodes differ"; failed=1; }
}

page() {
  echo "# What a backup costs"
  echo
  echo "\`make bench-backup\` repeats it. Closed loops of $CLIENTS clients update 256 bytes each at the primary's HTTP Proxy; a ratio is the median of $ROUNDS"
  echo "pairs of rounds, without and beside a backup. Nodes, witness, loader and \`ocsctl\` share the cores and one disk."
  echo
  echo "$about"
  echo
  awk -F'\t' 'BEGIN { print "| records | figure | value | bar |\n| --- | --- | --- | --- |" } { print "| " $1 " | " $2 " | " $3 " | " $4 " |" }' "$WORK/figures.tsv"
}

about=$(machine)
number=0
for records in $RECORDS; do
  say "$records records"
  start_group "of-$records" $((PORT_OFFSET + 20 * number))
  number=$((number + 1))
  fill "$records"
  idle "$records"
  under_load "$records"
  restore "$records"
  stop_group "of-$records"
done
[ -z "$OUT" ] || { mkdir -p "$(dirname "$OUT")"; page > "$OUT"; say "see $OUT"; }
exit "$failed"
