#!/usr/bin/env bash
# make bench-growth: growth of cost with the records that a pair holds, on loopback.
#
# A small pair stays up all along; for each further size a second pair is made beside it, and both are measured in turn, so that
# other load of the machine falls on both. Prints each figure at once, stops the groups that the script started, writes
# docs/benchmarks/growth.md. About 12 minutes with the sizes below, of which the import takes most.
#
# RECORDS      sizes, the smallest first        (10000 1000000 10000000)
# ROUNDS       rounds of updates a size         (3)
# SECS         length of one of them, s         (4)
# CATCH_UP     sizes at which a backup without data catches up, idle and under load (1000000)
# BIN_DIR      where the binaries are           (target/release)
# OUT          the page                         (docs/benchmarks/growth.md)
# WORK_DIR     where data are kept meanwhile    (a directory of mktemp)
#
# Needs bash, coreutils, awk, curl and procps, and 8 GB of disk for 10 million records.
set -euo pipefail
cd "$(dirname "$0")/../.."

RECORDS=${RECORDS:-10000 1000000 10000000}
ROUNDS=${ROUNDS:-3}
SECS=${SECS:-4}
CATCH_UP=${CATCH_UP-1000000}
BIN_DIR=${BIN_DIR:-target/release}
OUT=${OUT:-docs/benchmarks/growth.md}
PORT_OFFSET=${PORT_OFFSET:-800}
CLIENTS=64
EXPORT_ROWS_MAX=1000000
BENCH_NAME=growth
WORK=${WORK_DIR:-$(mktemp -d -t ocs-growth.XXXXXX)}
mkdir -p "$WORK"
. ha-tests/bench/group.sh

