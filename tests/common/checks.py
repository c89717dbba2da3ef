"""Checks that replace those of scikit-learn, which pass tables to estimators.

Each check takes a case: an estimator with samples. Checks whose names begin with
``check_detector_`` are only for classifiers.
"""

from __future__ import annotations

import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import sklearn
from common.estimators import Case, fingerprint, write
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr
from sklearn.utils.estimator_checks import check_param_validation
from sklearn.utils.validation import check_is_fitted


def assert_same(found: Any, expected: Any, *, exact: bool = True) -> None:
    """Compare clips, crops, paths or arrays, with a tolerance of 1e-6 if not exact."""
    assert type(found) is type(expected)
    if not isinstance(expected, np.ndarray):
        if hasattr(expected, "identity"):
            found, expected = found.identity, expected.identity
        assert found == expected
        return
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if expected.dtype.hasobject:
        for pair in zip(found.ravel(), expected.ravel(), strict=True):
            assert_same(*pair)
    elif exact or expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
    else:
        atol = 1e-6 * max(1, np.nanmax(np.abs(expected)))
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def learnt(estimator: Any) -> set[str]:
    """Return the names of the attributes that `fit` has set."""
    return {n for n in vars(estimator) if n.endswith("_") and not n.startswith("_")}


# -- parameters ------------------------------------------------------------------


def check_parameters_are_those_of_the_constructor(case: Case, tmp_path: Path) -> None:
    signature = inspect.signature(type(case.estimator).__init__).parameters
    names = {n for n, p in signature.items() if p.kind != p.VAR_KEYWORD} - {"self"}
    if not hasattr(case.estimator, "steps"):
        assert case.estimator.get_params(deep=False).keys() == names
    assert not [n for n in case.estimator.get_params() if n.startswith("_")]


def check_parameters_are_stored_as_they_are(case: Case, tmp_path: Path) -> None:
    params = case.estimator.get_params(deep=False)
    other = type(case.estimator)(**params)
    for name, value in params.items():
        assert getattr(other, name) is value
    assert learnt(other) == set()


def check_bad_parameters_are_named(case: Case, tmp_path: Path) -> None:
    """Parameters are checked before the samples."""
    check_param_validation(type(case.estimator).__name__, case.new())


