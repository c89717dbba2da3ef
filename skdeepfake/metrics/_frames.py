"""Scores of frames, and the share of frames with a face."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length

from .._scores import (
    SCORE_CONSTRAINTS,
    PosLabel,
    check_classes,
    check_labels,
    check_probability,
)
from .._validation import validated


class FrameScores(NamedTuple):
    """Labels and scores of all frames with a face, from several videos.

    Attributes
    ----------
    y_true : ndarray of shape (n_faces,)
        Label of each frame, taken from its video.
    y_score : ndarray of float64, shape (n_faces,)
        Probability of the positive class.
    video : ndarray of int, shape (n_faces,)
        Index of the video of each frame, usable as groups.

    See Also
    --------
    frame_scores : Compute the frame scores.
    """

    y_true: NDArray
    y_score: NDArray[np.float64]
    video: NDArray[np.intp]


class Coverage(NamedTuple):
    """Shares of the videos and of the frames with a face.

    Attributes
    ----------
    videos : float
        Share of the videos with a face in at least one frame.
    frames : float
        Share of the slots with a face. The empty slots of short videos count as slots
        without a face.

    See Also
    --------
    coverage : Compute the coverage.
    """

    videos: float
    frames: float


@validated(
    y_true=["array-like"],
    frame_proba=["array-like"],
    pos_label=SCORE_CONSTRAINTS["pos_label"],
)
def frame_scores(
    y_true: ArrayLike, frame_proba: ArrayLike, *, pos_label: PosLabel = None
) -> FrameScores:
    """Return the labels and scores of all frames with a face.

    Use them to compute metrics per frame. Report :func:`coverage` with each metric,
    because frames without a face are left out. For confidence intervals, pass the
    identity in each frame, or at least the index of its video (`video`), as `groups` to
    :func:`group_bootstrap`, because frames of the same video are similar.

    Parameters
    ----------
    y_true : array-like of shape (n_videos,)
        Label of each video.
    frame_proba : array-like of shape (n_videos, n_frames) or (n_videos, n_frames, 2)
        Probability of the positive class, or probabilities of both classes in sorted
        order, as returned by ``predict_frame_proba``; NaN without a face.
    pos_label : int, float, bool or str, default=None
        Label of the fake class. None means 1 and requires labels 0 and 1, or -1 and 1.
        Only used if `frame_proba` contains both classes.

    Returns
    -------
    FrameScores
        Named tuple of the labels `y_true`, the scores `y_score` and the video indices
        `video` of the frames, sorted by video and time.

    Raises
    ------
    ValueError
        If the lengths differ, a probability is not between 0 and 1, or a probability is
        NaN for only one class. If `frame_proba` contains both classes, the error is
        also raised if `y_true` does not contain two classes or `pos_label` is invalid.

    See Also
    --------
    coverage : Compute the shares of videos and of frames with a face.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.metrics import frame_scores
    >>> frame_proba = [[0.1, np.nan, 0.3], [np.nan, 0.9, np.nan]]
    >>> frames = frame_scores([0, 1], frame_proba)
    >>> frames.y_true
    array([0, 0, 1])
    >>> frames.y_score
    array([0.1, 0.3, 0.9])
    >>> identities = np.array(["Ann", "Bob"])
    >>> identities[frames.video]
    array(['Ann', 'Ann', 'Bob'], dtype='<U3')
    """
    labels = check_labels(y_true)
    proba = _check_frames(frame_proba)
    check_consistent_length(labels, proba)
    if proba.ndim == 3:
        classes, pos_label = check_classes(labels, pos_label)
        proba = proba[..., classes.index(pos_label)]
    video, slot = np.nonzero(~np.isnan(proba))
    return FrameScores(labels[video], proba[video, slot], video)


@validated(frame_proba=["array-like"])
def coverage(frame_proba: ArrayLike) -> Coverage:
    """Compute the shares of videos and of frames with a face.

    Report the coverage with each score, because detectors predict the class prior for
    videos without a face.

    Parameters
    ----------
    frame_proba : array-like of shape (n_videos, n_frames) or (n_videos, n_frames, 2)
        Probabilities of both classes, as returned by ``predict_frame_proba``, or of one
        class; NaN without a face.

    Returns
    -------
    Coverage
        Named tuple of the shares of `videos` and `frames`, between 0 and 1.

    Raises
    ------
    ValueError
        If a probability is not between 0 and 1 or is NaN for only one class.

    See Also
    --------
    frame_scores : Labels and scores of the frames with a face.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.metrics import coverage
    >>> coverage([[0.1, np.nan, 0.3, 0.2], [np.nan, np.nan, np.nan, np.nan]])
    Coverage(videos=0.5, frames=0.375)
    """
    proba = _check_frames(frame_proba)
    has_face = ~np.isnan(proba if proba.ndim == 2 else proba[..., 0])
    return Coverage(float(has_face.any(axis=1).mean()), float(has_face.mean()))


def _check_frames(frame_proba: ArrayLike) -> NDArray[np.float64]:
    proba = check_array(
        frame_proba,
        dtype=np.float64,
        ensure_2d=False,
        allow_nd=True,
        ensure_all_finite=False,
        input_name="frame_proba",
    )
    if not (proba.ndim == 2 or (proba.ndim == 3 and proba.shape[2] == 2)):
        raise ValueError(
            "frame_proba must have shape (n_videos, n_frames) or (n_videos, n_frames, "
            f"2); got {proba.shape}."
        )
    if not proba.shape[1]:
        raise ValueError("frame_proba must have at least one frame per video; got 0.")
    check_probability(proba, "frame_proba")
    if proba.ndim == 3 and (np.isnan(proba[..., 0]) != np.isnan(proba[..., 1])).any():
        raise ValueError("frame_proba is NaN for only one class of a frame.")
    return proba
