"""The default GAN and its training step match the paper on all backends."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.utils import Bunch

from skdeepfake.detectors import CNNDetector, GANDetector, Generator, PlateauCallbacks
from skdeepfake.detectors._adversarial import AdversarialModel
from skdeepfake.exceptions import AdversarialImbalanceWarning, TrainingDivergedError

Y = np.array([0, 1])


def small(**params: Any) -> GANDetector:
    """Make a detector that learns the toy videos in a few steps."""
    defaults = {
        "generator__noise_dim": 6,
        "generator__filters": (4,),
        "generator__momentum": 0.5,
        "generator__learning_rate": 0.01,
        "discriminator_filters": (4,),
        "label_smoothing": 0.2,
        "learning_rate": 0.01,
        "batch_size": 40,
        "epochs": 1,
        "validation_fraction": None,
        "random_state": 0,
    }
    return GANDetector().set_params(**{**defaults, **params})


def network(size: tuple[int, int] = (16, 16), **params: Any) -> AdversarialModel:
    """Build the networks for images of this size."""
    X = np.ones((2, *size, 3), np.uint8)
    return GANDetector().set_params(**params).initialize(X, Y).model_


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    """Return True if two lists of weights are equal."""
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def plain(detector: GANDetector) -> dict[str, Any]:
    """Return the parameters, including those of the generator."""
    return detector.get_params() | {"generator": repr(detector.generator)}


def networks(detector: GANDetector) -> list[keras.Model]:
    """Return the discriminator and the generator."""
    return [detector.model_.get_layer("discriminator"), detector.generator_]


def trainable(network: keras.Model) -> list[np.ndarray]:
    """Return the trainable weights."""
    return [ops.convert_to_numpy(v.value) for v in network.trainable_variables]


def weights_of(detector: GANDetector) -> list[np.ndarray]:
    """Return the weights of both networks."""
    return [w for network in networks(detector) for w in network.get_weights()]


@pytest.fixture(scope="module")
def trained(videos: Bunch) -> GANDetector:
    """Detector trained on the toy videos. Tests must not modify it."""
    return small(epochs=10, batch_size=4, validation_fraction=0.5).fit(
        videos.X, videos.y
    )


# -- networks --------------------------------------------------------------------


@pytest.fixture(scope="module")
def paper_networks() -> AdversarialModel:
    return network((224, 224))


def describe(layer: keras.layers.Layer) -> tuple:
    kind = type(layer).__name__
    if kind in ("Conv2D", "Conv2DTranspose"):
        return (
            kind,
            layer.filters,
            layer.kernel_size,
            layer.strides,
            layer.padding,
            layer.use_bias,
            layer.activation.__name__,
        )
    if kind == "LeakyReLU":
        return kind, pytest.approx(layer.negative_slope)
    if kind == "Dropout":
        return kind, layer.rate
    if kind == "BatchNormalization":
        return kind, layer.momentum, layer.epsilon
    if kind == "Dense":
        return kind, layer.units, layer.use_bias, layer.activation.__name__
    if kind == "Reshape":
        return kind, layer.target_shape
    return (kind,)


def test_default_discriminator_is_that_of_the_appendix(
    paper_networks: AdversarialModel,
) -> None:
    expected: list[tuple] = [("InputLayer",)]
    for filters in (64, 128, 256):
        expected += [
            ("Conv2D", filters, (5, 5), (2, 2), "same", True, "linear"),
            ("LeakyReLU", 0.3),
            ("Dropout", 0.3),
        ]
    expected += [("Flatten",), ("Dense", 1, True, "linear")]
    discriminator = paper_networks.discriminator
    assert [describe(layer) for layer in discriminator.layers] == expected
    assert discriminator.input_shape == (None, 224, 224, 3)
    convolutions = (75 + 1) * 64 + (25 * 64 + 1) * 128 + (25 * 128 + 1) * 256
    assert discriminator.count_params() == convolutions + 28 * 28 * 256 + 1


def test_default_generator_is_that_of_the_appendix(
    paper_networks: AdversarialModel,
) -> None:
    def up(filters: int, activation: str = "linear") -> tuple:
        return ("Conv2DTranspose", filters, (5, 5), (2, 2), "same", False, activation)

    activate = [("BatchNormalization", 0.99, 0.001), ("LeakyReLU", 0.3)]
    generator = paper_networks.generator
    assert [describe(layer) for layer in generator.layers] == [
        ("InputLayer",),
        ("Dense", 7 * 7 * 256, False, "linear"),
        *activate,
        ("Reshape", (7, 7, 256)),
        *[part for filters in (128, 64, 64, 32) for part in (up(filters), *activate)],
        up(3, "tanh"),
    ]
    assert generator.input_shape == (None, 100)
    assert generator.output_shape == (None, 224, 224, 3)
    pairs = [(256, 128), (128, 64), (64, 64), (64, 32), (32, 3)]
    transposed = 25 * sum(a * b for a, b in pairs)
    normalization = 4 * (7 * 7 * 256 + 128 + 64 + 64 + 32)
    dense = 100 * 7 * 7 * 256
    assert generator.count_params() == dense + transposed + normalization


def test_default_optimizers_are_those_of_the_appendix(
    paper_networks: AdversarialModel,
) -> None:
    optimizers = paper_networks.optimizer, paper_networks.generator_optimizer
    assert [type(optimizer).__name__ for optimizer in optimizers] == ["Adam"] * 2
    assert [float(o.learning_rate) for o in optimizers] == pytest.approx([1e-4] * 2)
    assert [optimizer.beta_1 for optimizer in optimizers] == [0.9] * 2


def test_pixels_are_scaled_to_the_range_of_the_generator(
    paper_networks: AdversarialModel,
) -> None:
    assert paper_networks.inputs[0].dtype == "uint8"
    scaling = paper_networks.get_layer("scaling")
    ends = scaling(np.array([[[[0, 255, 51]]]], np.uint8))
    np.testing.assert_allclose(
        ops.convert_to_numpy(ends).ravel(), [-1, 1, -0.6], atol=1e-6
    )


@pytest.mark.parametrize(
    ("params", "which", "kind", "attribute", "expected"),
    [
        (
            {"generator__noise_dim": 7},
            "generator",
            "InputLayer",
            "batch_shape",
            [(None, 7)],
        ),
        (
            {"generator__filters": (5, 6, 7)},
            "generator",
            "Conv2DTranspose",
            "filters",
            [6, 7, 3],
        ),
        ({"generator__filters": [9]}, "generator", "Dense", "units", [8 * 8 * 9]),
        (
            {"discriminator_filters": (5, 6)},
            "discriminator",
            "Conv2D",
            "filters",
            [5, 6],
        ),
        ({"discriminator_filters": ()}, "discriminator", "Conv2D", "filters", []),
        ({"kernel_size": 3}, "discriminator", "Conv2D", "kernel_size", [(3, 3)]),
        (
            {"kernel_size": 3},
            "generator",
            "Conv2DTranspose",
            "kernel_size",
            [(3, 3)] * 2,
        ),
        ({"dropout": 0.1}, "discriminator", "Dropout", "rate", [0.1]),
        (
            {"generator__momentum": 0.7},
            "generator",
            "BatchNormalization",
            "momentum",
            [0.7] * 2,
        ),
    ],
)
def test_parameter_changes_its_layers(
    params: dict[str, Any], which: str, kind: str, attribute: str, expected: list
) -> None:
    built: dict[str, Any] = {
        "generator__filters": (8, 4),
        "discriminator_filters": (4,),
    }
    model = network(**{**built, **params})
    layers = [
        getattr(layer, attribute)
        for layer in getattr(model, which).layers
        if type(layer).__name__ == kind
    ]
    assert layers == expected


def test_each_network_has_a_learning_rate_and_both_the_routed_parameters() -> None:
    model = network(
        generator__filters=(2,),
        discriminator_filters=(),
        learning_rate=0.25,
        generator__learning_rate=0.5,
        optimizer="sgd",
        optimizer__clipnorm=0.125,
    )
    optimizers = model.optimizer, model.generator_optimizer
    assert optimizers[0] is not optimizers[1]
    assert [type(optimizer).__name__ for optimizer in optimizers] == ["SGD"] * 2
    assert [float(o.learning_rate) for o in optimizers] == [0.25, 0.5]
    assert [optimizer.clipnorm for optimizer in optimizers] == [0.125] * 2


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (
            (56, 56),
            "56 x 56 pixels.*multiples of 32.*32 x 32 or 64 x 64, or pass `filters` of "
            "length 3",
        ),
        ((64, 40), "64 x 40 .* to 64 x 32 or 64 x 64, or pass `filters` of length 3"),
        ((8, 8), "8 x 8 .* to 32 x 32, or pass `filters` of length 3"),
        ((33, 64), "33 x 64 .* to 32 x 64 or 64 x 64\\.$"),
    ],
)
def test_size_that_the_generator_cannot_reach_is_refused(
    size: tuple[int, int], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        network(size)


@pytest.mark.parametrize(
    ("size", "filters"), [((32, 96), (4,) * 5), ((56, 24), (4,) * 3), ((6, 2), (4,))]
)
def test_other_sizes_are_reached(
    size: tuple[int, int], filters: tuple[int, ...]
) -> None:
    model = network(size, generator__filters=filters, discriminator_filters=(2,))
    assert model.generator.output_shape == (None, *size, 3)


# -- training step ---------------------------------------------------------------


def gradients(loss: Callable[[], Any], variables: list[Any]) -> list[np.ndarray]:
    """Compute gradients with the basic functions of each backend."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        found = tape.gradient(value, variables)
    elif backend == "torch":
        import torch

        found = torch.autograd.grad(loss(), [v.value for v in variables])
    else:
        import jax

        def pure(values: list[Any]) -> Any:
            mapping = list(zip(variables, values, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                return loss()

        found = jax.grad(pure)([v.value for v in variables])
    return [ops.convert_to_numpy(gradient) for gradient in found]


def copy_of(model: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def cross_entropy(
    target: Any, logits: Any, smoothing: float = 0.0, weight: Any = 1.0
) -> Any:
    target = ops.convert_to_tensor(target * (1 - smoothing) + smoothing / 2)
    each = target * ops.softplus(-logits) + (1 - target) * ops.softplus(logits)
    return ops.mean(ops.multiply(weight, each))


@pytest.mark.parametrize(
    ("generated_label", "smoothing", "weighted", "bias"),
    [
        pytest.param(0, 0.0, False, 0.0, id="plain", marks=pytest.mark.nightly),
        pytest.param(1, 0.3, True, 0.0, id="smoothed and weighted"),
        pytest.param(1, 0.0, True, -120.0, id="sure of 0", marks=pytest.mark.nightly),
        pytest.param(0, 0.0, False, 120.0, id="sure of 1"),
    ],
)
def test_step_is_the_gradient_of_both_losses_at_the_same_weights(
    generated_label: int, smoothing: float, weighted: bool, bias: float, videos: Bunch
) -> None:
    detector = small(
        generator__filters=(8, 4),
        generated_label=generated_label,
        label_smoothing=smoothing,
        dropout=0,
        optimizer="sgd",
        learning_rate=0.1,
        generator__learning_rate=0.2,
        random_state=3,
    ).initialize(videos.X, videos.y)
    model = detector.model_
    last = model.discriminator.layers[-1]
    last.set_weights([last.get_weights()[0], np.array([bias])])
    images, labels = videos.X[:, 0], videos.y.reshape(-1, 1).astype("float32")
    weight = np.linspace(0.5, 2, 10).astype("float32") if weighted else np.ones(10)
    weight = weight.reshape(-1, 1).astype("float32")
    discriminator, generator = copy_of(model.discriminator), copy_of(model.generator)
    once = copy_of(generator)
    noise = keras.random.normal((10, 6), seed=keras.random.SeedGenerator(3))
    scaled = images.astype("float32") / 127.5 - 1

    def on_labelled() -> Any:
        logits = discriminator(scaled, training=True)
        return cross_entropy(labels, logits, smoothing, weight)

    def on_generated(target: float, smoothing: float = 0.0) -> Any:
        logits = discriminator(generator(noise, training=True), training=True)
        return cross_entropy(target, logits, smoothing)

    def of_discriminator() -> Any:
        return on_labelled() + on_generated(generated_label, smoothing)

    def of_generator() -> Any:
        return on_generated(1 - generated_label)

    logs = model.train_on_batch(images, labels, weight.ravel(), return_dict=True)

    expected = {
        "loss": on_labelled(),
        "discriminator_loss": of_discriminator(),
        "generator_loss": of_generator(),
    }
    for name, value in expected.items():
        value = float(ops.convert_to_numpy(value))
        assert float(logs[name]) == pytest.approx(value, rel=1e-5), name
    probability = ops.sigmoid(discriminator(scaled))
    right = (ops.convert_to_numpy(probability) > 0.5) == labels
    assert float(logs["accuracy"]) == pytest.approx(right.mean())
    assert set(logs) == {*expected, "accuracy"}
    for trained, before, loss, rate in (
        (model.discriminator, discriminator, of_discriminator, 0.1),
        (model.generator, generator, of_generator, 0.2),
    ):
        changes = gradients(loss, before.trainable_variables)
        for variable, old, change in zip(
            trained.trainable_variables,
            before.trainable_variables,
            changes,
            strict=True,
        ):
            np.testing.assert_allclose(
                ops.convert_to_numpy(variable.value),
                ops.convert_to_numpy(old.value) - rate * change,
                atol=1e-5,
            )
    if not bias:  # with a bias, gradients are tiny
        assert min(np.abs(change).max() for change in changes) > 1e-4
    # The statistics of the generator are updated with one batch.
    once(noise, training=True)
    for variable, expected_value in zip(
        model.generator.non_trainable_weights, once.non_trainable_weights, strict=True
    ):
        np.testing.assert_allclose(
            ops.convert_to_numpy(variable.value),
            ops.convert_to_numpy(expected_value.value),
            rtol=1e-5,
            atol=1e-6,
        )


def test_gradients_of_both_networks_are_clipped(videos: Bunch) -> None:
    steps = []
    for clip in ({}, {"optimizer__clipnorm": 1e-4}):
        detector = small(optimizer="sgd", learning_rate=1.0, **clip)
        model = detector.initialize(videos.X, videos.y).model_
        networks = (model.discriminator, model.generator)
        before = [network.get_weights() for network in networks]
        model.train_on_batch(videos.X[:, 0], videos.y.reshape(-1, 1))
        steps.append(
            [
                np.linalg.norm(network.get_weights()[0] - old[0])
                for network, old in zip(networks, before, strict=True)
            ]
        )
    assert min(steps[0]) > 2e-4
    # The learning rate of the generator is 100 times lower.
    assert steps[1][0] < 1.02e-4
    assert steps[1][1] < 1.02e-6


# -- training --------------------------------------------------------------------


@pytest.mark.jax
def test_detector_learns_the_toy_videos(trained: GANDetector, videos: Bunch) -> None:
    # Compare ranks, since the best threshold depends on the seed.
    fake = trained.predict_proba(videos.X)[:, 1]
    assert fake[videos.y == 1].min() > fake[videos.y == 0].max() + 0.2


def test_history_tells_of_both_networks(trained: GANDetector) -> None:
    history = trained.history_
    validation = {"val_loss", "val_accuracy"}
    assert set(history) - {"learning_rate"} == validation | {
        "loss",
        "accuracy",
        "discriminator_loss",
        "generator_loss",
    }
    assert {len(values) for values in history.values()} == {len(history["loss"])}
    assert (np.array(history["discriminator_loss"]) > history["loss"]).all()


def test_validation_is_the_classifiers_without_smoothing(
    trained: GANDetector, videos: Bunch
) -> None:
    assert trained.model_.label_smoothing == 0.2
    images = videos.X[:, 0]
    logs = trained.model_.test_on_batch(
        images, videos.y.reshape(-1, 1), return_dict=True
    )
    proba = trained.predict_proba(images)
    assert set(logs) == {"loss", "accuracy"}
    assert float(logs["loss"]) == pytest.approx(log_loss(videos.y, proba), rel=1e-4)


@pytest.mark.nightly
def test_same_seed_gives_the_same_networks(videos: Bunch) -> None:
    params = {"epochs": 2, "batch_size": 16, "optimizer": "sgd"}
    detector = small(random_state=4, **params)
    first = weights_of(detector.fit(videos.X, videos.y))
    again = weights_of(detector.fit(videos.X, videos.y))
    other = weights_of(small(random_state=5, **params).fit(videos.X, videos.y))
    assert same(first, again)
    assert not any(
        np.array_equal(a, b) for a, b in zip(first, other, strict=True) if a.std() > 0
    )


class OnlyFirstEpochIsGood(keras.callbacks.Callback):
    """Replace the validation AUC with a low value after the first epoch."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs["val_roc_auc"] = 0.9 if epoch == 0 else 0.5  # type: ignore[index]


@pytest.mark.nightly
@pytest.mark.compiled
def test_early_stopping_by_auc_restores_both_networks(videos: Bunch) -> None:
    """The learning rate of the generator is also reduced."""
    params = {
        "generator__learning_rate": 0.02,
        "validation_fraction": 0.5,
        "batch_size": 16,
    }
    plateau = PlateauCallbacks(
        monitor="val_roc_auc", patience=3, lr_patience=1, lr_factor=0.5, min_lr=0
    )
    detector = small(epochs=9, callbacks=[OnlyFirstEpochIsGood(), plateau], **params)
    detector.fit(videos.X, videos.y)
    assert detector.history_["val_roc_auc"] == [0.9, 0.5, 0.5, 0.5]
    assert detector.history_["learning_rate"] == pytest.approx(
        [0.01, 0.01, 0.005, 0.0025]
    )
    optimizer = detector.model_.generator_optimizer
    assert float(optimizer.learning_rate) == pytest.approx(0.005)
    best = small(**params).fit(videos.X, videos.y)
    assert same(weights_of(detector), weights_of(best))


def test_optimizer_with_a_schedule_serves_both_networks(videos: Bunch) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    detector = small(optimizer=keras.optimizers.SGD(schedule), batch_size=20)
    model = detector.fit(videos.X, videos.y).model_
    for optimizer in (model.optimizer, model.generator_optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(0.025)  # two steps


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:The .* dominates")
@pytest.mark.parametrize("loaded", [False, True])
def test_training_goes_on_from_both_networks(loaded: bool, videos: Bunch) -> None:
    detector = small(warm_start=True).fit(videos.X, videos.y)
    for network in networks(detector):
        network.set_weights([weight + 1 for weight in network.get_weights()])
    start = [trainable(network) for network in networks(detector)]
    for further in ("fit", "partial_fit"):
        if loaded:
            detector = pickle.loads(pickle.dumps(detector))
        getattr(detector, further)(videos.X, videos.y)
    assert {len(values) for values in detector.history_.values()} == {2}
    assert detector.model_.generator is detector.generator_
    for network, before in zip(networks(detector), start, strict=True):
        moved = [
            np.abs(weight - old).max()
            for weight, old in zip(trainable(network), before, strict=True)
        ]
        assert 0 < max(moved) < 0.1  # two steps of 0.01


def test_diverged_training_is_an_error_and_leaves_nothing(videos: Bunch) -> None:
    detector = small(learning_rate=1e30, epochs=3)
    with pytest.raises(TrainingDivergedError, match="optimizer__clipnorm"):
        detector.fit(videos.X, videos.y)
    assert not {"model_", "generator_", "history_"} & set(vars(detector))
    with pytest.raises(NotFittedError):
        detector.generate(1)


@pytest.mark.parametrize("epochs", [1, 2])
def test_diverged_generator_is_an_error_too(epochs: int, videos: Bunch) -> None:
    """The last step is also checked, although no loss follows it."""
    detector = small(
        generator__filters=(4, 4),
        optimizer="sgd",
        generator__learning_rate=1e38,
        epochs=epochs,
    )
    with pytest.raises(TrainingDivergedError):
        detector.fit(videos.X, videos.y)
    assert not hasattr(detector, "generator_")


@pytest.mark.parametrize(
    ("bias", "winner"), [(-8.0, "discriminator"), (8.0, "generator")]
)
@pytest.mark.parametrize("generated_label", [0, 1])
def test_network_that_has_won_is_named_in_a_warning(
    bias: float, winner: str, generated_label: int, videos: Bunch
) -> None:
    detector = small(
        warm_start=True,
        learning_rate=1e-9,
        label_smoothing=0,
        generated_label=generated_label,
    ).initialize(videos.X, videos.y)
    last = detector.model_.discriminator.layers[-1]
    bias = bias if generated_label == 0 else -bias
    last.set_weights([last.get_weights()[0], np.array([bias])])
    with warnings.catch_warnings(record=True) as record:  # Keras may also warn
        warnings.simplefilter("always")
        detector.fit(videos.X, videos.y)
    (warning,) = (w for w in record if w.category is AdversarialImbalanceWarning)
    assert f"The {winner} dominates after epoch 1 " in str(warning.message)
    assert warning.filename == __file__


# -- generated images ------------------------------------------------------------


def test_pictures_are_bytes_of_what_the_generator_gives(trained: GANDetector) -> None:
    images = trained.generate(3, random_state=7)
    assert images.shape == (3, 16, 16, 3)
    assert images.dtype == np.uint8
    noise = np.random.RandomState(7).normal(size=(3, 6)).astype(np.float32)
    given = ops.convert_to_numpy(trained.generator_(noise, training=False))
    np.testing.assert_array_equal(images, np.rint((given + 1) * 127.5))
    assert images.std() > 1


def test_pictures_depend_on_the_seed_alone(trained: GANDetector) -> None:
    images = trained.generate(3, random_state=7)
    np.testing.assert_array_equal(trained.generate(3, random_state=7), images)
    other = clone(trained).set_params(batch_size=2)
    other.__dict__.update(model_=trained.model_, generator_=trained.generator_)
    np.testing.assert_allclose(other.generate(3, random_state=7), images, atol=1)
    assert not np.array_equal(trained.generate(3, random_state=8), images)
    assert not np.array_equal(trained.generate(3), trained.generate(3))
    state = np.random.RandomState(7)
    np.testing.assert_array_equal(trained.generate(3, random_state=state), images)
    assert not np.array_equal(trained.generate(3, random_state=state), images)


def test_pictures_are_asked_for_in_numbers(trained: GANDetector) -> None:
    with pytest.raises(ValueError, match="n == 0"):
        trained.generate(0)
    with pytest.raises(TypeError, match="n must be"):
        trained.generate(2.5)
    with pytest.raises(NotFittedError):
        small().generate(1)


# -- persistence -----------------------------------------------------------------


@pytest.mark.jax
def test_pickle_keeps_answers_and_pictures_as_archives_of_both_networks(
    trained: GANDetector, videos: Bunch
) -> None:
    state = trained.__getstate__()
    assert type(state["model_"]) is type(state["generator_"]) is bytes
    loaded = pickle.loads(pickle.dumps(trained))
    np.testing.assert_array_equal(
        loaded.predict_proba(videos.X), trained.predict_proba(videos.X)
    )
    np.testing.assert_array_equal(loaded.generate(3, 5), trained.generate(3, 5))
    assert loaded.history_ == trained.history_
    assert plain(loaded) == plain(trained)
    assert isinstance(trained.model_, AdversarialModel)


@pytest.mark.nightly
def test_new_process_gives_the_same_answers_and_pictures(
    trained: GANDetector,
    videos: Bunch,
    answers_of_a_new_process: Callable[..., list[np.ndarray]],
) -> None:
    answers, images = answers_of_a_new_process(
        trained,
        videos.X,
        "estimator.predict_proba(X)",
        "estimator.generate(3, random_state=5)",
    )
    np.testing.assert_array_equal(answers, trained.predict_proba(videos.X))
    np.testing.assert_array_equal(images, trained.generate(3, random_state=5))


def test_checkpoint_holds_both_networks_and_their_training(
    videos: Bunch, tmp_path: Path
) -> None:
    path = tmp_path / "networks.keras"
    detector = small(
        generated_label=1,
        callbacks=[keras.callbacks.ModelCheckpoint(str(path))],
    ).fit(videos.X, videos.y)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is AdversarialModel
    assert (loaded.generated_label, loaded.label_smoothing) == (1, 0.2)
    assert same(loaded.get_weights(), detector.model_.get_weights())
    assert same(loaded.generator.get_weights(), detector.generator_.get_weights())
    for kept, own in zip(
        loaded.generator_optimizer.variables,
        detector.model_.generator_optimizer.variables,
        strict=True,
    ):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(kept.value), ops.convert_to_numpy(own.value)
        )
    loaded.train_on_batch(videos.X[:, 0], videos.y.reshape(-1, 1))
    assert not same(loaded.generator.get_weights(), detector.generator_.get_weights())


# -- parameters ------------------------------------------------------------------


def test_defaults_are_the_papers_where_it_has_any() -> None:
    shared = CNNDetector().get_params()
    for name in ("filters", "pool_size", "conv_dropout", "dense_units", "momentum"):
        del shared[name]
    assert GANDetector().get_params() == {
        **shared,
        "generator": "paper",
        "discriminator_filters": (64, 128, 256),
        "kernel_size": 5,
        "dropout": 0.3,
        "generated_label": 0,
        "label_smoothing": 0.0,
        "rescale": 1 / 127.5,
        "offset": -1.0,
        "learning_rate": 1e-4,
    }
    assert Generator().get_params() == {
        "filters": (256, 128, 64, 64, 32),
        "noise_dim": 100,
        "momentum": 0.99,
        "learning_rate": 1e-4,
        "loss": "bce",
        "clip": 0.01,
    }


def test_constructor_stores_what_it_gets_and_clone_keeps_it() -> None:
    values = {name: object() for name in GANDetector().get_params()}
    assert vars(GANDetector(**values)) == values
    detector = small(generator__filters=[4], optimizer__clipnorm=0.5)
    copy = clone(detector)
    assert copy.generator is not detector.generator
    assert plain(copy) == plain(detector)
    assert repr(copy).startswith("GANDetector(batch_size=40, ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("generator__noise_dim", 0),
        ("generator__filters", ()),
        ("generator__filters", (4, 0)),
        ("generator__filters", 4),
        ("discriminator_filters", (-1,)),
        ("discriminator_filters", (2.5,)),
        ("kernel_size", 0),
        ("dropout", 1.0),
        ("generator__momentum", 1.0),
        ("generated_label", 2),
        ("generated_label", "real"),
        ("generated_label", None),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("rescale", 0),
        ("offset", "low"),
        ("learning_rate", 0),
        ("generator__learning_rate", 0),
        ("batch_size", 0),
    ],
)
def test_bad_values_are_refused_by_name(
    name: str, value: Any, videos: Bunch, trainings: list[Bunch]
) -> None:
    owner, _, own_name = name.rpartition("__")
    message = f"'{own_name}' parameter of {owner.title() or 'GANDetector'}"
    with pytest.raises(ValueError, match=message):
        small(**{name: value}).fit(videos.X, videos.y)
    assert not trainings


# -- model selection -------------------------------------------------------------


@pytest.mark.nightly
def test_grid_search_tries_both_labels_of_generated_images(videos: Bunch) -> None:
    search = GridSearchCV(
        small(batch_size=8),
        {"generated_label": [0, 1]},
        cv=[(np.arange(6), np.arange(6, 10))],
        scoring="neg_log_loss",
        error_score="raise",
    ).fit(videos.X, videos.y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]
    label = search.best_params_["generated_label"]
    assert search.best_estimator_.model_.generated_label == label


@pytest.fixture
def members(tiny: Callable[..., CNNDetector]) -> list[tuple[str, Any]]:
    return [
        ("cnn", tiny(learning_rate=0.5, epochs=5)),
        ("gan", small(epochs=10, batch_size=4, label_smoothing=0.5)),
    ]


@pytest.mark.nightly
def test_detectors_vote_on_videos(
    members: list[tuple[str, Any]], videos: Bunch
) -> None:
    voting = VotingClassifier(members, voting="soft").fit(videos.X, videos.y)
    each = [member.predict_proba(videos.X) for member in voting.estimators_]
    np.testing.assert_allclose(voting.predict_proba(videos.X), np.mean(each, axis=0))
    np.testing.assert_array_equal(voting.predict(videos.X), videos.y)


@pytest.mark.nightly
def test_detectors_are_stacked_on_videos(
    members: list[tuple[str, Any]], videos: Bunch
) -> None:
    stacking = StackingClassifier(
        members, final_estimator=LogisticRegression(), cv=2, passthrough=False
    ).fit(videos.X, videos.y)
    answers = np.stack(
        [member.predict_proba(videos.X)[:, 1] for member in stacking.estimators_],
        axis=1,
    )
    np.testing.assert_allclose(stacking.transform(videos.X), answers)
    np.testing.assert_allclose(
        stacking.predict_proba(videos.X),
        stacking.final_estimator_.predict_proba(answers),
    )
    assert stacking.score(videos.X, videos.y) == 1.0
