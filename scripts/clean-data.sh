#!/usr/bin/env bash
# Deletes a database folder, and refuses to delete anything else.
#
# usage: clean-data.sh DATA_DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

data_dir=$1
if [[ ! -e $data_dir ]]; then
  say "$data_dir does not exist"
elif [[ ! -f $data_dir/format.json ]]; then
  fail "$data_dir is not a Slipstream database: it has no format.json" "delete it by hand if that is what you want"
else
  rm -rf "$data_dir" "$data_dir.log"
  say "deleted $data_dir"
fi
