# Everything below sets itself up: a virtual environment in .venv, filled from hash-locked
# requirements.  Any python3 from 3.11 on will do: make test PYTHON=python3.12

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
# Two test processes a core: many tests wait for a program that waits for the clock.
WORKERS ?= $(shell expr 2 '*' $$(nproc 2>/dev/null || echo 2))
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-full check lint types wheel portable lock clean

help:
	@echo "make demo        the main job on sample_logs/, every command shown"
	@echo "make test        the tests"
	@echo "make test-full   the tests with the long sweeps"
	@echo "make check       ruff, ruff format, mypy"
	@echo "make wheel       dist/custody-*.whl and .tar.gz"
	@echo "make portable    build/portable/custody, which needs nothing of the host (KEY=FILE.pem signs it)"
	@echo "make lock        renew requirements/*.txt (needs uv)"
	@echo "make clean       remove what make made"

setup: $(STAMP)

# Nothing that is not in requirements/dev.txt is ever fetched: the build backend is locked
# there too, and the project itself is installed without isolation and without an index.
$(STAMP): requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "make: $(PYTHON) not found: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1): custody needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot make a virtual environment: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --require-hashes --only-binary=:all: -r requirements/dev.txt
	$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP)
	@PATH="$(abspath $(BIN)):$$PATH" sh sample_logs/demo.sh

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(ARGS)

test-full: $(STAMP)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m "full or not full" $(ARGS)

check: lint types

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy reads the tree as it is installed: cli/ as custody.cli, by links laid afresh each time.
types: $(STAMP)
	@rm -rf build/types/custody && mkdir -p build/types/custody
	@for f in custody/*; do case $$f in */__pycache__) ;; *) ln -s "$(CURDIR)/$$f" "build/types/$$f";; esac; done
	@ln -s "$(CURDIR)/cli" build/types/custody/cli
	cd build/types && "$(abspath $(BIN))/mypy" --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache

wheel: $(STAMP)
	rm -rf dist build/lib build/bdist.*
	$(BIN)/python -m build --no-isolation --outdir dist .

# For a USB stick: the interpreter in .venv, the locked wheels, this machine's libraries, one folder.
PORTABLE ?= build/portable
portable: $(STAMP)
	$(BIN)/python portable/build.py --output $(PORTABLE) $(if $(KEY),--key "$(KEY)")

# The locks name versions and hashes, and no address to fetch from.
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
       --no-emit-index-url --no-header --no-annotate
lock:
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) pyproject.toml --extra dev --constraint requirements/runtime.txt -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra forms --constraint requirements/dev.txt -o requirements/portable.txt
	echo artifacts | $(LOCK) --no-deps - -o requirements/definitions.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find custody cli tests -name __pycache__ -type d -prune -exec rm -rf {} +
