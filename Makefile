# Everything a developer does here, one word each; `make` alone lists them.
SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.ready
CHECKED := src tests scripts $(wildcard benchmarks examples)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format parts bench drill docs lock clean distclean
.NOTPARALLEL:

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | \
		while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: $(READY) ## Make .venv with all extras from the locked requirement files (quick the second time)

$(READY): requirements/all.txt pyproject.toml scripts/setup.sh
	@scripts/setup.sh
	@touch $@

demo: $(READY) ## Train on handwritten digits and look at the runs: under a minute
	@$(BIN)/runstone demo

test: check parts ## Everything that must hold: lint, format, types, and all tests
	@echo "Tests, two at a time ..."
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile $(TESTS)

check: $(READY) ## Lint, format check and types alone
	@echo "Lint, format and types ..."
	@$(BIN)/ruff check --quiet $(CHECKED)
	@$(BIN)/ruff format --quiet --check $(CHECKED) || \
		{ $(BIN)/ruff format --check $(CHECKED); echo "Mend with: make format"; exit 1; }
	@$(BIN)/mypy --no-error-summary

format: $(READY) ## Format the code, and mend what the linter can mend
	@$(BIN)/ruff check --quiet --fix $(CHECKED) || true
	@$(BIN)/ruff format $(CHECKED)

parts: $(READY) # what the tests start beside Python: PostgreSQL, Slurm, Ray
	@$(BIN)/python scripts/install_parts.py

bench: $(READY) ## Measure, each line against a peer or a limit of the same run
	@$(BIN)/python -m benchmarks

drill: $(READY) parts ## All tests at full count, with fresh seeds: an hour or more
	@RUNSTONE_DRILL=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile $(or $(TESTS),tests)

docs: $(READY) ## Build the documentation into site/
	@$(BIN)/mkdocs build --strict && echo "site/index.html"

lock: $(READY) ## Renew requirements/*.txt: newest versions, hashes, no addresses
	@scripts/lock.sh

clean: ## Remove what was built and cached; .venv stays
	@rm -rf build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove .venv as well
	@rm -rf .venv
