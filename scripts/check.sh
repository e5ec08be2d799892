#!/usr/bin/env bash
# Everything that is checked without running the program: format, lints, documentation, licences, shell scripts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

cargo fmt --all --check
cargo clippy --workspace --all-targets --all-features --quiet -- -D warnings
RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet
if cargo deny --version >/dev/null 2>&1; then
  cargo deny --log-level error check
else
  say "check: cargo-deny is not installed, so licences and advisories are not checked (cargo install --locked cargo-deny)"
fi
if have shellcheck; then
  shellcheck -x scripts/*.sh .ci/run
fi
