"""Parameter-efficient fine-tuning only trains the selected weights."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.base import clone

from skdeepfake import _keras_hub, persistence
from skdeepfake.detectors import Head, LoRA, TransferDetector

SIDE, PATCH, CHANNELS = 16, 4, 6


def transformer(n_registers: int = 2, *, register: float = 0.5) -> keras.Model:
    """Build a small vision transformer with class token, registers and patches."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(CHANNELS, PATCH, PATCH, name="patches")(x)
    x = layers.BatchNormalization(name="batch_norm", momentum=0.5)(x)
    x = layers.Reshape((-1, CHANNELS))(x)
    mean = layers.GlobalAveragePooling1D()(x)
    tokens = [layers.Reshape((1, CHANNELS))(mean), x]
    tokens = layers.Concatenate(axis=1)(tokens)
    normed = layers.LayerNormalization(name="norm")(tokens)
    attention = layers.MultiHeadAttention(2, 3, name="attention")
    x = layers.Add()([tokens, attention(normed, normed)])
    x = layers.Dense(CHANNELS, name="dense")(x)
    registers = layers.RepeatVector(n_registers)(mean)
    registers = layers.Rescaling(0.0, register)(registers)
    return keras.Model(
        inputs, layers.Concatenate(axis=1)([x[:, :1], registers, x[:, 1:]])
    )


FACES = np.random.RandomState(0).randint(1, 256, (4, 2, SIDE, SIDE, 3), np.uint8)
LABELS = np.array([0, 1, 0, 1])
FIT: dict[str, Any] = {
    "learning_rate": 0.1,
    "optimizer": "sgd",
    "batch_size": 8,
    "epochs": 1,
    "validation_fraction": None,
    "random_state": 0,
}


def detector(trainable: Any = "norm", **params: Any) -> TransferDetector:
    head = {"pooling": "cls_mean", "epochs": 0, **params.pop("head", {})}
    settings = {"backbone": transformer, "trainable": trainable, **FIT, **params}
    return TransferDetector(head=Head(**head), **settings)


def weights_of(network: keras.Model) -> dict[str, np.ndarray]:
    return {
        w.path: keras.ops.convert_to_numpy(w)
        for w in network.weights
        if "lora" not in w.path
    }


def trained(trainable: Any) -> tuple[TransferDetector, set[str], set[str]]:
    """Train one step. Return the paths of all weights and of changed weights."""
    made = detector(trainable).initialize(FACES, LABELS)
    before = weights_of(made.model_)
    made.set_params(warm_start=True).fit(FACES, LABELS)
    after = weights_of(made.model_)
    assert before.keys() == after.keys()
    changed = {path for path in before if (before[path] != after[path]).any()}
    return made, set(before), changed


def of(paths: set[str], *names: str) -> set[str]:
    return {path for path in paths if path.rpartition("/")[2] in names}


def of_head(paths: set[str]) -> set[str]:
    return {path for path in paths if path.startswith("probability_of_fake")}


def test_norm_trains_scales_and_shifts_alone() -> None:
    made, paths, changed = trained("norm")
    statistics = of(paths, "moving_mean", "moving_variance")
    expected = of(paths, "gamma", "beta") | of_head(paths)
    assert len(expected) == 6
    assert changed == expected | statistics
    assert made.n_trained_weights_ == 4 * CHANNELS + 2 * CHANNELS + 1
    assert made.n_weights_ == made.model_.count_params()
    counts = f"{made.n_trained_weights_:,} of {made.n_weights_:,} weights"
    assert f"  # trained: {counts} (" in repr(made)
    assert made.history_["n_weights"] == [made.n_weights_] * len(made.history_["loss"])
    n_trained = made.history_["n_trained_weights"]
    assert set(n_trained) == {made.n_trained_weights_}


