"""Linear maps of R, G and B."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Luma of R, G and B in ITU-R BT.601, as in OpenCV and JPEG.
LUMA = (0.299, 0.587, 0.114)

# Luma and two differences of color of R, G and B.
_YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB = np.linalg.inv(_YIQ)


def hue_and_saturation(angle: float, saturation: float) -> NDArray[np.float64]:
    """Make the map that rotates the hue and scales the saturation, at constant luma."""
    cos, sin = saturation * np.array([np.cos(angle), np.sin(angle)])
    return _RGB @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _YIQ
