#!/usr/bin/env bash
# make bench-campaigns: previews, cancellations, Do-Not-Call and contact limits of one build against its own updates, on loopback.
#
# Each section makes a group of its own, declares campaigns, fills their lists, and measures in rounds: each round has the measured
# load and the load of its comparison in turn, so that other load of the machine falls on both. Standard output has one line a measure
# with tabs between: name, median, median of the comparison, median of the rounds' ratios, must, reach, verdict. A bar that ends in x
# is one of the ratio, else of the median. The verdict is reach, must, MISSED, "-" without a bar, or INVALID with the number of wrong
# answers. The course goes to standard error. Ends with 1 where a bar was missed or a figure is invalid.
#
# SECTIONS     which to run, of: preview closed dnc-ahead cycle thousand dnc-import limits dnc-size cancel size (all)
# ROUNDS       rounds                                            (5)
# SECS         length of one measurement, s                      (3)
# RECORDS      records of a campaign's list                      (1000000)
# BIG          records of cancel and size, entries of dnc-size and size (10000000)
# STOPPED      records on Do-Not-Call ahead of the others        (100000)
# NUMBERS      numbers of an import into Do-Not-Call             (1000000)
# BIN_DIR      where the binaries are                            (target/release)
# OUT          a file for the lines, too                         (none)
# WORK_DIR     where data are kept meanwhile                     (a directory of mktemp)
#
# Needs bash, coreutils, awk, curl and procps, and 13 GB of disk for 10 million records and entries.
set -euo pipefail
cd "$(dirname "$0")/../.."

ALL='preview closed dnc-ahead cycle thousand dnc-import limits dnc-size cancel size'
SECTIONS=${SECTIONS:-$ALL}
ROUNDS=${ROUNDS:-5}
SECS=${SECS:-3}
RECORDS=${RECORDS:-1000000}
BIG=${BIG:-10000000}
STOPPED=${STOPPED:-100000}
NUMBERS=${NUMBERS:-1000000}
BIN_DIR=${BIN_DIR:-target/release}
OUT=${OUT:-}
PORT_OFFSET=${PORT_OFFSET:-600}
CLIENTS=64
# Records of the list bench, which updates change: as many as in make bench.
UPDATED=10000
# Updates beside previews whose candidates are on Do-Not-Call.
FEW=4
# A command of ocsctl ends after so long, a loader so long after its measurement.
CTL_SECONDS=1800
LOADER_SECONDS=120
BENCH_NAME=campaigns
WORK=${WORK_DIR:-$(mktemp -d -t ocs-campaigns.XXXXXX)}
mkdir -p "$WORK"
. ha-tests/bench/group.sh
. ha-tests/bench/figures.sh

needed_mb=$((3000 + RECORDS / 250))
for section in $SECTIONS; do
  [[ " $ALL " == *" $section "* ]] || { say "there is no section $section; there are $ALL"; exit 1; }
  case $section in cancel | size | dnc-size) needed_mb=$((3000 + BIG / 1000 + RECORDS / 500)) ;; esac
done
free_mb=$(df -Pm "$WORK" | awk 'NR == 2 { print $4 }')
if [ "$free_mb" -lt "$needed_mb" ]; then
  say "$free_mb MB free at $WORK are too few for $needed_mb; set TMPDIR or WORK_DIR"
  exit 1
fi

updates() { load --what update --records "$UPDATED"; }
previews() { load --what preview --group "$1@Agents"; } # campaign

# === groups, lists and campaigns ===

# A group of nodes in place of those of other sections, with the list bench.
fresh() { # group
  stop_groups
  begin "$1" "$PORT_OFFSET" "$UPDATED"
}

begin() { # group, port offset, records of bench
  say "$SECTION: starting a group and importing $3 records into bench"
  start_group "$1" "$2" >&2
  make_list "$3" "$WORK/list.csv"
  ctl list create bench --from "$WORK/list.csv" > "$WORK/import.out"
  rm "$WORK/list.csv"
  # a record that was handed out comes back in none of the rounds
  declare_text '[options]' 'retrieved_timeout = 86400'
  at_primary
}

declare_text() { # lines
  printf '%s\n' "$@" > "$WORK/declared.toml"
  ctl apply -f "$WORK/declared.toml" > "$WORK/apply.out"
}

# A list and a started campaign of the same name.
campaign() { # name, further lines of the list...
  declare_text '[[lists]]' "name = \"$1\"" 'time_zone = "UTC"' "${@:2}" \
    '[[campaigns]]' "name = \"$1\"" "lists = [{ list = \"$1\" }]" \
    '[[campaign_groups]]' "campaign = \"$1\"" 'group = "Agents"'
  ctl group load "$1@Agents" > /dev/null
  ctl group start "$1@Agents" > /dev/null
}

