# make run, make test: see README.md. PROFILE=dev runs the unoptimised binaries, PROFILE=release those that are installed.

PROFILE ?= release
OUT = $(or $(CARGO_TARGET_DIR),target)
BIN_DIR ?= $(OUT)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
# Contacts of the campaign; empty: all.
CONTACTS ?=
# 1: the campaign of make trace is driven by previews.
PREVIEW ?=
export BIN_DIR CONTACTS PREVIEW

.PHONY: help sim mutants fuzz run test build fmt lint trace bench bench-growth bench-overload bench-backup bench-campaigns bench-front bench-api api-tools api-proofs drill drills scan slow upgrade clean-run

help:
	@echo 'make sim        SEEDS=n seeds of the simulator from FIRST=n on, or one with SEED=n'
	@echo 'make mutants    deliberate mistakes: each must be caught by the simulator'
	@echo 'make fuzz       MINUTES=n of frames that no release sends, then MINUTES=n of changed seeds to all readers (TARGET=name: to one), from seed FIRST=n on, or one with SEED=n'
	@echo 'make run        two nodes and a witness in this terminal'
	@echo 'make test       every test'
	@echo 'make lint       formatting, clippy, and cargo deny where it is installed'
	@echo 'make trace      the requests of a real campaign through both nodes, with failovers (CONTACTS=n: the first n contacts; PREVIEW=1: agents fetch them)'
	@echo 'make bench      our pair beside PostgreSQL, etcd, Redis and the floor (ROUNDS=n, SECS=n); names missing packages'
	@echo 'make bench-growth    cost at RECORDS="10000 1000000 10000000": updates, memory, restart, catch-up, disk'
	@echo 'make bench-overload  four times the updates that the pair can carry (ROUNDS=n, SECS=n)'
	@echo 'make bench-backup    a backup at RECORDS="1000000 10000000": made idle and under load, verified, restored'
	@echo 'make bench-campaigns SECTIONS="preview closed …": previews, cancellations, Do-Not-Call and limits against updates (ROUNDS=n, SECS=n)'
	@echo 'make bench-front     SECTIONS="https tokens traces": updates over HTTPS against HTTP, with API tokens and with traces against none (ROUNDS=n, SECS=n)'
	@echo 'make bench-api       SECTIONS="phone pages nothing": pages and look-ups of REST against updates and reads, at RECORDS=10000000 (ROUNDS=n, SECS=n)'
	@echo 'make api-tools  schemathesis and generators of clients, below target/api-tools; make test uses them where they are'
	@echo 'make api-proofs cursors over API_CHANGES=n changes and a failover, API_PATCHES=n conditional changes by each of two clients, CASES=n of schemathesis, tours of generated clients'
	@echo 'make drill      NAME=kill-primary ROUNDS=n: something befalls a group of real processes (docs/drills)'
	@echo 'make drills     ROUNDS=n of every drill'
	@echo 'make scan       nmap (ROUNDS=n of each kind) and CONNECTIONS=n of random bytes over every port: all open afterwards, nothing restarted or grown'
	@echo 'make slow       slowhttptest with SLOW=n connections of each kind, and a good client beside them'
	@echo 'make upgrade    OLD=directory of programs, or revision: an older release is replaced under load, node by node, there and back (docs/upgrade.md)'
	@echo 'make clean-run  forget the data of make run'

# A profile of its own, without whole-program optimisation, and only the programs of run: a build takes minutes instead of
# ten.
run: PROFILE = demo
run:
	cargo build --locked -p node -p http-proxy -p ocsctl --bins --profile $(PROFILE)
	@BIN_DIR='$(BIN_DIR)' exec deploy/dev/run.sh

# The end-to-end tests start the binaries of this build, and wait more than they compute: four run at a time on a small machine.
# No document has code to be tested, and a clean clone gains nothing from incremental compilation but gigabytes of target.
test: export CARGO_INCREMENTAL ?= 0
test: export RUST_TEST_THREADS ?= $(shell n=$$(nproc); echo $$((n < 4 ? 4 : n)))
test:
	cargo build --locked --workspace --bins --examples
	cargo test --locked --workspace --lib --bins --tests

# The dev profile builds what `make test` has built: with a package less, dependencies would have fewer features, and be built again.
build:
	cargo build --locked --workspace $(if $(filter dev,$(PROFILE)),,--exclude ocs-bench) --bins --profile $(PROFILE)

