"""Metadata of videos, issues of datasets and results of loaders."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from .._docs import shared_docs
from .._groups import connected_groups, format_examples
from .._pandas import import_pandas
from ..exceptions import DatasetError, DatasetWarning, MissingVideosWarning

VIDEO_EXTENSIONS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
TARGET_NAMES = ("real", "fake")
REAL, FAKE = range(len(TARGET_NAMES))


@dataclass(frozen=True, kw_only=True)
class Video:
    """Path and metadata of a video. The fields are the columns of `details`."""

    path: str
    label: int
    target: str
    source: str | None = None
    original: str | None = None
    method: str | None = None
    compression: str | None = None
    split: str | None = None

    @property
    def name(self) -> str:
        """Name of the file, without folders and extension."""
        return stem(self.path)


class DatasetIssues:
    """Missing, duplicate or contradictory videos, collected for warnings."""

    def __init__(self) -> None:
        self._found: list[tuple[type[Warning], str]] = []

    def missing(self, what: str, items: Collection[str], then: str = "") -> None:
        """Record expected videos or files that are missing."""
        self._add(MissingVideosWarning, what, items, then)

    def odd(self, what: str, items: Collection[str], then: str = "") -> None:
        """Record contradictions."""
        self._add(DatasetWarning, what, items, then)

    def _add(
        self, category: type[Warning], what: str, items: Collection[str], then: str
    ) -> None:
        if items:
            text = f"{what} ({len(items)}): {format_examples(list(items))}"
            self._found.append((category, f"{text}; {then}" if then else text))

    def warn(self, root: Path, stacklevel: int) -> None:
        """Issue one warning for each kind of issue."""
        for category, text in self._found:
            warnings.warn(f"{str(root)!r}: {text}", category, stacklevel=stacklevel + 1)


def stem(path: str | os.PathLike[str]) -> str:
    """Return the name of a file without folders and extension."""
    return os.path.splitext(os.path.basename(path))[0]


def check_root(root: str | os.PathLike[str], expected: str) -> Path:
    """Return `root` as a Path; raise a DatasetError if it is not a folder."""
    root = Path(root)
    if not root.is_dir():
        found = "is a file" if root.exists() else "does not exist"
        raise DatasetError(f"{str(root)!r} {found}; expected a folder with {expected}.")
    return root


def videos_in(folder: Path, expected: str) -> list[str]:
    """Return the sorted videos of a folder; raise an error if there are none."""
    check_root(folder, expected)
    videos = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in VIDEO_EXTENSIONS and not path.name.startswith(".")
    )
    if not videos:
        raise DatasetError(
            f"No videos in {str(folder)!r}; expected files ending in "
            f"{', '.join(VIDEO_EXTENSIONS)}."
        )
    return [str(path) for path in videos]


def list_videos(folder: Path, expected: str, issues: DatasetIssues) -> list[str]:
    """Return the sorted videos of a folder and record duplicate names."""
    paths = videos_in(folder, expected)
    counts = Counter(map(stem, paths))
    duplicates = [path for path in paths if counts[stem(path)] > 1]
    issues.odd("videos whose names differ only in extension", duplicates)
    return paths


def named_videos(
    folder: Path,
    pattern: str,
    example: str,
    issues: DatasetIssues,
    *,
    expected: str | None = None,
    label: int = REAL,
    original: str | None = None,
    method: str | None = None,
    compression: str | None = None,
) -> list[Video]:
    """Return the videos of a folder with the metadata in their names.

    The named groups `target` and `source` of `pattern` are identities. The template
    `original` is filled with all named groups. Videos whose names do not match are
    recorded as an issue and ignored, since their identities are unknown.
    """
    if expected is None:
        expected = f"the {method} fakes" if method else "the real videos"
        expected += f" in compression {compression!r}" if compression else ""
    matches = [
        (path, re.fullmatch(pattern, stem(path)))
        for path in list_videos(folder, expected, issues)
    ]
    named = [(path, match.groupdict()) for path, match in matches if match is not None]
    if not named:
        raise DatasetError(
            f"No video in {str(folder)!r} has a name like {example}; the first video "
            f"is {os.path.basename(matches[0][0])!r}. Check that this is the right "
            "dataset."
        )
    issues.odd(
        f"videos with names not like {example}",
        [path for path, match in matches if match is None],
        "they are ignored, since their identities are unknown",
    )
    return [
        Video(
            path=path,
            label=label,
            target=parts["target"],
            source=parts.get("source"),
            original=original.format(**parts) if original else None,
            method=method,
            compression=compression,
        )
        for path, parts in named
    ]


def fakes_of_pairs(
    folders: Mapping[str, Path],
    pattern: str,
    example: str,
    issues: DatasetIssues,
    *,
    optional: bool,
    compression: str | None = None,
) -> list[Video]:
    """Return the fakes in several folders whose names contain target and source.

    If `optional` is True, all folders but one may be missing.
    """
    absent = [str(f) for f in folders.values() if optional and not f.is_dir()]
    if len(absent) == len(folders):
        raise DatasetError(
            "No fakes found; expected at least one of the folders "
            f"{format_examples(absent)}."
        )
    issues.missing("missing folders of fakes", absent)
    return [
        video
        for method, folder in folders.items()
        if str(folder) not in absent
        for video in named_videos(
            folder,
            pattern,
            example,
            issues,
            label=FAKE,
            original="{target}",
            method=method,
            compression=compression,
        )
    ]


def as_bunch(
    videos: Iterable[Video],
    issues: DatasetIssues,
    root: Path,
    *,
    split: str | None = None,
    as_frame: bool,
) -> Bunch:
    """Return the result of a loader.

    Loaders must call this function directly, so that `stacklevel` is correct.
    """
    if as_frame:
        pandas = import_pandas(
            "as_frame=True", "as_frame=False returns details as a Bunch of arrays"
        )
    videos = sorted(videos, key=lambda video: video.label)
    originals = {video.name for video in videos if video.label == REAL}
    issues.missing(
        "fakes whose original is not among the real videos",
        [v.path for v in videos if v.original and v.original not in originals],
    )
    issues.warn(root, stacklevel=3)
    # Group all videos before selecting a subset, so that subsets share group numbers.
    groups = connected_groups(
        [[v.target, v.source] if v.source else [v.target] for v in videos]
    )
    if split is not None:
        kept = [i for i, video in enumerate(videos) if video.split == split]
        if not kept:
            raise DatasetError(
                f"None of the {len(videos)} videos in {str(root)!r} is in the list of "
                f"split={split!r}."
            )
        videos, groups = [videos[i] for i in kept], groups[kept]
    columns = {f.name: [getattr(v, f.name) for v in videos] for f in fields(Video)}
    details: Any = {
        name: np.array(values, dtype=None if name in ("path", "label") else object)
        for name, values in columns.items()
    }
    has_splits = any(value is not None for value in columns["split"])
    return Bunch(
        data=details["path"],
        target=details["label"],
        target_names=list(TARGET_NAMES),
        groups=groups,
        split=details["split"] if has_splits else None,
        details=pandas.DataFrame(details) if as_frame else Bunch(**details),
    )


_BUNCH_OF_FOLDERS = """\
:class:`~sklearn.utils.Bunch`
    Dataset with the following attributes:

    data : ndarray of str, shape (n_videos,)
        Paths of the real videos, followed by the fakes. Within each class and
        folder, they are sorted by name.
    target : ndarray of int, shape (n_videos,)
        0 for real, 1 for fake.
    target_names : list of str
        ``["real", "fake"]``.
