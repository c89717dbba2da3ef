"""Geometric augmentations: flip, affine transformation and erasing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import cv2
import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import BaseAugmentation, Images, Range


class RandomFlip(BaseAugmentation):
    """Flip images horizontally.

    Parameters
    ----------
    probability : float, default=0.5
        Probability of changing an image.

    See Also
    --------
    make_preset : Return the augmentations of a preset.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomFlip
    >>> ramp = np.arange(1, 10, dtype=np.uint8).reshape(1, 1, 3, 3)
    >>> RandomFlip(probability=1)(ramp)[0, 0, :, 0]
    array([7, 4, 1], dtype=uint8)
    """

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        return cv2.flip(image, 1)  # type: ignore[return-value]


@dataclass(repr=False, eq=False)
class RandomAffine(BaseAugmentation):
    """Rotate, scale, shear and shift images.

    Images are transformed about their center with bilinear interpolation. They are
    extended by reflection at their edges.

    Parameters
    ----------
    rotation : float, default=10.0
        Largest rotation in degrees, in either direction.
    scale : (float, float), default=(0.9, 1.1)
        Range of the scale factor. Values above 1 enlarge the face.
    shift : float, default=0.05
        Largest shift in each direction, as a fraction of the width or height.
    shear : float, default=5.0
        Largest shear angle of vertical lines in degrees, in either direction.
    probability : float, default=0.5
        Probability of changing an image.

    See Also
    --------
    make_preset : Return the augmentations of a preset.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomAffine
    >>> ramp = np.zeros((1, 5, 9, 3), np.uint8)
    >>> ramp[:] = 10 * np.arange(9)[:, np.newaxis]
    >>> augment = RandomAffine(0, (2, 2), 0, 0, probability=1)
    >>> augment(ramp)[0, 2, :, 0].tolist()
    [20, 25, 30, 35, 40, 45, 50, 55, 60]
    """

    rotation: float = 10.0
    scale: tuple[float, float] = (0.9, 1.1)
    shift: float = 0.05
    shear: float = 5.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAugmentation._parameter_constraints,
        "rotation": [Interval(Real, 0, 180, closed="both")],
        "scale": [Range(Real, 0, None, closed="neither")],
        "shift": [Interval(Real, 0, 1, closed="both")],
        "shear": [Interval(Real, 0, 60, closed="both")],
    }

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        height, width = image.shape[:2]
        angle = math.radians(rng.uniform(-self.rotation, self.rotation))
        slope = math.tan(math.radians(rng.uniform(-self.shear, self.shear)))
        scale = rng.uniform(*self.scale)
        shift = rng.uniform(-self.shift, self.shift, 2) * (width, height)
        # Inverse map, from the new image to the old one.
        cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
        linear = np.array([[cos + slope * sin, slope * cos - sin], [sin, cos]])
        center = np.array([width - 1, height - 1]) / 2
        offset = center - shift - linear @ center
        return cv2.warpAffine(  # type: ignore[return-value]
            image,
            np.column_stack([linear, offset]),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )


@dataclass(repr=False, eq=False)
class RandomErasing(BaseAugmentation):
    """Cover a rectangle of each image with the mean color of the image.

    Erasing keeps a detector from relying on a single region of the face [1]_. The
    rectangle has a random size and position. In [1]_, the rectangle is filled with
    noise instead of the mean color.

    Parameters
    ----------
    area : (float, float), default=(0.02, 0.2)
        Range of the area of the rectangle, as a fraction of the image.
    ratio : (float, float), default=(0.5, 2.0)
        Range of the ratio of height to width. The ratio is drawn on a log scale.
    probability : float, default=0.5
        Probability of changing an image.

    See Also
    --------
    make_preset : Return the augmentations of a preset.

    References
    ----------
    .. [1] Zhong, Z., Zheng, L., Kang, G., Li, S. and Yang, Y. (2020). Random erasing
       data augmentation. AAAI. arXiv:1708.04896.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.augmentation import RandomErasing
    >>> half = np.zeros((1, 8, 8, 3), np.uint8)
    >>> half[:, 4:] = 100
    >>> erased = RandomErasing((0.25, 0.25), (1, 1), probability=1)(half)
    >>> int((erased == 50).sum())
    48
    """

    area: tuple[float, float] = (0.02, 0.2)
    ratio: tuple[float, float] = (0.5, 2.0)

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAugmentation._parameter_constraints,
        "area": [Range(Real, 0, 1, closed="both")],
        "ratio": [Range(Real, 0, None, closed="neither")],
    }

    def augment_image(self, image: Images, rng: np.random.Generator) -> Images:
        height, width = image.shape[:2]
        area = height * width * rng.uniform(*self.area)
        low, high = map(math.log, self.ratio)
        ratio = math.exp(rng.uniform(low, high))
        rows = min(round(math.sqrt(area * ratio)), height)
        columns = min(round(math.sqrt(area / ratio)), width)
        top = rng.integers(height - rows, endpoint=True)
        left = rng.integers(width - columns, endpoint=True)
        erased = image.copy()
        mean = np.rint(cv2.mean(image)[:3])
        erased[top : top + rows, left : left + columns] = mean
        return erased
