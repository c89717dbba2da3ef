"""Environment, tables and JSON files of the benchmarks."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_DISTRIBUTIONS = (
    "skdeepfake",
    "numpy",
    "scikit-learn",
    "opencv-python",
    "opencv-python-headless",
    "dlib-bin",
    "dlib",
    "imageio-ffmpeg",
    "joblib",
    "distributed",
    "keras",
    "scikeras",
    "onnxruntime",
    "tensorflow",
)

Row = Mapping[str, Any]


def environment() -> dict[str, Any]:
    """Return the machine and the versions that the results depend on."""
    return {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {
            name: version
            for name in _DISTRIBUTIONS
            if (version := _version(name)) is not None
        },
    }


def write(rows: Sequence[Row], path: str | os.PathLike[str], **about: Any) -> None:
    """Write the rows, the environment and further facts to a JSON file.

    The load average is included, where available, since other processes affect results.
    """
    report = {"environment": environment(), **about, "rows": [dict(r) for r in rows]}
    if hasattr(os, "getloadavg"):
        report["load_average"] = os.getloadavg()
    Path(path).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def append(row: Row, path: str | os.PathLike[str]) -> None:
    """Append a row and its environment to a JSON file."""
    rows = [*read(path), {**row, "environment": environment()}]
    Path(path).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def read(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the rows in a JSON file, or an empty list if it does not exist."""
    file = Path(path)
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def print_table(rows: Sequence[Row]) -> None:
    """Print the rows as a Markdown table, with the keys of the first row as columns."""
    columns = list(rows[0])
    cells = [columns, *([_text(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        f"| {' | '.join(t.ljust(w) for t, w in zip(line, widths, strict=True))} |"
        for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print("\n".join(lines))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cores() -> int:
    # Cores that this process may use, which a container may limit. Not all systems
    # report this.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
