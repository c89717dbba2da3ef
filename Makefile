# What one needs while working on skdeepfake. `make` alone says what there is.
PYTHON ?= python

.PHONY: help setup test lint docs ci

help:  ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1: \2/p' Makefile

setup:  ## Install skdeepfake with all that tests and documentation need
	$(PYTHON) -m pip install -e ".[test,docs]"

test:  ## Run the tests, two at a time
	$(PYTHON) -m pytest

lint:  ## Check style, format and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

docs:  ## Build the site in docs/_build/html
	$(PYTHON) -m sphinx -W --keep-going -b html docs docs/_build/html

ci:  ## Run the gate, in a virtual environment of its own
	bash .ci/run
