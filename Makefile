# Everything is set up in .venv and target/, without root and without touching the system's Python.
# `make help` lists the targets.

SHELL := /bin/bash
# The interpreter that the environment is made from, also when make runs inside an activated one.
PYTHON := $(shell python3 -c 'import sys; print(sys._base_executable)')
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE := 1

RUST_SOURCES := $(shell find rust -name '*.rs' -o -name 'Cargo.toml' 2>/dev/null) Cargo.toml Cargo.lock

.PHONY: help setup demo demo-json test test-slow check format fuzz bench peers clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# pip works from outside the environment, so that Pythons without ensurepip (Debian's) will do.
$(BIN)/.requirements: requirements/dev.txt
	$(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(BIN)/.native: $(BIN)/.requirements pyproject.toml $(RUST_SOURCES)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check \
	    --no-build-isolation --no-deps --editable .
	@touch $@

setup: $(BIN)/.native ## install everything; leaves the CLI at .venv/bin/mcsec

demo: setup ## run the main job: two domains, one protected broadcast, an adversary
	mcsec demo

demo-json: setup ## the same once more, its claims asserted by a program that reads --json
	mcsec demo --json | python scripts/assert-claims

test: setup ## run the tests (`make peers` first lets the interoperability tests run too)
	cargo test --release --locked --quiet -p mcsec-core
	pytest -n auto

test-slow: setup ## run the long tests too: thousands of random cases, soaks
	pytest -n auto -m 'slow or not slow' --timeout 3600

check: setup ## formatting, lint, types, import rule, and a bounded run of every fuzz target
	cargo fmt --all --check
	cargo clippy --release --locked --quiet --all-targets -- -D warnings
	ruff format --check .
	ruff check .
	mypy
	pytest tests/test_house.py
	python -m tests.fuzz --seconds 20

format: setup ## put the sources into shape
	cargo fmt --all
	ruff format .
	ruff check --fix .

bench: setup ## measure, each figure beside its yardstick
	mcsec bench crypto

peers: ## install the programs that interoperability tests talk to (Debian, needs root)
	./scripts/install-peers

requirements: ## pin and hash the Python requirements again
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(PYTHON) -m pip --python $(BIN)/python install --quiet uv
	$(BIN)/python -m uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	    --no-header --quiet --upgrade -o requirements/runtime.txt
	$(BIN)/python -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	    --no-header --quiet --upgrade -o requirements/dev.txt

clean: ## remove what was built
	rm -rf $(VENV) target build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis mcsec-demo
