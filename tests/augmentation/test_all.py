"""Properties of all augmentations."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skdeepfake import augmentation
from skdeepfake.augmentation import (
    BaseAugmentation,
    RandomAffine,
    RandomBlur,
    RandomColor,
    RandomDownscale,
    RandomErasing,
    RandomFlip,
    RandomJPEG,
    RandomNoise,
    RandomVideoCompression,
    make_preset,
)
from skdeepfake.augmentation._presets import PRESETS

# Parameters that differ from the defaults.
AUGMENTATIONS = {
    RandomAffine: {"rotation": 20.0, "scale": (0.8, 1.25), "shift": 0.1, "shear": 3.0},
    RandomBlur: {"sigma": (0.5, 3.0)},
    RandomColor: {
        "brightness": 0.05,
        "contrast": 0.1,
        "saturation": 0.4,
        "hue": 10.0,
        "gain": 0.1,
    },
    RandomDownscale: {"min_scale": 0.2},
    RandomErasing: {"area": (0.1, 0.3), "ratio": (0.4, 2.5)},
    RandomFlip: {},
    RandomJPEG: {"quality": (20, 80)},
    RandomNoise: {"sigma": 15.0},
    RandomVideoCompression: {"crf": (20, 30), "pan": 1.0, "scale": (0.5, 2.0)},
}
each = pytest.mark.parametrize("kind", AUGMENTATIONS, ids=lambda kind: kind.__name__)


def make(kind, **params):
    return kind(**{"probability": 1, **AUGMENTATIONS[kind], **params})


def test_all_public_augmentations_are_tested_here():
    others = {"BaseAugmentation", "KerasAugmentation", "make_preset"}
    names = {kind.__name__ for kind in AUGMENTATIONS}
    assert names == set(augmentation.__all__) - others


@each
def test_draws_follow_the_random_state(images, kind):
    given = images.copy()
    first = make(kind, probability=0.7)(given, 0)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(given, images)
    np.testing.assert_array_equal(make(kind, probability=0.7)(images, 0), first)
    rng = np.random.default_rng(0)
    one, two = (make(kind, probability=0.7)(images, rng) for _ in range(2))
    assert (one != two).any()


@each
@pytest.mark.parametrize(("probability", "n_changed"), [(0, 0), (1, 24)])
def test_none_or_all_images_are_changed(images, kind, probability, n_changed):
    after = make(kind, probability=probability)(images, 0)
    assert (after != images).any(axis=(1, 2, 3)).sum() == n_changed


@each
def test_a_share_of_the_images_is_changed_each_in_its_own_way(images, kind):
    alike = np.repeat(images[:1, :16, :16], 400, axis=0)
    after = make(kind, probability=0.25)(alike, 0)
    share = (after != alike).any(axis=(1, 2, 3)).mean()
    assert share == pytest.approx(0.25, abs=0.06)
    assert len({image.tobytes() for image in after}) > 8 or kind is RandomFlip


@each
def test_images_without_a_face_stay_all_zeros(images, kind):
    given = images.copy()
    given[[1, 5, 23]] = 0
    after = make(kind)(given, 0)
    assert np.flatnonzero(~after.any(axis=(1, 2, 3))).tolist() == [1, 5, 23]
    assert make(kind)(given[:0]).shape == (0, 48, 64, 3)


@each
@pytest.mark.parametrize("size", [(13, 29), (1, 2)])
def test_images_of_any_size_keep_it(kind, size):
    images = np.random.default_rng(0).integers(256, size=(4, *size, 3), dtype=np.uint8)
    assert make(kind)(images, 0).shape == images.shape


@each
def test_parameters_are_those_of_an_estimator(images, kind):
    one = make(kind, probability=0.9)
    expected = {**AUGMENTATIONS[kind], "probability": 0.9}
    assert one.get_params() == expected
    assert kind().set_params(**expected).get_params() == expected
    for again in (clone(one), pickle.loads(pickle.dumps(one)), eval(repr(one))):
        assert again.get_params() == expected
        assert type(again) is kind


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 1), np.uint8),
    ],
)
def test_anything_but_rgb_images_of_uint8_is_refused(images):
    with pytest.raises(ValueError, match="RandomFlip expects RGB uint8 images"):
        RandomFlip()(images)


def test_result_of_another_shape_or_dtype_is_refused(images):
    class Wrong(BaseAugmentation):
        def augment_image(self, image, rng):
            return self.wrong(image)

    one = Wrong(probability=1)
    for one.wrong in (lambda image: image[1:], lambda image: image.astype(float)):
        with pytest.raises(ValueError, match="Wrong must return uint8 images"):
            one(images)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (RandomNoise(probability=1.5), "'probability' parameter of RandomNoise"),
        (RandomNoise(sigma=-1), "'sigma' parameter of RandomNoise"),
        (RandomAffine(rotation=-5), "'rotation' parameter of RandomAffine"),
        (RandomAffine(scale=1.1), "'scale' .* two numbers, .* Got 1.1"),
        (RandomAffine(scale=(0, 1)), r"'scale' .* Got \(0, 1\) instead"),
        (RandomAffine(shift=2), "'shift' parameter"),
        (RandomAffine(shear=90), "'shear' parameter"),
        (RandomBlur(sigma=(2, 1)), r"'sigma' .* smaller one first, .* Got \(2, 1\)"),
        (RandomBlur(sigma=(1, float("nan"))), "'sigma' parameter of RandomBlur"),
        (RandomBlur(sigma=(1, float("inf"))), "'sigma' parameter of RandomBlur"),
        (RandomColor(brightness=2), "'brightness' parameter"),
        (RandomColor(contrast=-0.1), "'contrast' parameter"),
        (RandomColor(saturation="much"), "'saturation' parameter"),
        (RandomColor(hue=181), "'hue' parameter"),
        (RandomColor(gain=-1), "'gain' parameter"),
        (RandomDownscale(min_scale=0), "'min_scale' parameter"),
        (RandomErasing(area=(0, 2)), r"'area' .* range \[0.0, 1.0\]"),
        (RandomErasing(ratio=(0, 1)), "'ratio' .* two numbers"),
        (RandomJPEG(quality=(0, 50)), r"'quality' .* range \[1, 100\]"),
        (RandomJPEG(quality=(40.5, 50)), "'quality' .* int"),
        (RandomVideoCompression(crf=(0, 30)), "'crf' parameter"),
        (RandomVideoCompression(pan=-1), "'pan' parameter"),
        (RandomVideoCompression(scale=(0, 1)), "'scale' parameter"),
    ],
)
def test_bad_parameters_are_named(images, one, message):
    with pytest.raises(ValueError, match=message):
        one(images)


# -- presets -----------------------------------------------------------------------


def test_presets_are_augmentations_in_order():
    names = {
        name: [type(one).__name__ for one in make_preset(name)] for name in PRESETS
    }
    strong = [
        *("RandomFlip", "RandomAffine", "RandomColor", "RandomErasing"),
        *("RandomDownscale", "RandomBlur", "RandomNoise", "RandomJPEG"),
    ]
    assert names == {
        "flip": ["RandomFlip"],
        "light": ["RandomFlip", "RandomAffine", "RandomColor"],
        "strong": strong,
        "video": [*strong, "RandomVideoCompression"],
    }


def test_a_preset_is_made_anew(images):
    make_preset("flip")[0].set_params(probability=1)
    assert make_preset("flip")[0].probability == 0.5


def test_a_stronger_preset_changes_more(images):
    changes = []
    for preset in ("light", "strong"):
        x = images
        # Skip the flip, which moves all pixels.
        for one in make_preset(preset)[1:]:
            x = one(x, 0)
        changes.append(np.abs(x.astype(float) - images).mean())
    assert 2 < 1.5 * changes[0] < changes[1] < 30


def test_an_unknown_preset_is_named():
    with pytest.raises(ValueError, match="name='weak' must be one of flip, light, str"):
        make_preset("weak")
