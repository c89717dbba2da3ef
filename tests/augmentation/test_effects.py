"""Each augmentation has the expected effect, compared with OpenCV if possible."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skdeepfake.augmentation import (
    RandomAffine,
    RandomBlur,
    RandomColor,
    RandomDownscale,
    RandomErasing,
    RandomFlip,
    RandomJPEG,
    RandomNoise,
    RandomVideoCompression,
)
from skdeepfake.exceptions import FFmpegError

LUMA = np.array([0.299, 0.587, 0.114])


def changed(kind, images, *parameters, **params):
    return kind(*parameters, **params, probability=1)(images, 0).astype(float)


class End:
    """Random number generator that always draws an end of the range."""

    def __init__(self, high):
        self.high = high

    def uniform(self, low, high, size=None):
        end = np.asarray(high if self.high else low, float)
        return np.broadcast_to(end, size) if size else end


def flat(*color, n=64, height=8, width=8):
    return np.full((n, height, width, 3), color, np.uint8)


def ramp(n, axis, size=60):
    """Make images that increase by three gray levels per pixel along an axis."""
    shape = [1, 1, 1, 1]
    shape[axis] = size
    levels = np.arange(50, 50 + 3 * size, 3, dtype=np.uint8).reshape(shape)
    return np.broadcast_to(levels, (n, size, size, 3))


# -- geometry --------------------------------------------------------------------


def matrix(rotation, scale, x, y, shear, width, height):
    """Return the map from new to old coordinates, composed of single steps."""

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


def test_flip_mirrors(odd_images):
    after = changed(RandomFlip, odd_images)
    np.testing.assert_array_equal(after, odd_images[:, :, ::-1])


@pytest.mark.parametrize("high", [False, True])
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
def test_affine_is_a_map_about_the_center(
    odd_images, high, rotation, scale, shift, shear
):
    image = odd_images[0]
    ours = RandomAffine(rotation, scale, shift, shear).augment_image(image, End(high))
    sign, factor = (1, scale[1]) if high else (-1, scale[0])
    height, width = image.shape[:2]
    a = matrix(
        *(sign * rotation, factor, sign * shift, sign * shift, sign * shear),
        *(width, height),
    )
    places = np.stack(np.meshgrid(range(width), range(height)), axis=-1)
    places = (places @ a[:2, :2].T + a[:2, 2]).astype(np.float32)
    theirs = cv2.remap(
        image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    difference = np.abs(ours.astype(float) - theirs)
    assert difference.max() <= 3  # OpenCV's weights are multiples of 1/32
    assert difference.mean() < 0.4
    assert np.abs(ours.astype(float) - image).mean() > 3


def test_affine_moves_by_up_to_a_share_of_the_side():
    for axis in (1, 2):
        moved = changed(RandomAffine, ramp(100, axis), 0, (1, 1), 0.1, 0)
        by = (moved - ramp(100, axis))[:, 30, 30, 0] / 3
        assert -6 <= by.min() < -5.5
        assert 5.5 < by.max() <= 6


def test_affine_scales_within_its_range():
    scaled = changed(RandomAffine, ramp(100, 2), 0, (0.8, 1.1), 0, 0)
    factors = 60 / (scaled[:, 30, 40, 0] - scaled[:, 30, 20, 0])
    assert 0.79 <= factors.min() < 0.82
    assert 1.08 < factors.max() <= 1.12


def test_affine_turns_to_either_side():
    turned = changed(RandomAffine, ramp(100, 2), 10, (1, 1), 0, 0)
    slope = (turned[:, 40, 30, 0] - turned[:, 20, 30, 0]) / 60
    angles = np.degrees(np.arcsin(slope))
    assert -11 < angles.min() < -9
    assert 9 < angles.max() < 11


def test_affine_leans_to_either_side():
    leaning = changed(RandomAffine, ramp(100, 2), 0, (1, 1), 0, 8)
    slope = (leaning[:, 40, 30, 0] - leaning[:, 20, 30, 0]) / 60
    angles = np.degrees(np.arctan(slope))
    assert -9 < angles.min() < -7
    assert 7 < angles.max() < 9
    # Rows do not move.
    level = changed(RandomAffine, ramp(4, 1), 0, (1, 1), 0, 8)
    np.testing.assert_allclose(level, ramp(4, 1), atol=0.51)


# -- color ----------------------------------------------------------------------

STILL = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, "gain": 0}


def test_colors_stay_without_any_change(images):
    same = changed(RandomColor, images, **STILL)
    np.testing.assert_allclose(same, images, atol=0.51)


def test_brightness_is_added():
    added = changed(RandomColor, flat(100, 120, 140), **{**STILL, "brightness": 0.1})
    added -= flat(100, 120, 140)
    assert np.ptp(added, axis=(1, 2, 3)).max() == 0
    assert -26 <= added.min() < -22
    assert 22 < added.max() <= 26


def test_contrast_is_about_the_mean_luma():
    two = flat(100, 100, 100)
    two[:, 4:] = (200, 100, 60)
    mean = (100 + LUMA @ (200, 100, 60)) / 2
    factors = (changed(RandomColor, two, **{**STILL, "contrast": 0.2}) - mean)[
        :, 7, 7, 0
    ] / (200 - mean)
    assert 0.79 < factors.min() < 0.83
    assert 1.17 < factors.max() < 1.21


def test_saturation_keeps_luma():
    after = changed(RandomColor, flat(210, 100, 30), **{**STILL, "saturation": 0.3})
    luma = LUMA @ (210, 100, 30)
    unclipped = after[(after[:, 0, 0, 2] > 0) & (after[:, 0, 0, 0] < 255), 0, 0]
    np.testing.assert_allclose(unclipped @ LUMA, luma, atol=0.51)
    factors = (unclipped[:, 0] - luma) / (210 - luma)
    assert 0.69 < factors.min() < 0.77
    assert factors.max() > 1.2


def test_hue_turns_the_differences_of_color():
    yiq = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    after = changed(RandomColor, flat(190, 100, 60), **{**STILL, "hue": 20})
    (luma, i, q), (_, i0, q0) = (after[:, 0, 0] @ yiq.T).T, yiq @ (190, 100, 60)
    np.testing.assert_allclose(luma, LUMA @ (190, 100, 60), atol=0.51)
    np.testing.assert_allclose(np.hypot(i, q), np.hypot(i0, q0), atol=0.7)
    angles = np.degrees(np.arctan2(q, i) - np.arctan2(q0, i0))
    assert -20.6 < angles.min() < -18
    assert 18 < angles.max() < 20.6


def test_gray_has_neither_saturation_nor_hue():
    params = {**STILL, "saturation": 0.5, "hue": 90}
    after = changed(RandomColor, flat(90, 90, 90), **params)
    np.testing.assert_allclose(after, 90, atol=0.51)


def test_each_channel_has_a_gain_of_its_own():
    after = changed(RandomColor, flat(100, 150, 200), **{**STILL, "gain": 0.1})
    gains = after[:, 0, 0] / (100, 150, 200)
    assert (gains.min(axis=0) < 0.92).all()
    assert (gains.min(axis=0) > 0.899).all()
    assert (gains.max(axis=0) > 1.08).all()
    assert (gains.max(axis=0) < 1.101).all()
    assert np.abs(np.corrcoef(gains.T) - np.eye(3)).max() < 0.4


# -- detail ----------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.2, 0.37, 0.5, 0.81])
def test_downscale_averages_areas_and_enlarges_bilinearly(odd_images, scale):
    image = odd_images[0]
    ours = RandomDownscale(scale).augment_image(image, End(high=False))
    height, width = image.shape[:2]
    small = round(width * scale), round(height * scale)
    theirs = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    theirs = cv2.resize(theirs, (width, height), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(ours, theirs)


def test_downscale_goes_from_the_smallest_scale_to_all():
    # The width of the blurred edge shows the scale.
    edge = flat(0, 0, 0, n=100, height=64, width=64)
    edge[:, :, 32:] = 200
    after = changed(RandomDownscale, edge, 0.25)
    steepest = np.abs(np.diff(after[:, 32, :, 0], axis=1)).max(axis=1) / 200
    assert 0.1 < steepest.min() <= 0.25
    assert steepest.max() > 0.9
    # Rows and columns are downscaled alike.
    other = changed(RandomDownscale, edge.swapaxes(1, 2), 0.25).swapaxes(1, 2)
    np.testing.assert_allclose(other, after, atol=1)


@pytest.mark.parametrize("sigma", [0.2, 0.6, 1.0, 2.0, 4.0])
def test_blur_is_a_gaussian(odd_images, sigma):
    ours = changed(RandomBlur, odd_images, (sigma, sigma))
    for image, found in zip(odd_images.astype(np.float32), ours, strict=True):
        theirs = cv2.GaussianBlur(
            image, (51, 51), sigma, borderType=cv2.BORDER_REFLECT_101
        )
        np.testing.assert_allclose(found, theirs, atol=1.5)


def test_blur_is_drawn_from_its_range():
    dots = flat(0, 0, 0, n=200, height=33, width=33)
    dots[:, 16, 16] = 255
    brightest = changed(RandomBlur, dots, (0.8, 2.0)).max(axis=(1, 2, 3))
    sigma = np.sqrt(255 / (2 * np.pi * brightest))
    assert 0.75 < sigma.min() < 0.9
    assert 1.85 < sigma.max() < 2.15


def test_noise_is_as_strong_as_drawn():
    noise = changed(RandomNoise, flat(128, 128, 128, n=200, height=32, width=32), 10)
    noise -= 128
    strength = noise.std(axis=(1, 2, 3))
    assert strength.min() < 0.3
    assert 9.5 < strength.max() < 10.5
    assert strength.mean() == pytest.approx(5, abs=0.7)
    assert abs(noise.mean()) < 0.05
    # Channels and neighbors are independent.
    strong = noise[strength > 5]
    for other in (strong[..., [1, 2, 0]], np.roll(strong, 1, axis=2), strong[::-1]):
        assert abs(np.corrcoef(strong.ravel(), other.ravel())[0, 1]) < 0.02
    # The noise is normal: 4.55% lie beyond two standard deviations.
    strongest = strong / strong.std(axis=(1, 2, 3), keepdims=True)
    assert (np.abs(strongest) > 2).mean() == pytest.approx(0.0455, abs=0.01)


# -- compression -----------------------------------------------------------------


@pytest.mark.parametrize("quality", [1, 50, 100])
def test_jpeg_has_the_quality_of_opencv(odd_images, quality):
    ours = changed(RandomJPEG, odd_images, (quality, quality))
    for image, found in zip(odd_images, ours, strict=True):
        parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
        _, file = cv2.imencode(".jpg", image[..., ::-1], parameters)
        theirs = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
        np.testing.assert_array_equal(found, theirs)


def test_jpeg_has_all_qualities_of_its_range(images):
    crop = images[:1, :16, :16]
    found = changed(RandomJPEG, np.repeat(crop, 200, axis=0), (40, 43))
    counts = [
        int((found == changed(RandomJPEG, crop, (q, q))).all(axis=(1, 2, 3)).sum())
        for q in range(40, 44)
    ]
    assert sum(counts) == 200
    assert min(counts) > 30


def psnr(images, others):
    error = np.square(images.astype(float) - others).mean(axis=(1, 2, 3))
    return 10 * np.log10(255**2 / error)


@pytest.fixture(scope="module")
def gray_images(images):
    """Convert the images to gray, since video compression removes fine color."""
    luma = (images[:, :48, :48] @ LUMA).astype(np.uint8)
    return np.repeat(luma[..., np.newaxis], 3, axis=3)


def test_video_compression_loses_more_at_a_higher_rate_factor(gray_images):
    few = gray_images[:4]
    low, middle, high = (
        psnr(few, changed(RandomVideoCompression, few, (crf, crf)))
        for crf in (18, 28, 40)
    )
    assert low.min() > 34
    assert (low > middle + 2).all()
    assert (middle > high + 2).all()


def test_video_compression_of_an_image_does_not_depend_on_the_others(gray_images):
    """All images are compressed in one stream, each at its own rate factor."""
    n = len(gray_images)
    rng = np.random.default_rng(0)
    after = RandomVideoCompression((18, 40), 0, probability=1)(gray_images, rng)
    quality = psnr(gray_images, after)
    rng = np.random.default_rng(0)
    rng.random(n)
    crf = rng.uniform(18, 40, n)
    alone = [
        RandomVideoCompression((exact, exact), 0, probability=1)(image[np.newaxis], 0)
        for exact, image in zip(crf[:6], gray_images[:6], strict=True)
    ]
    expected = psnr(gray_images[:6], np.concatenate(alone))
    np.testing.assert_allclose(quality[:6], expected, atol=0.6)
    assert np.ptp(expected) > 3


def test_video_compression_keeps_images_in_place(gray_images):
    after = changed(RandomVideoCompression, gray_images[:4], (18, 18), 10)
    assert psnr(gray_images[:4], after).min() > 33


@pytest.mark.parametrize("size", [(37, 51), (16, 15), (3, 5), (1, 2)])
def test_video_compression_takes_any_size(images, size):
    few = images[:2, : size[0], : size[1]]
    after = changed(RandomVideoCompression, few, (18, 18))
    assert after.shape == few.shape
    assert np.abs(after - few).mean() < 20


def test_video_compression_names_an_encoder_that_fails(images, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "false")
    with pytest.raises(FFmpegError, match="ffmpeg 'false' cannot be used"):
        changed(RandomVideoCompression, images[:1])


# -- erasing ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def erased():
    """Erase rectangles in 300 images, and compute which pixels are erased."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(300, 40, 60, 3), dtype=np.uint8)
    after = changed(RandomErasing, images, (0.05, 0.2), (0.5, 2.0))
    covered = (after != images).any(axis=3)
    return images, after, covered


def test_what_is_covered_has_the_mean_color(erased):
    images, after, covered = erased
    for image, found, inside in zip(images, after, covered, strict=True):
        np.testing.assert_allclose(
            found[inside],
            np.tile(image.mean(axis=(0, 1)), (inside.sum(), 1)),
            atol=0.51,
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


def test_enlarged_images_keep_more_when_compressed(gray_images):
    """Artifacts shrink when an enlarged image is resized back."""
    images = gray_images[:4]
    quality = [
        psnr(images, changed(RandomVideoCompression, images, (36, 36), 0, scale))
        for scale in ((0.5, 0.5), (1, 1), (2, 2))
    ]
    assert (quality[0] < quality[1]).all()
    assert (quality[1] < quality[2]).all()
