# Every target makes the environment it needs in .venv; an active environment other than .venv is never touched,
# and .venv itself is used as it stands when it is the active one.
#
#   make demo    two small studies and their report
#   make test    all tests
#   make fast    the tests that take seconds
#   make real    a few steps on real images that packages carry
#   make package build sdist and wheel, use the wheel from elsewhere, try newer interpreters
#   make bench   the benchmarks
#   make chaos   hundreds of kills, full disks and storms over a tiny study
#   make lint    style, types and the shape of the code
#   make clean   delete caches and builds; .venv and runs/ stay
#
# PYTHON=python3.12 names the interpreter that makes .venv (3.11 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin

export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test fast real package bench chaos lint clean

help:
	@sed -n 's/^#   //p' Makefile

# An environment in use is its owner's: no stamp, hence no installation, is asked of it.
ifeq ($(VIRTUAL_ENV),$(CURDIR)/$(VENV))
dev :=
digits :=
else
dev := $(VENV)/.installed-dev
digits := $(VENV)/.installed-digits
endif

demo: $(digits)
	scripts/demo

test: $(dev)
	python -m pytest -n 2 --dist worksteal

fast: $(dev)
	python -m pytest -n 2 --dist worksteal -m 'not slow'

real: $(dev)
	scripts/real-images

package: $(dev)
	scripts/package
	scripts/other-pythons

bench: $(dev)
	python -m benchmarks

chaos: $(dev)
	scripts/chaos

lint: $(dev)
	ruff check . scripts/shape scripts/settings-table scripts/golden scripts/chaos scripts/mutate scripts/gpu-check scripts/gpu-page scripts/doctor-trial
	ruff format --check . scripts/shape scripts/settings-table scripts/golden scripts/chaos scripts/mutate scripts/gpu-check scripts/gpu-page scripts/doctor-trial
	pyright
	scripts/shape --check

clean:
	rm -rf build dist .coverage .hypothesis .pytest_cache .ruff_cache
	find . -name '.venv*' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"gantlet needs Python 3.11 or newer, and $(PYTHON) is older: name another with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

# By environment variables the pins reach the isolated build of gantlet, too (the second name is that of newer pips).
install := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(BIN)/python -m pip install

# What [dev] installs includes [digits], so its stamp stands for both.
$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(install) -e '.[dev]'
	touch $@ $(VENV)/.installed-digits

$(VENV)/.installed-digits: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(install) -e '.[digits]'
	touch $@
