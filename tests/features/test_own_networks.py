"""Networks that Keras does not provide, and networks in parallel."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.base import clone

from skdeepfake import persistence
from skdeepfake._backbones import build_backbone
from skdeepfake._keras._layers import CBAM
from skdeepfake._resnext import ResNeXt50
from skdeepfake.detectors import Head, TransferDetector
from skdeepfake.exceptions import WeightsError
from skdeepfake.features import KerasFeaturizer, MultiPathBackbone

NAMES = [
    "meso4",
    pytest.param("resnext50", marks=pytest.mark.nightly),
]


def faces(size: int, n: int = 2) -> np.ndarray:
    shape = (n, 2, size, size, 3)
    return np.random.RandomState(0).randint(1, 256, shape).astype(np.uint8)


def detector(backbone: Any, size: int = 32, **params: Any) -> TransferDetector:
    settings = {"weights": None, "head": Head(epochs=0), "random_state": 0, **params}
    found = TransferDetector(backbone=backbone, **settings)
    return found.initialize(faces(size), [0, 1])


def count(weights: list[Any]) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


# -- named networks ----------------------------------------------------------------


def test_meso4_has_the_weights_of_its_authors() -> None:
    network = detector("meso4", 256).model_
    assert count(network.trainable_weights) == 27_977
    pooled = [
        layer.output.shape[1:3]
        for layer in network.layers
        if isinstance(layer, keras.layers.MaxPooling2D)
    ]
    assert pooled == [(128, 128), (64, 64), (32, 32), (8, 8)]


def test_resnext50_has_the_weights_of_its_blocks() -> None:
    shape = {"weights": None, "include_top": False, "input_shape": (32, 32, 3)}
    network = ResNeXt50(**shape)
    expected, n_inputs = 7 * 7 * 3 * 64 + 2 * 64, 64
    for n_blocks, width in ((3, 128), (4, 256), (6, 512), (3, 1024)):
        expected += n_inputs * 2 * width + 4 * width  # the shortcut
        for _ in range(n_blocks):
            grouped = 3 * 3 * (width // 32) * width
            expected += n_inputs * width + grouped + width * 2 * width
            expected += 2 * (width + width + 2 * width)  # normalization
            n_inputs = 2 * width
    assert count(network.trainable_weights) == expected
    assert n_inputs == 2048
    # PyTorch's network has the same number, plus the layer of its 1,000 classes.
    assert expected + 2049 * 1000 == 25_028_904


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_a_file_are_loaded(name: str, tmp_path: Path) -> None:
    source = KerasFeaturizer(name, weights=None, random_state=3)
    network = build_backbone(name, None, 3, (32, 32, 3))
    path = tmp_path / "own.weights.h5"
    network.save_weights(path)
    again = KerasFeaturizer(name, weights=path)
    np.testing.assert_allclose(
        again.transform(faces(32)), source.transform(faces(32)), atol=1e-5
    )


def test_there_are_no_imagenet_weights() -> None:
    with pytest.raises(
        WeightsError, match="No ImageNet weights are available for 'meso4'"
    ):
        KerasFeaturizer("meso4").transform(faces(32))


def test_small_images_are_refused_with_the_size_it_takes() -> None:
    with pytest.raises(ValueError, match="'meso4' needs at least 32 x 32"):
        KerasFeaturizer("meso4", weights=None).transform(faces(16))


@pytest.mark.parametrize("name", NAMES)
def test_networks_are_saved_safely(name: str, tmp_path: Path) -> None:
    found = detector(name)
    persistence.save(found, tmp_path / "model.skops")
    loaded = persistence.load(tmp_path / "model.skops")
    np.testing.assert_allclose(
        loaded.predict_proba(faces(32)), found.predict_proba(faces(32)), atol=1e-6
    )


# -- attention to channels and positions -------------------------------------------


def test_cbam_computes_its_definition() -> None:
    maps = np.random.RandomState(0).normal(size=(2, 5, 4, 6)).astype(np.float32)
    layer = CBAM(reduction=3, kernel_size=3, seed=0)
    found = keras.ops.convert_to_numpy(layer(maps))

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    hidden, gains = layer.hidden.get_weights(), layer.gains.get_weights()
    (kernel,) = layer.conv.get_weights()
    total = 0
    for pooled in (maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))):
        total = total + np.maximum(pooled @ hidden[0] + hidden[1], 0) @ gains[0]
        total = total + gains[1]
    weighted = maps * sigmoid(total)[:, None, None]
    both = np.stack([weighted.mean(axis=-1), weighted.max(axis=-1)], axis=-1)
    padded = np.pad(both, ((0, 0), (1, 1), (1, 1), (0, 0)))
    spatial = np.zeros((2, 5, 4))
    for i in range(3):
        for j in range(3):
            spatial += padded[:, i : i + 5, j : j + 4] @ kernel[i, j, :, 0]
    np.testing.assert_allclose(found, weighted * sigmoid(spatial)[..., None], atol=1e-5)


def test_network_with_attention_is_saved_safely(tmp_path: Path) -> None:
    layers = [keras.Input((None, None, 3)), CBAM(reduction=1, seed=0)]
    found = detector(keras.Sequential(layers))
    found.backbone = "vgg16"  # models cannot be saved as parameters
    persistence.save(found, tmp_path / "model.skops")
    loaded = persistence.load(tmp_path / "model.skops")
    np.testing.assert_allclose(
        loaded.predict_proba(faces(32)), found.predict_proba(faces(32)), atol=1e-6
    )


def n_weights_of_cbam(n_channels: int) -> int:
    hidden = n_channels // 16
    return 2 * n_channels * hidden + hidden + n_channels + 7 * 7 * 2


# -- networks in parallel ------------------------------------------------------------

TWO = MultiPathBackbone(("mobilenet", "mobilenet_v2"), weights=None)
CHANNELS = {"mobilenet": 1024, "mobilenet_v2": 1280}


@pytest.fixture(scope="module")
def trained() -> TransferDetector:
    return detector(TWO, trainable=1)


def test_weights_are_those_of_both_networks_and_their_attention(
    trained: TransferDetector,
) -> None:
    shape = {"weights": None, "include_top": False, "input_shape": (32, 32, 3)}
    expected = sum(CHANNELS.values()) + 1
    for build in (keras.applications.MobileNet, keras.applications.MobileNetV2):
        expected += build(**shape).count_params()
    expected += sum(map(n_weights_of_cbam, CHANNELS.values()))
    assert trained.model_.count_params() == expected


@pytest.mark.nightly
def test_default_is_the_three_networks_of_the_paper() -> None:
    network = MultiPathBackbone(weights=None)()
    keras_own = 23_587_712 + 7_037_504 + 54_336_736  # according to Keras
    attention = n_weights_of_cbam(2048) + n_weights_of_cbam(1024)
    attention += n_weights_of_cbam(1536)
    assert network.count_params() == keras_own + attention
    assert network.output_shape == (None, 2048 + 1024 + 1536)


def test_each_path_has_its_own_preprocessing() -> None:
    image = faces(32, 1)
    pair = MultiPathBackbone(("mobilenet", "vgg16"), attention=None, weights=None)
    both = KerasFeaturizer(pair).transform(image)
    for i, part in enumerate((both[..., :1024], both[..., 1024:])):
        name = pair.backbones[i]
        alone = KerasFeaturizer(name, weights=None, random_state=i, pooling="avg")
        np.testing.assert_allclose(part, alone.transform(image), atol=1e-4, rtol=1e-4)


def test_blocks_are_counted_in_each_path(trained: TransferDetector) -> None:
    learns = {layer.name for layer in trained.model_.layers if layer.trainable}
    alone = [detector(name, trainable=1).n_blocks_ for name in TWO.backbones]
    assert trained.n_blocks_ == max(alone)
    assert {"cbam_mobilenet", "cbam_mobilenet_v2"} <= learns
    assert {"conv_pw_13", "Conv_1"} <= learns  # the last layer of each network
    assert not {"conv1", "conv_pw_5", "Conv1", "block_5_expand"} & learns


@pytest.mark.nightly
def test_paths_are_trained_and_saved_safely(
    trained: TransferDetector, tmp_path: Path
) -> None:
    X = faces(32)
    persistence.save(trained, tmp_path / "model.skops")
    for other in (
        persistence.load(tmp_path / "model.skops"),
        pickle.loads(pickle.dumps(trained)),
    ):
        np.testing.assert_allclose(
            other.predict_proba(X), trained.predict_proba(X), atol=1e-6
        )
        assert other.backbone.get_params() == TWO.get_params()


@pytest.mark.parametrize(
    ("backbones", "message"),
    [
        (["vgg16", "vgg16"], "contains a name twice"),
        (["all"], r"backbones=\['all'\] must be some of '"),
    ],
)
def test_wrong_backbones_are_an_error(backbones: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiPathBackbone(backbones, weights=None)()


def test_size_is_the_largest_of_the_paths() -> None:
    assert MultiPathBackbone().image_size == (299, 299)
    assert KerasFeaturizer(MultiPathBackbone()).image_size == (299, 299)
    assert TransferDetector(backbone=TWO).image_size == (224, 224)


def test_parameters_are_cloned_and_reach_the_network() -> None:
    copy = clone(TransferDetector(backbone=TWO))
    copy.set_params(backbone__attention=None)
    assert copy.backbone.attention is None
    assert TWO.attention == "cbam"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"backbones": ("mobilenet", "resnet")}, "backbones=.*resnet"),
        ({"attention": "se"}, "'attention' parameter of MultiPathBackbone"),
        ({"weights": (None,)}, "weights must be a single value or one per network"),
    ],
)
def test_bad_parameters_are_named(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clone(TWO).set_params(**params)()
