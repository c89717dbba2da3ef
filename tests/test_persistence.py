"""Models survive saving and loading, and malicious files are rejected."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import runpy
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import joblib
import keras
import numpy as np
import pytest
import skops.io
from keras import layers
from keras.src.applications.convnext import LayerScale
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

import skdeepfake
from skdeepfake import (
    CNNDetector,
    CNNRNNDetector,
    KerasFeaturizer,
    TransferDetector,
    _zip_members,
    persistence,
)
from skdeepfake._backbones import BACKBONES, Backbone
from skdeepfake._keras._packing import pack, unpack
from skdeepfake._keras._trust import OF_THE_PAPER
from skdeepfake.augmentation import (
    BaseAugmentation,
    KerasAugmentation,
    RandomAffine,
    RandomBlur,
    RandomColor,
    RandomDownscale,
    RandomErasing,
    RandomFlip,
    RandomJPEG,
    RandomNoise,
    RandomVideoCompression,
)
from skdeepfake.detectors import (
    Attention,
    BaseDetector,
    Head,
    ImageDetector,
    _archive,
)
from skdeepfake.exceptions import (
    ModelFileError,
    ModelVersionWarning,
    UntrustedModelError,
)
from skdeepfake.preprocessing import DlibFaceCropper, Resizer

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["cnn", "cnn_rnn", "gan"]
_models = runpy.run_path(str(ROOT / "tests" / "models" / "write_models.py"))
fitted_pipeline, INPUTS = _models["fitted_pipeline"], _models["inputs"]()


@pytest.fixture(scope="module")
def pipelines() -> dict[str, Any]:
    """Return a fitted pipeline of each kind. Tests must not change them."""
    return {name: fitted_pipeline(name) for name in NAMES}


@pytest.fixture(scope="module")
def content(pipelines: dict[str, Any], tmp_path_factory: Any) -> bytes:
    """Return the content of the file of a CNN."""
    path = tmp_path_factory.mktemp("safe") / "model.skops"
    persistence.save(pipelines["cnn"][-1], path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.skops"


def proba(estimator: Any, name: str = "cnn") -> np.ndarray:
    return getattr(estimator, "_final_estimator", estimator).predict_proba(INPUTS[name])


# -- round trips ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_round_trip_keeps_the_answers_and_all_that_was_learnt(
    name: str, pipelines: dict[str, Any], path: Path
) -> None:
    pipeline = pipelines[name]
    persistence.save(pipeline, path)
    loaded = persistence.load(path)
    np.testing.assert_array_equal(proba(loaded, name), proba(pipeline, name))
    assert repr(loaded) == repr(pipeline)
    for (step, before), after in zip(pipeline.steps, loaded, strict=True):
        assert type(after) is type(before), step
        assert set(vars(after)) <= set(vars(before))
        assert repr(after.get_params()) == repr(before.get_params())
    assert loaded[-1].history_ == pipeline[-1].history_
    assert loaded[-1].classes_.tolist() == [0, 1]
    assert loaded[-1].frame_dtype_ == INPUTS[name].dtype


@pytest.mark.parametrize(
    ("cell", "bidirectional", "sequence"),
    [("lstm", True, "temporal"), ("gru", True, "spatial"), ("gru", False, "temporal")],
)
def test_networks_of_all_parameters_are_trusted(
    cell: str, bidirectional: bool, sequence: str, path: Path
) -> None:
    detector = CNNRNNDetector(
        units=(2, 2), cell=cell, bidirectional=bidirectional, sequence=sequence
    ).set_params(dropout=0.1, random_state=0)
    detector.initialize(INPUTS["cnn_rnn"], [0, 1] * 3)
    persistence.save(detector, path)
    loaded = persistence.load(path)
    np.testing.assert_array_equal(proba(loaded, "cnn_rnn"), proba(detector, "cnn_rnn"))


def test_pipeline_answers_for_videos_in_a_new_process(
    rendered_videos: Bunch,
    path: Path,
    answers_of_a_new_process: Callable[..., np.ndarray],
) -> None:
    pipeline = skdeepfake.make_detector_pipeline(
        "cnn", n_frames=2, size=(16, 16), filters=(2,), dense_units=2, epochs=1
    ).set_params(detector__validation_fraction=None, detector__random_state=0)
    some = [0, 1, -2, -1]  # two of each class
    pipeline.fit(rendered_videos.data[some], rendered_videos.target[some])
    persistence.save(pipeline, path)
    videos = rendered_videos.data[:2]
    np.testing.assert_allclose(
        answers_of_a_new_process(path, videos),
        pipeline.predict_proba(videos),
        atol=1e-6,
    )


def test_file_is_about_as_large_as_the_weights(path: Path) -> None:
    detector = CNNDetector(filters=(2,), dense_units=5000, random_state=0)
    detector.partial_fit(INPUTS["cnn"], [0, 1] * 3)
    weights = sum(weight.nbytes for weight in detector.model_.get_weights())
    assert weights > 700_000
    persistence.save(detector, path)
    assert 0.8 * weights < path.stat().st_size < 1.1 * weights + 50_000
    persistence.save(detector, path, optimizer=True)
    assert path.stat().st_size > 2 * weights


def test_parameters_of_all_plain_types_come_back(path: Path) -> None:
    params = {
        "filters": np.array([2, 3]),
        "class_weight": {0: 1.0, 1: 2.0},
        "learning_rate": np.float64(0.5),
        "batch_size": np.int64(3),
        "optimizer": "sgd",
        "optimizer__clipnorm": 1.5,
    }
    persistence.save(CNNDetector(**params), path)
    loaded = persistence.load(path).get_params()
    assert loaded["filters"].tolist() == [2, 3]
    assert {k: loaded[k] for k in [*params][1:]} == {
        k: params[k] for k in [*params][1:]
    }


# -- resuming training ---------------------------------------------------------------


def round_trip(estimator: Any, path: Path, kind: str, *, optimizer: bool) -> Any:
    if kind == "skops":
        persistence.save(estimator, path, optimizer=optimizer)
        return persistence.load(path)
    with persistence.keep_optimizer(optimizer):
        joblib.dump(estimator, path)
    return joblib.load(path)


@pytest.mark.parametrize(
    ("name", "kind"), [("cnn", "skops"), ("cnn_rnn", "joblib"), ("gan", "skops")]
)
def test_training_goes_on_as_if_nothing_had_happened(
    name: str, kind: str, path: Path
) -> None:
    X, y = INPUTS[name], [0, 1] * 3
    detector = fitted_pipeline(name, dropout=0.3)[-1]
    detector.model_.optimizer.learning_rate.assign(0.02)  # like a callback
    kept = round_trip(detector, path, kind, optimizer=True)
    forgot = round_trip(detector, path, kind, optimizer=False)
    made_when_needed = {"_trained"}
    assert set(vars(kept)) - made_when_needed == set(vars(forgot))
    assert set(vars(kept)) <= set(vars(detector))
    for one in (detector, kept, forgot):
        one.partial_fit(X, y)
    for network in filter(vars(detector).get, detector._networks):
        expected, found, other = (
            getattr(one, network).get_weights() for one in (detector, kept, forgot)
        )
        for before, after in zip(expected, found, strict=True):
            np.testing.assert_array_equal(after, before)
        assert not np.array_equal(expected[0], other[0])
    assert int(kept.model_.optimizer.iterations) == 2
    assert float(kept.model_.optimizer.learning_rate) == pytest.approx(0.02)


def test_warm_start_goes_on_too(path: Path) -> None:
    X, y = INPUTS["cnn"], [0, 1] * 3
    detector = fitted_pipeline("cnn", warm_start=True)[-1]
    loaded = round_trip(detector, path, "skops", optimizer=True)
    np.testing.assert_array_equal(proba(loaded.fit(X, y)), proba(detector.fit(X, y)))
    assert int(loaded.model_.optimizer.iterations) == 2


def test_detector_that_was_only_initialized_keeps_its_optimizer(path: Path) -> None:
    X, y = INPUTS["cnn"], [0, 1] * 3
    detector = CNNDetector(filters=(), dense_units=2, random_state=0).initialize(X, y)
    loaded = round_trip(detector, path, "skops", optimizer=True)
    np.testing.assert_array_equal(
        proba(loaded.partial_fit(X, y)), proba(detector.partial_fit(X, y))
    )


def test_state_of_another_optimizer_is_refused(
    pipelines: dict[str, Any], path: Path
) -> None:
    with persistence.keep_optimizer():
        state = pipelines["cnn"][-1].__getstate__()
    detector = object.__new__(CNNDetector)
    with pytest.raises(ModelFileError, match="state of the optimizer does not match"):
        detector.__setstate__({**state, "optimizer": "sgd"})


# -- versions ------------------------------------------------------------------------


@pytest.mark.parametrize("dumps", [pickle.dumps, skops.io.dumps])
@pytest.mark.parametrize("estimator", [Resizer((8, 8)), CNNDetector(filters=(3,))])
def test_other_version_warns_and_names_both(
    estimator: Any, dumps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(content: bytes) -> Any:
        if dumps is pickle.dumps:
            return pickle.loads(content)
        return skops.io.loads(
            content, trusted=skops.io.get_untrusted_types(data=content)
        )

    content, name = dumps(estimator), type(estimator).__name__
    assert load(content).get_params() == estimator.get_params()  # without a warning
    monkeypatch.setattr(skdeepfake, "__version__", "9.8.7")
    with pytest.warns(InconsistentVersionWarning) as caught:
        loaded = load(content)
    assert [w.category for w in caught] == [ModelVersionWarning]
    message = str(caught[0].message)
    assert message.startswith(f"{name} was saved with skdeepfake 0.1.0")
    assert "is loaded with skdeepfake 9.8.7" in message
    assert (f"keras {keras.__version__}" in message) == (name == "CNNDetector")
    # The versions are not part of the estimator.
    assert set(vars(loaded)) == set(vars(estimator))
    assert repr(loaded) == repr(clone(loaded)) == repr(estimator)


def test_state_without_versions_is_of_an_unknown_one() -> None:
    state = {k: v for k, v in Resizer().__getstate__().items() if k in vars(Resizer())}
    resizer = object.__new__(Resizer)
    with pytest.warns(ModelVersionWarning, match="Resizer was saved with an unknown"):
        resizer.__setstate__(state)
    assert vars(resizer) == vars(Resizer())


def test_warning_that_is_an_error_is_not_taken_for_damage(
    content: bytes, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(content)
    monkeypatch.setattr(keras, "__version__", "9.8.7")
    with pytest.raises(ModelVersionWarning, match=r"is loaded with .* keras 9\.8\.7"):
        persistence.load(path)


# -- what cannot be saved ------------------------------------------------------------


def backbone() -> keras.Model:
    return keras.Sequential([layers.Input((8, 8, 3)), layers.Flatten()])


class WithCropping(CNNDetector):
    """Custom detector with a layer that no other detector uses."""

    def __init__(self, *, random_state: Any = None) -> None:
        super().__init__(random_state=random_state)

    def build_network(self) -> keras.Model:
        inputs = keras.Input(self.frame_shape_, dtype="uint8")
        x = layers.Cropping2D()(layers.Rescaling(1 / 255)(inputs))
        x = layers.Flatten()(x)
        return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CNNDetector(callbacks=[lambda: 0]), r"<lambda>"),
        (lambda: KerasFeaturizer(backbone), r"test_persistence\.backbone"),
        (
            lambda: KerasFeaturizer(backbone()),
            "'backbone' contains the Keras object Sequential",
        ),
        (
            lambda: CNNDetector(optimizer=keras.optimizers.Adam()),
            "'optimizer' contains the Keras object Adam",
        ),
        (lambda: CNNDetector(optimizer=keras.optimizers.Adam), r"adam\.Adam"),
        (
            lambda: CNNDetector(callbacks=[keras.callbacks.TerminateOnNaN()]),
            "'callbacks' contains the Keras object TerminateOnNaN",
        ),
        (
            lambda: CNNDetector(
                optimizer__learning_rate={"class_name": "get_file", "module": "keras"}
            ),
            r"keras\.get_file",
        ),
        (lambda: DlibFaceCropper(memory=joblib.Memory("x")), r"joblib\.memory\.Memory"),
    ],
)
def test_what_would_not_be_loaded_is_not_saved(
    make: Callable[[], Any], message: str, path: Path
) -> None:
    path.write_bytes(b"old")
    with pytest.raises(UntrustedModelError, match=message) as raised:
        persistence.save(make(), path)
    assert "cannot be saved safely" in str(raised.value)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_own_detectors_and_layers_are_loaded_when_they_are_named(path: Path) -> None:
    X = INPUTS["cnn"]
    detector = WithCropping(random_state=0).initialize(X, [0, 1] * 3)
    own, layer = f"{__name__}.WithCropping", "keras.layers.Cropping2D"
    for trusted, missing in (([], layer), ([own], layer), ([layer], own)):
        with pytest.raises(UntrustedModelError, match=missing):
            persistence.save(detector, path, trusted=trusted)
    persistence.save(detector, path, trusted=[own, layer])
    with pytest.raises(UntrustedModelError, match=f"model.skops.*{own}"):
        persistence.load(path)
    with pytest.raises(UntrustedModelError, match=f"model.skops.*{layer}"):
        persistence.load(path, trusted=[own])
    loaded = persistence.load(path, trusted=[own, layer])
    np.testing.assert_array_equal(proba(loaded), proba(detector))
    # Pickles are not checked.
    np.testing.assert_array_equal(
        proba(pickle.loads(pickle.dumps(detector))), proba(detector)
    )


@keras.saving.register_keras_serializable(package="mine")
class Gate(layers.Layer):
    """Custom layer that is registered in Keras."""

    def __init__(self, start: float = 0.5, **params: Any) -> None:
        super().__init__(**params)
        self.start = start
        self.gate = self.add_weight(shape=(), initializer="ones")

    def call(self, maps: Any) -> Any:
        return maps * self.gate * self.start

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start}


def gated() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, Gate(0.25, name="own_gate")(layers.Conv2D(2, 3)(inputs)))


@pytest.mark.parametrize("name", [f"{__name__}.Gate", "mine>Gate"])
def test_registered_layer_is_loaded_by_either_of_its_names(
    name: str, path: Path
) -> None:
    X = INPUTS["cnn"]
    detector = TransferDetector(backbone=gated).initialize(X, [0, 1] * 3)
    detector.model_.get_layer("own_gate").set_weights([np.array(0.75)])
    trusted = [f"{__name__}.gated", name]
    with pytest.raises(UntrustedModelError, match=r"contains .*\.Gate,"):
        persistence.save(detector, path, trusted=[trusted[0]])
    persistence.save(detector, path, trusted=trusted)
    with pytest.raises(UntrustedModelError, match=r"contains .*\.Gate,"):
        persistence.load(path, trusted=[trusted[0]])
    loaded = persistence.load(path, trusted=trusted)
    np.testing.assert_array_equal(proba(loaded), proba(detector))


def test_arguments_are_checked(path: Path) -> None:
    with pytest.raises(TypeError, match="dict is not a scikit-learn estimator"):
        persistence.save({}, path)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="trusted='keras' must be a list"):
        persistence.load(path, trusted="keras")


def test_file_that_cannot_be_written_whole_leaves_the_old_one(
    path: Path, full_disk: Callable[[int], None]
) -> None:
    path.write_bytes(b"old")
    full_disk(0)
    with pytest.raises(OSError, match="No space left"):
        persistence.save(Resizer(), path)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_without_skops_the_extra_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "skops"]:
        monkeypatch.setitem(sys.modules, name, None)
    for call in (
        lambda: persistence.save(Resizer(), path),
        lambda: persistence.load(path),
    ):
        with pytest.raises(ImportError, match=r'pip install "skdeepfake\[safe\]"'):
            call()


def test_all_estimators_of_the_library_are_trusted(path: Path) -> None:
    public = {
        getattr(module, name)
        for module in (
            skdeepfake,
            skdeepfake.augmentation,
            skdeepfake.detectors,
            skdeepfake.features,
            skdeepfake.streams,
            skdeepfake.synthesis,
        )
        for name in module.__all__
    } - {BaseAugmentation, BaseDetector, ImageDetector}
    classes = {c for c in public if isinstance(c, type) and hasattr(c, "get_params")}
    ours = {f"{c.__module__}.{c.__qualname__}" for c in classes}
    # Names in files of older versions.
    moved = {
        "skdeepfake.detectors._gan.Generator",
        "skdeepfake.detectors._transfer.Head",
    }
    trusted = {n for n in persistence._TRUSTED if n.startswith("skdeepfake.")}
    assert trusted - moved == ours
    scikit = LogisticRegression().fit([[0], [1]], [0, 1])
    persistence.save(scikit, path)
    assert persistence.load(path).predict([[5]]) == [1]


# -- invalid files -------------------------------------------------------------------


class Bomb:
    """Object that runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Return the folder that malicious files create if their code runs."""
    return tmp_path / "it has run"


@pytest.mark.parametrize(
    "compress", [None, 0, 3], ids=["pickle", "joblib", "compressed"]
)
def test_pickle_is_not_unpickled(
    compress: int | None, path: Path, marker: Path
) -> None:
    if compress is None:
        path.write_bytes(pickle.dumps(Bomb(marker)))
    else:
        # The file contains a zip archive, like the pickle of a network.
        joblib.dump([Bomb(marker), archive_of(a=b"x")], path, compress=compress)
    with pytest.raises(
        ModelFileError, match=r"model\.skops.*A joblib file is a pickle"
    ):
        persistence.load(path)
    assert not marker.exists()
    joblib.load(path)
    assert marker.exists()  # unpickling does run the code


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b""), "not written by persistence.save"),
        (lambda path: path.write_text("a text"), "not written by persistence.save"),
        (
            lambda path: zipfile.ZipFile(path, "w").close(),
            "not written by persistence.save",
        ),
        (lambda path: path.write_bytes(archive_of(a=b"x")), r"schema\.json"),
        (
            lambda path: skops.io.dump({"a": 1}, path),
            "contains a dict; expected an estimator",
        ),
    ],
)
def test_what_is_no_model_is_named(
    prepare: Callable[[Path], Any], message: str, path: Path
) -> None:
    prepare(path)
    with pytest.raises(ModelFileError, match=message) as raised:
        persistence.load(path)
    assert "model.skops" in str(raised.value)


def test_truncated_file_is_named(content: bytes, path: Path) -> None:
    for share in (0.001, 0.1, 0.5, 0.9, 0.99, 0.999):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ModelFileError, match=r"model\.skops.*or is incomplete"):
            persistence.load(path)


def test_flipped_bit_is_found_or_changes_nothing(
    content: bytes, path: Path, pipelines: dict[str, Any]
) -> None:
    expected, found = proba(pipelines["cnn"]), 0
    for place in range(3, len(content), len(content) // 60):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(proba(persistence.load(path)), expected)
        except (ModelFileError, UntrustedModelError) as error:
            assert "model.skops" in str(error)  # noqa: PT017
            found += 1
    assert found > 50


# -- malicious files -----------------------------------------------------------------


def archive_of(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def rewritten(
    archive: bytes, edit: Callable[[str, bytes], bytes], **extra: bytes
) -> bytes:
    """Rewrite an archive with changed members."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as old,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, edit(name, old.read(name)))
        for name, member in extra.items():
            new.writestr(name, member)
    return content.getvalue()


