"""What each layer does, next to OpenCV where that does it too."""

from __future__ import annotations

import cv2
import keras
import numpy as np
import pytest

from skdeepfake.augmentation import (
    RandomAffine,
    RandomBlur,
    RandomColor,
    RandomDownscale,
    RandomErasing,
    RandomJPEG,
    RandomNoise,
)

LUMA = np.array([0.299, 0.587, 0.114])


def changed(kind, images, *parameters, **params):
    layer = kind(*parameters, probability=1, **{"seed": 0, **params})
    return keras.ops.convert_to_numpy(layer(images, training=True)).astype(float)


def at_an_end(monkeypatch, kind, end):
    """Let all be drawn at an end of its range, "low" or "high"."""

    def draw(self, images, low, high):
        # A share of one is not below any probability.
        value = low if end == "low" or (low, high) == (0.0, 1.0) else high
        return keras.ops.full((len(images),), value, "float32")

    monkeypatch.setattr(kind, "_draw", draw)


def flat(*colour, n=64, height=8, width=8):
    return np.full((n, height, width, 3), colour, np.uint8)


def ramp(n, axis, size=60):
    """A grey level a pixel along an axis."""
    shape = [1, 1, 1, 1]
    shape[axis] = size
    levels = np.arange(50, 50 + size, dtype=np.uint8).reshape(shape)
    return np.broadcast_to(levels, (n, size, size, 3))


# -- geometry --------------------------------------------------------------------


def matrix(rotation, scale, x, y, shear, width, height):
    """Places in the old image of those in the new one, by steps."""

    def to(x, y):
        return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])

    middle = (width - 1) / 2, (height - 1) / 2
    angle = np.radians(rotation)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    lean = np.array([[1, np.tan(np.radians(shear)), 0], [0, 1, 0], [0, 0, 1]])
    size = np.diag([1 / scale, 1 / scale, 1])
    moved = to(-x * width, -y * height)
    return moved @ to(*middle) @ lean @ turn @ size @ to(-middle[0], -middle[1])


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize(
    ("rotation", "scale", "shift", "shear"),
    [
        (15, (1, 1), 0, 0),
        (0, (0.7, 1.3), 0, 0),
        (0, (1, 1), 0.2, 0),
        (0, (1, 1), 0, 12),
        (25, (0.6, 1.2), 0.1, 8),
    ],
)
def test_affine_is_the_map_of_keras(
    monkeypatch, odd_images, end, rotation, scale, shift, shear
):
    at_an_end(monkeypatch, RandomAffine, end)
    ours = changed(RandomAffine, odd_images, rotation, scale, shift, shear)
    sign, factor = (-1, scale[0]) if end == "low" else (1, scale[1])
    height, width = odd_images.shape[1:3]
    a = matrix(
        *(sign * rotation, factor, sign * shift, sign * shift, sign * shear),
        *(width, height),
    )
    theirs = keras.ops.image.affine_transform(
        odd_images.astype(np.float32),
        np.repeat(a.reshape(1, 9)[:, :8], len(odd_images), axis=0).astype(np.float32),
        interpolation="bilinear",
        fill_mode="reflect",
        data_format="channels_last",
    )
    theirs = keras.ops.convert_to_numpy(theirs)
    np.testing.assert_allclose(ours, theirs, atol=0.02)
    assert np.abs(ours - odd_images).mean() > 3


def test_affine_moves_by_up_to_a_share_of_the_side():
    for axis in (1, 2):
        moved = changed(RandomAffine, ramp(100, axis), 0, (1, 1), 0.1, 0)
        by = (moved - ramp(100, axis))[:, 30, 30, 0]
        assert -6 <= by.min() < -5.5
        assert 5.5 < by.max() <= 6


def test_affine_scales_within_its_range():
    scaled = changed(RandomAffine, ramp(100, 2), 0, (0.8, 1.1), 0, 0)
    factors = 20 / (scaled[:, 30, 40, 0] - scaled[:, 30, 20, 0])
    assert 0.799 <= factors.min() < 0.82
    assert 1.08 < factors.max() <= 1.101


