"""The two folders of the paper that this library builds on."""

from __future__ import annotations

import os
import re
from collections import defaultdict

from sklearn.utils import Bunch

from ..exceptions import DatasetError
from ._listing import check_root
from ._records import (
    FAKE,
    REAL,
    DatasetIssues,
    Video,
    as_bunch,
    list_videos,
    stem,
    with_loader_docs,
)

_N_CHARACTERS = 3


@with_loader_docs
def load_paper_folders(
    root: str | os.PathLike[str], *, as_frame: bool = False
) -> Bunch:
    """List the videos of `Original` and `Manipulated`, the paper's own folders [1]_.

    The first three characters of a name pair a manipulated video with its original:
    ``Original/000.mp4`` is real, and ``Manipulated/000.mp4``, or ``000_M101.mp4`` as
    DeeperForensics-1.0 names it, was made of it.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds `Original` and `Manipulated`. Their sub-folders are not
        read: the paper's code writes trimmed copies of both to
        ``Manipulated/Trimmed``, where real and fake cannot be told apart.
    {{as_frame}}

    Returns
    -------
    {{bunch}}

    Raises
    ------
    DatasetError
        If a folder is missing or has no video, or a name has fewer than three
        characters.

    Warns
    -----
    {{odd}}

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


def _prefix(path: str) -> str:
    prefix = stem(path)[:_N_CHARACTERS]
    if len(prefix) < _N_CHARACTERS:
        raise DatasetError(
            f"the name of {path!r} is too short: its first {_N_CHARACTERS} characters "
            "say which videos belong together"
        )
    return prefix
