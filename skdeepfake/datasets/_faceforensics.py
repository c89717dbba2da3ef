"""FaceForensics++ and, in folders of the same kind, DeepFakeDetection."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sklearn.utils import Bunch

from .._validation import select_names
from ._listing import check_root
from ._records import (
    FAKE,
    REAL,
    DatasetIssues,
    Video,
    as_bunch,
    fakes_of_pairs,
    named_videos,
    with_loader_docs,
)
from ._splits import check_split, official_splits, with_splits

METHODS = ("Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures")
COMPRESSIONS = ("raw", "c23", "c40")

_SEQUENCES = "the sub-folders original_sequences and manipulated_sequences"


@with_loader_docs
def load_faceforensics(
    root: str | os.PathLike[str],
    *,
    methods: str | Iterable[str] = "all",
    compression: str = "c23",
    split: str | None = None,
    as_frame: bool = False,
) -> Bunch:
    """List the videos of FaceForensics++ [1]_.

    ``original_sequences/youtube/c23/videos/000.mp4`` is real, and
    ``manipulated_sequences/Deepfakes/c23/videos/000_003.mp4`` is the video 000 with
    the face, or the expression, of 003. Other kinds of files and hidden files are
    passed over; the videos are not opened.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds `original_sequences` and `manipulated_sequences`.
    methods : str or iterable of str, default="all"
        Which fakes: ``"Deepfakes"``, ``"Face2Face"``, ``"FaceShifter"``,
        ``"FaceSwap"``, ``"NeuralTextures"``, some of them, or ``"all"`` that are
        there. `DeepFakeDetection` is a data set of its own: :func:`load_dfd`.
    compression : {"c23", "raw", "c40"}, default="c23"
        Which copies, of real videos and fakes alike.
    split : {"train", "val", "test"} or None, default=None
        The official list to take the videos of. None takes all. The lists
        ``train.json``, ``val.json`` and ``test.json`` are looked for in
        ``root/splits``, then in `root`. They do not come with the videos but with
        the code of the data set, in its folder ``dataset/splits``.
    {{as_frame}}

    Returns
    -------
    {{bunch}}

    Raises
    ------
    DatasetError
        If a folder is missing or has no video, a folder has no video with such a
        name, a name is in two lists, or no video is in the list asked for.
    ValueError
        If there is no such method, compression or split.

    Warns
    -----
    {{odd}}

    See Also
    --------
    load_dfd : The actors of DeepFakeDetection, in the same folders.
    load_deeperforensics : Other fakes of the same originals.
    skdeepfake.model_selection.OfficialSplit : The official lists as a splitter.

    Notes
    -----
    The fakes go in pairs, 000_003 and 003_000, so that there are 500 groups of two
    originals with all their fakes. The official lists keep pairs together. Grouped by
    the target alone, most test fakes have their source in the training set.

    References
    ----------
    .. [1] Rössler, A., Cozzolino, D., Verdoliva, L., Riess, C., Thies, J. and
       Nießner, M. (2019). FaceForensics++: Learning to detect manipulated facial
       images. ICCV.

    Examples
    --------
    >>> from skdeepfake.datasets import load_faceforensics
    >>> train = load_faceforensics("FaceForensics++", split="train")  # doctest: +SKIP
    >>> train.data[train.details["method"] == "Face2Face"]  # doctest: +SKIP
    """
    check_split(split)
    selected = select_names(methods, METHODS, "methods")
    root = check_root(root, _SEQUENCES)
    issues = DatasetIssues()
    videos = youtube_originals(root, compression, issues)
    videos += fakes_of_pairs(
        {method: _fakes(root, method, compression) for method in selected},
        r"(?P<target>\d{3})_(?P<source>\d{3})",
        "000_003.mp4",
        issues,
        optional=methods == "all",
        compression=compression,
    )
    splits = official_splits([root / "splits", root], ".json", split, issues)
    videos = with_splits(videos, splits, split, issues)
    return as_bunch(videos, issues, root, split=split, as_frame=as_frame)


@with_loader_docs
def load_dfd(
    root: str | os.PathLike[str], *, compression: str = "c23", as_frame: bool = False
) -> Bunch:
    """List the videos of DeepFakeDetection (DFD) [1]_.

    It comes with FaceForensics++, in folders of the same kind.
    ``01__kitchen_pan.mp4`` in ``original_sequences/actors/c23/videos`` is real, and
    ``01_02__kitchen_pan__0A1B2C3D.mp4`` in
    ``manipulated_sequences/DeepFakeDetection/c23/videos`` is this video with the face
    of actor 02.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds `original_sequences` and `manipulated_sequences`.
    compression : {"c23", "raw", "c40"}, default="c23"
        Which copies, of real videos and fakes alike.
    {{as_frame}}

    Returns
    -------
    {{bunch}}

    Raises
    ------
    DatasetError
        If a folder is missing or has no video, or none with such a name.
    ValueError
        If there is no such compression.

    Warns
    -----
    {{odd}}

    See Also
    --------
    load_faceforensics : The 1000 videos and the methods of the paper.

    Notes
    -----
    There is no official split, so `split` is None.

    The faces of 28 actors were swapped with each other, so that there are few groups.
    To train on it, split by ``IdentityKFold(details["target"], details["source"])`` of
    :mod:`skdeepfake.model_selection`. For intervals by bootstrap,
    ``groups=details["target"]`` keeps at least the videos of one actor together. A
    video may show two actors, only one of whom was forged.

    References
    ----------
    .. [1] Dufour, N. and Gully, A. (2019). Contributing data to deepfake detection
       research. Google AI Blog.

    Examples
    --------
    >>> from skdeepfake.datasets import load_dfd
    >>> videos = load_dfd("FaceForensics++", compression="c40")  # doctest: +SKIP
    """
    _check_compression(compression)
    root = check_root(root, _SEQUENCES)
    issues = DatasetIssues()
    method = "DeepFakeDetection"
    videos = named_videos(
        _originals(root, "actors", compression),
        r"(?P<target>\d+)__.+",
        "01__kitchen_pan.mp4",
        f"the videos of the actors in compression {compression!r}",
        issues,
        label=REAL,
        compression=compression,
    )
    videos += named_videos(
        _fakes(root, method, compression),
        r"(?P<target>\d+)_(?P<source>\d+)__(?P<scene>.+)__\w+",
        "01_02__kitchen_pan__0A1B2C3D.mp4",
        f"the {method} videos in compression {compression!r}",
        issues,
        label=FAKE,
        original="{target}__{scene}",
        method=method,
        compression=compression,
    )
    return as_bunch(videos, issues, root, as_frame=as_frame)


def youtube_originals(
    root: Path, compression: str, issues: DatasetIssues
) -> list[Video]:
    """List the real videos of FaceForensics++."""
    _check_compression(compression)
    return named_videos(
        _originals(root, "youtube", compression),
        r"(?P<target>\d{3})",
        "000.mp4",
        f"the real videos of FaceForensics++ in compression {compression!r}",
        issues,
        label=REAL,
        compression=compression,
    )


def _originals(root: Path, kind: str, compression: str) -> Path:
    return root / "original_sequences" / kind / compression / "videos"


def _fakes(root: Path, method: str, compression: str) -> Path:
    return root / "manipulated_sequences" / method / compression / "videos"


def _check_compression(compression: str) -> None:
    if compression not in COMPRESSIONS:
        raise ValueError(
            f"compression={compression!r} must be one of "
            f"{', '.join(map(repr, COMPRESSIONS))}"
        )
