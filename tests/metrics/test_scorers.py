"""Scorers in cross-validation and parameter searches."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.svm import LinearSVC

from skdeepfake import metrics
from skdeepfake.metrics import get_scorer, get_scorer_names

PARAMS = {
    "balanced_accuracy_at": {"threshold": 0.3},
    "neg_clipped_log_loss": {"eps": 0.01},
    "neg_expected_calibration_error": {"n_bins": 4},
    "true_positive_rate_at": {"fpr": 0.2},
}


@pytest.fixture(scope="module")
def data():
    X, y = make_classification(
        120, n_features=4, flip_y=0.2, class_sep=0.5, random_state=0
    )
    return X, y, np.array(["real", "fake"])[y]


def by_hand(name, y_true, proba, **more):
    """Compute the score from the probabilities of class 1, without a scorer."""
    if name == "neg_brier_score":
        return -brier_score_loss(y_true, proba, **more)
    sign = -1 if name.startswith("neg_") else 1
    metric = getattr(metrics, name.removeprefix("neg_"))
    return sign * metric(y_true, proba, **PARAMS.get(name, {}), **more)


def scorer(name, **more):
    return get_scorer(name, **PARAMS.get(name, {}), **more)


def test_names():
    assert get_scorer_names() == [
        "balanced_accuracy_at",
        "neg_brier_score",
        "neg_clipped_log_loss",
        "neg_equal_error_rate",
        "neg_expected_calibration_error",
        "true_positive_rate_at",
    ]


@pytest.mark.parametrize("labels", ["numbers", "words"])
def test_cross_validation_scores_are_the_metrics_of_each_fold(data, labels):
    X, numbers, words = data
    y, fake = (numbers, 1) if labels == "numbers" else (words, "fake")
    pos_label = None if labels == "numbers" else "fake"
    names = get_scorer_names()
    folds = list(StratifiedKFold(3).split(X, y))
    scores = cross_validate(
        LogisticRegression(),
        X,
        y,
        cv=folds,
        scoring={name: scorer(name, pos_label=pos_label) for name in names},
    )
    for k, (train, test) in enumerate(folds):
        model = LogisticRegression().fit(X[train], y[train])
        column = model.classes_.tolist().index(fake)
        proba = model.predict_proba(X[test])[:, column]
        for name in names:
            expected = by_hand(name, numbers[test], proba)
            assert scores[f"test_{name}"][k] == pytest.approx(expected, abs=1e-9)
    # The models are better than chance, so swapped classes would be noticed.
    assert scores["test_neg_equal_error_rate"].mean() > -0.45
    assert scores["test_balanced_accuracy_at"].mean() > 0.55


def test_words_without_the_label_of_the_fakes_are_refused(data):
    X, _, words = data
    model = LogisticRegression().fit(X, words)
    with pytest.raises(ValueError, match=r"\['fake', 'real'\].*pos_label"):
        scorer("neg_equal_error_rate")(model, X, words)


def test_search_takes_the_smallest_loss(data):
    X, y, _ = data
    grid = {"C": [1e-4, 0.1, 1e3]}
    search = GridSearchCV(
        LogisticRegression(), grid, cv=2, scoring=scorer("neg_clipped_log_loss")
    ).fit(X, y)
    means = search.cv_results_["mean_test_score"]
    assert (means < 0).all()
    assert search.best_score_ == means.max() > means.min()


def test_decision_function_will_do_for_ranks_only(data):
    X, y, words = data
    model = LinearSVC(dual=False).fit(X, words)
    score = -model.decision_function(X)
    for name in ("neg_equal_error_rate", "true_positive_rate_at"):
        found = scorer(name, pos_label="fake")(model, X, words)
        assert found == pytest.approx(by_hand(name, y, score), abs=1e-12)
    with pytest.raises(AttributeError, match="predict_proba"):
        scorer("neg_clipped_log_loss", pos_label="fake")(model, X, words)


@pytest.mark.parametrize("name", get_scorer_names())
def test_weights_are_routed_to_the_metric(data, name):
    X, y, _ = data
    weight = np.random.RandomState(0).uniform(0.1, 4, size=len(y))
    model = LogisticRegression().fit(X, y)
    with config_context(enable_metadata_routing=True):
        found = scorer(name).set_score_request(sample_weight=True)(
            model, X, y, sample_weight=weight
        )
    proba = model.predict_proba(X)[:, 1]
    expected = by_hand(name, y, proba, sample_weight=weight)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found != pytest.approx(by_hand(name, y, proba), abs=1e-6)


def test_scorers_travel_to_workers(data):
    X, y, _ = data
    model = LogisticRegression().fit(X, y)
    here = scorer("true_positive_rate_at")
    there = pickle.loads(pickle.dumps(here))
    assert there(model, X, y) == here(model, X, y)


def test_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(
        ValueError, match=r"'eer' is not a scorer; .*neg_equal_error_rate"
    ):
        get_scorer("eer")


def test_wrong_parameter_is_refused_before_any_fold():
    with pytest.raises(TypeError, match="threshold"):
        get_scorer("balanced_accuracy_at")
    with pytest.raises(TypeError, match="fpr"):
        get_scorer("neg_equal_error_rate", fpr=0.1)
