"""Data sets whose file names say who is in a video."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from sklearn.utils import Bunch

from ._listing import check_root
from ._records import DatasetIssues, Video, as_bunch, named_videos, with_loader_docs

_COLUMNS = {"original", "method", "compression"}


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
        extension, whose groups `target` and `source` are the identities in a video.
        Optional are `original`, a template of the name of a fake's original that is
        filled by the groups, and `method` and `compression`, columns of the details.
    {{as_frame}}

    Returns
    -------
    {{bunch}}

    Raises
    ------
    DatasetError
        If a folder is missing or has no video, or none with such a name.
    ValueError
        If a part lacks a key, or has an unknown one.

    Warns
    -----
    {{odd}}

    See Also
    --------
    load_videos : Folders `real` and `fake`, with groups by a pattern.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdeepfake.datasets import load_named_videos
    >>> parts = [
    ...     {"folder": "real", "label": 0, "pattern": r"(?P<target>[a-z]+)"},
    ...     {
    ...         "folder": "swaps",
    ...         "label": 1,
    ...         "pattern": r"(?P<target>[a-z]+)_(?P<source>[a-z]+)",
    ...         "original": "{target}",
    ...     },
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
            f"the videos of {part['folder']!r}",
            issues,
            label=part["label"],
            **{name: part[name] for name in _COLUMNS & part.keys()},
        )
    return as_bunch(videos, issues, root, as_frame=as_frame)
