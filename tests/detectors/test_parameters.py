"""Parameters follow scikit-learn's conventions, including routed parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import Bunch

from skdeepfake.detectors import (
    CNNDetector,
    CNNRNNDetector,
    GANDetector,
    Generator,
    Head,
    TransferDetector,
)

DEFAULTS = {
    "filters": (32, 64, 128),
    "kernel_size": 3,
    "pool_size": 2,
    "conv_dropout": 0.25,
    "dense_units": 128,
    "dropout": 0.5,
    "momentum": 0.99,
    "rescale": 1 / 255,
    "learning_rate": 1e-4,
    "optimizer": "adam",
    "batch_size": 32,
    "epochs": 50,
    "validation_fraction": 0.1,
    "aggregation": "mean",
    "no_face": "prior",
    "class_weight": None,
    "augment": None,
    "fake_source": "labels",
    "callbacks": None,
    "warm_start": False,
    "random_state": None,
    "verbose": 0,
}


def test_parameters_are_those_of_the_constructor() -> None:
    assert CNNDetector().get_params() == DEFAULTS


def test_constructor_stores_what_it_gets() -> None:
    values = {name: object() for name in DEFAULTS}
    detector = CNNDetector(**values)
    assert vars(detector) == values


def test_set_params_and_get_params_agree() -> None:
    detector = CNNDetector()
    assert detector.set_params(epochs=3, filters=(4,)) is detector
    assert detector.set_params() is detector
    assert detector.get_params() == {**DEFAULTS, "epochs": 3, "filters": (4,)}


def test_parameters_of_default_objects_can_be_set() -> None:
    detector = TransferDetector()
    detector.set_params(head__epochs=0, callbacks__patience=None)
    assert detector.head.get_params() == {**Head().get_params(), "epochs": 0}
    assert detector.callbacks.patience is None
    detector.set_params(head=Head(dropout=0.5), head__epochs=1)
    assert (detector.head.dropout, detector.head.epochs) == (0.5, 1)
    assert detector.get_params()["head__pooling"] == "avg"


def test_signature_shows_the_parameters_of_the_bases_once() -> None:
    parameters = inspect.signature(TransferDetector).parameters
    assert [name for name in parameters if name != "routed"] == [
        *("backbone", "weights", "trainable", "head", "augment", "fake_source"),
        *("learning_rate", "optimizer", "batch_size", "epochs"),
        *("validation_fraction", "callbacks", "aggregation", "no_face"),
        *("class_weight", "warm_start", "random_state", "verbose"),
    ]
    assert parameters["epochs"].default == 20


@pytest.mark.parametrize(
    ("name", "meant"), [("epoch", "epochs"), ("filter", "filters")]
)
def test_misspelled_parameter_is_answered_with_a_known_one(
    name: str, meant: str
) -> None:
    with pytest.raises(TypeError, match=rf"argument '{name}'. Did you mean '{meant}'"):
        CNNDetector(**{name: 3})


@pytest.mark.parametrize(
    "detector", [CNNDetector, CNNRNNDetector, GANDetector, TransferDetector]
)
def test_number_of_parameters_stays_small(detector: type) -> None:
    assert len(detector().get_params(deep=False)) <= 22


def test_completion_suggests_what_works_here() -> None:
    found = {name for name in dir(CNNDetector()) if not name.startswith("_")}
    requests = {f"set_{name}_request" for name in ("fit", "partial_fit", "score")}
    assert found == {
        *(DEFAULTS.keys() | requests),
        *("fit", "partial_fit", "initialize", "build_network", "score"),
        *("predict", "predict_proba", "predict_frame_proba", "predict_frame_weights"),
        *(
            "aggregate_proba",
            "predict_person_proba",
            "get_params",
            "set_params",
            "get_metadata_routing",
        ),
        *("current_epoch", "frame_ndim", "initialized_"),
    }


def test_routed_parameters_are_parameters() -> None:
    detector = CNNDetector(optimizer__clipnorm=0.5)
    detector.set_params(optimizer__beta_1=0.8)
    routed = {"optimizer__clipnorm": 0.5, "optimizer__beta_1": 0.8}
    assert detector.get_params() == {**DEFAULTS, **routed}
    assert detector.get_params(deep=False) == {**DEFAULTS, **routed}
    detector.set_params(optimizer__clipnorm=0.1)
    assert detector.get_params()["optimizer__clipnorm"] == 0.1


def test_routed_parameters_reach_the_optimizer(
    tiny: Callable[..., CNNDetector], videos: Bunch
) -> None:
    detector = tiny(optimizer="adam", optimizer__clipnorm=0.5)
    detector.set_params(optimizer__beta_1=0.8).initialize(videos.X, videos.y)
    optimizer = detector.model_.optimizer
    assert (optimizer.clipnorm, optimizer.beta_1, optimizer.beta_2) == (0.5, 0.8, 0.999)


def test_routed_parameter_that_the_optimizer_does_not_know_is_named(
    tiny: Callable[..., CNNDetector], videos: Bunch
) -> None:
    with pytest.raises((TypeError, ValueError), match="nonsense"):
        tiny(optimizer__nonsense=1).fit(videos.X, videos.y)


@pytest.mark.parametrize(
    "name",
    ["epoch", "optimizer_clipnorm", "optimizr__clipnorm", "model", "loss", "fit__x"],
)
def test_unknown_parameters_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"CNNDetector.*unexpected keyword.*'{name}'"):
        CNNDetector(**{name: 1})
    detector = CNNDetector()
    with pytest.raises(ValueError, match="Invalid parameter"):
        detector.set_params(**{name: 1})
    assert detector.get_params() == DEFAULTS


def test_parameters_are_keyword_only() -> None:
    with pytest.raises(TypeError, match="positional"):
        CNNDetector((32,))


class Callback(keras.callbacks.Callback):
    """Do nothing."""


def test_clone_keeps_every_parameter_and_nothing_that_was_learnt(
    fitted: CNNDetector,
) -> None:
    detector = clone(fitted)
    assert detector.get_params() == fitted.get_params()
    assert not any(name.endswith("_") for name in vars(detector))

    rich = CNNDetector(
        filters=[3, 4],
        optimizer__clipnorm=0.5,
        class_weight={0: 1, 1: 2},
        random_state=np.random.RandomState(0),
    )
    copy = clone(clone(rich))
    params = copy.get_params()
    assert params.pop("random_state").randint(1000) == 684
    assert params == {k: v for k, v in rich.get_params().items() if k in params}


def test_clone_copies_objects_among_the_parameters() -> None:
    detector = CNNDetector(
        callbacks=[Callback()], optimizer=keras.optimizers.SGD(0.25, momentum=0.5)
    )
    copy = clone(detector)
    assert [type(callback) for callback in copy.callbacks] == [Callback]
    assert copy.callbacks[0] is not detector.callbacks[0]
    assert type(copy.optimizer) is keras.optimizers.SGD
    assert copy.optimizer.get_config() == detector.optimizer.get_config()


def test_repr_shows_what_is_not_default() -> None:
    detector = CNNDetector(epochs=3, optimizer__clipnorm=0.5)
    assert repr(detector) == "CNNDetector(epochs=3, optimizer__clipnorm=0.5)"
    assert repr(CNNDetector()) == "CNNDetector()"
    assert "optimizer__clipnorm" in detector._repr_html_()


def test_fit_does_not_change_parameters(
    tiny: Callable[..., CNNDetector], videos: Bunch, trainings: list[Bunch]
) -> None:
    params = {
        "filters": [2],
        "class_weight": {0: 1, 1: 2},
        "callbacks": [Callback()],
        "optimizer": keras.optimizers.SGD(0.25),
        "validation_fraction": 0.5,
    }
    detector = tiny(**params)
    before = detector.get_params()
    detector.fit(videos.X, videos.y).predict(videos.X)
    after = detector.get_params()
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert params["filters"] == [2]
    assert params["class_weight"] == {0: 1, 1: 2}
    assert not params["optimizer"].built


def test_optimizer_instance_serves_two_trainings(
    tiny: Callable[..., CNNDetector], videos: Bunch
) -> None:
    optimizer = keras.optimizers.Adam(0.1)
    first, second = (
        tiny(optimizer=optimizer).fit(videos.X, videos.y).predict_proba(videos.X)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", -1e-3),
        ("learning_rate", "fast"),
        ("optimizer", None),
        ("optimizer", "gradient ascent"),
        ("batch_size", 0),
        ("batch_size", 1.5),
        ("epochs", 0),
        ("epochs", None),
        ("validation_fraction", 0),
        ("validation_fraction", 1.0),
        ("validation_fraction", -0.1),
        ("callbacks__monitor", "val_accuracy"),
        ("callbacks__patience", 0),
        ("callbacks__lr_factor", 1.0),
        ("callbacks__lr_factor", 0),
        ("callbacks__lr_patience", -1),
        ("callbacks__min_lr", -1e-9),
        ("aggregation", "average"),
        ("aggregation", None),
        ("no_face", "skip"),
        ("class_weight", "even"),
        ("class_weight", [1, 2]),
        ("callbacks", Callback()),
        ("warm_start", "yes"),
        ("random_state", "seed"),
        ("verbose", "loud"),
        ("filters", 32),
        ("filters", "ab"),
        ("filters", (32, 0)),
        ("filters", (-1,)),
        ("filters", (2.5,)),
        ("filters", ("many",)),
        ("filters", None),
        ("kernel_size", 0),
        ("kernel_size", (3, 3)),
        ("pool_size", 0),
        ("conv_dropout", 1.0),
        ("conv_dropout", -0.1),
        ("dense_units", 0),
        ("dense_units", 1.5),
        ("dropout", 1.0),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("rescale", 0),
    ],
)
def test_bad_values_are_refused_by_name(
    name: str,
    value: Any,
    tiny: Callable[..., CNNDetector],
    videos: Bunch,
    trainings: list[Bunch],
) -> None:
    # The constructor does not validate.
    detector = tiny().set_params(**{name: value})
    with pytest.raises(ValueError, match=rf"\b{name.rpartition('__')[2]}\b"):
        detector.fit(videos.X, videos.y)
    assert not trainings


@pytest.mark.parametrize("method", ["fit", "partial_fit", "initialize"])
def test_every_training_checks_the_parameters(
    method: str, tiny: Callable[..., CNNDetector], videos: Bunch
) -> None:
    with pytest.raises(ValueError, match="'batch_size' parameter of CNNDetector"):
        getattr(tiny(batch_size=0), method)(videos.X, videos.y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", np.int64(8)),
        ("learning_rate", 1),
        ("validation_fraction", None),
        ("callbacks__patience", None),
        ("callbacks__lr_patience", None),
        ("callbacks__min_lr", 0),
        ("class_weight", "balanced"),
        ("callbacks", []),
        ("filters", [np.int64(2)]),
        ("conv_dropout", 0),
        ("dropout", 0.0),
        ("momentum", 0),
        ("rescale", 1),
    ],
)
def test_values_at_the_edge_pass(
    name: str,
    value: Any,
    tiny: Callable[..., CNNDetector],
    videos: Bunch,
    trainings: list[Bunch],
) -> None:
    tiny().set_params(**{name: value}).fit(videos.X, videos.y)
    assert len(trainings) == 1


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize(
    "detector",
    [
        CNNDetector(filters=(4,), dense_units=4),
        GANDetector(discriminator_filters=(4,), generator=Generator(filters=(4,))),
        TransferDetector(
            backbone="vgg16", weights=None, head=Head(epochs=0), trainable="top"
        ),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_image_data_format_of_keras_does_not_matter(channels_first, detector):
    X = np.full((2, 1, 32, 32, 3), 99, np.uint8)
    detector = clone(detector).set_params(epochs=1, batch_size=2, random_state=0)
    if "validation_fraction" in detector.get_params():
        detector.set_params(validation_fraction=None)
    assert detector.fit(X, [0, 1]).predict_proba(X).shape == (2, 2)
    assert keras.config.image_data_format() == "channels_first"


@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_group_is_named(videos, tiny, missing):
    groups = np.array(["a", *[missing] * 9], dtype=object)
    with pytest.raises(ValueError, match=r"contains NaN or None for samples 1"):
        tiny(validation_fraction=0.5).fit(videos.X, videos.y, groups=groups)


def test_tensors_are_taken_as_arrays(videos, tiny):
    X = keras.ops.convert_to_tensor(np.array(videos.X))
    detector = tiny().fit(X, videos.y)
    np.testing.assert_array_equal(
        detector.predict_proba(X), detector.predict_proba(videos.X)
    )
