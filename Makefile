# Everything runs in .venv, made on first use. A stamp file in it says what is installed: no stamp, or one older than
# pyproject.toml or constraints.txt, and it is installed (again).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*)
# Test processes: one a core.
PYTEST_ARGS ?= --numprocesses auto

BASE := $(VENV)/.stamp-base
TESTS := $(VENV)/.stamp-tests
DEV := $(VENV)/.stamp-dev

INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
# pip builds packages in an environment of its own, which reads pins from the environment only: older pips from the first
# variable, newer ones from the second.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help train test check check-format check-lint check-types check-imports format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

train: $(BASE)  ## train a small model on the handwritten digits
	$(BIN)/labkeras train experiment=digits_cnn

test: $(TESTS)  ## run the whole test suite; choose with PYTEST_ARGS="-k dense"
	$(BIN)/python -m pytest --timeout=600 $(PYTEST_ARGS)

check: check-format check-lint check-types check-imports  ## format, lint, types and the layers of imports

check-format: $(DEV)  ## tell which files `make format` would change
	$(BIN)/ruff format --check .

check-lint: $(DEV)  ## lint with ruff
	$(BIN)/ruff check .

check-types: $(DEV)  ## check types with mypy
	$(BIN)/mypy

check-imports: $(DEV)  ## check that imports point down
	$(BIN)/lint-imports

format: $(DEV)  ## format, and repair what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv, caches and build results; never runs/
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Without its stamp a .venv was left half-made: begin again.
$(BASE): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null || { echo "labkeras needs Python 3.11 or newer, and there is no '$(PYTHON)'. Name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "labkeras needs Python 3.11 or newer. Received: $$("$(PYTHON)" --version 2>&1) ('$(PYTHON)'). Name another: make PYTHON=/path/to/python" >&2; exit 1; }
	@test -e $@ || "$(PYTHON)" -m venv --clear $(VENV)
	$(INSTALL) --editable .
	@touch $@

$(TESTS): $(BASE) $(PLUGINS:=/pyproject.toml)
	$(INSTALL) --editable ".[tests]" $(PLUGINS:%=--editable ./%)
	@touch $@

$(DEV): $(BASE)
	$(INSTALL) --editable ".[dev]"
	@touch $@
