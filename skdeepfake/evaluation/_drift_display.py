"""Display of the drift between reference videos and new videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._drawing import BLUE, ORANGE, check_matplotlib, with_display_docs
from ._drift import DriftReport, drift


@with_display_docs
@dataclass(repr=False, eq=False)
class DriftDisplay:
    """Distributions of scores, coverage and features in reference and new videos.

    Each panel shows the cumulative distributions of one quantity in the reference
    videos and in the new videos. The largest vertical distance between the two curves
    is the Kolmogorov-Smirnov statistic.

    Parameters
    ----------
    report : DriftReport
        Result of :func:`drift`.

    Attributes
    ----------
    {{figure}}
    axes_ : ndarray of matplotlib.axes.Axes, shape (n_quantities,)
        Axes drawn by ``plot``.

    See Also
    --------
    DriftDisplay.from_estimator : Detect and plot drift.
    drift : Compute the report.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.evaluation import DriftDisplay, DriftReport
    >>> scores = np.linspace(0, 0.5, 100)
    >>> report = DriftReport.from_values({"score": scores}, {"score": scores + 0.3})
    >>> DriftDisplay(report).plot().axes_[0].get_title()
    'score: drift'
    """

    report: DriftReport

    @classmethod
    def from_estimator(
        cls, estimator: Any, X_reference: ArrayLike, X_new: ArrayLike, **params: Any
    ) -> DriftDisplay:
        """Detect drift with a fitted pipeline and plot the distributions.

        Parameters
        ----------
        estimator : classifier
            Fitted pipeline or detector.
        X_reference, X_new : array-like of shape (n_videos, ...)
            Reference videos and new videos, as input of `estimator`.
        **params : dict
            Parameters of :func:`drift`.

        Returns
        -------
        DriftDisplay
            Plotted display.

        Raises
        ------
        ValueError
            As in :func:`drift`.
        """
        check_matplotlib("DriftDisplay.from_estimator")
        return cls(drift(estimator, X_reference, X_new, **params)).plot()

    def plot(self, *, axes: Any = None) -> DriftDisplay:
        """Plot the distributions.

        Parameters
        ----------
        axes : array of matplotlib.axes.Axes or None, default=None
            Axes to draw on, one per quantity. None creates a new figure.

        {{returns_itself}}

        Raises
        ------
        ValueError
            If `axes` does not contain one axes per quantity.
        """
        check_matplotlib("DriftDisplay.plot")
        from matplotlib import pyplot as plt

        names = list(self.report.measures)
        if axes is None:
            figsize = (2.8 * len(names), 2.9)
            _, axes = plt.subplots(
                1, len(names), figsize=figsize, squeeze=False, layout="constrained"
            )
        self.axes_ = axes = np.ravel(np.asarray(axes, dtype=object))
        if len(axes) != len(names):
            raise ValueError(
                "axes must contain one axes per quantity: expected "
                f"{len(names)}, got {len(axes)}."
            )
        self.figure_ = axes[0].figure
        sides = [("reference", self.report.reference, BLUE, "-")]
        sides.append(("new", self.report.new, ORANGE, "--"))
        for ax, (name, measure) in zip(axes, self.report.measures.items(), strict=True):
            for label, values, color, style in sides:
                known = values[name][np.isfinite(values[name])]
                ax.ecdf(known, color=color, ls=style, label=f"{label} ({len(known)})")
            verdict = "drift" if measure.drifted else "no drift"
            ax.set_title(f"{name}: {verdict}", fontsize="medium")
            ax.set_xlabel(f"KS {measure.ks:.2f}, PSI {measure.psi:.2f}")
            ax.grid(alpha=0.3)
        axes[0].set_ylabel("cumulative share of videos")
        axes[0].legend(fontsize="small", loc="best")
        return self
