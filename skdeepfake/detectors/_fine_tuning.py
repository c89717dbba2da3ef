"""Parameter-efficient fine-tuning of backbones."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import keras
from keras import layers
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

# Kinds of weights that can be trained alone.
SELECTIONS = ("norm", "bias")

_NORMALIZATIONS = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
)

# Names of the biases of Keras layers, and of the shift of normalizations.
_BIASES = ("bias", "beta")


@dataclass(repr=False, eq=False)
class LoRA(BaseEstimator):
    """Train low-rank updates of the kernels of a frozen backbone.

    Each dense or convolutional kernel W becomes ``W + A B``, where A has `rank` columns
    and B has `rank` rows. Saving the detector merges the updates into the saved
    kernels. If the loaded detector is trained further, training starts with new
    updates.

    Parameters
    ----------
    rank : int, default=8
        Rank of the updates.

    See Also
    --------
    TransferDetector : Accepts a LoRA as `trainable`.

    References
    ----------
    Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from skdeepfake.detectors import LoRA, TransferDetector
    >>> backbone = keras.Sequential([  # or a name, such as "vgg16"
    ...     keras.Input((None, None, 3)),
    ...     keras.layers.Conv2D(4, 3),
    ... ])
    >>> detector = TransferDetector(backbone=backbone, trainable=LoRA(rank=2))
    >>> X = np.ones((2, 1, 8, 8, 3), np.uint8)
    >>> detector = detector.initialize(X, [0, 1])
    >>> detector.n_trained_weights_, detector.n_weights_
    (67, 179)
    """

    rank: int = 8

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "rank": [Interval(Integral, 1, None, closed="left")],
    }


def select_weights(backbone: keras.Model, trainable: Any, seed: int | None) -> None:
    """Make only the selected weights of a backbone trainable."""
    found = False
    for layer in list(backbone._flatten_layers(include_self=False)):
        if isinstance(layer, keras.Model) or not layer.weights:
            continue
        if isinstance(trainable, LoRA) and hasattr(layer, "enable_lora"):
            _adapt(layer, trainable.rank, seed)
        learning = [_learns(layer, w, trainable) for w in layer._trainable_variables]
        if not layer._layers:  # freezes the statistics of batch normalization
            layer.trainable = any(learning)
        for weight, learns in zip(layer._trainable_variables, learning, strict=True):
            weight.trainable = learns
        found |= any(learning)
    if not found:
        what = "kernels" if isinstance(trainable, LoRA) else f"{trainable} weights"
        raise ValueError(
            f"trainable={trainable!r} needs {what}, but the backbone has none. Use "
            "'top', 'all' or a number of blocks."
        )


def _learns(layer: keras.Layer, weight: Any, trainable: Any) -> bool:
    if isinstance(trainable, LoRA):
        return weight.name.startswith("lora_")
    if trainable == "norm":
        return isinstance(layer, _NORMALIZATIONS)
    return weight.name in _BIASES


def _adapt(layer: Any, rank: int, seed: int | None) -> None:
    """Add low-rank weights to a layer, or reinitialize them after they were merged."""
    draw = keras.initializers.HeUniform(seed)
    if not layer.lora_enabled:
        layer.enable_lora(rank, a_initializer=draw)
    elif not keras.ops.convert_to_numpy(layer.lora_kernel_a).any():
        layer.lora_kernel_a.assign(draw(layer.lora_kernel_a.shape))
