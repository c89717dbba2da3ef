"""Load videos from custom folders and from those of Volisetty, Sen and Savala."""

from __future__ import annotations

import os
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from string import Formatter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from .._groups import connected_groups, contained_names, encode
from .._pandas import import_pandas
from .._validation import validated
from .._video._checks import check_paths
from ..exceptions import DatasetError, DatasetWarning
from ._records import (
    FAKE,
    REAL,
    TARGET_NAMES,
    DatasetIssues,
    Video,
    as_bunch,
    check_root,
    list_videos,
    named_videos,
    stem,
    videos_in,
    with_loader_docs,
)

_COLUMNS = {"original", "method", "compression"}
_N_CHARACTERS = 3

Group = str | re.Pattern[str] | Callable[[str], Hashable] | None


@with_loader_docs
def load_videos(
    root: str | os.PathLike[str], *, group: Group = None, as_frame: bool = False
) -> Bunch:
    r"""List the videos of a folder with one subfolder per class.

    Videos in ``root/real`` are real and videos in ``root/fake`` are fake. Other files
    are ignored.

    Parameters
    ----------
    root : str or os.PathLike
        Folder that contains `real` and `fake`.
    group : str, re.Pattern, callable or None, default=None
        Regular expression or function that assigns videos to groups. Each match of a
        regular expression in a file name is an identity, and videos that share an
        identity are in the same group (see :func:`group_by_name`). For example,
        ``group=r"\d{3}"`` groups 183_253.mp4 with 183.mp4 and 253.mp4. A callable
        takes a path and returns the group of the video, which can be any hashable
        value. None makes each video its own group.
    as_frame : bool, default=False
        If True, `data` is a DataFrame with the column "path", `target` is a Series, and
        `frame` is added. Pipelines accept `data` in this form. This option requires
        pandas.

    Returns
    -------
    {{bunch_of_folders}}
        groups : ndarray of int, shape (n_videos,)
            Group of each video.
        frame : pandas.DataFrame
            Columns path, target and group. Only with ``as_frame=True``.

    Raises
    ------
    DatasetError
        If a folder is missing or contains no videos, or if a file name does not match
        `group`.

    Warns
    -----
    DatasetWarning
        If `group` is not a callable and the names of two videos in different groups
        suggest the same people, since one name contains the other.

    See Also
    --------
    group_by_name : Group videos by the identities in file names.
    make_videos : Render a folder of real and fake videos.
    load_paper_folders : List the videos of the folders `Original` and `Manipulated`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdeepfake.datasets import load_videos
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["real/000.mp4", "real/001.mp4", "fake/000_fake.mp4"]:
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         Path(folder, name).touch()  # instead of a real video
    ...     videos = load_videos(folder, group=r"\d{3}")
    >>> videos.target, videos.groups
    (array([0, 0, 1]), array([0, 1, 0]))
    """
    root = check_root(root, f"the subfolders {' and '.join(TARGET_NAMES)}")
    paths: list[str] = []
    target: list[int] = []
    for label, name in enumerate(TARGET_NAMES):
        videos = videos_in(root / name, f"the {name} videos")
        paths += videos
        target += [label] * len(videos)
    groups = _groups(paths, group)
    related = [] if callable(group) else contained_names(paths, groups)
    if related:
        a, b = related[0]
        warnings.warn(
            f"{str(root)!r}: group={group!r} separates videos whose names suggest the "
            f"same people ({len(related)}), such as {a!r} and {b!r}. Set group (or "
            r"--group) to a regular expression for identities, such as r'\d{3}', or "
            "use group=str if each video shows different people.",
            DatasetWarning,
            stacklevel=2,
        )
    videos = Bunch(
        data=np.array(paths),
        target=np.array(target),
        target_names=list(TARGET_NAMES),
        groups=groups,
    )
    if as_frame:
        pandas = import_pandas("as_frame=True", "as_frame=False returns arrays")
        columns = {"path": videos.data, "target": videos.target, "group": groups}
        videos.frame = pandas.DataFrame(columns)
        videos.data, videos.target = videos.frame[["path"]], videos.frame["target"]
    return videos


