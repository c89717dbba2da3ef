"""Keras callbacks of the detectors."""

from __future__ import annotations

import math
import time
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions


class StopWhenDiverged(keras.callbacks.Callback):
    """Stop when the loss is not finite; Keras' own callback also prints."""

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Check the losses."""
        losses = [value for name, value in (logs or {}).items() if "loss" in name]
        if not all(map(math.isfinite, losses)):
            self.model.stop_training = True


class EpochLine(keras.callbacks.Callback):
    """Print one line per epoch: losses, metrics, learning rate and seconds."""

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


class PlateauCallbacks(BaseEstimator):
    """Stop early, and reduce the learning rate, when validation stops improving.

    The defaults are from the paper (section 4.3). Requires a validation set; without
    one, all epochs are trained.

    Parameters
    ----------
    monitor : {"val_loss", "val_roc_auc"}, default="val_loss"
        Validation loss, as in the paper, or validation area under the ROC curve of the
        frames or sequences.
    patience : int or None, default=5
        Number of epochs without improvement after which training stops and the
        weights of the best epoch are restored. If None, all epochs are trained and
        the last weights are kept.
    lr_patience : int or None, default=5
        Number of epochs without improvement after which the learning rate is reduced.
        If None, it is not reduced.
    lr_factor : float, default=0.2
        Factor by which the learning rate is reduced.
    min_lr : float, default=1e-5
        Lower bound of the learning rate.

    See Also
    --------
    CNNDetector : Accepts it as `callbacks`.
    Checkpoint : Resume interrupted trainings.

    Examples
    --------
    >>> from skdeepfake.detectors import CNNDetector, PlateauCallbacks
    >>> CNNDetector(callbacks=PlateauCallbacks(patience=10))
    CNNDetector(callbacks=PlateauCallbacks(patience=10))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "monitor": [StrOptions({"val_loss", "val_roc_auc"})],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "lr_patience": [Interval(Integral, 1, None, closed="left"), None],
        "lr_factor": [Interval(Real, 0, 1, closed="neither")],
        "min_lr": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        monitor: str = "val_loss",
        patience: int | None = 5,
        lr_patience: int | None = 5,
        lr_factor: float = 0.2,
        min_lr: float = 1e-5,
    ) -> None:
        self.monitor = monitor
        self.patience = patience
        self.lr_patience = lr_patience
        self.lr_factor = lr_factor
        self.min_lr = min_lr

    def make(self) -> list[keras.callbacks.Callback]:
        """Create the callbacks of one training.

        Returns
        -------
        list of keras.callbacks.Callback
            New callbacks.
        """
        mode = "max" if self.monitor == "val_roc_auc" else "min"
        callbacks: list[keras.callbacks.Callback] = []
        if self.lr_patience is not None:
            callbacks.append(
                keras.callbacks.ReduceLROnPlateau(
                    monitor=self.monitor,
                    mode=mode,
                    factor=self.lr_factor,
                    patience=self.lr_patience,
                    min_lr=self.min_lr,
                )
            )
        if self.patience is not None:
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    monitor=self.monitor,
                    mode=mode,
                    patience=self.patience,
                    restore_best_weights=True,
                )
            )
        return callbacks


def own_callbacks(verbose: int) -> list[keras.callbacks.Callback]:
    """Create the callbacks that every training has."""
    line = [EpochLine()] if verbose == 1 else []
    return [StopWhenDiverged(), *line]
