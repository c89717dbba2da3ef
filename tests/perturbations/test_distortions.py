"""Each distortion follows its definition, tested on small arrays."""

from __future__ import annotations

import numpy as np
import pytest

from skdeepfake.perturbations import DISTORTIONS, distort
from skdeepfake.perturbations._distortions import apply

OF_FRAMES = [code for code in DISTORTIONS if code != "VC"]
MODES = ["corrected", "faithful"]


def flat(*color, height=4, width=4):
    return np.full((height, width, 3), color, np.uint8)


def colors(*rows):
    """Make a frame with one pixel per row."""
    return np.array(rows, np.uint8)[:, None]


def noise(height=24, width=32):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


class Drawn:
    """Random number generator with given numbers, which stores its arguments."""

    def __init__(self, places=((0, 0),), normal=1.0):
        self.places, self.normal = places, normal

    def integers(self, low, high, shape):
        self.low, self.high, self.shape = low, list(high), shape
        return np.resize(np.array(self.places), shape)

    def standard_normal(self, shape, dtype=float):
        return np.full(shape, self.normal, dtype)


def test_levels_are_those_of_the_paper():
    assert {code: each.faithful for code, each in DISTORTIONS.items()} == {
        "CS": (0.4, 0.3, 0.2, 0.1, 0.0),
        "CC": (0.85, 0.725, 0.6, 0.475, 0.35),
        "BW": (16, 32, 48, 64, 80),
        "GNC": (0.001, 0.002, 0.005, 0.01, 0.05),
        "GB": (7, 9, 13, 17, 21),
        "JPEG": (2, 3, 4, 5, 6),
        "VC": (30, 32, 35, 38, 40),
    }
    others = [code for code in DISTORTIONS if code != "JPEG"]
    for code in others:
        assert DISTORTIONS[code].corrected == DISTORTIONS[code].faithful
    assert DISTORTIONS["JPEG"].corrected == (50, 40, 30, 20, 10)
    assert [code for code in DISTORTIONS if DISTORTIONS[code].is_random] == [
        *("BW", "GNC")
    ]


# -- colors -----------------------------------------------------------------------


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_corrected_saturation_scales_cb_and_cr_about_128(level):
    frame = noise()
    # Full-range YCbCr of JPEG, and its inverse.
    r, g, b = np.moveaxis(frame.astype(float), -1, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    cb, cr = 128 + (b - y) / 1.772, 128 + (r - y) / 1.402
    factor = (0.4, 0.3, 0.2, 0.1, 0.0)[level - 1]
    cb, cr = 128 + (cb - 128) * factor, 128 + (cr - 128) * factor
    r, b = y + 1.402 * (cr - 128), y + 1.772 * (cb - 128)
    g = (y - 0.299 * r - 0.114 * b) / 0.587
    exact = np.stack([r, g, b], axis=-1)

    found = distort(frame, "CS", level).astype(float)
    assert np.abs(found - exact).max() < 0.5 + 1e-3  # rounded, not truncated


def test_faithful_saturation_shifts_gray_and_cuts_down():
    # Results of the authors' code at levels 1 and 5.
    frame = colors((200, 100, 50), (128, 128, 128), (255, 255, 255), (0, 0, 0))
    expected = [(154, 114, 94), (127, 128, 127), (254, 255, 254), (0, 0, 0)]
    assert distort(frame, "CS", 1, mode="faithful")[:, 0].tolist() == [
        list(color) for color in expected
    ]
    found = distort(frame, "CS", 5, mode="faithful")[:, 0].tolist()
    assert found == [[124, 124, 124], [127, 128, 127], [254, 255, 254], [0, 0, 0]]


def test_corrected_contrast_is_about_the_mean_luma():
    frame = colors((50, 50, 50), (151, 151, 151))  # mean 100.5
    assert distort(frame, "CC", 3)[:, 0, 0].tolist() == [70, 131]
    # Red 255 has a luma of 76.2. It covers half of the frame, so the mean is 38.1.
    red = colors((255, 0, 0), (0, 0, 0))
    assert distort(red, "CC", 5)[:, 0].tolist() == [[114, 25, 25], [25, 25, 25]]


def test_faithful_contrast_darkens_and_cuts_down():
    frame = colors((50, 50, 50), (151, 0, 255))
    found = distort(frame, "CC", 2, mode="faithful")[:, 0].tolist()
    assert found == [[36, 36, 36], [109, 0, 184]]


# -- blocks ------------------------------------------------------------------------


def test_block_is_gray_and_lies_where_it_is_drawn():
    frame = flat(7, height=16, width=20)
    found = apply(frame, "BW", 1, "corrected", Drawn([(2, 11)]))
    expected = frame.copy()
    expected[2:10, 11:19] = 128
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("shape", "level", "number"),
    [
        ((256, 256), 1, 16),
        ((512, 700), 3, 96),  # twice the original number
        ((384, 640), 1, 24),
        ((640, 384), 1, 24),
        ((100, 300), 5, 31),
        ((8, 8), 1, 1),  # half a block
    ],
)
def test_corrected_blocks_are_in_proportion_to_the_shorter_side(shape, level, number):
    drawn = Drawn()
    apply(flat(0, height=shape[0], width=shape[1]), "BW", level, "corrected", drawn)
    assert drawn.shape == (number, 2)
    # The last position is that of a block at the edge.
    assert (drawn.low, drawn.high) == (0, [shape[0] - 7, shape[1] - 7])


