"""Faces changed while a detector is trained, as Keras layers.

Compression and scaling are what the world does to videos, and what detectors trip over.
The layers do this and more to training batches, outside of the network that answers.
"""

from .. import _worker_threads  # noqa: F401, before Keras is loaded
from ._affine import RandomAffine
from ._color import RandomColor
from ._erasing import RandomErasing
from ._jpeg import RandomJPEG
from ._noise import RandomNoise
from ._presets import make_preset
from ._resampling import RandomBlur, RandomDownscale

__all__ = [
    "RandomAffine",
    "RandomBlur",
    "RandomColor",
    "RandomDownscale",
    "RandomErasing",
    "RandomJPEG",
    "RandomNoise",
    "make_preset",
]
