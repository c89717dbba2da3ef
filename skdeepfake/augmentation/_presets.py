"""Augmentations by name, each a list of layers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from ._affine import RandomAffine
from ._color import RandomColor
from ._erasing import RandomErasing
from ._jpeg import RandomJPEG
from ._noise import RandomNoise
from ._resampling import RandomBlur, RandomDownscale

Recipe = tuple[tuple[type[keras.layers.Layer], Mapping[str, Any]], ...]

# Each of the images is mirrored, or not, by a half.
_MIRROR = keras.layers.RandomFlip, {"mode": "horizontal", "dtype": "float32"}

#: Layers and their parameters, in the order in which the world does it to a video: what
#: is in front of the camera, then its lens and sensor, and compression last.
PRESETS: Mapping[str, Recipe] = MappingProxyType(
    {
        "flip": (_MIRROR,),
        "light": (
            _MIRROR,
            (
                RandomAffine,
                {"rotation": 5.0, "scale": (0.95, 1.05), "shift": 0.03, "shear": 0.0},
            ),
            (
                RandomColor,
                {"brightness": 0.05, "contrast": 0.1, "saturation": 0.15, "hue": 3.0},
            ),
        ),
        "strong": (
            _MIRROR,
            (RandomAffine, {}),
            (RandomColor, {}),
            (RandomErasing, {"probability": 0.25}),
            (RandomDownscale, {}),
            (RandomBlur, {}),
            (RandomNoise, {}),
            (RandomJPEG, {}),
        ),
    }
)


def make_preset(name: str, seed: int | None = None) -> list[keras.layers.Layer]:
    """Make the layers of an augmentation that goes by a name.

    Parameters
    ----------
    name : {"flip", "light", "strong"}
        Which:

        - "flip" mirrors half of the images.
        - "light" also turns, scales and moves half of them by a little, and changes the
          colours of half of them by a little.
        - "strong" does more of that, and each of these to half of the images, drawn
          anew: shrinking and enlarging, blur, noise and JPEG. It covers a part of one
          in four.
    seed : int or None, default=None
        What the seeds of the layers are derived from, each one's own. None leaves them
        None.

    Returns
    -------
    list of keras.Layer
        To be applied one after the other, to images of 0 to 255, with
        ``training=True``.

    Raises
    ------
    ValueError
        If there is none of that name.

    See Also
    --------
    skdeepfake.detectors.TransferDetector : Takes the name as its `augment`.

    Examples
    --------
    >>> from skdeepfake.augmentation import make_preset
    >>> [type(layer).__name__ for layer in make_preset("light", seed=0)]
    ['RandomFlip', 'RandomAffine', 'RandomColor']
    """
    if name not in PRESETS:
        raise ValueError(f"name={name!r} must be one of {', '.join(PRESETS)}")
    recipe = PRESETS[name]
    return [
        layer(**params, seed=its_seed)
        for (layer, params), its_seed in zip(
            recipe, derived_seeds(seed, len(recipe)), strict=True
        )
    ]


def derived_seeds(seed: int | None, number: int) -> list[int] | list[None]:
    """Derive seeds from one.

    Parameters
    ----------
    seed : int or None
        The one.
    number : int
        How many.

    Returns
    -------
    list of int or of None
        As many; None where `seed` is.
    """
    if seed is None:
        return [None] * number
    # Without the highest bit, which not all of Keras' backends take.
    return (np.random.SeedSequence(seed).generate_state(number) >> 1).tolist()
