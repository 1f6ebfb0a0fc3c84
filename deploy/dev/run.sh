#!/usr/bin/env bash
# make run: nodes a, b and witness w in this terminal, each log line prefixed by its node, until Ctrl-C or SIGTERM.
#
# First start: makes development certificates, forms the group, creates the list "demo" with 10,000 generated records, and the
# campaign of deploy/dev/campaign.toml with its list "customers". A later start goes on with the data in RUN_DIR. A node that ends is
# started again after a second, as systemd would.
#
# Refuses, in one line and before anything starts: missing programs, ports in use, a directory in use by another run, a disk
# without room, a directory whose nodes do not belong together.
#
# RUN_DIR       where data and certificates are kept       (run)
# BIN_DIR       where the binaries are                     (target/demo, as make run builds them, else target/release)
# PORT_OFFSET   added to every port, for a second cluster  (0)
# LIST_RECORDS  records of the demonstration list; 0: none, and no campaign (10000)
# JOIN_EMPTY    1: nodes whose data are gone join the others, as after a restore of one node (0: the start is refused)
# RESTART_SECONDS  pause before a node is started again     (1)
# WITH_HTTPS    1: HTTPS too, at the ports 8443 of node a and 8444 of b, by the nodes' certificates (0)
#
# Needs bash, coreutils, findutils, util-linux and awk.
set -euo pipefail
set -m # a process group for each job: Ctrl-C reaches this script alone, which then stops the nodes in order
cd "$(dirname "$0")/../.."

RUN_DIR=${RUN_DIR:-run}
[ -n "${BIN_DIR:-}" ] || { BIN_DIR=target/demo; [ -x "$BIN_DIR/ocsctl" ] || BIN_DIR=target/release; }
PORT_OFFSET=${PORT_OFFSET:-0}
LIST_RECORDS=${LIST_RECORDS:-10000}
RESTART_SECONDS=${RESTART_SECONDS:-1}
JOIN_EMPTY=${JOIN_EMPTY:-0}
WITH_HTTPS=${WITH_HTTPS:-0}
READY_SECONDS=60
RAISE_SECONDS=30
# Customers of the campaign, each with two numbers.
CUSTOMERS=100
NODES='a b w'
# A first start writes 400 MB, and each node leaves 256 MB free (disk_reserve_bytes).
FIRST_FREE_MB=1000
LATER_FREE_MB=320
STOP_SECONDS=8

OFFSET_MAX=57000 # the highest port is 65535
case $PORT_OFFSET in
  *[!0-9]* | ??????*) OFFSET_MAX=-1 ;;
  *) PORT_OFFSET=$((10#$PORT_OFFSET)) ;;
esac
if [ "$OFFSET_MAX" -lt 0 ] || [ "$PORT_OFFSET" -gt "$OFFSET_MAX" ]; then
  echo "run | PORT_OFFSET=$PORT_OFFSET is no number of 0 to 57000, which is added to every port: as in PORT_OFFSET=20"
  exit 1
fi

port() { echo $(($1 + PORT_OFFSET)); }
BASE_PORTS='7301 7302 7303 7401 7402 7403 7501 7502 7503 8080 8081'
[ "$WITH_HTTPS" != 1 ] || BASE_PORTS+=' 8443 8444'
HTTP_A=127.0.0.1:$(port 8080)
HTTP_B=127.0.0.1:$(port 8081)
OCSCTL_ENDPOINTS=127.0.0.1:$(port 7401),127.0.0.1:$(port 7402),127.0.0.1:$(port 7403)
export OCSCTL_ENDPOINTS

say() { printf 'run | %s\n' "$*" || true; } # the terminal may be gone

refuse() {
  say "$*"
  exit 1
}

member() { # name role number
  printf '{name="%s",role="%s",peer="127.0.0.1:%s",control="127.0.0.1:%s"}' \
    "$1" "$2" "$(port "730$3")" "$(port "740$3")"
}

# The ports of a data node for clients.
http_ports() { # name, host:port, port for HTTPS
  if [ "$WITH_HTTPS" != 1 ]; then
    echo "http_proxy.listen=$2"
    return
  fi
  local pair="tls_certificate=\"$RUN_DIR/certs/$1.pem\",tls_key=\"$RUN_DIR/certs/$1.key\""
  printf '%s\n' 'http_proxy.listen=' "http_proxy.listeners=[{listen=\"$2\"},{listen=\"127.0.0.1:$3\",$pair}]"
}

# The settings that differ from deploy/dev/NODE.toml with another RUN_DIR, PORT_OFFSET or WITH_HTTPS.
settings() { # name number
  local certs=$RUN_DIR/certs
  printf '%s\n' "node.data_dir=\"$RUN_DIR/data/$1\"" "cluster.id=\"$CLUSTER_ID\"" \
    "cluster.nodes=[$(member a data 1),$(member b data 2),$(member w witness 3)]" \
    "peer.listen=127.0.0.1:$(port "730$2")" "control.listen=127.0.0.1:$(port "740$2")" \
    "admin.listen=127.0.0.1:$(port "750$2")" \
    "peer.tls={ca=\"$certs/ca.pem\",certificate=\"$certs/$1.pem\",key=\"$certs/$1.key\"}"
  case $1 in
    a) http_ports a "$HTTP_A" "$(port 8443)" ;;
    b) http_ports b "$HTTP_B" "$(port 8444)" ;;
  esac
}

