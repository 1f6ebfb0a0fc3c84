#!/usr/bin/env bash
# make bench: our pair with its witness beside the alternatives of our users, on loopback, in one run.
#
# Installs nothing: names the missing Debian packages. Starts each system, loads them in turn, round by round, stops all of
# them, and writes docs/benchmarks/<date>.md with a chart beside it.
#
# ROUNDS    rounds; five or more for verdicts            (5)
# SECS      length of one measurement, s                 (5)
# SYSTEMS   which to run       (floor ocs postgresql etcd redis reads)
# RECORDS   records of our list and of PostgreSQL's      (10000)
# BIN_DIR   where the binaries are                       (target/release)
# OUT       the page                                     (docs/benchmarks/<date>.md)
# WORK_DIR  where data are kept meanwhile                (a directory of mktemp)
set -euo pipefail
cd "$(dirname "$0")/../.."

ROUNDS=${ROUNDS:-5}
SECS=${SECS:-5}
SYSTEMS=${SYSTEMS:-floor ocs postgresql etcd redis reads}
RECORDS=${RECORDS:-10000}
BIN_DIR=${BIN_DIR:-target/release}
OUT=${OUT:-docs/benchmarks/$(date +%F).md}
PORT_OFFSET=${PORT_OFFSET:-400}
CLIENTS='1 16 64 256'
BENCH=$BIN_DIR/ocs-bench
PG=$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null | tail -n 1 || true)

say() { printf 'bench | %s\n' "$*"; }
has() { [[ " $SYSTEMS " == *" $1 "* ]]; }

