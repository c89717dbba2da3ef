"""Labels, scores and weights as every metric takes them."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    column_or_1d,
)
from sklearn.utils._missing import is_pandas_na
from sklearn.utils._param_validation import validate_params

PosLabel = float | str | None
Function = TypeVar("Function", bound=Callable[..., Any])

# What all metrics of labels and scores take besides the scores themselves.
LABELS_AND_WEIGHTS: dict[str, list[Any]] = {
    "y_true": ["array-like"],
    "pos_label": [Real, str, "boolean", None],
    "sample_weight": ["array-like", None],
}


class Scored(NamedTuple):
    """Samples of both classes, those of no weight left out."""

    is_positive: NDArray[np.bool_]
    score: NDArray[np.float64]
    weight: NDArray[np.float64]


def validated(constraints: dict[str, list[Any]]) -> Callable[[Function], Function]:
    """Check the parameters of a function; type checkers go on to see its signature."""
    return validate_params(constraints, prefer_skip_nested_validation=True)


def check_scored(
    y_true: ArrayLike,
    y_score: ArrayLike,
    pos_label: PosLabel,
    sample_weight: ArrayLike | None,
    *,
    name: str = "y_score",
    is_probability: bool = False,
) -> Scored:
    """Check labels, scores and weights, or raise a ValueError that names the wrong one.

    `name` is the scores' in the signature of the metric.
    """
    labels = check_labels(y_true)
    score = _check_score(y_score, name)
    check_consistent_length(labels, score, sample_weight)
    if is_probability:
        check_probability(score, name)
    if sample_weight is None:
        weight = np.ones(len(score))
    else:
        weight = check_weight(sample_weight)
        labels, score, weight = (part[weight > 0] for part in (labels, score, weight))
    pos_label = check_classes(labels, pos_label)[1]
    return Scored(labels == pos_label, score, weight)


def is_missing(value: Any) -> bool:
    """Tell what stands for nothing in a column: None, NaN and pandas' NA."""
    return value is None or is_pandas_na(value) or bool(value != value)


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
        # Sorted, "fake" comes before "real": the usual guess, the last of the classes,
        # would silently swap them.
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


def _check_score(y_score: ArrayLike, name: str) -> NDArray[np.float64]:
    score = check_array(
        y_score,
        dtype=np.float64,
        ensure_2d=False,
        ensure_all_finite=False,
        allow_nd=True,
        input_name=name,
    )
    if score.ndim == 2 and score.shape[1] == 2:
        raise ValueError(
            f"{name} has the shape {score.shape}: give one score a sample, that of the "
            "positive class, such as predict_proba(X)[:, 1]"
        )
    score = np.asarray(column_or_1d(score))
    missing = np.flatnonzero(np.isnan(score))
    if len(missing):
        raise ValueError(
            f"{name} is NaN for {len(missing)} of {len(score)} samples, the first of "
            f"which is {missing[0]}. What has no face has no score: leave it out, for "
            "frames by skdeepfake.metrics.frame_scores"
        )
    assert_all_finite(score, input_name=name)
    return score
