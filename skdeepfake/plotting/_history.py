"""Display of a training history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from .._drawing import BLUE, GREEN, ORANGE, check_matplotlib, with_display_docs


@with_display_docs
@dataclass(repr=False, eq=False)
class HistoryDisplay:
    """Loss and accuracy of a detector per training epoch.

    The epoch with the lowest validation loss is marked. Without validation data, the
    training loss is used.

    Parameters
    ----------
    history : mapping of str to sequence of float
        Values per epoch, as recorded by Keras. The key ``"loss"`` is required. The
        values of other keys that end in ``loss`` or ``accuracy``, such as
        ``"val_loss"``, are also drawn.

    Attributes
    ----------
    best_epoch_ : int or None
        Marked epoch, counted from 1; None if every loss is NaN.
    {{figure}}
    axes_ : ndarray of matplotlib.axes.Axes of shape (2,)
        Axes of the loss and the accuracy drawn by ``plot``.

    See Also
    --------
    HistoryDisplay.from_estimator : Plot from a fitted detector.

    Examples
    --------
    >>> from skdeepfake.plotting import HistoryDisplay
    >>> display = HistoryDisplay(
    ...     {"loss": [0.7, 0.5, 0.4], "val_loss": [0.7, 0.6, 0.8]}
    ... ).plot()
    >>> display.best_epoch_
    2
    """

    history: Mapping[str, Sequence[float]]

    @classmethod
    def from_estimator(cls, estimator: Any, **plot_params: Any) -> HistoryDisplay:
        """Plot the training history of a fitted detector.

        Parameters
        ----------
        estimator : estimator
            Fitted detector, or a pipeline that ends in one.
        {{plot_params}}

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the detector has no attribute ``history_``.
        """
        check_matplotlib("HistoryDisplay.from_estimator")
        detector = estimator[-1] if isinstance(estimator, Pipeline) else estimator
        if not hasattr(detector, "history_"):
            raise NotFittedError(
                f"This {type(detector).__name__} has no history_: call 'fit' first."
            )
        return cls(detector.history_).plot(**plot_params)

    def plot(self, *, axes: Any = None) -> HistoryDisplay:
        """Draw the loss and the accuracy.

        Parameters
        ----------
        axes : sequence of 2 matplotlib.axes.Axes or None, default=None
            Axes of the loss and the accuracy. None makes a new figure.

        {{returns_itself}}

        Raises
        ------
        ValueError
            If `history` of the display has no values of ``"loss"``, or if `axes` does
            not have shape (2,).
        """
        check_matplotlib("HistoryDisplay.plot")
        from matplotlib import pyplot as plt
        from matplotlib.ticker import MaxNLocator

        if not len(self.history.get("loss", ())):
            raise ValueError(
                "history must contain a value of 'loss' per epoch; got the names "
                f"{sorted(self.history)}."
            )
        if axes is None:
            _, axes = plt.subplots(1, 2, figsize=(8.5, 3.6), layout="constrained")
        axes = np.asarray(axes, dtype=object)
        if axes.shape != (2,):
            raise ValueError(f"axes must have shape (2,); got {axes.shape}.")

        guide = "val_loss" if len(self.history.get("val_loss", ())) else "loss"
        values = np.asarray(self.history[guide], dtype=float)
        has_best = not np.isnan(values).all()
        self.best_epoch_ = int(np.nanargmin(values)) + 1 if has_best else None

        for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
            ax.set(xlabel="epoch", ylabel=name)
            if not self._draw_curves(ax, name):
                continue
            if self.best_epoch_ is not None:
                label = f"best epoch: {self.best_epoch_}"
                ax.axvline(self.best_epoch_, color=GREEN, ls="-.", lw=1.2, label=label)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            ax.grid(alpha=0.3)
            ax.legend(fontsize="small")
        if self.best_epoch_ is not None:
            lowest = values[self.best_epoch_ - 1]
            axes[0].plot(self.best_epoch_, lowest, "*", ms=13, color=GREEN, zorder=4)
        self.axes_ = axes
        self.figure_ = axes[0].figure
        return self

    def _draw_curves(self, ax: Any, name: str) -> bool:
        """Draw the curves with keys that end in `name`; return True if any exist."""
        names = [key for key in self.history if key.endswith(name)]
        kinds = list(dict.fromkeys(key.removeprefix("val_") for key in names))
        for key in names:
            values = self.history[key]
            kind = key.removeprefix("val_")
            label = "training" if key == kind else "validation"
            ax.plot(
                np.arange(1, len(values) + 1),
                values,
                color=BLUE if key == kind else ORANGE,
                marker="o" if key == kind else "s",
                markersize=3.5,
                linestyle=("-", "--", ":")[kinds.index(kind) % 3],
                label=label if len(kinds) == 1 else f"{kind}, {label}",
            )
        if not names:
            ax.set(xticks=[], yticks=[])
            ax.text(
                0.5, 0.5, f"no {name} recorded", ha="center", transform=ax.transAxes
            )
        return bool(names)
