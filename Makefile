# Everything that people and CI run here; `make` lists it. Needs Python 3.11 or newer and make, nothing else.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
# The lock names every package, so nothing is looked up: what appeared since it was written cannot get in the way.
LOCKED := $(INSTALL) --require-hashes --no-deps --only-binary :all:
PROJECT := $(INSTALL) --no-deps --no-build-isolation --editable .
PYTEST := $(BIN)/pytest --numprocesses auto --dist worksteal

# Stamps: what is installed is as new as what was asked for.
RUN := .venv/installed-to-run
DEV := .venv/installed-to-develop

.DEFAULT_GOAL := help
.PHONY: help run test check contracts e2e bench faults fuzz soak lock clean

help:  ## List these commands
	@sed -n 's/^\([a-z0-9]*\):.*  ## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

run: $(RUN)  ## Serve the API on http://localhost:8000, pictures and index under ./data
	@exec $(BIN)/nano-banana-lab serve

test: $(DEV)  ## Run every test on every core
	@$(PYTEST)

check: $(DEV)  ## Lint, check format, types and layers, audit the locked packages
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pip --disable-pip-version-check check
	@$(BIN)/python .ci/audit.py

contracts: $(DEV)  ## Run what every port promises on every adapter, and show the table
	@$(PYTEST) adapters_contract_tests

e2e: $(DEV)  ## Run the tests that start the service as a process
	@$(BIN)/pytest tests/e2e

bench: $(DEV)  ## Measure speed and memory against yardsticks (QUICK=1, ONLY=history, MARKDOWN=1)
	@$(BIN)/python -m tests.benchmarks $(if $(QUICK),--quick) $(if $(MARKDOWN),--markdown) $(addprefix --only ,$(ONLY))

faults: $(DEV)  ## Break each thing the service depends on, for real, and show what becomes of a request
	@$(BIN)/python -m tests.faults --markdown

fuzz: $(DEV)  ## Ask the API at random, more than 10,000 times (EXAMPLES=N for each operation)
	@$(BIN)/python -m tests.fuzz $(if $(EXAMPLES),--examples $(EXAMPLES))

soak: $(DEV)  ## Use the service in every way for a while (MINUTES=5 for each way to store), then count everything twice
	@$(BIN)/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES))

lock:  ## Write requirements.lock from pyproject.toml (UPGRADE=1: with the newest versions)
	@$(PYTHON) .ci/lock.py $(if $(UPGRADE),--upgrade)

clean:  ## Remove what these commands made; pictures under ./data stay
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks dist
	@find src tests adapters_contract_tests .ci -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Nano Banana Lab needs Python 3.11 or newer, and $(PYTHON) is not; name one, as in: make run PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) lacks its venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

$(RUN): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the service runs on ..."
	@sed '/^# == development ==$$/,$$d' requirements.lock > .venv/run.lock
	@$(LOCKED) --requirement .venv/run.lock
	@$(PROJECT)
	@touch $@

$(DEV): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what checks and tests need ..."
	@$(LOCKED) --requirement requirements.lock
	@$(PROJECT)
	@touch $(RUN) $@
