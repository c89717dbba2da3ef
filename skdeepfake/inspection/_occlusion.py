"""Explanations by occlusion of positions or frames."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.utils._param_validation import Interval, StrOptions

from .._face_mask import filled_slots
from .._predictions import run_pipeline
from .._progress import progress
from .._validation import validated
from ._grad_cam import sign_of_class

# Clip probabilities, so that their log-odds are finite in float64.
_SMALLEST = np.finfo(np.float64).eps


@validated(
    over=[StrOptions({"position", "frame"})],
    baseline=[StrOptions({"mean", "zero"})],
    batch_size=[Interval(Integral, 1, None, closed="left"), None],
)
def occlusion(
    estimator: Any,
    X: ArrayLike,
    *,
    over: str = "position",
    class_label: Any = None,
    baseline: str = "mean",
    batch_size: int | None = None,
) -> NDArray[np.float32]:
    """Compute the drop in log-odds of a class when a part of the input is removed.

    Positive values are evidence for the class, negative values evidence against it.

    Parameters
    ----------
    estimator : detector or Pipeline
        Fitted detector or pipeline. ``over="position"`` requires a detector of
        features.
    X : array-like of shape (n_videos, n_frames, ...) or (n_images, ...)
        Features or faces as in `predict_proba`, or the input of the pipeline.
    over : {"position", "frame"}, default="position"
        If "position", remove one position of the features of a frame, to locate
        evidence in the face. If "frame", remove a frame, to locate evidence in time.
    class_label : object, default=None
        Class to explain. None uses the second class in `classes_`.
    baseline : {"mean", "zero"}, default="mean"
        Replacement of a removed position. "mean" is the mean over all positions of the
        frame. "zero" can be far from the training data. Not used if ``over="frame"``.
    batch_size : int or None, default=None
        Number of frames per batch, or of videos if the detector has recurrent layers
        over frames. None uses the batch size of the detector.

    Returns
    -------
    ndarray of shape (n_videos, n_frames, n_positions) or (n_videos, n_frames), float32
        Drop in log-odds (natural logarithm); NaN for slots without a face. With
        ``over="position"``, the log-odds are those of the frame, or of the video if the
        detector has ``sequence="temporal"``. With ``over="frame"``, the log-odds are
        those of the video. If no frame is left, the log-odds of the class prior are
        used.

    Raises
    ------
    ValueError
        If `estimator` is not a suitable detector, if the class is unknown, or if `X`
        does not have the shape used in `fit`. With ``over="position"``, also if `X` has
        only one position per frame.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.

    See Also
    --------
    grad_cam : Evidence in the face, for detectors of images.
    overlay : Draw the evidence in one frame over the face.
    skdeepfake.plotting.AttributionDisplay : Plot faces with their evidence.

    Notes
    -----
    Positions are in row-major order. For a result `found` with the 49 positions of
    VGG16, ``found[i, j].reshape(7, 7)`` is the map of frame j of video i. Maps are
    approximate, because receptive fields overlap.

    Redundant parts, such as similar frames, have small values.

    References
    ----------
    Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV
    2014, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import CNNRNNDetector
    >>> from skdeepfake.inspection import occlusion
    >>> rng = np.random.RandomState(0)
    >>> X = rng.rand(8, 3, 4, 5)  # 8 videos, 3 frames, 4 positions, 5 channels
    >>> y = np.array([0, 1] * 4)
    >>> X[y == 1, :, 3] += 2  # fakes differ at the last position
    >>> detector = CNNRNNDetector(
    ...     units=(4,), learning_rate=0.1, epochs=20, validation_fraction=None,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> found = occlusion(detector, X)
    >>> found.shape, int(found[1, 0].argmax())
    ((8, 3, 4), 3)
    >>> occlusion(detector, X, over="frame").shape
    (8, 3)
    """
    # Imported here, since `overlay` does not require Keras.
    from ._network import logits

    run = run_pipeline(estimator, X, keep_faces=False)
    detector, frames = run.detector, run.frames
    sign = sign_of_class(detector, class_label)
    occluded = _Occluded(
        detector, frames, logits(detector.model_), batch_size or detector.batch_size
    )
    if over == "position":
        drops = _without_positions(occluded, baseline)
    elif detector._sees_sequences:
        drops = _without_frames(occluded)
    else:
        drops = _without_scores(occluded)
    return (sign * drops).astype(np.float32)


class _Occluded(NamedTuple):
    """Detector with its input."""

    detector: Any
    X: NDArray
    logits: Callable[[NDArray], NDArray]
    batch_size: int

    @property
    def filled(self) -> NDArray[np.bool_]:
        """Slots with a face."""
        return filled_slots(self.X)

    @property
    def prior(self) -> float:
        """Log-odds of a video without a face."""
        return float(_log_odds(self.detector.class_prior_[1]))

    def log_odds(
        self,
        index: tuple[NDArray, ...],
        seen: NDArray | None = None,
        *,
        times: int = 1,
        change: Callable[[NDArray, NDArray, NDArray], None] | None = None,
    ) -> NDArray[np.float64]:
        """Predict the log-odds of the elements of X at `index`, repeated `times`.

        Only the first `seen` frames of sequences are used. `change` modifies a batch in
        place, given the index and the repetition of each element.
        """
        found = np.empty(len(index[0]) * times)
        starts = range(0, len(found), self.batch_size)
        verbose = self.detector.verbose
        for start in progress(starts, desc="occluding", unit="batch", verbose=verbose):
            part = np.arange(start, min(start + self.batch_size, len(found)))
            rows, number = np.divmod(part, times)
            batch = self.X[tuple(axis[rows] for axis in index)]
            if seen is not None:
                batch[np.arange(batch.shape[1]) >= seen[rows, np.newaxis]] = 0
            if change is not None:
                change(batch, rows, number)
            dtype = self.detector.frame_dtype_
            found[part] = self.logits(batch.astype(dtype, copy=False))
        return found


def _without_positions(occluded: _Occluded, baseline: str) -> NDArray[np.float64]:
    """Remove each position of each frame."""
    detector, X, filled = occluded.detector, occluded.X, occluded.filled
    if X.ndim != 4:
        raise ValueError(
            "over='position' requires a detector of features; got "
            f"{type(detector).__name__}. Use skdeepfake.inspection.grad_cam, or "
            "over='frame'."
        )
    n_positions = X.shape[2]
    if n_positions == 1:
        raise ValueError(
            "over='position' requires more than one position per frame: use "
            "over='frame', or features without pooling."
        )
    videos, slots = np.nonzero(filled)
    index: tuple[NDArray, ...] = videos, slots
    seen = ranks = None
    if detector._sees_sequences:
        _, order = detector._index(filled, np.arange(len(X)))
        index = videos[:, np.newaxis], order[videos]
        seen = filled.sum(axis=1)[videos]
        ranks = filled.cumsum(axis=1)[videos, slots] - 1

    def remove(batch: NDArray, rows: NDArray, position: NDArray) -> None:
        in_batch = np.arange(len(batch))
        # For sequences, select the frame from which the position is removed.
        at = (in_batch,) if ranks is None else (in_batch, ranks[rows])
        neutral = batch[at].mean(axis=1) if baseline == "mean" else 0
        at += (position,)
        batch[at] = neutral

    whole = occluded.log_odds(index, seen)
    without = occluded.log_odds(index, seen, times=n_positions, change=remove)
    drops = np.full((*filled.shape, n_positions), np.nan)
    drops[filled] = whole[:, np.newaxis] - without.reshape(-1, n_positions)
    return drops


def _without_frames(occluded: _Occluded) -> NDArray[np.float64]:
    """Remove each frame from the input of a sequence network."""
    filled = occluded.filled
    n_videos = len(filled)
    videos, slots = np.nonzero(filled)
    left = filled[videos]
    left[np.arange(len(videos)), slots] = False
    # All videos, followed by a copy of the video for each removed frame.
    kept, source = np.concatenate([filled, left]), np.r_[:n_videos, videos]
    _, order = occluded.detector._index(kept, np.arange(len(kept)))
    found = np.full(len(kept), occluded.prior)
    some = kept.any(axis=1)
    index = source[some, np.newaxis], order[some]
    found[some] = occluded.log_odds(index, kept.sum(axis=1)[some])
    drops = np.full(filled.shape, np.nan)
    drops[filled] = found[videos] - found[n_videos:]
    return drops


def _without_scores(occluded: _Occluded) -> NDArray[np.float64]:
    """Remove each frame from the aggregation."""
    filled = occluded.filled
    proba = np.full(filled.shape, np.nan)
    proba[filled] = expit(occluded.log_odds(np.nonzero(filled)))
    detector = occluded.detector
    weights = detector._frame_weights(occluded.X)
    whole = _log_odds(detector._combine(proba, weights))
    drops = np.full(filled.shape, np.nan)
    for slot in range(filled.shape[1]):
        others = proba.copy()
        others[:, slot] = np.nan
        rest = _log_odds(detector._combine(others, weights))
        drops[:, slot] = whole - np.where(np.isnan(rest), occluded.prior, rest)
    drops[~filled] = np.nan
    return drops


def _log_odds(proba: Any) -> Any:
    return logit(np.clip(proba, _SMALLEST, 1 - _SMALLEST))
