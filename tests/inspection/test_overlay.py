"""Pixels of a map drawn over a face."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from skdeepfake.inspection import overlay
from skdeepfake.inspection._overlay import COLORMAPS

FACE = np.random.RandomState(0).randint(0, 256, size=(6, 8, 3)).astype(np.uint8)


@pytest.mark.parametrize("colormap", sorted(COLORMAPS))
def test_opacity_and_color_follow_the_evidence(colormap: str) -> None:
    strength = np.linspace(0, 1, 48).reshape(6, 8)
    found = overlay(FACE, 3 * strength, alpha=0.6, colormap=colormap)
    shades = np.rint(strength * 255).astype(int)
    colors = mpl.colormaps[colormap](shades)[..., :3] * 255
    opacity = 0.6 * strength[..., np.newaxis]
    np.testing.assert_allclose(found, FACE * (1 - opacity) + colors * opacity, atol=1.5)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[0, 0], FACE[0, 0])


@pytest.mark.parametrize(
    "attribution", [np.zeros((2, 2)), -np.ones((2, 2)), np.full((2, 2), np.nan)]
)
def test_face_is_seen_as_it_is_where_nothing_speaks_for_the_class(
    attribution: np.ndarray,
) -> None:
    np.testing.assert_array_equal(overlay(FACE, attribution), FACE)


def test_small_maps_are_interpolated_over_the_face() -> None:
    white = np.full((6, 8, 3), 255, np.uint8)
    found = overlay(white, [[0.0, 1.0], [0.0, 1.0]], colormap="viridis")
    np.testing.assert_array_equal(found, found[:1].repeat(6, axis=0))
    blue = found[0, :, 2].astype(int)  # yellow has no blue
    assert blue[0] == blue[1] == 255
    assert (np.diff(blue[1:7]) < 0).all()
    assert blue[-1] < 120


def test_vmax_is_what_counts_as_the_strongest() -> None:
    half = overlay(FACE, np.full((2, 2), 2.0), vmax=4)
    np.testing.assert_array_equal(half, overlay(FACE, np.full((2, 2), 0.5), vmax=1))
    above = overlay(FACE, np.full((2, 2), 9.0), vmax=4)
    np.testing.assert_array_equal(above, overlay(FACE, np.ones((2, 2))))
    assert not np.array_equal(half, above)
    np.testing.assert_array_equal(overlay(FACE, np.ones((2, 2)), vmax=0), FACE)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image": FACE / 255}, "image must have .* and dtype float64"),
        ({"image": FACE[..., 0]}, r"image must have .* shape \(6, 8\)"),
        (
            {"attribution": np.ones(49)},
            r"attribution must have .* got \(49,\)\. Reshape",
        ),
        ({"attribution": np.ones((0, 2))}, r"attribution must have .* got \(0, 2\)"),
        ({"alpha": 1.5}, "'alpha'"),
        ({"colormap": "jet"}, "'colormap'"),
        ({"vmax": -1.0}, "'vmax'"),
    ],
)
def test_wrong_parameter_is_named(params: dict[str, Any], message: str) -> None:
    params = {"image": FACE, "attribution": np.ones((2, 2)), **params}
    with pytest.raises(ValueError, match=message):
        overlay(**params)
