"""Aggregation of frame probabilities into one probability per video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

if TYPE_CHECKING:
    import keras

# Probabilities are clipped to this distance from 0 and 1 to compute log-odds.
CLIP = 1e-7

# Prevents divisions by zero.
EPSILON = 1e-7

Aggregate = Callable[[NDArray], NDArray]


def log_odds(proba: NDArray) -> NDArray[np.float64]:
    """Compute log-odds, clipped to about -16 to 16. NaN stays NaN."""
    return logit(np.clip(proba.astype(np.float64), CLIP, 1 - CLIP))


@dataclass(repr=False, eq=False)
class TopK(BaseEstimator):
    """Average the highest frame probabilities of each video.

    Use it for videos that are partly fake.

    Parameters
    ----------
    k : int, default=3
        Number of frames to average. If a video has fewer frames, all are averaged.

    See Also
    --------
    Attention : Average frames using learned weights.
    CNNDetector : Accepts a TopK as `aggregation`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import TopK
    >>> TopK(k=2)(np.array([[0.1, 0.8, 0.6, np.nan]])).tolist()
    [0.7]
    """

    k: int = 3

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "k": [Interval(Integral, 1, None, closed="left")]
    }

    def __call__(self, proba: NDArray) -> NDArray:
        """Aggregate probabilities of shape (n_videos, n_frames)."""
        self._validate_params()
        highest = -np.sort(-proba, axis=1)[:, : self.k]  # NaN last
        return np.nanmean(highest, axis=1)


AGGREGATIONS: dict[str, Aggregate] = {
    "mean": lambda proba: np.nanmean(proba, axis=1),
    "median": lambda proba: np.nanmedian(proba, axis=1),
    "max": lambda proba: np.nanmax(proba, axis=1),
    "logit_mean": lambda proba: expit(np.nanmean(log_odds(proba), axis=1)),
}

# Parameter constraints of `aggregation`.
RULES: list[Any] = [StrOptions(set(AGGREGATIONS)), TopK, callable]


class Attention(BaseEstimator):
    """Average the log-odds of frames using learned weights.

    A detector with this aggregation is trained on whole videos. An additional layer
    computes a positive weight from the features of each frame, as in automatic face
    weighting. With this aggregation, the probability that `predict_frame_proba` returns
    for a frame is computed from all frames up to that frame.

    See Also
    --------
    TopK : Average the highest frame probabilities.
    CNNDetector : Accepts an Attention as `aggregation`.

    References
    ----------
    Montserrat et al., "Deepfakes detection with automatic face weighting", CVPR
    workshops 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import Attention, CNNDetector
    >>> detector = CNNDetector(aggregation=Attention())

    Cumulative probabilities of a video with two frames of weights 1 and 3:

    >>> Attention().running(np.array([[0.2, 0.8]]), np.array([[1, 3]])).round(2)
    array([[0.2 , 0.67]])
    """

    def extend(self, network: keras.Model) -> keras.Model:
        """Add a layer of frame weights to a network.

        Parameters
        ----------
        network : keras.Model
            Network that maps frames to probabilities.

        Returns
        -------
        keras.Model
            Network that maps frames to an array of shape (n_frames, 2), which contains
            probabilities and weights. All weights are initially equal.
        """
        # Imported here, since predictions do not need Keras.
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
        """Compute the probability of a video after each of its frames.

        Parameters
        ----------
        proba, weight : ndarray of shape (n_videos, n_frames)
            Probabilities and weights of single frames, NaN for frames without a face.

        Returns
        -------
        ndarray of float64, shape (n_videos, n_frames)
            Probability of the video, aggregated up to and including each frame. NaN
            for frames without a face, and 0.5 if all weights up to a frame are 0.
        """
        known = ~np.isnan(proba)
        weight = np.where(known, weight, 0).astype(np.float64)
        odds = np.where(known, log_odds(proba), 0)
        total = np.cumsum(weight, axis=1) + EPSILON
        running = expit(np.cumsum(weight * odds, axis=1) / total)
        return np.where(known, running, np.nan)


@dataclass(repr=False, eq=False)
class PerPerson(BaseEstimator):
    """Aggregate the frames of each person, then the people of a video.

    Use it with a cropper that crops several people (`max_faces`). In training, each
    person of a video is a sample with the label of the video.

    Parameters
    ----------
    max_faces : int, default=2
        Number of slots per frame. Must equal `max_faces` of the cropper. If the cropper
        has ``max_faces=None``, pass 10.
    aggregation : str, TopK, Attention or callable, default="mean"
        Aggregation of the frames of each person.
    people : {"max", "mean"}, default="max"
        Aggregation of the people of each video.

    See Also
    --------
    skdeepfake.preprocessing.DlibFaceCropper : Crop the faces of several people.
    CNNDetector : Accepts a PerPerson as `aggregation`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import CNNDetector, PerPerson
    >>> rule = PerPerson(3, people="mean")
    >>> detector = CNNDetector(aggregation=rule)
    >>> rule.combine(np.array([[0.25, 0.75, np.nan]]))  # no third person
    array([0.5])
    """

    max_faces: int = 2
    _: KW_ONLY
    aggregation: Any = "mean"
    people: str = "max"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "max_faces": [Interval(Integral, 1, None, closed="left")],
        "aggregation": [*RULES, Attention],
        "people": [StrOptions({"max", "mean"})],
    }

    def combine(self, proba: NDArray) -> NDArray:
        """Aggregate the people of each video.

        Parameters
        ----------
        proba : ndarray of shape (n_videos, max_faces)
            Probabilities, NaN for missing people.

        Returns
        -------
        ndarray of shape (n_videos,)
            Probabilities, NaN for videos without people.
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
    """Reverse `by_person`."""
    shape = (len(rows) // n_people, n_people, *rows.shape[1:])
    slots = rows.reshape(shape).swapaxes(1, 2)
    return slots.reshape(len(slots), -1, *rows.shape[2:])
