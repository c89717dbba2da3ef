"""Splits by the lists that a data set is published with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator

from .._groups import format_examples
from .._validation import check_choice
from .._video._checks import check_paths
from .._video_lists import VideoList
from ..exceptions import DatasetError, MissingVideosWarning
from ._splitter import check_no_leakage

_MISSING = ("warn", "raise", "ignore")


@dataclass(repr=False, eq=False)
class OfficialSplit(BaseCrossValidator):
    """Split videos once, by the lists that their data set is published with.

    Papers report scores on these lists, so a score is comparable only if measured on
    the same videos. A list is the path of its file, or the entries themselves:

    - a name, which means every video whose path ends like it, whatever the
      extension: ``"000_M101.mp4"``, ``"Celeb-real/id0_0000.mp4"``;
    - a pair of identities, ``["071", "054"]``, which means ``071``, ``054``,
      ``071_054`` and ``054_071``: both originals and both fakes.

    A file that ends in ``.json`` holds a list of such entries (FaceForensics++). The
    first column of a ``.csv`` file, below its header, is names (DFDC). Any other has a
    name per line (DeeperForensics), perhaps after a 0 or 1 and a blank (Celeb-DF).

    Parameters
    ----------
    test : str, os.PathLike or list
        The videos to score.
    train : str, os.PathLike, list or None, default=None
        The videos to train on. None takes all that are in no other list.
    left_out : str, os.PathLike, list or None, default=None
        Videos that are not used, such as the test set while parameters are chosen.
    missing : {"warn", "raise", "ignore"}, default="warn"
        What to do about entries without a video, as in an incomplete download.

    See Also
    --------
    check_no_leakage : What tells whether such a split parts identities.
    sklearn.model_selection.PredefinedSplit : Folds by number.

    Notes
    -----
    It is a splitter like those of scikit-learn: ``cv=OfficialSplit(...)`` goes with
    `cross_validate` and `GridSearchCV` on paths of videos. If `groups` are passed,
    the split is checked for leakage: not every official list keeps identities apart.

    Examples
    --------
    >>> from skdeepfake.model_selection import OfficialSplit
    >>> videos = [
    ...     "real/071.mp4", "real/054.mp4", "real/000.mp4",
    ...     "Deepfakes/071_054.mp4", "Deepfakes/000_003.mp4",
    ... ]
    >>> train, test = next(OfficialSplit(test=[["071", "054"]]).split(videos))
    >>> train.tolist(), test.tolist()
    ([2, 4], [0, 1, 3])

    FaceForensics++, while parameters are chosen, and Celeb-DF:

    >>> cv = OfficialSplit(train="train.json", test="val.json", left_out="test.json")
    >>> cv = OfficialSplit(test="List_of_testing_videos.txt")
    >>> cv.get_n_splits()
    1
    """

    test: Any
    _: KW_ONLY
    train: Any = None
    left_out: Any = None
    missing: str = "warn"

    # With metadata routing on, groups reach `split`, as they do that of `GroupKFold`.
    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 1

    def split(
        self, X: Sequence[Any], y: Any = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Give the numbers of the videos on both sides.

        Parameters
        ----------
        X : array-like of shape (n_videos,) of str or os.PathLike
            Paths of the videos.
        y : object
            Not used, present for the API's sake.
        groups : array-like of shape (n_videos,), default=None
            Identity of each video, to check the split by.

        Yields
        ------
        train, test : ndarray of int
            Numbers of the videos.

        Raises
        ------
        DatasetError
            If a list cannot be read, a video is in two or none, or a side is empty.
        LeakageError
            If a group is on both sides.

        Warns
        -----
        MissingVideosWarning
            If no video was found for an entry.
        """
        check_choice(self.missing, _MISSING, "missing")
        paths = check_paths(X, caller="OfficialSplit")
        found = self._find(paths)
        others = {number for part in found.values() for number in part}
        rest = [i for i in range(len(paths)) if i not in others]
        if self.train is None:
            found["train"] = dict.fromkeys(rest)
        elif rest:
            raise DatasetError(
                f"{len(rest)} of {len(paths)} videos are in no list: "
                f"{format_examples([paths[i] for i in rest])}; pass a list of them as "
                "left_out, or train=None to train on all that are in no other list"
            )
        for side in ("train", "test"):
            if not found.get(side):
                raise DatasetError(
                    f"none of the {len(paths)} videos is in the {side} set; the first "
                    f"one is {paths[0]!r}"
                )
        train, test = (np.array(sorted(found[side])) for side in ("train", "test"))
        if groups is not None:
            check_no_leakage(train, test, groups)
        yield train, test

    def _find(self, paths: list[str]) -> dict[str, dict[int, Any]]:
        """Find the videos of each list that was given, and see that they are apart."""
        found: dict[str, dict[int, Any]] = {}
        for name in ("train", "test", "left_out"):
            if getattr(self, name) is None:
                continue
            listed = VideoList(getattr(self, name), name)
            found[name], missing = listed.find(paths)
            for other in found:
                both = sorted(found[name].keys() & found[other].keys())
                if other != name and both:
                    i = both[0]
                    raise DatasetError(
                        f"{paths[i]!r} is in two lists: {other} by the entry "
                        f"{found[other][i]!r}, {name} by {found[name][i]!r}"
                        + (f"; so are {len(both) - 1} more" if both[1:] else "")
                    )
            if missing:
                self._report(missing, listed)
        return found

    def _report(self, missing: list[Any], listed: VideoList) -> None:
        message = (
            f"no video was found for {len(missing)} of {len(listed.entries)} entries "
            f"of {listed.name}: {format_examples(missing)}; a score on part of a list "
            "cannot be compared with one on all of it"
        )
        if self.missing == "raise":
            raise DatasetError(f"{message} (missing='raise')")
        if self.missing == "warn":
            warnings.warn(message, MissingVideosWarning, stacklevel=4)