# Line by line: awk may buffer lines before their output.
prefixed() {
  local line
  while IFS= read -r line || [ -n "$line" ]; do printf '%-3s | %s\n' "$1" "$line"; done
}

# Runs one node until SIGTERM, and restarts the node when its process ends by itself.
keep() { # name number
  local name=$1 pid='' stopping='' code line
  local -a arguments=(--config "deploy/dev/$name.toml")
  while IFS= read -r line; do arguments+=(--set "$line"); done < <(settings "$name" "$2")
  trap 'stopping=1; [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null || true' TERM
  trap '' INT HUP
  while [ -z "$stopping" ]; do
    local -a form=()
    [ -e "$RUN_DIR/formed" ] || form=(--bootstrap)
    "$BIN_DIR/ocsd" "${arguments[@]}" "${form[@]}" > >(prefixed "$name") 2>&1 &
    pid=$!
    [ -z "$stopping" ] || kill -TERM "$pid" 2>/dev/null || true
    code=0
    wait "$pid" 2>/dev/null || code=$?
    while kill -0 "$pid" 2>/dev/null; do # a signal ends `wait` early
      code=0
      wait "$pid" 2>/dev/null || code=$?
    done
    [ -z "$stopping" ] || break
    echo "ended with $code" | prefixed "$name"
    [ "$code" -ne 2 ] || exit 2 # wrong configuration: starting again changes nothing
    sleep "$RESTART_SECONDS" || true
  done
}