# The lines of a list whose customers are found by CLIENT_ID.
WITH_CUSTOMERS=('customer_id = "CLIENT_ID"' '[[lists.fields]]' 'name = "CLIENT_ID"' 'type = "varchar(64)"' 'default = ""')

# Every record has a chain and a customer of its own. Of the closed records each thousand has another window, which opens in two hours
# at the earliest. Columns beyond those of every list only where the list has customers.
fill() { # list, closed records ahead, open records, prefix of phones, customers (1 or nothing)
  say "$SECTION: importing $(($2 + $3)) records into $1"
  awk -v closed="$2" -v records="$(($2 + $3))" -v prefix="$4" -v customers="${5:-}" -v now="$(($(date -u +%s) % 86400))" 'BEGIN {
    print "contact_info,contact_info_type,chain_id,chain_n,daily_from,daily_till" (customers ? ",CLIENT_ID" : "")
    for (i = 1; i <= records; i++) {
      from = 0; till = 86400
      if (i <= closed) { from = (now + 7200 + int((i - 1) / 1000)) % 86400; till = (from + 21600) % 86400 }
      printf "%s%08d,4,%d,0,%d,%d%s\n", prefix, i, i, from, till, customers ? ",C-" i : ""
    }
  }' > "$WORK/list.csv"
  import_list "$1"
}

import_list() { # list
  ctl list import "$1" "$WORK/list.csv" > "$WORK/import.out"
  rm "$WORK/list.csv"
}

# A column of numbers.
numbers() { # how many, prefix, file
  awk -v numbers="$1" -v prefix="$2" 'BEGIN { for (i = 1; i <= numbers; i++) printf "%s%08d\n", prefix, i }' > "$3"
}

# Do-Not-Call entries; records stay as they are. Sets IMPORT_MS.
enter() { # how many, prefix
  local from
  numbers "$1" "$2" "$WORK/numbers.csv"
  from=$(now_ms)
  ctl dnc import "$WORK/numbers.csv" > "$WORK/entries.out"
  IMPORT_MS=$(($(now_ms) - from))
  rm "$WORK/numbers.csv"
}

# === sections ===

section_preview() {
  fresh preview
  campaign plain
  fill plain 0 "$RECORDS" +9991
  settle
  rounds round_of_preview
  judge preview 'previews/s, against updates/s' '>=0.35x' '>=0.5x'
  judge preview-p99 'p99 of previews, ms, against that of updates' '<=2x' -
}
round_of_preview() {
  local rate p99
  updates
  rate=$RATE p99=$P99
  previews plain
  pair preview "$RATE" "$rate"
  pair preview-p99 "$P99" "$p99"
}

section_closed() {
  fresh closed
  local name
  for name in plain few many; do campaign "$name"; done
  fill plain 0 "$RECORDS" +9991
  fill few 49000 "$RECORDS" +9992
  fill many 999000 "$RECORDS" +9993
  settle
  rounds round_of_closed
  judge closed-49 'previews/s with 49 closed windows ahead, against those without' '>=0.85x' '>=0.95x'
  judge closed-999 'previews/s with 999 closed windows ahead, against those without' '>=0.3x' '>=0.7x'
}
round_of_closed() {
  local rate
  previews plain
  rate=$RATE
  previews few
  pair closed-49 "$RATE" "$rate"
  previews many
  pair closed-999 "$RATE" "$rate"
}

# The entries are made when the records are there: an import would mark records of earlier entries.
section_dnc-ahead() {
  fresh ahead
  campaign plain
  fill plain 0 "$RECORDS" +9991
  for round in $(seq "$ROUNDS"); do
    campaign "ahead$round"
    fill "ahead$round" 0 $((STOPPED + RECORDS / ROUNDS)) "+9992$round"
    enter "$STOPPED" "+9992$round"
  done
  settle
  rounds round_of_dnc_ahead
  judge ahead "first record behind $STOPPED on Do-Not-Call, s" '<=20' '<=5'
  judge ahead-last 'record of the last agent, s' - -
  judge ahead-without 'previews answered without a record meanwhile' - -
  judge ahead-slowest 'slowest update meanwhile, ms (its deadline: 10,000)' '<=10000' -
  judge ahead-median 'median of previews afterwards, ms, against that of a list without entries' '<=1.3x' '<=1x'
}
round_of_dnc_ahead() {
  local line first last without slowest wrong median
  line=$(timeout --foreground "$LOADER_SECONDS" "$BIN_DIR/ocs-bench" first --label "$SECTION" --clients "$CLIENTS" --updates "$FEW" \
    --address "$AT" --records "$UPDATED" --group "ahead$round@Agents")
  IFS=$'\t' read -r _ first last without _ slowest wrong <<< "$line"
  count_wrong "$wrong" "updates beside previews"
  pair ahead "$first" -
  pair ahead-last "$last" -
  pair ahead-without "$without" -
  pair ahead-slowest "$slowest" -
  previews plain
  median=$P50
  previews "ahead$round"
  pair ahead-median "$P50" "$median"
}