def test_bias_trains_biases_and_shifts_alone() -> None:
    made, paths, changed = trained("bias")
    learning = of(paths, "bias", "beta")
    # Softmax does not depend on the bias of the keys.
    still = {path for path in learning if "key" in path}
    statistics = of(paths, "moving_mean", "moving_variance")
    assert changed - still == (learning - still) | statistics | of_head(paths)
    # Patches, dense, two normalizations and four attention kernels, then the head.
    assert made.n_trained_weights_ == 8 * CHANNELS + 2 * CHANNELS + 1


def test_lora_leaves_all_own_weights_alone() -> None:
    made, paths, changed = trained(LoRA(rank=2))
    assert changed == of_head(paths)
    layer = made.model_.get_layer("dense")
    assert np.any(layer.lora_kernel_b)
    assert layer.lora_rank == 2
    kernels = PATCH * PATCH * 3, CHANNELS, CHANNELS
    assert made.n_trained_weights_ > 2 * (kernels[1] + kernels[2])
    assert not {path for path in of(paths, "bias") - of_head(paths) if path in changed}


def test_lora_begins_with_what_the_backbone_gives() -> None:
    plain = detector("top").initialize(FACES, LABELS).predict_proba(FACES)
    adapted = detector(LoRA()).initialize(FACES, LABELS).predict_proba(FACES)
    np.testing.assert_allclose(adapted, plain, rtol=1e-6)


@pytest.mark.parametrize(
    "trainable",
    [
        pytest.param("norm", marks=pytest.mark.nightly),
        pytest.param("bias", marks=pytest.mark.nightly),
        LoRA(rank=1),  # draws random weights
    ],
)
def test_seed_makes_trainings_identical(trainable: Any) -> None:
    answers = [
        detector(trainable).fit(FACES, LABELS).predict_proba(FACES) for _ in range(2)
    ]
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("trainable", ["norm", LoRA(rank=2)])
def test_further_training_of_a_loaded_detector_trains_the_same_weights(
    trainable: Any,
) -> None:
    made = detector(trainable).fit(FACES, LABELS)
    loaded = pickle.loads(pickle.dumps(made))
    np.testing.assert_allclose(
        loaded.predict_proba(FACES), made.predict_proba(FACES), rtol=1e-5
    )
    before = weights_of(loaded.model_)
    loaded.partial_fit(FACES, LABELS)
    after = weights_of(loaded.model_)
    changed = {path for path in before if (before[path] != after[path]).any()}
    allowed = of(set(before), "moving_mean", "moving_variance") | of_head(set(before))
    if trainable == "norm":
        allowed |= of(set(before), "gamma", "beta")
    assert changed == allowed if trainable == "norm" else changed <= allowed
    n_trained = sum(w.numpy().size for w in loaded.model_.trainable_weights)
    assert n_trained == made.n_trained_weights_


def test_head_epochs_come_first() -> None:
    made = detector("norm", head={"epochs": 2}).fit(FACES, LABELS)
    assert len(made.head_history_["loss"]) == 2


@pytest.mark.parametrize(
    "trainable", [pytest.param("top", marks=pytest.mark.nightly), 1]
)
def test_frozen_weights_of_a_loaded_detector_stay(trainable: Any) -> None:
    made = detector(trainable, head={"pooling": "cls"}).fit(FACES, LABELS)
    frozen = {w.path for w in made.model_.non_trainable_weights}
    loaded = pickle.loads(pickle.dumps(made))
    before = weights_of(loaded.model_)
    loaded.partial_fit(FACES, LABELS)
    after = weights_of(loaded.model_)
    changed = {path for path in before if (before[path] != after[path]).any()}
    assert changed
    if trainable == "top":
        assert changed <= of_head(set(before))
    assert not changed & (frozen - of(frozen, "moving_mean", "moving_variance"))
    # Nested layers are also frozen.
    assert {w.path for w in loaded.model_.non_trainable_weights} == frozen


