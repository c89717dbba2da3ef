"""Features of faces from VGG16."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from ._keras_featurizer import KerasFeaturizer, with_shared_docs


@with_shared_docs
@dataclass(repr=False, eq=False)
class VGG16Featurizer(KerasFeaturizer):
    """Compute the VGG16 features used by Volisetty, Sen and Savala (2023).

    A face of 224 x 224 pixels has 49 feature vectors of 512 values, one for each of the
    7 x 7 positions of the last feature map. This class is a :class:`KerasFeaturizer`
    with ``backbone="vgg16"``.

    Parameters
    ----------
    weights : str, os.PathLike or None, default="imagenet"
        Weights of the network. "imagenet" uses pretrained weights, which Keras
        downloads once. A path refers to a file with the weights of all layers except
        the top layers. None uses random weights.
    {{pooling_parameters}}
    preprocess : bool, "bgr" or callable, default=True
        If True, convert images to BGR and subtract the mean color of ImageNet. "bgr"
        only reverses the channels, like the code of Volisetty, Sen and Savala. False
        passes RGB pixels from 0 to 255 to the network. A callable receives float
        tensors with values from 0 to 255 and should use `keras.ops`.
    {{running_parameters}}

    See Also
    --------
    KerasFeaturizer : Compute features with other networks.

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
