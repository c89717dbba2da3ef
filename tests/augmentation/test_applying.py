"""Augmentations applied by detectors, including Keras layers."""

from __future__ import annotations

import pickle
import threading

import keras
import numpy as np
import pytest
from sklearn.base import clone

from skdeepfake.augmentation import KerasAugmentation, RandomJPEG, RandomNoise
from skdeepfake.augmentation._applying import Augmenter, resolve
from skdeepfake.augmentation._presets import PRESETS


def noise_and_jpeg(seed=None):
    return Augmenter([RandomNoise(probability=1), RandomJPEG()], seed)


# -- the parameter `augment` -----------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_goes_by_its_name(preset):
    kinds = [type(one) for one in PRESETS[preset]]
    assert [type(one) for one in resolve(preset)] == kinds


def test_augmentations_are_taken_alone_and_in_sequences():
    noise, jpeg = RandomNoise(), RandomJPEG()
    assert resolve(noise) == [noise]
    assert resolve([noise, jpeg]) == resolve((noise, jpeg)) == [noise, jpeg]


@pytest.mark.parametrize(
    ("augment", "error", "message"),
    [
        ("weak", ValueError, r"augment='weak' must be a preset \(flip, light, "),
        (3, TypeError, r"augment=3 must be a preset \(flip, light, strong, "),
        (None, TypeError, "augment=None must be"),
        ([RandomNoise(), "flip"], TypeError, "which holds 'flip', must be a preset"),
        (RandomNoise, TypeError, "augment=<class .* must be a preset"),
        ([], ValueError, r"augment=\[\] is empty; it must be a preset"),
        (RandomNoise(-1), ValueError, "'sigma' parameter of RandomNoise"),
        (keras.layers.Rescaling(1), TypeError, "Wrap Keras layers in KerasAugment"),
        ([keras.Sequential()], TypeError, "Wrap Keras layers in KerasAugmentation"),
    ],
)
def test_anything_else_is_refused(augment, error, message):
    for ask in (resolve, Augmenter):
        with pytest.raises(error, match=message):
            ask(augment)


# -- batches ---------------------------------------------------------------------


def test_augmentations_are_applied_one_after_the_other(images):
    halved = KerasAugmentation(keras.layers.Rescaling(0.5))
    moved = KerasAugmentation(keras.layers.Rescaling(1.0, 9.0))
    for augment, expected in (
        ([halved, moved], np.rint(images / 2) + 9),
        ([moved, halved], np.rint((images + 9.0) / 2)),
    ):
        np.testing.assert_array_equal(Augmenter(augment)(images), expected)


def test_a_seed_gives_the_same_batches_in_the_same_order(images):
    one, same, other = (noise_and_jpeg(seed) for seed in (0, 0, 1))
    first, second = one(images), one(images)
    assert (first != second).mean() > 0.3
    np.testing.assert_array_equal(same(images), first)
    np.testing.assert_array_equal(same(images), second)
    assert (other(images) != first).mean() > 0.3
    first, second = (noise_and_jpeg()(images) for _ in range(2))
    assert (first != second).mean() > 0.3


def test_a_batch_with_a_generator_depends_on_that_alone(images):
    augment = noise_and_jpeg(0)
    first, again = (augment(images, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_threads_at_once_get_draws_of_their_own(images):
    augment = noise_and_jpeg(0)
    found = []

    def ask():
        for _ in range(3):
            found.append(augment(images[:4]).tobytes())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 12


# -- Keras layers ------------------------------------------------------------------


def test_layers_are_applied_in_training_mode(images):
    layers = [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.Lambda(lambda x: x + 10.4),
        keras.layers.Dropout(0.25, dtype="float16"),
    ]
    for given in (layers, tuple(layers), keras.Sequential(layers)):
        after = KerasAugmentation(given)(images, 0)
        # Dropout sets a quarter of the values to 0 in training mode.
        assert (after == 0).mean() == pytest.approx(0.25, abs=0.02)


def test_layers_draw_from_the_random_state(images):
    flip = KerasAugmentation(keras.layers.RandomFlip("horizontal"))
    first, same, other = (flip(images, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    rng = np.random.default_rng(0)
    assert (flip(images, rng) != flip(images, rng)).any()


def test_values_are_rounded_and_clipped():
    images = np.array([1, 5, 10, 250], np.uint8).repeat(3).reshape(1, 2, 2, 3)
    after = KerasAugmentation(keras.layers.Rescaling(1.0, 9.7))(images)
    np.testing.assert_array_equal(after[..., 0], [[[11, 15], [20, 255]]])
    after = KerasAugmentation(keras.layers.Rescaling(1.0, -9.2))(images)
    np.testing.assert_array_equal(after[..., 0], [[[0, 0], [1, 241]]])


def test_faceless_images_and_a_share_of_the_others_stay(images):
    given = images.copy()
    given[[1, 5]] = 0
    brighter = keras.layers.Rescaling(1, 10)
    after = KerasAugmentation(brighter)(given, 0)
    assert np.flatnonzero((after == given).all(axis=(1, 2, 3))).tolist() == [1, 5]
    after = KerasAugmentation(brighter, probability=0.5)(images, 0)
    assert 5 < (after != images).any(axis=(1, 2, 3)).sum() < 19


def test_layers_with_weights_are_not_changed(images):
    normalization = keras.layers.Normalization(axis=None)
    normalization.adapt(images)
    batch = keras.layers.BatchNormalization()
    batch.build((None, 48, 64, 3))
    before = [w.copy() for w in batch.get_weights()]
    augment = [normalization, batch, keras.layers.Rescaling(50.0, 100.0)]
    after = KerasAugmentation(augment)(images)
    assert after.mean() == pytest.approx(100, abs=1)
    assert after.std() == pytest.approx(50, abs=2)
    for weight, expected in zip(batch.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (3, TypeError, "layers=3 contains 3, which is not a Keras layer"),
        ([], ValueError, r"layers=\[\] is empty"),
        (
            keras.layers.CenterCrop(16, 16, name="middle"),
            ValueError,
            r"a CenterCrop, changed the shape .* to \(24, 16, 16, 3\)",
        ),
    ],
)
def test_anything_but_layers_that_keep_the_shape_is_refused(
    images, layers, error, message
):
    with pytest.raises(error, match=message):
        KerasAugmentation(layers)(images)


def test_copies_have_the_same_layers_and_weights(images):
    normalization = keras.layers.Normalization(axis=None)
    normalization.adapt(images)
    layers = [normalization, keras.layers.Rescaling(50.0, 100.0)]
    augment = KerasAugmentation(layers, probability=0.5)
    assert augment.get_params() == {"layers": layers, "probability": 0.5}
    for copy in (clone(augment), pickle.loads(pickle.dumps(augment))):
        assert copy.layers[0] is not normalization
        np.testing.assert_array_equal(copy(images, 0), augment(images, 0))
