#!/usr/bin/env bash
# make bench-api: pages and look-ups of the REST interface against updates and reads of the same build, on loopback.
#
# One group with a large list serves all sections. Section phone compares the page of a phone with the read of a handle. Section pages
# takes pages of 100 at a rate, from the primary, while updates go on there, and compares these updates with updates alone; the walks
# begin at the first record. Section nothing asks for pages whose filter fits no record, so that each page looks at as many records as
# a page may. Each round has a load and its comparison in turn. Standard output has one line a measure, as that of campaigns.sh. The
# course goes to standard error. Ends with 1 where a bar was missed or a figure is invalid.
#
# SECTIONS     which to run, of: phone pages nothing             (all)
# ROUNDS       rounds                                            (5)
# SECS         length of one measurement, s                      (3; 10 in section nothing)
# RECORDS      records of the list                               (10000000)
# BIN_DIR      where the binaries are                            (target/release)
# OUT          a file for the lines, too                         (none)
# WORK_DIR     where data are kept meanwhile                     (a directory of mktemp)
#
# Needs bash, coreutils, awk, curl and procps, and 13 GB of disk for 10 million records.
set -euo pipefail
cd "$(dirname "$0")/../.."

ALL='phone pages nothing'
SECTIONS=${SECTIONS:-$ALL}
ROUNDS=${ROUNDS:-5}
SECS=${SECS:-3}
RECORDS=${RECORDS:-10000000}
BIN_DIR=${BIN_DIR:-target/release}
OUT=${OUT:-}
PORT_OFFSET=${PORT_OFFSET:-600}
CLIENTS=64
# Records that updates change and look-ups name: as many as in make bench.
UPDATED=10000
# Clients that page. The rates that they keep are a little above the bars, since a rate is never exceeded.
PAGERS=8
MUST_PAGES=204
REACH_PAGES=510
# A page that fits nothing is asked for by one client: others would wait for its turn, and their wait is no cost of a page.
EMPTY_SECS=10
# A command of ocsctl ends after so long, a loader so long after its measurement.
CTL_SECONDS=3600
LOADER_SECONDS=120
# HTTP Proxy answers within so long after a start.
FRONT_SECONDS=60
BENCH_NAME=api
WORK=${WORK_DIR:-$(mktemp -d -t ocs-bench-api.XXXXXX)}
mkdir -p "$WORK"
. ha-tests/bench/group.sh
. ha-tests/bench/figures.sh

for section in $SECTIONS; do
  [[ " $ALL " == *" $section "* ]] || { say "there is no section $section; there are $ALL"; exit 1; }
done
needed_mb=$((3000 + RECORDS / 1000))
free_mb=$(df -Pm "$WORK" | awk 'NR == 2 { print $4 }')
if [ "$free_mb" -lt "$needed_mb" ]; then
  say "$free_mb MB free at $WORK are too few for $needed_mb; set TMPDIR or WORK_DIR"
  exit 1
fi
[ "$RECORDS" -ge "$UPDATED" ] || { say "RECORDS=$RECORDS is less than the $UPDATED records that updates change"; exit 1; }

updates() { load --what update --records "$UPDATED"; }

# The group of all sections, with the list bench.
group() {
  if [ -n "${supervisor_of[api]:-}" ]; then
    use api
  else
    say "$SECTION: starting a group and importing $RECORDS records into bench"
    OCS__HTTP_PROXY__API=true start_group api "$PORT_OFFSET" >&2
    make_list "$RECORDS" "$WORK/list.csv"
    ctl list create bench --from "$WORK/list.csv" > "$WORK/import.out"
    rm "$WORK/list.csv"
    settle
  fi
  at_primary
  wait_for_api
}
wait_for_api() {
  local tenths=$((FRONT_SECONDS * 10))
  until [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$AT/api/v1/lists/bench/records?limit=1" || true)" = 200 ]; do
    tenths=$((tenths - 1))
    [ "$tenths" -gt 0 ] || { say "the REST interface gives no page of bench"; exit 1; }
    sleep 0.1
  done
}

# === sections ===

# A fresh group is fast for some seconds: the first load counts for no round.
section_phone() {
  group
  round=0
  load --what get --records "$UPDATED"
  rounds round_of_phone
  judge phone "pages by phone/s, against GET of a record by handle/s, $CLIENTS connections" '>=0.5x' -
  judge phone-p99 'p99 of pages by phone, ms, against that of GET' - -
}
round_of_phone() {
  local rate p99
  load --what get --records "$UPDATED"
  rate=$RATE p99=$P99
  load --what by-phone --records "$UPDATED"
  pair phone "$RATE" "$rate"
  pair phone-p99 "$P99" "$p99"
}

section_pages() {
  group
  round=0
  updates
  rounds round_of_pages
  judge pages "pages of 100/s with updates beside, $RECORDS records" '>=200' -
  judge pages-p99 'p99 of these pages, ms' - -
  judge beside "updates/s beside these pages, against updates/s alone, $CLIENTS connections" '>=0.8x' -
  judge pages-reach 'pages of 100/s at the rate of reach' - '>=500'
  judge beside-reach 'updates/s beside pages at the rate of reach, against updates/s alone' - '>=0.8x'
}
round_of_pages() {
  local rate
  updates
  rate=$RATE
  pages_beside_updates "$MUST_PAGES"
  pair pages "$PAGES" -
  pair pages-p99 "$PAGES_P99" -
  pair beside "$RATE" "$rate"
  updates
  rate=$RATE
  pages_beside_updates "$REACH_PAGES"
  pair pages-reach "$PAGES" -
  pair beside-reach "$RATE" "$rate"
}
# Both loads begin together and last as long. Sets PAGES and PAGES_P99 (ms), and RATE of the updates.
pages_beside_updates() { # pages a second
  local paging line wrong
  timeout --foreground $((SECS + LOADER_SECONDS)) "$BIN_DIR/ocs-bench" http --label "$SECTION" --clients "$PAGERS" --round "$round" \
    --secs "$SECS" --warm-secs 1 --address "$AT" --what page --list bench --rate "$1" > "$WORK/pages.out" &
  paging=$!
  loads+=("$paging")
  updates
  wait "$paging" || { say "the pages beside updates failed"; exit 1; }
  loads=()
  line=$(cat "$WORK/pages.out")
  IFS=$'\t' read -r _ _ _ PAGES _ PAGES_P99 _ wrong <<< "$line"
  count_wrong "$wrong" "pages beside updates"
}

section_nothing() {
  group
  rounds round_of_nothing
  judge nothing "p99 of pages whose filter fits none of $RECORDS records, ms" '<=150' -
  judge nothing-p50 'their median, ms' - -
}
round_of_nothing() {
  local CLIENTS=1 SECS=$EMPTY_SECS
  load --what empty-page --list bench
  pair nothing "$P99" -
  pair nothing-p50 "$P50" -
}

run_sections
