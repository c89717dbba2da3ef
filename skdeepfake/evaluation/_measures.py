"""What is measured of scores, with intervals and with what hedges it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc

from .._scores import ROUNDING, Scored, error_where_equal, roc, tpr_up_to
from ..metrics import clipped_log_loss, expected_calibration_error, group_bootstrap


class Scores(NamedTuple):
    """Samples of one kind, videos or frames.

    Attributes
    ----------
    y_true : ndarray of int, shape (n_samples,)
        1 where a sample is of the positive class.
    y_score : ndarray of float, shape (n_samples,)
        Probability of the positive class.
    group : ndarray, shape (n_samples,)
        Identity of each sample.
    video : ndarray of int, shape (n_samples,)
        Number of each sample's video.
    """

    y_true: NDArray[np.int64]
    y_score: NDArray[np.float64]
    group: NDArray
    video: NDArray[np.intp]

    def of(self, videos: NDArray[np.bool_]) -> Scores:
        """Take the samples of some videos."""
        kept = videos[self.video]
        return Scores(
            self.y_true[kept], self.y_score[kept], self.group[kept], self.video[kept]
        )


class Measured(NamedTuple):
    """A figure, the interval in which it lies for other people, and what to add."""

    name: str
    estimate: float
    low: float
    high: float
    note: str


class Measures:
    """The figures that a report gives.

    Parameters
    ----------
    threshold : float
        What scores as much or more is taken for a fake.
    fprs : sequence of float
        Rates of false alarms at which the true positive rate is given.
    eps : float
        Where the log loss clips.
    n_bins : int
        Of the calibration error.
    """

    def __init__(
        self, *, threshold: float, fprs: Sequence[float], eps: float, n_bins: int
    ) -> None:
        self.threshold = threshold
        self.fprs = np.asarray(fprs, dtype=float)
        self.eps = eps
        self.n_bins = n_bins
        self.names = [
            "AUC",
            "average precision",
            "equal error rate",
            *map(_tpr_name, self.fprs),
            f"balanced accuracy at {threshold:g}",
            f"accuracy at {threshold:g}",
            f"log loss, clipped at {eps:g}",
            "Brier score",
            f"calibration error, {n_bins} bins",
        ]

    def compute(self, y_true: NDArray, y_score: NDArray) -> list[float]:
        """Compute the figures in the order of `names`.

        Parameters
        ----------
        y_true : ndarray of int, shape (n_samples,)
            0 or 1.
        y_score : ndarray of float, shape (n_samples,)
            Probability of 1.

        Returns
        -------
        list of float
        """
        # One curve for all that is read off it: a bootstrap comes here often.
        is_positive = y_true == 1
        curve = roc(Scored(is_positive, y_score, np.ones(len(y_score))))
        found = curve.tpr * is_positive.sum()
        taken = found + curve.fpr * (~is_positive).sum()
        is_right = (y_score >= self.threshold) == is_positive
        return [
            float(auc(curve.fpr, curve.tpr)),
            float(np.diff(curve.tpr) @ (found[1:] / taken[1:])),
            error_where_equal(curve),
            *tpr_up_to(curve, self.fprs).tolist(),
            float((is_right[is_positive].mean() + is_right[~is_positive].mean()) / 2),
            float(is_right.mean()),
            clipped_log_loss(y_true, y_score, eps=self.eps),
            float(np.mean((y_score - y_true) ** 2)),
            expected_calibration_error(y_true, y_score, n_bins=self.n_bins),
        ]

    def of(self, scores: Scores, **bootstrap: Any) -> list[Measured]:
        """Compute all of them, with their intervals.

        Parameters
        ----------
        scores : Scores
            Of both classes.
        **bootstrap : dict
            `n_resamples`, `confidence_level` and `random_state`; no resamples, no
            interval.

        Returns
        -------
        list of Measured
        """
        n_resamples = bootstrap["n_resamples"]
        hedge = ""
        if not n_resamples or len(set(scores.group.tolist())) < 2:
            estimates = np.array(self.compute(scores.y_true, scores.y_score))
            low = high = np.full(len(estimates), np.nan)
            if n_resamples:
                hedge = "one group only, so no interval"
        else:
            estimates, low, high, n_valid = group_bootstrap(
                self.compute,
                scores.y_true,
                scores.y_score,
                groups=scores.group,
                **bootstrap,
            )
            if n_valid < 0.95 * n_resamples:
                hedge = (
                    f"{n_resamples - n_valid} of {n_resamples} resamples lack a class: "
                    "too few groups to trust the intervals"
                )
        n_real = int((scores.y_true == 0).sum())
        notes = dict.fromkeys(self.names, hedge)
        for fpr in self.fprs:
            if fpr * n_real < 1 - ROUNDING:
                notes[_tpr_name(fpr)] = (
                    f"{n_real} real cannot resolve a rate of false alarms of {fpr:g}"
                )
        figures = zip(
            self.names,
            estimates.tolist(),
            low.tolist(),
            high.tolist(),
            notes.values(),
            strict=True,
        )
        return [Measured(*each) for each in figures]


def _tpr_name(fpr: float) -> str:
    return f"TPR at FPR {100 * fpr:g} %"
