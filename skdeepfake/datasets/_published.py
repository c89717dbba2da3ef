"""Load published datasets whose file names contain identities."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sklearn.utils import Bunch

from .._validation import check_choice, select_names
from ._records import (
    FAKE,
    DatasetIssues,
    Video,
    as_bunch,
    check_root,
    fakes_of_pairs,
    named_videos,
    with_loader_docs,
)
from ._splits import (
    celeb_df_splits,
    check_split,
    official_splits,
    with_splits,
    with_targets,
)

METHODS = ("Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures")
COMPRESSIONS = ("raw", "c23", "c40")

VARIANTS = (
    "end_to_end",
    *(f"end_to_end_level_{level}" for level in range(1, 6)),
    "end_to_end_random_level",
    *(f"end_to_end_mix_{n}_distortions" for n in (2, 3, 4)),
    "reenact_postprocess",
)
_SEQUENCES = "the subfolders original_sequences and manipulated_sequences"


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
    ``manipulated_sequences/Deepfakes/c23/videos/000_003.mp4`` is video 000 with the
    face or expression of 003. Files with other names or in other folders are ignored.
    The videos are not opened.

    Parameters
    ----------
    root : str or os.PathLike
        Folder that contains `original_sequences` and `manipulated_sequences`.
    methods : str or iterable of str, default="all"
        Manipulations to load: one or more of ``"Deepfakes"``, ``"Face2Face"``,
        ``"FaceShifter"``, ``"FaceSwap"`` and ``"NeuralTextures"``. ``"all"`` loads the
        manipulations present in `root`. Use :func:`load_dfd` for `DeepFakeDetection`.
    compression : {"c23", "raw", "c40"}, default="c23"
        Compression of the real videos and the fakes: none (``"raw"``), light
        (``"c23"``) or strong (``"c40"``).
    split : {"train", "val", "test"} or None, default=None
        Official subset to load. None loads all videos. The lists ``train.json``,
        ``val.json`` and ``test.json`` are read from ``root/splits`` or `root`. They are
        published in the folder ``dataset/splits`` of the dataset's repository.
    {{results}}

    {{errors_with_lists_and_all}}

    See Also
    --------
    load_deeperforensics : List other fakes of the same originals.
    skdeepfake.model_selection.OfficialSplit : Split videos by the official lists.

    Notes
    -----
    Fakes come in pairs such as 000_003 and 003_000. This results in 500 groups, each
    with two originals and all their fakes. The official lists do not split groups. If
    videos were grouped by target only, a random split of the groups would put the
    sources of most test fakes in the training set.

    References
    ----------
    .. [1] Rössler, A., Cozzolino, D., Verdoliva, L., Riess, C., Thies, J. and
       Nießner, M. (2019). FaceForensics++: Learning to detect manipulated facial
       images. ICCV.

    Examples
    --------
    >>> from skdeepfake.datasets import load_faceforensics
    >>> test = load_faceforensics("FaceForensics++", split="test")  # doctest: +SKIP
    >>> print(len(test.data), test.target.sum())  # doctest: +SKIP
    840 700
    """
    check_choice(compression, COMPRESSIONS, "compression")
    check_split(split)
    selected = select_names(methods, METHODS, "methods")
    root = check_root(root, _SEQUENCES)
    issues = DatasetIssues()
    videos = _youtube_originals(root, compression, issues)
    videos += fakes_of_pairs(
        {
            method: _folder(root, f"manipulated_sequences/{method}", compression)
            for method in selected
        },
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

    The dataset is distributed with FaceForensics++ and has the same folder structure.
    ``original_sequences/actors/c23/videos/01__kitchen_pan.mp4`` is real, and
    ``01_02__kitchen_pan__0A1B2C3D.mp4`` in
    ``manipulated_sequences/DeepFakeDetection/c23/videos`` is the same scene with the
    face of actor 02.

    Parameters
    ----------
    root : str or os.PathLike
        Folder that contains `original_sequences` and `manipulated_sequences`.
    compression : {"c23", "raw", "c40"}, default="c23"
        Compression of the real videos and the fakes: none (``"raw"``), light
        (``"c23"``) or strong (``"c40"``).
    {{results}}

    {{errors}}

    See Also
    --------
    load_faceforensics : List the videos of FaceForensics++.

    Notes
    -----
    There is no official split, so `split` is None.

    The faces of 28 actors were swapped with one another, which connects most videos
    into a few large groups. To split this dataset, use
    :class:`~skdeepfake.model_selection.IdentityKFold` with ``details["target"]`` and
    ``details["source"]``. For bootstrap intervals, use
    ``groups=details["target"]``. A video may show two actors, only one of whom was
    manipulated.

    References
    ----------
    .. [1] Dufour, N. and Gully, A. (2019). Contributing data to deepfake detection
       research. Google AI Blog.

    Examples
    --------
    >>> from skdeepfake.datasets import load_dfd
    >>> videos = load_dfd("FaceForensics++", compression="c40")  # doctest: +SKIP
    >>> print(len(videos.data), videos.target.sum())  # doctest: +SKIP
    3431 3068
    """
    check_choice(compression, COMPRESSIONS, "compression")
    root = check_root(root, _SEQUENCES)
    issues = DatasetIssues()
    method = "DeepFakeDetection"
    videos = named_videos(
        _folder(root, "original_sequences/actors", compression),
        r"(?P<target>\d+)__.+",
        "01__kitchen_pan.mp4",
        issues,
        compression=compression,
    )
    videos += named_videos(
        _folder(root, f"manipulated_sequences/{method}", compression),
        r"(?P<target>\d+)_(?P<source>\d+)__(?P<scene>.+)__\w+",
        "01_02__kitchen_pan__0A1B2C3D.mp4",
        issues,
        label=FAKE,
        original="{target}__{scene}",
        method=method,
        compression=compression,
    )
    return as_bunch(videos, issues, root, as_frame=as_frame)


@with_loader_docs
def load_deeperforensics(
    root: str | os.PathLike[str],
    ff_root: str | os.PathLike[str],
    *,
    variants: str | Iterable[str] = "end_to_end",
    split: str | None = None,
    as_frame: bool = False,
) -> Bunch:
    """List the videos of DeeperForensics-1.0 [1]_ and their originals.

    ``manipulated_videos/end_to_end/000_M101.mp4`` is video 000 of FaceForensics++ with
    the face of actor M101. The real videos are the lightly compressed (c23) originals
    of FaceForensics++. As recommended by the authors of the dataset, the videos of
    actors in `source_videos` are not used.

    Parameters
    ----------
    root : str or os.PathLike
        Folder that contains `manipulated_videos` and `lists`.
    ff_root : str or os.PathLike
        Folder of FaceForensics++ that contains `original_sequences`.
    variants : str or iterable of str, default="end_to_end"
        Fakes to load: one or more of ``"end_to_end"``, ``"reenact_postprocess"``,
        ``"end_to_end_level_1"`` to ``"end_to_end_level_5"``,
        ``"end_to_end_random_level"`` and ``"end_to_end_mix_2_distortions"`` to
        ``"end_to_end_mix_4_distortions"``. ``"all"`` loads the variants present in
        `root`.
    split : {"train", "val", "test"} or None, default=None
        Official subset to load, read from ``root/lists/splits``. None loads all videos.
    {{results}}

    {{errors_with_lists_and_all}}

    See Also
    --------
    load_faceforensics : List the videos of FaceForensics++.

    Notes
    -----
    The official lists contain fakes only. Real videos are assigned to the subset of
    their fakes.

    Each of the 100 actors is the source of about ten fakes, which results in 100
    groups. No actor is in more than one official list. To add the fakes of
    FaceForensics++, use :func:`~skdeepfake.datasets.combine_datasets`, which merges
    groups that contain the same original.

    All variants except `end_to_end` and `reenact_postprocess` are distorted, whereas
    the real videos are not. If you load distorted fakes, distort the real videos as
    well. Otherwise, a detector learns to detect the distortion.

    References
    ----------
    .. [1] Jiang, L., Li, R., Wu, W., Qian, C. and Loy, C. C. (2020).
       DeeperForensics-1.0: A large-scale dataset for real-world face forgery
       detection. CVPR.

    Examples
    --------
    >>> from skdeepfake.datasets import load_deeperforensics
    >>> videos = load_deeperforensics(  # doctest: +SKIP
    ...     "DeeperForensics-1.0", "FaceForensics++"
    ... )
    >>> print(len(videos.data), videos.target.sum())  # doctest: +SKIP
    2000 1000
    """
    check_split(split)
    selected = select_names(variants, VARIANTS, "variants")
    root = check_root(root, "the subfolders manipulated_videos and lists")
    ff_root = check_root(
        ff_root,
        "FaceForensics++, whose c23 originals are used as real videos instead of the "
        "source_videos of DeeperForensics-1.0",
    )
    issues = DatasetIssues()
    videos = _youtube_originals(ff_root, "c23", issues)
    videos += fakes_of_pairs(
        {variant: root / "manipulated_videos" / variant for variant in selected},
        r"(?P<target>\d{3})_(?P<source>[MW]\d{3})",
        "000_M101.mp4",
        issues,
        optional=variants == "all",
    )
    splits = official_splits([root / "lists" / "splits"], ".txt", split, issues)
    videos = with_splits(videos, with_targets(splits), split, issues)
    return as_bunch(videos, issues, root, split=split, as_frame=as_frame)


@with_loader_docs
def load_celeb_df(
    root: str | os.PathLike[str], *, split: str | None = None, as_frame: bool = False
) -> Bunch:
    """List the videos of Celeb-DF [1]_, version 1 or 2.

    ``Celeb-real/id0_0000.mp4`` and ``YouTube-real/00170.mp4`` are real, and
    ``Celeb-synthesis/id0_id1_0000.mp4`` is ``id0_0000.mp4`` with the face of id1.

    Parameters
    ----------
    root : str or os.PathLike
        Folder that contains `Celeb-real`, `YouTube-real` and `Celeb-synthesis`.
    split : {"train", "test"} or None, default=None
        Official subset to load: "test" loads the videos in
        ``List_of_testing_videos.txt``, and "train" loads all others. None loads all
        videos.
    {{results}}

    {{errors_with_list}}

    See Also
    --------
    skdeepfake.model_selection.OfficialSplit : Split videos by the official list.

    Notes
    -----
    Labels are taken from the folders. In the list, unlike in `target`, 1 is real and 0
    is fake.

    Faces were swapped within a few sets of celebrities, so the 340 fakes in the list of
    version 2 form only four groups. The official split has the same people in both
    subsets, so :func:`~skdeepfake.model_selection.check_no_leakage` raises an error.
    Use the test set only for detectors trained on another dataset. To train on
    Celeb-DF, use :class:`~skdeepfake.model_selection.IdentityKFold` with
    ``details["target"]`` and ``details["source"]``. For bootstrap intervals, use
    ``groups=details["target"]``.

    References
    ----------
    .. [1] Li, Y., Yang, X., Sun, P., Qi, H. and Lyu, S. (2020). Celeb-DF: A
       large-scale challenging dataset for deepfake forensics. CVPR.

    Examples
    --------
    >>> from skdeepfake.datasets import load_celeb_df
    >>> test = load_celeb_df("Celeb-DF-v2", split="test")  # doctest: +SKIP
    >>> print(len(test.data), test.target.sum())  # doctest: +SKIP
    518 340
    """
    check_split(split, ("train", "test"))
    root = check_root(
        root, "the subfolders Celeb-real, YouTube-real and Celeb-synthesis"
    )
    issues = DatasetIssues()
    videos = [
        *named_videos(
            root / "Celeb-real", r"(?P<target>id\d+)_\d+", "id0_0000.mp4", issues
        ),
        *named_videos(root / "YouTube-real", r"(?P<target>\d+)", "00170.mp4", issues),
        *named_videos(
            root / "Celeb-synthesis",
            r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<take>\d+)",
            "id0_id1_0000.mp4",
            issues,
            label=FAKE,
            original="{target}_{take}",
            method="Celeb-synthesis",
        ),
    ]
    videos = celeb_df_splits(videos, root, split, issues)
    return as_bunch(videos, issues, root, split=split, as_frame=as_frame)


def _youtube_originals(
    root: Path, compression: str, issues: DatasetIssues
) -> list[Video]:
    return named_videos(
        _folder(root, "original_sequences/youtube", compression),
        r"(?P<target>\d{3})",
        "000.mp4",
        issues,
        expected=f"the real videos of FaceForensics++ in compression {compression!r}",
        compression=compression,
    )


def _folder(root: Path, sequences: str, compression: str) -> Path:
    return root / sequences / compression / "videos"
