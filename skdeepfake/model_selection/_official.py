"""Splitter for the official lists of a dataset."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator

from .._groups import count_is, format_examples
from .._validation import check_choice
from .._video._checks import check_paths
from .._video_lists import VideoList
from ..exceptions import DatasetError, MissingVideosWarning
from ._splitter import check_no_leakage

_MISSING = ("warn", "raise", "ignore")


@dataclass(repr=False, eq=False)
class OfficialSplit(BaseCrossValidator):
    """Split videos into a training and a test set according to official lists.

    To compare your scores with published scores, use the lists of the dataset. A list
    is either a sequence of entries or the path of a file. An entry is one of the
    following:

    - a name, such as ``"000_M101.mp4"`` or ``"Celeb-real/id0_0000.mp4"``, which matches
      every video whose path ends with this name; extensions are ignored;
    - a pair of identities, such as ``["071", "054"]``, which matches the originals
      ``071`` and ``054`` and the fakes ``071_054`` and ``054_071``.

    A ``.json`` file contains a list of entries (FaceForensics++). A ``.csv`` file has a
    header and the names in its first column (DFDC). Any other file has one name per
    line (DeeperForensics). A label of 0 or 1 and a space may precede the name
    (Celeb-DF). Labels are ignored.

    Parameters
    ----------
    test : str, os.PathLike or list
        List of the test videos.
    train : str, os.PathLike, list or None, default=None
        List of the training videos. None uses all videos that are neither in `test` nor
        in `left_out`.
    left_out : str, os.PathLike, list or None, default=None
        List of videos that are not used, such as the test set during model selection.
    missing : {"warn", "raise", "ignore"}, default="warn"
        Action if an entry of a list matches no video, for example after an incomplete
        download.

    See Also
    --------
    check_no_leakage : Check that the training and test sets share no group.
    sklearn.model_selection.PredefinedSplit : Splitter with an array of folds.

    Notes
    -----
    Pass the splitter as ``cv`` to `cross_validate` or `GridSearchCV`, with the paths of
    the videos as ``X``. If `groups` is passed, the split is checked for leakage, since
    some datasets have the same identities in several official lists.

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

    Use the validation set of FaceForensics++ or the test set of Celeb-DF:

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

    # Metadata routing passes groups to `split`, as for `GroupKFold`.
    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 1

    def split(
        self, X: Sequence[Any], y: Any = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate indices to split videos into a training and a test set.

        Parameters
        ----------
        X : array-like of shape (n_videos,) of str or os.PathLike
            Paths of the videos.
        y : object
            Not used, present for API consistency.
        groups : array-like of shape (n_videos,), default=None
            Group of each video, used to check the split for leakage.

        Yields
        ------
        train, test : ndarray of int
            Indices of the training and test videos.

        Raises
        ------
        DatasetError
            If a list cannot be read, if a video is in two lists, if `train` is set and
            a video is in no list, or if the training or test set is empty. With
            ``missing="raise"``, also if an entry of a list matches no video.
        LeakageError
            If the training and test sets share a group.

        Warns
        -----
        MissingVideosWarning
            If an entry of a list matches no video and `missing` is "warn".
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
                f"{format_examples([paths[i] for i in rest])}. Pass a list of them as "
                "left_out, or train=None to train on them."
            )
        for side in ("train", "test"):
            if not found.get(side):
                raise DatasetError(
                    f"None of the {len(paths)} videos is in the {side} set. The first "
                    f"video is {paths[0]!r}."
                )
        train, test = (np.array(sorted(found[side])) for side in ("train", "test"))
        if groups is not None:
            check_no_leakage(train, test, groups)
        yield train, test

    def _find(self, paths: list[str]) -> dict[str, dict[int, Any]]:
        """Find the videos of each list, and check that the lists are disjoint."""
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
                    more = f" {count_is(both[1:], 'other video')} also in both lists."
                    raise DatasetError(
                        f"{paths[i]!r} is in two lists: {other} (entry "
                        f"{found[other][i]!r}) and {name} (entry {found[name][i]!r})."
                        f"{more * bool(both[1:])}"
                    )
            if missing:
                self._report(missing, listed)
        return found

    def _report(self, missing: list[Any], listed: VideoList) -> None:
        message = (
            f"No video was found for {len(missing)} of {len(listed.entries)} entries "
            f"of {listed.name}: {format_examples(missing)}. Scores on a part of a list "
            "are not comparable with scores on the whole list."
        )
        if self.missing == "raise":
            raise DatasetError(f"{message} (missing='raise')")
        if self.missing == "warn":
            warnings.warn(message, MissingVideosWarning, stacklevel=4)
