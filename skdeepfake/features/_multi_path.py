"""Backbone of several networks in parallel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import keras
from keras import layers
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from .._backbones import BACKBONES, build_backbone, scale_pixels
from .._keras._layers import CBAM
from .._validation import select_names


@dataclass(repr=False, eq=False)
class MultiPathBackbone(BaseEstimator):
    """Combine several networks in parallel, each with its own attention.

    Each network has its own preprocessing. The feature maps of each network are
    weighted by a convolutional block attention module (CBAM), and then averaged over
    all positions. The averages are concatenated. Every estimator with a `backbone`
    parameter accepts a MultiPathBackbone.

    Parameters
    ----------
    backbones : sequence of str, default=("resnet50", "densenet121", \
"inception_resnet_v2")
        Names of the networks, without duplicates, as in :class:`KerasFeaturizer`.
        KerasHub presets are not supported.
    weights : str, os.PathLike, sequence of these, or None, default="imagenet"
        Weights of all networks, or one value per network, as in
        :class:`KerasFeaturizer`. The attention has random weights and must be trained.
    attention : {"cbam"} or None, default="cbam"
        Attention applied to the last feature maps of each network. None disables it.
    random_state : int, default=0
        Seed of random weights.

    See Also
    --------
    skdeepfake.detectors.TransferDetector : Train the networks. Its parameter
        `trainable` counts the blocks of each network separately.
    FrameFeatureUnion : Concatenate the features of several featurizers.

    References
    ----------
    R. B. P. and Nair, "Deepfake detection using multi-path CNN and convolutional
    attention mechanism", MysuruCon 2022, which combines the default `backbones`.

    Woo et al., "CBAM: Convolutional block attention module", ECCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.features import KerasFeaturizer, MultiPathBackbone
    >>> two = MultiPathBackbone(("mobilenet", "mobilenet_v2"), weights=None)
    >>> faces = np.full((1, 2, 32, 32, 3), 100, dtype=np.uint8)
    >>> KerasFeaturizer(two).fit_transform(faces).shape  # 1024 and 1280 channels
    (1, 2, 2304)
    """

    backbones: Sequence[str] = ("resnet50", "densenet121", "inception_resnet_v2")
    _: KW_ONLY
    weights: Any = "imagenet"
    attention: str | None = "cbam"
    random_state: int = 0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "backbones": ["array-like"],
        "weights": [str, os.PathLike, list, tuple, None],
        "attention": [StrOptions({"cbam"}), None],
        "random_state": [Interval(Integral, 0, 2**31 - 1, closed="both")],
    }

    @property
    def image_size(self) -> tuple[int, int]:
        """Largest height and width that the networks were trained on."""
        return (max(BACKBONES[name].size for name in self.backbones),) * 2

    def __call__(self) -> keras.Model:
        """Build the network.

        Returns
        -------
        keras.Model
            Network that maps RGB images of any size, with pixels from 0 to 255, to
            features.

        Raises
        ------
        ValueError
            If a parameter is invalid, or if a network does not return feature maps.
        WeightsError
            If weights cannot be loaded.
        """
        self._validate_params()
        names = list(self.backbones)
        select_names(names, list(BACKBONES), "backbones", allow_all=False)
        if len(set(names)) < len(names):
            raise ValueError(f"backbones contains a name twice: {names}")
        weights = self.weights
        if not isinstance(weights, (list, tuple)):
            weights = [weights] * len(names)
        if len(weights) != len(names):
            raise ValueError(
                f"weights must be a single value or one per network of {names}; got "
                f"{weights!r}"
            )
        inputs = keras.Input((None, None, 3))
        paths = []
        for number, (name, file) in enumerate(zip(names, weights, strict=True)):
            seed = int(self.random_state) + number
            file = file if file is None else os.fspath(file)
            network = build_backbone(name, file, seed, (None, None, 3))
            x = network(scale_pixels(inputs, name, f"scaling_{name}"))
            if len(x.shape) != 4:
                raise ValueError(
                    f"backbones contains {name!r}, which does not return feature maps"
                )
            if self.attention is not None:
                x = CBAM(name=f"cbam_{name}", seed=seed)(x)
            paths.append(layers.GlobalAveragePooling2D(name=f"average_{name}")(x))
        outputs = paths[0]
        if len(paths) > 1:
            outputs = layers.Concatenate(name="paths")(paths)
        return keras.Model(inputs, outputs, name="multi_path")
