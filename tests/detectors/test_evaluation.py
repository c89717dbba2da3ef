"""Detectors work with scikit-learn's tools for evaluation and ensembles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import RocCurveDisplay, get_scorer
from sklearn.model_selection import (
    TunedThresholdClassifierCV,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch

from skdeepfake.detectors import CNNDetector

Tiny = Callable[..., CNNDetector]


@pytest.fixture(scope="module")
def quick(tiny: Tiny) -> Callable[..., Pipeline]:
    """Return a function that makes a pipeline that learns the toy videos."""

    def make(**params: object) -> Pipeline:
        learning = {"optimizer": "adam", "batch_size": 8, "epochs": 10}
        network = {"dense_units": 16, "dropout": 0.0}
        detector = tiny(**{**learning, **network, **params})
        return Pipeline([("faces", FunctionTransformer()), ("detector", detector)])

    return make


@pytest.mark.nightly
def test_calibration_refits_the_pipeline_on_stratified_folds(
    quick: Callable[..., Pipeline], videos: Bunch
) -> None:
    calibrated = CalibratedClassifierCV(quick(), cv=2).fit(videos.X, videos.y)
    assert len(calibrated.calibrated_classifiers_) == 2
    for fold in calibrated.calibrated_classifiers_:
        # Half of six real and four fake videos are in the training set.
        assert fold.estimator["detector"].class_count_.tolist() == [3, 2]
    answers = calibrated.predict_proba(videos.X)
    np.testing.assert_allclose(answers.sum(axis=1), 1)
    assert answers[videos.y == 1, 1].min() > answers[videos.y == 0, 1].max()


@pytest.mark.nightly
def test_vote_is_the_mean_of_the_detectors(
    quick: Callable[..., Pipeline], videos: Bunch
) -> None:
    vote = VotingClassifier(
        [("one", quick(random_state=1)), ("two", quick(random_state=2))], voting="soft"
    ).fit(videos.X, videos.y)
    each = [detector.predict_proba(videos.X) for detector in vote.estimators_]
    assert not np.allclose(*each)
    np.testing.assert_allclose(
        vote.predict_proba(videos.X), np.mean(each, axis=0), atol=1e-6
    )


@pytest.mark.nightly
def test_learning_curve_trains_on_more_and_more(
    quick: Callable[..., Pipeline], videos: Bunch
) -> None:
    sizes, train, test = learning_curve(
        quick(),
        videos.X,
        videos.y,
        train_sizes=[3, 5],
        cv=2,
        scoring="roc_auc",
        shuffle=True,
        random_state=0,
        error_score="raise",
    )
    assert sizes.tolist() == [3, 5]
    assert train.shape == test.shape == (2, 2)
    assert test[-1].tolist() == [1.0, 1.0]


@pytest.mark.nightly
def test_validation_curve_reaches_a_parameter_of_the_network(
    quick: Callable[..., Pipeline], videos: Bunch
) -> None:
    _, test = validation_curve(
        quick(),
        videos.X,
        videos.y,
        param_name="detector__learning_rate",
        param_range=[1e-9, 0.1],
        cv=2,
        scoring="neg_log_loss",
        error_score="raise",
    )
    assert (test[1] > test[0]).all()


@pytest.mark.nightly
def test_shuffled_labels_score_worse(
    quick: Callable[..., Pipeline], videos: Bunch
) -> None:
    score, shuffled, p_value = permutation_test_score(
        quick(),
        videos.X,
        videos.y,
        cv=2,
        scoring="roc_auc",
        n_permutations=2,
        random_state=0,
    )
    assert score == 1.0
    assert shuffled.shape == (2,)
    assert shuffled.mean() < 1
    assert p_value == (1 + np.sum(shuffled >= score)) / 3


@pytest.mark.nightly
def test_threshold_is_tuned(quick: Callable[..., Pipeline], videos: Bunch) -> None:
    tuned = TunedThresholdClassifierCV(
        quick(), scoring="balanced_accuracy", cv=2, thresholds=20
    ).fit(videos.X, videos.y)
    assert tuned.best_score_ == 1.0
    answers = tuned.estimator_.predict_proba(videos.X)[:, 1]
    np.testing.assert_array_equal(
        tuned.predict(videos.X), answers >= tuned.best_threshold_
    )


def test_curves_are_drawn_from_the_estimator(
    fitted: CNNDetector, videos: Bunch
) -> None:
    pipeline = make_pipeline(FunctionTransformer(), fitted)
    for estimator in (fitted, pipeline):
        roc = RocCurveDisplay.from_estimator(estimator, videos.X, videos.y)
        assert roc.roc_auc == 1.0
        assert type(estimator).__name__ in roc.line_.get_label()
    calibration = CalibrationDisplay.from_estimator(fitted, videos.X, videos.y)
    assert calibration.prob_true[-1] == 1.0


@pytest.mark.parametrize("name", ["roc_auc", "neg_log_loss", "neg_brier_score"])
def test_scorers_ask_for_the_probability_of_fake(
    name: str, fitted: CNNDetector, videos: Bunch
) -> None:
    score = get_scorer(name)(fitted, videos.X, videos.y)
    swapped = get_scorer(name)(fitted, videos.X, 1 - videos.y)
    assert score > swapped
