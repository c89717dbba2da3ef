"""What a trained network says of frames, and from there of videos."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from .._compiled import Compute, compiled
from .._face_mask import filled_slots
from ..exceptions import NoFaceError, NoFaceWarning
from ._batches import sequence_index

# Probabilities that round to 0 or 1 count as this far from there, in log-odds.
_SUREST = 1e-7


def log_odds(proba: NDArray) -> NDArray[np.float64]:
    """Compute the logarithms of the odds, of at most 16 for what is surest.

    Parameters
    ----------
    proba : ndarray of float
        Probabilities.

    Returns
    -------
    ndarray of float64
        Of the same shape; NaN stays NaN.
    """
    return logit(np.clip(proba.astype(np.float64), _SUREST, 1 - _SUREST))


def _logit_mean(positive: NDArray, top_k: int) -> NDArray:
    return expit(np.nanmean(log_odds(positive), axis=1))


def _top_k(positive: NDArray, top_k: int) -> NDArray:
    highest = -np.sort(-positive, axis=1)[:, :top_k]  # NaN comes last
    return np.nanmean(highest, axis=1)


# How the probabilities of a video's frames, NaN where there is no face, become one.
AGGREGATIONS: dict[str, Callable[[NDArray, int], NDArray]] = {
    "mean": lambda positive, top_k: np.nanmean(positive, axis=1),
    "median": lambda positive, top_k: np.nanmedian(positive, axis=1),
    "max": lambda positive, top_k: np.nanmax(positive, axis=1),
    "logit_mean": _logit_mean,
    "top_k": _top_k,
}


class AnswersForVideos:
    """The predictions of a detector: for frames, sequences and videos.

    Its other half trains: it sets what is declared here.
    """

    model_: keras.Model
    classes_: Any
    class_count_: NDArray
    frame_dtype_: np.dtype
    aggregation: str
    top_k: int
    no_face: str
    batch_size: int
    verbose: int

    _validate_frames: Callable[..., NDArray]

    # The network compiled for prediction, and which it is.
    _compiled: tuple[keras.Model, Compute] | None = None

    # Whether the network is given whole videos, not single frames.
    @property
    def _sees_sequences(self) -> bool:
        return False

    # Whether the answer at a frame is that for the video up to there.
    @property
    def _answers_as_it_goes(self) -> bool:
        return self._sees_sequences

    def predict_frame_proba(self, X: ArrayLike) -> NDArray:
        """Predict class probabilities for each frame.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            As in `fit`; the number of frames may differ.

        Returns
        -------
        ndarray of shape (n_videos, n_frames, 2)
            Probability of each class in the order of `classes_`; NaN for slots
            without a face.

        Raises
        ------
        ValueError
            If X is not of the form seen in `fit`.
        sklearn.exceptions.NotFittedError
            If the detector is not fitted.
        """
        check_is_fitted(self)
        X = self._validate_frames(X, reset=False)
        positive = self._predict_slots(X)
        return np.stack([1 - positive, positive], axis=-1)

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Predict class probabilities for each video.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            As in `fit`; the number of frames may differ.

        Returns
        -------
        ndarray of shape (n_videos, 2)
            Probability of each class in the order of `classes_`: the frames' by
            `aggregation`, or the class prior for a video without a face.

        Raises
        ------
        ValueError
            If X is not of the form seen in `fit`.
        sklearn.exceptions.NotFittedError
            If the detector is not fitted.
        NoFaceError
            If a video has no face and ``no_face="raise"``.

        Warns
        -----
        NoFaceWarning
            If a video has no face and ``no_face="prior"``.
        """
        check_is_fitted(self)
        X = self._validate_frames(X, reset=False)
        return self._answer(self._predict_videos(X))

    def aggregate_proba(self, frame_proba: NDArray) -> NDArray:
        """Turn the answers for frames into answers for videos.

        Parameters
        ----------
        frame_proba : ndarray of shape (n_videos, n_frames, 2)
            As `predict_frame_proba` gives it.

        Returns
        -------
        ndarray of shape (n_videos, 2)
            As `predict_proba` gives it.

        Raises
        ------
        NoFaceError
            If a video has no face and ``no_face="raise"``.

        Warns
        -----
        NoFaceWarning
            If a video has no face and ``no_face="prior"``.
        """
        return self._answer(self._aggregate(frame_proba[..., 1]))

    def _aggregate(self, positive: NDArray) -> NDArray:
        """Turn answers for slots into answers for videos, NaN where none is known."""
        if not self._answers_as_it_goes:
            return self._combine(positive)
        known = ~np.isnan(positive)
        has_face = known.any(axis=1)
        last = positive.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
        return np.where(has_face, positive[np.arange(len(positive)), last], np.nan)

    def _frame_weights(self, X: NDArray) -> NDArray | None:
        """Give what single frames count, where the network tells that."""
        return None

    def _combine(self, positive: NDArray, weight: NDArray | None = None) -> NDArray:
        """Turn what single frames say into what the video says, by `aggregation`."""
        has_face = ~np.isnan(positive).all(axis=1)
        video = np.full(len(positive), np.nan)
        if has_face.any():
            aggregate = AGGREGATIONS[self.aggregation]
            video[has_face] = aggregate(positive[has_face], self.top_k)
        return video

    def _answer(self, positive: NDArray) -> NDArray:
        """Give both classes' probabilities, the prior's for videos without a face."""
        has_face = ~np.isnan(positive)
        if not has_face.all():
            found = f"Samples {listing(~has_face)} have no face in any frame"
            if self.no_face == "raise":
                raise NoFaceError(f"{found} (no_face='raise')")
            warnings.warn(
                f"{found} and get the class prior", NoFaceWarning, stacklevel=3
            )
        video = np.where(has_face, positive, self.class_prior_[1])
        return np.stack([1 - video, video], axis=1)

    def predict(self, X: ArrayLike) -> NDArray:
        """Predict the class of each video.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            As in `fit`; the number of frames may differ.

        Returns
        -------
        ndarray of shape (n_videos,)
            The more probable class.

        Raises
        ------
        ValueError
            If X is not of the form seen in `fit`.
        sklearn.exceptions.NotFittedError
            If the detector is not fitted.
        NoFaceError
            If a video has no face and ``no_face="raise"``.

        Warns
        -----
        NoFaceWarning
            If a video has no face and ``no_face="prior"``.
        """
        proba = self.predict_proba(X)  # first, for it checks
        return self.classes_[proba.argmax(axis=1)]

    @property
    def class_prior_(self) -> NDArray:
        """Share of each class among the training videos, shape (2,)."""
        return self.class_count_ / self.class_count_.sum()

    def _predict_videos(self, X: NDArray) -> NDArray:
        """Probability of the second class for each video, NaN without a face."""
        if not self._sees_sequences:
            return self._aggregate(self._predict_slots(X))
        filled = filled_slots(X)
        positive = np.full(len(X), np.nan)
        videos = np.flatnonzero(filled.any(axis=1))
        parts = self._predict_parts(X, sequence_index(filled, videos))
        positive[videos] = parts[:, 0]
        return positive

    def _predict_slots(self, X: NDArray) -> NDArray:
        """Probability of the second class for each slot, NaN where it is empty."""
        filled = filled_slots(X)
        positive = np.full(filled.shape, np.nan)
        videos, slots = np.nonzero(filled)
        if self._sees_sequences:  # asked again after each frame
            seen = filled.cumsum(axis=1)[videos, slots]
            parts = self._predict_parts(X, sequence_index(filled, videos), seen)
        else:
            parts = self._predict_parts(X, (videos, slots))
        positive[videos, slots] = parts[:, 0]
        return positive

    def _predict_parts(
        self, X: NDArray, index: tuple[NDArray, ...], seen: NDArray | None = None
    ) -> NDArray:
        """Ask the network about each part, about its first `seen` frames.

        Of what it gives the first is the probability of the second class.
        """
        n_parts = len(index[0])
        found = np.empty((n_parts, self._answering_network.output_shape[-1]))
        starts = range(0, n_parts, self.batch_size)
        for start in tqdm(
            starts, desc="detecting", unit="batch", disable=self.verbose < 1
        ):
            part = slice(start, start + self.batch_size)
            frames = X[tuple(axis[part] for axis in index)]
            if seen is not None:
                frames[np.arange(frames.shape[1]) >= seen[part, np.newaxis]] = 0
            found[part] = self._predict_batch(frames)
        return found

    @property
    def _answering_network(self) -> keras.Model:
        """The network that is asked."""
        return self.model_

    def _predict_batch(self, frames: NDArray) -> NDArray:
        network = self._answering_network
        if self._compiled is None or self._compiled[0] is not network:
            self._compiled = network, compiled(network)
        _, compute = self._compiled
        # Floats of another precision than those of the training are welcome.
        return compute(frames.astype(self.frame_dtype_, copy=False))


def listing(selected: NDArray, limit: int = 10) -> str:
    """Write the numbers of the selected samples, the first few of many."""
    numbers = np.flatnonzero(selected).tolist()
    more = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"{numbers[:limit]}{more}"
