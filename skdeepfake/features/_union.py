"""Features of several networks side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import FeatureUnion


class FrameFeatureUnion(FeatureUnion):
    """Concatenate the feature vectors of several featurizers, frame by frame.

    scikit-learn's FeatureUnion takes one vector per video. This one takes one vector
    per frame, or per position in a frame, too, and concatenates along the last axis.

    Parameters
    ----------
    transformer_list : list of (str, transformer) tuples
        Names and featurizers, which must agree in pooling and in positions.
    n_jobs : int or None, default=None
        Number of featurizers that run at the same time.
    transformer_weights : dict or None, default=None
        Factors of the features, by names of transformers.
    verbose : bool, default=False
        Whether to print the time that each featurizer takes.
    verbose_feature_names_out : bool, default=True
        As in scikit-learn. Not used, since frame vectors have no names.

    See Also
    --------
    sklearn.pipeline.FeatureUnion : The same for vectors of whole videos.
    KerasFeaturizer : Computes features.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.features import FrameFeatureUnion, KerasFeaturizer
    >>> faces = np.full((2, 3, 32, 32, 3), 100, dtype=np.uint8)
    >>> small = KerasFeaturizer("mobilenet_v2", weights=None, pooling="avg")
    >>> union = FrameFeatureUnion([("a", small), ("b", small)])
    >>> union.fit_transform(faces).shape
    (2, 3, 2560)
    """

    def _hstack(self, Xs: Sequence[Any]) -> NDArray:
        names = [name for name, _, _ in self._iter()]
        shapes = {name: np.shape(X) for name, X in zip(names, Xs, strict=True)}
        if len({shape[:-1] for shape in shapes.values()}) > 1:
            raise ValueError(
                f"the transformers give features of different shapes, {shapes}: all "
                "axes but the last must agree; set pooling and frame_pooling alike"
            )
        return np.concatenate(Xs, axis=-1)
