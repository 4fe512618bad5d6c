# `make help` lists the targets. They need only make and Python 3.11 or newer: each target first creates the virtual
# environment .venv with what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
export BRANCH
# Many container images set this variable. With it, every pytest worker would compile every test again in every run.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo sandbox deploy bench reliability fuzz test lint types imports pytest coverage image pictures tables lock
IMAGE ?= stormkit-action:local
# BASE replaces the pinned base image, such as BASE=python:3.13-slim. Without BuildKit, Docker would still pull the pinned
# one, because it builds every stage; so `make image` removes that stage from the Dockerfile.
BASE ?=
PINNED := $(shell sed -n 's/^FROM \(.*\) AS pinned$$/\1/p' Dockerfile)
# How the build reaches a package index. A build argument without a value passes on the environment's, if it is set.
BUILD_ARGS := $(addprefix --build-arg ,HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST)

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

# The locks are complete, so pip resolves nothing and never asks the index for the newest version.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
CHECK := $(BIN)/python -m pip check --disable-pip-version-check

# PIP replaces the pip that comes with Python in a new environment: PIP=pip==22.3, or PIP=pip for the newest.
PIP ?=

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: run make PYTHON=python3.13, for example")'
	$(PYTHON) -m venv $(VENV)
	$(if $(PIP),$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade $(PIP))
	@touch $@

# The action's dependencies.
$(VENV)/run: requirements.txt | $(VENV)/made
	$(INSTALL) -r requirements.txt
	$(CHECK)
	@touch $@

# The dependencies of development and tests.
$(READY): requirements-dev.txt $(VENV)/run
	$(INSTALL) -r requirements-dev.txt
	$(CHECK)
	@touch $@

demo: $(VENV)/run ## Run the action on a sample pull request, without an account
	@$(BIN)/python -m sandbox.demo

sandbox: $(READY) ## Serve a local Stormkit, a local GitHub and a page to try the action on
	@$(BIN)/python -m sandbox

deploy: $(VENV)/run ## Deploy BRANCH with STORMKIT_API_KEY (and STORMKIT_ENV_ID) from this terminal
	@$(BIN)/python entrypoint.py --branch "$$BRANCH"

test: lint types imports pytest ## Run all checks that must pass before a merge

lint: $(READY) ## Check the style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## Check the types, in strict mode
	$(BIN)/mypy

imports: $(READY) ## Check that imports follow the layers
	$(BIN)/lint-imports

# Most tests wait for processes and builds, so there are more workers than cores.
WORKERS ?= $(shell $(BIN)/python -c 'import os; print(2 * os.cpu_count())')
pytest: $(READY) ## Run the tests
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# Coverage counts only the tests that run the package in their own process; the others start it as GitHub does.
COUNTED := tests/commands tests/github_api tests/reporting tests/stormkit $(wildcard tests/test_*.py)
coverage: $(READY) ## Measure which lines the tests run
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term -m 'not hypothesis' $(COUNTED)

image: ## Build the image stormkit-action:local, and print its size over the base image
	sed '$(if $(BASE),/ AS pinned$$/d)' Dockerfile | \
		docker build $(BUILD_ARGS) $(BUILD_FLAGS) $(if $(BASE),--build-arg BASE=$(BASE)) --tag $(IMAGE) --file - .
	@base=$(or $(BASE),$(PINNED)) && { docker image inspect $$base >/dev/null 2>&1 || docker pull --quiet $$base; } && \
		image_size=$$(docker image inspect --format '{{.Size}}' $(IMAGE)) && \
		base_size=$$(docker image inspect --format '{{.Size}}' $$base) && \
		awk -v image=$$image_size -v base=$$base_size -v name=$$base \
			'BEGIN { printf "%s adds %.1f MB to %s\n", "$(IMAGE)", (image - base) / 1e6, name }'

CHROMIUM ?= chromium
pictures: $(READY) ## Draw docs/images from the tests' golden files and the page of make sandbox
	@command -v npm >/dev/null && command -v $(CHROMIUM) >/dev/null || { echo "make pictures needs npm and Chromium: apt-get install npm chromium fonts-noto-color-emoji"; exit 1; }
	CHROMIUM=$(CHROMIUM) $(BIN)/python -m tools.pictures.page
	cd tools/pictures && npm ci --no-audit --no-fund --ignore-scripts && CHROMIUM=$$(command -v $(CHROMIUM)) node draw.mjs

tables: $(READY) ## Write the tables of inputs and outputs into action.yml and docs/
	$(BIN)/python -m tools.doc_tables

# One lock serves all supported Python versions and platforms. UPGRADE= (empty) keeps locked versions and only adds what
# is missing.
UPGRADE ?= --upgrade
LOCK := build/lock
lock: ## Lock the newest dependencies with hashes in requirements.txt and requirements-dev.txt
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/pip install --quiet --disable-pip-version-check uv
	for name in requirements requirements-dev; do \
		$(LOCK)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-annotate --no-header \
			$(UPGRADE) $$name.in --output-file $$name.txt || exit; \
	done

bench: $(READY) image ## Measure the performance, and write docs/performance.md
	BASE=$(BASE) $(BIN)/python -m tools.bench

reliability: $(READY) ## Run the action with every fault in every call, and write docs/reliability.md
	$(BIN)/python -m tools.reliability

fuzz: $(READY) ## Check how GitHub would show 50,000 reports with hostile text; takes a few minutes
	$(BIN)/python -m tools.fuzz
