"""scikit-learn handles detectors like any other classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    check_cv,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch, get_tags

from skdeepfake.detectors import CNNDetector

Tiny = Callable[..., CNNDetector]


def test_detector_is_a_classifier() -> None:
    assert is_classifier(CNNDetector())
    assert is_classifier(make_pipeline(FunctionTransformer(), CNNDetector()))
    tags = get_tags(CNNDetector())
    assert tags.estimator_type == "classifier"
    assert not tags.classifier_tags.multi_class
    assert tags.target_tags.required
    assert tags.requires_fit


def test_cross_validation_is_stratified_and_scores_probabilities(
    tiny: Tiny, videos: Bunch
) -> None:
    """If videos are sorted by label, unstratified folds would lack a class."""
    order = np.argsort(videos.y, kind="stable")
    X, y = videos.X[order], videos.y[order]
    detector = tiny(learning_rate=0.5, epochs=6)
    assert isinstance(
        check_cv(2, y, classifier=is_classifier(detector)), StratifiedKFold
    )
    scores = cross_validate(
        detector, X, y, cv=2, scoring=["accuracy", "roc_auc", "neg_log_loss"]
    )
    assert scores["test_roc_auc"].tolist() == [1.0, 1.0]
    assert scores["test_accuracy"].tolist() == [1.0, 1.0]
    assert (scores["test_neg_log_loss"] > -0.69).all()
    assert (scores["test_neg_log_loss"] < 0).all()


def test_cross_validation_gives_probabilities_of_videos_not_seen(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    answers = cross_val_predict(
        tiny(), videos.X, videos.y, cv=2, method="predict_proba"
    )
    assert answers.shape == (10, 2)
    np.testing.assert_allclose(answers.sum(axis=1), 1)
    seen = [{frame.tobytes() for frame in training.frames} for training in trainings]
    assert len(trainings) == 2
    assert not seen[0] & seen[1]


@pytest.fixture(scope="module")
def search(tiny: Tiny, videos: Bunch) -> Callable[..., GridSearchCV]:
    """Return a function that runs a grid search on one split."""

    def run(**params: Any) -> GridSearchCV:
        return GridSearchCV(
            tiny(learning_rate=0.5, epochs=2),
            [{"filters": [(), (2,)], "optimizer__clipnorm": [0.01]}],
            cv=[(np.arange(6), np.arange(6, 10))],
            scoring="neg_log_loss",
            error_score="raise",
            **params,
        ).fit(videos.X, videos.y)

    return run


@pytest.fixture(scope="module")
def searched(search: Callable[..., GridSearchCV]) -> GridSearchCV:
    return search(refit=lambda results: 1)  # select the second candidate


def test_grid_search_reaches_network_and_optimizer(
    searched: GridSearchCV, videos: Bunch
) -> None:
    assert searched.cv_results_["param_filters"].tolist() == [(), (2,)]
    scores = searched.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]
    best = searched.best_estimator_
    assert best.get_params()["optimizer__clipnorm"] == 0.01
    assert best.model_.optimizer.clipnorm == 0.01
    assert [layer.filters for layer in best.model_.layers if "conv" in layer.name] == [
        2
    ]
    assert searched.predict_proba(videos.X).shape == (10, 2)


def test_fitted_detector_can_be_calibrated(fitted: CNNDetector, videos: Bunch) -> None:
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted), cv=2)
    calibrated.fit(videos.X, videos.y)
    answers = calibrated.predict_proba(videos.X)
    assert answers.shape == (10, 2)
    np.testing.assert_array_equal(answers.argmax(axis=1), videos.y)


def test_groups_and_weights_go_through_a_pipeline(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch]
) -> None:
    pipeline = make_pipeline(FunctionTransformer(), tiny(validation_fraction=0.5))
    groups = np.array([0, 0, 1, 1, 2, 3, 2, 3, 4, 4])
    pipeline.fit(
        videos.X,
        videos.y,
        cnndetector__groups=groups,
        cnndetector__sample_weight=groups + 1,
    )
    (training,) = trainings
    group_of = {
        f.tobytes(): g for v, g in zip(videos.X, groups, strict=True) for f in v
    }
    held_out = training.validation_data
    validation = {
        group_of[frame.tobytes()]
        for number in range(held_out.num_batches)
        for frame in held_out[number][0]
    }
    train = [group_of[frame.tobytes()] for frame in training.frames]
    assert validation | set(train) == set(range(5))
    assert not validation & set(train)
    assert training.weights.tolist() == [group + 1 for group in train]
