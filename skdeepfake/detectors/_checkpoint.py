"""Checkpoints to resume interrupted training."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import joblib
import keras
import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator

from .._atomic import write_atomically
from ..exceptions import ModelFileError

# Parameters that do not change the trained network.
_IGNORED = ("callbacks", "random_state", "verbose")


@dataclass(repr=False, eq=False)
class Checkpoint(BaseEstimator):
    """Save the state of training after each epoch to resume training in the next `fit`.

    Pass a Checkpoint to a detector as `callbacks`, alone or in a list. If `fit` is
    interrupted, call it again with the same parameters and data. Training resumes after
    the last completed epoch with the saved weights, learning rate and history, and with
    the saved states of the optimizer, the random number generators and early stopping.
    If training is deterministic, as on a CPU with one thread, the result is the same as
    without interruption.

    The checkpoint is kept when training ends, so that another `fit` with the same
    parameters and data returns immediately. Delete the folder to train again.

    Parameters
    ----------
    folder : str or os.PathLike
        Folder of the checkpoint, created if it does not exist. Use a separate folder
        for each training run.

    See Also
    --------
    PlateauCallbacks : Early stopping and learning rate reduction.
    skdeepfake.persistence.save : Save a fitted detector.

    Notes
    -----
    The detector must have a `random_state`. Attributes of Keras callbacks in
    `callbacks` are saved and restored if they are numbers, strings or lists of arrays.

    ``keras.callbacks.BackupAndRestore`` restores the weights, optimizer and epoch, but
    not the state of dropout, the counters of other callbacks or the history.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skdeepfake.detectors import Checkpoint, CNNDetector
    >>> X = np.full((4, 2, 8, 8, 3), 9, np.uint8)
    >>> X[::2] = 200
    >>> detector = CNNDetector(
    ...     filters=(2,), epochs=2, validation_fraction=None, random_state=0,
    ...     callbacks=Checkpoint(tempfile.mkdtemp()),
    ... )
    >>> first = detector.fit(X, [1, 0, 1, 0]).predict_proba(X)
    >>> again = detector.fit(X, [1, 0, 1, 0]).predict_proba(X)  # loaded, not trained
    >>> float(np.abs(again - first).max())
    0.0
    """

    folder: str | os.PathLike[str]

    _parameter_constraints: ClassVar[dict[str, Any]] = {"folder": [str, os.PathLike]}


class TrainingRun:
    """Checkpoint file of one training run.

    Parameters
    ----------
    folder : str or os.PathLike
        Folder of the file.
    made_of : dict of str to str
        Description of the parameters and data, which must match when training resumes.

    Attributes
    ----------
    state : dict or None
        Saved state, or None if there is no file.
    """

    def __init__(self, folder: str | os.PathLike[str], made_of: dict[str, str]) -> None:
        self.path = os.path.join(folder, "checkpoint.npz")
        self.made_of = made_of
        self.arrays, self.state = self._read()

    def _read(self) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
        try:
            with open(self.path, "rb") as file, np.load(file) as members:
                arrays = dict(members)  # pickles are not allowed
            state = json.loads(str(arrays.pop("state")))
        except FileNotFoundError:
            return {}, None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ModelFileError(
                f"{self.path!r} is not a readable checkpoint: {error}. Delete it to "
                "train from the start."
            ) from error
        saved = state["made_of"]
        names = sorted({*saved, *self.made_of})
        differing = [n for n in names if saved.get(n) != self.made_of.get(n)]
        if differing:
            raise ValueError(
                f"{self.path!r} is the checkpoint of another training run, with a "
                f"different {', '.join(differing)}. Pass another folder to Checkpoint "
                "or delete this folder."
            )
        return arrays, state

    def resume(self, stage: str, network: keras.Model) -> dict[str, Any] | None:
        """Restore a network and return the state, or None for another stage."""
        if self.state is None or self.state["stage"] != stage:
            return None
        for number, variable in enumerate(_variables(network)):
            variable.assign(self.arrays[f"variable_{number}"])
        return self.state

    def save(
        self,
        stage: str,
        network: keras.Model,
        arrays: dict[str, np.ndarray] | None = None,
        **state: Any,
    ) -> None:
        """Save the state and replace the file."""
        state = {"made_of": self.made_of, "stage": stage, **state}
        arrays = {**(arrays or {}), "state": np.array(json.dumps(state))}
        for number, variable in enumerate(_variables(network)):
            arrays[f"variable_{number}"] = keras.ops.convert_to_numpy(variable)
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        write_atomically(self.path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
        self.arrays, self.state = {}, None

    def delete(self) -> None:
        """Delete the file."""
        os.unlink(self.path)


class SaveEpochs(keras.callbacks.Callback):
    """Save the state after each epoch. Must be the last callback.

    Parameters
    ----------
    run : TrainingRun
        Checkpoint file.
    stage : str
        Stage of the training.
    others : sequence of keras.callbacks.Callback
        Callbacks before this one.
    histories : dict of str to dict
        Histories of previous stages by attribute name.
    """

    def __init__(
        self,
        run: TrainingRun,
        stage: str,
        others: Sequence[keras.callbacks.Callback],
        histories: dict[str, Any],
    ) -> None:
        super().__init__()
        self.run, self.stage, self.others = run, stage, others
        self.histories = histories

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Restore the state of the callbacks and the history."""
        state = self.run.state
        if state is None or state["stage"] != self.stage:
            return
        self.model.history.history.update(state["history"])
        for number, (callback, saved) in enumerate(
            zip(self.others, state["callbacks"], strict=True)
        ):
            vars(callback).update(saved["plain"])
            for name, length in saved["lists"].items():
                key = f"callback_{number}_{name}"
                lists = [self.run.arrays[f"{key}_{n}"] for n in range(length)]
                setattr(callback, name, lists)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Save the state of the completed epoch."""
        history = {
            name: [*self.model.history.history.get(name, []), value]
            for name, value in (logs or {}).items()
        }
        callbacks, arrays = [], {}
        for number, callback in enumerate(self.others):
            plain, lists = _state_of(callback)
            callbacks.append(
                {"plain": plain, "lists": {n: len(lists[n]) for n in lists}}
            )
            for name, values in lists.items():
                for n, value in enumerate(values):
                    arrays[f"callback_{number}_{name}_{n}"] = value
        self.run.save(
            self.stage,
            self.model,
            arrays,
            epoch=epoch + 1,
            stopped=bool(self.model.stop_training),
            history={n: [float(v) for v in values] for n, values in history.items()},
            histories=self.histories,
            callbacks=callbacks,
        )


def _state_of(callback: Any) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
    """Return the attributes of a callback, as scalars and as lists of arrays."""
    plain: dict[str, Any] = {}
    lists = {}
    for name, value in vars(callback).items():
        value = value.item() if isinstance(value, np.generic) else value
        if value is None or isinstance(value, (bool, int, float, str)):
            plain[name] = value
        elif isinstance(value, list) and all(isinstance(v, np.ndarray) for v in value):
            lists[name] = value
    return plain, lists


def _variables(network: keras.Model) -> list[Any]:
    """Return all variables used in a training step."""
    return [
        *network.trainable_variables,
        *network.non_trainable_variables,
        *network.optimizer.variables,
    ]


def describe_training(detector: Any, **data: Any) -> dict[str, str]:
    """Describe the parameters and data of a training run, by name."""
    with config_context(print_changed_only=False):
        described = {
            name: _described(value)
            for name, value in detector.get_params(deep=False).items()
            if name not in _IGNORED
        }
        callbacks = [
            callback
            for callback in detector._callbacks_to_make
            if not isinstance(callback, Checkpoint)
        ]
        described["callbacks"] = _described(callbacks)
    variables = [keras.ops.convert_to_numpy(v) for v in _variables(detector.model_)]
    return {
        **described,
        **{name: joblib.hash(value, coerce_mmap=True) for name, value in data.items()},
        "random_state": str(detector._random_state),
        "initial weights": joblib.hash(variables),
        "version of Keras": keras.__version__,
        "Keras backend": keras.backend.backend(),
        "dtype policy": keras.config.dtype_policy().name,
    }


def _described(value: Any) -> str:
    # Memory addresses and names of layers differ between processes.
    return re.sub(r" at 0x\w+|name=\w+", "", repr(value))