def test_affine_turns_to_either_side():
    turned = changed(RandomAffine, ramp(100, 2), 10, (1, 1), 0, 0)
    slope = (turned[:, 40, 30, 0] - turned[:, 20, 30, 0]) / 20
    angles = np.degrees(np.arcsin(slope))
    assert -10.1 < angles.min() < -9
    assert 9 < angles.max() < 10.1


def test_affine_leans_to_either_side():
    leaning = changed(RandomAffine, ramp(100, 2), 0, (1, 1), 0, 8)
    slope = (leaning[:, 40, 30, 0] - leaning[:, 20, 30, 0]) / 20
    angles = np.degrees(np.arctan(slope))
    assert -8.1 < angles.min() < -7
    assert 7 < angles.max() < 8.1
    # Rows stay where they are.
    level = changed(RandomAffine, ramp(4, 1), 0, (1, 1), 0, 8)
    np.testing.assert_allclose(level, ramp(4, 1), atol=1e-3)


# -- colour ----------------------------------------------------------------------

STILL = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, "gain": 0}


def test_colours_stay_without_any_change(images):
    same = changed(RandomColor, images, **STILL)
    np.testing.assert_allclose(same, images, atol=1e-3)


def test_brightness_is_added():
    added = changed(RandomColor, flat(100, 120, 140), **{**STILL, "brightness": 0.1})
    added -= flat(100, 120, 140)
    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-3
    assert -25.51 < added.min() < -22
    assert 22 < added.max() < 25.51


def test_contrast_is_about_the_mean_luma():
    two = flat(100, 100, 100)
    two[:, 4:] = (140, 100, 60)
    mean = (100 + LUMA @ (140, 100, 60)) / 2
    after = changed(RandomColor, two, **{**STILL, "contrast": 0.2})
    factors = (after - mean) / (two - mean)
    assert np.ptp(factors, axis=(1, 2, 3)).max() < 1e-3
    assert 0.799 < factors.min() < 0.83
    assert 1.17 < factors.max() < 1.201


def test_saturation_keeps_luma():
    after = changed(RandomColor, flat(150, 100, 80), **{**STILL, "saturation": 0.3})
    luma = LUMA @ (150, 100, 80)
    np.testing.assert_allclose(after @ LUMA, luma, atol=1e-3)
    factors = (after - luma) / (np.array([150, 100, 80]) - luma)
    assert np.ptp(factors, axis=(1, 2, 3)).max() < 1e-3
    assert 0.699 < factors.min() < 0.73
    assert 1.27 < factors.max() < 1.301


def test_hue_turns_the_differences_of_colour():
    yiq = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    after = changed(RandomColor, flat(150, 100, 80), **{**STILL, "hue": 20})
    (luma, i, q), (_, i0, q0) = (after[:, 0, 0] @ yiq.T).T, yiq @ (150, 100, 80)
    np.testing.assert_allclose(luma, LUMA @ (150, 100, 80), atol=0.01)
    np.testing.assert_allclose(np.hypot(i, q), np.hypot(i0, q0), atol=0.01)
    angles = np.degrees(np.arctan2(q, i) - np.arctan2(q0, i0))
    assert -20.01 < angles.min() < -18
    assert 18 < angles.max() < 20.01


def test_grey_has_neither_saturation_nor_hue():
    params = {**STILL, "saturation": 0.5, "hue": 90}
    after = changed(RandomColor, flat(90, 90, 90), **params)
    np.testing.assert_allclose(after, 90, atol=1e-3)


def test_each_channel_has_a_gain_of_its_own():
    after = changed(RandomColor, flat(100, 150, 200), **{**STILL, "gain": 0.1})
    gains = after[:, 0, 0] / (100, 150, 200)
    assert (gains.min(axis=0) < 0.92).all()
    assert (gains.min(axis=0) > 0.899).all()
    assert (gains.max(axis=0) > 1.08).all()
    assert (gains.max(axis=0) < 1.101).all()
    assert np.abs(np.corrcoef(gains.T) - np.eye(3)).max() < 0.4