def test_corrected_block_covers_what_is_smaller_than_itself():
    assert (distort(flat(0, height=3, width=5), "BW", 1, random_state=0) == 128).all()


@pytest.mark.parametrize(
    ("shape", "level", "number"),
    [((256, 300), 1, 16), ((511, 511), 2, 32), ((600, 512), 1, 32), ((300, 255), 5, 0)],
)
def test_faithful_blocks_go_by_whole_multiples_of_256(shape, level, number):
    drawn = Drawn()
    apply(flat(0, height=shape[0], width=shape[1]), "BW", level, "faithful", drawn)
    assert drawn.shape == (number, 2)
    # The authors' randint(0, size - 1 - 8) includes its end.
    assert (drawn.low, drawn.high) == (0, [shape[0] - 8, shape[1] - 8])


def test_higher_level_has_the_blocks_of_the_lower_ones():
    frame = flat(0, height=300, width=300)
    covered = [distort(frame, "BW", i, random_state=3)[..., 0] == 128 for i in (1, 2)]
    assert covered[1][covered[0]].all()
    assert covered[1].sum() > covered[0].sum()


# -- noise -------------------------------------------------------------------------


def test_corrected_noise_is_added_to_y_cb_and_cr_and_rounded():
    # 8.0638 in each channel of full-range YCbCr, converted to RGB.
    found = apply(flat(100), "GNC", 1, "corrected", Drawn(normal=1.0))
    assert found[0, 0].tolist() == [119, 100, 122]
    # Values out of range are clipped.
    assert apply(flat(250), "GNC", 1, "corrected", Drawn())[0, 0].tolist() == [
        *(255, 250, 255)
    ]
    assert apply(flat(5), "GNC", 1, "corrected", Drawn(normal=-1))[0, 0].tolist() == [
        *(0, 5, 0)
    ]


