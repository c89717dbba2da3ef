"""Only the selected part of a backbone is trained, and frozen layers do not change."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.base import clone
from sklearn.utils import Bunch

from skdeepfake import persistence
from skdeepfake._backbones import BACKBONES, Backbone
from skdeepfake.augmentation import KerasAugmentation
from skdeepfake.detectors import BlendedFakes, TransferDetector, _transfer


@dataclass(frozen=True)
class TwoBlocks:
    """Backbone of two convolutions and a pooling layer, with fixed initial weights."""

    def __call__(self) -> keras.Model:
        inputs = keras.Input((None, None, 3))
        x = layers.Rescaling(1 / 127.5, -1.0)(inputs)
        for number in (1, 2):
            drawn = keras.initializers.GlorotUniform(seed=number)
            x = layers.Conv2D(4, 3, kernel_initializer=drawn, name=f"conv{number}")(x)
            x = layers.BatchNormalization(momentum=0.5, name=f"norm{number}")(x)
            x = layers.ReLU()(x)
            if number == 1:
                x = layers.MaxPooling2D(name="pooling")(x)
        return keras.Model(inputs, x)


def small(**params: Any) -> TransferDetector:
    """Make a detector that trains in one to two seconds."""
    defaults = {
        "backbone": TwoBlocks(),
        "learning_rate": 0.01,
        "head__learning_rate": 0.05,
        "head__epochs": 0,
        "optimizer": "sgd",
        "batch_size": 20,
        "epochs": 1,
        "validation_fraction": None,
        "random_state": 0,
    }
    return TransferDetector().set_params(**{**defaults, **params})


def by_layer(network: keras.Model) -> dict[str, list[np.ndarray]]:
    """Return the weights by layer."""
    return {
        layer.name: layer.get_weights() for layer in network.layers if layer.weights
    }


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Return the names of layers whose weights or statistics changed."""
    return {
        name
        for name, weights in before.items()
        if not all(map(np.array_equal, weights, after[name]))
    }


BACKBONE = {"conv1", "norm1", "conv2", "norm2"}
HEAD = {"probability_of_fake"}


@pytest.fixture(scope="module")
def learnt(gappy: Bunch) -> Bunch:
    """Weights, histories and predictions of a detector at each stage of training.

    The stages are before training, after the head, after `fit` and after `partial_fit`.
    The last block is trained.
    """
    weights: list[dict[str, Any]] = []
    fit_network = TransferDetector._fit_network

    def spy(self: TransferDetector, *given: Any, **options: Any) -> None:
        weights.append(by_layer(self.model_))
        fit_network(self, *given, **options)

    detector = small(
        trainable=1, head__epochs=3, epochs=2, optimizer__momentum=0.9, batch_size=10
    )
    params = detector.get_params()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransferDetector, "_fit_network", spy)
        detector.fit(gappy.X, gappy.y)
    with persistence.keep_optimizer():
        content = pickle.dumps(detector)
    before, between = weights
    known = Bunch(
        params=params,
        before=before,
        between=between,
        after=by_layer(detector.model_),
        head_history=detector.head_history_,
        history={name: [*values] for name, values in detector.history_.items()},
        answers=detector.predict_proba(gappy.X),
        content=content,
    )
    detector.partial_fit(gappy.X, gappy.y)
    known.update(further=by_layer(detector.model_), longer=detector.history_["loss"])
    assert detector.get_params() == params
    return known


def new(learnt: Bunch) -> TransferDetector:
    return small().set_params(**learnt.params)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Bunch]:
    """Record the input and the number of frames of each precomputation."""
    found: list[Bunch] = []
    own = _transfer.computed_once

    @contextmanager
    def spy(compute: Any, X: Any, *given: Any, **options: Any) -> Iterator[Any]:
        record = Bunch(X=X, n_frames=0)
        found.append(record)

        def counting(frames: np.ndarray) -> np.ndarray:
            record.n_frames += len(frames)
            return compute(frames)

        with own(counting, X, *given, **options) as features:
            yield features

    monkeypatch.setattr(_transfer, "computed_once", spy)
    return found


# -- trained layers --------------------------------------------------------------


