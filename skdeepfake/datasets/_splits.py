"""The official lists of a data set, and which videos are in which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .._groups import format_examples
from .._video_lists import VideoList
from ..exceptions import DatasetError
from ._records import REAL, DatasetIssues, Video

SPLITS = ("train", "val", "test")
_CELEB_DF_LIST = "List_of_testing_videos.txt"
_FLAG_OF_REAL = "1"
_PARTIAL = "a score on part of a list cannot be compared with one on all of it"


def check_split(split: str | None, known: Sequence[str] = SPLITS) -> None:
    """Raise if there is no such split."""
    if split is not None and split not in known:
        raise ValueError(
            f"split={split!r} must be None or one of {', '.join(map(repr, known))}"
        )


def official_splits(
    folders: Sequence[Path], suffix: str, split: str | None, issues: DatasetIssues
) -> dict[str, str]:
    """Read which names, without extension, are in which list."""
    lists = [[folder / f"{name}{suffix}" for name in SPLITS] for folder in folders]
    paths = next((p for p in lists if any(map(Path.is_file, p))), lists[0])
    absent = [
        str(path) for path in paths if split in (None, path.stem) and not path.is_file()
    ]
    if absent and split is not None:
        raise DatasetError(
            f"split={split!r} needs the official list, but there is no {absent[0]!r}"
        )
    issues.missing(
        "official lists that are not there", absent, "their videos have no split"
    )
    splits: dict[str, str] = {}
    for path in filter(Path.is_file, paths):
        keys = VideoList(path, path.name).entries.values()
        names = dict.fromkeys(key[0] for several in keys for key in several)
        both = [name for name in names if name in splits]
        if both:
            raise DatasetError(
                f"{len(both)} names of {str(path)!r} are in the {splits[both[0]]} list "
                f"too: {format_examples(both)}; take the lists as they were published"
            )
        splits.update(dict.fromkeys(names, path.stem))
    return splits


def with_splits(
    videos: Iterable[Video],
    splits: Mapping[str, str],
    split: str | None,
    issues: DatasetIssues,
) -> list[Video]:
    """Give each video the split of its name, if there are lists at all.

    A listed name with an underscore is a fake of every method, others are originals.
    """
    videos = [replace(video, split=splits.get(video.name)) for video in videos]
    if not splits:
        return videos
    issues.odd(
        "videos that are in no official list",
        [video.path for video in videos if video.split is None],
    )
    methods = dict.fromkeys(video.method for video in videos if video.method)
    there = {(video.method, video.name) for video in videos}
    issues.missing(
        "listed videos that are not there",
        [
            f"{method}/{name}" if method else name
            for name, where in splits.items()
            if split in (None, where)
            for method in (methods if "_" in name else [None])
            if (method, name) not in there
        ],
        _PARTIAL,
    )
    return videos


def with_targets(splits: Mapping[str, str]) -> dict[str, str]:
    """Put each target into the split of the fakes that were made of it."""
    targets: dict[str, str] = {}
    for name, split in splits.items():
        target = name.partition("_")[0]
        if targets.setdefault(target, split) != split:
            raise DatasetError(
                f"the target {target!r} is in two official lists: {targets[target]} "
                f"and, by {name!r}, {split}; take the lists as they were published"
            )
    return {**splits, **targets}


def celeb_df_splits(
    videos: list[Video], root: Path, split: str | None, issues: DatasetIssues
) -> list[Video]:
    """Put the listed videos into the test set, all others into the training set."""
    path = root / _CELEB_DF_LIST
    if not path.is_file():
        if split is not None:
            raise DatasetError(
                f"split={split!r} needs the official list, but there is no "
                f"{str(path)!r}"
            )
        issues.missing(
            "official lists that are not there", [str(path)], "no video has a split"
        )
        return videos
    listed, missing = VideoList(path, path.name).find([v.path for v in videos])
    if split != "train":
        issues.missing(f"entries of {path.name} that are not there", missing, _PARTIAL)
    flags = _flags(path)
    issues.odd(
        f"entries of {path.name} whose flag, {_FLAG_OF_REAL} for real, contradicts "
        "their folder",
        [
            f"{flags[entry]} {entry}"
            for number, entry in listed.items()
            if entry in flags
            and (flags[entry] == _FLAG_OF_REAL) != (videos[number].label == REAL)
        ],
        "the folder counts",
    )
    return [
        replace(video, split="test" if number in listed else "train")
        for number, video in enumerate(videos)
    ]


def _flags(path: Path) -> dict[str, str]:
    """Read the flag of each entry that has one; the list has no header."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    matches = (re.fullmatch(r"([01])\s+(\S.*)", line.strip()) for line in lines)
    return {match[2]: match[1] for match in matches if match}
