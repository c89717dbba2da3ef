from __future__ import annotations

import threading

import keras
import numpy as np
import pytest

from skdeepfake.augmentation import RandomBlur, RandomColor, RandomJPEG, RandomNoise
from skdeepfake.augmentation._applying import Augmenter, resolve
from skdeepfake.augmentation._presets import PRESETS


def noise_and_jpeg(seed=None):
    return Augmenter([RandomNoise(probability=1), RandomJPEG()], seed)


def brighter(x):
    return x + 10.4


# -- what is asked for -----------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_goes_by_its_name(preset):
    layers = resolve(preset, 0)
    kinds = [kind for kind, _ in PRESETS[preset]]
    assert [type(layer) for layer in layers] == kinds
    assert None not in [layer.seed for layer in layers]


def test_layers_are_taken_alone_and_in_sequences():
    noise, flip = RandomNoise(), keras.layers.RandomFlip("horizontal")
    kinds = [RandomNoise, keras.layers.RandomFlip]
    assert [type(layer) for layer in resolve(noise, 0)] == kinds[:1]
    for augment in ([noise, flip], (noise, flip), keras.Sequential([noise, flip])):
        assert [type(layer) for layer in resolve(augment, 0)] == kinds


def test_only_layers_without_a_seed_get_one():
    given = [
        RandomNoise(seed=7),
        RandomNoise(),
        keras.layers.RandomFlip(),
        RandomBlur(),
    ]
    seeds = [layer.seed for layer in resolve(given, 0)]
    assert seeds[0] == 7
    assert None not in seeds
    assert len(set(seeds)) == 4
    assert seeds == [layer.seed for layer in resolve(given, 0)]
    assert seeds[1:] != [layer.seed for layer in resolve(given, 1)][1:]
    # Keras draws one for a layer of its own; ours keep None.
    assert [layer.seed for layer in resolve(given, None)][::3] == [7, None]
    assert [layer.seed for layer in given][::3] == [7, None]


def test_the_layers_given_are_not_touched(images):
    layer = RandomNoise(probability=1, seed=0)
    before = keras.ops.convert_to_numpy(layer.generator.state)
    augment = Augmenter([layer, keras.layers.Rescaling(1.0)], 0)
    augment(images)
    assert augment.layers[0] is not layer
    assert augment.layers[0].get_config() == layer.get_config()
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(layer.generator.state), before
    )
    assert not layer.built


def test_layers_with_weights_are_copied_with_them(images):
    layer = keras.layers.Normalization(axis=None)
    layer.adapt(images)
    augment = Augmenter([layer, keras.layers.Rescaling(50.0, 100.0)])
    assert augment.layers[0] is not layer
    expected = 100 + 50 * (images - images.mean()) / images.std()
    np.testing.assert_allclose(augment(images), np.clip(expected, 0, 255), atol=0.6)


@pytest.mark.parametrize(
    ("augment", "error", "message"),
    [
        ("weak", ValueError, "augment='weak' must be one of the presets flip, light, "),
        (3, TypeError, "augment=3 must be one of the presets flip, light, strong, a "),
        (None, TypeError, "augment=None must be"),
        ([RandomNoise(), "flip"], TypeError, "which holds 'flip', must be one of the"),
        (RandomNoise, TypeError, "augment=<class .* must be one of the presets flip"),
        ([], ValueError, r"augment=\[\] holds no layer: it must be one of the presets"),
    ],
)
def test_anything_else_is_refused(augment, error, message):
    for ask in (resolve, Augmenter):
        with pytest.raises(error, match=message):
            ask(augment, 0)


# -- batches ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "least"), [("flip", 0.2), ("light", 0.6), ("strong", 0.9)]
)
def test_a_batch_is_changed_and_keeps_shape_and_dtype(images, preset, least):
    given = images.copy()
    after = Augmenter(preset, 0)(given)
    assert after.dtype == np.uint8
    assert after.shape == images.shape
    assert (after != images).any(axis=(1, 2, 3)).mean() > least
    np.testing.assert_array_equal(given, images)


def test_layers_are_applied_one_after_the_other(images):
    twice = [keras.layers.Rescaling(0.5), keras.layers.Rescaling(1.0, 40.0)]
    for augment, expected in (
        (twice, images / 2 + 40),
        (twice[::-1], (images + 40.0) / 2),
    ):
        after = Augmenter(augment)(images)
        np.testing.assert_array_equal(after, np.rint(expected))


