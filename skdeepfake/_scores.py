"""Checks of labels, scores and weights, and the ROC that metrics and reports share."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_curve
from sklearn.utils import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    column_or_1d,
)

from ._docs import shared_docs
from ._validation import Function, validated

PosLabel = float | str | None

# Constraints of the parameters that all metrics of labels and scores have.
SCORE_CONSTRAINTS: dict[str, list[Any]] = {
    "y_true": ["array-like"],
    "y_score": ["array-like"],
    "pos_label": [Real, str, "boolean", None],
    "sample_weight": ["array-like", None],
}

_LABELS = """\
y_true : array-like of shape (n_samples,)
    Label of each video, or of each frame.
y_score : array-like of shape (n_samples,)
    Probability of the positive class"""
_ERRORS = """\
Raises
------
ValueError
    If there are not exactly two classes, `pos_label` is missing or not among them,
    the lengths differ, or a """
_score_docs = shared_docs(
    {
        "labels_and_scores": f"{_LABELS} or any other score that rises with it.\n",
        "labels_and_probabilities": f"{_LABELS}.\n",
        "pos_label_and_weights": """\
pos_label : int, float, bool or str, default=None
    Label of the fakes. None means 1, if the labels are 0 and 1 or -1 and 1.
sample_weight : array-like of shape (n_samples,), default=None
    Weight of each sample.
""",
        "score_errors": f"{_ERRORS}score is NaN or infinite.\n",
        "probability_errors": f"{_ERRORS}probability is NaN or not between 0 and 1.\n",
    }
)


def score_metric(**constraints: list[Any]) -> Callable[[Function], Function]:
    """Check the parameters of a metric, and complete its docstring."""
    check = validated(**{**SCORE_CONSTRAINTS, **constraints})
    return lambda metric: _score_docs(check(metric))


class Scored(NamedTuple):
    """Samples of both classes, those of no weight left out."""

    is_positive: NDArray[np.bool_]
    score: NDArray[np.float64]
    weight: NDArray[np.float64]


def check_scored(
    y_true: ArrayLike,
    y_score: ArrayLike,
    pos_label: PosLabel,
    sample_weight: ArrayLike | None,
    *,
    is_probability: bool = False,
) -> Scored:
    """Check labels, scores and weights; the ValueError names the wrong one."""
    labels = check_labels(y_true)
    score = _check_score(y_score)
    check_consistent_length(labels, score, sample_weight)
    if is_probability:
        check_probability(score, "y_score")
    if sample_weight is None:
        weight = np.ones(len(score))
    else:
        weight = check_weight(sample_weight)
        labels, score, weight = (part[weight > 0] for part in (labels, score, weight))
    pos_label = check_classes(labels, pos_label)[1]
    return Scored(labels == pos_label, score, weight)


def check_labels(y_true: ArrayLike) -> NDArray:
    labels = np.asarray(column_or_1d(y_true))
    assert_all_finite(labels, input_name="y_true")
    return labels


def check_classes(labels: NDArray, pos_label: PosLabel) -> tuple[list[Any], Any]:
    """Give both classes, sorted, and which of them is the positive one."""
    try:
        classes = np.unique(labels).tolist()
    except TypeError as error:
        raise ValueError("y_true mixes labels of different types") from error
    if len(classes) == 1:
        raise ValueError(
            f"y_true holds samples of one class only, {classes[0]!r}, where both are "
            "needed"
        )
    if len(classes) != 2:
        found = ", ".join(map(repr, classes[:5])) + (
            ", ..." if len(classes) > 5 else ""
        )
        raise ValueError(
            f"y_true holds {len(classes)} classes ({found}) where two are needed"
        )
    if pos_label is None:
        # Sorted, "fake" comes before "real": the usual guess, the last, swaps them.
        if classes not in ([0, 1], [-1, 1]):
            raise ValueError(
                f"y_true takes values in {classes}, not in [0, 1] or [-1, 1]: give the "
                "label of the fakes as pos_label"
            )
        pos_label = 1
    elif pos_label not in classes:
        raise ValueError(f"pos_label={pos_label!r} is not in y_true, but {classes} are")
    return classes, pos_label


def check_weight(sample_weight: ArrayLike) -> NDArray[np.float64]:
    weight = np.asarray(column_or_1d(sample_weight, dtype=np.float64))
    assert_all_finite(weight, input_name="sample_weight")
    if (weight < 0).any():
        raise ValueError("sample_weight holds negative weights")
    if not weight.any():
        raise ValueError("sample_weight is zero for all samples")
    return weight


def check_probability(proba: NDArray[np.float64], name: str) -> None:
    """Raise if a number is no probability; NaN is not looked at."""
    wrong = proba[(proba < 0) | (proba > 1)]
    if wrong.size:
        raise ValueError(
            f"{name} holds {wrong[0]:g}, which is not a probability between 0 and 1"
        )


def _check_score(y_score: ArrayLike) -> NDArray[np.float64]:
    score = check_array(
        y_score,
        dtype=np.float64,
        ensure_2d=False,
        ensure_all_finite=False,
        allow_nd=True,
        input_name="y_score",
    )
    if score.ndim == 2 and score.shape[1] == 2:
        raise ValueError(
            f"y_score has the shape {score.shape}: give one score per sample, that of "
            "the positive class, such as predict_proba(X)[:, 1]"
        )
    score = np.asarray(column_or_1d(score))
    missing = np.flatnonzero(np.isnan(score))
    if len(missing):
        raise ValueError(
            f"y_score is NaN for {len(missing)} of {len(score)} samples, the first of "
            f"which is {missing[0]}. What has no face has no score: leave it out, for "
            "frames by skdeepfake.metrics.frame_scores"
        )
    assert_all_finite(score, input_name="y_score")
    return score


# Weights are summed in floating point: rates that differ by less are the same.
ROUNDING = 1e-12


class Roc(NamedTuple):
    """Rates when samples that score at least `threshold` are taken for fakes."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    threshold: NDArray[np.float64]


def roc(scored: Scored) -> Roc:
    """Compute a point for each score, from (0, 0) to (1, 1)."""
    # With the points on straight parts of the curve, which are thresholds, too.
    return Roc(
        *roc_curve(
            scored.is_positive,
            scored.score,
            sample_weight=scored.weight,
            drop_intermediate=False,
        )
    )


def error_where_equal(curve: Roc) -> float:
    """Interpolate the rate of errors that both classes have in common."""
    # FPR - FNR rises from -1 to 1 with every point.
    return float(np.interp(0, curve.fpr + curve.tpr - 1, curve.fpr))


def tpr_up_to(curve: Roc, fpr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the largest true positive rate at no more than some false positive rates."""
    return curve.tpr[np.searchsorted(curve.fpr, fpr + ROUNDING, side="right") - 1]
