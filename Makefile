# Commands for work on skdeepfake. `make` alone lists them.
PYTHON ?= python

.PHONY: help setup test lint docs ci nightly

help:  ## List the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1: \2/p' Makefile

setup:  ## Install skdeepfake with what tests and documentation need
	$(PYTHON) -m pip install -e ".[test,docs]"

test:  ## Run the tests of every commit, in two processes
	$(PYTHON) -m pytest -n 2

lint:  ## Check style, format and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

docs:  ## Build the site in docs/_build/html
	$(PYTHON) -m sphinx -W --keep-going -b html docs docs/_build/html

ci:  ## Run continuous integration, in a virtual environment of its own
	bash .ci/run

nightly:  ## The same with all tests, all examples and all environments
	bash .ci/run nightly
