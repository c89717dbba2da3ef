"""Presets of augmentations."""

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

#: Augmentations of each preset, in the order of recording: scene, lens, sensor and
#: compression.
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
    """Return the augmentations of a preset.

    Parameters
    ----------
    name : {"flip", "light", "strong", "video"}
        Name of the preset:

        - "flip": horizontal flips.
        - "light": flips, and small rotations, scalings, shifts and color changes.
        - "strong": flips, larger geometric and color changes, downscaling, blur, noise,
          JPEG compression and erasing.
        - "video": same as "strong", plus H.264 compression. It takes several times as
          long as "strong".

        Each augmentation changes half of the images, except erasing, which changes a
        quarter of the images.

    Returns
    -------
    list of BaseAugmentation
        Augmentations to apply in order.

    Raises
    ------
    ValueError
        If `name` is not a preset.

    See Also
    --------
    skdeepfake.detectors.TransferDetector : Accepts the name of a preset as `augment`.

    Examples
    --------
    >>> from skdeepfake.augmentation import make_preset
    >>> [type(augmentation).__name__ for augmentation in make_preset("light")]
    ['RandomFlip', 'RandomAffine', 'RandomColor']
    """
    if name not in PRESETS:
        raise ValueError(f"name={name!r} must be one of {', '.join(PRESETS)}.")
    return [clone(augmentation) for augmentation in PRESETS[name]]
