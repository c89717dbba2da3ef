"""A report as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._samples import ALL, with_interval

if TYPE_CHECKING:
    from ._report import EvaluationReport


def render_text(report: EvaluationReport) -> str:
    """Write a report as tables with its summary and notes."""
    levels = "".join(f"{level:<26}" for level in report.scores)
    lines = [*summarize(report), ""]
    for title, rows in make_tables(report).items():
        lines.append(f"{title:<33}{levels}")
        for name, cells in rows.items():
            lines.append(f"  {name:<31}" + "".join(f"{cell:<26}" for cell in cells))
        lines.append("")
    lines += [f"* {note}" for note in list_notes(report)]
    return "\n".join(line.rstrip() for line in lines).rstrip()


def make_tables(report: EvaluationReport) -> dict[str, dict[str, list[str]]]:
    """Return the cells of each table, by its title and the names of its rows."""
    tables = {}
    levels = list(report.scores)
    for subset in report.subsets:
        rows = report.table(subset)
        cells = {
            name: [with_interval(row[level]) for level in levels]
            for name, row in rows.items()
        }
        # All rows of a level share the counts and the coverage.
        shared = [next(iter(rows.values()))[level] for level in levels]
        cells["real and fake"] = [f"{r['n_real']} and {r['n_fake']}" for r in shared]
        if shared[0]["videos_with_face"] is not None:
            shares = [row[f"{row['level']}_with_face"] for row in shared]
            cells["share with a face"] = [f"{share:.3f}" for share in shares]
        title = "All videos" if subset == ALL else f"{subset} against all real"
        tables[title] = cells
    return tables


def summarize(report: EvaluationReport) -> list[str]:
    """Summarize the evaluated data, and how scores and intervals were computed."""
    counts = {name: report.coverage[name].n_videos for name in (ALL, "real", "fake")}
    n_groups = len(set(report.scores["videos"].group.tolist()))
    lines = [
        f"{counts[ALL]} videos ({counts['real']} real, {counts['fake']} fake) of "
        f"{n_groups} groups"
    ]
    for name, (_, videos, frames) in report.coverage.items():
        if videos is None or frames is None:
            lines.append("how many have a face is not known")
            break
        lines.append(
            f"a face in {_percent(videos)} of the videos and {_percent(frames)} of the "
            f"frames ({name})"
        )
    else:
        policy = {
            "keep": "videos without a face are scored by what the detector says",
            "leave_out": "videos without a face are left out",
        }
        lines.append(policy[report.settings["no_face"]])
    if rule := report.settings.get("aggregation"):
        lines.append(f"a video's score is the {rule} of its frames'")
    if report.settings["n_resamples"]:
        lines.append(
            f"in brackets {_percent(report.settings['confidence_level'])} intervals, "
            f"by {report.settings['n_resamples']} resamples of the groups"
        )
    return lines


def list_notes(report: EvaluationReport) -> list[str]:
    """List the notes on figures with a star, each once, with levels and subsets."""
    about: dict[str, dict[str, None]] = {}
    for row in report.rows:
        if row["note"]:
            place = [row["level"], *[row["subset"]] * (row["subset"] != ALL)]
            about.setdefault(row["note"], {})[", ".join(place)] = None
    return [f"{note} ({'; '.join(places)})" for note, places in about.items()]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
