"""Images shared by the tests of augmentations."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


def draw_images(n, height=48, width=64, seed=0):
    """Draw images of smooth and fine color noise, with values from 10 to 245."""
    rng = np.random.default_rng(seed)
    images = np.empty((n, height, width, 3), np.uint8)
    for image in images:
        coarse = rng.uniform(50, 200, (6, 8, 3)).astype(np.float32)
        smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        fine = rng.normal(0, 8, smooth.shape)
        image[:] = np.clip(smooth + fine, 10, 245)
    return images


@pytest.fixture(scope="session")
def images():
    images = draw_images(24)
    images.flags.writeable = False
    return images


@pytest.fixture(scope="session")
def odd_images():
    """Draw images whose sides are not multiples of 8."""
    images = draw_images(6, 37, 51)
    images.flags.writeable = False
    return images
