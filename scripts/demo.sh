#!/usr/bin/env bash
# Starts a server, loads real data of this machine into it unless it is there already, prints statements to try, and stays
# with the server until Ctrl-C. `make demo` builds the two programs and calls this.
#
# usage: demo.sh crates|apt DATA_DIR HOST:PORT
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

dataset=$1
data_dir=$2
listen=$3
host=${listen%:*}
port=${listen##*:}
bin=$(target_dir)/debug
log=$data_dir.log

[[ $dataset == crates || $dataset == apt ]] || fail "there is no data set named $dataset" "use make demo DATA=crates or DATA=apt"
[[ $host != "$listen" && $port =~ ^[0-9]+$ ]] || fail "LISTEN=$listen is not an address" "write LISTEN=127.0.0.1:5433"
if (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null; then
  fail "something listens on $listen already" "choose another port: make demo LISTEN=$host:$((port + 1))"
fi

mkdir -p "$(dirname "$data_dir")"
"$bin/slipstream" serve --data "$data_dir" --listen "$listen" >"$log" 2>&1 &
server=$!

# SIGTERM makes the server finish what it acknowledged and close its files; Ctrl-C here is passed on as that.
stop_server() {
  kill -TERM "$server" 2>/dev/null || return 0
  wait "$server" || true
}
trap 'stop_server; say; say "stopped; make demo starts it again with the same data"; exit 0' INT TERM
trap stop_server EXIT

wait_for_server() {
  local waited
  for waited in {1..300}; do
    (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null && return
    kill -0 "$server" 2>/dev/null || break
    ((waited != 20)) || say "waiting for the server to open $data_dir"
    sleep 0.1
  done
  tail -n 20 "$log" >&2
  fail "the server did not start" "its whole log is in $log"
}

wait_for_server
"$bin/slipstream-demo" "$dataset" --host "$host" --port "$port"
say "The server runs until Ctrl-C. Its log: $log"
wait "$server" || fail "the server ended by itself" "$(tail -n 5 "$log")"
