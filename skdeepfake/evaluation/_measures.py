"""Metrics of an evaluation report, per video and per frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

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

_CONSTRAINTS: dict[str, list[Any]] = {
    "threshold": [Interval(Real, 0, 1, closed="both")],
    "max_fprs": ["array-like"],
    "eps": [Interval(Real, 0, 0.5, closed="neither")],
    "n_bins": [Interval(Integral, 1, None, closed="left")],
    "no_face": [StrOptions({"keep", "leave_out"})],
    "n_resamples": [Interval(Integral, 0, None, closed="left")],
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    "random_state": ["random_state"],
}


class Scores(NamedTuple):
    """Labels (1 for fake), scores, groups and video indices of videos or frames."""

    y_true: NDArray[np.int64]
    y_score: NDArray[np.float64]
    group: NDArray
    video: NDArray[np.intp]

    def select(self, videos: NDArray[np.bool_]) -> Scores:
        """Return the samples of the selected videos."""
        kept = videos[self.video]
        return Scores._make(part[kept] for part in self)


class Covered(NamedTuple):
    """Number of videos, shares with a face and missing seconds; None if unknown."""

    n_videos: int
    videos_with_face: float | None
    frames_with_face: float | None
    seconds_missing: float | None


def check_settings(settings: dict[str, Any]) -> None:
    """Validate the settings of a report, and replace the random state with a seed."""
    validate_parameter_constraints(_CONSTRAINTS, settings, "evaluate")
    seed = settings["random_state"]
    if not isinstance(seed, Integral):
        seed = check_random_state(seed).randint(2**31)
    # Use the same resamples for all metrics.
    settings["random_state"] = int(seed)


def check_faces(
    frames: NDArray[np.float64] | None,
    has_face: ArrayLike | None,
    n_videos: int,
    no_face: str,
) -> tuple[NDArray[np.bool_] | None, NDArray[np.intp]]:
    """Return the mask of frames with a face and the indices of the videos to score."""
    if has_face is None and frames is not None:
        has_face = ~np.isnan(frames)
    faces = None if has_face is None else np.asarray(has_face, dtype=bool)
    if faces is not None and faces.ndim != 2:
        raise ValueError(
            f"has_face must have shape (n_videos, n_frames); got {faces.shape}."
        )
    if no_face == "keep":
        return faces, np.arange(n_videos)
    if faces is None:
        raise ValueError(
            "no_face='leave_out' requires frame_proba or has_face, to find videos "
            "without a face."
        )
    return faces, np.flatnonzero(faces.any(axis=1))


def check_seconds(seconds: ArrayLike | None) -> NDArray[np.float64] | None:
    """Return the missing seconds of each video, if known."""
    if seconds is None:
        return None
    found = column_or_1d(seconds, dtype=np.float64)
    if not (found >= 0).all():
        raise ValueError("seconds_missing must not be negative or NaN.")
    return found


def make_levels(
    score: NDArray[np.float64],
    is_fake: NDArray[np.bool_],
    group: NDArray,
    frames: NDArray[np.float64] | None,
    kept: NDArray[np.intp],
) -> dict[str, Scores]:
    """Return the scores of the kept videos and, with several frames, of the frames."""
    y_true = is_fake.astype(np.int64)
    levels = {"videos": Scores(y_true[kept], score[kept], group[kept], kept)}
    if frames is not None and frames.shape[1] > 1:
        labels, scores, video = frame_scores(y_true, frames)
        levels["frames"] = Scores(labels, scores, group[video], video)
    return levels


def find_subsets(by: ArrayLike | None) -> dict[str, NDArray[np.bool_]]:
    """Return a mask of the videos for each value of `by`."""
    if by is None:
        return {}
    values = np.asarray(by, dtype=object)
    if values.ndim != 1:
        raise ValueError(f"by must have shape (n_videos,); got {values.shape}.")
    found = {}
    for value in dict.fromkeys(values.tolist()):
        if not is_missing(value):
            name = f"{value} (value)" if value in (ALL, "real", "fake") else str(value)
            found[name] = np.array([each == value for each in values])
    return found


def add_other_class(
    videos: NDArray[np.bool_], is_fake: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Add all videos of the missing class, if `videos` contains only one class."""
    classes = np.unique(is_fake[videos])
    return videos | (is_fake != classes[0]) if len(classes) == 1 else videos


def measure_coverage(
    faces: NDArray[np.bool_] | None,
    missing: NDArray[np.float64] | None,
    videos: NDArray[np.bool_],
) -> Covered:
    """Measure the coverage and the missing seconds of the selected videos."""
    shares: tuple[float | None, float | None] = None, None
    if faces is not None:
        shares = coverage(np.where(faces[videos], 0.0, np.nan))
    seconds = None if missing is None else float(missing[videos].sum())
    return Covered(int(videos.sum()), *shares, seconds)


def with_interval(row: Mapping[str, Any], note: str = " *") -> str:
    """Format an estimate with its interval, and append `note` if the row has a note."""
    text = f"{row['estimate']:.3f}"
    if not np.isnan(row["low"]):
        text += f" ({row['low']:.3f} to {row['high']:.3f})"
    return text + note if row["note"] else text


def compute_rows(scores: Scores, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compute the metrics of a report with their intervals, counts and notes."""
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
    caution = ""
    if min(of_real, of_fake) < MIN_GROUPS:
        caution = (
            f"{of_real} real and {of_fake} fake groups; metrics and intervals are "
            f"unreliable with fewer than {MIN_GROUPS} groups of either class"
        )
    if n_resamples and n_groups < 2:
        caution = "no interval, because there is only one group"
    elif n_resamples:
        _, low, high, n_valid = group_bootstrap(
            lambda y_true, y_score: [*_compute(y_true, y_score, **options).values()],
            scores.y_true,
            scores.y_score,
            groups=scores.group,
            **{name: settings[name] for name in bootstrap},
        )
        if n_valid < 0.95 * n_resamples:
            caution = (
                f"{n_resamples - n_valid} of {n_resamples} resamples lack a class: "
                "there are too few groups for reliable intervals"
            )
    notes = dict.fromkeys(metrics, caution)
    threshold = settings["threshold"]
    if not (scores.y_score >= threshold).any():
        notes[f"precision at {threshold:g}"] = (
            "precision is set to 0, because nothing is classified as fake"
        )
    for fpr in settings["max_fprs"]:
        if fpr * n_real < 1 - ROUNDING:
            notes[_tpr_name(fpr)] = (
                f"{n_real} real samples cannot resolve a false positive rate of {fpr:g}"
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
    # Compute the ROC curve only once per resample.
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
    return f"TPR at FPR {100 * fpr:g}%"


def largest_gaps(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the largest difference of each metric between two subsets."""
    by_measure: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["subset"] != ALL:
            by_measure.setdefault((row["measure"], row["level"]), []).append(row)
    found = []
    for (measure, level), values in by_measure.items():
        if len(values) < 2:
            continue
        lowest, *_, highest = sorted(values, key=lambda row: row["estimate"])
        found.append(
            {
                "level": level,
                "measure": measure,
                "gap": highest["estimate"] - lowest["estimate"],
                "lowest": lowest["subset"],
                "highest": highest["subset"],
                "note": lowest["note"] or highest["note"],
            }
        )
    return found
