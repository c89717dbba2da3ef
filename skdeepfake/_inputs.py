"""Files that the command line is given: by name, in folders, by patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence

#: Ends of the names of files that are taken from folders.
EXTENSIONS = (
    *(".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".ts", ".m2ts", ".mts"),
    *(".3gp", ".gif", ".apng", ".jpg", ".jpeg", ".png", ".webp"),
)


def find_videos(names: Sequence[str]) -> list[str]:
    """List the videos and pictures that files, folders and patterns name.

    Raises a ValueError for what is no file, and says what to do.
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
                f"{name} has no videos or pictures: no file in it ends in "
                f"{', '.join(EXTENSIONS)}"
            )
        return inside
    if name.startswith("/dev/") or (name.isdigit() and not os.path.exists(name)):
        raise ValueError(
            f"{name} is a camera or another device, and only files are analyzed: "
            "record a clip first, and pass its file"
        )
    if name.endswith((".joblib", ".skops", ".npz")):
        raise ValueError(f"{name} is a model, not a video: use --model {name}")
    if "://" in name:
        raise ValueError(
            f"{name} is an address, and only files are analyzed: download the video "
            "first, and pass its file"
        )
    if glob.has_magic(name) and not os.path.exists(name):
        matches = sorted(filter(os.path.isfile, glob.glob(name, recursive=True)))
        if not matches:
            raise ValueError(f"{name} matches no file")
        return matches
    return [name]  # it is missing, which is told with its answer
