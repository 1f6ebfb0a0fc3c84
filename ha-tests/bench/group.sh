#!/usr/bin/env bash
# Groups of two data nodes and a witness for the measurements beside this file, which source this file. Needs BENCH_NAME,
# BIN_DIR and WORK; stops all groups started here when the shell ends.
#
# A group is named by its directory below WORK and has a port offset of its own: use NAME selects the group for ctl, pid_of and
# the rest.

say() { printf '%s | %s\n' "$BENCH_NAME" "$*"; }

SETTLE_SECONDS=60

declare -A offset_of supervisor_of
GROUP=''

# The loads beside the supervisors: processes that must be ended by hand.
loads=()
clean_up() {
  trap - EXIT INT TERM
  local pid
  for pid in "${loads[@]}" "${supervisor_of[@]}"; do kill -TERM "$pid" 2> /dev/null || true; done
  for pid in "${loads[@]}" "${supervisor_of[@]}"; do wait "$pid" 2> /dev/null || true; done
  [ -n "${WORK_DIR:-}" ] || rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

use() { # group
  GROUP=$1
  local at=${offset_of[$1]}
  OCSCTL_ENDPOINTS=127.0.0.1:$((7401 + at)),127.0.0.1:$((7402 + at)),127.0.0.1:$((7403 + at))
  export OCSCTL_ENDPOINTS
}

ctl() { "$BIN_DIR/ocsctl" "$@"; }
http_of() { case $1 in a) echo "127.0.0.1:$((8080 + offset_of[$GROUP]))" ;; b) echo "127.0.0.1:$((8081 + offset_of[$GROUP]))" ;; esac; }
admin_of() { case $1 in a) echo "127.0.0.1:$((7501 + offset_of[$GROUP]))" ;; b) echo "127.0.0.1:$((7502 + offset_of[$GROUP]))" ;; esac; }
primary() { ctl role -o json | sed -n 's/^  "primary": "\([ab]\)".*/\1/p'; }
other() { case $1 in a) echo b ;; b) echo a ;; esac; }
now_ms() { date +%s%3N; }

start_group() { # group, port offset
  offset_of[$1]=$2
  use "$1"
  RUN_DIR=$WORK/$1 BIN_DIR=$BIN_DIR PORT_OFFSET=$2 LIST_RECORDS=0 RESTART_SECONDS=1 deploy/dev/run.sh >> "$WORK/$1.log" 2>&1 &
  supervisor_of[$1]=$!
  local tenths=600
  until [ -e "$WORK/$1/formed" ]; do
    tenths=$((tenths - 1))
    [ "$tenths" -gt 0 ] || { say "the group did not get ready:"; tail -n 5 "$WORK/$1.log"; exit 1; }
    sleep 0.1
  done
  ctl --timeout 60 wait --for ready
}

stop_group() { # group
  kill -TERM "${supervisor_of[$1]}" 2> /dev/null || true
  wait "${supervisor_of[$1]}" 2> /dev/null || true
  unset "supervisor_of[$1]"
  rm -rf "${WORK:?}/$1"
}

make_list() { # records, file
  awk -v records="$1" 'BEGIN {
    print "contact_info,contact_info_type,chain_id,chain_n,note,memo"
    for (i = 1; i <= records; i++) printf "+9995%08d,4,%d,0,-,-\n", i, i
  }' > "$2"
}

# The pid of a node's ocsd; nothing while the node does not answer.
pid_of() { # node
  curl -s "http://$(admin_of "$1")/livez" > /dev/null &&
    ctl status -o json 2> /dev/null | awk -v node="\"$1\"," '/^      "node":/ { mine = $2 == node } mine && /^      "pid":/ { print $2 + 0 }'
}

rss_mib() { awk '/^VmRSS/ { printf "%d", $2 / 1024 }' "/proc/$1/status" 2> /dev/null || echo 0; }
# "a 300 + 20, b 290 + 5": each data node's ocsd and its HTTP Proxy, MiB.
rss_of_group() {
  local node pid proxy text=''
  for node in a b; do
    pid=$(pid_of "$node")
    proxy=$(pgrep -P "$pid" -f ocs-http-proxy | head -n 1)
    text+="${text:+, }$node $(rss_mib "$pid") + $(rss_mib "$proxy")"
  done
  echo "$text"
}

ratio() { awk -v a="$1" -v b="$2" -v form="${3:-%.2f}" 'BEGIN { printf form, (b > 0 ? a / b : 0) }'; }
median() { sort -n | awk '{ all[NR] = $1 } END { print NR % 2 ? all[(NR + 1) / 2] : (all[NR / 2] + all[NR / 2 + 1]) / 2 }'; }

# Time until a node's /readyz says 200, from the moment when its process is there again.
ready_again() { # node, pid that was killed
  local tenths=0 began=''
  while :; do
    if [ -z "$began" ] && pgrep -f "data_dir=\"$WORK/$GROUP/data/$1\"" | grep -qvx "$2"; then began=$(now_ms); fi
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$(admin_of "$1")/readyz" || true)" != 200 ] || break
    tenths=$((tenths + 1))
    [ "$tenths" -lt 1200 ] || { say "$1 did not get ready"; return 1; }
    sleep 0.05
  done
  READY_MS=$(($(now_ms) - ${began:-$(now_ms)}))
}

# Tables that are merged away meanwhile are no fault of du.
state_mb() { { du -sm --apparent-size "$WORK/$GROUP/data/$1/state" 2> /dev/null || true; } | cut -f1; }
# Until the primary's state has not changed for ten seconds; its size then, MB.
settled_mb() {
  local now last='' same=0 second node
  node=$(primary)
  for second in $(seq "$SETTLE_SECONDS"); do
    now=$(state_mb "$node")
    if [ "$now" = "$last" ]; then same=$((same + 1)); else same=0; fi
    last=$now
    [ "$same" -lt 10 ] || break
    sleep 1
  done
  echo "$now"
}

machine() {
  echo "Machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GiB, $(. /etc/os-release && echo "$PRETTY_NAME"), kernel $(uname -r); load before the run: $(cut -d' ' -f1-3 /proc/loadavg)."
  echo "Version: ocs $(ctl --version | cut -d' ' -f2) ($(git describe --always --dirty 2> /dev/null || echo "no commit")). Nodes, witness and loader share the cores."
}
