# One command each, from a fresh clone with Python 3.11 to 3.15 and make: nothing else is needed.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help prove lesson site test lint pythons bench coverage page kernels wheel clean

help:
	@echo "make prove     measure every claim of the lesson on this machine (about two minutes)"
	@echo "make lesson    open the lesson in the browser"
	@echo "make site      build the documentation into build/site"
	@echo "make test      run every test"
	@echo "make lint      check style and types"
	@echo "make pythons   run the fast part of the tests on every other Python of this machine"
	@echo "make coverage  which lines the tests reach, kernels as plain Python (slow)"
	@echo "make bench     time evenbatch against PyTorch and JAX"
	@echo "make page      build the lesson's page only"
	@echo "make kernels   compile the engine's kernels to WebAssembly (a minute; 100 MB of tools)"
	@echo "make wheel     build wheel and source archive into dist/"
	@echo "make clean     delete .venv and what tools have kept"

.venv/python.done:
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 16) else "evenbatch needs Python 3.11 to 3.15, and this is %d.%d; try: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv
	touch $@

.venv/core.done: .venv/python.done pyproject.toml constraints.txt
	@echo "Installing evenbatch into .venv (once) ..."
	$(INSTALL) -e '.[mnist1d]'
	touch $@

.venv/dev.done: .venv/core.done
	@echo "Installing the test tools into .venv (once) ..."
	$(INSTALL) -e '.[dev]'
	touch $@

.venv/docs.done: .venv/core.done
	@echo "Installing Sphinx into .venv (once) ..."
	$(INSTALL) -e '.[docs]'
	touch $@

prove: .venv/core.done
	$(BIN)/evenbatch prove --quick $(ARGS)

# The lesson's page, built from web/ if it is missing or old. Node is fetched only if there is none.
page: .venv/core.done
	@node=$$($(BIN)/python web/build.py --wants); [ -z "$$node" ] || $(INSTALL) $$node
	@$(BIN)/python web/build.py

lesson: page
	$(BIN)/evenbatch lesson $(ARGS)

# With the report of the last `make prove`, or one that is measured for it.
site: .venv/docs.done page kernels
	$(BIN)/python docs/site.py $(ARGS)

# The page is tested in a real browser: one that is here, or that Playwright or Debian brings.
test: .venv/dev.done page kernels
	$(BIN)/python web/build.py test
	@$(BIN)/python tests/browsers.py chromium
	$(BIN)/python -m pytest -n 2 --dist loadgroup --durations=15 $(ARGS)

lint: .venv/dev.done page
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python web/build.py lint

pythons: .venv/python.done
	$(BIN)/python tests/pythons.py $(ARGS)

bench: .venv/dev.done
	$(BIN)/python -m bench $(ARGS)

# Only to know. Kernels run as plain Python in their own tests, or their lines would not be seen.
COVER := $(BIN)/python -m coverage run
coverage: .venv/dev.done page
	$(INSTALL) coverage
	NUMBA_DISABLE_JIT=1 $(COVER) -m pytest -q tests/kernels $(ARGS)
	$(COVER) --append -m pytest -q --ignore tests/kernels --ignore tests/lesson tests $(ARGS)
	$(BIN)/python -m coverage report

# The engine for a page without a server. Its tools are fetched where they are missing.
kernels: .venv/core.done
	@tools=$$($(BIN)/python web/kernels.py --wants); [ -z "$$tools" ] || $(INSTALL) $$tools
	@$(BIN)/python web/kernels.py

wheel: page kernels
	$(INSTALL) build
	$(BIN)/python -m build --outdir dist

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist docs/made