def with_network(content: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    """Change the network in the file of a detector."""
    return rewritten(
        content, lambda name, old: edit(old) if name.endswith(".bin") else old
    )


def with_member(
    content: bytes, member: str, edit: Callable[[bytes], bytes], **extra: bytes
) -> bytes:
    """Change a member of the network archive in the file of a detector."""

    def edit_network(archive: bytes) -> bytes:
        return rewritten(
            archive, lambda name, old: edit(old) if name == member else old, **extra
        )

    return with_network(content, edit_network)


def refusal(content: bytes, path: Path, *, trusted: Any = ()) -> str:
    path.write_bytes(content)
    with pytest.raises(UntrustedModelError) as raised:
        persistence.load(path, trusted=trusted)
    message = str(raised.value)
    assert message.startswith(f"{str(path)!r} cannot be loaded: ")
    return message


def test_file_written_again_as_it_was_is_loaded(
    content: bytes, path: Path, pipelines: dict[str, Any]
) -> None:
    # Rewriting itself is harmless. The tests below rely on this.
    path.write_bytes(with_member(content, "config.json", lambda old: old))
    np.testing.assert_array_equal(
        proba(persistence.load(path)), proba(pipelines["cnn"])
    )


def layer(module: Any, name: str, registered: Any = None, **config: Any) -> Any:
    return {
        "module": module,
        "class_name": name,
        "config": {"name": "hostile", **config},
        "registered_name": registered,
    }


def with_layer(content: bytes, hostile: Any) -> bytes:
    """Replace the first layer after the input."""

    def edit(config: bytes) -> bytes:
        network = json.loads(config)
        replaced = network["config"]["layers"][1]
        hostile["inbound_nodes"] = replaced["inbound_nodes"]
        hostile["name"] = hostile["config"]["name"] = replaced["name"]
        network["config"]["layers"][1] = hostile
        return json.dumps(network).encode()

    return with_member(content, "config.json", edit)


def lambda_layer(marker: Path) -> Any:
    return keras.saving.serialize_keras_object(
        layers.Lambda(lambda x, m=str(marker): (__import__("os").mkdir(m), x)[1])
    )


def test_lambda_layer_is_refused(content: bytes, path: Path, marker: Path) -> None:
    hostile = with_layer(content, lambda_layer(marker))
    message = refusal(hostile, path)
    assert "keras.layers.Lambda" in message
    assert "__lambda__" in message
    # Even if the names are trusted, the safe mode of Keras rejects the layer.
    with pytest.raises(ModelFileError, match="lambda"):
        persistence.load(path, trusted=["keras.layers.Lambda", "__lambda__"])
    assert not marker.exists()


def test_network_is_trusted_after_a_model_was_copied(
    pipelines: dict[str, Any], path: Path
) -> None:
    """Copying makes scikeras register the class of Keras as ">Functional"."""
    detector = pipelines["cnn"][-1]
    copy.deepcopy(detector.model_)
    registered = keras.saving.get_registered_name(type(detector.model_))
    assert registered == ">Functional"
    persistence.save(detector, path)
    np.testing.assert_array_equal(proba(persistence.load(path)), proba(detector))


@keras.saving.register_keras_serializable(package="elsewhere")
class Registered(layers.Layer):
    """Layer registered by the application, which a file may name."""


@pytest.mark.parametrize(
    ("hostile", "name"),
    [
        (layer("os", "system", command="x"), "os.system"),
        (layer("builtins", "exec"), "builtins.exec"),
        (layer("keras.layers", "StringLookup", vocabulary="x"), "layers.StringLookup"),
        (layer("keras.layers", "TFSMLayer", filepath="x"), "keras.layers.TFSMLayer"),
        (layer("keras.utils", "get_file"), "keras.utils.get_file"),
        (layer("keras.src.models.cloning", "clone_model"), "cloning.clone_model"),
        (layer("keras.layers", "Rescaling", "elsewhere>Registered"), "elsewhere>Reg"),
        (layer(None, "Rescaling", scale=1), "None.Rescaling"),
        (layer("keras.layers", "Rescaling", scale={"class_name": "X"}), "None.X"),
        (layer("keras.layers", "Rescaling", dtype="elsewhere>Registered"), "elsewhere"),
        (
            layer(
                "keras.layers",
                "Activation",
                activation={
                    "class_name": "function",
                    "module": "keras.utils",
                    "config": "get_file",
                    "registered_name": "get_file",
                },
            ),
            "keras.utils.function",
        ),
    ],
)
def test_network_of_anything_else_is_refused_by_name(
    hostile: Any, name: str, content: bytes, path: Path
) -> None:
    message = refusal(with_layer(content, hostile), path)
    assert "its network contains" in message
    assert name in message


def test_network_in_another_form_is_refused(
    content: bytes, path: Path, marker: Path
) -> None:
    path.write_bytes(with_network(content, lambda _: pickle.dumps(Bomb(marker))))
    with pytest.raises(ModelFileError, match="not a zip file"):
        persistence.load(path)
    assert not marker.exists()


def test_state_of_other_types_is_refused(content: bytes, path: Path) -> None:
    def edit(name: str, old: bytes, key: str, value: Any) -> bytes:
        if name != "schema.json":
            return old
        schema = json.loads(old)
        schema["content"]["content"][key] = {
            "__class__": "str",
            "__module__": "builtins",
            "__loader__": "JsonNode",
            "__id__": 1,
            "is_json": True,
            "content": json.dumps(value),
        }
        return json.dumps(schema).encode()

    path.write_bytes(rewritten(content, lambda n, old: edit(n, old, "model_", ["x"])))
    with pytest.raises(ModelFileError, match="network is of type list"):
        persistence.load(path)
    # Keras would call the described function when it compiles the network.
    hostile = layer("keras.utils", "get_file")
    message = refusal(
        rewritten(content, lambda n, old: edit(n, old, "optimizer", hostile)), path
    )
    assert "keras.utils.get_file" in message


def test_estimator_of_an_unknown_type_is_refused_by_name(path: Path) -> None:
    message = refusal(skops.io.dumps(Bunch(a=CNNDetector(callbacks=[print]))), path)
    assert "builtins.print" in message
    assert "add them to `trusted`" in message


# -- sizes ---------------------------------------------------------------------------


def test_network_of_more_weights_than_its_file_is_refused(
    content: bytes, path: Path
) -> None:
    def edit(config: bytes) -> bytes:
        network = json.loads(config)
        last = network["config"]["layers"][-1]
        last["config"]["units"] = 10**10
        return json.dumps(network).encode()

    hostile = with_member(content, "config.json", edit)
    assert "its network has 30000000142 weights, but its file has 141" in refusal(
        hostile, path
    )
    # Keras has no pending variables that it would initialize later.
    with keras.StatelessScope():
        pass


def test_augmentation_of_more_weights_than_its_file_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = layers.Dense(10)
    dense.build((None, 2))
    described = keras.saving.serialize_keras_object([dense])
    described[0]["build_config"]["input_shape"] = [None, 10**10]
    state = {"layers": {"layers": described, "weights": [[]]}, "probability": 1.0}
    monkeypatch.setattr(KerasAugmentation, "__getstate__", lambda _: state)
    path.write_bytes(skops.io.dumps(KerasAugmentation([dense])))
    monkeypatch.undo()
    with pytest.raises(UntrustedModelError, match="network has 100000000010 weights"):
        persistence.load(path)


def test_network_whose_layers_give_more_than_any_does_is_refused(
    content: bytes, path: Path
) -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.ZeroPadding2D(10_000)(inputs))
    network = keras.Model(inputs, layers.Dense(1)(x))
    hostile = with_network(content, lambda _: _archive.pack(network))
    assert f"returns {3 * 20_008**2} numbers per sample" in refusal(hostile, path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda part: layer("keras.layers", "LSTM", units=1, unroll=True), "unroll"),
        (
            lambda part: layer("keras", "Sequential", layers=[part, part]),
            "its network runs more than 3000 layers",
        ),
        (
            lambda part: {
                **layer("keras", "Sequential", layers=[part]),
                "inbound_nodes": [[], []],
            },
            "its network runs more than 3000 layers",
        ),
    ],
)
def test_network_that_takes_hours_to_build_is_refused(
    make: Callable[[Any], Any], message: str, content: bytes, path: Path
) -> None:
    part = layer("keras.layers", "Flatten")
    for _ in range(12):
        part = make(part)
    assert message in refusal(with_layer(content, part), path)


