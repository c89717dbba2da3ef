"""Small vision transformers of KerasHub with random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from skdeepfake import _keras_hub, persistence
from skdeepfake._backbones import build_backbone
from skdeepfake._keras._tokens import call_with
from skdeepfake.detectors import Head, LoRA, TransferDetector
from skdeepfake.features import KerasFeaturizer

keras_hub = pytest.importorskip(
    "keras_hub", reason="needs KerasHub: pip install 'skdeepfake[hub]'"
)

SMALL = {"patch_size": 8, "num_layers": 1, "hidden_dim": 8, "num_heads": 2}
SIZE = {"image_shape": (32, 32, 3)}


def build(name: str, prefix: str | None = None) -> keras.Model:
    keras.utils.set_random_seed(0)
    models = keras_hub.models
    if name == "dinov3":
        return models.DINOV3Backbone(**SMALL, **SIZE, intermediate_dim=8)
    if name == "dinov2":
        return models.DINOV2Backbone(
            **SMALL,
            **SIZE,
            intermediate_dim=8,
            num_register_tokens=4,
            position_embedding_shape=(32, 32, 3),
        )
    if name == "vit":
        return models.ViTBackbone(**SMALL, **SIZE, mlp_dim=8)
    encoder = {
        "clip": models.CLIPVisionEncoder,
        "siglip": models.SigLIPVisionEncoder,
    }[name]
    return encoder(**SMALL, **SIZE, intermediate_dim=8, name=prefix)


# Number of tokens before the 4 x 4 patches. SigLIP pools its tokens itself.
PREFIX = {"dinov2": 5, "dinov3": 5, "clip": 1, "vit": 1}
TRAINED = ["dinov2", "dinov3", "clip", "siglip"]

FACES = np.random.RandomState(0).randint(1, 256, (4, 2, 32, 32, 3), np.uint8)
LABELS = np.array([0, 1, 0, 1])


@pytest.fixture
def presets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replace presets, which would be downloaded, with small networks."""
    monkeypatch.setattr(
        keras_hub.models.Backbone,
        "from_preset",
        lambda preset, load_weights: build(preset),
    )
    monkeypatch.setattr(
        keras_hub.layers.ImageConverter,
        "from_preset",
        lambda preset: keras_hub.layers.ImageConverter(
            image_size=(32, 32), scale=[0.02, 0.03, 0.01], offset=[-2.0, -1.0, 0.0]
        ),
    )
    _keras_hub._converter.cache_clear()
    yield
    _keras_hub._converter.cache_clear()


@pytest.mark.parametrize("name", PREFIX)
def test_tokens_are_pooled(name: str) -> None:
    network = build(name)
    tokens = np.asarray(call_with(network, FACES[:, 0].astype("float32")))
    assert tokens.shape[1] == PREFIX[name] + 16
    expected = [tokens[:, 0], tokens[:, PREFIX[name] :].mean(axis=1)]
    found = KerasFeaturizer(network, pooling="cls_mean").transform(FACES[:, 0])
    np.testing.assert_allclose(found, np.hstack(expected), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", [*PREFIX, "siglip"])
def test_preset_scales_pixels_as_its_converter_does(name: str, presets: None) -> None:
    converter = _keras_hub._converter(name)
    expected = call_with(build(name), converter(FACES[:, 0].astype("float32")))
    expected = np.asarray(expected)
    expected = expected if expected.ndim == 2 else expected[:, 0]
    featurizer = KerasFeaturizer(f"keras_hub:{name}", pooling="cls")
    found = featurizer.transform(FACES[:, 0])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "side", "resized"),
    [
        ("dinov3", 48, False),  # positions of any size
        ("dinov2", 48, False),
        ("dinov3", 50, True),  # not a multiple of the patch size, 8 pixels
        ("clip", 48, True),  # learned positions of one size
    ],
)
def test_size_of_faces(
    name: str, side: int, resized: bool, presets: None, tmp_path: Path
) -> None:
    faces = np.random.RandomState(0).randint(1, 256, (2, side, side, 3), np.uint8)
    tokens = KerasFeaturizer(f"keras_hub:{name}").transform(faces)
    network = build(name)
    converter = keras_hub.layers.ImageConverter.from_preset(name)
    if not resized:
        network.save_weights(tmp_path / "small.weights.h5")
        config = {**network.get_config(), "image_shape": (side, side, 3)}
        network = type(network).from_config(config)
        network.load_weights(tmp_path / "small.weights.h5")
        converter.image_size = None
    expected = call_with(network, converter(faces.astype("float32")))
    assert tokens.shape[1] == PREFIX[name] + (16 if resized else 36)
    np.testing.assert_allclose(tokens, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_vision_encoder_of_a_preset_in_a_folder(policy: str, tmp_path: Path) -> None:
    vision = build("clip", prefix="vision")  # layer names differ from the text encoder
    text = keras_hub.models.CLIPTextEncoder(
        vocabulary_size=9,
        embedding_dim=8,
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        intermediate_dim=8,
        max_sequence_length=4,
        name="text",
    )
    keras_hub.models.CLIPBackbone(vision, text, 4).save_to_preset(tmp_path)
    converter = keras_hub.layers.CLIPImageConverter(scale=0.02, offset=-2.0)
    converter.save_to_preset(tmp_path)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        network = build_backbone(f"keras_hub:{tmp_path}", "imagenet", 0, (32, 32, 3))
    finally:
        keras.config.set_dtype_policy(before)
    assert {layer.dtype_policy.name for layer in network.layers[1:]} == {policy}
    found, expected = network.get_weights(), vision.get_weights()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("trainable", ["norm", LoRA(rank=2)])
def test_detector_trains_few_weights_and_goes_into_a_safe_file(
    name: str, trainable: Any, presets: None, tmp_path: Path
) -> None:
    detector = TransferDetector(
        backbone=f"keras_hub:{name}",
        trainable=trainable,
        head=Head(pooling="cls", normalize=True, epochs=0),
        learning_rate=0.1,
        epochs=1,
        validation_fraction=None,
        random_state=0,
    ).fit(FACES, LABELS)
    own = {w.path.rpartition("/")[2] for w in detector.model_.trainable_weights}
    learning = {"gamma", "beta"}
    if trainable != "norm":
        learning = {
            f"lora_{of}_{part}" for of in ("kernel", "embeddings") for part in "ab"
        }
    assert own - {"kernel", "bias"} <= learning
    before = [w for w in build(name).get_weights() if w.ndim > 1]
    after = [w.numpy() for w in detector.model_.weights if w.ndim > 1]
    for kernel in before:
        assert any(np.array_equal(kernel, found) for found in after)
    persistence.save(detector, tmp_path / "model.skd")
    loaded = persistence.load(tmp_path / "model.skd")
    np.testing.assert_allclose(
        loaded.predict_proba(FACES), detector.predict_proba(FACES), rtol=1e-5
    )


def test_network_that_cannot_be_copied_is_named() -> None:
    with pytest.raises(ValueError, match=r"ViTPatchingAndEmbedding .*KerasFeaturizer"):
        TransferDetector(backbone=build("vit")).fit(FACES, LABELS)
