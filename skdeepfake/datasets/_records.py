"""Videos with what their names say of them, and what is wrong with a data set."""

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
    """A video and what is known of it: the columns of `details`."""

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
    """What is missing, doubled or contradictory, to be said once all is known."""

    def __init__(self) -> None:
        self._found: list[tuple[type[Warning], str]] = []

    def missing(self, what: str, items: Collection[str], then: str = "") -> None:
        """Note what should be there and is not."""
        self._add(MissingVideosWarning, what, items, then)

    def odd(self, what: str, items: Collection[str], then: str = "") -> None:
        """Note what contradicts something else."""
        self._add(DatasetWarning, what, items, then)

    def _add(
        self, category: type[Warning], what: str, items: Collection[str], then: str
    ) -> None:
        if items:
            text = f"{what} ({len(items)}): {format_examples(list(items))}"
            self._found.append((category, f"{text}; {then}" if then else text))

    def warn(self, root: Path, stacklevel: int) -> None:
        """Warn of each kind of finding."""
        for category, text in self._found:
            warnings.warn(f"{str(root)!r}: {text}", category, stacklevel=stacklevel + 1)


def stem(path: str | os.PathLike[str]) -> str:
    """Take the name of a file, without folders and extension."""
    return os.path.splitext(os.path.basename(path))[0]


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


def list_videos(folder: Path, expected: str, issues: DatasetIssues) -> list[str]:
    """List the videos of a folder, and note those of one name."""
    paths = videos_in(folder, expected)
    counts = Counter(map(stem, paths))
    doubled = [path for path in paths if counts[stem(path)] > 1]
    issues.odd("videos of one name, which differ by extension alone", doubled)
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
    """List the videos of a folder with what their names say.

    The groups `target` and `source` of the pattern are identities, and all groups fill
    the template `original`. A video whose name does not match is left out, with an
    issue: no split could keep it apart from other videos of the same people.
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
            f"no video in {str(folder)!r} has a name like {example}; the first one is "
            f"{os.path.basename(matches[0][0])!r}: is this another data set?"
        )
    issues.odd(
        f"names that are not like {example}",
        [path for path, match in matches if match is None],
        "these videos are left out, since nobody knows who is in them",
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
    """List fakes whose names are those of target and source, of some methods.

    With `optional`, folders may be missing, as long as one is there.
    """
    absent = [str(f) for f in folders.values() if optional and not f.is_dir()]
    if len(absent) == len(folders):
        raise DatasetError(
            f"there are no fakes: no folder {format_examples(absent)}; expected one of "
            "them"
        )
    issues.missing("folders of fakes that are not there", absent)
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
    """Make the result of a loader, which calls this itself: warnings point past it."""
    if as_frame:
        pandas = import_pandas(
            "as_frame=True", "details is a Bunch of arrays with the same names"
        )
    videos = sorted(videos, key=lambda video: video.label)
    originals = {video.name for video in videos if video.label == REAL}
    issues.missing(
        "fakes whose original is not among the real videos",
        [v.path for v in videos if v.original and v.original not in originals],
    )
    issues.warn(root, stacklevel=3)
    # Before some are chosen, so that the sets of two calls have the same numbers.
    groups = connected_groups(
        [[v.target, v.source] if v.source else [v.target] for v in videos]
    )
    if split is not None:
        kept = [i for i, video in enumerate(videos) if video.split == split]
        if not kept:
            raise DatasetError(
                f"split={split!r}, but none of the {len(videos)} videos in "
                f"{str(root)!r} is in that list"
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
    The data set, with these attributes:

    data : ndarray of str, shape (n_videos,)
        Paths, the real ones first, then the fakes; of each folder sorted by name.
    target : ndarray of int, shape (n_videos,)
        0 for real, 1 for fake.
    target_names : list of str
        ``["real", "fake"]``.
"""
with_loader_docs = shared_docs(
    {
        "bunch_of_folders": _BUNCH_OF_FOLDERS,
        "results_and_errors": f"""\
as_frame : bool, default=False
    Give `details` as a DataFrame, which needs pandas.

Returns
-------
{_BUNCH_OF_FOLDERS}\
    groups : ndarray of int, shape (n_videos,)
        Number of each video's group: the connected components over target and
        source identities, so that nobody is in two groups. They are numbers of
        this data set, whatever `split`: those of another set mean other people.
    split : ndarray of object, shape (n_videos,), or None
        Name of the official list that the video is in, or None. None without lists.
    details : :class:`~sklearn.utils.Bunch` of ndarray, or pandas.DataFrame
        What names and lists say, a column each:

        - `path` and `label`: as `data` and `target`;
        - `target`: the identity whose video it is;
        - `source`: the identity that was put into it;
        - `original`: name of the video that a fake was made of;
        - `method`: name of the folder of fakes;
        - `compression`: as FaceForensics++ names it;
        - `split`: as above.

        None where nothing is said, as of the source of a real video.

Raises
------
DatasetError
    If a folder, its videos or a list is missing, or names or lists are wrong.
ValueError
    If a parameter has an unknown value.

Warns
-----
MissingVideosWarning
    If videos that names or lists speak of, or the lists, are not there.
DatasetWarning
    If names or lists contradict each other.
""",
    }
)
