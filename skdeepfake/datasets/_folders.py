"""Videos in folders of one's own, and in those of the paper."""

from __future__ import annotations

import os
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
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
    r"""List the videos of a folder with one sub-folder a class.

    ``root/real/*`` are real, ``root/fake/*`` fake. Other files are ignored.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds `real` and `fake`.
    group : str, re.Pattern, callable or None, default=None
        Which videos belong together and must not be split. The matches of a pattern in
        the name of a file are identities, and videos that share one are in one group:
        ``group=r"\d{3}"`` puts 183_253.mp4 with 183.mp4 and 253.mp4
        (:func:`group_by_name`). A callable maps the path to any hashable. None makes
        each video its own group.
    as_frame : bool, default=False
        Give `data` as a DataFrame with the column "path", `target` as a Series, and
        add `frame`, which needs pandas. Pipelines take such `data`.

    Returns
    -------
    {{bunch_of_folders}}
        groups : ndarray of int, shape (n_videos,)
            Number of each video's group.
        frame : pandas.DataFrame
            The columns path, target and group. Only with ``as_frame=True``.

    Raises
    ------
    DatasetError
        If a folder is missing or has no video, or a name does not match the pattern.

    Warns
    -----
    DatasetWarning
        If the name of a video is a part of that of a video in another group, and
        `group` is no callable.

    See Also
    --------
    group_by_name : Groups by the identities in file names.
    make_videos : Renders such a folder.
    load_paper_folders : The same for the folders of the paper.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdeepfake.datasets import load_videos
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["real/000.mp4", "real/001.mp4", "fake/000_fake.mp4"]:
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         Path(folder, name).touch()  # a video, say
    ...     videos = load_videos(folder, group=r"\d{3}")
    >>> videos.target, videos.groups
    (array([0, 0, 1]), array([0, 1, 0]))
    """
    root = check_root(root, f"the sub-folders {' and '.join(TARGET_NAMES)}")
    paths: list[str] = []
    target: list[int] = []
    for label, name in enumerate(TARGET_NAMES):
        videos = videos_in(root / name, f"it to hold the {name} videos")
        paths += videos
        target += [label] * len(videos)
    groups = _groups(paths, group)
    related = [] if callable(group) else contained_names(paths, groups)
    if related:
        a, b = related[0]
        warnings.warn(
            f"{str(root)!r}: group={group!r} separates videos whose names suggest the "
            f"same people ({len(related)}), such as {a!r} and {b!r}; pass as group (or "
            r"--group) a pattern of the identities in a name, such as r'\d{3}', or "
            "group=str if each video shows other people",
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
        pandas = import_pandas("as_frame=True", "data and target are arrays")
        columns = {"path": videos.data, "target": videos.target, "group": groups}
        videos.frame = pandas.DataFrame(columns)
        videos.data, videos.target = videos.frame[["path"]], videos.frame["target"]
    return videos


@validated(paths=["array-like"], pattern=[str, re.Pattern])
def group_by_name(
    paths: Iterable[str | os.PathLike[str]], pattern: str | re.Pattern[str] = r"\d+"
) -> NDArray[np.intp]:
    r"""Group videos by the identities in their file names.

    A fake such as 183_253.mp4 shows two people, and belongs to 183.mp4, to 253.mp4 and
    to all their other fakes. Groups are the connected components over all identities,
    as those of the loaders of published data sets.

    Parameters
    ----------
    paths : array-like of shape (n_videos,) of str or os.PathLike
        The videos.
    pattern : str or re.Pattern, default=r"\d+"
        Regular expression, searched in the file name without extension. Each match is
        an identity; if the pattern has groups, each group is one.

    Returns
    -------
    ndarray of int of shape (n_videos,)
        Number of each video's group.

    Raises
    ------
    DatasetError
        If a name does not match.

    See Also
    --------
    load_faceforensics : Labels, groups and official splits of FaceForensics++.
    load_named_videos : Data sets whose names say target and source.

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
    """List the videos of folders by what their names say of the people in them.

    It is what a loader of your own data set calls.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds all others.
    parts : iterable of dict
        One per folder, with the keys `folder` (relative to `root`), `label` (0 for
        real, 1 for fake) and `pattern`: a regular expression for names without
        extension, whose groups `target` and `source` are identities. Optional are
        `original`, a template of the name of the original, filled by the groups, and
        `method` and `compression`.
    {{results_and_errors}}

    See Also
    --------
    load_videos : Folders `real` and `fake`, with groups by a pattern.

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
    root = check_root(root, "the folders of `parts`")
    issues = DatasetIssues()
    videos: list[Video] = []
    for part in parts:
        missing = {"folder", "label", "pattern"} - part.keys()
        unknown = part.keys() - {"folder", "label", "pattern"} - _COLUMNS
        if missing or unknown:
            wrong = f"lacks {sorted(missing)}" if missing else f"has {sorted(unknown)}"
            raise ValueError(
                f"the part {dict(part)} {wrong}; a part has the keys folder, label and "
                f"pattern, and may have {', '.join(sorted(_COLUMNS))}"
            )
        videos += named_videos(
            root / part["folder"],
            part["pattern"],
            part["pattern"],
            issues,
            expected=f"the videos of {part['folder']!r}",
            label=part["label"],
            **{name: part[name] for name in _COLUMNS & part.keys()},
        )
    return as_bunch(videos, issues, root, as_frame=as_frame)


@with_loader_docs
def load_paper_folders(
    root: str | os.PathLike[str], *, as_frame: bool = False
) -> Bunch:
    """List the videos of `Original` and `Manipulated`, the paper's own folders [1]_.

    The first three characters of a name pair a fake with its original:
    ``Manipulated/000.mp4`` or ``000_M101.mp4`` was made of ``Original/000.mp4``.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds `Original` and `Manipulated`. Their sub-folders are not
        read: the paper's code writes trimmed copies of both to
        ``Manipulated/Trimmed``, where real and fake cannot be told apart.
    {{results_and_errors}}

    See Also
    --------
    load_deeperforensics : The same videos as they were published.
    load_videos : Any folders `real` and `fake`.

    Notes
    -----
    Names that the paper's code has cut to three characters do not tell the source, so
    that one face may be in several groups. Where names are complete, groups are by
    source, too. There is no official split; the paper splits frames at random.

    References
    ----------
    .. [1] The paper's section 4.1, and the code in its appendix 7.1.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdeepfake.datasets import load_paper_folders
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["Original/000.mp4", "Manipulated/000_M101.mp4"]:
    ...         Path(folder, name).parent.mkdir()
    ...         Path(folder, name).touch()  # a video, say
    ...     videos = load_paper_folders(folder)
    >>> videos.target, videos.groups
    (array([0, 1]), array([0, 0]))
    >>> videos.details["source"]
    array([None, 'M101'], dtype=object)
    """
    root = check_root(root, "the sub-folders Original and Manipulated")
    issues = DatasetIssues()
    originals = list_videos(root / "Original", "the real videos", issues)
    fakes = list_videos(root / "Manipulated", "the fakes", issues)
    by_prefix: defaultdict[str, list[str]] = defaultdict(list)
    for path in originals:
        by_prefix[_prefix(path)].append(path)
    issues.odd(
        f"originals whose first {_N_CHARACTERS} characters are those of another one",
        [path for paths in by_prefix.values() for path in paths if len(paths) > 1],
        "they are in one group",
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
        "originals without a manipulated video",
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
            f"the pattern {pattern.pattern!r} does not match the name of {path!r}"
        )
    return found


def _prefix(path: str) -> str:
    prefix = stem(path)[:_N_CHARACTERS]
    if len(prefix) < _N_CHARACTERS:
        raise DatasetError(
            f"the name of {path!r} is too short: its first {_N_CHARACTERS} characters "
            "say which videos belong together"
        )
    return prefix