supervisors=()
steps=''
stop_all() {
  trap '' INT TERM HUP
  trap - EXIT
  say "stopping"
  [ -z "$steps" ] || kill -TERM -- "-$steps" 2>/dev/null || true # not waited for: within a trap bash may wait for ever
  [ ${#supervisors[@]} -eq 0 ] || kill -TERM "${supervisors[@]}" 2>/dev/null || true
  local tenths=0 pid left
  while [ "$tenths" -lt $((STOP_SECONDS * 10)) ]; do
    left=0
    for pid in "${supervisors[@]}"; do ! kill -0 "$pid" 2>/dev/null || left=1; done
    [ "$left" -eq 1 ] || break
    sleep 0.1
    tenths=$((tenths + 1))
  done
  for pid in "${supervisors[@]}"; do
    ! kill -0 "$pid" 2>/dev/null || kill -KILL -- "-$pid" 2>/dev/null || true
  done
  say "stopped"
}

on_signal() {
  stop_all
  exit 0
}

# Phones of +999, a country code without a country: no demonstration record has a real phone.
demo_list() { # file
  awk -v records="$LIST_RECORDS" 'BEGIN {
    split("Ada Ben Cleo Dan Eva Finn Gita Hugo Ines Jan", first, " ")
    split("Abel Baker Cole Drew Ellis Frost Gray", last, " ")
    print "record_id,contact_info,contact_info_type,chain_id,chain_n,daily_from,daily_till,customer_name"
    for (i = 1; i <= records; i++)
      printf "%d,+9995%07d,%d,%d,0,28800,72000,%s %s\n", i, i, i % 3 == 0 ? 1 : 4, i, first[i % 10 + 1], last[i % 7 + 1]
  }' > "$1"
}

make_demo() {
  [ "$LIST_RECORDS" -gt 0 ] && [ ! -e "$RUN_DIR/demo.done" ] || return 0
  say "creating the list demo with $LIST_RECORDS records"
  demo_list "$RUN_DIR/demo.csv"
  "$BIN_DIR/ocsctl" list show demo > /dev/null 2>&1 || "$BIN_DIR/ocsctl" list create demo
  "$BIN_DIR/ocsctl" list import demo "$RUN_DIR/demo.csv"
  touch "$RUN_DIR/demo.done"
}

# Two numbers of a customer are a chain; every second customer lives in the other zone. The last record is a callback, due now, that
# was promised to the agent ann.
campaign_list() { # file
  awk -v customers="$CUSTOMERS" -v now="$(date +%s)" 'BEGIN {
    print "record_id,contact_info,contact_info_type,chain_id,chain_n,tz_dbid,record_type,dial_sched_time,agent_id,CLIENT_ID,customer_name"
    for (i = 1; i <= customers; i++)
      for (n = 0; n < 2; n++)
        printf "%d,+9997%07d,%d,%d,%d,%d,,,,K-%d,Customer %d\n", 2 * i - 1 + n, 2 * i - 1 + n, n ? 4 : 1, i, n, 201 + i % 2, i, i
    printf "%d,+9997%07d,4,%d,0,202,5,%d,ann,K-%d,Customer %d\n", 2 * i - 1, 2 * i - 1, i, now, i, i
  }' > "$1"
}

# A POST without a body to the front end of node a; prints the body of the answer.
post() ( # target
  exec 3<> "/dev/tcp/${HTTP_A%:*}/${HTTP_A##*:}"
  printf 'POST %s HTTP/1.0\r\nContent-Length: 0\r\n\r\n' "$1" >&3
  sed '1,/^\r$/d' <&3
)

# Asks the campaign group, and expects the event.
asked() { # request event
  local answer
  answer=$(post "/campaigngroups/demo@demo?req=$1") || return 1
  case $answer in
    *"\"GSW_USER_EVENT\":\"$2\""*) ;;
    *) say "$1: $answer" && return 1 ;;
  esac
}

# Campaigns need the newest rules. A new group has them at once; a group of an earlier release waits ten minutes, in which the earlier
# release could be put back, and a demonstration does not wait for that.
raise_rules() {
  local second=0 told
  until told=$("$BIN_DIR/ocsctl" upgrade finalize 2>&1); do
    [ "$second" -lt "$RAISE_SECONDS" ] || { say "$told" && return 1; }
    sleep 1
    second=$((second + 1))
  done
}

make_campaign() {
  [ "$LIST_RECORDS" -gt 0 ] && [ ! -e "$RUN_DIR/campaign.done" ] || return 0
  say "creating the campaign demo with its list customers of $((2 * CUSTOMERS + 1)) records"
  raise_rules || return 1
  "$BIN_DIR/ocsctl" apply -f deploy/dev/campaign.toml || return 1
  [ -e "$RUN_DIR/campaign.csv" ] || campaign_list "$RUN_DIR/campaign.csv" || return 1
  "$BIN_DIR/ocsctl" list import customers "$RUN_DIR/campaign.csv" || return 1
  "$BIN_DIR/ocsctl" dnc add +99970000001 || return 1
  asked LoadCampaign CampaignLoaded && asked StartDialing DialingStarted || return 1
  touch "$RUN_DIR/campaign.done"
}

# === checks before anything starts ===

