"""Reliability curves and their distance from the diagonal."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from skdeepfake.metrics import expected_calibration_error, reliability_curve


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("n_bins", [1, 2, 10, 150])
def test_curve_is_scikit_learns(scored, n_bins, strategy):
    y_true, proba, _ = scored
    observed, predicted = calibration_curve(
        y_true, proba, n_bins=n_bins, strategy=strategy
    )
    curve = reliability_curve(y_true, proba, n_bins=n_bins, strategy=strategy)
    np.testing.assert_allclose(curve.observed, observed, rtol=1e-13)
    np.testing.assert_allclose(curve.predicted, predicted, rtol=1e-13)
    assert curve.n_samples.sum() == len(y_true)
    assert curve.n_samples.dtype.kind == "i"


def test_bins_hold_their_upper_limit_and_the_first_both():
    curve = reliability_curve([0, 1, 0, 1, 1], [0.0, 0.25, 0.5, 0.75, 1.0], n_bins=4)
    assert curve.predicted.tolist() == [0.125, 0.5, 0.75, 1.0]
    assert curve.observed.tolist() == [0.5, 0.0, 1.0, 1.0]
    assert curve.n_samples.tolist() == [2, 1, 1, 1]


def test_empty_bins_are_left_out():
    curve = reliability_curve([0, 1, 1], [0.05, 0.95, 0.91])
    assert curve.n_samples.tolist() == [1, 2]
    assert curve.predicted == pytest.approx([0.05, 0.93])


def test_quantile_bins_hold_equally_many(scored):
    y_true, _, _ = scored
    proba = np.linspace(0, 1, len(y_true)) ** 3
    curve = reliability_curve(y_true, proba, n_bins=7, strategy="quantile")
    assert curve.n_samples.tolist() == [29] * 7


def test_weight_of_two_is_two_samples():
    y_true, proba = [0, 1, 1, 0], [0.1, 0.2, 0.6, 0.9]
    curve = reliability_curve(y_true, proba, n_bins=2, sample_weight=[1, 2, 1, 1])
    assert curve.observed == pytest.approx([2 / 3, 1 / 2])
    assert curve.predicted == pytest.approx([0.5 / 3, 0.75])
    assert curve.n_samples.tolist() == [2, 2]
    weighted = expected_calibration_error(
        y_true, proba, n_bins=2, sample_weight=[1, 2, 1, 1]
    )
    twice = expected_calibration_error(
        [0, 1, 1, 1, 0], [0.1, 0.2, 0.2, 0.6, 0.9], n_bins=2
    )
    assert weighted == pytest.approx(twice, abs=1e-15)
    assert weighted == pytest.approx(3 / 5 * 0.5 + 2 / 5 * 0.25, abs=1e-15)


def error_by_hand(y_true, proba, limits, weight):
    total = 0.0
    for low, high in itertools.pairwise(limits):
        inside = (low < proba) & (proba <= high)
        if low == limits[0]:
            inside |= proba == low
        if inside.any():
            # Sum the differences between predictions and labels, without means.
            gap = np.sum(weight[inside] * (proba[inside] - y_true[inside]))
            total += abs(gap) / weight.sum()
    return total


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("n_bins", [1, 5, 10])
def test_error_is_that_by_hand(scored, n_bins, strategy, weighted):
    y_true, proba, weight = scored
    weight = weight if weighted else np.ones(len(proba))
    limits = np.arange(n_bins + 1) / n_bins
    if strategy == "quantile":
        limits = np.quantile(proba, limits)
    found = expected_calibration_error(
        y_true, proba, n_bins=n_bins, strategy=strategy, sample_weight=weight
    )
    expected = error_by_hand(y_true, proba, limits, weight)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found > 0.01


def test_ten_uniform_bins_are_the_default(scored):
    y_true, proba, _ = scored
    expected = expected_calibration_error(y_true, proba, n_bins=10, strategy="uniform")
    assert expected_calibration_error(y_true, proba) == expected
    assert len(reliability_curve(y_true, proba).predicted) == 10


def test_calibrated_has_no_error_and_sure_and_wrong_has_all():
    quarter = np.full(8, 0.25)
    assert expected_calibration_error([0, 0, 0, 1] * 2, quarter) == 0
    assert expected_calibration_error([0, 1], [1.0, 0.0]) == 1


def test_large_bins_count_more_than_small_ones():
    # Nine correct samples at 0, one wrong sample at 1, and one sample at 0.5.
    y_true, proba = [0] * 9 + [0, 1], [0.0] * 9 + [1.0, 0.5]
    found = expected_calibration_error(y_true, proba)
    assert found == pytest.approx((1 + 0.5) / 11, abs=1e-15)


def test_words_and_the_other_class(scored):
    y_true, proba, _ = scored
    names = np.array(["real", "fake"])[y_true]
    fake = reliability_curve(names, proba, pos_label="fake")
    assert fake.observed.tolist() == reliability_curve(y_true, proba).observed.tolist()
    real = expected_calibration_error(names, 1 - proba, n_bins=1, pos_label="real")
    assert real == pytest.approx(
        expected_calibration_error(y_true, proba, n_bins=1), abs=1e-12
    )


@pytest.mark.parametrize(
    ("name", "value"), [("n_bins", 0), ("n_bins", 2.5), ("strategy", "kmeans")]
)
@pytest.mark.parametrize("metric", [expected_calibration_error, reliability_curve])
def test_wrong_bins_are_refused(metric, name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of {metric.__name__}"):
        metric([0, 1], [0.1, 0.9], **{name: value})
