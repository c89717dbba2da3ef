"""Augmentations by name, each a list."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sklearn.base import clone

from ._base import BaseAugmentation
from ._geometry import RandomAffine, RandomErasing, RandomFlip
from ._quality import (
    RandomBlur,
    RandomColor,
    RandomDownscale,
    RandomJPEG,
    RandomNoise,
    RandomVideoCompression,
)

_STRONG = (
    RandomFlip(),
    RandomAffine(),
    RandomColor(),
    RandomErasing(probability=0.25),
    RandomDownscale(),
    RandomBlur(),
    RandomNoise(),
    RandomJPEG(),
)

#: The scene first, then lens and sensor, and compression last.
PRESETS: Mapping[str, tuple[BaseAugmentation, ...]] = MappingProxyType(
    {
        "flip": (RandomFlip(),),
        "light": (
            RandomFlip(),
            RandomAffine(rotation=5.0, scale=(0.95, 1.05), shift=0.03, shear=0.0),
            RandomColor(brightness=0.05, contrast=0.1, saturation=0.15, hue=3.0),
        ),
        "strong": _STRONG,
        "video": (*_STRONG, RandomVideoCompression()),
    }
)


def make_preset(name: str) -> list[BaseAugmentation]:
    """Make the augmentations of a preset.

    Parameters
    ----------
    name : {"flip", "light", "strong", "video"}
        Name of the preset:

        - "flip" flips half of the images horizontally.
        - "light" also rotates, scales, shifts and recolors half of them each, slightly.
        - "strong" does more of that, and each of these to half of the images:
          downscaling, blur, noise and JPEG. It erases a part of one in four.
        - "video" is "strong" and H.264 for half of the images, several times slower.

    Returns
    -------
    list of BaseAugmentation
        To be applied one after the other.

    Raises
    ------
    ValueError
        If there is no such preset.

    See Also
    --------
    skdeepfake.detectors.TransferDetector : Takes the name as its `augment`.

    Examples
    --------
    >>> from skdeepfake.augmentation import make_preset
    >>> [type(augmentation).__name__ for augmentation in make_preset("light")]
    ['RandomFlip', 'RandomAffine', 'RandomColor']
    """
    if name not in PRESETS:
        raise ValueError(f"name={name!r} must be one of {', '.join(PRESETS)}")
    return [clone(augmentation) for augmentation in PRESETS[name]]