# -- detail ----------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.2, 0.37, 0.5, 0.81])
def test_downscale_is_that_of_opencv(monkeypatch, odd_images, share):
    at_an_end(monkeypatch, RandomDownscale, "low")
    ours = changed(RandomDownscale, odd_images, share)
    height, width = odd_images.shape[1:3]
    small = round(width * share), round(height * share)
    for image, found in zip(odd_images.astype(np.float32), ours, strict=True):
        theirs = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        theirs = cv2.resize(theirs, (width, height), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(found, theirs, atol=0.01)


def test_downscale_goes_from_the_smallest_share_to_all():
    # How wide an edge has become tells how few pixels were left: ends of each step.
    edge = flat(0, 0, 0, n=100, height=64, width=64)
    edge[:, :, 32:] = 200
    after = changed(RandomDownscale, edge, 0.25)
    steepest = np.abs(np.diff(after[:, 32, :, 0], axis=1)).max(axis=1) / 200
    assert 0.1 < steepest.min() <= 0.25
    assert steepest.max() > 0.9
    # Rows and columns alike.
    np.testing.assert_allclose(
        changed(RandomDownscale, edge.swapaxes(1, 2), 0.25).swapaxes(1, 2),
        after,
        atol=1e-3,
    )


def test_whole_images_are_left_at_a_share_of_one(images):
    same = changed(RandomDownscale, images, 1.0)
    np.testing.assert_allclose(same, images, atol=1e-3)


@pytest.mark.parametrize("sigma", [0.2, 0.6, 1.0, 2.0, 4.0])
def test_blur_is_that_of_opencv(odd_images, sigma):
    ours = changed(RandomBlur, odd_images, (sigma, sigma))
    for image, found in zip(odd_images.astype(np.float32), ours, strict=True):
        # OpenCV's own kernel ends at four deviations.
        theirs = cv2.GaussianBlur(
            image, (51, 51), sigma, borderType=cv2.BORDER_REFLECT_101
        )
        np.testing.assert_allclose(found, theirs, atol=0.02)


def test_blur_is_drawn_from_its_range():
    dots = flat(0, 0, 0, n=200, height=33, width=33)
    dots[:, 16, 16] = 255
    after = changed(RandomBlur, dots, (0.8, 2.0))[..., 0]
    place = np.arange(33) - 16
    sigma = np.sqrt((after.sum(axis=1) * place**2).sum(axis=1) / after.sum(axis=(1, 2)))
    assert 0.799 < sigma.min() < 0.83
    assert 1.96 < sigma.max() < 2.001


def test_noise_is_as_strong_as_drawn():
    noise = changed(RandomNoise, flat(128, 128, 128, n=200, height=32, width=32), 10)
    noise -= 128
    strength = noise.std(axis=(1, 2, 3))
    assert strength.min() < 0.3
    assert 9.5 < strength.max() < 10.5
    assert strength.mean() == pytest.approx(5, abs=0.7)
    assert abs(noise.mean()) < 0.05
    # Of channels and of neighbours on their own.
    strong = noise[strength > 5]
    for other in (strong[..., [1, 2, 0]], np.roll(strong, 1, axis=2), strong[::-1]):
        assert abs(np.corrcoef(strong.ravel(), other.ravel())[0, 1]) < 0.02


# -- compression -----------------------------------------------------------------


def by_opencv(image, quality):
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, file = cv2.imencode(".jpg", image[..., ::-1], parameters)
    return cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1].astype(float)


@pytest.mark.parametrize("quality", [1, 30, 49, 50, 95, 100])
@pytest.mark.parametrize("size", [(48, 64), (37, 51), (24, 40), (17, 9)])
def test_jpeg_is_that_of_opencv(images, quality, size):
    crops = images[:8, : size[0], : size[1]]
    ours = changed(RandomJPEG, crops, (quality, quality))
    theirs = np.stack([by_opencv(image, quality) for image in crops])
    change = np.abs(theirs - crops).mean()
    difference = np.abs(ours - theirs)
    assert difference.mean() < 0.3
    assert difference.mean() < 0.06 * change
    # Not worse at the edges, where blocks are filled up.
    assert difference[:, -1].mean() < 0.8
    assert difference[:, :, -1].mean() < 0.8
    np.testing.assert_array_equal(ours, np.rint(ours))


