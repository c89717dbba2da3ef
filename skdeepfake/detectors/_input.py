"""Checks of the input of detectors: frames and labels."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array

from .._shards import ShardedArray


def check_frames(X: ArrayLike, *, frame_ndim: int, estimator: Any) -> NDArray:
    """Check X and reshape it to (n_videos, n_frames, ...)."""
    name = type(estimator).__name__
    dtype = getattr(X, "dtype", None)  # dtypes of tensors may have no kind
    if getattr(dtype, "kind", "f") not in "biuf":
        raise ValueError(
            f"{name} needs numeric arrays; X has dtype {dtype}. Put a Resizer between "
            "the cropper and the detector."
        )
    how: dict[str, Any] = {"dtype": None, "allow_nd": True, "estimator": estimator}
    frames: Any = X
    if isinstance(X, ShardedArray):
        n_checked = len(X) if X.dtype.kind == "f" else 1  # integers are finite
        for start in range(0, n_checked, X.shard_size):
            check_array(X[start : start + X.shard_size], **how)
    else:
        frames = check_array(X, **how)
    if frames.ndim == frame_ndim + 1:
        return frames[:, np.newaxis]
    if frames.ndim != frame_ndim + 2:
        raise ValueError(
            f"{name} needs arrays of {frame_ndim + 2} axes (videos, frames, ...) or "
            f"{frame_ndim + 1} axes (single frames); X has shape {frames.shape}."
        )
    return frames


def check_same_frames(
    frames: NDArray, *, shape: tuple[int, ...], dtype: np.dtype, estimator: Any
) -> None:
    """Check that frames have the shape and dtype seen in `fit`."""
    name = type(estimator).__name__
    if frames.shape[2:] != shape:
        raise ValueError(
            f"X has frames of shape {frames.shape[2:]}, but this {name} was fitted "
            f"on frames of shape {shape}."
        )
    if frames.dtype != dtype and not (frames.dtype.kind == dtype.kind == "f"):
        raise ValueError(
            f"X has dtype {frames.dtype}, but this {name} was fitted on {dtype}. "
            f"Pass X with dtype {dtype} and the same range of values."
        )


def check_labels(
    y: ArrayLike, *, classes: NDArray | None, reset: bool, estimator: Any
) -> NDArray:
    """Check the labels of the videos."""
    name = type(estimator).__name__
    y = np.asarray(column_or_1d(y, warn=True))
    if y.dtype.kind == "f":
        assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    found = np.unique(y)
    if reset and classes is None and len(found) != 2:
        many = len(found) > 2  # scikit-learn's checks expect this sentence
        raise ValueError(
            f"{'Only binary classification is supported. ' if many else ''}{name} "
            "needs samples of 2 classes, real and fake, but y contains "
            f"{len(found)} {'classes' if many else 'class'}: {found.tolist()}"
        )
    if classes is not None and not np.isin(found, classes).all():
        raise ValueError(
            f"y contains labels {found.tolist()}, but the classes are "
            f"{np.asarray(classes).tolist()}."
        )
    return y


def check_positive_integers(estimator: Any, name: str, at_least: int = 0) -> None:
    """Check a parameter with one number per layer."""
    values = getattr(estimator, name)
    whole = all(isinstance(n, Integral) and int(n) > 0 for n in values)
    if not whole or len(values) < at_least:
        raise ValueError(
            f"The {name!r} parameter of {type(estimator).__name__} must be a "
            f"{'non-empty ' if at_least else ''}sequence of positive integers, one per "
            f"layer. Got {values!r} instead."
        )
