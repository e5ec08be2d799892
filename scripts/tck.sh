#!/usr/bin/env bash
# Runs the openCypher TCK, which is not part of this repository, and compares with the scoreboard.
#
# usage: tck.sh folder [update] [name]      update: add what passes to the scoreboard; name: only scenarios with this in their name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

bin=$(target_dir)/debug
arguments=("$1" --scoreboard tests/tck/scoreboard.txt)
[[ -z ${2:-} ]] || arguments+=(--update)
[[ -z ${3:-} ]] || arguments+=(--only "$3")
SLIPSTREAM_BIN=$bin/slipstream exec "$bin/slipstream-tck" "${arguments[@]}"
