"""Official subsets of published datasets."""

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
_PARTIAL = "scores on part of a list are not comparable with scores on the whole list"


def check_split(split: str | None, known: Sequence[str] = SPLITS) -> None:
    """Raise a ValueError if the split is unknown."""
    if split is not None and split not in known:
        raise ValueError(
            f"split={split!r} must be None or one of {', '.join(map(repr, known))}."
        )


def official_splits(
    folders: Sequence[Path], suffix: str, split: str | None, issues: DatasetIssues
) -> dict[str, str]:
    """Return the official subset of each listed name, without extensions."""
    lists = [[folder / f"{name}{suffix}" for name in SPLITS] for folder in folders]
    paths = next((p for p in lists if any(map(Path.is_file, p))), lists[0])
    absent = [
        str(path) for path in paths if split in (None, path.stem) and not path.is_file()
    ]
    _report_missing_lists(absent, split, issues)
    splits: dict[str, str] = {}
    for path in filter(Path.is_file, paths):
        keys = VideoList(path, path.name).entries.values()
        names = dict.fromkeys(key[0] for several in keys for key in several)
        both = [name for name in names if name in splits]
        if both:
            raise DatasetError(
                f"{len(both)} names in {str(path)!r} are also in the "
                f"{splits[both[0]]} list: {format_examples(both)}. Use the lists as "
                "published."
            )
        splits.update(dict.fromkeys(names, path.stem))
    return splits


def with_splits(
    videos: Iterable[Video],
    splits: Mapping[str, str],
    split: str | None,
    issues: DatasetIssues,
) -> list[Video]:
    """Assign each video to the subset that lists its name.

    A listed name with an underscore stands for one fake per method. Any other name
    stands for an original.
    """
    videos = [replace(video, split=splits.get(video.name)) for video in videos]
    if not splits:
        return videos
    issues.odd(
        "videos in no official list",
        [video.path for video in videos if video.split is None],
    )
    methods = dict.fromkeys(video.method for video in videos if video.method)
    found = {(video.method, video.name) for video in videos}
    issues.missing(
        "missing videos of the official lists",
        [
            f"{method}/{name}" if method else name
            for name, where in splits.items()
            if split in (None, where)
            for method in (methods if "_" in name else [None])
            if (method, name) not in found
        ],
        _PARTIAL,
    )
    return videos


def with_targets(splits: Mapping[str, str]) -> dict[str, str]:
    """Assign each target to the subset of its fakes."""
    targets: dict[str, str] = {}
    for name, split in splits.items():
        target = name.partition("_")[0]
        if targets.setdefault(target, split) != split:
            raise DatasetError(
                f"The target {target!r} is in two official lists, {targets[target]} "
                f"and {split} (as {name!r}). Use the lists as published."
            )
    return {**splits, **targets}


def celeb_df_splits(
    videos: list[Video], root: Path, split: str | None, issues: DatasetIssues
) -> list[Video]:
    """Assign the listed videos to the test set and all others to the training set."""
    path = root / _CELEB_DF_LIST
    if not path.is_file():
        _report_missing_lists([str(path)], split, issues)
        return videos
    listed, missing = VideoList(path, path.name).find([v.path for v in videos])
    if split != "train":
        issues.missing(f"missing videos of {path.name}", missing, _PARTIAL)
    flags = _flags(path)
    issues.odd(
        f"entries of {path.name} whose flag ({_FLAG_OF_REAL} for real) contradicts "
        "their folder",
        [
            f"{flags[entry]} {entry}"
            for number, entry in listed.items()
            if entry in flags
            and (flags[entry] == _FLAG_OF_REAL) != (videos[number].label == REAL)
        ],
        "their labels are taken from the folder",
    )
    return [
        replace(video, split="test" if number in listed else "train")
        for number, video in enumerate(videos)
    ]


def _report_missing_lists(
    lists: list[str], split: str | None, issues: DatasetIssues
) -> None:
    if lists and split is not None:
        raise DatasetError(
            f"split={split!r} needs the official list {lists[0]!r}, which is missing."
        )
    issues.missing("missing official lists", lists, "their videos have no split")


def _flags(path: Path) -> dict[str, str]:
    """Return the flag of each entry with a flag. The list has no header."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    matches = (re.fullmatch(r"([01])\s+(\S.*)", line.strip()) for line in lines)
    return {match[2]: match[1] for match in matches if match}
