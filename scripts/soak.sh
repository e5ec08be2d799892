#!/usr/bin/env bash
# The long rounds, which `make test` has short ones of. Each begins at another place every time, and says which.
#
# usage: soak.sh [seed]      SLIPSTREAM_ROUNDS kills of the server under transfers (200), SLIPSTREAM_STATEMENTS statements compared
#                            with PostgreSQL (50,000), and the model of commit and recovery with one crash more
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

export SLIPSTREAM_SEED=${1:-$(date +%s)}
export SLIPSTREAM_ROUNDS=${SLIPSTREAM_ROUNDS:-200} SLIPSTREAM_STATEMENTS=${SLIPSTREAM_STATEMENTS:-50000}
say "soak: seed $SLIPSTREAM_SEED, $SLIPSTREAM_ROUNDS rounds, $SLIPSTREAM_STATEMENTS statements"

cargo test --locked --quiet --manifest-path engine/model/Cargo.toml -- --nocapture --ignored
cargo build --workspace --bins --tests
SLIPSTREAM_BIN=$(target_dir)/debug/slipstream
export SLIPSTREAM_BIN
for rounds in sigkill_under_transfers bulk_crashes statements_give_what_postgres_gives; do
  started=$SECONDS
  # Of the whole workspace, as it was built: one package alone would ask for other features of shared dependencies.
  log=$(mktemp)
  cargo test --workspace --test integration -- --nocapture --include-ignored "$rounds" | tee "$log"
  grep -qE '^running [1-9]' "$log" || fail "soak: no test is called $rounds"
  rm "$log"
  say "soak: $rounds took $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s"
done
