# One command each, from a fresh clone with Python 3.11 to 3.13 and make: nothing else is needed.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: prove lesson test lint bench clean help

help:
	@echo "make prove   measure every claim of the lesson on this machine (about two minutes)"
	@echo "make lesson  open the lesson in the browser"
	@echo "make test    run every test"
	@echo "make lint    check style and types"
	@echo "make bench   time evenbatch against PyTorch and JAX"

.venv/python.done:
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "evenbatch needs Python 3.11 to 3.13, and this is %d.%d; try: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv
	touch $@

.venv/core.done: .venv/python.done pyproject.toml constraints.txt
	@echo "Installing evenbatch into .venv (once) ..."
	$(INSTALL) -e .
	touch $@

.venv/dev.done: .venv/core.done
	@echo "Installing the test tools into .venv (once) ..."
	$(INSTALL) torch==2.13.0
	$(INSTALL) -e '.[dev]'
	touch $@

prove: .venv/core.done
	$(BIN)/evenbatch prove --quick $(ARGS)

# The lesson's page, built from web/ if it is missing or old. Node is fetched only if there is none.
.PHONY: page
page: .venv/core.done
	@node=$$($(BIN)/python web/build.py --wants); [ -z "$$node" ] || $(INSTALL) $$node
	@$(BIN)/python web/build.py

lesson: page
	$(BIN)/evenbatch lesson $(ARGS)

test: .venv/dev.done page
	$(BIN)/python -m pytest -n 2 $(ARGS)

lint: .venv/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/dev.done
	$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
