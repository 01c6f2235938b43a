# Everything that is done to this repository from a shell. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export STELLAR_BIN := $(CURDIR)/target/debug/stellar
# A test process that something keeps alive fails here, and does not hang.
LIMIT := $(if $(shell command -v timeout),timeout -k 10 900)

.PHONY: help test lint rust docs count client-js clients python browser demo bench dist

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

test: lint rust docs count client-js clients python browser ## Run all tests, installing what they need
	@echo "all tests passed"

lint: ## Formatting and clippy, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo clippy --quiet --no-default-features -- -D warnings

rust: ## Rust tests
	cargo build --workspace --quiet
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --workspace --no-fail-fast; \
	else \
		echo "cargo-nextest is missing (cargo install cargo-nextest): using cargo test"; \
		cargo test --workspace --no-fail-fast --lib --bins --tests; \
	fi
	cargo test --workspace --doc --quiet

docs: ## API documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

count: ## Instructions of the hot paths, against their ceilings
	bench/count/run

client-js: ## The client library: unit tests, types, ES5, size, drift of dist/
	cd client-js && npm ci --silent && $(LIMIT) npm test

clients: ## Real npm clients against the server and the examples
	cargo build --quiet --bins --examples
	cd tests/clients && npm ci --silent && $(LIMIT) npm test

python: ## python-engineio against the server
	cargo build --quiet
	tests/python/install
	$(LIMIT) tests/.python/bin/python -BW ignore::ResourceWarning -m unittest discover -s tests/python

browser: ## Chromium against the server and the examples
	cargo build --quiet --bins --examples
	tests/browser/install-chromium
	cd tests/clients && npm ci --silent
	cd tests/browser && npm ci --silent && $(LIMIT) npm test

dist: ## Rebuild client-js/dist
	cd client-js && npm ci --silent && npm run build

demo: ## Run the demo
	cargo run --release -- serve --demo

bench: ## Compare with the floor and eight other servers; takes an hour and wants a quiet machine
	cargo build --release
	cargo run --release -p stellar-bench