# -- weights -------------------------------------------------------------------------


def with_weights(content: bytes, edit: Callable[[h5py.Group], None]) -> bytes:
    """Change the HDF5 group of the first weights."""

    def edit_weights(old: bytes) -> bytes:
        changed = io.BytesIO(old)
        with h5py.File(changed, "r+") as file:
            edit(file["layers/dense/vars"])
        return changed.getvalue()

    return with_member(content, "model.weights.h5", edit_weights)


def external_link(group: h5py.Group) -> None:
    del group["0"]
    group["0"] = h5py.ExternalLink("secret.h5", "/secret")


def soft_link(group: h5py.Group) -> None:
    del group["0"]
    group["0"] = h5py.SoftLink("/layers/dense/vars/1")


def hard_link(group: h5py.Group) -> None:
    group["again"] = group.parent


def external_storage(group: h5py.Group) -> None:
    shape = group["0"].shape
    del group["0"]
    group.create_dataset("0", shape, "f4", external=[("/etc/passwd", 0, 2**20)])


def virtual(group: h5py.Group) -> None:
    shape = group["0"].shape
    del group["0"]
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "secret", shape=shape)
    group.create_virtual_dataset("0", layout)


def filtered(group: h5py.Group) -> None:
    weights = group["0"][:]
    del group["0"]
    group.create_dataset("0", data=weights, compression="gzip")


