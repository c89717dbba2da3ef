"""Validation of labels, scores and weights by all metrics."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from skdeepfake import metrics

METRICS = {
    "balanced_accuracy_at": partial(metrics.balanced_accuracy_at, threshold=0.5),
    "choose_threshold": metrics.choose_threshold,
    "clipped_log_loss": metrics.clipped_log_loss,
    "equal_error_rate": metrics.equal_error_rate,
    "expected_calibration_error": metrics.expected_calibration_error,
    "reliability_curve": partial(metrics.reliability_curve, n_bins=2),
    "true_positive_rate_at": partial(metrics.true_positive_rate_at, fpr=0.5),
}
PROBABILISTIC = (
    "clipped_log_loss",
    "expected_calibration_error",
    "reliability_curve",
)
Y = np.array([0, 0, 1, 0, 1, 1])
P = np.array([0.1, 0.35, 0.3, 0.6, 0.7, 0.95])
MIXED = np.array([0, "fake", "fake"], dtype=object)
W = np.array([1.0, 0.5, 9.0, 1.0, 0.5, 2.0])


@pytest.fixture(params=METRICS)
def metric(request):
    return METRICS[request.param]


def plain(result):
    """Convert a number or the columns of a curve to an array."""
    parts = result if isinstance(result, tuple) else [result]
    return np.concatenate([np.atleast_1d(part) for part in parts]).tolist()


def test_labels_of_any_kind_are_understood(metric):
    expected = plain(metric(Y, P))
    words = np.array(["real", "fake"])[Y]
    assert plain(metric(Y.astype(bool), P)) == expected
    assert plain(metric(2 * Y - 1, P)) == expected
    assert plain(metric(Y.astype(float), P)) == expected
    assert plain(metric(Y + 1, P, pos_label=2)) == expected
    assert plain(metric(words, P, pos_label="fake")) == expected
    assert plain(metric(words.astype(object), P, pos_label="fake")) == expected
    assert plain(metric(words.tolist(), P.tolist(), pos_label="fake")) == expected
    found = metric(pd.Series(words), pd.Series(P), pos_label="fake")
    assert plain(found) == expected


def test_other_class_can_be_the_positive_one(metric):
    assert plain(metric(1 - Y, P, pos_label=0)) == plain(metric(Y, P))


def test_equal_weights_change_nothing_and_others_do(metric):
    assert plain(metric(Y, P, sample_weight=np.full(6, 0.25))) == pytest.approx(
        plain(metric(Y, P))
    )
    assert plain(metric(Y, P, sample_weight=W)) != pytest.approx(plain(metric(Y, P)))


def test_weight_of_none_is_no_sample(metric):
    weight = np.append(W, [0, 0])
    found = metric(np.append(Y, [0, 1]), np.append(P, [1.0, 0.0]), sample_weight=weight)
    assert plain(found) == plain(metric(Y, P, sample_weight=W))


@pytest.mark.parametrize(
    ("y_true", "kwargs", "message"),
    [
        ([0, 0, 0], {}, "exactly two classes; got 1: 0"),
        (["real"] * 3, {"pos_label": "fake"}, "two classes; got 1: 'real'"),
        ([0, 1, 2], {}, "exactly two classes; got 3: 0, 1, 2"),
        ([0, 1, np.nan], {}, "y_true contains NaN"),
        (MIXED, {"pos_label": "fake"}, "y_true mixes labels of different types"),
        (["real", None, "fake"], {"pos_label": "fake"}, "y_true"),
        (["real", "fake", "fake"], {}, r"\['fake', 'real'\].*fake class as pos_label"),
        ([1, 2, 2], {}, r"values in \[1, 2\]"),
        (
            [0, 1, 1],
            {"pos_label": 2},
            r"pos_label=2 is not a class of y_true: \[0, 1\]",
        ),
        ([0, 1], {}, r"inconsistent numbers of samples: \[2, 3\]"),
        ([0, 1, 1], {"sample_weight": [1, 1]}, r"inconsistent.*\[3, 3, 2\]"),
        ([0, 1, 1], {"sample_weight": [1, -1, 1]}, "negative weights"),
        ([0, 1, 1], {"sample_weight": [1, np.nan, 1]}, "sample_weight contains NaN"),
        ([0, 1, 1], {"sample_weight": [0, 0, 0]}, "sample_weight is zero"),
        ([0, 1, 1], {"sample_weight": [0, 1, 1]}, "two classes; got 1: 1"),
        ([[0], [1], [1]], {"pos_label": [1]}, "'pos_label' parameter"),
    ],
    ids=[
        *("one-class", "one-word", "three-classes", "nan", "mixed", "none"),
        *("words-alone", "numbers-alone", "unknown-label", "short-labels"),
        *("short-weights", "negative-weight", "nan-weight", "no-weight"),
        *("weightless-class", "strange-label"),
    ],
)
def test_wrong_labels_and_weights_are_refused(metric, y_true, kwargs, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, [0.1, 0.2, 0.9], **kwargs)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ([0.1, np.nan, 0.9], "NaN for 1 of 3 samples, the first at index 1.*frame"),
        ([0.1, np.inf, 0.9], "contains infinity|got inf"),
        (np.eye(3)[:, :2], r"shape \(3, 2\).*predict_proba\(X\)\[:, 1\]"),
        (np.eye(3), "1d array"),
        (["a", "b", "c"], "could not convert"),
        ([], "minimum of 1"),
    ],
    ids=["nan", "infinite", "two-columns", "three-columns", "words", "empty"],
)
def test_wrong_scores_are_refused(metric, score, message):
    with pytest.raises(ValueError, match=message):
        metric([0, 1, 1], score)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("wrong", [-0.5, 1.5])
def test_what_is_no_probability_is_refused_where_it_must_be_one(name, wrong):
    y_true, score = [0, 1, 0, 1], [0.1, wrong, 0.2, 0.9]
    if name in PROBABILISTIC:
        with pytest.raises(ValueError, match=f"between 0 and 1; got {wrong}"):
            METRICS[name](y_true, score)
    else:
        METRICS[name](y_true, score)
