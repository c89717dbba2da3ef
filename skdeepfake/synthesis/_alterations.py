"""Small changes of a face's colors and detail, such as a manipulation brings along."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .._color import hue_and_saturation

Image = NDArray[np.uint8]

# How far each of the colors' changes goes: of the channels in gray levels, of the hue
# in turns, of saturation and value as factors, of brightness on a scale from 0 to 1,
# of contrast as a factor.
_CHANNELS, _HUE, _SATURATION, _VALUE = 20.0, 0.02, 0.3, 0.1
_BRIGHTNESS, _CONTRAST = 0.1, 0.1

# Detail: factors of shrinking, and how much a sharpening adds. Of a face's side not
# fewer than so many pixels are left, or no face is either.
_SHRINKING, _SHARPENING, _FEWEST_PIXELS = (2, 4), (0.5, 1.5), 32


class Alteration(NamedTuple):
    """All that is drawn of a change."""

    #: An affine map of colors: the columns are R, G, B and 1.
    colors: NDArray[np.float32]
    #: A factor, or 0, which sharpens.
    shrinking: int
    sharpening: float
    #: The share of the change of detail.
    detail: float


def draw_alteration(
    rng: np.random.Generator, color: float, detail: float
) -> Alteration:
    """Draw a change whose colors go `color` times as far as they do by default."""
    channels = color * rng.uniform(-_CHANNELS, _CHANNELS, 3)
    reach = np.array([_HUE, _SATURATION, _VALUE, _BRIGHTNESS, _CONTRAST])
    hue, saturation, value, brightness, contrast = color * rng.uniform(-reach, reach)
    # All of them are linear, so that one product does what five passes would.
    turned = hue_and_saturation(2 * np.pi * hue, 1 + saturation)
    linear = (1 + contrast) * (1 + value) * turned
    # Contrast is about the middle of the scale.
    offset = (1 + contrast) * channels + 255 * brightness - 127.5 * contrast
    return Alteration(
        colors=np.column_stack([linear, offset]).astype(np.float32),
        shrinking=int(rng.choice(_SHRINKING)) if rng.random() < 0.5 else 0,
        sharpening=rng.uniform(*_SHARPENING),
        detail=detail,
    )


def alter(image: Image, alteration: Alteration, face_size: float) -> Image:
    """Return a changed copy; `face_size` is the side of the face's box in pixels."""
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