def test_corrected_noise_has_the_variance_of_its_level():
    difference = distort(flat(128, height=200, width=200), "GNC", 2, random_state=0)
    r, g, b = np.moveaxis(difference.astype(float) - 128, -1, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    for channel in (y, (b - y) / 1.772, (r - y) / 1.402):
        assert channel.mean() == pytest.approx(0, abs=0.2)
        assert channel.var() / 255**2 == pytest.approx(0.002, rel=0.03)


def test_faithful_noise_is_stronger_and_cut_down():
    # 255 / 219 times as strong in Y (9.3895), 255 / 224 times in Cb and Cr (9.1799).
    found = apply(flat(100), "GNC", 1, "faithful", Drawn(normal=1.0))
    assert found[0, 0].tolist() == [122, 99, 125]
    assert apply(flat(250), "GNC", 1, "faithful", Drawn())[0, 0].tolist() == [
        *(255, 249, 255)
    ]


def test_noise_of_a_higher_level_is_the_same_but_stronger():
    weak, strong = (
        distort(flat(128, height=64, width=64), "GNC", level, random_state=1) - 128.0
        for level in (1, 2)
    )
    np.testing.assert_allclose(strong, weak * np.sqrt(2), rtol=0, atol=1.3)


# -- blur and JPEG -----------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_blur_is_a_gaussian_of_a_sixth_of_its_kernel(mode):
    frame = flat(0, height=15, width=15)
    frame[7, 7, 1] = 255
    steps = np.exp(-((np.arange(15) - 7.0) ** 2) / (2 * (7 / 6) ** 2))
    steps[np.abs(np.arange(15) - 7) > 3] = 0
    steps /= steps.sum()
    found = distort(frame, "GB", 1, mode=mode)
    np.testing.assert_allclose(found[..., 1], 255 * np.outer(steps, steps), atol=1)
    assert not found[..., [0, 2]].any()
    assert np.count_nonzero(found[7, :, 1]) == 7


def test_corrected_jpeg_has_the_steps_of_its_quality():
    # The mean of a block is quantized in steps of 16 / 8, from the standard's table,
    # times 1, 1.25, 1.66, 2.5 and 5.
    frame = flat(134, height=8, width=8)
    found = [distort(frame, "JPEG", level) for level in range(1, 6)]
    assert [image[0, 0, 0] for image in found] == [134, 133, 135, 133, 138]
    assert all((image == image[0, 0]).all() for image in found)


def test_corrected_jpeg_keeps_red_red():
    np.testing.assert_allclose(
        distort(flat(200, 30, 60, height=16, width=16), "JPEG", 1)[5, 5],
        (200, 30, 60),
        atol=6,
    )


def test_faithful_jpeg_shrinks_and_enlarges():
    row = np.array([0, 100, 200, 40], np.uint8)
    frame = np.tile(row[None, :, None], (4, 1, 3))
    found = distort(frame, "JPEG", 1, mode="faithful")
    expected = np.tile(np.array([50, 67.5, 102.5, 120])[None, :, None], (4, 1, 3))
    np.testing.assert_allclose(found, expected, atol=0.6)
    # The frame is not compressed.
    assert (
        distort(flat(134, height=8, width=8), "JPEG", 5, mode="faithful") == 134
    ).all()
    # A sixth of five pixels is less than one pixel.
    assert distort(noise(5, 5), "JPEG", 5, mode="faithful").shape == (5, 5, 3)


# -- all of them -------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", OF_FRAMES)
def test_frame_stays_as_it_is_and_a_new_one_comes_out(code, mode):
    frame = np.asfortranarray(noise(256, 260))  # not in C order
    before = frame.copy()
    frame.flags.writeable = False
    found = distort(frame, code, 5, mode=mode, random_state=0)
    assert (found.dtype, found.shape) == (np.uint8, frame.shape)
    np.testing.assert_array_equal(frame, before)
    assert np.abs(found - before.astype(int)).mean() > 1
    again = distort(before, code, 5, mode=mode, random_state=0)
    np.testing.assert_array_equal(found, again)


def test_level_zero_is_a_copy():
    frame = noise()
    for code in DISTORTIONS:
        found = distort(frame, code, 0)
        assert found is not frame
        np.testing.assert_array_equal(found, frame)


def test_random_state_may_be_a_generator_or_scikit_learns():
    frame = flat(128)
    for make in (np.random.RandomState, np.random.default_rng):
        one, same, other = (
            distort(frame, "GNC", 1, random_state=make(seed)) for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()


@pytest.mark.parametrize(
    "frame",
    [
        *(
            np.zeros((4, 4, 3)),
            np.zeros((4, 4), np.uint8),
            np.zeros((4, 4, 4), np.uint8),
        ),
        *(np.zeros((0, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.uint8)),
    ],
)
def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(
        ValueError, match=r"frame has the shape .*expected an RGB uint8"
    ):
        distort(frame, "GB", 1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (("XX", 1, {}), "'distortion' parameter"),
        (("GB", 6, {}), "'level' parameter"),
        (("GB", -1, {}), "'level' parameter"),
        (("GB", 1, {"mode": "true"}), "'mode' parameter"),
        (("GNC", 1, {"random_state": "seed"}), "'random_state' parameter"),
        (("VC", 1, {}), "compresses files.*Use VideoPerturber"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    code, level, others = parameters
    with pytest.raises(ValueError, match=message):
        distort(flat(0), code, level, **others)
