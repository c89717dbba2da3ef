"""Linear transformations of RGB colors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Luma weights of R, G and B in ITU-R BT.601, as used by OpenCV and JPEG.
LUMA = (0.299, 0.587, 0.114)

# RGB to YIQ: luma and two color differences.
_YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB = np.linalg.inv(_YIQ)


def hue_and_saturation(angle: float, saturation: float) -> NDArray[np.float64]:
    """Return the (3, 3) matrix that rotates hue, scales saturation and keeps luma."""
    cos, sin = saturation * np.array([np.cos(angle), np.sin(angle)])
    return _RGB @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _YIQ
