"""What is explained: a detector, what it is given, and the class that is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


def detector_and_frames(estimator: Any, X: ArrayLike) -> tuple[Any, NDArray]:
    """Take a pipeline apart, and check what its detector is given.

    Parameters
    ----------
    estimator : detector or Pipeline
        Fitted; a pipeline ends in a detector.
    X : array-like of shape (n_videos, ...)
        What it takes.

    Returns
    -------
    detector : BaseDetector
        The detector alone.
    frames : ndarray of shape (n_videos, n_frames, ...)
        What it is given.

    Raises
    ------
    ValueError
        If it is no detector, or X not what it takes.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    # Here, for it loads Keras, and `overlay` does not need that.
    from ..detectors._base import BaseDetector

    detector = estimator
    if isinstance(estimator, Pipeline):
        detector = estimator[-1]
        X = estimator[:-1].transform(X) if len(estimator) > 1 else X
    if not isinstance(detector, BaseDetector):
        raise ValueError(
            f"{type(detector).__name__} is no detector of skdeepfake.detectors, nor a "
            "pipeline that ends in one: there is no network to look into"
        )
    check_is_fitted(detector)
    return detector, detector._validate_frames(X, reset=False)


def sign_of_class(detector: Any, class_label: Any) -> int:
    """Tell whether the log-odds of a class are the network's or their opposite.

    Parameters
    ----------
    detector : BaseDetector
        Fitted.
    class_label : object
        One of its classes; None is the second.

    Returns
    -------
    int
        1 or -1.

    Raises
    ------
    ValueError
        If there is no such class.
    """
    classes = np.asarray(detector.classes_).tolist()
    if class_label is None:
        return 1
    if class_label not in classes:
        raise ValueError(
            f"class_label={class_label!r} is not one of the classes {classes}"
        )
    return (-1, 1)[classes.index(class_label)]
