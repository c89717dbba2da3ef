"""Training resumes from a checkpoint as if it had not been interrupted."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.base import clone
from sklearn.utils import Bunch

from skdeepfake.detectors import (
    Attention,
    BaseDetector,
    BlendedFakes,
    Checkpoint,
    CNNDetector,
    CNNRNNDetector,
    GANDetector,
    Generator,
    Head,
    PlateauCallbacks,
    ReconstructionDetector,
    TransferDetector,
)
from skdeepfake.detectors._checkpoint import SaveEpochs
from skdeepfake.exceptions import ModelFileError, TrainingDivergedError

Tiny = Callable[..., CNNDetector]


def backbone() -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(2, 3, strides=4)(layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, layers.Conv2D(2, 3)(layers.BatchNormalization()(x)))


# Three epochs of at most two steps per stage.
SHARED = {"batch_size": 14, "epochs": 3, "validation_fraction": 0.3, "random_state": 0}
PLATEAU = PlateauCallbacks(patience=2, lr_patience=1, lr_factor=0.5)
DETECTORS: dict[str, BaseDetector] = {
    "cnn": CNNDetector(
        filters=(2,), dense_units=4, learning_rate=0.05, augment="light", **SHARED
    ),
    "cnn_rnn": CNNRNNDetector(
        units=(2,),
        dropout=0.5,
        sequence="temporal",
        aggregation=Attention(),
        learning_rate=0.1,
        **SHARED,
    ),
    "transfer": TransferDetector(
        backbone=backbone,
        trainable="norm",
        head=Head(epochs=2, dropout=0.5),
        fake_source=BlendedFakes(share=0.5),
        learning_rate=0.01,
        **SHARED,
    ),
    "gan": GANDetector(
        generator=Generator(noise_dim=2, filters=(2,)),
        discriminator_filters=(2,),
        learning_rate=0.01,
        **SHARED,
    ),
    "reconstruction": ReconstructionDetector(
        filters=(2,), reconstruction_epochs=2, learning_rate=0.01, **SHARED
    ),
}


class Interrupted(Exception):
    """Raised to simulate a killed process."""


def state_of(detector: BaseDetector) -> tuple[list[np.ndarray], dict[str, Any]]:
    histories = {n: v for n, v in vars(detector).items() if n.endswith("history_")}
    return detector.model_.get_weights(), histories


def assert_same(found: BaseDetector, expected: BaseDetector) -> None:
    """Check that weights and histories are equal."""
    for a, b in zip(state_of(found)[0], state_of(expected)[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert state_of(found)[1] == state_of(expected)[1]


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that sets the number of steps until interruption.

    None trains to the end.
    """

    def after(n_steps: int | None) -> None:
        seen = []

        def on_train_batch_end(self: Any, batch: int, logs: Any = None) -> None:
            seen.append(batch)
            if len(seen) == n_steps:
                raise Interrupted

        monkeypatch.setattr(SaveEpochs, "on_train_batch_end", on_train_batch_end)

    return after


@pytest.fixture(scope="module")
def whole(videos: Bunch) -> Callable[[str], BaseDetector]:
    """Return a function that trains each detector once, without interruption."""
    trained: dict[str, BaseDetector] = {}

    def get(kind: str) -> BaseDetector:
        if kind not in trained:
            detector = clone(DETECTORS[kind]).set_params(callbacks=PLATEAU)
            trained[kind] = detector.fit(data_of(kind, videos), videos.y)
        return trained[kind]

    return get


def data_of(kind: str, videos: Bunch) -> np.ndarray:
    return videos.X if kind != "cnn_rnn" else videos.X[..., 0].astype(np.float32) / 255


@pytest.mark.jax
@pytest.mark.filterwarnings("ignore:The .* dominates")
@pytest.mark.parametrize(
    ("kind", "n_steps"),
    [
        ("cnn", 3),
        pytest.param("cnn_rnn", 2, marks=pytest.mark.nightly),
        pytest.param("transfer", 3, marks=pytest.mark.nightly),
        ("transfer", 7),
        pytest.param("gan", 5, marks=pytest.mark.nightly),
        pytest.param("reconstruction", 3, marks=pytest.mark.nightly),
    ],
)
def test_resumed_training_ends_as_an_uninterrupted_one(
    kind: str,
    n_steps: int,
    interrupt: Callable,
    whole: Callable,
    videos: Bunch,
    tmp_path: Path,
) -> None:
    X = data_of(kind, videos)
    callbacks = [PLATEAU, Checkpoint(tmp_path)]
    detector = clone(DETECTORS[kind]).set_params(callbacks=callbacks)
    interrupt(n_steps)
    with pytest.raises(Interrupted):
        detector.fit(X, videos.y)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]
    interrupt(None)
    resumed = clone(detector).fit(X, videos.y)
    assert_same(resumed, whole(kind))
    # After completed training, `fit` only loads the result.
    interrupt(1)
    loaded = clone(detector).fit(X, videos.y)
    assert_same(loaded, whole(kind))
    assert vars(loaded).keys() == vars(resumed).keys()


# -- the folder --------------------------------------------------------------------


