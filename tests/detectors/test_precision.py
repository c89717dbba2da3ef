"""Networks follow the dtype policy of Keras and always predict in float32."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.base import clone
from sklearn.utils import Bunch

from skdeepfake._keras._precision import float32, replicas, undistributed
from skdeepfake.detectors import (
    Checkpoint,
    CNNDetector,
    CNNRNNDetector,
    GANDetector,
    Generator,
    Head,
    TransferDetector,
)

Tiny = Callable[..., CNNDetector]
ROOT = Path(__file__).resolve().parent.parent.parent


def backbone() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    x = layers.MaxPooling2D()(layers.Conv2D(2, 3)(inputs))
    return keras.Model(inputs, layers.Conv2D(2, 3)(x))


def policies(network: keras.Model) -> dict[str, str]:
    """Return the dtype policy of each layer with weights, except the last."""
    return {
        layer.name: layer.dtype_policy.name
        for layer in network.layers[:-1]
        if layer.weights
    }


# -- dtype policies --------------------------------------------------------------


@pytest.fixture
def policy(request: pytest.FixtureRequest) -> Iterator[str]:
    """Set the global dtype policy of Keras."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


DETECTORS = {
    "cnn": lambda: CNNDetector(filters=(2,), dense_units=2),
    "cnn_rnn": lambda: CNNRNNDetector(units=(2,)),
    "gan": lambda: GANDetector(
        generator=Generator(filters=(2,)), discriminator_filters=(2,)
    ),
    "transfer": lambda: TransferDetector(backbone=backbone),
}


@pytest.mark.parametrize("kind", DETECTORS)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"], indirect=True)
def test_layers_are_of_the_policy_and_weights_and_answers_of_float32(
    policy: str, kind: str, videos: Bunch
) -> None:
    X = videos.X if kind != "cnn_rnn" else videos.X[..., 0].astype(np.float32)
    detector = DETECTORS[kind]().initialize(X, videos.y)
    networks = [detector.model_]
    if kind == "gan":
        networks = [detector.model_.discriminator, detector.generator_]
    for network in networks:
        found = policies(network)
        assert found
        assert set(found.values()) == {policy}
    assert {w.dtype for w in detector.model_.trainable_weights} == {"float32"}
    assert detector.model_.outputs[0].dtype == "float32"
    assert np.isfinite(detector.predict_proba(X)).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"], indirect=True)
def test_transfer_detector_learns_in_mixed_precision(
    policy: str, videos: Bunch, tmp_path: Path
) -> None:
    def scaled() -> keras.Model:  # otherwise, gradients would overflow in float16
        inputs = keras.Input((16, 16, 3))
        return keras.Model(inputs, layers.Conv2D(2, 3)(layers.Rescaling(0.01)(inputs)))

    detector = TransferDetector(
        backbone=scaled,
        head=Head(epochs=1),
        learning_rate=0.01,
        epochs=1,
        batch_size=8,
        validation_fraction=None,
        random_state=0,
        callbacks=Checkpoint(tmp_path),
    ).fit(videos.X, videos.y)
    assert set(policies(detector.model_).values()) == {policy}
    initial = clone(detector).initialize(videos.X, videos.y).model_.get_weights()
    for before, after in zip(initial, detector.model_.get_weights(), strict=True):
        assert after.dtype == np.float32
        assert 1e-3 < np.abs(after - before).max() < 1
    proba = detector.predict_proba(videos.X)
    again = clone(detector).fit(videos.X, videos.y)  # from the checkpoint
    np.testing.assert_array_equal(again.predict_proba(videos.X), proba)


@pytest.mark.parametrize("policy", ["mixed_bfloat16"], indirect=True)
def test_backbone_that_is_passed_keeps_its_own_policy(
    policy: str, videos: Bunch
) -> None:
    with float32():
        given = backbone()
    assert keras.config.dtype_policy().name == policy
    for model, expected in ((given, "float32"), (backbone(), policy)):
        detector = TransferDetector(backbone=model).initialize(videos.X, videos.y)
        assert set(policies(detector.model_).values()) == {expected}


def test_policy_is_put_back_after_an_error() -> None:
    before = keras.config.dtype_policy()
    with pytest.raises(KeyError), float32():
        raise KeyError
    assert keras.config.dtype_policy() is before


