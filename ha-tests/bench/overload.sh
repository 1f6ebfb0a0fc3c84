#!/usr/bin/env bash
# make bench-overload: a pair under four times its capacity in updates, on loopback.
#
# Finds the rate that closed loops sustain, offers TIMES as much over CONNECTIONS connections, more than an HTTP Proxy takes,
# and then measures for how long the latency stays odd. Stops the groups that the script started. Writes
# docs/benchmarks/overload.md.
#
# ROUNDS       rounds                                  (3)
# SECS         length of one measurement, s            (5)
# TIMES        offered, in multiples of the sustained  (4)
# CONNECTIONS  of the load                             (12000)
# RECORDS      records of the list                     (10000)
# BIN_DIR      where the binaries are                  (target/release)
# OUT          the page                                (docs/benchmarks/overload.md)
# WORK_DIR     where data are kept meanwhile           (a directory of mktemp)
#
# Needs bash, coreutils, awk, curl and procps, and as many open files as CONNECTIONS.
set -euo pipefail
cd "$(dirname "$0")/../.."

ROUNDS=${ROUNDS:-3}
SECS=${SECS:-5}
TIMES=${TIMES:-4}
CONNECTIONS=${CONNECTIONS:-12000}
RECORDS=${RECORDS:-10000}
BIN_DIR=${BIN_DIR:-target/release}
OUT=${OUT:-docs/benchmarks/overload.md}
PORT_OFFSET=${PORT_OFFSET:-700}
BENCH_NAME=overload
WORK=${WORK_DIR:-$(mktemp -d -t ocs-overload.XXXXXX)}
mkdir -p "$WORK"
. ha-tests/bench/group.sh

ulimit -n "$(ulimit -Hn)"
if [ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -lt $((CONNECTIONS + 1000)) ]; then
  say "$(ulimit -n) open files are too few for $CONNECTIONS connections: raise the limit (ulimit -n) or lower CONNECTIONS"
  exit 1
fi

# The largest sum of ocsd and HTTP Proxy of the primary while the process $1 runs, MiB.
watch_rss() { # pid, proxy's pid, file
  local most=0 node proxy
  while kill -0 "$1" 2> /dev/null; do
    node=$(rss_mib "$1") proxy=$(rss_mib "$2")
    [ $((node + proxy)) -le "$most" ] || { most=$((node + proxy)); echo "$node + $proxy" > "$3"; }
    sleep 0.2
  done
}

about=$(machine)
start_group overload "$PORT_OFFSET"
make_list "$RECORDS" "$WORK/list.csv"
ctl list create bench --from "$WORK/list.csv" > /dev/null
node=$(primary)
pid=$(pid_of "$node")
proxy=$(pgrep -P "$pid" -f ocs-http-proxy | head -n 1)
say "primary $node: RSS $(rss_mib "$pid") + $(rss_mib "$proxy") MiB (ocsd + HTTP Proxy)"
watch_rss "$pid" "$proxy" "$WORK/rss" &
loads+=($!)
for round in $(seq "$ROUNDS"); do
  say "round $round of $ROUNDS"
  "$BIN_DIR/ocs-bench" overload --address "$(http_of "$node")" --records "$RECORDS" --times "$TIMES" \
    --connections "$CONNECTIONS" --secs "$SECS" | sed "s/^/$round\t/" | tee -a "$WORK/lines.tsv"
done
warned=$(grep -c -E 'WARN|ERROR' "$WORK/overload.log" || true)
say "largest RSS $(cat "$WORK/rss") MiB; $warned warnings in the nodes' logs"

mkdir -p "$(dirname "$OUT")"
{
  echo "# Load beyond capacity"
  echo
  echo "\`make bench-overload\` repeats it: 256-byte updates at the primary's HTTP Proxy. *Sustained* is the best of closed loops of 64 and"
  echo "256 clients; then $TIMES × as much falls due for $SECS s over at most $CONNECTIONS connections, whether or not answers come. A client that is"
  echo "refused waits as long as \`Retry-After\` says. What falls due and finds no free connection is not sent. *Goodput* is the rate of 200s"
  echo "within the window ÷ sustained; a *defect* is any other end than 200, or 429 or 503 with \`Retry-After\`. *Recovery* is the time from the end of"
  echo "the load to the first of 20 probes in a row that take no more than twice the p99 of before (20 ms at least). Rates a second, times in ms."
  echo
  echo "$about"
  echo
  echo "| round | sustained | due | answered | good | goodput | p50 | p99 | refused | p99 of refusals | defects | recovery, s |"
  echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
  awk -F'\t' '
    function of(name,  i) { for (i = 3; i <= NF; i++) if (index($i, name "=") == 1) return substr($i, length(name) + 2) }
    $2 == "sustained" { rate = of("rate") + 0; if (rate > best[$1]) best[$1] = rate }
    $2 == "overload" {
      refused = ""
      for (i = 3; i <= NF; i++) if ($i ~ /^refused_[0-9]/) refused = refused (refused ? ", " : "") substr($i, 13) " (" substr($i, 9, 3) ")"
      row = sprintf("| %s | %d | %s | %s | %s | %s | %s | %s | %s | %s | %s |", $1, best[$1], of("due"), of("answered"), of("good"),
        of("goodput"), of("p50_ms"), of("p99_ms"), refused ? refused : "0", of("refused_p99_ms"), of("defects"))
    }
    $2 == "recovery" { print row " " of("seconds") " |" }' "$WORK/lines.tsv"
  echo
  echo "Largest resident memory of the primary meanwhile: $(cat "$WORK/rss") MiB (ocsd + HTTP Proxy)."
} > "$OUT"
say "see $OUT"
