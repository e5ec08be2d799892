# The commands of this repository; `make` alone lists them. Each one sets the machine up first (scripts/setup.sh), which
# takes under a second when nothing is to do.

# What the demo loads (crates or apt), where it and `make serve` keep their data, and where the server listens.
DATA     ?= crates
DATA_DIR ?= data/demo
LISTEN   ?= 127.0.0.1:5433

# Demo and tests use the dev profile, so that neither builds the dependencies a second time.
SERVER := -p slipstream-pgwire-server --bin slipstream
LOADER := -p slipstream-benches --bin slipstream-demo

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test soak tck check bench clean-data

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@printf '\nThe first set-up compiles Kuzu, which takes about an hour divided by the cores; it shows its progress.\n'

setup: ## install what is missing to build, once
	@scripts/setup.sh

demo: setup ## start a server with real data in it [DATA=crates|apt] [DATA_DIR=...] [LISTEN=...]
	cargo build $(SERVER) $(LOADER)
	@scripts/demo.sh '$(DATA)' '$(DATA_DIR)' '$(LISTEN)'

serve: setup ## start a server [DATA_DIR=...] [LISTEN=...]
	cargo run $(SERVER) -- serve --data '$(DATA_DIR)' --listen '$(LISTEN)'

test: ## run all tests
	@scripts/setup.sh test
	@scripts/test.sh

soak: ## the long rounds: 200 kills under transfers, many statements against PostgreSQL [SEED=...]
	@scripts/setup.sh test
	@scripts/soak.sh '$(SEED)'

tck: setup ## the openCypher TCK in a folder that has it: TCK=folder [UPDATE=1] [ONLY=name]
	@test -n '$(TCK)' || { echo 'make tck TCK=folder: where the feature files of the openCypher TCK are'; exit 2; }
	cargo build --workspace --bins --tests
	@scripts/tck.sh '$(TCK)' '$(UPDATE)' '$(ONLY)'

check: setup ## format, lints, documentation, licences
	@scripts/check.sh

bench: ## Slipstream against bare Lance, Kuzu and PostgreSQL 17, in the release profile, a long build [SUITE=reading|patterns|commits|copying|vectors|texts]
	@scripts/setup.sh bench
	cargo build --release $(SERVER)
	cargo build --release -p slipstream-benches --features peers --bin slipstream-bench
	@scripts/bench.sh $(SUITE)

clean-data: ## delete the demo's data [DATA_DIR=...]
	@scripts/clean-data.sh '$(DATA_DIR)'
