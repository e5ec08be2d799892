# Shared by the scripts in this folder (sourced, not run): where things are kept, and how to talk to the person who waits.
# shellcheck shell=bash disable=SC2034

# Everything expensive lives here, outside the clone: Kuzu's library, cargo's target folder, the Python environment of the tests.
cache=${SLIPSTREAM_CACHE:-$HOME/.cache/slipstream}

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
fail() {
  warn "error: $1"
  shift
  (($# == 0)) || printf '  %s\n' "$@" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Cargo's target folder, wherever the configuration or CARGO_TARGET_DIR puts it.
target_dir() { cargo metadata --no-deps --offline --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'; }
