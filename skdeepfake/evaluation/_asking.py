"""What a fitted pipeline says of labelled videos, and of how much of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from .._face_mask import filled_slots
from .._scores import PosLabel, check_classes


class Answers(NamedTuple):
    """Scores of videos and of their frames, all of the positive class.

    Attributes
    ----------
    proba : ndarray of float, shape (n_videos,)
        Probability of the positive class.
    frame_proba : ndarray of float, shape (n_videos, n_frames), or None
        The same of each frame, NaN without a face; None where the classifier does not
        tell.
    has_face : ndarray of bool, shape (n_videos, n_frames), or None
        Which frames have a face; None where no step of the pipeline tells.
    aggregation : str or None
        How the scores of frames become that of a video; None where they do not.
    """

    proba: NDArray[np.float64]
    frame_proba: NDArray[np.float64] | None
    has_face: NDArray[np.bool_] | None
    aggregation: str | None = None


def ask(estimator: Any, X: ArrayLike, pos_label: PosLabel = None) -> Answers:
    """Ask a fitted pipeline, or a detector alone, about videos, each decoded once.

    Parameters
    ----------
    estimator : classifier
        Fitted, of two classes.
    X : array-like of shape (n_videos, ...)
        What it takes.
    pos_label : int, float, bool or str, default=None
        Label of the fakes; None means 1, if the classes are 0 and 1 or -1 and 1.

    Returns
    -------
    Answers

    Raises
    ------
    ValueError
        If `estimator` is not a classifier, or not of two classes, one of which is
        `pos_label`.
    """
    if not is_classifier(estimator) or not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"{type(estimator).__name__} is not a classifier with predict_proba, and "
            "so has no probabilities to score"
        )
    steps = estimator.steps if isinstance(estimator, Pipeline) else [("", estimator)]
    classifier = steps[-1][1]
    has_face = _faces(X)
    for _, step in steps[:-1]:
        if step is not None and step != "passthrough":
            X = step.transform(X)
            has_face = _faces(X) if has_face is None else has_face
    classes = np.asarray(classifier.classes_)
    positive = classes.tolist().index(check_classes(classes, pos_label)[1])
    if not hasattr(classifier, "predict_frame_proba"):
        return Answers(classifier.predict_proba(X)[:, positive], None, has_face)
    frames = classifier.predict_frame_proba(X)
    proba = classifier.aggregate_proba(frames)[:, positive]
    of_frames = frames[..., positive]
    has_face = ~np.isnan(of_frames)
    return Answers(proba, of_frames, has_face, aggregation_of(classifier))


def aggregation_of(classifier: Any) -> str | None:
    """Say how the scores of frames become that of a video; None where they do not."""
    if getattr(classifier, "_sees_sequences", False):
        return None  # its network has an answer of its own for the whole
    return getattr(classifier, "aggregation", None)


def _faces(X: ArrayLike) -> NDArray[np.bool_] | None:
    """Tell which slots have a face, where X holds crops or faces."""
    X = np.asarray(X)
    if X.dtype == object and X.ndim == 2:
        return np.array([[crop is not None for crop in video] for video in X])
    if X.dtype == np.uint8 and X.ndim in (4, 5):  # of images each is a sample
        return filled_slots(X if X.ndim == 5 else X[:, np.newaxis])
    return None