def huge(group: h5py.Group) -> None:
    del group["0"]
    group.create_dataset("0", (2**40,), "f4")  # unwritten data take no space


def text(group: h5py.Group) -> None:
    del group["0"]
    group["0"] = "a text"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (external_link, "'/layers/dense/vars/0' are a link"),
        (soft_link, "'/layers/dense/vars/0' are a link"),
        (hard_link, "are stored under two names"),
        (external_storage, "'/layers/dense/vars/0' are not stored uncompressed"),
        (virtual, "'/layers/dense/vars/0' are not stored uncompressed"),
        (filtered, "'/layers/dense/vars/0' are not stored uncompressed"),
        (huge, "its weights have 4398046"),
        (text, "'/layers/dense/vars/0' are not numbers"),
    ],
)
def test_weights_that_lie_elsewhere_are_refused(
    edit: Callable[[h5py.Group], None], message: str, content: bytes, path: Path
) -> None:
    assert message in refusal(with_weights(content, edit), path)


# -- members -------------------------------------------------------------------------


def unchanged(_: str, old: bytes) -> bytes:
    return old


@pytest.mark.parametrize("name", ["../evil.bin", "/evil", "a\\evil", "C:evil", ".evil"])
def test_member_that_would_lie_elsewhere_is_refused(
    name: str, content: bytes, path: Path
) -> None:
    message = f"its member {name!r} would be extracted to another folder"
    assert message in refusal(rewritten(content, unchanged, **{name: b"x"}), path)
    inner = with_member(content, "none", lambda old: old, **{name: b"x"})
    assert message in refusal(inner, path)


