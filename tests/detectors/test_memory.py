"""The graphs and networks of a fit are deleted with the detector."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.utils import Bunch

from skdeepfake._keras._optimizers import of_one_replica
from skdeepfake.detectors import CNNDetector, GANDetector, Generator

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="is about TensorFlow's graphs"
)


def living(kind: type) -> int:
    gc.collect()
    return sum(isinstance(thing, kind) for thing in gc.get_objects())


@pytest.mark.nightly
@needs_tensorflow
@pytest.mark.compiled
@pytest.mark.parametrize(
    "kind", ["cnn", pytest.param("gan", marks=pytest.mark.nightly)]
)
def test_graphs_of_a_training_go_with_the_detector(
    kind: str, tiny: Callable[..., CNNDetector], videos: Bunch
) -> None:
    """The gradient sum of Keras would make TensorFlow leak 20 MB per fit."""
    from tensorflow.python.framework.func_graph import FuncGraph

    def fit() -> None:
        detector: Any = tiny()
        if kind == "gan":
            detector = GANDetector(
                generator=Generator(filters=(2,)),
                discriminator_filters=(2,),
                epochs=1,
                validation_fraction=None,
                random_state=0,
            )
        detector.fit(videos.X, videos.y).predict_proba(videos.X)

    graphs, networks = living(FuncGraph), living(keras.Model)
    fit()
    assert living(FuncGraph) == graphs
    assert living(keras.Model) == networks


@needs_tensorflow
def test_gradients_are_summed_where_there_are_several_replicas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import tensorflow as tf

    pairs = [(tf.constant([1.0]), "weight"), (None, "unused")]
    alone = of_one_replica(keras.optimizers.SGD())
    assert alone._all_reduce_sum_gradients(iter(pairs)) == pairs
    several = Bunch(num_replicas_in_sync=2)
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: several)
    kept = of_one_replica(keras.optimizers.SGD())
    assert "_all_reduce_sum_gradients" not in vars(kept)


def test_optimizer_moves_the_weights_as_keras_would() -> None:
    moved = []
    for prepare in (of_one_replica, lambda optimizer: optimizer):
        optimizer = prepare(keras.optimizers.Adam(0.1, clipnorm=0.5))
        weight = keras.Variable(np.array([1.0, -2.0], np.float32))
        for gradient in ([0.5, -3.0], [0.25, 1.0]):
            gradient = keras.ops.convert_to_tensor(np.array(gradient, np.float32))
            optimizer.apply([gradient], [weight])
        moved.append(keras.ops.convert_to_numpy(weight.value))
    np.testing.assert_array_equal(moved[0], moved[1])
    assert not np.array_equal(moved[0], [1.0, -2.0])


@needs_tensorflow
@pytest.mark.compiled
def test_step_is_traced_once(
    tiny: Callable[..., CNNDetector], gappy: Bunch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # TensorFlow traces a step again, at the same cost, if it created variables.
    traced = []
    step = keras.Model.train_step

    def counting(self: keras.Model, data: Any) -> Any:
        traced.append(self)
        return step(self, data)

    monkeypatch.setattr(keras.Model, "train_step", counting)
    tiny(optimizer="adam", epochs=3).fit(gappy.X, gappy.y)
    assert len(traced) == 1