@pytest.mark.parametrize(
    ("trainable", "expected"),
    [
        ("all", {*BACKBONE, *HEAD}),
        (1, {"conv2", "norm2", *HEAD}),
        ("top", HEAD),
    ],
)
def test_training_changes_what_is_to_learn_and_nothing_else(
    trainable: Any, expected: set[str], videos: Bunch
) -> None:
    """The statistics of frozen normalization layers do not change either."""
    detector = small(trainable=trainable, warm_start=True)
    before = by_layer(detector.initialize(videos.X, videos.y).model_)
    detector.fit(videos.X, videos.y)
    assert changed(before, by_layer(detector.model_)) == expected
    assert set(before) == {*BACKBONE, *HEAD}
    assert detector.n_blocks_ == 2
    still = {layer.name for layer in detector.model_.layers if not layer.trainable}
    assert still & {*BACKBONE, *HEAD} == {*BACKBONE, *HEAD} - expected


def test_as_many_blocks_as_there_are_is_all_of_them(
    videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = small(trainable=2).fit(videos.X, videos.y)
    (training,) = trainings
    assert training.model is detector.model_
    assert training.frames.shape == (40, 16, 16, 3)
    assert all(layer.trainable for layer in detector.model_.layers)


def nested() -> keras.Model:
    """Model of two nested models whose layers have the same names."""
    inner = keras.Input((None, None, 4))
    x = layers.Conv2D(4, 3, name="conv")(inner)
    second = keras.Model(inner, layers.MaxPooling2D(name="pool")(x), name="second")
    first = keras.Sequential(
        [layers.Conv2D(4, 3, name="conv"), layers.MaxPooling2D(name="pool")],
        name="first",
    )
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, second(first(inputs)))