missing=()
need() { # system, package, program
  ! has "$1" || command -v "$3" > /dev/null || missing+=("$2")
}
need etcd etcd-server etcd
need redis redis-server redis-server
need postgresql postgresql "${PG:-/none}/postgres"
need postgresql postgresql-client psql
if [ ${#missing[@]} -gt 0 ]; then
  say "these Debian packages are missing: ${missing[*]}"
  say "install them (apt-get install ${missing[*]}), or leave their systems out by SYSTEMS"
  exit 1
fi

WORK=${WORK_DIR:-$(mktemp -d -t ocs-bench.XXXXXX)}
chmod 755 "$WORK"
LINES=$WORK/lines.tsv
: > "$LINES"
pids=()
nodes=''

start() {
  "$@" >> "$WORK/systems.log" 2>&1 &
  pids+=($!)
}

clean_up() {
  trap - EXIT INT TERM
  local pid
  for pid in "${pids[@]}" $nodes; do kill "$pid" 2> /dev/null || true; done
  for pid in "${pids[@]}" $nodes; do wait "$pid" 2> /dev/null || true; done
  [ -n "${WORK_DIR:-}" ] || rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# PostgreSQL does not run as root.
AS_POSTGRES=()
[ "$(id -u)" -ne 0 ] || AS_POSTGRES=(setpriv --reuid postgres --regid postgres --clear-groups)

wait_for() { # seconds, what, command...
  local tenths=$(($1 * 10)) what=$2
  shift 2
  until "$@" > /dev/null 2>&1; do
    tenths=$((tenths - 1))
    [ "$tenths" -gt 0 ] || { say "$what did not get ready; see $WORK/systems.log"; tail -n 5 "$WORK/systems.log"; exit 1; }
    sleep 0.1
  done
}
listens() { (exec 3<> "/dev/tcp/127.0.0.1/$1"); }

# === systems ===

start_floor() {
  start "$BENCH" floor-backup --address 127.0.0.1:7602 --file "$WORK/floor-b.log"
  wait_for 10 "the floor" listens_without_use 7602
  start "$BENCH" floor-primary --address 127.0.0.1:7601 --backup 127.0.0.1:7602 --file "$WORK/floor-a.log"
  wait_for 10 "the floor" listens 7601
}
# The floor's backup serves one connection: a probe must not connect.
listens_without_use() { grep -q ":$(printf '%04X' "$1") 00000000:0000 0A" /proc/net/tcp; }

ctl() { "$BIN_DIR/ocsctl" "$@"; }
node_port() { echo $(($1 + PORT_OFFSET)); }
primary_known() {
  PRIMARY=$(ctl role -o json | sed -n 's/^  "primary": "\([ab]\)".*/\1/p')
  [ -n "$PRIMARY" ]
}
http_of_primary() { primary_known && if [ "$PRIMARY" = a ]; then echo "$HTTP_A"; else echo "$HTTP_B"; fi; }
http_of_backup() { primary_known && if [ "$PRIMARY" = a ]; then echo "$HTTP_B"; else echo "$HTTP_A"; fi; }

start_ocs() {
  OCSCTL_ENDPOINTS=127.0.0.1:$(node_port 7401),127.0.0.1:$(node_port 7402),127.0.0.1:$(node_port 7403)
  HTTP_A=127.0.0.1:$(node_port 8080)
  HTTP_B=127.0.0.1:$(node_port 8081)
  export OCSCTL_ENDPOINTS
  RUN_DIR=$WORK/ocs BIN_DIR=$BIN_DIR PORT_OFFSET=$PORT_OFFSET LIST_RECORDS=0 deploy/dev/run.sh >> "$WORK/systems.log" 2>&1 &
  nodes=$!
  wait_for 60 "our pair" test -e "$WORK/ocs/formed"
  ctl --timeout 60 wait --for ready > /dev/null
  awk -v records="$RECORDS" 'BEGIN {
    print "contact_info,contact_info_type,chain_id,chain_n,note,memo"
    for (i = 1; i <= records; i++) printf "+9995%08d,4,%d,0,-,-\n", i, i
  }' > "$WORK/list.csv"
  ctl list create bench --from "$WORK/list.csv" > /dev/null
}

start_postgresql() {
  local query=(psql -h 127.0.0.1 -p 7611 -U postgres -Atqc)
  mkdir "$WORK/pg"
  [ "$(id -u)" -ne 0 ] || chown postgres "$WORK/pg"
  "${AS_POSTGRES[@]}" "$PG/initdb" -D "$WORK/pg/a" -A trust -U postgres >> "$WORK/systems.log" 2>&1
  printf '%s\n' "port=7611" "listen_addresses='127.0.0.1'" "unix_socket_directories='$WORK/pg'" "max_connections=400" \
    "shared_buffers=256MB" "max_wal_size=4GB" "synchronous_commit=on" >> "$WORK/pg/a/postgresql.conf"
  start "${AS_POSTGRES[@]}" "$PG/postgres" -D "$WORK/pg/a"
  wait_for 20 PostgreSQL "${query[@]}" "select 1"
  "${AS_POSTGRES[@]}" "$PG/pg_basebackup" -h 127.0.0.1 -p 7611 -U postgres -D "$WORK/pg/b" -R -X stream >> "$WORK/systems.log" 2>&1
  printf '%s\n' "port=7612" "primary_conninfo='host=127.0.0.1 port=7611 user=postgres application_name=s1'" \
    >> "$WORK/pg/b/postgresql.conf"
  : > "$WORK/pg/b/postgresql.auto.conf"
  start "${AS_POSTGRES[@]}" "$PG/postgres" -D "$WORK/pg/b"
  "${query[@]}" "alter system set synchronous_standby_names='FIRST 1 (s1)'"
  "${query[@]}" "select pg_reload_conf()" > /dev/null
  wait_for 20 "PostgreSQL's standby" standby_is_synchronous
  "${query[@]}" "create table record (id int primary key, status int, body bytea)"
  "${query[@]}" "insert into record select g, 0, decode(repeat('78', 256), 'hex') from generate_series(1, $RECORDS) g"
  "${query[@]}" "vacuum analyze record"
  printf '%s\n' "\\set id random(1, $RECORDS)" "\\set value random(0, 9)" \
    "update record set status = status + 1, body = decode(repeat('7' || :value, 256), 'hex') where id = :id;" \
    > "$WORK/update.sql"
}
standby_is_synchronous() {
  [ "$(psql -h 127.0.0.1 -p 7611 -U postgres -Atqc 'select sync_state from pg_stat_replication')" = sync ]
}

start_etcd() {
  local n members='n1=http://127.0.0.1:7631,n2=http://127.0.0.1:7632,n3=http://127.0.0.1:7633'
  for n in 1 2 3; do
    start etcd --name "n$n" --data-dir "$WORK/etcd$n" --listen-client-urls "http://127.0.0.1:762$n" \
      --advertise-client-urls "http://127.0.0.1:762$n" --listen-peer-urls "http://127.0.0.1:763$n" \
      --initial-advertise-peer-urls "http://127.0.0.1:763$n" --initial-cluster "$members" --initial-cluster-state new \
      --logger zap --log-level error --quota-backend-bytes 8000000000
  done
  for n in 1 2 3; do wait_for 20 etcd listens "762$n"; done
}

start_redis() {
  local common=(--bind 127.0.0.1 --dir "$WORK" --appendonly yes --appendfsync always --save '' --repl-diskless-sync-delay 0)
  start redis-server --port 7641 --dbfilename a.rdb --appenddirname aof-a "${common[@]}"
  wait_for 10 Redis listens 7641
  start redis-server --port 7642 --dbfilename b.rdb --appenddirname aof-b "${common[@]}" --replicaof 127.0.0.1 7641
  wait_for 10 Redis listens 7642
}

start_reads() {
  start "$BENCH" plain --address 127.0.0.1:7651
  wait_for 10 axum listens 7651
}

# === loads: label, clients, round ===

load() { # kind, label, clients, round, arguments...
  local kind=$1 label=$2 clients=$3 round=$4
  shift 4
  "$BENCH" "$kind" --label "$label" --clients "$clients" --round "$round" --secs "$SECS" "$@" | tee -a "$LINES" ||
    say "$label with $clients clients failed in round $round"
}

load_postgresql() { # clients round
  local rate
  rm -f "$WORK"/pgbench.log*
  pgbench -h 127.0.0.1 -p 7611 -U postgres -n -M prepared -f "$WORK/update.sql" -c "$1" -j 1 -T "$SECS" \
    -l --log-prefix="$WORK/pgbench.log" postgres > "$WORK/pgbench.out" 2>> "$WORK/systems.log" || true
  rate=$(awk '/^tps/ { print $3 }' "$WORK/pgbench.out")
  if [ "$(cat "$WORK"/pgbench.log* 2> /dev/null | wc -l)" -eq 0 ]; then
    say "postgresql with $1 clients failed in round $2"
    return
  fi
  cat "$WORK"/pgbench.log* | awk '{ print $3 }' | sort -n |
    awk -v clients="$1" -v round="$2" -v rate="$rate" '{ us[NR] = $1 } END {
      printf "postgresql\t%d\t%d\t%.1f\t%.3f\t%.3f\t%d\t0\n", clients, round, rate,
        us[int(NR * 0.5) + 1] / 1000, us[int(NR * 0.99) + 1] / 1000, NR }' | tee -a "$LINES"
}

one_round() {
  local round=$1 clients
  for clients in $CLIENTS; do
    ! has floor || load floor floor "$clients" "$round" --address 127.0.0.1:7601
    ! has ocs || load http ocs "$clients" "$round" --address "$(http_of_primary)" --records "$RECORDS"
    ! has postgresql || [ "$clients" -eq 256 ] || load_postgresql "$clients" "$round"
    ! has etcd || load etcd etcd "$clients" "$round" --endpoints http://127.0.0.1:7621,http://127.0.0.1:7622,http://127.0.0.1:7623
    ! has redis || load redis redis "$clients" "$round" --address 127.0.0.1:7641
    if [ "$clients" -eq 64 ]; then
      ! has ocs || load http ocs-backup 64 "$round" --address "$(http_of_backup)" --records "$RECORDS"
      ! has reads || load http axum 64 "$round" --address 127.0.0.1:7651 --what root
      ! { has reads && has ocs; } || load http ocs-get 64 "$round" --address "$(http_of_primary)" --what get --records "$RECORDS"
    fi
  done
}

about() {
  echo "Closed loops, 256-byte updates (ours: UpdateCallCompletionStats with 256 bytes of user fields on one of $RECORDS records),"
  echo "loopback only; every system, its loader and its peers share the same cores. $ROUNDS rounds of $SECS s, systems in turn"
  echo "within each. All systems stay up meanwhile; only one is loaded. \`make bench\` repeats it."
  echo
  echo "Machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GiB, $(. /etc/os-release && echo "$PRETTY_NAME"), kernel $(uname -r); load before the run: $(cut -d' ' -f1-3 /proc/loadavg)."
  echo "Versions: ocs $("$BIN_DIR/ocsctl" --version | cut -d' ' -f2) ($(git describe --always --dirty 2> /dev/null || echo "no commit"))$(
    ! has postgresql || echo -n ", $("$PG/postgres" --version)"
    ! has etcd || echo -n ", $(etcd --version | head -n 1)"
    ! has redis || redis-server --version | awk '{ sub("v=", "", $3); printf ", Redis %s", $3 }')."
}

about > "$WORK/about.md"
for system in $SYSTEMS; do
  say "starting $system"
  "start_$system"
done
sleep 2
for round in $(seq "$ROUNDS"); do
  say "round $round of $ROUNDS"
  one_round "$round"
done
mkdir -p "$(dirname "$OUT")"
"$BENCH" report --lines "$LINES" --about "$WORK/about.md" --out "$OUT"
cp "$LINES" "${OUT%.md}.tsv"
say "see $OUT"