def test_network_is_not_compiled_as_its_file_says() -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Dense(1)(inputs))
    with zipfile.ZipFile(io.BytesIO(pack(model))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["compile_config"] = {"optimizer": "sgd", "loss": "mse"}
    members["config.json"] = json.dumps(config).encode()
    assert not unpack(archive_of(**members)).compiled


def test_network_with_further_members_is_refused(content: bytes, path: Path) -> None:
    inner = with_member(content, "none", lambda old: old, assets=b"x")
    assert "its network is an archive of ['assets'," in refusal(inner, path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_member_that_is_there_twice_is_refused(content: bytes, path: Path) -> None:
    twice = rewritten(content, unchanged, **{"schema.json": b"{}"})
    assert "its member 'schema.json' is duplicated" in refusal(twice, path)


def test_member_that_unpacks_to_far_more_is_refused(
    content: bytes, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_zip_members, "_SLACK", 2**20)
    zeros = bytes(5 * 2**20)
    outer = rewritten(content, unchanged, zeros=zeros)
    assert len(outer) < 50_000
    assert "its member 'zeros' of 5" in refusal(outer, path)
    inner = with_member(content, "config.json", lambda old: zeros)
    assert "its member 'config.json' of 5" in refusal(inner, path)


def test_components_are_those_that_the_papers_detectors_are_made_of(
    pipelines: dict[str, Any],
) -> None:
    def named(part: Any) -> Any:
        if isinstance(part, dict):
            if "class_name" in part:
                yield ".".join(filter(None, [part.get("module"), part["class_name"]]))
            for value in part.values():
                yield from named(value)
        elif isinstance(part, list):
            for item in part:
                yield from named(item)

    detectors = [pipeline[-1] for pipeline in pipelines.values()]
    for cell in ("lstm", "gru"):
        detector = CNNRNNDetector(cell=cell, bidirectional=True, sequence="temporal")
        detectors.append(detector.initialize(INPUTS["cnn_rnn"], [0, 1] * 3))
    found = set()
    for detector in detectors:
        for network in filter(vars(detector).get, detector._networks):
            archive = io.BytesIO(_archive.pack(getattr(detector, network)))
            config = zipfile.ZipFile(archive).read("config.json")
            found |= set(named(json.loads(config)))
    assert found == OF_THE_PAPER


# -- backbones and augmentation ------------------------------------------------------


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Return six faces of 32 x 32 pixels, the minimum of the named backbones."""
    return np.random.RandomState(0).randint(1, 256, (6, 1, 32, 32, 3)).astype(np.uint8)


class EachLayer(Backbone):
    """Backbone with one layer of each type that `keras.applications` uses."""

    @property
    def build(self) -> Any:
        def build(*, weights: None, include_top: bool, input_shape: Any) -> keras.Model:
            inputs = keras.Input(input_shape)
            x = layers.Normalization(mean=1.0, variance=2.0)(inputs)
            x = layers.ZeroPadding2D()(layers.Rescaling(0.5)(x))
            x = layers.Conv2D(2, 3, kernel_initializer="variance_scaling")(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
            scaled = LayerScale(1e-3, 2)(layers.LayerNormalization()(x))
            x = layers.Add()([x, CustomScaleLayer(0.2)([x, scaled])])
            x = layers.DepthwiseConv2D(3)(layers.AveragePooling2D(2)(x))
            weight = layers.GlobalAveragePooling2D(keepdims=True)(x)
            x = layers.Multiply()([x, layers.Activation("hard_sigmoid")(weight)])
            x = layers.Concatenate()([x, x + x * 2])
            x = layers.SeparableConv2D(2, 3)(layers.MaxPooling2D()(x))
            return keras.Model(inputs, layers.Dropout(0.1)(x))

        return build


@pytest.mark.parametrize(
    ("name", "is_bgr", "pooling"),
    [("vgg16", True, "avg"), ("mobilenet", False, "max")],
)
def test_networks_of_named_backbones_are_trusted(
    name: str,
    is_bgr: bool,
    pooling: str,
    faces: np.ndarray,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Networks include the preprocessing of their backbone."""
    monkeypatch.setitem(BACKBONES, name, EachLayer(*BACKBONES[name]))
    detector = TransferDetector(
        backbone=name,
        weights=None,
        trainable=1,
        head=Head(pooling=pooling),
        random_state=0,
    ).initialize(faces, [0, 1] * 3)
    operations = {type(operation).__name__ for operation in detector.model_.operations}
    assert ("Flip" in operations) == is_bgr
    persistence.save(detector, path)
    loaded = persistence.load(path)
    np.testing.assert_array_equal(
        loaded.predict_proba(faces), detector.predict_proba(faces)
    )
    frozen, still = (
        {layer.name for layer in one.model_.layers if not layer.trainable}
        for one in (detector, loaded)
    )
    assert frozen == still != set()


def test_backbone_that_is_an_object_is_not_saved(path: Path) -> None:
    for given, message in (
        (backbone(), "'backbone' contains the Keras object Sequential"),
        (backbone, r"test_persistence\.backbone"),
    ):
        detector = TransferDetector(backbone=given)
        detector.initialize(INPUTS["cnn"], [0, 1] * 3)
        with pytest.raises(UntrustedModelError, match=message):
            persistence.save(detector, path)
    assert not path.exists()


def augmented(augment: Any) -> CNNDetector:
    detector = CNNDetector(filters=(2,), dense_units=2, augment=augment, random_state=0)
    return detector.initialize(INPUTS["cnn"], [0, 1] * 3)


def test_augmentations_go_to_safe_files(path: Path) -> None:
    augment = [
        *(RandomFlip(), RandomAffine(scale=(0.8, 1)), RandomColor(), RandomErasing()),
        *(RandomBlur(), RandomDownscale(), RandomNoise(sigma=3.0), RandomJPEG()),
        RandomVideoCompression(),
    ]
    for one in ("strong", augment[1], augment):
        persistence.save(CNNDetector(augment=one), path)
        loaded = persistence.load(path)
        assert type(loaded.augment) is type(one)
        assert repr(loaded.augment) == repr(one)


def test_keras_layers_go_to_safe_files(path: Path) -> None:
    normalization = layers.Normalization(axis=None)
    normalization.adapt(np.arange(10.0))
    given = [layers.RandomFlip("horizontal"), normalization, layers.Rescaling(50, 100)]
    detector = CNNDetector(augment=KerasAugmentation(given, probability=0.7))
    for saved in (detector, make_pipeline(detector)):
        persistence.save(saved, path)
        loaded = persistence.load(path)
        augment = getattr(loaded, "augment", None) or loaded[-1].augment
        images = INPUTS["cnn"].reshape(-1, *INPUTS["cnn"].shape[2:])
        np.testing.assert_array_equal(augment(images, 0), detector.augment(images, 0))
    augment = KerasAugmentation(keras.Sequential([layers.RandomFlip("horizontal")]))
    persistence.save(CNNDetector(augment=augment), path)
    assert isinstance(persistence.load(path).augment.layers, keras.Sequential)


class Foreign(layers.Layer):
    """Custom layer that augments images."""

    def call(self, images: Any) -> Any:
        return images


@pytest.mark.parametrize(
    "augment",
    [
        KerasAugmentation(Foreign()),
        [RandomBlur(), KerasAugmentation([Foreign()])],
        layers.RandomFlip(),
    ],
)
def test_keras_layers_of_others_and_bare_ones_are_not_saved(
    augment: Any, path: Path
) -> None:
    with pytest.raises(UntrustedModelError, match=r"Foreign|Keras object RandomFlip"):
        persistence.save(CNNDetector(augment=augment), path)
    assert not path.exists()


def test_keras_layers_of_others_are_not_loaded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = CNNDetector(augment=KerasAugmentation(Foreign()))
    trusted = [f"{__name__}.Foreign"]
    persistence.save(detector, path, trusted=trusted)
    made: list[None] = []
    monkeypatch.setattr(Foreign, "from_config", lambda *_: made.append(None))
    with pytest.raises(UntrustedModelError, match="Foreign"):
        persistence.load(path)
    assert not made


def test_attention_and_its_training_go_to_safe_files(path: Path) -> None:
    X = INPUTS["cnn"]
    detector = CNNDetector(
        filters=(2,), dense_units=2, aggregation=Attention(), random_state=0
    ).initialize(X, [0, 1] * 3)
    rng = np.random.RandomState(0)
    attention = detector.model_.get_layer("frame_weight")
    shapes = [weight.shape for weight in attention.get_weights()]
    attention.set_weights([rng.normal(size=shape) for shape in shapes])
    loaded = round_trip(detector, path, "skops", optimizer=True)
    np.testing.assert_array_equal(
        loaded.predict_frame_weights(X), detector.predict_frame_weights(X)
    )
    np.testing.assert_array_equal(proba(loaded), proba(detector))
    for variable in detector.model_.optimizer.variables[2:]:
        variable.assign(rng.normal(size=variable.shape))
    loaded = round_trip(detector, path, "skops", optimizer=True)
    own, kept = (one.model_.optimizer.variables for one in (detector, loaded))
    assert len(own) == 2 + 2 * len(detector.model_.trainable_variables)
    for expected, found in zip(own, kept, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(expected)
        )
