"""Celeb-DF, both versions."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from sklearn.utils import Bunch

from .._video_lists import VideoList
from ..exceptions import DatasetError
from ._listing import check_root
from ._records import (
    FAKE,
    REAL,
    DatasetIssues,
    Video,
    as_bunch,
    named_videos,
    with_loader_docs,
)
from ._splits import check_split

LIST = "List_of_testing_videos.txt"
_FLAG_OF_REAL = "1"


@with_loader_docs
def load_celeb_df(
    root: str | os.PathLike[str], *, split: str | None = None, as_frame: bool = False
) -> Bunch:
    """List the videos of Celeb-DF [1]_, version 1 or 2.

    ``Celeb-real/id0_0000.mp4`` and ``YouTube-real/00170.mp4`` are real, and
    ``Celeb-synthesis/id0_id1_0000.mp4`` is the former with the face of id1. Both
    versions have the same folders and names.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds `Celeb-real`, `YouTube-real` and `Celeb-synthesis`.
    split : {"train", "test"} or None, default=None
        The videos that are in ``List_of_testing_videos.txt``, or all others. None
        takes all.
    {{as_frame}}

    Returns
    -------
    {{bunch}}

    Raises
    ------
    DatasetError
        If a folder is missing or has no video, or none with such a name, or there
        is no list and a split is asked for.
    ValueError
        If there is no such split.

    Warns
    -----
    {{odd}}

    See Also
    --------
    skdeepfake.model_selection.OfficialSplit : The official list as a splitter.

    Notes
    -----
    Labels come from the folders. In the list, 1 means real and 0 fake, other than in
    `target`; an entry that says otherwise is reported.

    Faces were swapped within few circles of celebrities: the 340 fakes in the list of
    version 2 form four groups, the largest with four fifths of them. The list does not
    separate people, so that :func:`~skdeepfake.model_selection.check_no_leakage` raises
    for this split. It is meant for testing what was trained on another data set. To
    train on it, split by ``IdentityKFold(details["target"], details["source"])`` of
    :mod:`skdeepfake.model_selection`. For intervals by bootstrap,
    ``groups=details["target"]`` keeps at least the videos of one person together.

    References
    ----------
    .. [1] Li, Y., Yang, X., Sun, P., Qi, H. and Lyu, S. (2020). Celeb-DF: A
       large-scale challenging dataset for deepfake forensics. CVPR.

    Examples
    --------
    >>> from skdeepfake.datasets import load_celeb_df
    >>> test = load_celeb_df("Celeb-DF-v2", split="test")  # doctest: +SKIP
    >>> len(test.data), test.target.sum()  # doctest: +SKIP
    (518, 340)
    """
    check_split(split, ("train", "test"))
    root = check_root(
        root, "the sub-folders Celeb-real, YouTube-real and Celeb-synthesis"
    )
    issues = DatasetIssues()
    videos = [
        *named_videos(
            root / "Celeb-real",
            r"(?P<target>id\d+)_\d+",
            "id0_0000.mp4",
            "real videos",
            issues,
            label=REAL,
        ),
        *named_videos(
            root / "YouTube-real",
            r"(?P<target>\d+)",
            "00170.mp4",
            "real videos",
            issues,
            label=REAL,
        ),
        *named_videos(
            root / "Celeb-synthesis",
            r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<take>\d+)",
            "id0_id1_0000.mp4",
            "the fakes",
            issues,
            label=FAKE,
            original="{target}_{take}",
            method="Celeb-synthesis",
        ),
    ]
    videos = _with_splits(videos, root / LIST, split, issues)
    return as_bunch(videos, issues, root, split=split, as_frame=as_frame)


def _with_splits(
    videos: list[Video], path: Path, split: str | None, issues: DatasetIssues
) -> list[Video]:
    """Put the listed videos into the test set, all others into the training set."""
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
        issues.missing(
            f"entries of {path.name} that are not there",
            missing,
            "a score on part of a list cannot be compared with one on all of it",
        )
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
