from __future__ import annotations

import keras
import numpy as np
import pytest

from skdeepfake.augmentation import make_preset
from skdeepfake.augmentation._presets import PRESETS


def names(preset):
    return [type(layer).__name__ for layer in make_preset(preset)]


def test_presets_are_layers_in_the_order_of_the_world():
    assert list(PRESETS) == ["flip", "light", "strong"]
    assert names("flip") == ["RandomFlip"]
    assert names("light") == ["RandomFlip", "RandomAffine", "RandomColor"]
    assert names("strong") == [
        *("RandomFlip", "RandomAffine", "RandomColor", "RandomErasing"),
        *("RandomDownscale", "RandomBlur", "RandomNoise", "RandomJPEG"),
    ]


@pytest.mark.parametrize("preset", PRESETS)
def test_each_layer_has_a_seed_of_its_own(preset):
    seeds = [layer.seed for layer in make_preset(preset, 3)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert [layer.seed for layer in make_preset(preset, 3)] == seeds
    assert set(seeds).isdisjoint(layer.seed for layer in make_preset(preset, 4))
    assert {layer.seed for layer in make_preset(preset)} == {None}


def test_flip_mirrors_half_of_the_images_each_on_its_own(images):
    (layer,) = make_preset("flip", 0)
    many = np.tile(images, (10, 1, 1, 1))
    after = keras.ops.convert_to_numpy(layer(many, training=True))
    stays = (after == many).all(axis=(1, 2, 3))
    mirrored = (after == many[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (stays ^ mirrored).all()
    assert mirrored.mean() == pytest.approx(0.5, abs=0.12)


def test_a_stronger_preset_changes_more(images):
    changes = []
    for preset in ("light", "strong"):
        x = images
        # Without the mirror, which moves everything.
        for layer in make_preset(preset, 0)[1:]:
            x = layer(x, training=True)
        changes.append(np.abs(keras.ops.convert_to_numpy(x) - images).mean())
    assert 2 < 1.5 * changes[0] < changes[1] < 30


def test_strong_degrades_half_of_the_images(images):
    for layer in make_preset("strong", 0)[4:]:
        many = np.tile(images[:, :32, :32], (8, 1, 1, 1))
        after = keras.ops.convert_to_numpy(layer(many, training=True))
        share = (after != many).any(axis=(1, 2, 3)).mean()
        assert share == pytest.approx(0.5, abs=0.12)


def test_an_unknown_preset_is_named():
    with pytest.raises(ValueError, match="name='weak' must be one of flip, light, str"):
        make_preset("weak")