def test_jpeg_of_a_face_is_that_of_opencv(shared_data):
    path = sorted((shared_data / "faces" / "real").glob("*.jpg"))[0]
    face = cv2.imread(str(path))[..., ::-1]
    for quality in (30, 60, 90):
        ours = changed(RandomJPEG, face[None], (quality, quality))[0]
        theirs = by_opencv(face, quality)
        assert np.abs(ours - theirs).mean() < 0.4
        assert np.abs(theirs - face).mean() > 0.7


def test_jpeg_has_all_whole_qualities_of_its_range(images):
    crop = images[0, :16, :16]
    found = changed(RandomJPEG, np.repeat(crop[None], 200, axis=0), (40, 43.0))
    single = [changed(RandomJPEG, crop[None], (q, q))[0] for q in range(40, 44)]
    counts = [
        int((np.abs(found - one).max(axis=(1, 2, 3)) < 0.5).sum()) for one in single
    ]
    assert sum(counts) == 200
    assert min(counts) > 30


def test_jpeg_fills_blocks_up_with_what_is_next_to_them():
    # Of any other colour, it would show in the blocks at the edges.
    even = flat(200, 60, 90, n=1, height=21, width=27)
    after = changed(RandomJPEG, even, (90, 90))
    assert np.ptp(after, axis=(1, 2)).max() == 0
    assert np.abs(after - even).max() <= 2


# -- covering --------------------------------------------------------------------


@pytest.fixture(scope="module")
def erased():
    """Which pixels of many images are covered, and what by."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(300, 40, 60, 3), dtype=np.uint8)
    after = changed(RandomErasing, images, (0.05, 0.2), (0.5, 2.0))
    covered = (after != images).any(axis=3)
    return images, after, covered


def test_what_is_covered_has_the_mean_colour(erased):
    images, after, covered = erased
    for image, found, inside in zip(images, after, covered, strict=True):
        np.testing.assert_allclose(
            found[inside],
            np.tile(image.mean(axis=(0, 1)), (inside.sum(), 1)),
            atol=0.01,
        )


def test_what_is_covered_is_a_rectangle_of_a_drawn_size(erased):
    covered = erased[2]
    heights, widths = covered.any(axis=2).sum(axis=1), covered.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(heights * widths, covered.sum(axis=(1, 2)))
    area = heights * widths / (40 * 60)
    assert 0.04 < area.min() < 0.06
    assert 0.18 < area.max() < 0.22
    assert area.mean() == pytest.approx(0.125, abs=0.01)
    ratio = heights / widths
    assert 0.45 < ratio.min() < 0.6
    assert 1.7 < ratio.max() < 2.2
    assert np.log(ratio).mean() == pytest.approx(0, abs=0.08)


def test_what_is_covered_lies_anywhere(erased):
    covered = erased[2].mean(axis=0)
    for edge in (covered[0], covered[-1], covered[:, 0], covered[:, -1]):
        assert edge.any()
    assert covered[:20].mean() == pytest.approx(covered[20:].mean(), abs=0.03)
    assert covered[:, :30].mean() == pytest.approx(covered[:, 30:].mean(), abs=0.03)


def test_a_rectangle_is_not_higher_than_the_image():
    images = np.random.default_rng(0).integers(256, size=(8, 10, 90, 3), dtype=np.uint8)
    after = changed(RandomErasing, images, (0.2, 0.2), (1, 1))
    covered = (after != images).any(axis=3)
    np.testing.assert_array_equal(covered.any(axis=2).sum(axis=1), 10)
    np.testing.assert_array_equal(covered.any(axis=1).sum(axis=1), 13)
