"""Describe the problems in a leakage report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._groups import count_is, format_examples
from ._feature_aucs import ALL
from ._overlap import SplitLeakage

if TYPE_CHECKING:
    from ._report import LeakageReport

_REMOVE = "Remove one file of each pair, or put both into one group."
_TRANSCODE = "Transcode all videos with VideoTranscoder."
_SCALE = "Scale all videos to the same size."
_ADVICE = {
    "file_size": _TRANSCODE,
    "bit_rate": _TRANSCODE,
    "codec": _TRANSCODE,
    "frame_rate": "Convert all videos to the same frame rate.",
    "duration": "Cut all videos to the same duration with VideoTranscoder.",
    "width": _SCALE,
    "height": _SCALE,
    "face_size": (
        "Choose videos with faces of similar size, since rescaling leaves traces of "
        "the original size."
    ),
}


def find_problems(report: LeakageReport) -> list[str]:
    """Describe each problem and how to solve it."""
    found = []
    leaky = [split for split in report.splits if split.groups]
    if leaky:
        worst = max(leaky, key=lambda split: split.share_affected)
        found.append(
            f"{_in_splits(report, leaky, worst)}{count_is(worst.groups, 'group')} in "
            "the training set and in the test set: "
            f"{format_examples(worst.groups)}. This affects {worst.n_affected} of "
            f"{worst.n_test} test videos ({worst.share_affected:.0%}). Split by group, "
            "or by identity with IdentityKFold."
        )
    leaky = [split for split in report.splits if split.copies]
    if leaky:
        worst = max(leaky, key=lambda split: len(split.copies))
        found.append(
            f"{_in_splits(report, leaky, worst)}{count_is(worst.copies, 'test video')}"
            f" also in the training set. Identical files: {_pairs(worst.copies)}. "
            f"{_REMOVE}"
        )
    if report.copies:
        found.append(
            f"{count_is(report.copies, 'video')} also in another group. Identical "
            f"files: {_pairs(report.copies)}. {_REMOVE}"
        )
    if report.related_names:
        found.append(
            f"{count_is(report.related_names, 'file name')} part of a name in "
            f"another group: {_pairs(report.related_names)}. If these videos show "
            "the same people, group them with skdeepfake.datasets.group_by_name."
        )
    separating = [feature for feature in report.features if feature.gives_away]
    for feature in separating:
        low, high = f"{feature.low:.2f}", f"{feature.high:.2f}"
        auc = f"{feature.auc:.2f} ({low} to {high})"
        if feature.name != ALL:
            advice = _ADVICE.get(feature.name, "Make it similar in both classes.")
            found.append(
                f"The {feature.label} alone separates real from fake with an AUC "
                f"of {auc}. {advice}"
            )
        elif len(separating) == 1:
            found.append(
                f"All features together separate real from fake with an AUC of {auc}, "
                "but no single feature does. Compare the `values` of the report "
                "between the classes."
            )
    return found


def _in_splits(
    report: LeakageReport, leaky: list[SplitLeakage], worst: SplitLeakage
) -> str:
    if len(report.splits) == 1:
        return ""
    n_splits = len(report.splits)
    return (
        f"{len(leaky)} of {n_splits} splits are affected. In {worst.name}, the worst, "
    )


def _pairs(pairs: list[tuple[str, str]], limit: int = 3) -> str:
    first = ", ".join(f"{a!r} and {b!r}" for a, b in pairs[:limit])
    return f"{first} and {len(pairs) - limit} more" if len(pairs) > limit else first
