"""Predictions of a detector, per frame, person and video."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from .._face_mask import filled_slots
from .._progress import progress
from ..exceptions import NoFaceError, NoFaceWarning
from ._aggregation import (
    AGGREGATIONS,
    Attention,
    PerPerson,
    TopK,
    by_person,
    by_video,
)
from ._docs import with_prediction_docs
from ._indexing import PersonRows, sequence_index
from ._input import check_frames, check_same_frames

if TYPE_CHECKING:
    import keras

    from .._keras._compiled import Compute


@with_prediction_docs
class VideoPredictor:
    """Predictions of a detector.

    `BaseDetector` adds training, and sets the attributes declared here.
    """

    model_: keras.Model
    classes_: Any
    class_count_: NDArray
    frame_dtype_: np.dtype
    _parameter_constraints: ClassVar[dict[str, Any]]
    aggregation: Any
    no_face: str
    batch_size: int
    verbose: int

    frame_shape_: tuple[int, ...]

    frame_ndim: ClassVar[int] = 3

    # The network that was compiled for prediction, and its function.
    _compiled: tuple[keras.Model, Compute] | None = None

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
        """Check X and give it the form (n_videos, n_frames, ...)."""
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
                f"X has {frames.shape[1]} slots per video, which is not a multiple of "
                f"the {self._n_people} people in aggregation={self.aggregation}. Pass "
                "the cropper's max_faces to PerPerson."
            )
        return frames

    @property
    def _n_people(self) -> int:
        """Number of slots per frame."""
        rule = self.aggregation
        return rule.max_faces if isinstance(rule, PerPerson) else 1

    @property
    def _frame_rule(self) -> Any:
        """Aggregation of the frames of a person."""
        rule = self.aggregation
        return rule.aggregation if isinstance(rule, PerPerson) else rule

    @property
    def _sees_sequences(self) -> bool:
        """Whether the network takes whole videos instead of single frames."""
        return False

    @property
    def _weighs_frames(self) -> bool:
        """Whether the network takes single frames and also returns their weights."""
        return isinstance(self._frame_rule, Attention) and not self._sees_sequences

    @property
    def _is_cumulative(self) -> bool:
        """Whether frame scores are cumulative."""
        return self._sees_sequences or self._weighs_frames

    def predict_frame_proba(self, X: ArrayLike) -> NDArray:
        """Predict class probabilities for each frame.

        Parameters
        ----------
        {{frames}}

        Returns
        -------
        ndarray of shape (n_videos, n_frames, 2)
            Probability of each class in the order of `classes_`; NaN for slots
            without a face.

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
            Probability of each class in the order of `classes_`, aggregated over
            frames; the class prior for a video without a face.

        Raises
        ------
        {{raises_unfitted}}
        {{no_face_videos}}
        """
        check_is_fitted(self)
        X = self._validate_frames(X, reset=False)
        return self._answer(self._predict_videos(X))

    def aggregate_proba(self, frame_proba: NDArray) -> NDArray:
        """Aggregate frame probabilities to one probability per video.

        Parameters
        ----------
        frame_proba : ndarray of shape (n_videos, n_frames, 2)
            Result of `predict_frame_proba`.

        Returns
        -------
        ndarray of shape (n_videos, 2)
            As returned by `predict_proba`.

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
            Probability of each class in the order of `classes_`; NaN for missing
            people. `max_faces` is that of :class:`PerPerson`, else 1.

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
            Weights, which sum to 1 for each person of a video; NaN for slots without a
            face.

        Raises
        ------
        {{raises_unfitted}}
        AttributeError
            If `aggregation` is not :class:`Attention`.
        """
        if not isinstance(self._frame_rule, Attention):
            raise AttributeError(
                f"{type(self).__name__} has no frame weights. Fit it with "
                "aggregation=Attention()."
            )
        check_is_fitted(self)
        found = self._frame_weights(self._validate_frames(X, reset=False))
        assert found is not None
        weight = by_person(found, self._n_people)
        total = np.nansum(weight, axis=1, keepdims=True)
        return by_video(weight / total, self._n_people)

    def _aggregate(self, positive: NDArray) -> NDArray:
        """Aggregate what `_predict_slots` returns; NaN for videos without a face."""
        return self._of_videos(self._aggregate_people(positive))

    def _of_videos(self, people: NDArray) -> NDArray:
        rule = self.aggregation
        return rule.combine(people) if isinstance(rule, PerPerson) else people[:, 0]

    def _aggregate_people(self, positive: NDArray) -> NDArray:
        """Aggregate the frames of each person, to (n_videos, n_people)."""
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
        """Return the probabilities of both classes; the prior without a face."""
        has_face = ~np.isnan(positive)
        if not has_face.all():
            found = f"Samples {listing(~has_face)} have no face in any frame"
            if self.no_face == "raise":
                raise NoFaceError(f"{found} (no_face='raise')")
            message = f"{found} and get the class prior"
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
            The more probable class.

        Raises
        ------
        {{raises_unfitted}}
        {{no_face_videos}}
        """
        proba = self.predict_proba(X)  # first, since it checks
        return self.classes_[proba.argmax(axis=1)]

    @property
    def class_prior_(self) -> NDArray:
        """Share of each class among the training videos, shape (2,)."""
        return self.class_count_ / self.class_count_.sum()

    def _predict_videos(self, X: NDArray) -> NDArray:
        """Predict the second class for each video; NaN without a face."""
        return self._of_videos(self._predict_people(X))

    def _predict_people(self, X: NDArray) -> NDArray:
        """Predict the second class for each person; NaN without a face."""
        if not self._sees_sequences:
            return self._aggregate_people(self._predict_slots(X))
        rows, filled = self._rows(X)
        positive = np.full(len(filled), np.nan)
        people = np.flatnonzero(filled.any(axis=1))
        parts = self._predict_parts(rows, sequence_index(filled, people))
        positive[people] = parts[:, 0]
        return positive.reshape(len(X), self._n_people)

    def _rows(self, X: NDArray) -> tuple[Any, NDArray[np.bool_]]:
        """Return one row per person, and the mask of filled slots."""
        filled = by_person(filled_slots(X), self._n_people)
        return (X if self._n_people == 1 else PersonRows(X, self._n_people)), filled

    def _predict_slots(self, X: NDArray) -> NDArray:
        """Predict the score of each slot; NaN where it is empty."""
        outputs = self._predict_outputs(X)
        if self._weighs_frames:
            return self._running(outputs[..., 0], outputs[..., 1])
        return outputs[..., 0]

    def _predict_outputs(self, X: NDArray) -> NDArray:
        """Predict all outputs of the network for each slot; NaN where it is empty."""
        rows, filled = self._rows(X)
        people, slots = np.nonzero(filled)
        if self._sees_sequences:  # one prediction after each frame
            seen = filled.cumsum(axis=1)[people, slots]
            parts = self._predict_parts(rows, sequence_index(filled, people), seen)
        else:
            parts = self._predict_parts(rows, (people, slots))
        outputs = np.full((*filled.shape, parts.shape[1]), np.nan)
        outputs[people, slots] = parts
        return by_video(outputs, self._n_people)

    def _predict_parts(
        self, X: NDArray, index: tuple[NDArray, ...], seen: NDArray | None = None
    ) -> NDArray:
        """Predict each part; of sequences, the first `seen` frames."""
        n_outputs = self._n_outputs
        if isinstance(self._frame_rule, Attention) and n_outputs != 2:
            raise ValueError(
                f"aggregation={self.aggregation} uses weights that are learned in fit, "
                f"but this {type(self).__name__} was fitted with another aggregation: "
                "fit it again"
            )
        return self._in_batches(self._predict_batch, X, index, (n_outputs,), seen)

    def _in_batches(
        self,
        compute: Compute,
        X: Any,
        index: tuple[NDArray, ...],
        shape: tuple[int, ...],
        seen: NDArray | None = None,
    ) -> NDArray:
        """Compute an array of a shape for each part, batch by batch."""
        n_parts, step = len(index[0]), self._parts_per_step(index)
        found = np.empty((n_parts, *shape))
        starts = range(0, n_parts, step)
        verbose = self.verbose
        for start in progress(starts, desc="detecting", unit="batch", verbose=verbose):
            part = slice(start, start + step)
            frames = X[tuple(axis[part] for axis in index)]
            if seen is not None:
                frames[np.arange(frames.shape[1]) >= seen[part, np.newaxis]] = 0
            # Floats of another precision than in training are accepted.
            found[part] = compute(frames.astype(self.frame_dtype_, copy=False))
        return found

    def _parts_per_step(self, index: tuple[NDArray, ...]) -> int:
        """Return the number of frames or videos per batch."""
        if index[-1].ndim == 1 or (self._sees_sequences and self.frame_ndim < 3):
            return self.batch_size
        return max(1, self.batch_size // max(1, index[-1].shape[1]))

    @property
    def _n_outputs(self) -> int:
        return self.model_.output_shape[-1]

    def _predict_batch(self, frames: NDArray) -> NDArray:
        from .._keras._compiled import compiled  # loads Keras

        if self._compiled is None or self._compiled[0] is not self.model_:
            self._compiled = self.model_, compiled(self.model_)
        return self._compiled[1](frames.astype(self.frame_dtype_, copy=False))


def listing(selected: NDArray, limit: int = 10) -> str:
    """List the numbers of the selected samples, up to a limit."""
    numbers = np.flatnonzero(selected).tolist()
    more = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"{numbers[:limit]}{more}"
