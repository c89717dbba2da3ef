"""Each estimator passes scikit-learn's checks, or ours that replace them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from common import checks
from common.estimators import (
    DETECTORS,
    MORE_EPOCHS,
    ON_TABLES,
    ON_TABLES_IN_SHORT,
    TRANSFORMERS,
    WITHOUT_FIT,
    Case,
    make_cases,
)
from common.expected_failures import expected_failures
from sklearn.utils import Bunch, estimator_checks, get_tags
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)
from sklearn.utils.fixes import parse_version

import skdeepfake

OURS = {
    name: check
    for name, check in inspect.getmembers(checks, inspect.isfunction)
    if name.startswith("check_") and check.__module__ == checks.__name__
}
NAMES = [*(type(e).__name__ for e in (*TRANSFORMERS, *DETECTORS)), "Pipeline"]


def learns(estimator: Any) -> bool:
    """Return True if a transformer must be fitted."""
    return get_tags(estimator).requires_fit


LEARNING = {type(e).__name__ for e in TRANSFORMERS if learns(e)}

# Checks of single steps, which do not apply to a pipeline.
OF_STEPS = {
    "check_bad_parameters_are_named",
    "check_detector_knows_the_form_of_frames",
}


def ours(name: str) -> list[str]:
    """Return the names of our checks for an estimator."""
    predicts = name.endswith("Detector") or name == "Pipeline"
    other = "check_transformer_" if predicts else "check_detector_"
    names = [check for check in OURS if not check.startswith(other)]
    if name in LEARNING:
        names.remove("check_transformer_learns_nothing")
    return [c for c in names if not (name == "Pipeline" and c in OF_STEPS)]


# Checks that train a pipeline several times. Its detector is also checked alone.
OF_TRAININGS = {
    "check_detector_takes_names_of_classes",
    "check_detector_weighs_samples",
    "check_fitting_again_forgets",
    "check_samples_may_be_mapped_from_a_file",
    "check_step_of_a_pipeline_gives_the_same",
}


def marks_of(name: str, check: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.nightly] if name == "Pipeline" and check in OF_TRAININGS else []


@pytest.fixture(scope="session")
def cases(
    rendered_videos: Bunch, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Case]:
    """Return a case per estimator with three videos of each class."""
    chosen = [0, 6, 1, 7, 2, 8]
    memory = tmp_path_factory.mktemp("memory")
    X, y = rendered_videos.data[chosen], rendered_videos.target[chosen]
    return make_cases(X, y, memory)


@pytest.fixture(autouse=True)
def _in_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def run(estimator: Any, check: Any) -> None:
    """Run a check of scikit-learn."""
    try:
        check(estimator)
    except Exception as error:
        if check.func.__name__ in expected_failures(estimator):
            # Writing the traceback would take longer than the check.
            raise error.with_traceback(None) from None
        raise


@parametrize_with_checks(
    [*TRANSFORMERS, *DETECTORS], expected_failed_checks=expected_failures
)
def test_scikit_learn(estimator: Any, check: Any) -> None:
    run(estimator, check)


@pytest.fixture
def _single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare results with a tolerance for the single precision of networks."""

    def assert_close(x: Any, y: Any, *_: float, err_msg: str = "", **__: float) -> None:
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-6, err_msg=err_msg)

    for name in ("assert_allclose", "assert_allclose_dense_sparse"):
        monkeypatch.setattr(estimator_checks, name, assert_close)


@pytest.mark.nightly
@pytest.mark.usefixtures("_single_precision")
@parametrize_with_checks(ON_TABLES, expected_failed_checks=expected_failures)
def test_scikit_learn_on_tables(estimator: Any, check: Any) -> None:
    if epochs := MORE_EPOCHS.get(check.func.__name__):
        estimator.set_params(epochs=epochs)
    run(estimator, check)


@pytest.mark.usefixtures("_single_precision")
@parametrize_with_checks(
    ON_TABLES_IN_SHORT, legacy=False, expected_failed_checks=expected_failures
)
def test_scikit_learn_on_tables_in_short(estimator: Any, check: Any) -> None:
    run(estimator, check)


@pytest.mark.usefixtures("thin_vgg16")
@pytest.mark.parametrize(
    ("name", "check"),
    [
        pytest.param(name, check, marks=marks_of(name, check))
        for name in NAMES
        for check in ours(name)
    ],
)
def test_ours(name: str, check: str, cases: dict[str, Case], tmp_path: Path) -> None:
    OURS[check](cases[name], tmp_path)


# -- number of checks ------------------------------------------------------------

# Minimum numbers of checks and of passing checks, as in scikit-learn 1.7. Later
# releases have more checks.
FEWEST = [
    *((e, True, 35, 10 if learns(e) else 22) for e in TRANSFORMERS),
    *((estimator, True, 59, 17) for estimator in DETECTORS),
    *((estimator, True, 59, 55) for estimator in ON_TABLES),
    *((estimator, False, 14, 11) for estimator in ON_TABLES_IN_SHORT),
]


def names_of_checks(estimator: Any, *, legacy: bool = True) -> set[str]:
    """Return the names of scikit-learn's checks for an estimator."""
    found = estimator_checks_generator(estimator, legacy=legacy)
    return {check.func.__name__ for _, check in found}


@pytest.mark.parametrize(
    ("estimator", "legacy", "n_checks", "n_passing"),
    FEWEST,
    ids=lambda e: type(e).__name__,
)
def test_checks_are_as_many_as_there_were(
    estimator: Any, legacy: bool, n_checks: int, n_passing: int
) -> None:
    """A tag could disable all checks of scikit-learn without a failure."""
    names = names_of_checks(estimator, legacy=legacy)
    assert len(names) >= n_checks
    assert len(names - expected_failures(estimator).keys()) >= n_passing


@pytest.mark.parametrize(
    "estimator", [*TRANSFORMERS, *DETECTORS], ids=lambda e: type(e).__name__
)
def test_what_stands_for_a_failing_check_is_run(estimator: Any) -> None:
    names = names_of_checks(estimator)
    tabular = ON_TABLES[0]
    on_tables = names_of_checks(tabular) - expected_failures(tabular).keys()
    expected = expected_failures(estimator)
    if parse_version(sklearn.__version__) >= parse_version("1.9"):
        assert expected.keys() <= names  # older versions do not have all of them
    for name in names & expected.keys():
        stands_for_it = expected[name].partition(",")[0]
        if stands_for_it == f"{name} on tables":
            assert name in on_tables
        elif not stands_for_it.startswith("none: "):
            assert stands_for_it in ours(type(estimator).__name__)


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_set_params,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.parametrize("thing", WITHOUT_FIT, ids=lambda thing: type(thing).__name__)
def test_parameters_of_what_has_no_fit(thing: Any, check: Any) -> None:
    check(type(thing).__name__, thing)


def test_every_public_estimator_is_checked() -> None:
    checked = (*TRANSFORMERS, *DETECTORS, *WITHOUT_FIT)
    found = {type(estimator).__name__ for estimator in checked}
    public = {
        name
        for module in (
            skdeepfake,
            skdeepfake.detectors,
            skdeepfake.features,
            skdeepfake.streams,
            skdeepfake.synthesis,
        )
        for name in module.__all__
        if hasattr(getattr(module, name), "get_params")
    } - {"BaseDetector", "ImageDetector", "FrameFeatureUnion"}
    assert found == public
    assert len(ours("CNNDetector")) >= 30
    assert len(ours("Resizer")) >= 25
