# Everything that is done to this repository from a shell. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export STELLAR_BIN := $(CURDIR)/target/debug/stellar
# A test process that something keeps alive fails here, and does not hang.
LIMIT := $(if $(shell command -v timeout),timeout -k 10 2700)
# Each is linted without the others.
FEATURES := ws polling socketio tls
# A line for each step; what passes is not listed, and what fails is shown in full.
SAY = @echo "== $@: $$(sed -nE 's/^$@:.*\#\# //p' Makefile)"

.PHONY: help check test plan lint rust docs fuzz stress soak count client-js client-packages clients python browser demo bench dist

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

test: plan lint rust docs fuzz count ## Run all tests, installing what they need
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target clients browser client-js python
	@echo "all tests passed"

plan:
	@echo "make test: nine steps, half an hour or so on two cores when nothing is built yet; about 5 GB in target/. The last four run in pairs."
	@echo "It installs npm packages and a Python environment below this folder, and on Debian as root, where they are missing,"
	@echo "python3-venv, chromium and valgrind. Only failures are listed; each step ends with its totals."

lint: ## Formatting and clippy, warnings denied; each feature alone
	$(SAY)
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --quiet -- -D warnings
	@cargo clippy --quiet --no-default-features -- -D warnings
	@for feature in $(FEATURES); do \
		cargo clippy --quiet --no-default-features --features $$feature -- -D warnings || exit 1; \
	done

check: ## Formatting, clippy, unit and conformance tests: what to run before each commit
	$(SAY)
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --quiet -- -D warnings
	@cargo nextest run --workspace --lib --bins --test conformance --test house \
		--no-fail-fast --cargo-quiet --status-level fail --final-status-level fail

rust: ## Rust tests
	$(SAY)
	@cargo build --workspace --bins --examples --quiet
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --workspace --no-fail-fast --cargo-quiet --status-level retry --final-status-level flaky; \
	else \
		echo "cargo-nextest is missing (cargo install cargo-nextest): using cargo test"; \
		cargo test --workspace --no-fail-fast --quiet --lib --bins --tests; \
	fi
	@cargo test --workspace --doc --quiet

docs: ## API documentation, warnings denied
	$(SAY)
	@RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

fuzz: ## A minute of bytes that are almost right, for every decoder
	$(SAY)
	@cargo build --workspace --bins --examples --quiet
	@target/debug/stellar-fuzz --seconds 60

stress: ## Clients of every kind at random, and an oracle; STELLAR_STRESS_SECONDS (600), STELLAR_STRESS_SEED
	$(SAY)
	@cargo test --quiet --test stress for_as_long -- --ignored --nocapture

soak: ## A million clients come and go, and the server keeps nothing; STELLAR_SOAK_CYCLES
	$(SAY)
	@cargo build --release --quiet
	@STELLAR_BIN=$(CURDIR)/target/release/stellar cargo test --quiet --test stress soak -- --ignored --nocapture

count: ## Instructions of the hot paths, against their ceilings
	$(SAY)
	@bench/count/run

client-js: ## The client library: unit tests, types, ES5, size, drift of dist/
	$(SAY)
	@cd client-js && npm ci --silent && $(LIMIT) npm test --silent

clients: client-packages ## Real npm clients against the server and the examples
	$(SAY)
	@cargo build --workspace --bins --examples --quiet
	@cd tests/clients && $(LIMIT) npm test --silent

python: ## python-engineio against the server
	$(SAY)
	@cargo build --workspace --bins --examples --quiet
	@tests/python/install
	@$(LIMIT) tests/.python/bin/python -BW ignore::ResourceWarning -m unittest discover --quiet -s tests/python

# Two suites use them, at the same time.
client-packages:
	@cd tests/clients && npm ci --silent

browser: client-packages ## Chromium against the server and the examples
	$(SAY)
	@cargo build --workspace --bins --examples --quiet
	@tests/browser/install-chromium
	@cd tests/browser && npm ci --silent && $(LIMIT) npm test --silent

dist: ## Rebuild client-js/dist
	cd client-js && npm ci --silent && npm run build

demo: ## Run the demo
	cargo run --release -- serve --demo

bench: ## Compare with the floor and eight other servers; takes an hour and wants a quiet machine
	cargo build --release
	cargo run --release -p stellar-bench
