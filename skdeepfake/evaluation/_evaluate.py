"""From a fitted pipeline and labelled videos to a report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._scores import PosLabel
from ._asking import ask
from ._report import EvaluationReport


def evaluate(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    by: ArrayLike | None = None,
    threshold: float = 0.5,
    fprs: Sequence[float] = (0.1, 0.01, 0.001),
    eps: float = 1e-15,
    n_bins: int = 10,
    no_face: str = "keep",
    pos_label: PosLabel = None,
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    random_state: int | np.random.RandomState | None = None,
) -> EvaluationReport:
    """Score a fitted pipeline on videos that it has not seen.

    Each video is decoded once. Videos and frames are scored apart, the share of them
    that has a face stands beside each figure, and intervals are by identity.

    Parameters
    ----------
    estimator : classifier
        A fitted pipeline from paths of videos to probabilities, or a fitted detector.
    X : array-like of shape (n_videos, ...)
        The videos: what `estimator` takes.
    y : array-like of shape (n_videos,)
        Label of each.
    groups : array-like of shape (n_videos,), default=None
        Identity of each video, over which intervals are computed. None takes each
        video for independent of all others, which makes them too narrow where people
        or originals come back.
    by : array-like of shape (n_videos,), default=None
        What each fake was made by, such as ``bunch.details["method"]``: each kind is
        scored against all real videos, too. What real videos have there is not used.
    threshold : float, default=0.5
        Probability from which on a video is taken for a fake. Choose it on other data,
        by :func:`~skdeepfake.metrics.choose_threshold`.
    fprs : sequence of float, default=(0.1, 0.01, 0.001)
        Shares of the real videos that may be taken for fakes.
    eps : float, default=1e-15
        Where the log loss clips probabilities.
    n_bins : int, default=10
        Equally wide bins of the calibration error.
    no_face : {"keep", "leave_out"}, default="keep"
        Whether videos without a face are scored by what the detector answers for them,
        the class prior, or left out.
    pos_label : int, float, bool or str, default=None
        Label of the fakes. None means 1, if the labels are 0 and 1 or -1 and 1.
    n_resamples : int, default=1000
        Of the bootstrap; 0 gives no intervals.
    confidence_level : float, default=0.95
        Of the intervals.
    random_state : int, RandomState instance or None, default=None
        Draws the resamples.

    Returns
    -------
    EvaluationReport
        To be printed, or written as HTML or JSON.

    Raises
    ------
    ValueError
        If `estimator` is not a classifier of two classes, a parameter is out of its
        range, the lengths differ, or a class is missing.

    Warns
    -----
    NoFaceWarning
        For videos without a face.

    See Also
    --------
    EvaluationReport.from_predictions : The same of scores that are there already, such
        as those of :func:`~sklearn.model_selection.cross_val_predict`.
    robustness_curve : The same pipeline on videos that are distorted.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import CNNDetector
    >>> from skdeepfake.evaluation import evaluate
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randint(1, 100, size=(8, 3, 16, 16, 3)).astype(np.uint8)
    >>> y = np.array([0, 1] * 4)
    >>> X[y == 1] += 100
    >>> detector = CNNDetector(
    ...     filters=(4,), learning_rate=0.01, epochs=10, validation_fraction=None,
    ...     momentum=0.5, random_state=0,
    ... ).fit(X, y)
    >>> report = evaluate(detector, X, y, n_resamples=20, random_state=0)
    >>> report["AUC"]
    1.0
    >>> report.row("AUC", level="frames")["n_fake"]
    12
    """
    answers = ask(estimator, X, pos_label)
    return EvaluationReport.from_predictions(
        y,
        answers.proba,
        frame_proba=answers.frame_proba,
        has_face=answers.has_face,
        aggregation=answers.aggregation,
        groups=groups,
        by=by,
        names=_names(X),
        threshold=threshold,
        fprs=fprs,
        eps=eps,
        n_bins=n_bins,
        no_face=no_face,
        pos_label=pos_label,
        n_resamples=n_resamples,
        confidence_level=confidence_level,
        random_state=random_state,
    )


def _names(X: Any) -> list[str] | None:
    """Call videos by their paths, where these are what a pipeline takes."""
    if all(isinstance(path, (str, os.PathLike)) for path in X):
        return [os.fspath(path) for path in X]
    return None
