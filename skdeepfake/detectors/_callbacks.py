"""Keras callbacks of the detectors."""

from __future__ import annotations

import math
import time

import keras


class StopWhenDiverged(keras.callbacks.Callback):
    """Stop when the loss is no longer finite; Keras' own callback prints as well."""

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Look at the loss."""
        losses = [value for name, value in (logs or {}).items() if "loss" in name]
        if not all(map(math.isfinite, losses)):
            self.model.stop_training = True


class GeneratorFollows(keras.callbacks.Callback):
    """Keep a generator's learning rate in proportion to its discriminator's.

    Where both optimizers bring a schedule of their own, there is nothing to do.
    """

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Remember the proportion."""
        followed, own = self.model.optimizer, self.model.generator_optimizer
        inner = getattr(own, "inner_optimizer", own)  # where float16 is scaled
        self.scheduled = isinstance(inner.get_config()["learning_rate"], dict)
        self.ratio = float(own.learning_rate) / float(followed.learning_rate)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Follow what was changed after the last epoch."""
        if not self.scheduled:
            rate = self.ratio * float(self.model.optimizer.learning_rate)
            self.model.generator_optimizer.learning_rate = rate


class EpochLine(keras.callbacks.Callback):
    """Print one line an epoch: losses, metrics, learning rate and seconds."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remember when the epoch began."""
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


def training_callbacks(
    *,
    verbose: int,
    monitor: str = "val_loss",
    patience: int | None = None,
    lr_patience: int | None = None,
    lr_factor: float = 0.2,
    min_lr: float = 0.0,
) -> list[keras.callbacks.Callback]:
    """Make the callbacks of the paper's training.

    Parameters
    ----------
    verbose : int
        1 prints a line an epoch.
    monitor : {"val_loss", "val_roc_auc"}, default="val_loss"
        What shall get better: lower or higher, as it is.
    patience : int or None, default=None
        Epochs without a better value before training stops and the best weights
        are restored; None never stops.
    lr_patience : int or None, default=None
        Epochs without a better value before the learning rate is reduced; None
        never reduces it.
    lr_factor, min_lr : float, default=0.2 and 0.0
        How much and how far it is reduced.

    Returns
    -------
    list of keras.callbacks.Callback
        New objects, for one training.
    """
    watched = {"monitor": monitor, "mode": "max" if monitor == "val_roc_auc" else "min"}
    callbacks: list[keras.callbacks.Callback] = [StopWhenDiverged()]
    if lr_patience is not None:
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                factor=lr_factor, patience=lr_patience, min_lr=min_lr, **watched
            )
        )
    if patience is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                patience=patience, restore_best_weights=True, **watched
            )
        )
    if verbose == 1:
        callbacks.append(EpochLine())
    return callbacks