def test_blocks_of_nested_models_are_counted_and_frozen(
    videos: Bunch, computed: list[Bunch]
) -> None:
    model = nested()
    detector = small(backbone=model, trainable=1, warm_start=True)
    before = by_layer(detector.initialize(videos.X, videos.y).model_)
    assert detector.n_blocks_ == 2
    first, second = (name for name in before if name not in HEAD)
    for name, copied in ((first, "first"), (second, "second")):
        for weight, own in zip(
            before[name], model.get_layer(copied).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(weight, own)
    detector.fit(videos.X, videos.y)
    assert changed(before, by_layer(detector.model_)) == {second, *HEAD}
    assert [record.n_frames for record in computed] == [40]


def test_more_blocks_than_there_are_is_an_error(videos: Bunch) -> None:
    with pytest.raises(ValueError, match=r"trainable must be at most 2, .*got 3"):
        small(trainable=3).fit(videos.X, videos.y)


@pytest.mark.parametrize("trainable", [0, -1, "some", 1.5])
def test_anything_else_is_refused(trainable: Any, videos: Bunch) -> None:
    with pytest.raises(ValueError, match="'trainable' parameter of TransferDetector"):
        small(trainable=trainable).fit(videos.X, videos.y)


def test_steps_draw_kernels_towards_zero_and_nothing_else(videos: Bunch) -> None:
    detector = small(learning_rate=0.1, optimizer__weight_decay=0.5)
    network = detector.initialize(videos.X, videos.y).model_
    network.set_weights([np.ones_like(w) for w in network.get_weights()])
    variables = network.trainable_variables
    network.optimizer.apply([keras.ops.zeros(v.shape) for v in variables], variables)
    kernels = {v.name: keras.ops.convert_to_numpy(v.value) for v in variables}
    assert set(kernels) == {"kernel", "bias", "gamma", "beta"}
    for variable in variables:
        expected = 0.95 if variable.name == "kernel" else 1.0
        value = keras.ops.convert_to_numpy(variable.value)
        np.testing.assert_allclose(value, expected, rtol=1e-6, err_msg=variable.path)


def test_without_weight_decay_nothing_is_drawn_anywhere(videos: Bunch) -> None:
    detector = small().initialize(videos.X, videos.y)
    assert detector.model_.optimizer.weight_decay is None


# -- frozen layers ---------------------------------------------------------------


def test_frozen_part_is_computed_once_a_fit(
    gappy: Bunch, computed: list[Bunch], trainings: list[Bunch]
) -> None:
    detector = small(trainable=1, head__epochs=4, epochs=5)
    detector.fit(gappy.X, gappy.y)
    # Faces are computed up to the last block, then from there up to the head.
    assert [record.n_frames for record in computed] == [37, 37]
    assert computed[0].X is gappy.X
    assert computed[1].X.shape == (10, 4, 7, 7, 4)
    head, main = trainings
    assert head.frames.shape == (37, 4)
    assert main.frames.shape == (37, 7, 7, 4)


def test_frozen_part_is_computed_of_videos_held_out_too(
    gappy: Bunch, computed: list[Bunch], trainings: list[Bunch]
) -> None:
    detector = small(trainable=1, head__epochs=1, validation_fraction=0.5)
    detector.fit(gappy.X, gappy.y)
    main = trainings[1]
    held_out = main.validation_data
    n_held_out = sum(len(held_out[n][0]) for n in range(held_out.num_batches))
    assert n_held_out + len(main.frames) == computed[0].n_frames == 37
    # Training of the head uses no validation.
    assert computed[1].n_frames == len(trainings[0].frames) == len(main.frames)
    assert trainings[0].validation_data is None


@pytest.mark.parametrize(
    ("changes", "n_computed"),
    [
        # The head is trained without augmentation.
        ({"augment": "flip"}, [40]),
        ({"fake_source": BlendedFakes()}, []),
        ({"fake_source": BlendedFakes(share=0.5)}, []),
    ],
    ids=["augmented", "self-blended", "mixed"],
)
def test_frozen_part_is_computed_by_batch_where_chance_comes_before(
    changes: dict[str, Any],
    n_computed: list[int],
    videos: Bunch,
    computed: list[Bunch],
    trainings: list[Bunch],
) -> None:
    small(trainable=1, head__epochs=1, **changes).fit(videos.X, videos.y)
    assert [record.n_frames for record in computed] == n_computed
    head, main = trainings
    assert head.frames.shape[1:] == (4,)
    assert main.frames.shape[1:] == (7, 7, 4)


def test_whole_network_is_trained_on_the_faces(
    videos: Bunch, computed: list[Bunch], trainings: list[Bunch]
) -> None:
    detector = small(trainable="all").fit(videos.X, videos.y)
    assert not computed
    (training,) = trainings
    assert training.model is detector.model_
    assert training.frames.shape == (40, 16, 16, 3)


@pytest.mark.parametrize("source", ["labels", BlendedFakes()], ids=str)
def test_head_sees_no_augmentation(
    source: Any, videos: Bunch, trainings: list[Bunch]
) -> None:
    params = {"trainable": "all", "head__epochs": 1, "fake_source": source}
    for augment in (None, KerasAugmentation(layers.Rescaling(0.5))):
        small(augment=augment, **params).fit(videos.X, videos.y)
    plain, _, beside_augmentation, augmented = trainings
    assert augmented.frames.max() <= 128
    np.testing.assert_allclose(beside_augmentation.frames, plain.frames, atol=1e-6)


@pytest.mark.nightly
def test_computing_once_gives_the_losses_of_computing_each_time(
    learnt: Bunch, gappy: Bunch, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = TransferDetector._work_above

    def each_time(self: Any, *given: Any, once: bool, **options: Any) -> Any:
        return own(self, *given, once=False, **options)

    monkeypatch.setattr(TransferDetector, "_work_above", each_time)
    detector = new(learnt).fit(gappy.X, gappy.y)
    for found, expected in (
        (detector.history_, learnt.history),
        (detector.head_history_, learnt.head_history),
    ):
        assert set(found) == set(expected)
        np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-4)


# -- the head --------------------------------------------------------------------


@pytest.mark.jax
def test_head_is_trained_first_and_alone(learnt: Bunch) -> None:
    assert changed(learnt.before, learnt.between) == HEAD
    assert changed(learnt.between, learnt.after) == {"conv2", "norm2", *HEAD}
    assert set(learnt.head_history) == {"loss", "accuracy"}
    assert len(learnt.head_history["loss"]) == 3
    assert len(learnt.history["loss"]) == 2
    first, *_, last = learnt.head_history["loss"]
    assert last < first


def test_head_learns_at_its_own_rate_by_an_optimizer_of_its_own(
    videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = small(trainable=1, head__epochs=3, epochs=7).fit(videos.X, videos.y)
    head, main = trainings
    assert (head.epochs, main.epochs) == (3, 7)
    rates = [float(t.model.optimizer.learning_rate) for t in trainings]
    assert rates == pytest.approx([0.05, 0.01])
    assert head.model.optimizer is not main.model.optimizer
    assert main.model.optimizer is detector.model_.optimizer
    # The head is shared with the network, not copied.
    assert head.model.layers[-1] is detector.model_.layers[-1]
    assert {weight.path.split("/")[0] for weight in head.model.weights} == HEAD


def test_head_is_trained_once(videos: Bunch, trainings: list[Bunch]) -> None:
    detector = small(trainable=1, head__epochs=1)
    counts = []
    for go_on in (detector.fit, detector.partial_fit, detector.partial_fit):
        go_on(videos.X, videos.y)
        counts.append(len(trainings))
    detector.set_params(warm_start=True).fit(videos.X, videos.y)
    counts.append(len(trainings))
    assert counts == [2, 3, 4, 5]
    detector.set_params(warm_start=False).fit(videos.X, videos.y)
    assert len(trainings) == 7
    # If `partial_fit` trains the head first, `history_` only has the main epoch.
    other = small(trainable=1, head__epochs=1).partial_fit(videos.X, videos.y)
    assert other.history_["loss"] == [0.5]
    assert len(trainings) == 9


def test_head_of_a_loaded_detector_is_not_trained_again(
    videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = small(head__epochs=1).fit(videos.X, videos.y)
    pickle.loads(pickle.dumps(detector)).partial_fit(videos.X, videos.y)
    assert len(trainings) == 3


@pytest.mark.parametrize("params", [{"head__epochs": 0}, {"trainable": "top"}])
def test_head_has_no_epochs_where_they_would_be_for_nothing(
    params: dict[str, Any], videos: Bunch, trainings: list[Bunch]
) -> None:
    detector = small(**{"head__epochs": 2, **params}).fit(videos.X, videos.y)
    assert len(trainings) == 1
    assert not hasattr(detector, "head_history_")


def test_new_layer_alone_learns_at_the_rate_of_heads(
    videos: Bunch, trainings: list[Bunch]
) -> None:
    small(trainable="top").fit(videos.X, videos.y)
    (training,) = trainings
    assert float(training.model.optimizer.learning_rate) == pytest.approx(0.05)
    assert training.frames.shape == (40, 4)


# -- backbones -------------------------------------------------------------------


def test_model_is_copied_with_its_weights(videos: Bunch) -> None:
    model = TwoBlocks()()
    kept = by_layer(model)
    detector = small(backbone=model, trainable="top").initialize(videos.X, videos.y)
    assert detector.backbone is model
    network = detector.model_
    assert changed(kept, by_layer(network)) == set()
    network.set_weights([weight + 1 for weight in network.get_weights()])
    assert changed(kept, by_layer(network)) == BACKBONE
    assert changed(kept, by_layer(model)) == set()
    assert all(layer.trainable for layer in model.layers)


def several(inputs: Any) -> Any:
    return [layers.Conv2D(2, 3)(inputs), layers.Conv2D(2, 3)(inputs)]


def volumes(inputs: Any) -> Any:
    return layers.Reshape((4, 4, 16, 3))(inputs)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (several, "backbone must have one output; got 2"),
        (volumes, r"output of shape .* got \(None, 4, 4, 16, 3\)"),
    ],
)
def test_backbone_of_other_outputs_is_refused(
    outputs: Any, message: str, videos: Bunch
) -> None:
    inputs = keras.Input((16, 16, 3))
    backbone = keras.Model(inputs, outputs(inputs))
    with pytest.raises(ValueError, match=message):
        small(backbone=backbone).fit(videos.X, videos.y)


def test_callable_that_gives_no_model_is_refused(videos: Bunch) -> None:
    with pytest.raises(
        ValueError, match=r"backbone\(\) must return a Keras model; got dict"
    ):
        small(backbone=dict).fit(videos.X, videos.y)


def test_images_too_small_for_a_backbone_are_refused(videos: Bunch) -> None:
    message = "16 x 16 pixels, but backbone='vgg16' needs at least 32 x 32"
    with pytest.raises(ValueError, match=message):
        small(backbone="vgg16", weights=None).fit(videos.X, videos.y)


def test_backbone_of_an_unknown_name_is_refused(videos: Bunch) -> None:
    with pytest.raises(ValueError, match="'backbone' parameter of TransferDetector"):
        small(backbone="vgg61").fit(videos.X, videos.y)


def test_features_are_pooled_as_asked_and_vectors_not_at_all(videos: Bunch) -> None:
    maps = keras.Sequential([keras.Input((16, 16, 3)), layers.MaxPooling2D(8)])
    vector = keras.Sequential([*maps.layers, layers.GlobalAveragePooling2D()])
    vector.build((None, 16, 16, 3))
    images = videos.X[:, 0]
    expected = images.reshape(10, 2, 8, 2, 8, 3).max(axis=(2, 4)).astype(np.float32)
    for backbone, pooling, features in (
        (maps, "avg", expected.mean(axis=(1, 2))),
        (maps, "max", expected.max(axis=(1, 2))),
        (vector, "max", expected.mean(axis=(1, 2))),
    ):
        detector = small(backbone=backbone, head__pooling=pooling, trainable="top")
        network = detector.initialize(videos.X, videos.y).model_
        found = keras.Model(network.input, network.get_layer("face_features").output)
        np.testing.assert_allclose(found.predict_on_batch(images), features, rtol=1e-5)


@pytest.mark.parametrize(
    ("backbone", "size"),
    [("vgg16", (224, 224)), ("xception", (299, 299)), (TwoBlocks(), None)],
)
def test_size_is_that_which_the_backbone_was_trained_on(
    backbone: Any, size: Any
) -> None:
    assert TransferDetector(backbone=backbone).image_size == size


class Named(Backbone):
    """Small network that replaces one of `keras.applications`."""

    @property
    def build(self) -> Any:
        def build(*, weights: None, include_top: bool, input_shape: Any) -> keras.Model:
            assert not include_top
            inputs = keras.Input(input_shape)
            return keras.Model(inputs, layers.Conv2D(4, 3, name="maps")(inputs))

        return build


def test_named_backbone_is_that_of_the_seed_and_sees_what_it_was_made_for(
    videos: Bunch, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Named("vgg16", "VGG16", 224, smallest=16)
    monkeypatch.setitem(BACKBONES, "vgg16", known)
    first, again, other = (
        small(backbone="vgg16", weights=None, random_state=seed)
        .initialize(videos.X, videos.y)
        .model_
        for seed in (3, 3, 4)
    )
    maps = first.get_layer("maps").get_weights()
    np.testing.assert_array_equal(maps[0], again.get_layer("maps").get_weights()[0])
    assert not np.array_equal(maps[0], other.get_layer("maps").get_weights()[0])
    # Faces are preprocessed as the named network requires.
    network = known.build(weights=None, include_top=False, input_shape=(16, 16, 3))
    network.set_weights(maps)
    prepared = known.preprocess(videos.X[:, 0].astype(np.float32))
    expected = network.predict_on_batch(prepared).mean(axis=(1, 2))
    found = keras.Model(first.input, first.get_layer("face_features").output)
    np.testing.assert_allclose(
        found.predict_on_batch(videos.X[:, 0]), expected, rtol=1e-4, atol=1e-3
    )


# -- warm start and partial_fit --------------------------------------------------


def test_refit_is_identical_however_many_slots_are_empty(
    learnt: Bunch, gappy: Bunch
) -> None:
    longer = np.concatenate([gappy.X, np.zeros_like(gappy.X[:, :1])], axis=1)
    again = new(learnt).fit(longer, gappy.y)
    assert again.history_ == learnt.history
    assert again.head_history_ == learnt.head_history
    assert changed(learnt.after, by_layer(again.model_)) == set()


def test_clone_has_the_parameters_and_nothing_that_was_learnt(learnt: Bunch) -> None:
    loaded = pickle.loads(learnt.content)
    for detector in (clone(loaded), loaded):
        params = detector.get_params()
        assert repr(params.pop("head")) == repr(learnt.params["head"])
        assert params == {name: learnt.params[name] for name in params}
    assert set(vars(loaded)) > {"model_", "head_history_", "n_blocks_"}
    for name in ("model_", "head_history_", "n_blocks_"):
        assert not hasattr(clone(loaded), name)


def test_loaded_detector_answers_and_learns_as_if_it_had_never_been_away(
    learnt: Bunch, gappy: Bunch
) -> None:
    loaded = pickle.loads(learnt.content)
    np.testing.assert_array_equal(loaded.predict_proba(gappy.X), learnt.answers)
    assert loaded.head_history_ == learnt.head_history
    loaded.partial_fit(gappy.X, gappy.y)
    assert loaded.history_["loss"] == pytest.approx(learnt.longer, rel=1e-5)
    assert len(loaded.history_["loss"]) == 3
    # Frozen layers stay frozen.
    assert changed(learnt.after, by_layer(loaded.model_)) == {"conv2", "norm2", *HEAD}
    for name, weights in by_layer(loaded.model_).items():
        for found, expected in zip(weights, learnt.further[name], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
