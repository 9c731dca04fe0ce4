# Everything a developer does. Each target sets up what it needs; a second run starts in seconds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SET_UP := $(VENV)/.set-up
LOCK := requirements/dev.lock

# The tests of parts: seconds, and run on every version.
PARTS := tests/unit tests/emulator/test_parts.py tests/emulator/test_world.py

# A file's tests stay together, since they share what they have set up; tests/conftest.py puts the longest first.
BY_FILE := --dist loadfile --no-loadscope-reorder

# The Pythons that pyproject.toml allows, newest first; each is looked for on PATH and where pyenv keeps them.
PYTHONS := 3.14 3.13 3.12 3.11
python = $(shell for p in python$(1) $$HOME/.pyenv/versions/$(1).*/bin/python; do $$p -c '' 2>/dev/null && echo $$p && break; done)
NEWEST = $(or $(firstword $(foreach version,$(PYTHONS),$(call python,$(version)))),$(PYTHON))

# Without compiled modules each of the thousand processes of the tests compiles them anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo unit test test-thorough coverage faults newest-set-up test-newest test-newest-parts test-lowest test-pythons test-readers test-cluster test-sdk test-bi test-container test-focus bench bills lint types audit api-news docs check check-change check-release ui lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SET_UP) ## Make .venv with the locked dependencies and this package in it

$(SET_UP): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "braket_etl needs Python 3.11 or newer; set PYTHON=python3.11, say: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV) (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: $(SET_UP) ## Run the whole pipeline on a synthetic account and show what it answers
	@$(BIN)/braket-etl demo

unit: $(SET_UP) ## Run the tests of parts: no Dagster run, no browser, no server; under a minute on two quiet cores
	@$(BIN)/python -m pytest -q -n auto -p no:cacheprovider -m "not (slow or browser or cluster)" $(PARTS)

# Tests count days, and so does what they run: what failed while UTC went from one day to the next is run again.
test: $(SET_UP) ## Run the tests: all that the program does, and one of each sort of fault
	@began=$$(date -u +%F); $(BIN)/python -m pytest -q -n auto $(BY_FILE) -m "not thorough" || { code=$$?; \
	  if [ $$code != 1 ] || [ "$$(date -u +%F)" = "$$began" ]; then exit $$code; fi; \
	  echo "it became midnight in UTC meanwhile: what failed is run again"; \
	  $(BIN)/python -m pytest -q -n auto $(BY_FILE) --last-failed --last-failed-no-failures none; }

test-thorough: $(SET_UP) ## Inject the faults and play the histories of which `make test` has one of each sort
	@$(BIN)/python -m pytest -q -n auto -p no:cacheprovider -m thorough tests/faults

coverage: $(SET_UP) ## Every test, and which lines no test ran (a tenth slower)
	@$(BIN)/python -m pytest -q -n auto $(BY_FILE) --cov --cov-report=term:skip-covered

faults: $(SET_UP) ## Inject every fault and write docs/reliability.md's table (an hour; `make test` runs a short part)
	@$(BIN)/python -m tests.faults.table --full
	@$(BIN)/python -m pytest -q tests/faults/test_security.py

test-cluster: $(SET_UP) ## Backfill into a lake on two workers and kill one (skipped without PostgreSQL and Redis; 4 minutes)
	@BRAKET_ETL_CLUSTER=1 $(BIN)/python -m pytest -q -p no:cacheprovider tests/cluster

newest-set-up:
	@test -x $(VENV)-newest/bin/python || $(NEWEST) -m venv $(VENV)-newest
	@echo "installing the newest that pyproject.toml allows into $(VENV)-newest, without the lock"
	@$(VENV)-newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager --editable '.[dev,cluster,mcp]'
	@$(VENV)-newest/bin/python -m tests.versions

test-newest: newest-set-up ## Run every test on the newest Python that is found and the newest of everything that pyproject.toml allows
	@$(VENV)-newest/bin/python -m pytest -q -n auto $(BY_FILE) -p no:cacheprovider

test-newest-parts: newest-set-up ## The tests of parts, of the warehouse and of the sql verb on the same, for CI (the whole takes as long as `make test`)
	@$(VENV)-newest/bin/python -m pytest -q -n auto -p no:cacheprovider $(PARTS) tests/integration/test_sql_verb.py
	@$(VENV)-newest/bin/python -m pytest -q -n auto -p no:cacheprovider -m warehouse tests/integration

