"""Validation of labels, scores and weights, and the ROC curve."""

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

# Parameter constraints shared by all metrics of labels and scores.
SCORE_CONSTRAINTS: dict[str, list[Any]] = {
    "y_true": ["array-like"],
    "y_score": ["array-like"],
    "pos_label": [Real, str, "boolean", None],
    "sample_weight": ["array-like", None],
}

_LABELS = """\
y_true : array-like of shape (n_samples,)
    Label of each video or frame.
y_score : array-like of shape (n_samples,)
    Probability of the positive class"""
_ERRORS = """\
Raises
------
ValueError
    If `y_true` does not contain exactly two classes, `pos_label` is invalid, the arrays
    differ in length, or a """
_score_docs = shared_docs(
    {
        "labels_and_scores": f"{_LABELS}, or any score that increases with it.\n",
        "labels_and_probabilities": f"{_LABELS}.\n",
        "pos_label_and_weights": """\
pos_label : int, float, bool or str, default=None
    Label of the fake class. None means 1 and requires the labels 0 and 1, or -1 and 1.
sample_weight : array-like of shape (n_samples,), default=None
    Sample weights.
""",
        "score_errors": f"{_ERRORS}score is NaN or infinite.\n",
        "probability_errors": f"{_ERRORS}probability is NaN or not between 0 and 1.\n",
    }
)


def score_metric(**constraints: list[Any]) -> Callable[[Function], Function]:
    """Validate the parameters of a metric and complete its docstring."""
    check = validated(**{**SCORE_CONSTRAINTS, **constraints})
    return lambda metric: _score_docs(check(metric))


class Scored(NamedTuple):
    """Samples of both classes, without samples of zero weight."""

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
    """Validate labels, scores and weights."""
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
    """Return the sorted classes and the positive class."""
    try:
        classes = np.unique(labels).tolist()
    except TypeError as error:
        raise ValueError("y_true mixes labels of different types.") from error
    if len(classes) != 2:
        found = ", ".join(map(repr, classes[:5])) + ", ..." * (len(classes) > 5)
        raise ValueError(
            f"y_true must contain exactly two classes; got {len(classes)}: {found}."
        )
    if pos_label is None:
        # The last class is not a good default, since "fake" sorts before "real".
        if classes not in ([0, 1], [-1, 1]):
            raise ValueError(
                f"y_true takes values in {classes}, not in [0, 1] or [-1, 1]: pass the "
                "label of the fake class as pos_label."
            )
        pos_label = 1
    elif pos_label not in classes:
        raise ValueError(
            f"pos_label={pos_label!r} is not a class of y_true: {classes}."
        )
    return classes, pos_label


def check_weight(sample_weight: ArrayLike) -> NDArray[np.float64]:
    weight = np.asarray(column_or_1d(sample_weight, dtype=np.float64))
    assert_all_finite(weight, input_name="sample_weight")
    if (weight < 0).any():
        raise ValueError("sample_weight contains negative weights.")
    if not weight.any():
        raise ValueError("sample_weight is zero for all samples.")
    return weight


def check_probability(proba: NDArray[np.float64], name: str) -> None:
    """Raise a ValueError for values outside [0, 1], ignoring NaN."""
    wrong = proba[(proba < 0) | (proba > 1)]
    if wrong.size:
        raise ValueError(
            f"{name} must contain probabilities between 0 and 1; got {wrong[0]:g}."
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
            f"y_score has shape {score.shape}: pass one score per sample for the "
            "positive class, such as predict_proba(X)[:, 1]."
        )
    score = np.asarray(column_or_1d(score))
    missing = np.flatnonzero(np.isnan(score))
    if len(missing):
        raise ValueError(
            f"y_score is NaN for {len(missing)} of {len(score)} samples, the first at "
            f"index {missing[0]}. Videos and frames without a face have no score. "
            "Remove them; skdeepfake.metrics.frame_scores removes such frames."
        )
    assert_all_finite(score, input_name="y_score")
    return score


# Tolerance for rates, which are sums of floating-point weights.
ROUNDING = 1e-12


class Roc(NamedTuple):
    """Positive rates if scores of at least `threshold` are classified as fake."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    threshold: NDArray[np.float64]


def roc(scored: Scored) -> Roc:
    """Compute the ROC curve with a point for each distinct score."""
    # Keep points on straight parts of the curve, since they are thresholds, too.
    return Roc(
        *roc_curve(
            scored.is_positive,
            scored.score,
            sample_weight=scored.weight,
            drop_intermediate=False,
        )
    )


def error_where_equal(curve: Roc) -> float:
    """Interpolate the equal error rate."""
    # FPR - FNR increases from -1 to 1 along the curve.
    return float(np.interp(0, curve.fpr + curve.tpr - 1, curve.fpr))


def tpr_up_to(curve: Roc, fpr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest true positive rate for each maximum false positive rate."""
    return curve.tpr[np.searchsorted(curve.fpr, fpr + ROUNDING, side="right") - 1]