# Seeds of the simulator; SEED: one of them alone.
SEEDS ?= 500
FIRST ?= 1

sim:
	SEED=$(SEED) cargo run --locked --release -p ocs-tests --bin sim -- $(SEEDS) $(FIRST)

# Only the crates of the workspace are built with the mistakes in them. The latest is caught at seed 594.
mutants: SEEDS = 1000
mutants:
	RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/tests/with-mutants cargo run --locked --release -p ocs-tests --bin mutants -- $(SEEDS)

# Frames of peers that lie: to three cores, and to a node's guard. Then changed seeds to the readers of tests/outside, which share
# the minutes; TARGET: to one reader alone. The dev profile checks overflows. Coverage-guided: tests/fuzz.
MINUTES ?= 10
TARGET ?=

fuzz:
ifeq ($(TARGET),)
	SEED=$(SEED) cargo run --locked -p ocs-tests --bin fuzz -- $(MINUTES) $(FIRST)
endif
	SEED=$(SEED) TARGET=$(TARGET) cargo run --locked -p ocs-outside --bin readers -- $(MINUTES) $(FIRST)
ifeq ($(TARGET),)
	FUZZ_SECONDS=$(if $(SEED),0,60) cargo test --locked -p peers --lib -- tests::lies
endif

fmt:
	cargo fmt --all

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	@if command -v cargo-deny > /dev/null; then cargo deny check; else echo 'cargo deny: skipped, not installed'; fi

trace: build
	ha-tests/trace/run.sh

bench: build
	cargo build --locked --profile $(PROFILE) -p ocs-bench
	ha-tests/bench/run.sh

bench-growth bench-overload bench-backup bench-campaigns bench-front bench-api: build
	cargo build --locked --profile $(PROFILE) -p ocs-bench
	ha-tests/bench/$(@:bench-%=%).sh

# The REST interface in full size (docs/api.md); make test runs a part of each proof. A tool that cannot be installed is skipped by name.
API_CHANGES ?= 200000
API_PATCHES ?= 10000
CASES ?= 5000

api-tools:
	@ha-tests/api/tools.sh

api-proofs: export API_CHANGES := $(API_CHANGES)
api-proofs: export API_PATCHES := $(API_PATCHES)
api-proofs: export CASES := $(CASES)
api-proofs: build api-tools
	ha-tests/api/with-group.sh ha-tests/api/schemathesis.sh
	ha-tests/api/with-group.sh ha-tests/api/clients.sh
	cargo test --locked --release -p ocs-ha-tests --test group -- --nocapture api_proofs::

# Drills: see docs/drills. FLAGS: --seed S, --out FILE.json, --strict.
NAME ?= kill-primary
ROUNDS ?= 1
FLAGS ?=

drill: build
	$(BIN_DIR)/drill $(NAME) --rounds $(ROUNDS) --bin-dir $(BIN_DIR) $(FLAGS)

drills: build
	@failed=; for name in $$($(BIN_DIR)/drill --list); do \
	  $(BIN_DIR)/drill $$name --rounds $(ROUNDS) --bin-dir $(BIN_DIR) $(FLAGS) || failed="$$failed $$name"; \
	done; if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

# Strangers at the ports of a group: see docs/operations.md, Callers. A tool that is not installed is skipped by name.
CONNECTIONS ?= 200000
SLOW ?= 1000

scan: ROUNDS = 5
scan: build
	$(BIN_DIR)/scan nmap random --rounds $(ROUNDS) --connections $(CONNECTIONS) --bin-dir $(BIN_DIR) $(FLAGS)

slow: build
	$(BIN_DIR)/scan slow --slow $(SLOW) --bin-dir $(BIN_DIR) $(FLAGS)

# OLD: a directory with the programs of an older release, or a revision of this repository, which is built below $(OUT)/old once.
# ROUNDS: odd rounds replace the old release, even rounds put it back; an odd last round ends with raising the versions.
OLD ?=

upgrade: ROUNDS = 3
upgrade: build
	@old=$$(ha-tests/old-release.sh '$(OLD)') && \
	  $(BIN_DIR)/drill upgrade --old "$$old" --rounds $(ROUNDS) --bin-dir $(BIN_DIR) $(FLAGS)

clean-run:
	rm -rf run
