"""Metrics of a report, with intervals and notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc

from ..metrics import clipped_log_loss, expected_calibration_error, group_bootstrap
from ..metrics._roc import ROUNDING, error_where_equal, roc, tpr_up_to
from ..metrics._validation import Scored
from ._samples import Scores


class Measures:
    """The metrics of a report, with the parameters of `EvaluationReport`."""

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
        """Compute the metrics in the order of `names`."""
        # One ROC curve for several metrics, since each resample computes them.
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

    def rows(self, scores: Scores, **bootstrap: Any) -> list[dict[str, Any]]:
        """Compute the metrics with their intervals, counts and notes."""
        n_resamples = bootstrap["n_resamples"]
        n_groups = len(set(scores.group.tolist()))
        hedge = ""
        if not n_resamples or n_groups < 2:
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
        n_fake = int(scores.y_true.sum())
        n_real = len(scores.y_true) - n_fake
        notes = dict.fromkeys(self.names, hedge)
        for fpr in self.fprs:
            if fpr * n_real < 1 - ROUNDING:
                notes[_tpr_name(fpr)] = (
                    f"{n_real} real cannot resolve a rate of false alarms of {fpr:g}"
                )
        return [
            {
                "estimate": float(estimates[k]),
                "low": float(low[k]),
                "high": float(high[k]),
                "note": note,
                "n_real": n_real,
                "n_fake": n_fake,
                "n_groups": n_groups,
                "measure": name,
            }
            for k, (name, note) in enumerate(notes.items())
        ]


def _tpr_name(fpr: float) -> str:
    return f"TPR at FPR {100 * fpr:g} %"
