# Two commands do all set-up on a bare machine: `make plan` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.chipwise-setup
OUT    ?= out/baidu-2023
WORKERS ?= auto

.PHONY: setup plan check test test-all validate bench mutants docs clean

$(STAMP): pyproject.toml
	@echo "[1/2] making a virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "chipwise needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "[2/2] installing chipwise and its development tools (a few minutes on a slow line)"
	@$(BIN)/python -m pip install --disable-pip-version-check -e ".[dev]" 2>&1 \
		| grep -E '^(Collecting|Installing|Successfully|ERROR|error)' | cut -c1-110
	@$(BIN)/python -c 'import chipwise'
	@touch $(STAMP)

setup: $(STAMP)

plan: $(STAMP)
	@$(BIN)/chipwise plan baidu-2023 --out $(OUT)

check: $(STAMP)
	$(BIN)/ruff check src tests tools benchmarks
	$(BIN)/ruff format --check src tests tools benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: check
	$(BIN)/python -m pytest -n $(WORKERS) --doctest-modules -m "not slow" tests src

test-all: check
	$(BIN)/python -m pytest -n $(WORKERS) --doctest-modules tests src

validate: $(STAMP)
	$(BIN)/python -m tools.validate_all

bench: $(STAMP)
	$(BIN)/python -m benchmarks

mutants: $(STAMP)
	$(BIN)/python -m tools.mutants --package src/chipwise/rules --sample 400 --seed 0 --minutes 30

docs: $(STAMP)
	$(BIN)/python -m tools.build_docs

clean:
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis
