#!/usr/bin/env bash
# Figures of measurements that compare two loads in turn, and their verdicts. Sourced behind group.sh by campaigns.sh and front.sh.
#
# Needs ROUNDS, SECS, CLIENTS, SECTIONS and OUT, and a function section_NAME for each section; CTL_SECONDS and LOADER_SECONDS bound a
# command of ocsctl, and a loader beyond its measurement. run_sections ends the shell.

say() { printf '%s | %s\n' "$BENCH_NAME" "$*" >&2; }
ctl() { timeout --foreground "$CTL_SECONDS" "$BIN_DIR/ocsctl" "$@"; }

ERRORS=0
failed=0

# A value of a round and its comparison; "-": none.
pair() { # measure, value, comparison
  printf '%s\t%s\n' "$2" "$3" >> "$WORK/rounds/$1"
  say "$SECTION, round $round: $1 $2$([ "$3" = - ] || echo ", against $3")"
}

# The line of a measure, whose bars are as in ">=0.35x" or "<=20"; "-": none.
judge() { # measure, name, must, reach
  local line
  line=$(awk -F'\t' -v name="$2" -v must="$3" -v reach="$4" -v errors="$ERRORS" '
    function median(all, count,   i, j, kept) {
      for (i = 2; i <= count; i++)
        for (j = i; j > 1 && all[j] < all[j - 1]; j--) { kept = all[j]; all[j] = all[j - 1]; all[j - 1] = kept }
      return count % 2 ? all[(count + 1) / 2] : (all[count / 2] + all[count / 2 + 1]) / 2
    }
    function shown(number) { return number >= 100 ? sprintf("%.0f", number) : sprintf("%.3f", number) }
    function holds(bar,   number) {
      if (bar == "-") return 0
      number = bar ~ /x$/ ? ratio : value
      return bar ~ /^>=/ ? number >= substr(bar, 3) + 0 : number <= substr(bar, 3) + 0
    }
    { values[NR] = $1 + 0 }
    $2 != "-" { compared++; others[compared] = $2 + 0; ratios[compared] = $2 > 0 ? $1 / $2 : 0 }
    END {
      value = median(values, NR)
      ratio = compared ? median(ratios, compared) : 0
      verdict = errors > 0 ? "INVALID: " errors " wrong answers" : holds(reach) ? "reach" : must == "-" ? "-" : holds(must) ? "must" : "MISSED"
      print name "\t" shown(value) "\t" (compared ? shown(median(others, compared)) "\t" shown(ratio) : "-\t-") "\t" must "\t" reach "\t" verdict
    }' "$WORK/rounds/$1")
  case $line in *MISSED | *INVALID*) failed=1 ;; esac
  printf '%s\n' "$line"
  [ -z "$OUT" ] || printf '%s\n' "$line" >> "$OUT"
}

# One measurement at AT: sets RATE, P50 and P99 (ms), and counts wrong answers.
load() { # options of the loader
  local line wrong
  line=$(timeout --foreground $((SECS + LOADER_SECONDS)) "$BIN_DIR/ocs-bench" http --label "$SECTION" --clients "$CLIENTS" --round "$round" \
    --secs "$SECS" --warm-secs 1 --address "$AT" "$@")
  IFS=$'\t' read -r _ _ _ RATE P50 P99 _ wrong <<< "$line"
  count_wrong "$wrong" "$*"
}
count_wrong() { # wrong answers, load
  [ "$1" -eq 0 ] || say "$SECTION, round $round: $1 wrong answers to $2"
  ERRORS=$((ERRORS + $1))
}

at_primary() { AT=$(http_of "$(primary)"); }

stop_groups() {
  local group
  for group in "${!supervisor_of[@]}"; do stop_group "$group"; done
}

# A group measured beside tables that are still merged looks slow.
settle() { settled_mb > /dev/null; }

rounds() { # function of one round
  for round in $(seq "$ROUNDS"); do "$1"; done
}

# Runs the sections, each with figures of its own. Ends with 1 where a bar was missed or a figure is invalid.
run_sections() {
  say "$(machine)"
  [ -z "$OUT" ] || { mkdir -p "$(dirname "$OUT")" && : > "$OUT"; }
  for SECTION in $SECTIONS; do
    rm -rf "$WORK/rounds"
    mkdir "$WORK/rounds"
    ERRORS=0
    "section_$SECTION"
  done
  exit "$failed"
}