@validated(paths=["array-like"], pattern=[str, re.Pattern])
def group_by_name(
    paths: Iterable[str | os.PathLike[str]], pattern: str | re.Pattern[str] = r"\d+"
) -> NDArray[np.intp]:
    r"""Group videos by the identities in their file names.

    A fake such as 183_253.mp4 involves two people, so it is grouped with 183.mp4,
    253.mp4 and all other fakes of either person. Videos that share an identity,
    directly or through other videos, are in the same group, as in the loaders of
    published datasets.

    Parameters
    ----------
    paths : array-like of shape (n_videos,) of str or os.PathLike
        Paths of the videos.
    pattern : str or re.Pattern, default=r"\d+"
        Regular expression to search for in the file name without extension. Each match
        is an identity. If the pattern has capturing groups, each captured text is an
        identity instead.

    Returns
    -------
    ndarray of int of shape (n_videos,)
        Group of each video.

    Raises
    ------
    DatasetError
        If a file name does not match `pattern`.

    See Also
    --------
    load_faceforensics : List the videos of FaceForensics++ with groups and splits.
    load_named_videos : List videos whose names contain target and source identities.

    Examples
    --------
    >>> from skdeepfake.datasets import group_by_name
    >>> group_by_name(["183.mp4", "253.mp4", "183_253.mp4", "253_183.mp4", "7.mp4"])
    array([0, 0, 0, 0, 1])
    """
    compiled = re.compile(pattern)
    listed = check_paths(paths, caller="group_by_name")
    return connected_groups([_identities(compiled, path) for path in listed])


@with_loader_docs
def load_named_videos(
    root: str | os.PathLike[str],
    parts: Iterable[Mapping[str, Any]],
    *,
    as_frame: bool = False,
) -> Bunch:
    """List the videos of several folders and parse the identities in the file names.

    Use this function to write a loader for a custom dataset.

    Parameters
    ----------
    root : str or os.PathLike
        Folder that contains the folders in `parts`.
    parts : iterable of dict
        Description of each folder, with the following keys:

        - `folder`: path of the folder, relative to `root`;
        - `label`: 0 for real, 1 for fake;
        - `pattern`: regular expression that matches file names without extension, with
          the identities in the named groups `target` and, optionally, `source`;
        - `original` (optional): template for the name of a fake's original, such as
          ``"{target}"``, filled with the named groups of `pattern`;
        - `method` and `compression` (optional): manipulation and compression level of
          the videos in the folder, stored in these columns of `details`.
    {{results}}

    {{errors}}

    See Also
    --------
    load_videos : List the videos of the folders `real` and `fake`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdeepfake.datasets import load_named_videos
    >>> swap = r"(?P<target>[a-z]+)_(?P<source>[a-z]+)"
    >>> parts = [
    ...     {"folder": "real", "label": 0, "pattern": "(?P<target>[a-z]+)"},
    ...     {"folder": "swaps", "label": 1, "pattern": swap, "original": "{target}"},
    ... ]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["real/anna.mp4", "real/carla.mp4", "swaps/anna_bert.mp4"]:
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         Path(folder, name).touch()
    ...     videos = load_named_videos(folder, parts)
    >>> videos.target.tolist(), videos.groups.tolist()
    ([0, 0, 1], [0, 1, 0])
    """
    root = check_root(root, "the folders in `parts`")
    issues = DatasetIssues()
    videos: list[Video] = []
    for part in parts:
        missing = {"folder", "label", "pattern"} - part.keys()
        unknown = part.keys() - {"folder", "label", "pattern"} - _COLUMNS
        if missing or unknown:
            wrong = f"lacks the keys {sorted(missing)}"
            if not missing:
                wrong = f"has the unknown keys {sorted(unknown)}"
            raise ValueError(
                f"The part {dict(part)} {wrong}. Required keys are folder, label and "
                f"pattern; optional keys are {', '.join(sorted(_COLUMNS))}."
            )
        if part["label"] not in (0, 1):
            raise ValueError(f"The label of {dict(part)} must be 0 (real) or 1 (fake).")
        named = re.compile(part["pattern"]).groupindex.keys()
        template = Formatter().parse(part.get("original") or "")
        fields = {"target", *(name for _, name, *_ in template if name)}
        if absent := fields - named:
            raise ValueError(
                f"The pattern of the part {dict(part)} lacks the named groups "
                f"{sorted(absent)}. Write, for example, (?P<target>[a-z]+)."
            )
        videos += named_videos(
            root / part["folder"],
            part["pattern"],
            part["pattern"],
            issues,
            expected="videos, as specified in `parts`",
            label=part["label"],
            **{name: part[name] for name in _COLUMNS & part.keys()},
        )
    return as_bunch(videos, issues, root, as_frame=as_frame)


