"""Which files of a folder are videos."""

from __future__ import annotations

import os
from pathlib import Path

from ..exceptions import DatasetError

VIDEO_EXTENSIONS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
TARGET_NAMES = ("real", "fake")


def check_root(root: str | os.PathLike[str], expected: str) -> Path:
    """Raise if the root is no folder; say what it should hold."""
    root = Path(root)
    if not root.is_dir():
        found = "is a file" if root.exists() else "does not exist"
        raise DatasetError(f"{str(root)!r} {found}; expected a folder with {expected}")
    return root


def videos_in(folder: Path, expected: str) -> list[str]:
    """List the videos of a folder by name; no folder and no video are errors."""
    if not folder.is_dir():
        raise DatasetError(f"{str(folder)!r} is not a folder; expected {expected}")
    videos = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in VIDEO_EXTENSIONS and not path.name.startswith(".")
    )
    if not videos:
        raise DatasetError(
            f"No video in {str(folder)!r}; looked for files ending in "
            f"{', '.join(VIDEO_EXTENSIONS)}"
        )
    return [str(path) for path in videos]