check_programs() {
  local name
  for name in ocsd ocs-http-proxy ocsctl; do
    [ -x "$BIN_DIR/$name" ] || refuse "$BIN_DIR/$name is missing: run make build first, or make run, which builds what it starts"
  done
}

# The process that has a socket, as in "ocsd (pid 4711)"; the sockets of other users' processes are not visible.
holder() { # inode
  local pid
  pid=$(find /proc/[0-9]*/fd -lname "socket:\\[$1\\]" -printf '%h\n' -quit 2> /dev/null | awk -F/ '{print $3}' || true)
  if [ -n "$pid" ]; then
    printf '%s (pid %s)' "$(cat "/proc/$pid/comm" 2> /dev/null || echo process)" "$pid"
  else
    printf 'a process of another user'
  fi
}

# "PORT INODE" of every listener that a bind to 127.0.0.1 would meet.
listeners() {
  cat /proc/net/tcp /proc/net/tcp6 2> /dev/null | awk '
    function number(hex,   i, value) {
      for (i = 1; i <= length(hex); i++) value = value * 16 + index("0123456789ABCDEF", substr(hex, i, 1)) - 1
      return value + 0
    }
    $4 == "0A" && $2 ~ /^(0100007F|0+|0000000000000000FFFF00000100007F):/ {
      split($2, address, ":")
      print number(address[2]), $10
    }'
}

check_ports() {
  local base port held inode
  held=$(listeners)
  for base in $BASE_PORTS; do
    port=$(port "$base")
    inode=$(printf '%s\n' "$held" | awk -v port="$port" '$1 == port {print $2; exit}')
    [ -z "$inode" ] || refuse "port $port is in use by $(holder "$inode"): stop it, or take other ports, as in" \
      "PORT_OFFSET=$((PORT_OFFSET + 20)) RUN_DIR=$RUN_DIR/second make run"
  done
}

# The lock is held by this script and by every node started here: a directory serves one group of processes.
lock_run_dir() {
  command -v flock > /dev/null || return 0
  exec 9> "$RUN_DIR/lock"
  flock -w 3 9 || refuse "$RUN_DIR is in use by another make run: stop that one, or take another directory, as in RUN_DIR=$RUN_DIR/second"
}

is_formed() { [ -e "$RUN_DIR/data/$1/ocs-node.toml" ]; } # node

# A directory marked as formed without a formed node counts as new. With some nodes formed and others gone, a second group
# must not be formed beside the first one.
check_nodes() {
  local node missing='' there=''
  for node in $NODES; do
    if is_formed "$node"; then there+=" $node"; else missing+=" $node"; fi
  done
  [ -e "$RUN_DIR/formed" ] && [ -n "$missing" ] || return 0
  [ -z "$there" ] || [ "$JOIN_EMPTY" != 1 ] || return 0
  [ -z "$there" ] || refuse "in $RUN_DIR/data the data of$missing is missing: rm -rf $RUN_DIR to start anew"
  rm -f "$RUN_DIR/formed" "$RUN_DIR/demo.done" "$RUN_DIR/campaign.done" "$RUN_DIR/campaign.csv"
}

check_room() {
  local needed=$FIRST_FREE_MB free
  [ ! -e "$RUN_DIR/formed" ] || needed=$LATER_FREE_MB
  free=$(df -Pm "$RUN_DIR" | awk 'NR == 2 {print $4}')
  [ "$needed" -le "$free" ] || refuse "needs $([ "$needed" -lt 1000 ] && echo "$needed MB" || echo "1 GB") free in $RUN_DIR," \
    "and there are $free MB: make room, or take another directory with RUN_DIR"
}

# Each directory has a group with an id of its own. Older directories have no id in them, and their group has that of
# deploy/dev.
name_cluster() {
  if [ ! -e "$RUN_DIR/cluster-id" ]; then
    local id=ocs-dev node
    for node in $NODES; do [ ! -e "$RUN_DIR/data/$node" ] || id=''; done
    if [ -n "$id" ]; then id=ocs-dev-$(od -An -N4 -tx4 /dev/urandom | tr -d ' '); else id=ocs-dev; fi
    echo "$id" > "$RUN_DIR/cluster-id"
  fi
  CLUSTER_ID=$(cat "$RUN_DIR/cluster-id")
}

