"""Keras callbacks of the detectors."""

from __future__ import annotations

import math
import time
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions


class StopWhenDiverged(keras.callbacks.Callback):
    """Stop training if a loss is not finite. Unlike TerminateOnNaN, print nothing."""

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Check the losses."""
        losses = [value for name, value in (logs or {}).items() if "loss" in name]
        if not all(map(math.isfinite, losses)):
            self.model.stop_training = True


class EpochLine(keras.callbacks.Callback):
    """Print one line per epoch with its duration, losses and metrics."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Store the time."""
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Print the line."""
        seconds = time.perf_counter() - self.began
        values = " - ".join(f"{name}: {value:.4g}" for name, value in logs.items())  # type: ignore[union-attr]
        width = len(str(self.params["epochs"]))
        print(
            f"epoch {epoch + 1:{width}d}/{self.params['epochs']} - {seconds:.1f} s"
            f" - {values}",
            flush=True,
        )


@dataclass(repr=False, eq=False)
class PlateauCallbacks(BaseEstimator):
    """Stop early, and reduce the learning rate, when validation stops improving.

    The defaults are from the paper by Volisetty, Sen and Savala (section 4.3). If there
    is no validation set, training runs for all epochs.

    Parameters
    ----------
    monitor : {"val_loss", "val_roc_auc"}, default="val_loss"
        Monitored quantity. "val_loss" is the validation loss, as in the paper.
        "val_roc_auc" is the area under the ROC curve of the frames in the validation
        set, or of its videos if the detector is trained on whole videos.
    patience : int or None, default=5
        Number of epochs without improvement after which training stops. When training
        ends, the weights of the best epoch are restored. None trains all epochs and
        keeps the last weights.
    lr_patience : int or None, default=5
        Number of epochs without improvement after which the learning rate is reduced.
        None keeps the learning rate constant.
    lr_factor : float, default=0.2
        Factor by which the learning rate is multiplied.
    min_lr : float, default=1e-5
        Minimum learning rate.

    See Also
    --------
    CNNDetector : Accepts a PlateauCallbacks as `callbacks`.
    Checkpoint : Resume interrupted training.

    Examples
    --------
    >>> from skdeepfake.detectors import CNNDetector, PlateauCallbacks
    >>> callbacks = PlateauCallbacks(patience=10)
    >>> detector = CNNDetector(callbacks=callbacks)
    >>> reduce_lr, early_stopping = callbacks.make()
    >>> early_stopping.patience, reduce_lr.factor
    (10, 0.2)
    """

    _: KW_ONLY
    monitor: str = "val_loss"
    patience: int | None = 5
    lr_patience: int | None = 5
    lr_factor: float = 0.2
    min_lr: float = 1e-5

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "monitor": [StrOptions({"val_loss", "val_roc_auc"})],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "lr_patience": [Interval(Integral, 1, None, closed="left"), None],
        "lr_factor": [Interval(Real, 0, 1, closed="neither")],
        "min_lr": [Interval(Real, 0, None, closed="left")],
    }

    def make(self) -> list[keras.callbacks.Callback]:
        """Create the Keras callbacks of one training run.

        Returns
        -------
        list of keras.callbacks.Callback
            ``ReduceLROnPlateau`` unless `lr_patience` is None, and ``EarlyStopping``
            unless `patience` is None.
        """
        mode = "max" if self.monitor == "val_roc_auc" else "min"
        how: dict[str, Any] = {"monitor": self.monitor, "mode": mode}
        made: list[keras.callbacks.Callback] = []
        if self.lr_patience is not None:
            lr = {"factor": self.lr_factor, "min_lr": self.min_lr}
            made.append(
                keras.callbacks.ReduceLROnPlateau(
                    patience=self.lr_patience, **how, **lr
                )
            )
        if self.patience is not None:
            made.append(
                keras.callbacks.EarlyStopping(
                    patience=self.patience, restore_best_weights=True, **how
                )
            )
        return made


def own_callbacks(verbose: int) -> list[keras.callbacks.Callback]:
    """Create the callbacks that every training run uses."""
    line = [EpochLine()] if verbose == 1 else []
    return [StopWhenDiverged(), *line]