section_cycle() {
  fresh cycle
  campaign plain
  fill plain 0 "$RECORDS" +9991
  settle
  rounds round_of_cycle
  judge cycle 'previews with their RecordProcessed, cycles/s, against updates/s' '>=0.2x' '>=0.3x'
}
round_of_cycle() {
  local rate
  updates
  rate=$RATE
  load --what cycle --group plain@Agents
  pair cycle "$RATE" "$rate"
}

# A customer of a thousand records for each request.
section_thousand() {
  fresh thousand
  campaign customers "${WITH_CUSTOMERS[@]}"
  say "$SECTION: importing $((2 * ROUNDS)) customers of 1,000 records each"
  awk -v customers="$((2 * ROUNDS))" 'BEGIN {
    print "contact_info,contact_info_type,chain_id,chain_n,CLIENT_ID"
    for (i = 0; i < customers * 1000; i++) printf "+9991%08d,4,%d,0,K-%d\n", i + 1, i + 1, int(i / 1000) + 1
  }' > "$WORK/list.csv"
  import_list customers
  settle
  rounds round_of_thousand
  judge thousand-cancel 'longest pause of updates around RequestRecordCancel of 1,000 records, ms, against quiet time' '<=100' '<=40'
  judge thousand-cancel-slowest 'slowest update around it, ms, against quiet time' '<=100' '<=40'
  judge thousand-dnc 'longest pause of updates around DoNotCall of 1,000 records, ms, against quiet time' '<=100' '<=40'
  judge thousand-dnc-slowest 'slowest update around it, ms, against quiet time' '<=100' '<=40'
}
round_of_thousand() {
  around thousand-cancel "/customer_ids/K-$((2 * round - 1))?req=RequestRecordCancel"
  around thousand-dnc "/customer_ids/K-$((2 * round))?req=DoNotCall"
}
around() { # measure, request
  local line pause slowest usual_pause usual_slowest took wrong
  line=$(timeout --foreground "$LOADER_SECONDS" "$BIN_DIR/ocs-bench" pause --label "$SECTION" --clients "$CLIENTS" --address "$AT" \
    --records "$UPDATED" --large "$2" --changes 1000)
  IFS=$'\t' read -r _ pause slowest usual_pause usual_slowest took wrong <<< "$line"
  count_wrong "$wrong" "updates around $2"
  pair "$1" "$pause" "$usual_pause"
  pair "$1-slowest" "$slowest" "$usual_slowest"
  say "$SECTION, round $round: the request took $took ms"
}

# Other numbers each time: the same file would be the same import.
section_dnc-import() {
  fresh import
  settle
  rounds round_of_dnc_import
  judge import "import of $NUMBERS numbers into Do-Not-Call, idle, s" '<=30' '<=12'
  judge import-busy 'the same while updates go on, s' - -
  judge import-updates 'updates/s meanwhile, against those before' '>=0.5x' '>=0.7x'
  judge import-p99 'p99 of updates meanwhile, ms, against that before' '<=4x' '<=2x'
}
round_of_dnc_import() {
  local rate p99 importing
  enter "$NUMBERS" "+9996$((9 + 2 * round))"
  pair import "$(ratio "$IMPORT_MS" 1000)" -
  updates
  rate=$RATE p99=$P99
  numbers "$NUMBERS" "+9996$((10 + 2 * round))" "$WORK/numbers.csv"
  timeout --foreground "$CTL_SECONDS" "$BIN_DIR/ocsctl" dnc import "$WORK/numbers.csv" -o json > "$WORK/entries.out" &
  importing=$!
  loads+=("$importing")
  updates_beside "$importing"
  wait "$importing" || { say "the import beside updates failed"; exit 1; }
  loads=()
  rm "$WORK/numbers.csv"
  pair import-busy "$(sed -n 's/.*"seconds": *\([0-9.]*\).*/\1/p' "$WORK/entries.out")" -
  pair import-updates "$(cut -f1 "$WORK/slices" | median)" "$rate"
  pair import-p99 "$(cut -f2 "$WORK/slices" | median)" "$p99"
}
# Slices of updates that end before a process does; the first slice counts in any case.
updates_beside() { # pid
  local SECS=1
  rm -f "$WORK/slices"
  while kill -0 "$1" 2> /dev/null; do
    updates
    if kill -0 "$1" 2> /dev/null || [ ! -e "$WORK/slices" ]; then printf '%s\t%s\n' "$RATE" "$P99" >> "$WORK/slices"; fi
  done
}

