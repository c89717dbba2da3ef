"""Videos in one folder a class."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from .._groups import encode
from ..exceptions import DatasetError
from ._listing import TARGET_NAMES, check_root, videos_in

Group = str | re.Pattern[str] | Callable[[str], Hashable] | None


def load_videos(root: str | os.PathLike[str], *, group: Group = None) -> Bunch:
    r"""List the videos of a folder with one sub-folder a class.

    ``root/real/*`` are real and ``root/fake/*`` are fake. Files of other kinds and
    hidden files are passed over; the videos are not opened.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds `real` and `fake`.
    group : str, re.Pattern, callable or None, default=None
        What tells which videos belong together, so that no cross-validation
        should part them. A pattern is searched in the name of the file: its first
        group, or what it matches as a whole, names the group of the video. A
        callable gets the path and gives any hashable. None makes each video its
        own group. ``group=r"^.{3}"`` pairs a fake with its original by the first
        three characters, as the paper names them.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        The data set, with these attributes:

        data : ndarray of str, shape (n_videos,)
            Paths, the real ones first, each class sorted by name.
        target : ndarray of int, shape (n_videos,)
            0 for real, 1 for fake.
        target_names : list of str
            ``["real", "fake"]``.
        groups : ndarray of int, shape (n_videos,)
            Number of each video's group.

    Raises
    ------
    DatasetError
        If the root or a class's folder is missing, a class has no video, or the
        pattern does not match a name.

    See Also
    --------
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
    ...     videos = load_videos(folder, group=r"^.{3}")
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
    return Bunch(
        data=np.array(paths),
        target=np.array(target),
        target_names=list(TARGET_NAMES),
        groups=_groups(paths, group),
    )


def _groups(paths: list[str], group: Group) -> NDArray[np.intp]:
    if group is None:
        return np.arange(len(paths))
    if callable(group):
        keys = [group(path) for path in paths]
    else:
        keys = [_matched(re.compile(group), path) for path in paths]
    return encode(keys)


def _matched(pattern: re.Pattern[str], path: str) -> str:
    match = pattern.search(os.path.basename(path))
    if match is None:
        raise DatasetError(
            f"group={pattern.pattern!r} does not match the name of {path!r}"
        )
    return match.group(1) if pattern.groups else match.group()