"""
_WRONG_VALUE = """\
ValueError
    If a parameter has an unknown value.
"""
_IGNORED = """\
DatasetWarning
    If videos are ignored because their names do not have the expected form, or if names
"""
with_loader_docs = shared_docs(
    {
        "bunch_of_folders": _BUNCH_OF_FOLDERS,
        "results": f"""\
as_frame : bool, default=False
    If True, return `details` as a DataFrame. This requires pandas.

Returns
-------
{_BUNCH_OF_FOLDERS}\
    groups : ndarray of int, shape (n_videos,)
        Group of each video. Videos that share a target or source identity, directly
        or through other videos, are in the same group, so each known identity is in
        only one group. Group numbers do not depend on the loaded subset, and they are
        not comparable between datasets.
    split : ndarray of object, shape (n_videos,), or None
        Official subset of each video, or None for videos without one. The attribute is
        None if no official list assigns videos to subsets.
    details : :class:`~sklearn.utils.Bunch` of ndarray, or pandas.DataFrame
        Metadata from file names and lists:

        - `path` and `label`: same as the attributes `data` and `target`;
        - `target`: identity in a real video, or in the original of a fake;
        - `source`: identity whose face or expression was inserted;
        - `original`: name of the original video of a fake;
        - `method`: manipulation of a fake, usually the name of a folder of fakes, such
          as ``"Deepfakes"``;
        - `compression`: compression level, as named by FaceForensics++;
        - `split`: same as the attribute `split`.

        Missing values, such as the source of a real video, are None.
""",
        "errors": f"""\
Raises
------
DatasetError
    If a folder is missing or contains no videos, or if none of its file names has the
    expected form.
{_WRONG_VALUE}
Warns
-----
MissingVideosWarning
    If the original of a fake is missing.
{_IGNORED}\
    differ only in the extension.
""",
        "errors_with_list": f"""\
Raises
------
DatasetError
    If a folder is missing or contains no videos, or if none of its file names has the
    expected form. Also raised if the official list is invalid, or if it is missing and
    `split` is not None.
{_WRONG_VALUE}
Warns
-----
MissingVideosWarning
    If a listed video or the original of a fake is missing, or if the official list is
    missing and `split` is None.
{_IGNORED}\
    or lists contradict each other.
""",
        "errors_with_lists_and_all": f"""\
Raises
------
DatasetError
    If a required folder is missing or contains no videos, or if none of its file names
    has the expected form. Also raised if the official lists are invalid, or if the list
    of the subset in `split` is missing.
{_WRONG_VALUE}
Warns
-----
MissingVideosWarning
    If a listed video or the original of a fake is missing, if an official list is
    missing and `split` is None, or if a folder of fakes is missing and ``"all"`` is
    passed.
{_IGNORED}\
    or lists contradict each other.
""",
    }
)