test-lowest: ## Run the tests of parts and of the warehouse on the lowest versions that pyproject.toml allows
	@test -x $(VENV)-lowest/bin/python || $(or $(call python,3.11),$(PYTHON)) -m venv $(VENV)-lowest
	@$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements/lowest.txt --editable '.[dev,cluster,mcp]'
	@$(VENV)-lowest/bin/python -m tests.versions
	@$(VENV)-lowest/bin/python -m pytest -q -n auto -p no:cacheprovider $(PARTS)
	@$(VENV)-lowest/bin/python -m pytest -q -n auto -p no:cacheprovider -m warehouse tests/integration

test-pythons: $(SET_UP) ## Run the tests of parts on every Python that is allowed and found, but for those of the two whole runs
	@for found in $(foreach version,$(PYTHONS),$(version)=$(call python,$(version))); do \
	  version="$${found%%=*}"; python="$${found#*=}"; venv=$(VENV)-$$version; \
	  if [ -z "$$python" ]; then echo "Python $$version: not run, not on PATH or under pyenv"; continue; fi; \
	  case " $$($(BIN)/python -V) $$($(NEWEST) -V)" in *" $$version."*) echo "Python $$version: all tests run on it"; continue;; esac; \
	  echo "Python $$version:"; \
	  test -x $$venv/bin/python || $$python -m venv $$venv; \
	  $$venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK) && \
	  $$venv/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable . && \
	  $$venv/bin/python -m pytest -q -n auto -p no:cacheprovider $(PARTS) || exit 1; \
	done

test-readers: $(SET_UP) ## Read every table, view and question of a published copy with DuckDB 1.4, 1.5 and 2.x
	@for series in 1.4 1.5 2; do \
	  test -x $(VENV)-duckdb-$$series/bin/python || $(PYTHON) -m venv $(VENV)-duckdb-$$series; \
	  $(VENV)-duckdb-$$series/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "duckdb==$$series.*" pytz || exit 1; \
	  $(VENV)-duckdb-$$series/bin/python -c 'import duckdb; print("reading with DuckDB", duckdb.__version__)'; \
	done
	@BRAKET_ETL_READERS=$(VENV)-duckdb-1.4/bin/python,$(VENV)-duckdb-1.5/bin/python,$(VENV)-duckdb-2/bin/python \
	  $(BIN)/python -m pytest -q -p no:cacheprovider tests/readers

test-sdk: $(VENV)-sdk/.set-up ## Hold costs and the emulator's README against Amazon Braket's own SDK, in a large environment beside
	@$(VENV)-sdk/bin/python -c 'import braket.aws'
	@$(VENV)-sdk/bin/python -m pytest -q -p no:cacheprovider tests/sdk

$(VENV)-sdk/.set-up: $(LOCK) requirements/sdk.lock pyproject.toml
	@test -x $(VENV)-sdk/bin/python || $(PYTHON) -m venv $(VENV)-sdk
	@echo "installing amazon-braket-sdk and the locked dependencies into $(VENV)-sdk (a minute or two, once)"
	@$(VENV)-sdk/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@$(VENV)-sdk/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sdk.lock
	@$(VENV)-sdk/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

test-bi: $(SET_UP) ## Build a dbt model on the published copy and read it through SQLAlchemy, in an environment beside
	@test -x $(VENV)-bi/bin/dbt || { $(PYTHON) -m venv $(VENV)-bi && \
	  $(VENV)-bi/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/bi.txt; }
	@BRAKET_ETL_BI="$(CURDIR)/$(VENV)-bi/bin/python" $(BIN)/python -m pytest -q -p no:cacheprovider tests/bi

test-container: $(SET_UP) ## Build deploy/Containerfile and run it, where docker or podman is, else take its steps beside (4 minutes)
	@engine="$$(for e in docker podman; do $$e info >/dev/null 2>&1 && echo $$e && break; done)"; \
	test -n "$$engine" || echo "no docker or podman answers here: the steps of deploy/Containerfile are taken in a folder"; \
	BRAKET_ETL_CONTAINER="$${engine:-steps}" $(BIN)/python -m pytest -q -p no:cacheprovider tests/container

