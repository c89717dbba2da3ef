# Commands for the development of skdeepfake. Run `make` to list them.
PYTHON ?= python

.PHONY: help setup test lint docs ci nightly

help:  ## List the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1: \2/p' Makefile

setup:  ## Install skdeepfake with the requirements for tests and documentation
	$(PYTHON) -m pip install -e ".[test,docs]"

test:  ## Run all tests except nightly ones in two processes
	$(PYTHON) -m pytest -n 2

lint:  ## Check style, format and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

docs:  ## Build the documentation in docs/_build/html
	$(PYTHON) -m sphinx -W --keep-going -b html docs docs/_build/html

ci:  ## Run continuous integration in a new virtual environment
	bash .ci/run

nightly:  ## Run continuous integration with all tests, examples and environments
	bash .ci/run nightly
