"""Outputs of the network of a detector, computed in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._face_mask import filled_slots
from .._progress import progress
from ._aggregation import Attention, PerPerson, by_person, by_video
from ._indexing import PersonRows, sequence_index

if TYPE_CHECKING:
    import keras

    from .._keras._compiled import Compute


class NetworkOutputs:
    """Compute the outputs of a network for the slots of videos.

    `BaseDetector` sets the attributes declared here.
    """

    model_: keras.Model
    frame_dtype_: np.dtype
    aggregation: Any
    batch_size: int
    verbose: int

    frame_ndim: ClassVar[int] = 3

    # The network, and the function that computes its predictions.
    _compiled: tuple[keras.Model, Compute] | None = None

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
        """True if the network takes whole videos instead of single frames."""
        return False

    @property
    def _weighs_frames(self) -> bool:
        """True if the network takes single frames and also returns their weights."""
        return isinstance(self._frame_rule, Attention) and not self._sees_sequences

    def _rows(self, X: NDArray) -> tuple[Any, NDArray[np.bool_]]:
        """Return one row per person, and the mask of filled slots."""
        filled = by_person(filled_slots(X), self._n_people)
        return (X if self._n_people == 1 else PersonRows(X, self._n_people)), filled

    def _predict_outputs(self, X: NDArray) -> NDArray:
        """Compute all outputs of the network for each slot, NaN for empty slots."""
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
        """Predict single frames, or the first `seen` frames of sequences."""
        n_outputs = self._n_outputs
        if isinstance(self._frame_rule, Attention) and n_outputs != 2:
            raise ValueError(
                f"aggregation={self.aggregation} needs weights learned in fit, but "
                f"this {type(self).__name__} was fitted with another aggregation. Fit "
                "it again."
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
        """Compute an array of the given shape for each part of X, in batches."""
        n_parts, step = len(index[0]), self._parts_per_step(index)
        found = np.empty((n_parts, *shape))
        starts = range(0, n_parts, step)
        verbose = self.verbose
        for start in progress(starts, desc="detecting", unit="batch", verbose=verbose):
            part = slice(start, start + step)
            frames = X[tuple(axis[part] for axis in index)]
            if seen is not None:
                frames[np.arange(frames.shape[1]) >= seen[part, np.newaxis]] = 0
            # The precision of floats may differ from training.
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
