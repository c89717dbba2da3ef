"""Calibration curve with the number of samples at each point."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from numpy.typing import ArrayLike

from .._drawing import BLUE, check_matplotlib, make_axes, with_display_docs
from .._predictions import positive_column, predict_with_frames
from ..metrics import ReliabilityCurve, expected_calibration_error, reliability_curve


@with_display_docs
@dataclass(repr=False, eq=False)
class ReliabilityDisplay:
    """Calibration curve with the number of samples at each point.

    Unlike :class:`~sklearn.calibration.CalibrationDisplay`, this display shows the
    number of samples in each bin and the expected calibration error.

    Parameters
    ----------
    curve : ReliabilityCurve
        Result of :func:`~skdeepfake.metrics.reliability_curve`.
    error : float or None, default=None
        Expected calibration error, shown in the legend.
    name : str or None, default=None
        Name of the curve in the legend. None uses "curve".

    Attributes
    ----------
    {{figure}}
    ax_ : matplotlib.axes.Axes
        Axes of the curve drawn by ``plot``.
    line_ : matplotlib.lines.Line2D
        Calibration curve drawn by ``plot``.

    See Also
    --------
    ReliabilityDisplay.from_predictions : Plot from labels and probabilities.
    ReliabilityDisplay.from_estimator : Plot from a fitted pipeline.

    Examples
    --------
    >>> from skdeepfake.evaluation import ReliabilityDisplay
    >>> display = ReliabilityDisplay.from_predictions(
    ...     [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], n_bins=2
    ... )
    >>> display.curve.observed.round(2)
    array([0.33, 1.  ])
    >>> round(display.error, 3)
    0.087
    """

    curve: ReliabilityCurve
    _: KW_ONLY
    error: float | None = None
    name: str | None = None

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_prob: ArrayLike,
        *,
        n_bins: int = 10,
        strategy: str = "uniform",
        pos_label: Any = None,
        name: str | None = None,
        **plot_params: Any,
    ) -> ReliabilityDisplay:
        """Plot the calibration curve of labels and probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Label of each video or frame.
        y_prob : array-like of shape (n_samples,)
            Probability of being fake.
        n_bins : int, default=10
            Number of bins. Empty bins are left out.
        strategy : {"uniform", "quantile"}, default="uniform"
            If "uniform", use bins of equal width. If "quantile", use bins with the same
            number of samples.
        {{pos_label}}
        name : str or None, default=None
            Name of the curve in the legend. None uses "curve".
        {{plot_params}}

        Raises
        ------
        ValueError
            As in :func:`~skdeepfake.metrics.reliability_curve`.
        """
        check_matplotlib("ReliabilityDisplay.from_predictions")
        bins: dict[str, Any] = {"n_bins": n_bins, "strategy": strategy}
        bins["pos_label"] = pos_label
        error = expected_calibration_error(y_true, y_prob, **bins)
        curve = reliability_curve(y_true, y_prob, **bins)
        return cls(curve, error=error, name=name).plot(**plot_params)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike, **params: Any
    ) -> ReliabilityDisplay:
        """Plot the calibration curve of a fitted pipeline.

        Parameters
        ----------
        estimator : classifier
            Fitted pipeline or classifier with two classes.
        X : array-like of shape (n_videos, ...)
            Input of `estimator`.
        y : array-like of shape (n_videos,)
            Label of each video.
        **params : dict
            Passed to `from_predictions`.

        {{returns_drawn}}

        Raises
        ------
        ValueError
            If `estimator` is not a classifier with two classes.
        """
        check_matplotlib("ReliabilityDisplay.from_estimator")
        column = positive_column(estimator, params.get("pos_label"))
        proba = predict_with_frames(estimator, X, column=column).proba
        return cls.from_predictions(y, proba, **params)

    def plot(
        self,
        *,
        ax: Any = None,
        color: str = BLUE,
        marker: str = "o",
        show_counts: bool = True,
    ) -> ReliabilityDisplay:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Axes to draw on. None makes a new figure.
        color, marker : str
            Color and marker of the curve.
        show_counts : bool, default=True
            If True, write the number of samples at each point.

        {{returns_itself}}
        """
        self.ax_ = ax = make_axes("ReliabilityDisplay.plot", ax, (4.6, 4.4))
        self.figure_ = ax.figure
        predicted, observed, n_samples = self.curve
        label = self.name or "curve"
        if self.error is not None:
            label = f"{label}: error {self.error:.3f}"
        if not any(line.get_gid() == "calibrated" for line in ax.lines):
            ax.plot([0, 1], [0, 1], color="0.4", ls=":", gid="calibrated", zorder=1)
        (self.line_,) = ax.plot(predicted, observed, color=color, zorder=2)
        sizes = 20 + 180 * n_samples / n_samples.sum()
        ax.scatter(predicted, observed, s=sizes, color=color, marker=marker, zorder=3)
        # Legend entry with a marker of fixed size.
        ax.plot([], [], color=color, marker=marker, label=label)
        for x, y, n in zip(*self.curve, strict=True) if show_counts else ():
            shift, side = (-9, "top") if y > 0.9 else (9, "bottom")
            place = {"textcoords": "offset points", "ha": "center", "va": side}
            style = {"fontsize": "x-small", "color": color}
            ax.annotate(str(n), (x, y), (0, shift), **place, **style)
        ax.set(
            xlim=(-0.03, 1.03),
            ylim=(-0.03, 1.03),
            xlabel="predicted probability of fake",
            ylabel="observed share of fakes",
            aspect="equal",
        )
        ax.grid(alpha=0.3)
        ax.legend(loc="upper left", fontsize="small", framealpha=0.9)
        return self
