"""Pictures with known motion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def texture() -> np.ndarray:
    """Make a picture of 288 x 288 pixels with detail everywhere."""
    noise = np.random.default_rng(0).normal(size=(288, 288, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip(128 + 40 * smooth / smooth.std(), 1, 255)


def moved(picture: np.ndarray, shifts: np.ndarray, side: int) -> np.ndarray:
    """Crop faces from a picture that moves to the right and down by `shifts`."""
    corner = (np.array(picture.shape[1::-1]) - side) / 2
    frames = [
        cv2.warpAffine(
            picture,
            np.column_stack([np.eye(2), shift - corner]),
            (side, side),
            flags=cv2.INTER_CUBIC,
        )
        for shift in np.asarray(shifts, float)
    ]
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)
