"""Concatenation of the features that several transformers compute per frame."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import FeatureUnion
from sklearn.utils.metaestimators import available_if

from .._bursts import kept_slots, slot_selectors


class FrameFeatureUnion(FeatureUnion):
    """Concatenate the outputs of several transformers for each slot.

    scikit-learn's FeatureUnion requires outputs with one vector per video. This class
    also accepts images, vectors per frame, and vectors per position of a feature map,
    and concatenates them along the last axis. If a transformer drops slots, these slots
    are dropped from all outputs. For example, :class:`~skdeepfake.streams.OpticalFlow`
    drops the last frame of each burst.

    Parameters
    ----------
    transformer_list : list of (str, transformer) tuples
        Names and transformers. The shapes of their outputs may differ only in the
        number of slots and in the last axis.
    n_jobs : int or None, default=None
        Number of transformers that run in parallel.
    transformer_weights : dict or None, default=None
        Multiplicative weights of the outputs, by name of the transformer.
    verbose : bool, default=False
        If True, print the time that each transformer takes.
    verbose_feature_names_out : bool, default=True
        Ignored, since the features of frames have no names.

    See Also
    --------
    sklearn.pipeline.FeatureUnion : Concatenate outputs with one vector per video.
    KerasFeaturizer : Compute features with a pretrained network.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.features import FrameFeatureUnion, KerasFeaturizer
    >>> faces = np.full((2, 3, 32, 32, 3), 100, dtype=np.uint8)
    >>> one = KerasFeaturizer("meso4", weights=None)
    >>> other = KerasFeaturizer("meso4", weights=None, random_state=1)
    >>> union = FrameFeatureUnion([("one", one), ("other", other)])
    >>> union.fit_transform(faces).shape  # 16 features each
    (2, 3, 32)

    Concatenate faces with their motion to the next frame:

    >>> from skdeepfake.streams import OpticalFlow
    >>> union = FrameFeatureUnion([("face", "passthrough"), ("flow", OpticalFlow())])
    >>> union.fit_transform(faces).shape
    (2, 2, 32, 32, 5)
    """

    @available_if(lambda self: any(slot_selectors(each) for _, each, _ in self._iter()))
    def select_slots(self, slots: ArrayLike) -> NDArray:
        """Select the values of the slots that all transformers keep.

        Parameters
        ----------
        slots : array-like of shape (n_slots,)
            Value of each input slot, such as its time.

        Returns
        -------
        ndarray of shape (n_kept,)
            Value of each output slot.
        """
        entries = np.asarray(slots)
        kept = [kept_slots(each, len(entries)) for _, each, _ in self._iter()]
        return entries[functools.reduce(np.intersect1d, kept, np.arange(len(entries)))]

    def _hstack(self, Xs: Sequence[Any]) -> NDArray:
        members = [(name, each) for name, each, _ in self._iter()]
        complete = [
            np.shape(X)[1]
            for X, (_, each) in zip(Xs, members, strict=True)
            if np.ndim(X) > 2 and not slot_selectors(each)
        ]
        if complete and len(complete) < len(members):
            common = self.select_slots(np.arange(complete[0]))
            Xs = [
                X[:, np.isin(kept_slots(each, complete[0]), common)]
                for X, (_, each) in zip(Xs, members, strict=True)
            ]
        shapes = {name: np.shape(X) for (name, _), X in zip(members, Xs, strict=True)}
        if len({shape[:-1] for shape in shapes.values()}) > 1:
            raise ValueError(
                f"The transformers return outputs of the shapes {shapes}, which may "
                "differ only in the last axis. Use the same pooling and frame_pooling "
                "in all of them."
            )
        return np.concatenate(Xs, axis=-1)
