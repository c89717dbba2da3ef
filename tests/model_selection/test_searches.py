"""Tests of parameter searches over whole pipelines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from skdeepfake import KerasFeaturizer, make_detector_pipeline
from skdeepfake.model_selection import OfficialSplit

ONE = {
    "sampler__n_frames": 1,
    "cropper__margin": 0.0,
    "resizer__size": (16, 16),
    "detector__filters": (2,),
    "detector__dropout": 0.0,
    "detector__learning_rate": 0.01,
    "detector__optimizer": "sgd",
    "detector__epochs": 1,
    "detector__aggregation": "mean",
}
OTHER = {
    "sampler__n_frames": 2,
    "cropper__margin": 0.25,
    "resizer__size": (24, 20),
    "detector__filters": (3, 4),
    "detector__dropout": 0.125,
    "detector__learning_rate": 0.02,
    "detector__optimizer": "adam",
    "detector__epochs": 2,
    "detector__aggregation": "max",
}


@pytest.fixture
def decoded(asked: list[tuple[str, str]]) -> Callable[[], Counter[str]]:
    """Count how often each video was decoded since the last call."""

    def count() -> Counter[str]:
        counts = Counter(path for do, path in asked if do != "promise")
        asked.clear()
        return counts

    return count


@pytest.fixture(scope="module")
def some(rendered_videos: Bunch) -> Bunch:
    """Return four recordings and their fakes, with a splitter by group."""
    chosen = [0, 1, 2, 3, 6, 7, 8, 9]
    X, y, groups = (rendered_videos[k][chosen] for k in ("data", "target", "groups"))
    return Bunch(X=X, y=y, groups=groups, cv=GroupKFold(2))


def pipeline(memory: Path, detector: str = "cnn", **params: Any) -> Pipeline:
    if detector == "cnn":
        params = {"filters": (2,), "dense_units": 2, **params}
    return make_detector_pipeline(
        detector,
        n_frames=1,
        size=(16, 16),
        memory=memory,
        epochs=1,
        validation_fraction=None,
        random_state=0,
        **params,
    )


def grid_of(*candidates: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: [v] for k, v in candidate.items()} for candidate in candidates]


def check_reached(fitted: Pipeline, asked: dict[str, Any]) -> None:
    """Check that the steps and the network use the parameters of a candidate."""
    assert {name: fitted.get_params()[name] for name in asked} == asked
    detector = fitted["detector"]
    network = detector.model_
    layers = network.layers
    size, filters = asked["resizer__size"], asked["detector__filters"]
    assert network.input_shape == (None, *size, 3)
    found = [it.filters for it in layers if isinstance(it, keras.layers.Conv2D)]
    assert found == list(filters)
    rates = [it.rate for it in layers if isinstance(it, keras.layers.Dropout)]
    assert rates[-1] == asked["detector__dropout"]
    optimizer = type(network.optimizer).__name__.lower()
    assert optimizer == asked["detector__optimizer"]
    rate = float(network.optimizer.learning_rate)
    assert rate == pytest.approx(asked["detector__learning_rate"])
    assert len(detector.history_["loss"]) == asked["detector__epochs"]


@pytest.mark.nightly
def test_grid_search_reaches_every_step(
    some: Bunch, tmp_path: Path, decoded: Callable[[], Counter[str]]
) -> None:
    search = GridSearchCV(
        pipeline(tmp_path),
        grid_of(ONE, OTHER),
        cv=some.cv,
        scoring="neg_log_loss",
        refit=lambda results: 1,
        error_score="raise",
    )
    search.fit(some.X, some.y, groups=some.groups)
    assert search.cv_results_["params"] == [ONE, OTHER]
    scores = np.array([search.cv_results_[f"split{i}_test_score"] for i in (0, 1)])
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) == 4
    check_reached(search.best_estimator_, OTHER)
    # Each video is decoded once per `n_frames`. Folds and the refit use the cache.
    assert decoded() == dict.fromkeys(some.X, 2)

    faces = search.best_estimator_[:-1].transform(some.X)
    assert faces.shape == (8, 2, 24, 20, 3)
    answers = search.predict_proba(some.X)
    frames = search.best_estimator_["detector"].predict_frame_proba(faces)
    np.testing.assert_array_equal(answers[:, 1], frames[..., 1].max(axis=1))
    assert not decoded()


@pytest.mark.nightly
def test_random_search_draws_from_every_step(
    some: Bunch, tmp_path: Path, decoded: Callable[[], Counter[str]]
) -> None:
    space = {name: [ONE[name], OTHER[name]] for name in ONE}
    search = RandomizedSearchCV(
        pipeline(tmp_path),
        space,
        n_iter=3,
        cv=[next(some.cv.split(some.X, groups=some.groups))],
        scoring="neg_log_loss",
        refit=lambda results: 2,
        random_state=0,
        error_score="raise",
    )
    search.fit(some.X, some.y)
    drawn = search.cv_results_["params"]
    assert len({tuple(candidate.items()) for candidate in drawn}) == 3
    assert len(np.unique(search.cv_results_["mean_test_score"])) == 3
    check_reached(search.best_estimator_, drawn[2])
    croppings = {(c["sampler__n_frames"], c["cropper__margin"]) for c in drawn}
    assert decoded() == dict.fromkeys(some.X, len(croppings))


@pytest.mark.nightly
def test_halving_search_gives_more_epochs_to_the_better(
    some: Bunch, tmp_path: Path, decoded: Callable[[], Counter[str]]
) -> None:
    space = {"detector__filters": [(2,), (3, 4)], "detector__dropout": [0.125]}
    search = HalvingGridSearchCV(
        pipeline(tmp_path, optimizer="sgd"),
        space,
        resource="detector__epochs",
        min_resources=1,
        max_resources=2,
        factor=2,
        cv=OfficialSplit([*some.X[some.groups < 2]]),
        scoring="neg_log_loss",
        error_score="raise",
    )
    search.fit(some.X, some.y, groups=some.groups)
    results = search.cv_results_
    assert results["iter"].tolist() == [0, 0, 1]
    assert [c["detector__epochs"] for c in results["params"]] == [1, 1, 2]
    better = int(np.argmax(results["mean_test_score"][:2]))
    kept = results["params"][2]["detector__filters"]
    assert kept == space["detector__filters"][better]
    detector = search.best_estimator_["detector"]
    assert len(detector.history_["loss"]) == search.best_params_["detector__epochs"]
    assert decoded() == dict.fromkeys(some.X, 1)


def backbone() -> keras.Model:
    """Return a network with constant weights, four positions and three channels."""
    inputs = keras.Input((16, 16, 3))
    ones = keras.initializers.Constant(1e-4)
    x = keras.layers.Conv2D(3, 8, strides=8, kernel_initializer=ones)(inputs)
    return keras.Model(inputs, x)


@pytest.mark.nightly
def test_sequence_and_features_are_searched(
    some: Bunch, tmp_path: Path, decoded: Callable[[], Counter[str]]
) -> None:
    featurizer = KerasFeaturizer(backbone, weights="imagenet", memory=tmp_path)
    search = GridSearchCV(
        pipeline(tmp_path, "cnn_rnn", featurizer=featurizer, units=(2,)).set_params(
            sampler__n_frames=2
        ),
        grid_of(
            {"detector__sequence": "spatial", "featurizer__pooling": None},
            {"detector__sequence": "temporal", "featurizer__pooling": "avg"},
        ),
        cv=[next(some.cv.split(some.X, groups=some.groups))],
        scoring="neg_log_loss",
        refit=lambda results: 1,
        error_score="raise",
    )
    search.fit(some.X, some.y)
    spatial, temporal = search.cv_results_["mean_test_score"]
    assert np.isfinite([spatial, temporal]).all()
    assert spatial != temporal
    best = search.best_estimator_
    assert best["detector"].sequence == "temporal"
    assert best["detector"].frame_shape_ == (1, 3)
    assert decoded() == dict.fromkeys(some.X, 1)


@pytest.mark.nightly
def test_search_in_processes_gives_the_same_scores(some: Bunch, tmp_path: Path) -> None:
    """TensorFlow hangs after a fork, so workers must be new processes."""
    here, elsewhere = (
        GridSearchCV(
            pipeline(tmp_path / name),
            grid_of(ONE, OTHER),
            cv=[next(some.cv.split(some.X, groups=some.groups))],
            scoring="neg_log_loss",
            refit=False,
            n_jobs=n_jobs,
            error_score="raise",
        ).fit(some.X, some.y)
        for name, n_jobs in (("one", 1), ("two", 2))  # train in this process first
    )
    np.testing.assert_allclose(
        elsewhere.cv_results_["mean_test_score"],
        here.cv_results_["mean_test_score"],
        rtol=1e-4,
    )
