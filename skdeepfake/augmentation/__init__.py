"""Augment face crops during the training of a detector.

Augmentations transform batches of RGB uint8 images with NumPy, OpenCV or Keras.
"""

from ._base import BaseAugmentation
from ._geometry import RandomAffine, RandomErasing, RandomFlip
from ._keras import KerasAugmentation
from ._presets import make_preset
from ._quality import (
    RandomBlur,
    RandomColor,
    RandomDownscale,
    RandomJPEG,
    RandomNoise,
    RandomVideoCompression,
)

__all__ = [
    "BaseAugmentation",
    "KerasAugmentation",
    "RandomAffine",
    "RandomBlur",
    "RandomColor",
    "RandomDownscale",
    "RandomErasing",
    "RandomFlip",
    "RandomJPEG",
    "RandomNoise",
    "RandomVideoCompression",
    "make_preset",
]
