"""Tests of groups and sample weights in cross-validation of detectors."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch

from skdeepfake import CNNDetector, GANDetector, make_detector_pipeline
from skdeepfake.detectors import _training
from skdeepfake.model_selection import check_no_leakage


@pytest.fixture
def routing() -> Any:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def pairs() -> Bunch:
    """Return eight pairs of a real and a fake video, with pixels that number them."""
    n = 16
    X = np.empty((n, 2, 8, 8, 3), np.uint8)
    X[:] = np.arange(1, n + 1).reshape(-1, 1, 1, 1, 1)
    groups = np.random.RandomState(0).permutation(n) % 8
    y = np.zeros(n, int)
    for group in range(8):
        y[np.flatnonzero(groups == group)[1]] = 1
    return Bunch(X=X, y=y, groups=groups, weight=np.linspace(1, 2, n))


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[Bunch]:
    """Replace the training in Keras, and record the inputs of each fit."""
    fits: list[Bunch] = []
    split = _training.stratified_group_split

    def spy(y: Any, groups: Any, *how: Any) -> Any:
        fits.append(Bunch(groups=groups))
        return split(y, groups, *how)

    def fit(model: keras.Model, x: Any, validation_data: Any, **how: Any) -> Any:
        for side, batches in (("train", x), ("validation", validation_data)):
            videos, _ = batches.index
            fits[-1][side] = batches.X[videos, 0, 0, 0, 0]
            fits[-1][f"{side}_weight"] = batches.weight
        history = keras.callbacks.History()
        history.history = {"loss": [0.5]}
        return history

    monkeypatch.setattr(_training, "stratified_group_split", spy)
    monkeypatch.setattr(keras.Model, "fit", fit)
    return fits


def detector(**params: Any) -> CNNDetector:
    return CNNDetector(
        filters=(), dense_units=1, validation_fraction=0.5, random_state=0, **params
    )


def pipeline_of(detector: Any) -> Pipeline:
    return Pipeline([("faces", FunctionTransformer()), ("detector", detector)])


def search(estimator: Any) -> GridSearchCV:
    grid = {"detector__learning_rate": [0.1, 0.2]}
    return GridSearchCV(estimator, grid, cv=GroupKFold(2), error_score="raise")


def check_borders(fit: Bunch, pairs: Bunch, training_fold: np.ndarray) -> None:
    """Check that a detector used its fold and did not split a group."""
    train, validation = (np.unique(fit[side]) - 1 for side in ("train", "validation"))
    np.testing.assert_array_equal(np.union1d(train, validation), training_fold)
    np.testing.assert_array_equal(fit.groups, pairs.groups[training_fold])
    check_no_leakage(train, validation, pairs.groups)
    others = np.setdiff1d(np.arange(len(pairs.y)), training_fold)
    check_no_leakage(training_fold, others, pairs.groups)


# -- with metadata routing ---------------------------------------------------------


@pytest.mark.usefixtures("routing")
def test_groups_of_each_training_fold_reach_the_validation_split(
    pairs: Bunch, fits: list[Bunch]
) -> None:
    found = cross_validate(
        pipeline_of(detector().set_fit_request(groups=True)),
        pairs.X,
        pairs.y,
        cv=GroupKFold(4),
        params={"groups": pairs.groups},
        return_indices=True,
    )
    assert len(fits) == 4
    for fit, fold in zip(fits, found["indices"]["train"], strict=True):
        assert len(fold) == 12
        check_borders(fit, pairs, fold)


@pytest.mark.usefixtures("routing")
def test_nested_cross_validation_parts_no_group_at_any_border(
    pairs: Bunch, fits: list[Bunch]
) -> None:
    found = cross_validate(
        search(pipeline_of(detector().set_fit_request(groups=True))),
        pairs.X,
        pairs.y,
        cv=GroupKFold(2),
        params={"groups": pairs.groups},
        return_indices=True,
        error_score="raise",
    )
    expected = []
    for fold in found["indices"]["train"]:
        inner = list(GroupKFold(2).split(fold, groups=pairs.groups[fold]))
        expected += [fold[train] for train, _ in inner] * 2  # candidates
        expected.append(fold)  # the refit
    assert len(fits) == len(expected) == 10
    for fit, fold in zip(fits, expected, strict=True):
        check_borders(fit, pairs, fold)


@pytest.mark.usefixtures("routing")
def test_weights_reach_fit_and_score_where_they_are_requested(
    pairs: Bunch, fits: list[Bunch]
) -> None:
    scored: list[Any] = []

    def accuracy(y: Any, answers: Any, sample_weight: Any = None) -> float:
        scored.append(sample_weight)
        return accuracy_score(y, answers, sample_weight=sample_weight)

    asking = detector().set_fit_request(groups=True, sample_weight=True)
    how: dict[str, Any] = {
        "cv": GroupKFold(2),
        "params": {"groups": pairs.groups, "sample_weight": pairs.weight},
        "error_score": "raise",
    }
    found = cross_validate(
        pipeline_of(asking),
        pairs.X,
        pairs.y,
        scoring=make_scorer(accuracy).set_score_request(sample_weight=True),
        return_indices=True,
        **how,
    )
    assert len(fits) == len(scored) == 2
    for fit, fold in zip(fits, found["indices"]["train"], strict=True):
        check_borders(fit, pairs, fold)
        for side in ("train", "validation"):
            expected = pairs.weight[fit[side].astype(int) - 1]
            np.testing.assert_allclose(fit[f"{side}_weight"], expected)
    for weights, fold in zip(scored, found["indices"]["test"], strict=True):
        np.testing.assert_array_equal(weights, pairs.weight[fold])


@pytest.mark.usefixtures("routing")
def test_groups_that_nobody_asked_for_stay_outside(
    pairs: Bunch, fits: list[Bunch]
) -> None:
    """As for any estimator, the detector must request metadata explicitly."""
    how: dict[str, Any] = {
        "cv": GroupKFold(2),
        "params": {"groups": pairs.groups},
        "error_score": "raise",
    }
    expected = r"\[groups\] are passed but are not explicitly set as requested"
    with pytest.raises(UnsetMetadataPassedError, match=expected):
        cross_validate(pipeline_of(detector()), pairs.X, pairs.y, **how)
    refusing = detector().set_fit_request(groups=False)
    cross_validate(pipeline_of(refusing), pairs.X, pairs.y, **how)
    assert [fit.groups for fit in fits] == [None, None]


@pytest.mark.nightly
@pytest.mark.usefixtures("routing")
def test_whole_pipeline_from_paths_takes_groups(
    rendered_videos: Bunch, fits: list[Bunch], tmp_path: Path
) -> None:
    pipeline = make_detector_pipeline(
        "cnn",
        n_frames=1,
        size=(8, 8),
        memory=tmp_path,
        filters=(),
        dense_units=1,
        validation_fraction=0.5,
    )
    pipeline["detector"].set_fit_request(groups=True)
    groups = rendered_videos.groups
    found = cross_validate(
        pipeline,
        rendered_videos.data,
        rendered_videos.target,
        cv=GroupKFold(2),
        params={"groups": groups},
        scoring="roc_auc",
        return_indices=True,
        error_score="raise",
    )
    given = [fit.groups.tolist() for fit in fits]
    assert given == [groups[fold].tolist() for fold in found["indices"]["train"]]


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize(
    "copied",
    [clone, lambda it: pickle.loads(pickle.dumps(it))],
    ids=["clone", "pickle"],
)
@pytest.mark.parametrize("kind", [CNNDetector, GANDetector])
def test_copies_ask_for_the_same(kind: type, copied: Callable[..., Any]) -> None:
    asking = kind(epochs=3).set_fit_request(groups=True, sample_weight=False)
    asking.set_partial_fit_request(sample_weight="weight")
    copy = copied(make_pipeline(FunctionTransformer(), asking))[-1]
    assert copy.epochs == 3
    requests = copy.get_metadata_routing()
    assert requests.fit.requests == {"groups": True, "sample_weight": False}
    assert requests.partial_fit.requests["sample_weight"] == "weight"


# -- without metadata routing ----------------------------------------------------------


def test_without_routing_groups_are_told_twice(pairs: Bunch, fits: list[Bunch]) -> None:
    """Groups are passed for the folds, and again with the name of the step."""
    searched = search(pipeline_of(detector()))
    searched.fit(pairs.X, pairs.y, groups=pairs.groups, detector__groups=pairs.groups)
    folds = [train for train, _ in GroupKFold(2).split(pairs.X, groups=pairs.groups)]
    for fit, fold in zip(fits, [*folds, *folds, np.arange(16)], strict=True):
        check_borders(fit, pairs, fold)


def test_without_routing_nested_groups_are_refused(pairs: Bunch) -> None:
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        cross_validate(
            search(pipeline_of(detector())),
            pairs.X,
            pairs.y,
            cv=GroupKFold(2),
            groups=pairs.groups,
            error_score="raise",
        )
