#!/usr/bin/env bash
# Checks that the README tells the truth: loads the demo's crates into a server of its own and runs every statement and every
# Python block of the README against it. Needs the built programs and `setup.sh test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

bin=$(target_dir)/debug
python=$cache/venv/bin/python
work=$(mktemp -d)
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

"$bin/slipstream" serve --data "$work/data" --listen "127.0.0.1:$port" >"$work/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" || true; rm -rf "$work"' EXIT

for _ in {1..300}; do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  kill -0 "$server" || fail "the server did not start" "$(cat "$work/log")"
  sleep 0.1
done
"$bin/slipstream-demo" crates --port "$port" >"$work/demo" || fail "the demo did not load" "$(tail -n 5 "$work/demo" "$work/log")"
"$python" scripts/readme_session.py --check --port "$port" --data "$work/data"
say "README.md shows what psql prints"
