"""The paper's features: VGG16 without its top."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from ._keras_featurizer import KerasFeaturizer, with_shared_docs


@with_shared_docs
@dataclass(repr=False, eq=False)
class VGG16Featurizer(KerasFeaturizer):
    """Compute the features that the paper's second model learns from: VGG16's.

    A face of 224 x 224 pixels becomes 49 vectors of 512 numbers, the 7 x 7 positions of
    the last feature map. It is a :class:`KerasFeaturizer` with ``backbone="vgg16"``.

    Parameters
    ----------
    weights : str, os.PathLike or None, default="imagenet"
        ``"imagenet"``, which Keras downloads; the path of a file; or None for random.
    {{pooling_parameters}}
    preprocess : bool, "bgr" or callable, default=True
        Whether to apply ImageNet's own preprocessing: BGR, less the mean color. False
        gives the network raw RGB pixels, 0 to 255, and ``"bgr"`` raw BGR pixels, as the
        paper's code does. A callable maps float tensors by `keras.ops`.
    {{running_parameters}}

    See Also
    --------
    KerasFeaturizer : Other networks.

    References
    ----------
    Volisetty, Sen and Savala, "Deepfake detection", 2023, sections 4.4 and 7.3.

    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", ICLR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.features import VGG16Featurizer
    >>> faces = np.full((2, 3, 64, 64, 3), 100, dtype=np.uint8)
    >>> faces[1, 2] = 0  # no face in the last frame of the second video
    >>> features = VGG16Featurizer(weights=None).fit_transform(faces)
    >>> features.shape
    (2, 3, 4, 512)
    >>> bool(features[1, 1].any()), bool(features[1, 2].any())
    (True, False)
    """

    backbone: Any = field(default="vgg16", init=False)

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        name: constraint
        for name, constraint in KerasFeaturizer._parameter_constraints.items()
        if name != "backbone"
    }
