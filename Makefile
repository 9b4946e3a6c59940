.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON := .venv/bin/python
WORKERS := 3

# What each of the goals below stands on: made once, then only looked at (0.1 s).
.PHONY: environment
environment:
	@python3 tools/bootstrap.py

.PHONY: environment-python
environment-python:
	@python3 tools/bootstrap.py --no-system

.PHONY: environment-browser
environment-browser:
	@python3 tools/bootstrap.py --browser

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: environment ## a practice cluster and Airflow; expand it from two to four hosts; show the proof
	@$(PYTHON) -m demo run

.PHONY: demo-down
demo-down: environment-python ## end what `make demo` started
	@$(PYTHON) -m demo down

.PHONY: test
test: environment-browser ## every test; WORKERS of them at a time, each with a practice cluster of its own
	@$(PYTHON) -m pytest -n $(WORKERS)

.PHONY: test-unit
test-unit: environment ## the tests that need neither Airflow running nor practice hosts; seconds
	@$(PYTHON) -m pytest tests/unit

.PHONY: lint
lint: environment-python ## ruff, mypy and the rules of the house (which room may import which)
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@PYTHONPATH=plugins:. .venv/bin/lint-imports

.PHONY: bench-moves
bench-moves: environment ## time of the direct engine beside gpexpand: CONNECTION=file.json, a cluster with benchmarks.moves prepared and segments added
	@PYTHONPATH=plugins:. $(PYTHON) -m benchmarks.moves run --connection "$(CONNECTION)"

.PHONY: bench-windows
bench-windows: environment-python ## windows used over the fewest that could do, work thrown away, overrun; beside gpexpand
	@PYTHONPATH=plugins:. $(PYTHON) -m benchmarks.windows

.PHONY: bench-scale
bench-scale: environment-python ## time and memory for 100,000 tables and 1,000 segments; CONNECTION=file.json reads a cluster, too
	@PYTHONPATH=plugins:. $(PYTHON) -m benchmarks.scale $(if $(CONNECTION),--connection "$(CONNECTION)")

.PHONY: bench-overhead
bench-overhead: environment ## what the DAG costs beside its commands, of the demo's newest run: DEMO=.demo
	@PYTHONPATH=plugins:. $(PYTHON) -m benchmarks.overhead --demo "$(or $(DEMO),.demo)"

.PHONY: bench-pages
bench-pages: environment-browser ## first paint, bytes and cost of a look of every page with 100,000 tables, in a real browser
	@PYTHONPATH=plugins:. $(PYTHON) -m benchmarks.pages

.PHONY: format
format: environment-python ## rewrite to the one style
	@$(PYTHON) -m ruff check --fix-only .
	@$(PYTHON) -m ruff format .

.PHONY: docs
docs: environment-python ## write docs/reference from the code
	@$(PYTHON) tools/reference.py

.PHONY: pictures
pictures: environment-browser ## pictures of the pages for docs/images, taken while a browser does a whole expansion
	@PAGES_PICTURES=docs/images $(PYTHON) -m pytest tests/integration/test_pages.py

.PHONY: lock
lock: environment-python ## resolve the direct pins anew into the locks with hashes
	@tools/lock.sh
