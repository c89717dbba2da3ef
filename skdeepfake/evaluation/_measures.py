"""Videos and frames as samples, and the metrics of a report with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc
from sklearn.utils import column_or_1d

from .._groups import MIN_GROUPS, count_groups, is_missing
from .._scores import ROUNDING, Scored, error_where_equal, roc, tpr_up_to
from ..metrics import (
    clipped_log_loss,
    coverage,
    expected_calibration_error,
    frame_scores,
    group_bootstrap,
)

ALL = "all"


class Scores(NamedTuple):
    """Samples at one level, videos or frames: y_true is 1 for the positive class."""

    y_true: NDArray[np.int64]
    y_score: NDArray[np.float64]
    group: NDArray
    video: NDArray[np.intp]

    def select(self, videos: NDArray[np.bool_]) -> Scores:
        """Return the samples of some videos."""
        kept = videos[self.video]
        return Scores._make(part[kept] for part in self)


class Covered(NamedTuple):
    """Number of videos, shares with a face and damaged seconds; None if not known."""

    n_videos: int
    videos_with_face: float | None
    frames_with_face: float | None
    seconds_missing: float | None


def check_faces(
    frames: NDArray[np.float64] | None,
    has_face: ArrayLike | None,
    n_videos: int,
    no_face: str,
) -> tuple[NDArray[np.bool_] | None, NDArray[np.intp]]:
    """Return which frames have a face, and the indices of the videos to score."""
    if has_face is None and frames is not None:
        has_face = ~np.isnan(frames)
    faces = None if has_face is None else np.asarray(has_face, dtype=bool)
    if faces is not None and faces.ndim != 2:
        raise ValueError(
            f"has_face has the shape {faces.shape}, not (n_videos, n_frames)"
        )
    if no_face == "keep":
        return faces, np.arange(n_videos)
    if faces is None:
        raise ValueError(
            "no_face='leave_out' needs frame_proba or has_face, to tell which videos "
            "have no face"
        )
    return faces, np.flatnonzero(faces.any(axis=1))


def check_seconds(seconds: ArrayLike | None) -> NDArray[np.float64] | None:
    """Return the damaged seconds of each video, if they are known."""
    if seconds is None:
        return None
    found = column_or_1d(seconds, dtype=np.float64)
    if not (found >= 0).all():
        raise ValueError("seconds_missing is negative or NaN for some videos")
    return found


def make_levels(
    score: NDArray[np.float64],
    is_fake: NDArray[np.bool_],
    group: NDArray,
    frames: NDArray[np.float64] | None,
    kept: NDArray[np.intp],
) -> dict[str, Scores]:
    """Return the kept videos and, if they have several, their frames as samples."""
    y_true = is_fake.astype(np.int64)
    levels = {"videos": Scores(y_true[kept], score[kept], group[kept], kept)}
    if frames is not None and frames.shape[1] > 1:
        labels, scores, video = frame_scores(y_true, frames)
        levels["frames"] = Scores(labels, scores, group[video], video)
    return levels


def find_subsets(by: ArrayLike | None) -> dict[str, NDArray[np.bool_]]:
    """Return which videos have each value of `by`, by its name."""
    if by is None:
        return {}
    values = np.asarray(by, dtype=object)
    if values.ndim != 1:
        raise ValueError(f"by has the shape {values.shape}, not (n_videos,)")
    found = {}
    for value in dict.fromkeys(values.tolist()):
        if not is_missing(value):
            name = f"{value} (value)" if value in (ALL, "real", "fake") else str(value)
            found[name] = np.array([each == value for each in values])
    return found


def add_other_class(
    videos: NDArray[np.bool_], is_fake: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Add all videos of the class that is missing, if one is."""
    classes = np.unique(is_fake[videos])
    return videos | (is_fake != classes[0]) if len(classes) == 1 else videos


def measure_coverage(
    faces: NDArray[np.bool_] | None,
    missing: NDArray[np.float64] | None,
    videos: NDArray[np.bool_],
) -> Covered:
    """Return how many of some videos and frames have a face, and what is damaged."""
    shares: tuple[float | None, float | None] = None, None
    if faces is not None:
        shares = coverage(np.where(faces[videos], 0.0, np.nan))
    seconds = None if missing is None else float(missing[videos].sum())
    return Covered(int(videos.sum()), *shares, seconds)


def with_interval(row: Mapping[str, Any], note: str = " *") -> str:
    """Write an estimate with its interval, and `note` if the row has a note."""
    text = f"{row['estimate']:.3f}"
    if not np.isnan(row["low"]):
        text += f" ({row['low']:.3f} to {row['high']:.3f})"
    return text + note if row["note"] else text


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
    of_real, of_fake = count_groups(scores.y_true, scores.group)
    n_fake = int(scores.y_true.sum())
    n_real = len(scores.y_true) - n_fake
    metrics = _compute(scores.y_true, scores.y_score, **options)
    low = high = np.full(len(metrics), np.nan)
    hedge = ""
    if min(of_real, of_fake) < MIN_GROUPS:
        hedge = (
            f"real videos of {of_real} groups, fakes of {of_fake}: below {MIN_GROUPS} "
            "groups, figures and intervals are unreliable"
        )
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
    threshold = settings["threshold"]
    if not (scores.y_score >= threshold).any():
        notes[f"precision at {threshold:g}"] = (
            "nothing is classified as fake, and precision is set to 0"
        )
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
    is_called = y_score >= threshold
    is_right = is_called == is_positive
    recall, specificity = is_right[is_positive].mean(), is_right[~is_positive].mean()
    n_hits, n_called = is_right[is_positive].sum(), is_called.sum()
    rates = tpr_up_to(curve, np.asarray(max_fprs, dtype=float)).tolist()
    calibration = expected_calibration_error(y_true, y_score, n_bins=n_bins)
    return {
        "AUC": float(auc(curve.fpr, curve.tpr)),
        "average precision": float(np.diff(curve.tpr) @ (found[1:] / taken[1:])),
        "equal error rate": error_where_equal(curve),
        **dict(zip(map(_tpr_name, max_fprs), rates, strict=True)),
        f"balanced accuracy at {threshold:g}": float((recall + specificity) / 2),
        f"accuracy at {threshold:g}": float(is_right.mean()),
        f"precision at {threshold:g}": float(n_hits / max(n_called, 1)),
        f"recall at {threshold:g}": float(recall),
        f"F1 at {threshold:g}": float(2 * n_hits / (n_called + is_positive.sum())),
        f"false positive rate at {threshold:g}": float(1 - specificity),
        f"log loss, clipped at {eps:g}": clipped_log_loss(y_true, y_score, eps=eps),
        "Brier score": float(np.mean((y_score - y_true) ** 2)),
        f"calibration error, {n_bins} bins": calibration,
    }


def _tpr_name(fpr: float) -> str:
    return f"TPR at FPR {100 * fpr:g} %"
