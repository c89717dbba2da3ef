"""Tokens of vision transformers are pooled, with and without KerasHub."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.utils import Bunch

from skdeepfake import _keras_hub
from skdeepfake._backbones import build_backbone
from skdeepfake._keras._tokens import count_prefix_tokens
from skdeepfake.exceptions import WeightsError
from skdeepfake.features import KerasFeaturizer

SIDE, PATCH, CHANNELS = 32, 8, 3


def transformer(
    n_registers: int = 4, *, register: float = 9.0, name: str = "images"
) -> keras.Model:
    """Build a model that returns a class token, registers and patch tokens.

    The class token is the mean color of the image. A patch token is the mean color of
    its patch. The input is a dictionary, as in KerasHub.
    """
    inputs = keras.Input((SIDE, SIDE, 3), name=name)
    patches = layers.AveragePooling2D(PATCH)(inputs)
    patches = layers.Reshape((-1, CHANNELS))(patches)
    mean = layers.Reshape((1, CHANNELS))(layers.GlobalAveragePooling2D()(inputs))
    tokens = [mean, patches]
    if n_registers:
        registers = layers.RepeatVector(n_registers)(layers.Flatten()(mean))
        tokens.insert(1, layers.Rescaling(0.0, register)(registers))
    return keras.Model({name: inputs}, layers.Concatenate(axis=1)(tokens))


@pytest.fixture(scope="module")
def faces(noise: Callable[..., np.ndarray]) -> np.ndarray:
    return noise(2, SIDE, SIDE, seed=1)


@pytest.fixture(scope="module")
def tokens(faces: np.ndarray) -> np.ndarray:
    return KerasFeaturizer(transformer()).fit_transform(faces)


def test_without_pooling_all_tokens_are_kept(
    faces: np.ndarray, tokens: np.ndarray
) -> None:
    assert tokens.shape == (2, 1 + 4 + 16, CHANNELS)
    np.testing.assert_allclose(tokens[:, 0], faces.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(tokens[:, 1:5], 9)


@pytest.mark.parametrize("register", [9.0, -500.0])
@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("cls", lambda tokens: tokens[:, 0]),
        ("mean", lambda tokens: tokens[:, 5:].mean(axis=1)),
        ("avg", lambda tokens: tokens[:, 5:].mean(axis=1)),
        ("max", lambda tokens: tokens[:, 5:].max(axis=1)),
        (
            "cls_mean",
            lambda tokens: np.hstack([tokens[:, 0], tokens[:, 5:].mean(axis=1)]),
        ),
    ],
)
def test_pooling_leaves_registers_out(
    faces: np.ndarray,
    tokens: np.ndarray,
    pooling: str,
    expected: Callable[[np.ndarray], np.ndarray],
    register: float,
) -> None:
    featurizer = KerasFeaturizer(transformer(register=register), pooling=pooling)
    found = featurizer.fit_transform(faces)
    np.testing.assert_allclose(found, expected(tokens), rtol=1e-6)


def test_cached_tokens_are_pooled_alike(faces: np.ndarray, tmp_path: Any) -> None:
    featurizer = KerasFeaturizer(transformer(), memory=tmp_path, pooling="cls_mean")
    first = featurizer.fit_transform(faces)
    np.testing.assert_array_equal(featurizer.fit_transform(faces), first)


def test_missing_faces_are_zeros(gappy: Bunch) -> None:
    features = KerasFeaturizer(transformer(), pooling="cls_mean").transform(gappy.X)
    assert features.shape == (4, 3, 2 * CHANNELS)
    np.testing.assert_array_equal(features.any(axis=-1), gappy.filled)


@pytest.mark.parametrize("pooling", ["cls", "cls_mean"])
@pytest.mark.parametrize("gives", ["maps", "patches"])
def test_class_token_is_required(faces: np.ndarray, gives: str, pooling: str) -> None:
    inputs = keras.Input((SIDE, SIDE, 3))
    outputs = layers.AveragePooling2D(PATCH)(inputs)
    if gives == "patches":
        outputs = layers.Reshape((-1, CHANNELS))(outputs)
    featurizer = KerasFeaturizer(keras.Model(inputs, outputs), pooling=pooling)
    with pytest.raises(ValueError, match=f"pooling='{pooling}' .*returns only patches"):
        featurizer.fit_transform(faces)


# -- number of tokens --------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "n_tokens", "patch", "expected"),
    [
        ((224, 224), 196, None, 0),  # only patches
        ((224, 224), 197, None, 1),  # ViT-B/16 and CLIP
        ((224, 224), 198, None, 2),  # DeiT, with a distillation token
        ((224, 224), 201, None, 5),  # DINOv3, with four registers
        ((518, 518), 1374, None, 5),  # DINOv2, with patches of 14
        ((224, 112), 14 * 7 + 1, None, 1),
        ((32, 32), 9, 16, 5),
        ((32, 64), 4 * 16 + 1, (8, 4), 1),
    ],
)
def test_prefix_is_what_a_grid_of_patches_leaves_over(
    size: tuple[int, int], n_tokens: int, patch: Any, expected: int
) -> None:
    network = keras.Sequential([keras.Input((None, None, 3)), layers.Identity()])
    if patch is not None:
        network.patch_size = patch
    assert count_prefix_tokens(network, n_tokens, (*size, 3), "cls") == expected


@pytest.mark.parametrize(("n_tokens", "patch"), [(35, 8), (15, 8), (230, 16)])
def test_tokens_that_are_no_grid_are_refused(n_tokens: int, patch: int) -> None:
    network = keras.Sequential([keras.Input((32, 32, 3)), layers.Identity()])
    network.patch_size = patch
    with pytest.raises(ValueError, match=rf"{n_tokens} tokens .* 32 x 32 .*patch_size"):
        count_prefix_tokens(network, n_tokens, (None, None, 3), "cls")


def test_sequences_of_another_kind_are_pooled_as_a_whole(faces: np.ndarray) -> None:
    rows = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), layers.Reshape((SIDE, SIDE * 3))]
    )
    found = KerasFeaturizer(rows, pooling="max").transform(faces)
    np.testing.assert_array_equal(found, faces.max(axis=1).reshape(2, -1))
    for pooling in ("avg", "mean"):
        found = KerasFeaturizer(rows, pooling=pooling).transform(faces)
        expected = faces.mean(axis=1).reshape(2, -1)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(ValueError, match=r"32 tokens .*grid of patches"):
        KerasFeaturizer(rows, pooling="cls").transform(faces)


# -- presets of a module that replaces KerasHub ------------------------------------


class Converter:
    """Attributes of an image converter of KerasHub."""

    image_size = (SIDE, SIDE)
    scale = (0.5, 0.25, 1.0)
    offset = (1.0, 2.0, 3.0)
    interpolation = "bilinear"
    antialias = False
    crop_to_aspect_ratio = True
    pad_to_aspect_ratio = False


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bunch]:
    """Replace KerasHub with a module that returns small networks as presets."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def backbone(preset: str, **options: Any) -> Any:
        asked.append((preset, options))
        if preset == "missing":
            raise FileNotFoundError("no such preset\nand more")
        network = transformer()
        return Bunch(vision_encoder=network) if preset == "clip" else network

    module = Bunch(
        models=Bunch(Backbone=Bunch(from_preset=backbone)),
        layers=Bunch(
            ImageConverter=Bunch(from_preset=lambda preset: Converter()),
        ),
        asked=asked,
    )
    monkeypatch.setitem(sys.modules, "keras_hub", module)
    _keras_hub._converter.cache_clear()
    yield module
    _keras_hub._converter.cache_clear()