test-focus: $(SET_UP) ## Hold the FOCUS export against focus-validator, where a Python 3.12 is found
	@python="$$(for p in python3.12 $$HOME/.pyenv/versions/3.12*/bin/python; do $$p -c '' 2>/dev/null && echo $$p && break; done)"; \
	if [ -z "$$python" ]; then echo "focus-validator: not run, no Python 3.12 on PATH or under pyenv"; exit 0; fi; \
	test -x $(VENV)-focus/bin/focus-validator || { $$python -m venv $(VENV)-focus && \
	  $(VENV)-focus/bin/python -m pip install --quiet --disable-pip-version-check 'focus-validator==2.2.1' 'pyarrow==21.0.0'; } && \
	FOCUS_VALIDATOR="$(CURDIR)/$(VENV)-focus/bin/focus-validator" $(BIN)/python -m pytest -q -p no:cacheprovider \
	  tests/integration/test_cost_exchange.py -k focus_validator

bench: $(SET_UP) $(VENV)-bench/.set-up ## Measure everything beside its peer or limit, into docs/performance.md (45 minutes; ARGS=--quick shows that it works)
	@$(BIN)/python -m bench $(if $(ARGS),$(ARGS),--write)

$(VENV)-bench/.set-up: requirements/bench.lock
	@test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	@echo "installing dlt into $(VENV)-bench (half a minute, once)"
	@$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.lock
	@touch $@

bills: $(SET_UP) ## Draw 20 months of work and the bills of them, and see whether they close (a minute)
	@$(BIN)/python -m tests.drawn_bills $(ARGS)

lint: $(SET_UP) ## Check style, format and the layers of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo --no-cache

types: $(SET_UP) ## Check types
	@$(BIN)/mypy

audit: $(SET_UP) ## Hold the locked dependencies against the database of known weaknesses, where it can be reached
	@$(BIN)/python -c 'import urllib.request as r; r.urlopen("https://api.osv.dev/v1/vulns/OSV-2020-744", timeout=10)' 2>/dev/null || \
	  { echo "pip-audit: not run, https://api.osv.dev cannot be reached from here"; exit 0; }; \
	test -x $(VENV)-audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)-audit && \
	  $(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit==2.10.1'; } && \
	$(VENV)-audit/bin/pip-audit --vulnerability-service osv --require-hashes --disable-pip --requirement $(LOCK)

api-news: $(SET_UP) ## Tell what Braket's API has in the newest botocore that our tables do not know; a warning, never a failure
	@test -x $(VENV)-botocore/bin/python || $(PYTHON) -m venv $(VENV)-botocore
	@$(VENV)-botocore/bin/python -m pip install --quiet --disable-pip-version-check --upgrade botocore 2>/dev/null || \
	  echo "api-news: the newest botocore cannot be had from here; asking the one that is there"
	@PYTHONPATH="$$(echo $(VENV)-botocore/lib/python*/site-packages)" $(BIN)/python -m tests.api_news || \
	  echo "warning: api-news: the newest botocore could not be asked"

docs: $(SET_UP) ## Write what is generated: pages of docs/, and what the statements of sql/ read
	@$(BIN)/python docs/build.py

check-change: lint types audit api-news test test-newest-parts test-readers test-lowest test-sdk test-bi test-focus ## What must pass before a change lands

check-release: test-thorough test-cluster test-pythons test-container ## What must pass besides before a release; CI runs it where its machine is fast enough

check: check-change check-release ## Everything

ui: $(SET_UP) ## Open the Dagster UI on the demo's warehouse
	@$(BIN)/braket-etl --home .braket_etl-demo ui

lock: ## Lock the dependencies anew, with hashes and without index addresses (needs uv)
	uv pip compile --universal --no-strip-extras --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --extra dev --extra lake --extra excel --extra cluster --extra mcp -c requirements/constraints.txt pyproject.toml -o $(LOCK)
	echo hatchling | uv pip compile --universal --no-strip-extras --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate --python-version 3.11 -c $(LOCK) - pyproject.toml -o requirements/run.lock
	{ echo '# The lowest versions that pyproject.toml allows, made by "make lock"; "make test-lowest" runs on them.'; \
	  uv pip compile --resolution lowest-direct --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
	  --extra dev --extra cluster --extra mcp pyproject.toml; } > requirements/lowest.txt

clean: ## Remove what the targets made, but no warehouse
	rm -rf $(VENV) $(VENV)-newest $(VENV)-lowest $(VENV)-3.* $(VENV)-duckdb-* $(VENV)-sdk $(VENV)-bi $(VENV)-focus $(VENV)-audit $(VENV)-botocore $(VENV)-bench .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* build dist