# Whether every node that answers at our ports is of our group.
is_own_cluster() {
  local found
  found=$("$BIN_DIR/ocsctl" status -o json 2> /dev/null | grep -o '"cluster": *"[^"]*"' | sed 's/.*: *"//; s/"$//' | sort -u)
  [ "$found" = "$CLUSTER_ID" ]
}

# The handle of the record that an agent has fetched is H in the lines below.
explain_campaign() {
  [ -e "$RUN_DIR/campaign.done" ] || return 0
  cat <<END

The campaign demo: the agent ann fetches a record, reschedules it and reports the call; a number asks to be called no more, and is
refused from then on. One after the other, in one shell:
  curl -s 'http://$HTTP_B/campaigngroups/demo@demo'
  H=\$(curl -s 'http://$HTTP_A/campaigngroups/demo@demo?req=PreviewRecordRequest' -d '{"GSW_AGENT_ID":"ann"}' | tee /dev/stderr | sed 's/.*"GSW_RECORD_HANDLE":\([0-9]*\).*/\1/')
  curl -s "http://$HTTP_B/records/\$H?req=RecordReschedule" -d '{"GSW_DATE_TIME":"12/24/2035 10:00","GSW_CALLBACK_TYPE":"Campaign"}'
  curl -s "http://$HTTP_A/records/\$H?req=RecordProcessed" -d '{"GSW_CALL_RESULT":"Answer"}'
  curl -s -X POST 'http://$HTTP_B/phones/+99970000999?req=DoNotCall'
  curl -s 'http://$HTTP_A/lists/customers?req=AddRecord' -d '{"GSW_PHONE":"+999 (7000) 0999"}'
END
}

explain() {
  "$BIN_DIR/ocsctl" status || true
  cat <<END

Try:
  curl -s 'http://$HTTP_A/lists/demo?req=AddRecord' -d '{"GSW_PHONE":"+99960000001"}'
  curl -s 'http://$HTTP_B/records/1'
  curl -s -X POST 'http://$HTTP_B/records/2?req=DoNotCall'
$(explain_campaign)

  OCSCTL_ENDPOINTS=$OCSCTL_ENDPOINTS $BIN_DIR/ocsctl status

Ctrl-C stops the nodes; the data stays in $RUN_DIR.
END
}

check_programs
check_ports
mkdir -p "$RUN_DIR/data"
lock_run_dir
check_nodes
check_room
name_cluster
"$BIN_DIR/ocsctl" certs --dir "$RUN_DIR/certs" --nodes a,b,w

trap on_signal INT TERM HUP
trap stop_all EXIT
number=0
for node in $NODES; do
  number=$((number + 1))
  keep "$node" "$number" &
  supervisors+=($!)
done

# Runs in the background, so that a signal is heard during the wait: bash runs a trap only between commands.
first_steps() {
  "$BIN_DIR/ocsctl" --timeout "$READY_SECONDS" wait --for ready
  is_own_cluster || refuse "another cluster answers at the ports of this one: stop it, or take other ports with PORT_OFFSET"
  touch "$RUN_DIR/formed"
  make_demo
  make_campaign || say "there is no campaign demo: see above; the next start tries again"
  explain
}
first_steps &
steps=$!

# Waits half a second at a time: a signal that comes just before a wait is heard after that wait.
until_one_ends() { # pids
  local pid
  while true; do
    for pid in "$@"; do kill -0 "$pid" 2>/dev/null || return 0; done
    sleep 0.5 &
    wait $! 2>/dev/null || true
  done
}

# Until a signal, or until a node cannot be started at all.
until_one_ends "$steps" "${supervisors[@]}"
if ! kill -0 "$steps" 2>/dev/null; then
  wait "$steps" || refuse "the group did not get ready, see above; rm -rf $RUN_DIR starts anew, without its data"
  steps=''
  until_one_ends "${supervisors[@]}"
fi
say "a node ended for good; see above"
exit 1
