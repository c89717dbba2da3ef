"""What a trained network says of frames, and from there of videos."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from .._compiled import Compute, compiled
from .._slots import filled_slots
from ..exceptions import NoFaceError, NoFaceWarning
from ._batches import sequence_index

# How the probabilities of a video's frames, NaN where there is no face, become one.
AGGREGATIONS: dict[str, Callable[..., NDArray]] = {
    "mean": np.nanmean,
    "median": np.nanmedian,
    "max": np.nanmax,
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
        known = ~np.isnan(positive)
        has_face = known.any(axis=1)
        video = np.full(len(positive), np.nan)
        if self._sees_sequences:  # the last answer is that for all frames
            last = positive.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
            video[has_face] = positive[has_face, last[has_face]]
        elif has_face.any():
            aggregate = AGGREGATIONS[self.aggregation]
            video[has_face] = aggregate(positive[has_face], axis=1)
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
        positive[videos] = self._predict_parts(X, sequence_index(filled, videos))
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
        positive[videos, slots] = parts
        return positive

    def _predict_parts(
        self, X: NDArray, index: tuple[NDArray, ...], seen: NDArray | None = None
    ) -> NDArray:
        """Probability of the second class for each part, of its first `seen` frames."""
        n_parts = len(index[0])
        positive = np.empty(n_parts)
        starts = range(0, n_parts, self.batch_size)
        for start in tqdm(
            starts, desc="detecting", unit="batch", disable=self.verbose < 1
        ):
            part = slice(start, start + self.batch_size)
            frames = X[tuple(axis[part] for axis in index)]
            if seen is not None:
                frames[np.arange(frames.shape[1]) >= seen[part, np.newaxis]] = 0
            positive[part] = self._predict_batch(frames)
        return positive

    def _predict_batch(self, frames: NDArray) -> NDArray:
        if self._compiled is None or self._compiled[0] is not self.model_:
            self._compiled = self.model_, compiled(self.model_)
        _, compute = self._compiled
        # Floats of another precision than those of the training are welcome.
        return compute(frames.astype(self.frame_dtype_, copy=False))[:, 0]


def listing(selected: NDArray, limit: int = 10) -> str:
    """Write the numbers of the selected samples, the first few of many."""
    numbers = np.flatnonzero(selected).tolist()
    more = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"{numbers[:limit]}{more}"
