"""Predictions of a detector, per frame, person and video."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from ..exceptions import NoFaceError, NoFaceWarning
from ._aggregation import AGGREGATIONS, Attention, PerPerson, TopK, by_person, by_video
from ._docs import with_prediction_docs
from ._indexing import sequence_index
from ._input import check_frames, check_same_frames
from ._outputs import NetworkOutputs

if TYPE_CHECKING:
    from .._keras._compiled import Compute


@with_prediction_docs
class VideoPredictor(NetworkOutputs):
    """Predict frames, people and videos.

    `BaseDetector` adds training, and sets the attributes declared here.
    """

    classes_: Any
    class_count_: NDArray
    frame_shape_: tuple[int, ...]
    _parameter_constraints: ClassVar[dict[str, Any]]
    no_face: str

    def _validate_params(self) -> None:
        super()._validate_params()  # type: ignore[misc]
        rule = self._frame_rule
        if rule is not self.aggregation:
            self.aggregation._validate_params()
            validate_parameter_constraints(
                {"aggregation": self._parameter_constraints["aggregation"]},
                {"aggregation": rule},
                caller_name=f"{type(self).__name__}, in PerPerson,",
            )
        if isinstance(rule, TopK):
            rule._validate_params()

    def _validate_frames(self, X: ArrayLike, *, reset: bool) -> NDArray:
        """Check X and reshape it to (n_videos, n_frames, ...)."""
        frames = check_frames(X, frame_ndim=self.frame_ndim, estimator=self)
        if not reset:
            check_same_frames(
                frames,
                shape=self.frame_shape_,
                dtype=self.frame_dtype_,
                estimator=self,
            )
        if frames.shape[1] % self._n_people:
            raise ValueError(
                f"X must have a multiple of {self._n_people} slots per video for "
                f"aggregation={self.aggregation}; got {frames.shape[1]}. Pass the "
                "cropper's max_faces to PerPerson."
            )
        return frames

    @property
    def _is_cumulative(self) -> bool:
        """True if frame scores are cumulative."""
        return self._sees_sequences or self._weighs_frames

    def predict_frame_proba(self, X: ArrayLike) -> NDArray:
        """Predict class probabilities for each frame.

        Parameters
        ----------
        {{frames}}

        Returns
        -------
        ndarray of shape (n_videos, n_frames, 2)
            Probability of each class in the order of `classes_`, NaN for slots without
            a face.

        Raises
        ------
        {{raises_unfitted}}
        """
        check_is_fitted(self)
        X = self._validate_frames(X, reset=False)
        positive = self._predict_slots(X)
        return np.stack([1 - positive, positive], axis=-1)

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Predict class probabilities for each video.

        Parameters
        ----------
        {{frames}}

        Returns
        -------
        ndarray of shape (n_videos, 2)
            Probability of each class in the order of `classes_`. The class prior is
            returned for videos without a face.

        Raises
        ------
        {{raises_unfitted}}
        {{no_face_videos}}
        """
        check_is_fitted(self)
        X = self._validate_frames(X, reset=False)
        return self._answer(self._predict_videos(X))

    def aggregate_proba(self, frame_proba: NDArray) -> NDArray:
        """Aggregate frame probabilities into one probability per video.

        Parameters
        ----------
        frame_proba : ndarray of shape (n_videos, n_frames, 2)
            Result of `predict_frame_proba`.

        Returns
        -------
        ndarray of shape (n_videos, 2)
            Probability of each class, as returned by `predict_proba`.

        Raises
        ------
        {{no_face_videos}}
        """
        return self._answer(self._aggregate(frame_proba[..., 1]))

    def predict_person_proba(self, X: ArrayLike) -> NDArray:
        """Predict class probabilities for each person of each video.

        Parameters
        ----------
        {{frames}}

        Returns
        -------
        ndarray of shape (n_videos, max_faces, 2)
            Probability of each class in the order of `classes_`, NaN for missing
            people. `max_faces` is the parameter of :class:`PerPerson`, or 1 for other
            aggregations.

        Raises
        ------
        {{raises_unfitted}}
        """
        check_is_fitted(self)
        positive = self._predict_people(self._validate_frames(X, reset=False))
        return np.stack([1 - positive, positive], axis=-1)

    def predict_frame_weights(self, X: ArrayLike) -> NDArray:
        """Predict the weight of each frame in the score of its video.

        Parameters
        ----------
        {{frames}}

        Returns
        -------
        ndarray of shape (n_videos, n_frames)
            Weights, NaN for slots without a face. The weights of each video sum to 1.
            If `aggregation` is a :class:`PerPerson`, the weights of each person sum
            to 1 instead.

        Raises
        ------
        {{raises_unfitted}}
        AttributeError
            If frames are not aggregated by an :class:`Attention`.
        """
        if not isinstance(self._frame_rule, Attention):
            raise AttributeError(
                f"This {type(self).__name__} has no frame weights. Fit it with "
                "aggregation=Attention()."
            )
        check_is_fitted(self)
        found = self._frame_weights(self._validate_frames(X, reset=False))
        assert found is not None
        weight = by_person(found, self._n_people)
        total = np.nansum(weight, axis=1, keepdims=True)
        return by_video(weight / total, self._n_people)

    def _aggregate(self, positive: NDArray) -> NDArray:
        """Aggregate the scores of slots per video, NaN for videos without a face."""
        return self._of_videos(self._aggregate_people(positive))

    def _of_videos(self, people: NDArray) -> NDArray:
        rule = self.aggregation
        return rule.combine(people) if isinstance(rule, PerPerson) else people[:, 0]

    def _aggregate_people(self, positive: NDArray) -> NDArray:
        """Aggregate the frames of each person. The shape is (n_videos, n_people)."""
        rows = by_person(positive, self._n_people)
        return self._aggregate_rows(rows).reshape(len(positive), self._n_people)

    def _aggregate_rows(self, positive: NDArray) -> NDArray:
        if not self._is_cumulative:
            return self._combine_rows(positive)
        known = ~np.isnan(positive)
        last = positive.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
        last_known = positive[np.arange(len(positive)), last]
        return np.where(known.any(axis=1), last_known, np.nan)

    def _frame_weights(self, X: NDArray) -> NDArray | None:
        """Return the attention weights of the slots, if any."""
        if not isinstance(self._frame_rule, Attention):
            return None
        if not self._sees_sequences:
            return self._predict_outputs(X)[..., 1]
        rows, filled = self._rows(X)
        people = np.flatnonzero(filled.any(axis=1))
        index = sequence_index(filled, people)
        shape = (index[-1].shape[1], 1)
        weights = np.full(filled.shape, np.nan)
        found = self._in_batches(self._weights_of_sequences(), rows, index, shape)
        weights[index] = found[..., 0]
        weights[~filled] = np.nan
        return by_video(weights, self._n_people)

    def _weights_of_sequences(self) -> Compute:
        """Compile the part of the network that weights the frames of videos."""
        raise NotImplementedError

    def _combine(self, positive: NDArray, weight: NDArray | None = None) -> NDArray:
        """Aggregate frame probabilities, with weights if given."""
        if weight is not None:
            positive = self._running(positive, weight)
        return self._aggregate(positive)

    def _running(self, positive: NDArray, weight: NDArray) -> NDArray:
        rows = (by_person(each, self._n_people) for each in (positive, weight))
        return by_video(self._frame_rule.running(*rows), self._n_people)

    def _combine_rows(self, positive: NDArray) -> NDArray:
        aggregate = self._frame_rule
        if isinstance(aggregate, str):
            aggregate = AGGREGATIONS[aggregate]
        has_face = ~np.isnan(positive).all(axis=1)
        video = np.full(len(positive), np.nan)
        if has_face.any():
            video[has_face] = aggregate(positive[has_face])
        return video

    def _answer(self, positive: NDArray) -> NDArray:
        """Return the probabilities of both classes, or the class prior for NaN."""
        has_face = ~np.isnan(positive)
        if not has_face.all():
            found = f"Samples {listing(~has_face)} have no face in any frame"
            if self.no_face == "raise":
                raise NoFaceError(f"{found}. Use no_face='prior' to accept them.")
            message = f"{found}. The class prior is returned for them."
            warnings.warn(message, NoFaceWarning, stacklevel=3)
        video = np.where(has_face, positive, self.class_prior_[1])
        return np.stack([1 - video, video], axis=1)

    def predict(self, X: ArrayLike) -> NDArray:
        """Predict the class of each video.

        Parameters
        ----------
        {{frames}}

        Returns
        -------
        ndarray of shape (n_videos,)
            Class with the higher probability.

        Raises
        ------
        {{raises_unfitted}}
        {{no_face_videos}}
        """
        proba = self.predict_proba(X)  # checks that the detector is fitted
        return self.classes_[proba.argmax(axis=1)]

    @property
    def class_prior_(self) -> NDArray:
        """Share of each class among the training videos, shape (2,)."""
        return self.class_count_ / self.class_count_.sum()

    def _predict_videos(self, X: NDArray) -> NDArray:
        """Predict the probability of the second class per video, NaN without faces."""
        return self._of_videos(self._predict_people(X))

    def _predict_people(self, X: NDArray) -> NDArray:
        """Predict the probability of the second class per person, NaN if missing."""
        if not self._sees_sequences:
            return self._aggregate_people(self._predict_slots(X))
        rows, filled = self._rows(X)
        positive = np.full(len(filled), np.nan)
        people = np.flatnonzero(filled.any(axis=1))
        parts = self._predict_parts(rows, sequence_index(filled, people))
        positive[people] = parts[:, 0]
        return positive.reshape(len(X), self._n_people)

    def _predict_slots(self, X: NDArray) -> NDArray:
        """Predict the score of each slot, NaN for empty slots."""
        outputs = self._predict_outputs(X)
        if self._weighs_frames:
            return self._running(outputs[..., 0], outputs[..., 1])
        return outputs[..., 0]


def listing(selected: NDArray, limit: int = 10) -> str:
    """List the indices of the selected samples, up to a limit."""
    numbers = np.flatnonzero(selected).tolist()
    more = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"{numbers[:limit]}{more}"