section_limits() {
  fresh limits
  local per
  campaign free "${WITH_CUSTOMERS[@]}"
  campaign limited "${WITH_CUSTOMERS[@]}"
  for per in phone customer chain; do
    declare_text '[[contact_limits]]' "name = \"three-per-$per\"" 'campaign = "limited"' 'max = 3' "per = \"$per\"" 'within = 86400'
  done
  fill free 0 "$RECORDS" +9991 1
  fill limited 0 "$RECORDS" +9992 1
  settle
  rounds round_of_limits
  judge limits 'previews/s with limits per phone, customer and chain, against those without' '>=0.7x' '>=0.85x'
}
round_of_limits() {
  local rate
  previews free
  rate=$RATE
  previews limited
  pair limits "$RATE" "$rate"
}

# Two groups in turn, one of them with the entries.
section_dnc-size() {
  local group
  stop_groups
  begin without "$PORT_OFFSET" "$UPDATED"
  begin entries $((PORT_OFFSET + 20)) "$UPDATED"
  for group in without entries; do
    use "$group"
    campaign plain
    fill plain 0 "$RECORDS" +9991
  done
  say "$SECTION: entering $BIG numbers"
  enter "$BIG" +9996
  settle
  rounds round_of_dnc_size
  judge size-add "AddRecord/s with $BIG entries, against none" '>=0.85x' '>=0.95x'
  judge size-preview "previews/s with $BIG entries, against none" '>=0.85x' '>=0.95x'
}
round_of_dnc_size() {
  local added previewed
  use without
  at_primary
  load --what add --list bench
  added=$RATE
  previews plain
  previewed=$RATE
  use entries
  at_primary
  load --what add --list bench
  pair size-add "$RATE" "$added"
  previews plain
  pair size-preview "$RATE" "$previewed"
}

# The group of cancel and size. Cancellations take the phones of the first half of the list, updates the records of the second
# half: batches of an import may change places, so that some records between are left out.
big_group() {
  if [ -n "${supervisor_of[big]:-}" ]; then
    use big
    at_primary
    return 0
  fi
  stop_groups
  begin big "$PORT_OFFSET" "$BIG"
  settle
}
updates_of_big() { load --what update --first $((BIG / 2 + BIG / 100)) --records $((BIG / 2 - BIG / 100)); }

section_cancel() {
  big_group
  rounds round_of_cancel
  judge cancel "RequestRecordCancel/s by phone with $BIG records, against updates/s of the same list" '>=0.6x' '>=0.8x'
}
round_of_cancel() {
  local rate phones=$((BIG / 2 / ROUNDS))
  updates_of_big
  rate=$RATE
  load --what cancel-phone --first $((1 + (round - 1) * phones)) --records "$phones"
  pair cancel "$RATE" "$rate"
}

section_size() {
  local node
  big_group
  say "$SECTION: entering $BIG numbers"
  enter "$BIG" +9996
  settle
  round=1
  updates_of_big
  say "$SECTION: resident, MiB (ocsd + HTTP Proxy): $(rss_of_group)"
  for node in a b; do
    pair "resident-$node" "$(rss_mib "$(pid_of "$node")")" -
    judge "resident-$node" "resident memory of $node with $BIG records and entries, MiB" '<=2048' '<=1024'
  done
  rounds round_of_restart
  judge restart 'restart to ready, idle, s' '<=5' '<=2.5'
  judge restart-busy 'restart to ready while updates go on at the other node, s' - -
  say "$SECTION: resident behind the restarts, MiB (ocsd + HTTP Proxy): $(rss_of_group)"
}
round_of_restart() {
  restart restart ''
  restart restart-busy 12
}
# The primary is killed, alone or while updates come in at the other node.
restart() { # measure, seconds of updates or nothing
  local node pid load=''
  node=$(primary)
  pid=$(pid_of "$node")
  if [ -n "$2" ]; then
    timeout --foreground $(($2 + LOADER_SECONDS)) "$BIN_DIR/ocs-bench" http --label "$SECTION" --clients "$CLIENTS" --round "$round" \
      --secs "$2" --warm-secs 1 --address "$(http_of "$(other "$node")")" --first $((BIG / 2 + BIG / 100)) --records $((BIG / 2 - BIG / 100)) \
      > "$WORK/load.out" &
    load=$!
    loads+=("$load")
    sleep 4
  fi
  kill -KILL "$pid"
  ready_again "$node" "$pid"
  pair "$1" "$(ratio "$READY_MS" 1000)" -
  [ -z "$load" ] || wait "$load" || say "the load at the other node failed"
  loads=()
  ctl --timeout 120 wait --for ready >&2
}

run_sections
