"""DeeperForensics-1.0: other fakes of the originals of FaceForensics++."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from sklearn.utils import Bunch

from .._validation import select_names
from ..exceptions import DatasetError
from ._faceforensics import youtube_originals
from ._listing import check_root
from ._records import DatasetIssues, as_bunch, fakes_of_pairs, with_loader_docs
from ._splits import check_split, official_splits, with_splits

VARIANTS = (
    "end_to_end",
    *(f"end_to_end_level_{level}" for level in range(1, 6)),
    "end_to_end_random_level",
    *(f"end_to_end_mix_{n}_distortions" for n in (2, 3, 4)),
    "reenact_postprocess",
)


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

    ``manipulated_videos/end_to_end/000_M101.mp4`` is the video 000 of
    FaceForensics++ with the face of actor M101. The real videos are those of
    FaceForensics++ in compression c23, which this data set does not bring along. Its
    own `source_videos`, of actors in a studio, are not the real part, say its
    authors: they are not read.

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
        The official list in ``root/lists/splits`` to take the videos of. None takes
        all.
    {{as_frame}}

    Returns
    -------
    {{bunch}}

    Raises
    ------
    DatasetError
        If a folder is missing or has no video, or none with such a name, a name or
        a target is in two lists, or no video is in the list asked for.
    ValueError
        If there is no such variant or split.

    Warns
    -----
    {{odd}}

    See Also
    --------
    load_faceforensics : The originals with the fakes of FaceForensics++.

    Notes
    -----
    The lists name fakes only. A real video is in the split of the fakes that were
    made of it.

    Each of the 100 actors is the source of some ten fakes, so that there are 100
    groups. The official lists separate sources. With the fakes of FaceForensics++,
    which connect the same originals in pairs, use
    :func:`~skdeepfake.datasets.combine_datasets`.

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
    videos = youtube_originals(ff_root, "c23", issues)
    videos += fakes_of_pairs(
        {variant: root / "manipulated_videos" / variant for variant in selected},
        r"(?P<target>\d{3})_(?P<source>[MW]\d{3})",
        "000_M101.mp4",
        issues,
        optional=variants == "all",
    )
    splits = official_splits([root / "lists" / "splits"], ".txt", split, issues)
    videos = with_splits(videos, _with_targets(splits), split, issues)
    return as_bunch(videos, issues, root, split=split, as_frame=as_frame)


def _with_targets(splits: Mapping[str, str]) -> dict[str, str]:
    """Put each target into the split of the fakes that were made of it."""
    targets: dict[str, str] = {}
    for name, split in splits.items():
        target = name.partition("_")[0]
        if targets.setdefault(target, split) != split:
            raise DatasetError(
                f"the target {target!r} is in two official lists: {targets[target]} "
                f"and, by {name!r}, {split}; take the lists as they were published"
            )
    return {**splits, **targets}
