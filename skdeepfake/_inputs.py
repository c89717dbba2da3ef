"""Find the input files of the command line."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence

#: Extensions of the files that are analyzed if the input is a folder.
EXTENSIONS = (
    *(".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".ts", ".m2ts", ".mts"),
    *(".3gp", ".gif", ".apng", ".jpg", ".jpeg", ".png", ".webp"),
)


def find_videos(names: Sequence[str]) -> list[str]:
    """Expand files, folders and glob patterns to a list of videos and images.

    Raise a ValueError for other inputs, such as cameras and URLs.
    """
    found: list[str] = []
    for name in names:
        found += _find(name)
    return list(dict.fromkeys(found))


def _find(name: str) -> Iterable[str]:
    if os.path.isdir(name):
        inside = sorted(
            os.path.join(folder, file)
            for folder, _, files in os.walk(name)
            for file in files
            if file.lower().endswith(EXTENSIONS) and not file.startswith(".")
        )
        if not inside:
            raise ValueError(
                f"{name} contains no videos or images; expected files ending in "
                f"{', '.join(EXTENSIONS)}."
            )
        return inside
    if name.startswith("/dev/") or (name.isdigit() and not os.path.exists(name)):
        raise ValueError(
            f"{name} is a camera or another device; only files can be analyzed. Record "
            "a video first and pass its file."
        )
    if name.endswith((".joblib", ".skops", ".npz")):
        raise ValueError(f"{name} is a model, not a video. Use --model {name}.")
    if "://" in name:
        raise ValueError(
            f"{name} is a URL; only files can be analyzed. Download the video first "
            "and pass its file."
        )
    if glob.has_magic(name) and not os.path.exists(name):
        matches = sorted(filter(os.path.isfile, glob.glob(name, recursive=True)))
        if not matches:
            raise ValueError(f"{name} matches no files.")
        return matches
    return [name]  # a missing file is reported with the results
