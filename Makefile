# The workshop. `make help` lists the words; each works in a fresh clone, `setup` comes along by itself.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
STAMP := .venv/.stamp
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header
# More of pytest's options: make test ARGS="-k tokens"
ARGS ?=
# Which rows of the scoreboard, and whether in their long form: make reliability ROWS=3,8 FULL=1
ROWS ?=
FULL ?=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: setup
setup: $(STAMP) ## make .venv with the locked dependencies and neve itself; done once, repeated when the lock changes

$(STAMP): requirements/dev.txt pyproject.toml tools/setup.sh
	@tools/setup.sh

.PHONY: check
check: $(STAMP) ## format, lint, types, import rules, tidy, generated files
	@$(BIN)/python -m tools.check

.PHONY: test
test: $(STAMP) ## the tests a change needs
	@$(BIN)/pytest -n 2 -m "not slow" $(ARGS)

.PHONY: test-all
test-all: $(STAMP) ## every test that this machine can run, with the long searches
	@$(BIN)/pytest -n 2 --hypothesis-profile=thorough $(ARGS)

.PHONY: bench
bench: $(STAMP) ## throughput and latency, as a table
	@$(BIN)/python -m benchmarks.run $(ARGS)

.PHONY: reliability
reliability: $(STAMP) ## the reliability scoreboard; ROWS=3,8 for some of it, FULL=1 for its long form
	@$(BIN)/python -m tools.reliability --rows "$(ROWS)" $(if $(FULL),--full) $(ARGS)

.PHONY: demo
demo: $(STAMP) ## a disk image through the whole service, kill -9 included, in about a minute
	@$(BIN)/python -m demo $(ARGS)

.PHONY: serve
serve: $(STAMP) ## a server on loopback with throw-away data, and the credentials to use it
	@$(BIN)/python -m tools.serve $(ARGS)

.PHONY: docs
docs: $(STAMP) ## make the generated parts of docs/ again and run every example
	@$(BIN)/python -m tools.draw_states
	$(BIN)/python -m tools.paste_help
	$(BIN)/pytest tests/docs $(ARGS)

.PHONY: lock
lock: $(STAMP) ## resolve the dependencies anew: requirements/*.txt
	@$(LOCK) --upgrade pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) --upgrade --extra dev --constraint requirements/runtime.txt pyproject.toml \
		--output-file requirements/dev.txt

.PHONY: clean
clean: ## remove what the other words made, .venv included
	@rm -rf .venv build dist src/*.egg-info bench-results
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