@with_loader_docs
def load_paper_folders(
    root: str | os.PathLike[str], *, as_frame: bool = False
) -> Bunch:
    """List the videos in the folders of Volisetty, Sen and Savala (2023) [1]_.

    Videos in `Original` are real, and videos in `Manipulated` are fake. A fake and its
    original have names with the same first three characters. For example,
    ``Manipulated/000.mp4`` and ``Manipulated/000_M101.mp4`` are fakes of
    ``Original/000.mp4``.

    Parameters
    ----------
    root : str or os.PathLike
        Folder that contains `Original` and `Manipulated`. Their subfolders are ignored,
        since the paper's code writes trimmed copies of both real and fake videos to
        ``Manipulated/Trimmed``, where they cannot be distinguished.
    {{results}}

    Raises
    ------
    DatasetError
        If a folder is missing or contains no videos, or if a file name has fewer
        than three characters before its extension.

    Warns
    -----
    MissingVideosWarning
        If the original of a fake is missing, or if an original has no fake.
    DatasetWarning
        If originals have the same first three characters, or if the names of videos in
        a folder differ only in the extension.

    See Also
    --------
    load_deeperforensics : List the videos of DeeperForensics-1.0.
    load_videos : List the videos of the folders `real` and `fake`.

    Notes
    -----
    The paper's code shortens the names of fakes to three characters, which do not
    contain the source. These fakes are grouped by target only, so the same source may
    be in several groups. Fakes whose names contain the source, such as 000_M101.mp4,
    are also grouped by source. There is no official split, since the paper splits
    frames at random.

    References
    ----------
    .. [1] Volisetty, Sen and Savala, "Deepfake detection", 2023, section 4.1 and the
       code in appendix 7.1.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdeepfake.datasets import load_paper_folders
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["Original/000.mp4", "Manipulated/000_M101.mp4"]:
    ...         Path(folder, name).parent.mkdir()
    ...         Path(folder, name).touch()  # instead of a real video
    ...     videos = load_paper_folders(folder)
    >>> videos.target, videos.groups
    (array([0, 1]), array([0, 0]))
    >>> videos.details["source"]
    array([None, 'M101'], dtype=object)
    """
    root = check_root(root, "the subfolders Original and Manipulated")
    issues = DatasetIssues()
    originals = list_videos(root / "Original", "the real videos", issues)
    fakes = list_videos(root / "Manipulated", "the fakes", issues)
    by_prefix: defaultdict[str, list[str]] = defaultdict(list)
    for path in originals:
        by_prefix[_prefix(path)].append(path)
    issues.odd(
        f"originals whose first {_N_CHARACTERS} characters are not unique",
        [path for paths in by_prefix.values() for path in paths if len(paths) > 1],
        "originals with the same characters are in one group",
    )
    videos = [Video(path=p, label=REAL, target=_prefix(p)) for p in originals]
    for path in fakes:
        prefix = _prefix(path)
        source = re.fullmatch(r"_([A-Za-z]?\d+)", stem(path)[_N_CHARACTERS:])
        paired = by_prefix.get(prefix)
        videos.append(
            Video(
                path=path,
                label=FAKE,
                target=prefix,
                source=source[1] if source else None,
                original=stem(paired[0]) if paired else prefix,
            )
        )
    targets = {video.target for video in videos if video.label == FAKE}
    issues.missing(
        "originals without a fake",
        [path for p, paths in by_prefix.items() if p not in targets for path in paths],
    )
    return as_bunch(videos, issues, root, as_frame=as_frame)


def _groups(paths: list[str], group: Group) -> NDArray[np.intp]:
    if group is None:
        return np.arange(len(paths))
    if callable(group):
        return encode([group(path) for path in paths])
    return group_by_name(paths, group)


def _identities(pattern: re.Pattern[str], path: str) -> list[str]:
    matches = pattern.finditer(stem(path))
    parts = [match.groups() if pattern.groups else [match[0]] for match in matches]
    found = [part for match in parts for part in match if part]
    if not found:
        raise DatasetError(
            f"The pattern {pattern.pattern!r} does not match the name of {path!r}."
        )
    return found


def _prefix(path: str) -> str:
    prefix = stem(path)[:_N_CHARACTERS]
    if len(prefix) < _N_CHARACTERS:
        raise DatasetError(
            f"The name of {path!r} is too short; expected at least {_N_CHARACTERS} "
            "characters, which identify the original."
        )
    return prefix