@pytest.fixture
def checkpointed(
    tiny: Tiny, videos: Bunch, interrupt: Callable, tmp_path: Path
) -> CNNDetector:
    """Detector whose training was interrupted in the second epoch."""
    detector = tiny(epochs=2, batch_size=20, callbacks=Checkpoint(tmp_path))
    interrupt(3)
    with pytest.raises(Interrupted):
        detector.fit(videos.X, videos.y)
    interrupt(None)
    return detector


def test_checkpoint_alone_adds_to_the_default_callbacks(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    detector = TransferDetector(callbacks=checkpoint)
    default, added = detector._callbacks_to_make
    assert (default.min_lr, added) == (1e-7, checkpoint)


@pytest.mark.parametrize(
    ("change", "differing"),
    [({"batch_size": 10}, "batch_size"), ({"random_state": 1}, "random_state")],
)
def test_another_training_is_refused(
    change: dict, differing: str, checkpointed: CNNDetector, videos: Bunch
) -> None:
    other = clone(checkpointed).set_params(**change)
    with pytest.raises(ValueError, match=rf"another training run.*{differing}.*folder"):
        other.fit(videos.X, videos.y)


def test_other_data_are_refused(
    checkpointed: CNNDetector, videos: Bunch, tmp_path: Path
) -> None:
    before = (tmp_path / "checkpoint.npz").read_bytes()
    with pytest.raises(ValueError, match=r"a different X, y\."):
        checkpointed.fit(videos.X[1:], videos.y[1:])
    with pytest.raises(ValueError, match="a different sample_weight"):
        checkpointed.fit(videos.X, videos.y, sample_weight=np.arange(1, 11))
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_verbosity_may_change(checkpointed: CNNDetector, videos: Bunch) -> None:
    resumed = checkpointed.set_params(verbose=2).fit(videos.X, videos.y)
    assert len(resumed.history_["loss"]) == 2


def test_random_state_is_required(tiny: Tiny, videos: Bunch, tmp_path: Path) -> None:
    detector = tiny(callbacks=Checkpoint(tmp_path), random_state=None)
    with pytest.raises(ValueError, match="Checkpoint requires random_state"):
        detector.fit(videos.X, videos.y)
    assert not any(tmp_path.iterdir())


def test_damaged_file_is_an_error_that_names_it(
    checkpointed: CNNDetector, videos: Bunch, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match=r"checkpoint.npz' is not a readable"):
        checkpointed.fit(videos.X, videos.y)


def test_file_that_cannot_be_written_leaves_the_last_one(
    checkpointed: CNNDetector,
    videos: Bunch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = (tmp_path / "checkpoint.npz").read_bytes()

    def fail(file: Any, **arrays: Any) -> None:
        file.write(b"PK")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        checkpointed.fit(videos.X, videos.y)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_diverged_training_leaves_no_checkpoint(
    tiny: Tiny, videos: Bunch, tmp_path: Path
) -> None:
    detector = tiny(epochs=2, rescale=1e38, callbacks=Checkpoint(tmp_path))
    with pytest.raises(TrainingDivergedError):
        detector.fit(videos.X, videos.y)
    assert not any(tmp_path.iterdir())


def test_partial_fit_makes_no_checkpoint(
    tiny: Tiny, videos: Bunch, trainings: list[Bunch], tmp_path: Path
) -> None:
    tiny(callbacks=Checkpoint(tmp_path)).partial_fit(videos.X, videos.y)
    assert not any(tmp_path.iterdir())


def test_detector_is_pickled_without_its_checkpoint(
    checkpointed: CNNDetector, videos: Bunch, tmp_path: Path
) -> None:
    checkpointed.fit(videos.X, videos.y)
    loaded = pickle.loads(pickle.dumps(checkpointed))
    assert loaded.callbacks.folder == tmp_path
    assert not hasattr(loaded, "_run") or loaded._run is None
    assert_same(loaded, checkpointed)


KILLED = """
import sys
import numpy as np
from skdeepfake.detectors import Checkpoint, CNNDetector

X, y = np.load(sys.argv[1]), np.array([0, 1] * 10)
detector = CNNDetector(
    filters=(4,), dense_units=8, epochs=int(sys.argv[3]), batch_size=2, augment="light",
    validation_fraction=0.2, random_state=0, callbacks=Checkpoint(sys.argv[2]),
).fit(X, y)
np.savez(sys.argv[4], *detector.model_.get_weights())
"""


@pytest.mark.nightly
def test_killed_process_is_resumed_by_another(tmp_path: Path) -> None:
    X = np.random.RandomState(0).randint(1, 255, size=(20, 4, 16, 16, 3))
    np.save(tmp_path / "X.npy", X.astype(np.uint8))

    def command(folder: str) -> list[str]:
        paths = [str(tmp_path / name) for name in ("X.npy", folder, f"{folder}.npz")]
        X_path, run, weights = paths
        return [sys.executable, "-c", KILLED, X_path, run, "8", weights]

    process = subprocess.Popen(command("killed"))
    while not (tmp_path / "killed" / "checkpoint.npz").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -9
    for folder in ("killed", "whole"):
        subprocess.run(command(folder), check=True)
    with (
        np.load(tmp_path / "killed.npz") as resumed,
        np.load(tmp_path / "whole.npz") as whole,
    ):
        assert len(resumed.files) == len(whole.files) > 4
        for name in whole.files:
            np.testing.assert_allclose(resumed[name], whole[name], rtol=1e-5, atol=1e-6)
