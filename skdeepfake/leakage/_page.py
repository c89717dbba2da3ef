"""Render a leakage report as HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from .._html import part, versions

if TYPE_CHECKING:
    from ._report import LeakageReport

_SPLITS = (
    "split",
    "train",
    "test",
    "shared groups",
    "affected test videos",
    "identical files",
)
_FEATURES = "feature", "AUC", "95% interval", "videos", "separates classes"


def render(report: LeakageReport) -> str:
    """Render the findings and the tables of splits and features."""
    title = f"{report.n_videos} videos in {report.n_groups} groups"
    messages = report.findings + report.notes or ["No problem was found."]
    items = "".join(f"<li>{escape(text)}</li>" for text in messages)
    parts = [f"<h1>Leakage report: {title}</h1>", "<h2>Findings</h2>"]
    parts.append(f"<ul>{items}</ul>")
    if report.splits:
        splits = [
            (
                *(split.name, split.n_train, split.n_test, len(split.groups)),
                *(f"{split.share_affected:.0%}", len(split.copies)),
            )
            for split in report.splits
        ]
        parts += ["<h2>Splits</h2>", _table(_SPLITS, splits)]
    if report.features:
        features = [
            (
                each.label,
                "unknown" if math.isnan(each.auc) else f"{each.auc:.2f}",
                "" if math.isnan(each.low) else f"{each.low:.2f} to {each.high:.2f}",
                *(each.n_known, "yes" if each.gives_away else "no"),
            )
            for each in report.features
        ]
        title = "<h2>Trivial features</h2>"
        parts += [title, _table(_FEATURES, features)]
    parts.append(f"<footer>{escape(versions())}</footer>")
    return part("\n".join(parts))


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["".join(f'<th scope="col">{name}</th>' for name in head)]
    lines += ["".join(f"<td>{escape(str(c))}</td>" for c in row) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table>\n{body}\n</table></div>'
