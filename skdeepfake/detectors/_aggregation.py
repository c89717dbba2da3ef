"""Aggregations: from the probabilities of a video's frames to that of the video."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

if TYPE_CHECKING:
    import keras

# Probabilities that round to 0 or 1 are clipped to this distance from them.
CLIP = 1e-7

# Prevents divisions by zero.
EPSILON = 1e-7

Aggregate = Callable[[NDArray], NDArray]


def log_odds(proba: NDArray) -> NDArray[np.float64]:
    """Compute log-odds, clipped to about -16 to 16; NaN stays NaN."""
    return logit(np.clip(proba.astype(np.float64), CLIP, 1 - CLIP))


class TopK(BaseEstimator):
    """Average the `k` highest frame probabilities, for videos that are fake in parts.

    Parameters
    ----------
    k : int, default=3
        Number of frames; all frames of videos that have fewer.

    See Also
    --------
    Attention : Weighs frames by what a network learns.
    CNNDetector : Takes it as `aggregation`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import TopK
    >>> TopK(k=2)(np.array([[0.1, 0.8, 0.6, np.nan]])).tolist()
    [0.7]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "k": [Interval(Integral, 1, None, closed="left")]
    }

    def __init__(self, k: int = 3) -> None:
        self.k = k

    def __call__(self, proba: NDArray) -> NDArray:
        """Aggregate."""
        self._validate_params()
        highest = -np.sort(-proba, axis=1)[:, : self.k]  # NaN comes last
        return np.nanmean(highest, axis=1)


AGGREGATIONS: dict[str, Aggregate] = {
    "mean": lambda proba: np.nanmean(proba, axis=1),
    "median": lambda proba: np.nanmedian(proba, axis=1),
    "max": lambda proba: np.nanmax(proba, axis=1),
    "logit_mean": lambda proba: expit(np.nanmean(log_odds(proba), axis=1)),
}

# How frames are aggregated, as parameter constraints.
RULES: list[Any] = [StrOptions(set(AGGREGATIONS)), TopK, callable]


class Attention(BaseEstimator):
    """Average frame log-odds by weights that the network learns.

    A detector with this aggregation is trained on whole videos. A layer next to its
    last one computes a positive weight from the features of each frame, as in automatic
    face weighting. `predict_frame_proba` then returns running probabilities: those of
    the video up to each frame.

    See Also
    --------
    TopK : Averages the highest frame probabilities.
    CNNDetector : Takes it as `aggregation`.

    References
    ----------
    Montserrat et al., "Deepfakes detection with automatic face weighting", CVPR
    workshops 2020.

    Examples
    --------
    >>> from skdeepfake.detectors import Attention, CNNDetector
    >>> CNNDetector(aggregation=Attention())
    CNNDetector(aggregation=Attention())
    """

    def extend(self, network: keras.Model) -> keras.Model:
        """Add the layer of the weights to a network of frames.

        Parameters
        ----------
        network : keras.Model
            From frames to probabilities.

        Returns
        -------
        keras.Model
            From frames to (n_frames, 2): probabilities and weights. All weights are
            equal at first.
        """
        # Not before, since predictions need no Keras.
        import keras
        from keras import layers

        from .._keras._logits import last_layer

        weight = layers.Dense(
            1,
            activation="softplus",
            kernel_initializer="zeros",
            dtype="float32",
            name="frame_weight",
        )(last_layer(network).input)
        both = layers.Concatenate(dtype="float32", name="proba_and_weight")
        return keras.Model(network.input, both([network.output, weight]))

    def running(self, proba: NDArray, weight: NDArray) -> NDArray[np.float64]:
        """Aggregate the frames up to each frame.

        Parameters
        ----------
        proba, weight : ndarray of shape (n_videos, n_frames)
            Probabilities and weights; NaN for frames without a face.

        Returns
        -------
        ndarray of float64, shape (n_videos, n_frames)
            Probabilities of the videos up to each frame; NaN for frames without a
            face, and 0.5 as long as all weights are 0.
        """
        known = ~np.isnan(proba)
        weight = np.where(known, weight, 0).astype(np.float64)
        odds = np.where(known, log_odds(proba), 0)
        total = np.cumsum(weight, axis=1) + EPSILON
        running = expit(np.cumsum(weight * odds, axis=1) / total)
        return np.where(known, running, np.nan)


class PerPerson(BaseEstimator):
    """Aggregate the frames of each person, and then the people of a video.

    For videos whose slots hold several people, as a cropper with `max_faces` returns
    them. A detector with this aggregation treats each person of a video as a sample in
    training, with the label of the video.

    Parameters
    ----------
    max_faces : int, default=2
        Slots per frame: `max_faces` of the cropper, or 10 for None.
    aggregation : str, TopK, Attention or callable, default="mean"
        How the frames of one person are aggregated, as in the detector.
    people : {"max", "mean"}, default="max"
        Probability of a video: that of its most suspicious person, or the mean of its
        people.

    See Also
    --------
    skdeepfake.preprocessing.DlibFaceCropper : Follows several people.
    CNNDetector : Takes it as `aggregation`.

    Examples
    --------
    >>> from skdeepfake.detectors import CNNDetector, PerPerson
    >>> CNNDetector(aggregation=PerPerson(3, people="mean"))
    CNNDetector(aggregation=PerPerson(max_faces=3, people='mean'))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "max_faces": [Interval(Integral, 1, None, closed="left")],
        "aggregation": [*RULES, Attention],
        "people": [StrOptions({"max", "mean"})],
    }

    def __init__(
        self, max_faces: int = 2, *, aggregation: Any = "mean", people: str = "max"
    ) -> None:
        self.max_faces = max_faces
        self.aggregation = aggregation
        self.people = people

    def combine(self, proba: NDArray) -> NDArray:
        """Aggregate the people of each video.

        Parameters
        ----------
        proba : ndarray of shape (n_videos, max_faces)
            Probabilities; NaN for people who are not there.

        Returns
        -------
        ndarray of shape (n_videos,)
            Probabilities; NaN for videos without anybody.
        """
        video = np.full(len(proba), np.nan)
        known = ~np.isnan(proba).all(axis=1)
        rule = np.nanmax if self.people == "max" else np.nanmean
        video[known] = rule(proba[known], axis=1)
        return video


def by_person(slots: NDArray, n_people: int) -> NDArray:
    """Reshape (n_videos, n_slots, ...) to (n_videos * n_people, n_frames, ...)."""
    shape = (len(slots), -1, n_people, *slots.shape[2:])
    rows = slots.reshape(shape).swapaxes(1, 2)
    return rows.reshape(len(slots) * n_people, -1, *slots.shape[2:])


def by_video(rows: NDArray, n_people: int) -> NDArray:
    """Undo `by_person`."""
    shape = (len(rows) // n_people, n_people, *rows.shape[1:])
    slots = rows.reshape(shape).swapaxes(1, 2)
    return slots.reshape(len(slots), -1, *rows.shape[2:])