# -- float16 ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy", ["float32", "mixed_float16", "mixed_bfloat16"], indirect=True
)
def test_loss_is_scaled_for_float16_alone(
    policy: str, tiny: Tiny, videos: Bunch
) -> None:
    detector = tiny().initialize(videos.X, videos.y)
    scales = type(detector.model_.optimizer) is keras.optimizers.LossScaleOptimizer
    assert scales == (policy == "mixed_float16")


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:The .* dominates")
@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_gan_learns_in_float16(policy: str, videos: Bunch) -> None:
    detector = GANDetector(
        generator=Generator(
            noise_dim=4, filters=(4,), momentum=0.5, learning_rate=0.02
        ),
        discriminator_filters=(4,),
        label_smoothing=0.2,
        learning_rate=0.01,
        batch_size=8,
        epochs=16,
        validation_fraction=None,
        random_state=0,
    ).fit(videos.X, videos.y)
    np.testing.assert_array_equal(detector.predict(videos.X), videos.y)
    model = detector.model_
    for optimizer, rate in (
        (model.optimizer, 0.01),
        (model.generator_optimizer, 0.02),
    ):
        assert type(optimizer) is keras.optimizers.LossScaleOptimizer
        # Few steps were skipped due to overflow of gradients.
        assert 75 <= int(optimizer.inner_optimizer.iterations) <= 80
        assert float(optimizer.learning_rate) == pytest.approx(rate)
    # Each weight of the generator has changed, and some have changed a lot.
    untrained = clone(detector).initialize(videos.X, videos.y).generator_
    for before, after in zip(
        untrained.trainable_variables,
        detector.generator_.trainable_variables,
        strict=True,
    ):
        moved = keras.ops.convert_to_numpy(after.value - before.value)
        assert np.abs(moved).max() > 0.02
    assert detector.generate(2, random_state=0).std() > 1


# -- devices ---------------------------------------------------------------------


def test_one_device_is_what_there_is_without_a_distribution() -> None:
    assert replicas() == 1
    with undistributed():
        assert keras.distribution.distribution() is None
    assert keras.distribution.distribution() is None


ON_TWO_DEVICES = """
import json, pickle
import keras, numpy as np
from keras import layers
from skdeepfake.detectors import Attention, Head, TransferDetector

def backbone():
    inputs = keras.Input((8, 8, 3))
    drawn = keras.initializers.GlorotUniform(seed=0)
    x = layers.Conv2D(4, 3, kernel_initializer=drawn)(layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, x)

def devices(detector):
    return len(detector.model_.trainable_weights[0].value.sharding.device_set)

assert len(keras.distribution.list_devices()) == 2
rng = np.random.RandomState(0)
y = np.arange(10) % 2
X = rng.randint(1, 100, size=(10, 3, 8, 8, 3)).astype(np.uint8)
X[y == 1] += 100
X[3, 1:] = 0
found = {"answers": [], "losses": []}
for aggregation, batch_size in (("mean", 14), (Attention(), 12), ("mean", 9)):
    answers, losses = [], []
    parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
    for distribution in (None, parallel):
        keras.distribution.set_distribution(distribution)
        detector = TransferDetector(
            backbone=backbone, optimizer="sgd", learning_rate=0.1, head=Head(epochs=0),
            batch_size=batch_size, epochs=2, validation_fraction=None, random_state=0,
            aggregation=aggregation,
        ).fit(X, y)
        answers.append(detector.predict_proba(X)[:, 1].tolist())
        losses.append(detector.history_["loss"])
        assert devices(detector) == (1 if distribution is None else 2)
    found["answers"].append(answers)
    found["losses"].append(losses)
loaded = pickle.loads(pickle.dumps(detector))
found["loaded"] = loaded.predict_proba(X)[:, 1].tolist()
loaded.partial_fit(X, y)
found["epochs"] = len(loaded.history_["loss"])
found["devices"] = devices(loaded)
assert keras.distribution.distribution() is distribution
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def on_two_devices() -> dict:
    """Results of training on the same data with one device and with two.

    The cases are 28 faces in batches of 14, ten videos in batches of four, and 28 faces
    in batches of 9, which are padded. The last of these batches has one face.
    """
    pytest.importorskip("jax", reason="networks are distributed by JAX alone")
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        },
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


@pytest.mark.jax
@pytest.mark.parametrize("case", [0, 1], ids=["mean", "attention"])
def test_two_devices_learn_what_one_does(case: int, on_two_devices: dict) -> None:
    one, two = on_two_devices["answers"][case]
    np.testing.assert_allclose(two, one, atol=1e-4)
    one, two = on_two_devices["losses"][case]
    np.testing.assert_allclose(two, one, rtol=1e-3)


@pytest.mark.jax
def test_batch_that_is_filled_up_counts_for_no_less(on_two_devices: dict) -> None:
    # Compare predictions instead of losses. Keras weights the loss of a batch by its
    # padded size, which is 10, 10, 10 and 2 instead of 9, 9, 9 and 1.
    one, two = on_two_devices["answers"][2]
    np.testing.assert_allclose(two, one, atol=1e-4)


@pytest.mark.jax
def test_loaded_detector_learns_on_with_all_devices(on_two_devices: dict) -> None:
    answers = on_two_devices["answers"][-1][1]
    np.testing.assert_allclose(on_two_devices["loaded"], answers, atol=1e-5)
    assert on_two_devices["epochs"] == 3
    assert on_two_devices["devices"] == 2
