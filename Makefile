# make help      what there is
# Everything runs in .venv, which each target makes first: Python 3.11+ and make are enough.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
export BRANCH
# Container images like to set it; each of pytest's workers would then compile every test anew, in every run.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo sandbox deploy bench reliability fuzz test lint types imports pytest coverage image pictures tables lock
IMAGE ?= stormkit-action:local
# Another base than the pinned one, such as BASE=python:3.13-slim. Without BuildKit, Docker pulls the base of every stage,
# so the stage of the pinned one is left out then.
BASE ?=
PINNED := $(shell sed -n 's/^FROM \(.*\) AS pinned$$/\1/p' Dockerfile)
# Where the build gets its packages, for whoever has set these: a name without a value passes the environment's.
BUILD_ARGS := $(addprefix --build-arg ,HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST)

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

# The locks are complete, so pip resolves nothing and does not ask an index which version is the newest.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
CHECK := $(BIN)/python -m pip check --disable-pip-version-check

# PIP installs another pip than the one that Python brings, in a new environment: PIP=pip==22.3, or PIP=pip for the newest.
PIP ?=

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, such as make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(if $(PIP),$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade $(PIP))
	@touch $@

# What the action runs with.
$(VENV)/run: requirements.txt | $(VENV)/made
	$(INSTALL) -r requirements.txt
	$(CHECK)
	@touch $@

# And what it is tested with.
$(READY): requirements-dev.txt $(VENV)/run
	$(INSTALL) -r requirements-dev.txt
	$(CHECK)
	@touch $@

demo: $(VENV)/run ## Run the action on a sample pull request, without an account
	@$(BIN)/python -m sandbox.demo

sandbox: $(READY) ## Serve a local Stormkit, a local GitHub and a page, to try the action on
	@$(BIN)/python -m sandbox

deploy: $(VENV)/run ## Deploy BRANCH with STORMKIT_API_KEY (and STORMKIT_ENV_ID) from this terminal
	@$(BIN)/python entrypoint.py --branch "$$BRANCH"

test: lint types imports pytest ## Everything that has to pass before a merge

lint: $(READY) ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## Types, strict
	$(BIN)/mypy

imports: $(READY) ## Imports point one way
	$(BIN)/lint-imports

# Most of the tests wait for processes and builds, so there are more workers than cores.
WORKERS ?= $(shell $(BIN)/python -c 'import os; print(2 * os.cpu_count())')
pytest: $(READY) ## The tests alone
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# Of the tests that run the package in their own process. The others run it as GitHub does, uncounted.
COUNTED := tests/commands tests/github_api tests/reporting tests/stormkit $(wildcard tests/test_*.py)
coverage: $(READY) ## Which lines the tests run
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term -m 'not hypothesis' $(COUNTED)

image: ## The image as stormkit-action:local, and what it adds to its base
	sed '$(if $(BASE),/ AS pinned$$/d)' Dockerfile | \
		docker build $(BUILD_ARGS) $(BUILD_FLAGS) $(if $(BASE),--build-arg BASE=$(BASE)) --tag $(IMAGE) --file - .
	@base=$(or $(BASE),$(PINNED)) && { docker image inspect $$base >/dev/null 2>&1 || docker pull --quiet $$base; } && \
		image_size=$$(docker image inspect --format '{{.Size}}' $(IMAGE)) && \
		base_size=$$(docker image inspect --format '{{.Size}}' $$base) && \
		awk -v image=$$image_size -v base=$$base_size -v name=$$base \
			'BEGIN { printf "%s adds %.1f MB to %s\n", "$(IMAGE)", (image - base) / 1e6, name }'

CHROMIUM ?= chromium
pictures: $(READY) ## Draw the pictures of docs/images: the tests' golden files, and the page of make sandbox
	@command -v npm >/dev/null && command -v $(CHROMIUM) >/dev/null || { echo "npm and Chromium are needed: apt-get install npm chromium fonts-noto-color-emoji"; exit 1; }
	CHROMIUM=$(CHROMIUM) $(BIN)/python -m tools.pictures.page
	cd tools/pictures && npm ci --no-audit --no-fund --ignore-scripts && CHROMIUM=$$(command -v $(CHROMIUM)) node draw.mjs

tables: $(READY) ## Write the inputs and outputs into action.yml and docs/
	$(BIN)/python -m tools.doc_tables

# Locks everything for all Pythons and processors at once. UPGRADE= keeps what is locked and adds what is missing.
UPGRADE ?= --upgrade
LOCK := build/lock
lock: ## Lock the newest dependencies, with hashes, in requirements.txt and requirements-dev.txt
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/pip install --quiet --disable-pip-version-check uv
	for each in requirements requirements-dev; do \
		$(LOCK)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-annotate --no-header \
			$(UPGRADE) $$each.in --output-file $$each.txt || exit; \
	done

bench: $(READY) image ## Measure how fast it is, and write docs/performance.md
	BASE=$(BASE) $(BIN)/python -m tools.bench

reliability: $(READY) ## Run every fault of every call against the sandbox, and write docs/reliability.md
	$(BIN)/python -m tools.reliability

fuzz: $(READY) ## Judge 50,000 reports of hostile text as GitHub would show them, in some minutes
	$(BIN)/python -m tools.fuzz
