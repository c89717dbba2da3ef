"""Published data sets whose file names say who is in a video."""

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
    ``manipulated_sequences/Deepfakes/c23/videos/000_003.mp4`` is the video 000 with the
    face or expression of 003. Other files are ignored; the videos are not opened.

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
        The official list to take the videos of. None takes all. ``train.json``,
        ``val.json`` and ``test.json``, from ``dataset/splits`` of the code of the data
        set, are looked for in ``root/splits``, then in `root`.
    {{results_and_errors}}

    See Also
    --------
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

    It comes with FaceForensics++, in folders of the same kind.
    ``original_sequences/actors/c23/videos/01__kitchen_pan.mp4`` is real, and
    ``01_02__kitchen_pan__0A1B2C3D.mp4`` in
    ``manipulated_sequences/DeepFakeDetection/c23/videos`` has the face of actor 02.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds `original_sequences` and `manipulated_sequences`.
    compression : {"c23", "raw", "c40"}, default="c23"
        Which copies, of real videos and fakes alike.
    {{results_and_errors}}

    See Also
    --------
    load_faceforensics : The 1000 videos and the methods of the paper.

    Notes
    -----
    There is no official split, so `split` is None.

    The faces of 28 actors were swapped, so there are few groups. To train on it, split
    by ``IdentityKFold(details["target"], details["source"])`` of
    :mod:`skdeepfake.model_selection`. For intervals by bootstrap, use
    ``groups=details["target"]``. A video may show two actors, only one of whom was
    forged.

    References
    ----------
    .. [1] Dufour, N. and Gully, A. (2019). Contributing data to deepfake detection
       research. Google AI Blog.

    Examples
    --------
    >>> from skdeepfake.datasets import load_dfd
    >>> videos = load_dfd("FaceForensics++", compression="c40")  # doctest: +SKIP
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

    ``manipulated_videos/end_to_end/000_M101.mp4`` is the video 000 of FaceForensics++
    with the face of actor M101. The real videos are those of FaceForensics++ in c23.
    The `source_videos`, of actors in a studio, are not used, as the authors advise.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds `manipulated_videos` and `lists`.
    ff_root : str or os.PathLike
        The folder of FaceForensics++ that holds `original_sequences`.
    variants : str or iterable of str, default="end_to_end"
        Which fakes: ``"end_to_end"``, ``"reenact_postprocess"``,
        ``"end_to_end_level_1"`` to ``"end_to_end_level_5"``,
        ``"end_to_end_random_level"``, ``"end_to_end_mix_2_distortions"`` to
        ``"end_to_end_mix_4_distortions"``, some of them, or ``"all"`` that are there.
    split : {"train", "val", "test"} or None, default=None
        The official list in ``root/lists/splits`` to take the videos of; None for all.
    {{results_and_errors}}

    See Also
    --------
    load_faceforensics : The originals with the fakes of FaceForensics++.

    Notes
    -----
    The lists name fakes only. A real video is in the split of the fakes made of it.

    Each of the 100 actors is the source of some ten fakes, so that there are 100
    groups. The official lists separate sources. To add the fakes of FaceForensics++,
    which connect originals, use :func:`~skdeepfake.datasets.combine_datasets`.

    All variants but `end_to_end` and `reenact_postprocess` are distorted, and the real
    videos are not: distort these, too, or a detector learns the distortion.

    References
    ----------
    .. [1] Jiang, L., Li, R., Wu, W., Qian, C. and Loy, C. C. (2020).
       DeeperForensics-1.0: A large-scale dataset for real-world face forgery
       detection. CVPR.

    Examples
    --------
    >>> from skdeepfake.datasets import load_deeperforensics
    >>> videos = load_deeperforensics(  # doctest: +SKIP
    ...     "DeeperForensics-1.0", "FaceForensics++", split="test"
    ... )
    """
    check_split(split)
    selected = select_names(variants, VARIANTS, "variants")
    root = check_root(root, "the sub-folders manipulated_videos and lists")
    ff_root = check_root(
        ff_root,
        "FaceForensics++, whose c23 originals are the real videos: the source_videos "
        "of DeeperForensics-1.0 are not",
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
    ``Celeb-synthesis/id0_id1_0000.mp4`` is the former with the face of id1.

    Parameters
    ----------
    root : str or os.PathLike
        The folder that holds `Celeb-real`, `YouTube-real` and `Celeb-synthesis`.
    split : {"train", "test"} or None, default=None
        The videos in ``List_of_testing_videos.txt``, or all others. None takes all.
    {{results_and_errors}}

    See Also
    --------
    skdeepfake.model_selection.OfficialSplit : The official list as a splitter.

    Notes
    -----
    Labels come from the folders. In the list, 1 is real and 0 fake, unlike `target`.

    Faces were swapped within few circles of celebrities: the 340 fakes in the list of
    version 2 form four groups. The list does not separate people, so that
    :func:`~skdeepfake.model_selection.check_no_leakage` raises. It is for testing what
    was trained on another data set. To train on it, split by
    ``IdentityKFold(details["target"], details["source"])`` of
    :mod:`skdeepfake.model_selection`. For intervals by bootstrap, use
    ``groups=details["target"]``.

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