@pytest.mark.parametrize("preset", ["dino", "clip"])
def test_preset_comes_with_its_preprocessing(
    hub: Bunch, faces: np.ndarray, preset: str
) -> None:
    featurizer = KerasFeaturizer(f"keras_hub:{preset}", pooling="cls")
    assert featurizer.image_size == (SIDE, SIDE)
    expected = faces.mean(axis=(1, 2)) * Converter.scale + Converter.offset
    np.testing.assert_allclose(featurizer.fit_transform(faces), expected, rtol=1e-5)
    assert hub.asked == [(preset, {"load_weights": True})]


def test_preset_without_preprocessing(hub: Bunch, faces: np.ndarray) -> None:
    featurizer = KerasFeaturizer("keras_hub:raw", pooling="cls", preprocess=False)
    expected = faces.mean(axis=(1, 2))
    np.testing.assert_allclose(featurizer.fit_transform(faces), expected, rtol=1e-5)


def test_faces_are_resized_for_a_preset_of_one_size(hub: Bunch) -> None:
    large = np.full((1, 48, 48, 3), 100, np.uint8)
    featurizer = KerasFeaturizer("keras_hub:other", pooling="mean")
    expected = 100 * np.array(Converter.scale) + Converter.offset
    np.testing.assert_allclose(featurizer.fit_transform(large), [expected], rtol=1e-5)


def test_random_weights_of_a_preset_follow_the_seed(hub: Bunch) -> None:
    def dense(preset: str, **options: Any) -> keras.Model:
        return keras.Sequential([keras.Input((4,)), layers.Dense(3)])

    hub.models.Backbone.from_preset = dense
    one, same, other = (
        build_backbone("keras_hub:dense", None, seed, (4, 4, 3)).get_weights()[0]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()


def test_preset_that_cannot_be_loaded_is_named(hub: Bunch, faces: np.ndarray) -> None:
    with pytest.raises(WeightsError, match=r"'missing' .*\(no such preset\)"):
        KerasFeaturizer("keras_hub:missing").fit_transform(faces)


def test_missing_keras_hub_is_answered_with_the_extra(
    monkeypatch: pytest.MonkeyPatch, faces: np.ndarray
) -> None:
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ImportError, match=r"skdeepfake\[hub\]"):
        KerasFeaturizer("keras_hub:vit").fit_transform(faces)


def test_other_names_are_still_refused(faces: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"'keras_hub:PRESET'.*Got 'vit' instead"):
        KerasFeaturizer("vit").fit_transform(faces)
