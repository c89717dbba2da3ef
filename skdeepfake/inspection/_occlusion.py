"""Occlusion: how predictions change without a position or a frame."""

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

# Probabilities nearer to 0 or 1 than this have no log-odds in float64.
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
    """Measure how far the log-odds of a class fall without a part of the input.

    Positive values are evidence for the class, negative ones against it.

    Parameters
    ----------
    estimator : detector or Pipeline
        A fitted detector, or pipeline; of features for ``over="position"``.
    X : array-like of shape (n_videos, n_frames, ...) or (n_images, ...)
        Features or faces as in `predict_proba`, or the input of the pipeline.
    over : {"position", "frame"}, default="position"
        Remove one position of the features of one frame, to locate evidence in the
        face; or remove one frame, as if it had no face, to locate evidence in time.
    class_label : object, default=None
        The class to explain; None is the second of `classes_`, the fakes.
    baseline : {"mean", "zero"}, default="mean"
        Value of a removed position: the mean over the positions of its frame, or
        zeros, which the network may never have seen. Not used for frames.
    batch_size : int or None, default=None
        Frames, or videos for ``sequence="temporal"``, per batch; None: the detector's.

    Returns
    -------
    ndarray of shape (n_videos, n_frames, n_positions) or (n_videos, n_frames), float32
        Fall of the log-odds, natural logarithm; NaN for slots without a face. By
        position, it is that of the frame, or of the video with ``sequence="temporal"``;
        by frame, that of the video, down to the class prior.

    Raises
    ------
    ValueError
        If `estimator` is no detector, or for positions not one of features, X differs
        from the form in `fit` or has one position, or there is no such class.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.

    See Also
    --------
    grad_cam : Evidence in the face, for detectors of images.
    overlay : Draw positions over the face, after ``reshape``.
    skdeepfake.plotting.AttributionDisplay : Draw all faces and their parts.

    Notes
    -----
    Positions come row by row: for VGG16's 49, ``found[i, j].reshape(7, 7)`` is the map
    of frame j, which is approximate, since the receptive fields overlap.

    Parts that can replace each other have small values, like each of ten alike frames.

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
    # Imported here, since it loads Keras, which `overlay` does not need.
    from ._network import logits

    run = run_pipeline(estimator, X, keep_faces=False)
    detector, frames = run.detector, run.frames
    sign = sign_of_class(detector, class_label)
    occluded = _Occluded(
        detector, frames, logits(detector.model_), batch_size or detector.batch_size
    )
    if over == "position":
        falls = _without_positions(occluded, baseline)
    elif detector._sees_sequences:
        falls = _without_frames(occluded)
    else:
        falls = _without_scores(occluded)
    return (sign * falls).astype(np.float32)


class _Occluded(NamedTuple):
    """A detector with its input."""

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
        """Predict the log-odds of the parts of X at `index`, each `times` in a row.

        Of sequences, only the first `seen` frames count. `change` may write to a batch,
        given the indices of its parts and how often each was predicted before.
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
            f"{type(detector).__name__} sees images, not features with positions: use "
            "skdeepfake.inspection.grad_cam, or over='frame'"
        )
    n_positions = X.shape[2]
    if n_positions == 1:
        raise ValueError(
            "X has one position per frame, and without it nothing is left: use "
            "over='frame', or features without pooling"
        )
    videos, slots = np.nonzero(filled)
    index: tuple[NDArray, ...] = videos, slots
    seen = ranks = None
    if detector._sees_sequences:
        _, order = detector._index(filled, np.arange(len(X)))
        index = videos[:, np.newaxis], order[videos]
        seen = filled.sum(axis=1)[videos]
        ranks = filled.cumsum(axis=1)[videos, slots] - 1

    def take_away(batch: NDArray, rows: NDArray, position: NDArray) -> None:
        in_batch = np.arange(len(batch))
        # The frame of a sequence that loses a position.
        at = (in_batch,) if ranks is None else (in_batch, ranks[rows])
        neutral = batch[at].mean(axis=1) if baseline == "mean" else 0
        at += (position,)
        batch[at] = neutral

    whole = occluded.log_odds(index, seen)
    without = occluded.log_odds(index, seen, times=n_positions, change=take_away)
    falls = np.full((*filled.shape, n_positions), np.nan)
    falls[filled] = whole[:, np.newaxis] - without.reshape(-1, n_positions)
    return falls


def _without_frames(occluded: _Occluded) -> NDArray[np.float64]:
    """Remove each frame from the input of a network of sequences."""
    filled = occluded.filled
    n_videos = len(filled)
    videos, slots = np.nonzero(filled)
    left = filled[videos]
    left[np.arange(len(videos)), slots] = False
    # All videos, followed by a copy of them for each frame that is removed.
    kept, source = np.concatenate([filled, left]), np.r_[:n_videos, videos]
    _, order = occluded.detector._index(kept, np.arange(len(kept)))
    found = np.full(len(kept), occluded.prior)
    some = kept.any(axis=1)
    index = source[some, np.newaxis], order[some]
    found[some] = occluded.log_odds(index, kept.sum(axis=1)[some])
    falls = np.full(filled.shape, np.nan)
    falls[filled] = found[videos] - found[n_videos:]
    return falls


def _without_scores(occluded: _Occluded) -> NDArray[np.float64]:
    """Leave each frame out of the aggregation."""
    filled = occluded.filled
    proba = np.full(filled.shape, np.nan)
    proba[filled] = expit(occluded.log_odds(np.nonzero(filled)))
    detector = occluded.detector
    weights = detector._frame_weights(occluded.X)
    whole = _log_odds(detector._combine(proba, weights))
    falls = np.full(filled.shape, np.nan)
    for slot in range(filled.shape[1]):
        others = proba.copy()
        others[:, slot] = np.nan
        rest = _log_odds(detector._combine(others, weights))
        falls[:, slot] = whole - np.where(np.isnan(rest), occluded.prior, rest)
    falls[~filled] = np.nan
    return falls


def _log_odds(proba: Any) -> Any:
    return logit(np.clip(proba, _SMALLEST, 1 - _SMALLEST))