def test_values_are_rounded_and_clipped():
    images = np.array([0, 5, 10, 250], np.uint8).repeat(3).reshape(1, 2, 2, 3)
    after = Augmenter(keras.layers.Rescaling(1.0, 9.7))(images)
    np.testing.assert_array_equal(after[..., 0], [[[10, 15], [20, 255]]])
    after = Augmenter(keras.layers.Rescaling(1.0, -9.2))(images)
    np.testing.assert_array_equal(after[..., 0], [[[0, 0], [1, 241]]])


def test_what_is_all_zeros_stays_so(images):
    given = images.copy()
    given[[1, 5, 23]] = 0
    given[7] = 0
    given[7, -1, -1, -1] = 1
    augment = Augmenter([RandomColor(1, probability=1), keras.layers.Rescaling(1, 10)])
    after = augment(given)
    empty = ~after.any(axis=(1, 2, 3))
    assert np.flatnonzero(empty).tolist() == [1, 5, 23]


def test_a_seed_gives_the_same_batches_in_the_same_order(images):
    one, same, other = (noise_and_jpeg(seed) for seed in (0, 0, 1))
    first, second = one(images), one(images)
    assert (first != second).mean() > 0.3
    np.testing.assert_array_equal(same(images), first)
    np.testing.assert_array_equal(same(images), second)
    assert (other(images) != first).mean() > 0.3


def test_without_a_seed_batches_are_others_each_time(images):
    first, second = (Augmenter(RandomNoise(probability=1))(images) for _ in range(2))
    assert (first != second).mean() > 0.3


def test_batches_of_any_number_and_size_go_on_with_the_draws(images, odd_images):
    augment = Augmenter(RandomNoise(probability=1, seed=0))
    given = [images, images[:7], images[:13], odd_images, images[:7], images[:0]]
    after = [augment(batch) for batch in given]
    assert [batch.shape for batch in after] == [batch.shape for batch in given]
    for batch, result in zip(given[:-1], after[:-1], strict=True):
        changed = np.abs(result.astype(int) - batch).max(axis=(1, 2, 3))
        # Noise may be too weak to be seen.
        assert (changed > 0).mean() > 0.7
    assert (after[1] != after[4]).any()
    # What comes in many parts is in order.
    same = Augmenter(keras.layers.Rescaling(1.0))(images[:13])
    np.testing.assert_array_equal(same, images[:13])


def test_images_of_a_batch_have_draws_of_their_own(images):
    alike = np.repeat(images[:1], 24, axis=0)
    after = Augmenter(RandomNoise(probability=1), 0)(alike)
    assert len({image.tobytes() for image in after}) == 24


def test_other_layers_work_too(images):
    augment = Augmenter(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(0.05),
            keras.layers.Lambda(brighter),
            keras.layers.Dropout(0.25, dtype="float16"),
        ],
        seed=0,
    )
    after = augment(images)
    # It is a quarter by chance: so it is called in training.
    assert (after == 0).mean() == pytest.approx(0.25, abs=0.02)
    again = Augmenter(
        [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.05)], 0
    )
    assert np.abs(again(images).astype(int) - images).mean() > 5


def test_a_layer_that_changes_the_shape_is_named(images):
    crop = keras.layers.CenterCrop(16, 16, name="middle")
    message = (
        r"augment: the layer 'middle', a CenterCrop, makes \(n, 16, 16, 3\) of images "
        r"of the shape \(n, 48, 64, 3\)"
    )
    with pytest.raises(ValueError, match=message):
        Augmenter([RandomNoise(), crop])(images)


# -- threads ---------------------------------------------------------------------


def test_another_thread_gets_the_same_batches(images):
    expected = noise_and_jpeg(0)(images[:8])
    augment = noise_and_jpeg(0)
    found = []
    thread = threading.Thread(target=lambda: found.append(augment(images[:8])))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(found[0], expected)
    # And then this one, from where it stopped.
    assert (augment(images[:8]) != expected).any()


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


class Batches(keras.utils.PyDataset):
    def __init__(self, images, augment):
        super().__init__(workers=1)
        self.images, self.augment, self.seen = images, augment, []

    def __len__(self):
        return 3

    def __getitem__(self, number):
        after = self.augment(self.images[8 * number : 8 * number + 8])
        self.seen.append((number, after))
        return after / 255.0, np.zeros(8)


def test_batches_are_augmented_while_keras_trains(images):
    network = keras.Sequential(
        [keras.Input((48, 64, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    network.compile("sgd", "mse")
    batches = Batches(images, noise_and_jpeg(0))
    network.fit(batches, verbose=0, shuffle=False)
    # Keras looks at one more batch beforehand.
    assert len(batches.seen) >= 3
    augment = noise_and_jpeg(0)
    for number, found in batches.seen:
        expected = augment(images[8 * number : 8 * number + 8])
        np.testing.assert_array_equal(found, expected)
