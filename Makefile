# Works with GNU make 3.81. Everything runs in .venv, which `make setup` makes.
HEADGATE := .venv/bin/headgate
PYTEST := .venv/bin/pytest
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-fast lint format bench clean

help: ## Show this list.
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv with the headgate command (PYTHON=… chooses the Python, ENVOY_BIN=… an Envoy of your own).
	@sh scripts/setup.sh

setup-dev:
	@sh scripts/setup.sh --dev

demo: setup ## Serve the example repository and score it (ARGS=--exit: then stop).
	@exec $(HEADGATE) demo $(ARGS)

test: setup-dev ## Run every test (ARGS=… goes to pytest).
	@exec $(PYTEST) -n 2 $(ARGS)

test-fast: setup-dev ## Run the quick tests, which start no Envoy, replica or Git server.
	@exec $(PYTEST) -n 2 -m "not real and not slow" $(ARGS)

lint: setup-dev ## Check style, types and import contracts.
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

format: setup-dev ## Format the code, and mend what can be mended by itself.
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

bench: setup-dev ## Measure, as ratios within one run (ARGS=… goes to it).
	@exec .venv/bin/python -m benchmarks $(ARGS)

clean: ## Remove .venv and everything else that can be made again.
	rm -rf .venv .build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
