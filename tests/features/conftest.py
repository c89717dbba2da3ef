"""Faces of 32 x 32 pixels (one position in VGG16), and spies on networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.utils import Bunch

from skdeepfake.features import _network
from skdeepfake.features._network import FeatureNetwork


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """Draw images without black pixels, read-only like memory-mapped arrays."""

    def draw(*shape: int, seed: int = 0) -> np.ndarray:
        images = np.random.RandomState(seed).randint(1, 256, (*shape, 3))
        images = images.astype(np.uint8)
        images.flags.writeable = False
        return images

    return draw


@pytest.fixture(scope="session")
def gappy(noise: Callable[..., np.ndarray]) -> Bunch:
    """Make four videos; video 1 has two empty slots, and video 2 has no face."""
    X = noise(4, 3, 32, 32).copy()
    X[1, [0, 2]] = 0
    X[2] = 0
    X.flags.writeable = False
    filled = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]], dtype=bool)
    return Bunch(X=X, filled=filled)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Collect the batches of images that go through a network."""
    batches: list[np.ndarray] = []
    run = FeatureNetwork.__call__

    def spy(network: FeatureNetwork, images: np.ndarray) -> np.ndarray:
        batches.append(np.array(images))
        return run(network, images)

    monkeypatch.setattr(FeatureNetwork, "__call__", spy)
    return batches


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Clear the shared networks and collect the backbones that are built."""
    backbones: list[Any] = []
    build = _network.build_backbone

    def spy(backbone: Any, *how: Any) -> Any:
        backbones.append(backbone)
        return build(backbone, *how)

    monkeypatch.setattr(_network, "build_backbone", spy)
    monkeypatch.setattr(_network, "_shared", OrderedDict())
    return backbones


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bunch]:
    """Build a Keras network with random weights, and save them to a file."""
    known: dict[Any, Bunch] = {}
    folder = tmp_path_factory.mktemp("weights")

    def make(builder: str, height: int = 32, width: int | None = None) -> Bunch:
        shape = (height, width or height, 3)
        build = getattr(keras.applications, builder)
        if (build, shape) not in known:
            network = build(weights=None, include_top=False, input_shape=shape)
            _draw_all(network)
            path = Path(folder, f"{builder}-{len(known)}.weights.h5")
            network.save_weights(path)
            known[build, shape] = Bunch(network=network, path=str(path))
        return known[build, shape]

    return make


def _draw_all(network: keras.Model) -> None:
    """Draw all weights, including biases and statistics of normalization layers.

    Kernels are small, so that deep networks do not amplify rounding errors.
    """
    rng = np.random.RandomState(0)
    for variable in network.weights:
        shape = variable.shape
        if len(shape) > 1:
            n_summed = 2 if shape[-1] == 1 else len(shape) - 1  # depthwise
            scale = np.prod(shape[:n_summed]) ** -0.5
            variable.assign(rng.normal(scale=scale, size=shape))
        elif variable.path.endswith(("variance", "gamma")):
            variable.assign(rng.uniform(0.5, 1.5, shape))
        elif "int" not in variable.dtype:
            variable.assign(rng.normal(scale=0.1, size=shape))
