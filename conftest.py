"""Hooks for all tests, including the examples in docstrings."""

from __future__ import annotations

import gc
import os
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

COMPILED = os.environ.get("SKDEEPFAKE_COMPILED") == "1"
#: Number of steps up to which building a graph takes longer than training without it.
FEW_STEPS = 24


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--part`, which selects a part of the tests."""
    parser.addoption(
        "--part", metavar="K/N", help="run a part of the tests: K modulo N"
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Deselect the tests of other parts."""
    if part := config.getoption("--part"):
        k, n = map(int, part.split("/"))
        chosen, others = [], []
        for item in items:
            is_chosen = zlib.crc32(item.nodeid.encode()) % n == k % n
            (chosen if is_chosen else others).append(item)
        config.hook.pytest_deselected(items=others)
        items[:] = chosen


def pytest_collection_finish() -> None:
    """Exclude imported modules from garbage collection, which saves time."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Run short trainings and all predictions eagerly before fixtures are set up.

    For few small images, TensorFlow takes longer to build a graph. Tests with the
    marker `compiled` and runs with SKDEEPFAKE_COMPILED=1 use graphs.
    """
    compiled = bool(item.get_closest_marker("compiled")) or COMPILED
    keras = sys.modules.get("keras")
    if keras is None or keras.backend.backend() != "tensorflow":
        return
    if not hasattr(keras.Model.fit, "few_steps"):
        keras.Model.fit = _eager_if_short(keras.Model.fit)
    keras.Model.fit.few_steps = 0 if compiled else FEW_STEPS
    _predict_eagerly(not compiled)


@pytest.fixture(autouse=True)
def _no_figures_of_others() -> None:
    """Close figures of other tests and of examples in docstrings."""
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


def _predict_eagerly(is_eager: bool) -> None:
    if tensorflow := sys.modules.get("tensorflow"):
        tensorflow.config.run_functions_eagerly(is_eager)


@pytest.fixture
def compiled_predictions() -> None:
    """Predict in graphs, which is faster for recurrent networks that predict often."""
    _predict_eagerly(False)


def _eager_if_short(original: Callable) -> Callable:
    def fit(model: Any, x: Any, **options: Any) -> Any:
        epochs = options.get("epochs", 1) - options.get("initial_epoch", 0)
        n_steps = epochs * getattr(x, "num_batches", FEW_STEPS + 1)
        model.run_eagerly = n_steps <= fit.few_steps
        is_eager = sys.modules["tensorflow"].config.functions_run_eagerly()
        _predict_eagerly(False)
        try:
            return original(model, x, **options)
        finally:
            _predict_eagerly(is_eager)

    return fit
