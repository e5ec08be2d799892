#!/usr/bin/env bash
# Builds Kuzu's static library (the C++ inside the crate `lbug`) once, outside cargo's target folder, so that every
# cargo profile and every clone links the same archive.
#
# usage: build-kuzu.sh SOURCE_DIR OUTPUT_DIR        (with CC, CXX and CXXFLAGS in the environment)
#
# OUTPUT_DIR receives lib/liblbug.a, include/{lbug.hpp,lbug.h} and, last of all, the empty file `complete`. The archive is
# one relocatable object in which the bundled C libraries (zstd, lz4, CRoaring, ...) are local symbols, because Rust crates in
# the same binary bring their own copies. An interrupted build goes on where it stopped. SLIPSTREAM_BUILD_JOBS limits the
# number of compilers that run at once (default: one per core).
set -euo pipefail

source_dir=$1
output_dir=$2
build_dir=$output_dir/build
log=$output_dir/build.log
jobs=${SLIPSTREAM_BUILD_JOBS:-$(nproc)}

configure() {
  cmake -S "$source_dir" -B "$build_dir" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DBUILD_SHELL=OFF -DBUILD_SHARED_LBUG=OFF -DBUILD_STATIC_LBUG=ON \
    -DBUILD_SINGLE_FILE_HEADER=ON -DAUTO_UPDATE_GRAMMAR=OFF >"$log" 2>&1 && return
  tail -n 30 "$log" >&2
  echo "kuzu: cmake failed, the whole log is in $log" >&2
  exit 1
}

# Turns ninja's "[done/total] ..." lines into one line every ten seconds, so that a person sees that it moves and a CI log
# stays readable. A resumed build counts what is left. Everything goes to the log; of the rest only errors are shown.
show_progress() {
  local line built total left started=$SECONDS shown=$((SECONDS - 10))
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
      built=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
      ((SECONDS - shown >= 10 || built == total)) || continue
      shown=$SECONDS
      left=$(((SECONDS - started) * (total - built) / (built > 0 ? built : 1)))
      if ((built < total && SECONDS - started < 30)); then
        printf 'kuzu: %3d%%, %d of %d files\n' $((100 * built / total)) "$built" "$total"
      else
        printf 'kuzu: %3d%%, %d of %d files, about %d min left\n' $((100 * built / total)) "$built" "$total" $(((left + 59) / 60))
      fi
    elif [[ $line == FAILED:* || $line == *error:* ]]; then
      printf '%s\n' "$line"
    fi
  done
}

compile() {
  NINJA_STATUS='[%f/%t] ' ninja -C "$build_dir" -j "$jobs" 2>&1 | show_progress && return
  echo "kuzu: the compilation failed, the whole log is in $log; running this again goes on where it stopped" >&2
  exit 1
}

# Strong unmangled symbols outside the C API belong to the bundled libraries. Weak ones stay global, the linker merges them.
localise_bundled_symbols() {
  local merged=$output_dir/merged.o keep=$output_dir/keep-global.txt
  ld -r --whole-archive "$build_dir/src/liblbug.a" --no-whole-archive -o "$merged"
  nm --defined-only -g --format=posix "$merged" |
    awk '!($2 ~ /^[TDBR]$/) || $1 ~ /^_Z/ || $1 ~ /^lbug_/ { print $1 }' >"$keep"
  objcopy --keep-global-symbols="$keep" "$merged"
  rm -f "$output_dir/lib/liblbug.a"
  ar rcs "$output_dir/lib/liblbug.a" "$merged"
  rm "$merged" "$keep"
}

install_headers() {
  local header
  header=$(find "$build_dir" -name lbug.hpp -print -quit)
  cp "$header" "$output_dir/include/lbug.hpp"
  cp "$source_dir/src/include/c_api/lbug.h" "$output_dir/include/lbug.h"
}

# The crate always asks for libstdc++, and two C++ runtimes in one process break exceptions. Beside a library that was
# compiled for libc++ this linker script, which the linker finds first, answers that request with libc++.
redirect_libstdcxx() {
  case " ${CXXFLAGS:-} " in
  *" -stdlib=libc++ "*) echo 'INPUT(-lc++ -lc++abi)' >"$output_dir/lib/libstdc++.so" ;;
  esac
}

mkdir -p "$build_dir" "$output_dir/lib" "$output_dir/include"
echo "kuzu: compiling with ${CXX:-c++} on $jobs cores, once for this machine: about an hour divided by the cores (log: $log)"
configure
compile
echo "kuzu: making the symbols of the bundled libraries local"
localise_bundled_symbols
install_headers
redirect_libstdcxx
rm -rf "$build_dir"
touch "$output_dir/complete"
echo "kuzu: the library is ready"
