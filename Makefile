# Everything a person or a machine does here. `make` alone explains itself from the comments behind the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
export AIRFLOW__CORE__LOAD_EXAMPLES := False

.PHONY: help setup demo stop test check lint unit contract faults fuzz airflow test-cluster kill-matrix env bench peers pack dist registry docs api lock clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.stamp ## Make .venv from the lock (quick when nothing has changed)

.venv/.stamp: requirements.txt pyproject.toml scripts/setup
	@scripts/setup
	@touch $@

demo: setup ## Start PostgreSQL, an API and Airflow here, and run three integrations
	@$(BIN)/python -m demo start

stop: ## End everything that the demo started
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m demo stop; else echo "nothing was ever started here"; fi

test: setup ## Run every test suite, each with its budget of seconds
	@$(BIN)/python -m scripts.suites unit contract faults airflow pack cluster

check: setup ## Lint, types, layers, and whether generated files are fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict demo scripts
	$(BIN)/lint-imports
	$(BIN)/python -m dragoman.language.build_registry --check
	$(BIN)/python -m scripts.docs --check
	$(BIN)/python -m scripts.public_api --check

lint: setup ## Mend what ruff can mend by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

unit: setup ## Only the unit tests (budget 90 s)
	@$(BIN)/python -m scripts.suites unit

contract: setup ## Only the contract tests: connectors against real systems
	@$(BIN)/python -m scripts.suites contract

faults: setup ## The whole fault matrix: every destination, every failpoint, every peer fault (within an hour)
	@$(BIN)/python -m scripts.suites matrix

fuzz: setup ## Change a source at random, stop runs at random, and look whether all arrives (up to half an hour)
	@$(BIN)/python -m scripts.suites fuzz

airflow: setup ## Only the tests inside Airflow (budget 240 s)
	@$(BIN)/python -m scripts.suites airflow

bench: setup ## Print the benchmarks' tables, each beside its limit (takes minutes; wants a quiet machine)
	$(BIN)/python benchmarks/load_postgres.py --rows 5000000 --rounds 3
	$(BIN)/python benchmarks/parse.py
	$(BIN)/python benchmarks/read_csv.py
	$(BIN)/python benchmarks/translation.py

peers: setup ## Put dlt and hand-written Airflow hooks to the same faults, and write benchmarks/peers.md (about 20 minutes)
	@benchmarks/peers/install
	@cd benchmarks && ../$(BIN)/python -m peers

test-cluster: setup ## Only the tests with two Celery workers, Redis and PostgreSQL (budget 180 s)
	@$(BIN)/python -m scripts.suites cluster

kill-matrix: setup ## Kill each part of such a cluster in mid-run and count what came of it (about 20 minutes)
	@$(BIN)/python -m scripts.cluster.kill_matrix

env: ## Write .env for docker-compose.yaml, with random secrets; refuses to overwrite one
	@python3 scripts/env.py

pack: setup ## Only the tests of the wheel in a fresh plain Airflow (budget 150 s)
	@$(BIN)/python -m scripts.suites pack

dist: setup ## Build the wheel and the source archive into dist/
	@$(BIN)/python -m scripts.dist

registry: setup ## Write plugins/dragoman/registry.json from the manifests
	$(BIN)/python -m dragoman.language.build_registry

docs: registry ## Write the generated pages under docs/
	$(BIN)/python -m scripts.docs

api: setup ## Write docs/public_api.txt, the list of the public API
	$(BIN)/python -m scripts.public_api

lock: setup ## Resolve pyproject.toml anew into requirements.txt, with hashes
	$(BIN)/uv pip compile pyproject.toml --extra fab --extra celery --extra providers --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --upgrade --custom-compile-command "make lock" \
	  --quiet --output-file requirements.txt
	@! grep -n '://' requirements.txt || { echo "the lock must name no host"; exit 1; }

clean: stop ## Remove .venv, the demo's state and caches
	rm -rf .venv .demo .mypy_cache .ruff_cache .import_linter_cache build dist *.egg-info plugins/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
