#!/usr/bin/env bash
# Builds the programs and runs every test of the workspace, the model of commit and recovery, and what the README shows. With
# arguments it runs only those tests that they select (they go to the test runner).
#
# The tests find the server as SLIPSTREAM_BIN and a Python with real clients as SLIPSTREAM_PYTHON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

# One build for programs and tests: built apart, they could ask for other features of shared dependencies.
cargo build --workspace --bins --tests
SLIPSTREAM_BIN=$(target_dir)/debug/slipstream
SLIPSTREAM_PYTHON=$cache/venv/bin/python
export SLIPSTREAM_BIN SLIPSTREAM_PYTHON

if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace "$@"
else
  cargo test --workspace "$@"
fi
if (($# == 0)); then
  cargo test --locked --quiet --manifest-path engine/model/Cargo.toml -- --nocapture --test-threads 1
  scripts/test_readme.sh
fi
