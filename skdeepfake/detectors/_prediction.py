"""Predictions of a detector: for frames, sequences of frames, and videos."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from .._face_mask import filled_slots
from ..exceptions import NoFaceError, NoFaceWarning
from ._aggregation import AGGREGATIONS, Attention
from ._indexing import sequence_index
from ._input import check_frames, check_same_frames

if TYPE_CHECKING:
    import keras

    from .._keras._compiled import Compute


class VideoPredictor:
    """The predictions of a detector.

    `BaseDetector` trains it, and sets the attributes that are declared here.
    """

    model_: keras.Model
    classes_: Any
    class_count_: NDArray
    frame_dtype_: np.dtype
    aggregation: Any
    no_face: str
    batch_size: int
    verbose: int

    frame_shape_: tuple[int, ...]

    frame_ndim: ClassVar[int] = 3

    # The network that was compiled for prediction, and its function.
    _compiled: tuple[keras.Model, Compute] | None = None

    def _validate_frames(self, X: ArrayLike, *, reset: bool) -> NDArray:
        """Check X and give it the form (n_videos, n_frames, ...)."""
        frames = check_frames(X, frame_ndim=self.frame_ndim, estimator=self)
        if not reset:
            check_same_frames(
                frames,
                shape=self.frame_shape_,
                dtype=self.frame_dtype_,
                estimator=self,
            )
        return frames

    @property
    def _sees_sequences(self) -> bool:
        """Whether the network takes whole videos instead of single frames."""
        return False

    @property
    def _is_cumulative(self) -> bool:
        """Whether frame scores are those of the video up to the frame."""
        return self._sees_sequences or isinstance(self.aggregation, Attention)

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

    def predict_frame_weights(self, X: ArrayLike) -> NDArray:
        """Predict the weight of each frame in the answer for its video.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            As in `fit`; the number of frames may differ.

        Returns
        -------
        ndarray of shape (n_videos, n_frames)
            Weights that add up to 1 in each video; NaN for slots without a face.

        Raises
        ------
        ValueError
            If X is not of the form seen in `fit`.
        sklearn.exceptions.NotFittedError
            If the detector is not fitted.
        AttributeError
            If `aggregation` is not :class:`Attention`.
        """
        if not isinstance(self.aggregation, Attention):
            raise AttributeError(
                f"{type(self).__name__} has learned no weights of frames: fit it with "
                "aggregation=Attention()"
            )
        check_is_fitted(self)
        weight = self._predict_outputs(self._validate_frames(X, reset=False))[..., 1]
        return weight / np.nansum(weight, axis=1, keepdims=True)

    def _aggregate(self, positive: NDArray) -> NDArray:
        """Aggregate what `_predict_slots` returns; NaN for videos without a face."""
        if not self._is_cumulative:
            return self._combine(positive)
        known = ~np.isnan(positive)
        last = positive.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
        last_known = positive[np.arange(len(positive)), last]
        return np.where(known.any(axis=1), last_known, np.nan)

    def _frame_weights(self, X: NDArray) -> NDArray | None:
        """Return the attention weights of the slots, if any."""
        if not isinstance(self.aggregation, Attention):
            return None
        return self._predict_outputs(X)[..., 1]

    def _combine(self, positive: NDArray, weight: NDArray | None = None) -> NDArray:
        """Aggregate the probabilities of single frames, by weights if there are any."""
        if weight is not None:
            return self._aggregate(self.aggregation.running(positive, weight))
        aggregate = self.aggregation
        if isinstance(aggregate, str):
            aggregate = AGGREGATIONS[aggregate]
        has_face = ~np.isnan(positive).all(axis=1)
        video = np.full(len(positive), np.nan)
        if has_face.any():
            video[has_face] = aggregate(positive[has_face])
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
        ValueError, sklearn.exceptions.NotFittedError, NoFaceError
            As `predict_proba` raises them.

        Warns
        -----
        NoFaceWarning
            As `predict_proba` warns.
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
        """Predict the score of each slot; NaN where it is empty."""
        outputs = self._predict_outputs(X)
        if isinstance(self.aggregation, Attention):
            return self.aggregation.running(outputs[..., 0], outputs[..., 1])
        return outputs[..., 0]

    def _predict_outputs(self, X: NDArray) -> NDArray:
        """Predict all outputs of the network for each slot; NaN where it is empty."""
        filled = filled_slots(X)
        videos, slots = np.nonzero(filled)
        if self._sees_sequences:  # asked again after each frame
            seen = filled.cumsum(axis=1)[videos, slots]
            parts = self._predict_parts(X, sequence_index(filled, videos), seen)
        else:
            parts = self._predict_parts(X, (videos, slots))
        outputs = np.full((*filled.shape, parts.shape[1]), np.nan)
        outputs[videos, slots] = parts
        return outputs

    def _predict_parts(
        self, X: NDArray, index: tuple[NDArray, ...], seen: NDArray | None = None
    ) -> NDArray:
        """Run the network on each part, of sequences on the first `seen` frames."""
        n_parts, n_outputs = len(index[0]), self._n_outputs
        if isinstance(self.aggregation, Attention) and n_outputs != 2:
            raise ValueError(
                f"aggregation={self.aggregation} takes weights that are learned in "
                f"fit, and this {type(self).__name__} was fitted with another "
                "aggregation: fit it again"
            )
        found = np.empty((n_parts, n_outputs))
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
    def _n_outputs(self) -> int:
        return self.model_.output_shape[-1]

    def _predict_batch(self, frames: NDArray) -> NDArray:
        from .._keras._compiled import compiled  # which loads Keras

        if self._compiled is None or self._compiled[0] is not self.model_:
            self._compiled = self.model_, compiled(self.model_)
        _, compute = self._compiled
        # Floats of another precision than those of the training are welcome.
        return compute(frames.astype(self.frame_dtype_, copy=False))


def listing(selected: NDArray, limit: int = 10) -> str:
    """Write the numbers of the selected samples, the first few of many."""
    numbers = np.flatnonzero(selected).tolist()
    more = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"{numbers[:limit]}{more}"
