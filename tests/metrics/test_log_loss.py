"""Clipped log loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from skdeepfake.metrics import clipped_log_loss


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_log_loss_is_scikit_learns_where_nothing_is_clipped(scored, weighted):
    y_true, proba, weight = scored
    weight = weight if weighted else None
    expected = log_loss(y_true, proba, sample_weight=weight)
    found = clipped_log_loss(y_true, proba, sample_weight=weight)
    assert found == pytest.approx(expected, rel=1e-14)
    assert clipped_log_loss(y_true, proba, eps=0.005, sample_weight=weight) == found


def test_video_that_is_wrong_for_sure_costs_what_eps_says():
    assert clipped_log_loss([0, 1], [0.5, 0.0]) == pytest.approx(
        (math.log(2) + 15 * math.log(10)) / 2, rel=1e-12
    )
    assert clipped_log_loss([0, 1], [1.0, 0.5], eps=0.01) == pytest.approx(
        (math.log(2) + math.log(100)) / 2, rel=1e-12
    )


def test_sure_and_right_costs_what_eps_says():
    found = clipped_log_loss([0, 1], [0.0, 1.0], eps=0.1)
    assert found == pytest.approx(-math.log(0.9), rel=1e-12)


def test_loss_does_not_depend_on_the_type_of_the_array():
    # scikit-learn clips the loss at 15.9 for float32, and at 36.0 for float64.
    proba = np.array([1, 1], dtype=np.float32)
    assert clipped_log_loss([0, 1], proba) == clipped_log_loss([0, 1], [1.0, 1.0])
    assert clipped_log_loss([0, 1], proba) == pytest.approx(34.5388 / 2, abs=1e-4)


def test_probabilities_are_those_of_the_positive_class():
    names, proba = ["fake", "real", "real"], [0.9, 0.2, 0.4]
    expected = -(math.log(0.9) + math.log(0.8) + math.log(0.6)) / 3
    found = clipped_log_loss(names, proba, pos_label="fake")
    assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("eps", [0, 0.5, -1e-15, np.nan, "auto"])
def test_eps_that_bounds_nothing_or_all_is_refused(eps):
    with pytest.raises(ValueError, match="'eps' parameter"):
        clipped_log_loss([0, 1], [0.1, 0.9], eps=eps)