def check_unknown_parameters_are_refused(case: Case, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        case.new().set_params(nonsense=1)


def check_parameters_stay_as_they_are(case: Case, tmp_path: Path) -> None:
    for name, value in case.estimator.get_params(deep=False).items():
        if name == "steps":
            continue
        found = case.fitted.get_params(deep=False)[name]
        assert type(found) is type(value)
        assert repr(found) == repr(value)  # estimators do not implement ==


def check_clone_knows_the_parameters_alone(case: Case, tmp_path: Path) -> None:
    copy = clone(case.fitted)
    assert copy is not case.fitted
    if not hasattr(copy, "steps"):
        assert vars(copy).keys() == vars(case.estimator).keys()
        # Parameters that are estimators are cloned, so compare their parameters.
        assert repr(copy.get_params()) == repr(case.estimator.get_params())
    assert learnt(copy) == set()


def check_repr_is_short(case: Case, tmp_path: Path) -> None:
    for estimator in (case.estimator, case.fitted):
        text = repr(estimator)
        assert text.startswith(f"{type(estimator).__name__}(")
        assert "object at 0x" not in text
        if not hasattr(estimator, "steps"):
            assert text.count("=") == n_changed(estimator)
    # A comment may follow, such as the counts of weights.
    assert repr(case.fitted).partition("  # ")[0] == repr(case.estimator)


def check_diagram_names_the_estimator(case: Case, tmp_path: Path) -> None:
    for estimator in (case.estimator, case.fitted):
        page = estimator_html_repr(estimator)
        assert type(estimator).__name__ in page
        assert "object at 0x" not in page


def n_changed(estimator: Any) -> int:
    """Count the parameters that differ from their default, including nested ones."""
    params = estimator.get_params(deep=False)
    default = {name: repr(value) for name, value in defaults(estimator).items()}
    changed = [v for n, v in params.items() if repr(v) != default.get(n)]
    nested = [value for value in changed if hasattr(value, "get_params")]
    return len(changed) + sum(map(n_changed, nested))


def defaults(estimator: Any) -> dict[str, Any]:
    """Return the defaults of the parameters of the constructor."""
    signature = inspect.signature(type(estimator).__init__).parameters.items()
    return {name: p.default for name, p in signature if p.default is not p.empty}


# -- fitting ---------------------------------------------------------------------


def check_fit_returns_the_estimator(case: Case, tmp_path: Path) -> None:
    assert case.returned is case.fitted
    check_is_fitted(case.fitted)


def check_fit_sets_what_ends_with_an_underscore(case: Case, tmp_path: Path) -> None:
    before = vars(case.estimator).keys()
    new = {n for n in vars(case.fitted).keys() - before if not n.startswith("_")}
    assert learnt(case.estimator) == set()
    assert new == learnt(case.fitted)


def check_fitting_again_forgets(case: Case, tmp_path: Path) -> None:
    estimator = case.new().fit(case.X[::-1][1:], case.y[::-1][1:]).fit(case.X, case.y)
    expected = case.answers(case.fitted, case.X)
    assert_same(case.answers(estimator, case.X), expected, exact=False)


def check_fit_leaves_the_samples_alone(case: Case, tmp_path: Path) -> None:
    """The samples are read-only, except for the contents of objects."""
    case.answers(case.fitted, case.X)
    assert (fingerprint(case.X), fingerprint(case.y)) == case.before


def check_samples_may_be_mapped_from_a_file(case: Case, tmp_path: Path) -> None:
    """The estimator is also pickled before it is fitted."""
    X, y = write(case.X, tmp_path), np.array(case.y)
    expected = case.answers(case.fitted, case.X)
    estimator = pickle.loads(pickle.dumps(case.new())).fit(X, y)
    assert_same(case.answers(estimator, X), expected, exact=False)


def check_order_in_memory_does_not_matter(case: Case, tmp_path: Path) -> None:
    X = np.asfortranarray(case.X)
    expected = case.answers(case.fitted, case.X)
    assert_same(case.answers(case.fitted, X), expected, exact=False)


def check_no_samples_are_refused(case: Case, tmp_path: Path) -> None:
    for refuses in refusals(case):
        with pytest.raises(ValueError, match=r"0 sample|no sample|empty|at least one"):
            refuses(case.X[:0])


def check_samples_of_another_kind_are_refused(case: Case, tmp_path: Path) -> None:
    """The samples are a table, as in the checks of scikit-learn."""
    for refuses in refusals(case):
        with pytest.raises(ValueError, match=refused_by(case)):
            refuses(np.ones((6, 3)))


def check_single_number_is_refused(case: Case, tmp_path: Path) -> None:
    for refuses in refusals(case):
        with pytest.raises((ValueError, TypeError), match=r"."):
            refuses(3.0)


def refused_by(case: Case) -> str:
    """Return the name in errors about samples. In a pipeline, it is the first step."""
    first = getattr(case.estimator, "steps", [("", case.estimator)])[0][1]
    return type(first).__name__


def refusals(case: Case) -> list[Any]:
    """Return functions that must refuse bad samples: predictions, and `fit` if used."""
    fits = [lambda X: case.new().fit(X, case.y[: np.size(X) and 6])]
    return [*(fits if case.predicts else []), lambda X: case.answers(case.fitted, X)]


# -- answers ---------------------------------------------------------------------


def check_answers_stay_the_same(case: Case, tmp_path: Path) -> None:
    before = vars(case.fitted).keys()
    first = case.answers(case.fitted, case.X)
    assert_same(case.answers(case.fitted, case.X), first)
    added = vars(case.fitted).keys() - before
    assert not [name for name in added if not name.startswith("_")]


def check_one_answer_a_sample(case: Case, tmp_path: Path) -> None:
    for n in (1, 2, len(case.X)):
        assert len(case.answers(case.fitted, case.X[:n])) == n


def check_answers_do_not_depend_on_the_other_samples(
    case: Case, tmp_path: Path
) -> None:
    whole = case.answers(case.fitted, case.X)
    for i in (0, len(whole) - 1):
        alone = case.answers(case.fitted, case.X[i : i + 1])
        assert_same(alone, whole[i : i + 1], exact=False)


def check_answers_keep_the_order_of_the_samples(case: Case, tmp_path: Path) -> None:
    order = np.random.RandomState(0).permutation(len(case.X))
    assert order.tolist() != sorted(order)
    whole = case.answers(case.fitted, case.X)
    assert_same(case.answers(case.fitted, case.X[order]), whole[order], exact=False)


def check_list_is_as_good_as_an_array(case: Case, tmp_path: Path) -> None:
    whole = case.answers(case.fitted, case.X)
    assert_same(case.answers(case.fitted, list(case.X)), whole, exact=False)


def check_pickle_gives_the_same_answers(case: Case, tmp_path: Path) -> None:
    loaded = pickle.loads(pickle.dumps(case.fitted))
    assert learnt(loaded) == learnt(case.fitted)
    assert repr(loaded) == repr(case.fitted)
    expected = case.answers(case.fitted, case.X)
    assert_same(case.answers(loaded, case.X), expected)


def check_step_of_a_pipeline_gives_the_same(case: Case, tmp_path: Path) -> None:
    """The result is not affected by `transform_output="pandas"`."""
    expected = case.answers(case.fitted, case.X)
    with sklearn.config_context(transform_output="pandas"):
        steps = make_pipeline(None, case.new()).fit(case.X, case.y)
        found = case.answers(steps, case.X)
    assert_same(found, expected, exact=False)


def check_threads_may_ask_at_once(case: Case, tmp_path: Path) -> None:
    """The threads share an estimator that has not predicted before."""
    estimator = pickle.loads(pickle.dumps(case.fitted))
    order = [i % len(case.X) for i in range(12)]
    whole = case.answers(case.fitted, case.X)
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(
            lambda i: case.answers(estimator, case.X[i : i + 1]), order
        )
        for i, answer in zip(order, answers, strict=True):
            assert_same(answer, whole[i : i + 1], exact=False)


# -- transformers ----------------------------------------------------------------


def check_transformer_learns_nothing(case: Case, tmp_path: Path) -> None:
    estimator = case.new()
    check_is_fitted(estimator)
    assert estimator.__sklearn_is_fitted__()
    expected = case.answers(case.fitted, case.X)
    assert_same(estimator.transform(case.X), expected)
    assert_same(case.new().fit_transform(case.X), expected)
    assert_same(case.new().fit_transform(case.X, case.y), expected)
    assert learnt(case.fitted) == set()


# -- detectors -------------------------------------------------------------------


def check_detector_answers_the_same_in_a_graph(case: Case, tmp_path: Path) -> None:
    """Users predict in graphs, but most tests predict eagerly, which saves time."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    expected = case.answers(case.fitted, case.X)
    copy = pickle.loads(pickle.dumps(case.fitted))
    is_eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(False)
    try:
        found = case.answers(copy, case.X)
    finally:
        tf.config.run_functions_eagerly(is_eager)
    assert_same(found, expected, exact=False)


def check_detector_must_be_fitted(case: Case, tmp_path: Path) -> None:
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            getattr(case.new(), method)(case.X)


def check_detector_gives_probabilities(case: Case, tmp_path: Path) -> None:
    answers = case.fitted.predict_proba(case.X)
    assert answers.shape == (len(case.X), 2)
    assert ((answers > 0) & (answers < 1)).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1)
    predicted = case.fitted.predict(case.X)
    np.testing.assert_array_equal(
        predicted, case.fitted.classes_[answers.argmax(axis=1)]
    )
    assert case.fitted.score(case.X, predicted) == 1.0


def check_detector_takes_names_of_classes(case: Case, tmp_path: Path) -> None:
    """The names are in alphabetical order, as in scikit-learn."""
    names = np.array(["real", "synthetic"])
    named = case.new().fit(case.X, names[case.y])
    assert named.classes_.tolist() == names.tolist()
    expected = case.answers(case.fitted, case.X)
    assert_same(case.answers(named, case.X), expected, exact=False)
    assert set(named.predict(case.X)) <= set(names)


def check_detector_wants_two_classes(case: Case, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="2 classes, real and fake, but y contains 1 class"
    ):
        case.new().fit(case.X, np.zeros_like(case.y))
    three = np.arange(len(case.y)) % 3
    with pytest.raises(
        ValueError, match=r"Only binary classification is supported\..*3 classes"
    ):
        case.new().fit(case.X, three)


def check_detector_wants_labels(case: Case, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="requires y to be passed, but the target y is None"
    ):
        case.new().fit(case.X, None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        case.new().fit(case.X, case.y[1:])


def check_detector_weighs_samples(case: Case, tmp_path: Path) -> None:
    """A weight of zero excludes a sample, and weights of one have no effect."""
    steps = hasattr(case.estimator, "steps")
    key = "detector__sample_weight" if steps else "sample_weight"
    expected = case.answers(case.fitted, case.X)
    weight = np.ones(len(case.y))
    weight[-1] = 0
    without = case.new().fit(case.X, case.y, **{key: weight})
    fewer = case.new().fit(case.X[:-1], case.y[:-1])
    assert_same(case.answers(without, case.X), case.answers(fewer, case.X), exact=False)
    assert not np.allclose(case.answers(fewer, case.X), expected, atol=1e-5)


def check_detector_knows_the_form_of_frames(case: Case, tmp_path: Path) -> None:
    other = case.X[..., :-1, :]
    with pytest.raises(
        ValueError, match=r"frames of shape .* was fitted on frames of shape"
    ):
        case.fitted.predict_proba(other)