def test_registers_do_not_matter() -> None:
    answers = [
        detector(backbone=lambda value=value: transformer(register=value))
        .initialize(FACES, LABELS)
        .predict_proba(FACES)
        for value in (0.5, -300.0)
    ]
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("cls", lambda tokens: tokens[:, 0]),
        ("mean", lambda tokens: tokens[:, 3:].mean(axis=1)),
        ("max", lambda tokens: tokens[:, 3:].max(axis=1)),
        ("cls_mean", lambda t: np.hstack([t[:, 0], t[:, 3:].mean(axis=1)])),
    ],
)
@pytest.mark.parametrize(
    "normalize", [False, pytest.param(True, marks=pytest.mark.nightly)]
)
def test_features_of_the_head(
    pooling: str, expected: Callable[[np.ndarray], np.ndarray], normalize: bool
) -> None:
    normalize = normalize or pooling == "cls_mean"
    made = detector("top", head={"pooling": pooling, "normalize": normalize})
    made.initialize(FACES, LABELS)
    network = keras.Model(
        made.model_.input, made.model_.get_layer("face_features").output
    )
    features = expected(np.asarray(transformer()(FACES[0])))
    if normalize:
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(network(FACES[0]), features, rtol=1e-4, atol=1e-6)


def test_trained_share_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    made = detector("norm", verbose=1).fit(FACES, LABELS)
    shown = capsys.readouterr().out
    assert f"{made.n_trained_weights_} of {made.n_weights_} weights" in shown


@pytest.mark.parametrize("trainable", ["norm", "bias", LoRA()])
def test_backbone_without_such_weights_is_refused(trainable: Any) -> None:
    def pooled() -> keras.Model:
        return keras.Sequential([keras.Input((SIDE, SIDE, 3)), layers.Flatten()])

    with pytest.raises(ValueError, match=r"trainable=.* the backbone has no"):
        detector(trainable, backbone=pooled).fit(FACES, LABELS)


def test_class_token_of_maps_is_refused() -> None:
    def maps() -> keras.Model:
        return keras.Sequential([keras.Input((SIDE, SIDE, 3)), layers.Conv2D(2, 3)])

    with pytest.raises(ValueError, match="pooling='cls_mean' needs a class token"):
        detector("all", backbone=maps).fit(FACES, LABELS)


def test_rank_is_a_parameter_that_can_be_searched() -> None:
    made = clone(detector(LoRA(rank=2))).set_params(trainable__rank=3)
    assert made.trainable.rank == 3
    with pytest.raises(ValueError, match="'rank' parameter of LoRA"):
        made.set_params(trainable__rank=0).fit(FACES, LABELS)


@pytest.mark.parametrize(
    "trainable", [pytest.param("norm", marks=pytest.mark.nightly), LoRA(rank=2)]
)
def test_safe_files_hold_it(
    trainable: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def preset(*given: Any, **options: Any) -> keras.Model:
        inputs = keras.Input((SIDE, SIDE, 3))
        x = layers.Conv2D(CHANNELS, PATCH, PATCH)(inputs)
        x = layers.Reshape((-1, CHANNELS))(x)
        return keras.Model(inputs, layers.LayerNormalization()(x))

    def convert(x: Any, name: str, network: keras.Model, layer: str) -> Any:
        x = layers.Resizing(SIDE, SIDE)(x)
        return layers.Rescaling(0.01, name=layer)(x)

    monkeypatch.setattr(_keras_hub, "build_preset", preset)
    monkeypatch.setattr(_keras_hub, "convert", convert)
    head = {"pooling": "mean", "normalize": True}
    fitted = detector(trainable, backbone="keras_hub:vit", head=head)
    X = FACES.repeat(2, axis=2).repeat(2, axis=3)
    fitted.fit(X, LABELS)
    persistence.save(fitted, tmp_path / "model.skd")
    loaded = persistence.load(tmp_path / "model.skd")
    assert repr(loaded) == repr(fitted)
    np.testing.assert_allclose(
        loaded.predict_proba(X), fitted.predict_proba(X), rtol=1e-5
    )
