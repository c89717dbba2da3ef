"""Evaluation of a fitted pipeline."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from .._predictions import positive_column, predict_with_frames
from .._scores import PosLabel
from ._report import EvaluationReport


def evaluate(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    pos_label: PosLabel = None,
    **params: Any,
) -> EvaluationReport:
    """Evaluate a fitted pipeline on test videos.

    Metrics are computed per video and per frame. Confidence intervals are computed by
    resampling `groups`.

    Parameters
    ----------
    estimator : classifier
        Fitted pipeline that takes paths of videos, or fitted detector.
    X : array-like of shape (n_videos, ...)
        Test videos, as input of `estimator`.
    y : array-like of shape (n_videos,)
        Label of each video.
    pos_label : int, float, bool or str, default=None
        Label of the fake class. None means 1 and requires labels 0 and 1, or -1 and 1.
    **params : dict
        Further parameters of :meth:`EvaluationReport.from_predictions`, such as
        `groups`, `by`, `threshold`, `no_face`, `n_resamples` and `random_state`.

    Returns
    -------
    EvaluationReport
        Report that can be printed, or written as HTML or JSON.

    Raises
    ------
    ValueError
        If `y` does not have two classes, the lengths of arrays differ, or a parameter
        is out of range.

    Warns
    -----
    NoFaceWarning
        For videos without a face.

    See Also
    --------
    robustness_curve : Score a pipeline on distorted videos.

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
    column = positive_column(estimator, pos_label)
    run = predict_with_frames(estimator, X, column=column)
    params = {"names": run.paths, "aggregation": run.aggregation, **params}
    return EvaluationReport.from_predictions(
        y,
        run.proba,
        frame_proba=run.frame_proba,
        has_face=run.has_face,
        seconds_missing=run.seconds_missing,
        pos_label=pos_label,
        **params,
    )
