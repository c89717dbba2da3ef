"""Random changes to the colors and sharpness of a face."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .._color import hue_and_saturation

Image = NDArray[np.uint8]

# Largest color changes: channel shift in gray levels, hue shift in turns, relative
# changes of saturation and value, brightness shift as a share of the range, and
# relative change of contrast.
_CHANNELS, _HUE, _SATURATION, _VALUE = 20.0, 0.02, 0.3, 0.1
_BRIGHTNESS, _CONTRAST = 0.1, 0.1

# Downscaling factors, range of the sharpening strength, and the smallest side in pixels
# to which a face is downscaled.
_SHRINKING, _SHARPENING, _FEWEST_PIXELS = (2, 4), (0.5, 1.5), 32


class Alteration(NamedTuple):
    """Random parameters of a change to a face."""

    #: Affine map of colors, of shape (3, 4).
    colors: NDArray[np.float32]
    #: Downscaling factor. 0 sharpens the image instead.
    shrinking: int
    sharpening: float
    #: Strength of the change of sharpness, from 0 to 1.
    detail: float


def draw_alteration(
    rng: np.random.Generator, color: float, detail: float
) -> Alteration:
    """Draw a change. `color` scales the color changes."""
    channels = color * rng.uniform(-_CHANNELS, _CHANNELS, 3)
    reach = np.array([_HUE, _SATURATION, _VALUE, _BRIGHTNESS, _CONTRAST])
    hue, saturation, value, brightness, contrast = color * rng.uniform(-reach, reach)
    # All changes are combined into one affine map. Contrast is scaled about 127.5.
    rotated = hue_and_saturation(2 * np.pi * hue, 1 + saturation)
    linear = (1 + contrast) * (1 + value) * rotated
    offset = (1 + contrast) * channels + 255 * brightness - 127.5 * contrast
    return Alteration(
        colors=np.column_stack([linear, offset]).astype(np.float32),
        shrinking=int(rng.choice(_SHRINKING)) if rng.random() < 0.5 else 0,
        sharpening=rng.uniform(*_SHARPENING),
        detail=detail,
    )


def alter(image: Image, alteration: Alteration, face_size: float) -> Image:
    """Return a changed copy. `face_size` is the side of the face box in pixels."""
    altered = cv2.transform(image, alteration.colors)
    if not alteration.detail:
        return altered  # type: ignore[return-value]
    if not alteration.shrinking:
        smooth = cv2.GaussianBlur(altered, (0, 0), 1)
        more = alteration.detail * alteration.sharpening
        return cv2.addWeighted(altered, 1 + more, smooth, -more, 0)  # type: ignore[return-value]
    height, width = image.shape[:2]
    factor = max(1.0, min(alteration.shrinking, face_size / _FEWEST_PIXELS))
    size = round(width / factor), round(height / factor)
    small = cv2.resize(altered, size, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    share = alteration.detail
    return cv2.addWeighted(coarse, share, altered, 1 - share, 0)  # type: ignore[return-value]
