"""Meso-4, a small network for the detection of manipulated faces."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

# Per block: filters, kernel size and pooling size.
_BLOCKS = ((8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4))


def preprocess_input(x: Any, data_format: str | None = "channels_last") -> Any:
    """Scale pixels from 0 to 255 to the range 0 to 1."""
    return x / 255


def Meso4(
    *,
    weights: str | None = None,
    include_top: bool = False,
    input_shape: tuple[int, ...] = (256, 256, 3),
) -> keras.Model:
    """Build Meso-4 without its last layer, with 16 features.

    References
    ----------
    Afchar et al., "MesoNet: a compact facial video forgery detection network", WIFS
    2018.
    """
    x = inputs = keras.Input(input_shape)
    for number, (filters, kernel, pool) in enumerate(_BLOCKS, start=1):
        x = layers.Conv2D(
            filters, kernel, padding="same", activation="relu", name=f"conv{number}"
        )(x)
        x = layers.BatchNormalization(name=f"bn{number}")(x)
        x = layers.MaxPooling2D(pool, padding="same")(x)
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    x = layers.LeakyReLU(0.1)(layers.Dense(16, name="dense")(x))
    return keras.Model(inputs, x, name="meso4")
