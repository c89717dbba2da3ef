"""The preprocessing of each backbone is an affine map of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skdeepfake._backbones import BACKBONES, as_affine


@pytest.mark.parametrize("name", BACKBONES)
def test_affine_map_is_the_preprocessing_of_the_backbone(name: str) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (2, 5, 4, 3))
    pixels = pixels.astype(np.float32)
    preprocess = BACKBONES[name].preprocess
    affine = as_affine(preprocess)
    ordered = pixels[..., ::-1] if affine.is_bgr else pixels
    np.testing.assert_allclose(
        ordered * affine.scale + affine.offset,
        np.asarray(preprocess(pixels.copy())),
        rtol=1e-5,
        atol=1e-4,
    )


def test_vgg16_wants_bgr_less_the_means_of_imagenet() -> None:
    affine = as_affine(BACKBONES["vgg16"].preprocess)
    assert affine.is_bgr
    assert affine.scale == pytest.approx([1, 1, 1])
    assert affine.offset == pytest.approx([-103.939, -116.779, -123.68])


def to_gray(x: Any) -> Any:
    return x.mean(axis=-1, keepdims=True) + 0 * x


def without_green(x: Any) -> Any:
    return x * [1, 0, 1]


@pytest.mark.parametrize("preprocess", [to_gray, without_green])
def test_what_is_no_scaling_of_channels_is_refused(preprocess: Any) -> None:
    with pytest.raises(
        ValueError, match=f"{preprocess.__name__}.* is not a scaling of"
    ):
        as_affine(preprocess)
