#!/usr/bin/env bash
# Everything that is checked without running the program: format, lints, documentation, licences, shell scripts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

# A target folder of its own: lints need no code, and need not wait for (or hold up) a build that goes on beside them.
CARGO_TARGET_DIR=$(target_dir)-check
export CARGO_TARGET_DIR

cargo fmt --all --check
cargo fmt --manifest-path engine/model/Cargo.toml --check
cargo clippy --workspace --all-targets --all-features --quiet -- -D warnings
cargo clippy --locked --manifest-path engine/model/Cargo.toml --all-targets --quiet -- -D warnings
# The reader of these documents works on the program, so they hold what is private, and may link to it.
RUSTDOCFLAGS='-D warnings -A rustdoc::private-intra-doc-links' \
  cargo doc --workspace --no-deps --document-private-items --all-features --quiet
if cargo deny --version >/dev/null 2>&1; then
  cargo deny --log-level error check
else
  say "check: cargo-deny is not installed, so licences and advisories are not checked (cargo install --locked cargo-deny)"
fi
if have shellcheck; then
  shellcheck -x scripts/*.sh .ci/run
fi
