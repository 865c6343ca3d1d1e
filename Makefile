# `make` alone lists the targets. What each needs from the system is installed by tools/install-packages, which says
# what and why before it does anything.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
UV := .setup/uv/bin/uv
UV_VERSION := 0.13.9
# No index address and no date in the files: they are the same wherever they are made.
COMPILE := $(UV) pip compile --quiet --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.11
LOCK_HEAD := \# Exact versions with hashes; made from pyproject.toml by `make lock`.
JOBS ?= 2
PREFIX ?= /opt/pwreset

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: packages-run $(VENV)/.dev ## Make .venv with the pwreset command and everything for developing it

.PHONY: demo
demo: packages-demo $(VENV)/.runtime ## Try pwreset: a private directory, an inbox, a server on https://localhost:8443
	@$(BIN)/pwreset demo

.PHONY: test
test: packages-test $(VENV)/.dev ## Everything CI runs: ruff, mypy, import-linter, docs, then all tests but the long ones
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -n $(JOBS)

.PHONY: test-long
test-long: packages-test $(VENV)/.dev ## The long test: 200 times kill -9 under load (about ten times as long as in make test)
	@PWRESET_KILLS=200 $(BIN)/python -m pytest tests/integration/test_kill.py --timeout 7200

.PHONY: test-webkit
test-webkit: packages-webkit $(VENV)/.dev ## The tests of other browsers in WebKit, too (243 MB of packages more than make test)
	@PWRESET_WEBKIT=1 $(BIN)/python -m pytest -n $(JOBS) tests/browser/test_other_engines.py

.PHONY: check
check: $(VENV)/.dev ## Look without running: ruff, formatting, mypy --strict, import directions, generated docs
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m tools.make_docs --check

.PHONY: bench
bench: packages-test $(VENV)/.dev ## Measure: requests per second, CPU, memory, next to the floor; writes bench/results/
	@$(BIN)/python -m bench

.PHONY: aloud
aloud: packages-aloud $(VENV)/.dev ## Have the screen reader Orca read the person's pages out in Firefox, and print what it says
	@$(BIN)/python -m tests.aloud

.PHONY: docs
docs: $(VENV)/.dev ## Write the generated reference pages anew
	@$(BIN)/python -m tools.make_docs

.PHONY: directories
directories: packages-test $(VENV)/.dev ## Run the contract of directories on all real servers, keep what passed, write its page
	@PWRESET_RECORD_DIRECTORIES=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/contract/test_directory.py
	@$(BIN)/python -m tools.make_docs

.PHONY: install
install: packages-run ## For a server, as root: $(PREFIX), the account pwreset, /etc/pwreset, systemd units
	@tools/install-service $(PREFIX) $(PYTHON)

.PHONY: lock
lock: $(UV) ## Choose versions anew within pyproject.toml and write the lock files (UPGRADE=--upgrade for the newest)
	@$(COMPILE) $(UPGRADE) --output-file requirements.lock pyproject.toml
	@$(COMPILE) $(UPGRADE) --constraint requirements.lock --group dev --output-file requirements-dev.lock pyproject.toml
	@$(COMPILE) $(UPGRADE) --constraint requirements-dev.lock --group build --output-file requirements-build.lock
	@$(COMPILE) $(UPGRADE) --constraint requirements-dev.lock --extra apprise --output-file requirements-apprise.lock pyproject.toml
	@for file in requirements.lock requirements-dev.lock requirements-build.lock requirements-apprise.lock; do \
	    sed -i '1i $(LOCK_HEAD)' $$file; \
	done

.PHONY: clean
clean: ## Remove what was made: .venv, caches, results
	rm -rf $(VENV) .setup dist artefacts .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: packages-run packages-demo packages-test packages-webkit packages-aloud
packages-run packages-demo packages-test packages-webkit packages-aloud: packages-%:
	@tools/install-packages $*

$(VENV)/.made:
	@echo "Making $(VENV) ($$($(PYTHON) --version), $$(command -v $(PYTHON)))"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'pwreset needs Python 3.11 or newer'; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Two steps: what builds python-ldap and pwreset comes first, so that pip need not fetch unpinned build tools by itself.
$(VENV)/.runtime: $(VENV)/.made requirements-build.lock requirements.lock pyproject.toml
	@echo 'Installing what pwreset runs on, each file checked by its hash (python-ldap is compiled here)'
	@$(PIP) install --require-hashes -r requirements-build.lock
	@$(PIP) install --require-hashes --no-build-isolation -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo 'Installing what tests and checks need'
	@$(PIP) install --require-hashes --no-build-isolation -r requirements-dev.lock
	@touch $@

$(UV):
	@$(PYTHON) -m venv .setup/uv
	@.setup/uv/bin/pip --disable-pip-version-check --quiet install uv==$(UV_VERSION)
