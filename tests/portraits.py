"""Frames with a real face at a given position."""

from __future__ import annotations

import cv2
import numpy as np

# Side of dlib's box around the face in scikit-image's picture of an astronaut.
FACE_SIZE = 95.0


def portrait(astronaut: np.ndarray) -> np.ndarray:
    """Crop head and shoulders to 200 x 200 pixels, with the face in the center."""
    return astronaut[20:220, 120:320]


def canvas(height: int = 360, width: int = 640) -> np.ndarray:
    return np.full((height, width, 3), 127, np.uint8)


def paste(
    frame: np.ndarray, portrait: np.ndarray, center: tuple[int, int], scale: float = 1.0
) -> np.ndarray:
    """Paste a scaled portrait into a copy of the frame; `center` is (x, y)."""
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = frame.copy()
    left, top = center[0] - small.shape[1] // 2, center[1] - small.shape[0] // 2
    x, y = max(0, left), max(0, top)
    seen = small[y - top : frame.shape[0] - top, x - left : frame.shape[1] - left]
    frame[y : y + seen.shape[0], x : x + seen.shape[1]] = seen
    return frame
