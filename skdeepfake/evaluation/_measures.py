"""Metrics of a report, with intervals and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc

from .._scores import ROUNDING, Scored, error_where_equal, roc, tpr_up_to
from ..metrics import clipped_log_loss, expected_calibration_error, group_bootstrap
from ._samples import Scores


def compute_rows(scores: Scores, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compute the metrics with their intervals, counts and notes.

    `settings` are those of the report.
    """
    options = {
        name: settings[name] for name in ("threshold", "max_fprs", "eps", "n_bins")
    }
    bootstrap = ("n_resamples", "confidence_level", "random_state")
    n_resamples = settings["n_resamples"]
    n_groups = len(set(scores.group.tolist()))
    n_fake = int(scores.y_true.sum())
    n_real = len(scores.y_true) - n_fake
    metrics = _compute(scores.y_true, scores.y_score, **options)
    low = high = np.full(len(metrics), np.nan)
    hedge = ""
    if n_resamples and n_groups < 2:
        hedge = "one group only, so no interval"
    elif n_resamples:
        _, low, high, n_valid = group_bootstrap(
            lambda y_true, y_score: [*_compute(y_true, y_score, **options).values()],
            scores.y_true,
            scores.y_score,
            groups=scores.group,
            **{name: settings[name] for name in bootstrap},
        )
        if n_valid < 0.95 * n_resamples:
            hedge = (
                f"{n_resamples - n_valid} of {n_resamples} resamples lack a class: "
                "too few groups to trust the intervals"
            )
    notes = dict.fromkeys(metrics, hedge)
    for fpr in settings["max_fprs"]:
        if fpr * n_real < 1 - ROUNDING:
            notes[_tpr_name(fpr)] = (
                f"{n_real} real cannot resolve a rate of false alarms of {fpr:g}"
            )
    return [
        {
            "estimate": estimate,
            "low": float(low[k]),
            "high": float(high[k]),
            "note": notes[name],
            "n_real": n_real,
            "n_fake": n_fake,
            "n_groups": n_groups,
            "measure": name,
        }
        for k, (name, estimate) in enumerate(metrics.items())
    ]


def _compute(
    y_true: NDArray,
    y_score: NDArray,
    threshold: float,
    max_fprs: Sequence[float],
    eps: float,
    n_bins: int,
) -> dict[str, float]:
    # One ROC curve for several metrics, since each resample computes them.
    is_positive = y_true == 1
    curve = roc(Scored(is_positive, y_score, np.ones(len(y_score))))
    found = curve.tpr * is_positive.sum()
    taken = found + curve.fpr * (~is_positive).sum()
    is_right = (y_score >= threshold) == is_positive
    recalls = is_right[is_positive].mean(), is_right[~is_positive].mean()
    rates = tpr_up_to(curve, np.asarray(max_fprs, dtype=float)).tolist()
    calibration = expected_calibration_error(y_true, y_score, n_bins=n_bins)
    return {
        "AUC": float(auc(curve.fpr, curve.tpr)),
        "average precision": float(np.diff(curve.tpr) @ (found[1:] / taken[1:])),
        "equal error rate": error_where_equal(curve),
        **dict(zip(map(_tpr_name, max_fprs), rates, strict=True)),
        f"balanced accuracy at {threshold:g}": float(np.mean(recalls)),
        f"accuracy at {threshold:g}": float(is_right.mean()),
        f"log loss, clipped at {eps:g}": clipped_log_loss(y_true, y_score, eps=eps),
        "Brier score": float(np.mean((y_score - y_true) ** 2)),
        f"calibration error, {n_bins} bins": calibration,
    }


def _tpr_name(fpr: float) -> str:
    return f"TPR at FPR {100 * fpr:g} %"
