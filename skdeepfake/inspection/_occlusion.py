"""Where in a face and when in a video the evidence lies, by taking parts away."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.utils._param_validation import Interval, StrOptions
from tqdm.auto import tqdm

from .._face_mask import filled_slots
from .._validation import validated
from ._input import detector_and_frames, sign_of_class

# Probabilities nearer to 0 or 1 than this have no log-odds in float64.
_SMALLEST = np.finfo(np.float64).eps


@validated(
    {
        "over": [StrOptions({"position", "frame"})],
        "baseline": [StrOptions({"mean", "zero"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    }
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
    """Measure how far the log-odds of a class fall when a part is taken away.

    What is positive speaks for the class, what is negative against it. Nothing is
    asked of the network but answers, so that the way they come about does not matter.

    Parameters
    ----------
    estimator : detector or Pipeline
        A fitted detector, or a pipeline that ends in one, whose other steps are run
        first. With ``over="position"`` it is a
        :class:`~skdeepfake.detectors.CNNRNNDetector`.
    X : array-like of shape (n_videos, n_frames, ...) or (n_images, ...)
        Features or faces as in `predict_proba`, or what the pipeline takes, such as
        paths.
    over : {"position", "frame"}, default="position"
        What is taken away: one position of one frame's features, which tells where
        in the face the evidence lies; or one frame, as if no face had been found in
        it, which tells when.
    class_label : object, default=None
        The class that is asked for; None is the second of `classes_`, the fakes. For
        the other class all signs change.
    baseline : {"mean", "zero"}, default="mean"
        What a position holds once it is taken away: the mean over the positions of
        its frame, or zeros. A network may never have seen a position of zeros, nor
        know what to make of it; of the mean it knows that it says nothing of its
        own. Without meaning for frames.
    batch_size : int or None, default=None
        Frames, or videos for ``sequence="temporal"``, that go through the network at
        once; None is the detector's.

    Returns
    -------
    ndarray of shape (n_videos, n_frames, n_positions) or (n_videos, n_frames), float32
        Fall of the log-odds, natural logarithm; NaN for slots without a face. By
        position, it is the answer for the frame that falls, or for the video where
        that is the network's only one (``sequence="temporal"``); by frame, it is the
        answer for the video. Of a video's only frame with a face nothing is left but
        the class prior, and its fall is down to that.

    Raises
    ------
    ValueError
        If `estimator` is no detector or, for positions, none of features; if X is not
        what it takes or has one position only; or if there is no such class.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.

    See Also
    --------
    grad_cam : Where in the face, for detectors of images.
    overlay : Positions over the face, after ``reshape``.
    skdeepfake.plotting.AttributionDisplay : A picture of all faces and their parts.

    Notes
    -----
    Positions come row by row: of VGG16's 49, ``found[i, j].reshape(7, 7)`` is the map
    of frame j. Each of them saw more of the face than its share, and so the map says
    about where, not exactly where.

    Of ``over="position"``, every part is an answer of the network: 49 times as many
    as for a prediction, for VGG16's features. Memory does not grow with that.

    Parts that can stand in for each other do not count: where each of ten frames
    alone would do for the answer, hardly any log-odds fall.

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
    >>> X[y == 1, :, 3] += 2  # fakes betray themselves at the last position
    >>> detector = CNNRNNDetector(
    ...     units=(4,), learning_rate=0.1, epochs=20, validation_fraction=None,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> found = occlusion(detector, X)
    >>> found.shape
    (8, 3, 4)
    >>> int(found[1, 0].argmax())
    3
    >>> occlusion(detector, X, over="frame").shape
    (8, 3)
    """
    detector, frames = detector_and_frames(estimator, X)
    # Here, for it loads Keras, and `overlay` does not need that.
    from ._network import logits

    sign = sign_of_class(detector, class_label)
    asked = _Asked(
        detector, frames, logits(detector.model_), batch_size or detector.batch_size
    )
    if over == "position":
        falls = _without_positions(asked, baseline)
    elif detector._sees_sequences:
        falls = _without_frames(asked)
    else:
        falls = _left_out(asked)
    return (sign * falls).astype(np.float32)


class _Asked(NamedTuple):
    """A detector with the videos that it is asked about, and how it answers."""

    detector: Any
    X: NDArray
    logits: Callable[[NDArray], NDArray]
    batch_size: int

    @property
    def filled(self) -> NDArray[np.bool_]:
        """Which slots have a face."""
        return filled_slots(self.X)

    @property
    def prior(self) -> float:
        """What is said of a video without a face, in log-odds."""
        return float(_log_odds(self.detector.class_prior_[1]))

    def answers(
        self,
        index: tuple[NDArray, ...],
        seen: NDArray | None = None,
        *,
        times: int = 1,
        change: Callable[[NDArray, NDArray, NDArray], None] | None = None,
    ) -> NDArray[np.float64]:
        """Ask about the parts of X at `index`, of sequences the first `seen` frames.

        Each is asked about so many times in a row. Before, `change` may write to a
        batch of them; it is told which parts they are, and for the how manieth time.
        """
        found = np.empty(len(index[0]) * times)
        starts = range(0, len(found), self.batch_size)
        silent = self.detector.verbose < 1
        for start in tqdm(starts, desc="occluding", unit="batch", disable=silent):
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


def _without_positions(asked: _Asked, baseline: str) -> NDArray[np.float64]:
    """Take each position of each frame away."""
    detector, X, filled = asked.detector, asked.X, asked.filled
    if X.ndim != 4:
        raise ValueError(
            f"{type(detector).__name__} sees images, not features with positions: use "
            "skdeepfake.inspection.grad_cam, or over='frame'"
        )
    n_positions = X.shape[2]
    if n_positions == 1:
        raise ValueError(
            "X has one position a frame, and without it nothing is left: use "
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
        # Which frame of a sequence it is that loses a position.
        at = (in_batch,) if ranks is None else (in_batch, ranks[rows])
        neutral = batch[at].mean(axis=1) if baseline == "mean" else 0
        at += (position,)
        batch[at] = neutral

    whole = asked.answers(index, seen)
    without = asked.answers(index, seen, times=n_positions, change=take_away)
    falls = np.full((*filled.shape, n_positions), np.nan)
    falls[filled] = whole[:, np.newaxis] - without.reshape(-1, n_positions)
    return falls


def _without_frames(asked: _Asked) -> NDArray[np.float64]:
    """Take each frame away from a network that sees them together."""
    filled = asked.filled
    videos, slots = np.nonzero(filled)
    left = filled[videos]
    left[np.arange(len(videos)), slots] = False
    whole = _sequences(asked, np.arange(len(filled)), filled)
    falls = np.full(filled.shape, np.nan)
    falls[filled] = whole[videos] - _sequences(asked, videos, left)
    return falls


def _sequences(
    asked: _Asked, videos: NDArray, kept: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Ask about sequences, of each video in `videos` the frames in `kept`."""
    _, order = asked.detector._index(kept, np.arange(len(kept)))
    found = np.full(len(videos), asked.prior)
    some = kept.any(axis=1)
    seen = kept.sum(axis=1)[some]
    found[some] = asked.answers((videos[some, np.newaxis], order[some]), seen)
    return found


def _left_out(asked: _Asked) -> NDArray[np.float64]:
    """Leave each frame out of the aggregated answer."""
    filled = asked.filled
    proba = np.full(filled.shape, np.nan)
    proba[filled] = expit(asked.answers(np.nonzero(filled)))
    detector = asked.detector
    weights = detector._frame_weights(asked.X)
    whole = _log_odds(detector._combine(proba, weights))
    falls = np.full(filled.shape, np.nan)
    for slot in range(filled.shape[1]):
        others = proba.copy()
        others[:, slot] = np.nan
        rest = _log_odds(detector._combine(others, weights))
        falls[:, slot] = whole - np.where(np.isnan(rest), asked.prior, rest)
    falls[~filled] = np.nan
    return falls


def _log_odds(proba: Any) -> Any:
    return logit(np.clip(proba, _SMALLEST, 1 - _SMALLEST))