largest=${RECORDS##* }
free_mb=$(df -Pm "$WORK" | awk 'NR == 2 { print $4 }')
if [ "$free_mb" -lt $((3000 + largest / 2000)) ]; then
  say "$free_mb MB free at $WORK are too few for $largest records; set TMPDIR or WORK_DIR"
  exit 1
fi

figure() { # records, name, value
  say "$1 records: $2 $3"
  printf '%s\t%s\t%s\n' "$1" "$2" "$3" >> "$WORK/figures.tsv"
}
bench() { # records, address, seconds
  "$BIN_DIR/ocs-bench" http --label growth --clients "$CLIENTS" --round 1 --secs "$3" --warm-secs 1 --address "$2" --records "$1"
}

import() { # records
  make_list "$1" "$WORK/list.csv"
  local from
  from=$(now_ms)
  ctl list create bench --from "$WORK/list.csv" > "$WORK/import.out"
  figure "$1" "import rows/s" "$(ratio "$1"000 $(($(now_ms) - from)) %.0f)"
  rm "$WORK/list.csv"
}

# The first million rows of one export, as CSV; the raw size of a row is its size as CSV.
export_rows() { # records
  local from counts
  from=$(now_ms)
  counts=$({ ctl list export bench 2> /dev/null || true; } | head -n $((EXPORT_ROWS_MAX + 1)) | wc -lc)
  local ms=$(($(now_ms) - from)) rows bytes
  read -r rows bytes <<< "$counts"
  rows=$((rows - 1))
  figure "$1" "export rows/s" "$(ratio "$rows"000 "$ms" %.0f)"
  RAW_MB=$(awk -v bytes="$bytes" -v rows="$rows" -v records="$1" 'BEGIN { printf "%.0f", bytes / rows * records / 1e6 }')
}

# Small and large in turn; the ratio is the median of the rounds'.
updates() { # records, group
  local round line small rate
  : > "$WORK/rates"
  : > "$WORK/ratios"
  for round in $(seq "$ROUNDS"); do
    use small
    small=$(bench "$SMALL" "$(http_of "$(primary)")" "$SECS" | cut -f4)
    use "$2"
    line=$(bench "$1" "$(http_of "$(primary)")" "$SECS")
    rate=$(cut -f4 <<< "$line")
    say "$1 records, round $round: $rate updates/s, p99 $(cut -f6 <<< "$line") ms; with $SMALL records $small/s"
    echo "$rate" >> "$WORK/rates"
    ratio "$rate" "$small" "%.3f\n" >> "$WORK/ratios"
  done
  figure "$1" "updates/s" "$(median < "$WORK/rates")"
  figure "$1" "updates/s ÷ those at $SMALL" "$(median < "$WORK/ratios")"
}

# The primary is killed while updates come in at the other node.
restart() { # records
  local node pid
  node=$(primary)
  pid=$(pid_of "$node")
  bench "$1" "$(http_of "$(other "$node")")" 12 > "$WORK/load.out" &
  local load=$!
  loads+=("$load")
  sleep 4
  kill -KILL "$pid"
  ready_again "$node" "$pid"
  figure "$1" "restart to ready, s" "$(ratio "$READY_MS" 1000)"
  wait "$load" || say "the load at the other node failed"
  say "updates at the other node meanwhile: $(cut -f4 "$WORK/load.out")/s, $(cut -f8 "$WORK/load.out") errors"
  ctl --timeout 120 wait --for ready
}

# A backup loses its directory and joins under a new id.
lose_backup() {
  local node pid
  node=$(other "$(primary)")
  pid=$(pid_of "$node")
  LOST=$node
  kill -KILL "$pid"
  mv "$WORK/$GROUP/data/$node" "$WORK/lost"
  until pgrep -f "data_dir=\"$WORK/$GROUP/data/$node\"" | grep -qvx "$pid"; do sleep 0.05; done
  LOST_MS=$(now_ms)
  rm -rf "$WORK/lost"
}

catch_up_idle() { # records
  lose_backup
  ctl --timeout 300 wait --for ready
  figure "$1" "catch-up idle, records/s" "$(ratio "$1"000 $(($(now_ms) - LOST_MS)) %.0f)"
}

# Slices of load at the primary until the backup votes again.
catch_up_under_load() { # records
  local at before waiting
  at=$(http_of "$(primary)")
  before=$(bench "$1" "$at" "$SECS" | cut -f4)
  : > "$WORK/rates"
  lose_backup
  { ctl --timeout 120 wait --for ready && now_ms > "$WORK/caught-up"; } &
  waiting=$!
  loads+=("$waiting")
  while kill -0 "$waiting" 2> /dev/null; do
    bench "$1" "$at" 2 | cut -f4 >> "$WORK/rates"
  done
  wait "$waiting" || { say "$LOST did not catch up under load within 120 s"; return 0; }
  figure "$1" "catch-up under load, records/s" "$(ratio "$1"000 $(($(cat "$WORK/caught-up") - LOST_MS)) %.0f)"
  figure "$1" "updates/s meanwhile ÷ before" "$(ratio "$(median < "$WORK/rates")" "$before")"
}

disk() { # records
  local now
  now=$(settled_mb)
  figure "$1" "state on disk, MB" "$now"
  figure "$1" "raw, MB" "$RAW_MB"
  figure "$1" "state ÷ raw" "$(ratio "$now" "$RAW_MB")"
}

one_size() { # records, group
  import "$1"
  settled_mb > /dev/null # a small pair measured beside tables that are still merged looks slow
  updates "$1" "$2"
  figure "$1" "resident, MiB (ocsd + HTTP Proxy)" "$(rss_of_group)"
  export_rows "$1"
  restart "$1"
  if [[ " $CATCH_UP " == *" $1 "* ]]; then
    catch_up_idle "$1"
    catch_up_under_load "$1"
  fi
  disk "$1"
}

# A row a figure, a column a size.
table() {
  awk -F'\t' '
    !($1 in column) { column[$1] = ++columns; size[columns] = $1 }
    !($2 in row) { row[$2] = ++rows; name[rows] = $2 }
    { cell[row[$2], column[$1]] = $3 }
    END {
      head = "| records |"; rule = "| --- |"
      for (c = 1; c <= columns; c++) { head = head " " size[c] " |"; rule = rule " --- |" }
      print head "\n" rule
      for (r = 1; r <= rows; r++) {
        line = "| " name[r] " |"
        for (c = 1; c <= columns; c++) line = line " " ((r, c) in cell ? cell[r, c] : "–") " |"
        print line
      }
    }' "$WORK/figures.tsv"
}

page() {
  echo "# How cost grows with the records"
  echo
  echo "\`make bench-growth\` repeats it. Updates are 256 bytes of user fields each, closed loops of $CLIENTS clients at the primary's HTTP Proxy; the"
  echo "ratio to a small pair is the median of $ROUNDS rounds of $SECS s in turn with it. Import is \`ocsctl list create --from\`, export the first"
  echo "$EXPORT_ROWS_MAX rows of \`ocsctl list export\`, and what that CSV takes is the raw size. Restart: the primary is killed while updates come in"
  echo "at the other node, and counts from its new process to 200 at \`/readyz\`. Catch-up: the backup's directory is gone; from its new process to"
  echo "\`ocsctl wait --for ready\`. Updates are measured once the tables of the import are merged. The state on disk is the primary's when it has not changed for 10 s, at most $SETTLE_SECONDS s."
  echo
  echo "$about"
  echo
  table
}

about=$(machine)
SMALL=${RECORDS%% *}
number=0
for records in $RECORDS; do
  group=small
  [ "$records" = "$SMALL" ] || group=of-$records
  say "$records records"
  start_group "$group" $((PORT_OFFSET + 20 * number))
  number=$((number + 1))
  one_size "$records" "$group"
  mkdir -p "$(dirname "$OUT")"
  page > "$OUT"
  [ "$group" = small ] || stop_group "$group"
done
say "see $OUT"
