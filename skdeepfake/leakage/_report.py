"""Report on what a data set, or a split of it, gives away."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch, check_consistent_length, column_or_1d
from sklearn.utils._param_validation import HasMethods, Interval

from .._atomic import returned_or_written
from .._groups import (
    MIN_GROUPS,
    check_two_classes,
    contained_names,
    count_is,
    encode_groups,
    format_examples,
)
from .._html import page
from .._json import plain
from .._pandas import import_pandas
from .._validation import validated
from .._video._checks import check_paths
from ..preprocessing import VideoFrameSampler
from ._feature_aucs import ALL, FeatureAUC, feature_aucs
from ._overlap import (
    SplitLeakage,
    copies_in_other_groups,
    leakage_of_splits,
    same_contents,
)
from ._page import render
from ._trivial_features import trivial_features

_TRANSCODE = "the encoder gives the answer away; send both through VideoTranscoder"
_SCALE = "the size of the picture gives the answer away; bring both to one size"
_WHAT_TO_DO = {
    "file_size": _TRANSCODE,
    "bit_rate": _TRANSCODE,
    "codec": _TRANSCODE,
    "frame_rate": "the frame rate gives the answer away; bring both to one",
    "duration": (
        "the length gives the answer away; keep as much of both, by the duration of "
        "VideoTranscoder"
    ),
    "width": _SCALE,
    "height": _SCALE,
    "face_size": (
        "the faces of one class are larger, and scaling them to one size leaves traces "
        "of that; choose videos whose faces are alike"
    ),
}


@dataclass(frozen=True)
class LeakageReport:
    """What a data set, or a split of it, gives away. Print it, or write a page.

    :func:`leakage_report` makes it.

    Attributes
    ----------
    n_videos, n_groups : int
        Of the data set.
    splits : list of SplitLeakage
        What both sides of each split have in common: its `name`, `n_train`, `n_test`,
        the `groups` on both sides, the number `n_affected` and `share_affected` of test
        videos of these groups, and `copies`, pairs of paths of the same bytes.
    copies : list of (str, str)
        Paths of the same bytes in two groups, which no split by group keeps together.
    related_names : list of (str, str)
        Paths in two groups, of which the first has a name that is a part of the
        second's, as 253 and 183_253.
    features : list of FeatureAUC
        For each trivial feature its `name`, its cross-validated `auc`, the limits of
        its interval, `low` and `high`, the number of videos `n_known`, the number of
        groups `n_groups` of the class that has fewer, and `gives_away`, whether the
        interval is above 0.5; False below 20 groups. The last of several is ``"all"``
        together.
    values : :class:`~sklearn.utils.Bunch` of ndarray
        The features themselves.

    See Also
    --------
    trivial_features : Measures the features.
    """

    n_videos: int
    n_groups: int
    splits: list[SplitLeakage]
    copies: list[tuple[str, str]]
    related_names: list[tuple[str, str]]
    features: list[FeatureAUC]
    values: Bunch = field(repr=False, compare=False)

    @property
    def findings(self) -> list[str]:
        """What is wrong and what to do about it, a sentence each; empty if nothing."""
        found = []
        leaky = [split for split in self.splits if split.groups]
        if leaky:
            worst = max(leaky, key=lambda split: split.share_affected)
            found.append(
                f"{self._in_splits(leaky, worst)}{count_is(worst.groups, 'group')} on "
                f"both sides: {format_examples(worst.groups)}; {worst.n_affected} of "
                f"{worst.n_test} test videos ({worst.share_affected:.0%}) are in "
                f"{'it' if len(worst.groups) == 1 else 'them'}; split by group, or by "
                "identity with IdentityKFold"
            )
        leaky = [split for split in self.splits if split.copies]
        if leaky:
            worst = max(leaky, key=lambda split: len(split.copies))
            found.append(
                f"{self._in_splits(leaky, worst)}{count_is(worst.copies, 'test video')}"
                f" also in the training set, byte for byte: {_pairs(worst.copies)}; "
                "leave one of each out, or put both into one group"
            )
        if self.copies:
            found.append(
                f"{count_is(self.copies, 'video')} there again in another group, byte "
                f"for byte: {_pairs(self.copies)}; leave one of each out, or put both "
                "into one group"
            )
        if self.related_names:
            found.append(
                f"{count_is(self.related_names, 'file name')} part of one in another "
                f"group: {_pairs(self.related_names)}; if these videos show the same "
                "people, group them by skdeepfake.datasets.group_by_name"
            )
        giving = [feature for feature in self.features if feature.gives_away]
        for feature in giving:
            if feature.name != ALL:
                advice = _WHAT_TO_DO.get(
                    feature.name, "make it alike in both, or leave it out of the set"
                )
                found.append(
                    f"{_words(feature.name)} alone tells real from fake with an AUC of "
                    f"{_range(feature)}: {advice}"
                )
        if [feature.name for feature in giving] == [ALL]:
            found.append(
                "no feature alone, but all of them together tell real from fake with "
                f"an AUC of {_range(giving[0])}: look at `values` for how"
            )
        return found

    @property
    def notes(self) -> list[str]:
        """What was not judged and why, a sentence each; empty if all was."""
        if not self.features or self.features[0].n_groups >= MIN_GROUPS:
            return []
        return [
            f"the features were not judged: one class is in {self.features[0].n_groups}"
            f" groups, and a verdict needs at least {MIN_GROUPS} of each class"
        ]

    def _in_splits(self, leaky: list[SplitLeakage], worst: SplitLeakage) -> str:
        if len(self.splits) == 1:
            return ""
        return f"in {len(leaky)} of {len(self.splits)} splits, most in {worst.name}: "

    def __str__(self) -> str:
        lines = [f"{self.n_videos} videos in {self.n_groups} groups"]
        if not self.splits:
            lines.append("no split was looked at")
        elif not any(split.groups or split.copies for split in self.splits):
            names = ", ".join(split.name for split in self.splits)
            lines.append(f"no shared group and no identical file ({names})")
        if self.features:
            width = max(len(feature.name) for feature in self.features)
            lines += ["", f"{'feature':{max(width, 7)}}   AUC  95 % interval  known of"]
            for each in self.features:
                figures = "   ?" if math.isnan(each.auc) else f"{each.auc:.2f}"
                limits = (
                    "" if math.isnan(each.low) else f"{each.low:.2f} to {each.high:.2f}"
                )
                lines.append(
                    f"{_words(each.name):{max(width, 7)}}  {figures}  {limits:13}  "
                    f"{each.n_known:8d}"
                )
        told = self.findings + self.notes
        lines += ["", *(f"- {text}" for text in told or ["nothing was found"])]
        return "\n".join(lines)

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Return or write a self-contained page.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            File to write.

        Returns
        -------
        str or None
            HTML; None if it was written to a file.
        """
        html = page("Leakage report", render(self))
        return returned_or_written(html, path)

    def _repr_html_(self) -> str:
        return render(self)

    def to_dict(self) -> dict[str, Any]:
        """Give all but the values in plain types, as for JSON.

        Returns
        -------
        dict
            `n_videos`, `n_groups`, `splits`, `copies`, `related_names`, `features`,
            `findings` and `notes`; splits and features as dicts, with None for an
            unknown figure.
        """
        return {
            "n_videos": self.n_videos,
            "n_groups": self.n_groups,
            "splits": [
                {
                    **asdict(each),
                    "copies": [list(pair) for pair in each.copies],
                    "share_affected": each.share_affected,
                }
                for each in self.splits
            ],
            "copies": [list(pair) for pair in self.copies],
            "related_names": [list(pair) for pair in self.related_names],
            "features": plain([_row(each) for each in self.features]),
            "findings": self.findings,
            "notes": self.notes,
        }

    def to_frame(self) -> Any:
        """Give the features as a table, which needs pandas.

        Returns
        -------
        pandas.DataFrame
            A row per feature: `name`, `auc`, `low`, `high`, `n_known`, `n_groups`,
            `gives_away`.
        """
        pandas = import_pandas("to_frame", "to_dict gives the same figures")
        return pandas.DataFrame([_row(each) for each in self.features])


@validated(
    bunch=[dict],
    features=[str, "array-like", set, dict],
    n_splits=[Interval(Integral, 2, None, closed="left")],
    sampler=[HasMethods("transform"), None],
    cropper=[HasMethods("fit_transform"), None],
    n_resamples=[Interval(Integral, 1, None, closed="left")],
    random_state=["random_state"],
    n_jobs=[Integral, None],
    verbose=["verbose"],
)
def leakage_report(
    bunch: Bunch,
    split: Any = None,
    *,
    features: str | Iterable[str] | Mapping[str, ArrayLike] = "all",
    n_splits: int = 5,
    sampler: VideoFrameSampler | None = None,
    cropper: Any = None,
    n_resamples: int = 1000,
    random_state: int | np.random.RandomState | None = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> LeakageReport:
    """Report what a data set and a split give away besides the faces.

    A high score may come from people or files in the training set, or other traces.

    1. For each split, list groups and files (by path and content) on both sides.
    2. List videos of different groups whose file names suggest the same people.
    3. For each trivial feature, compute how well it alone separates real from fake: the
       AUC of randomized trees [1]_, cross-validated over groups.

    Parameters
    ----------
    bunch : :class:`~sklearn.utils.Bunch`
        Result of a loader: `data`, paths of the videos; `target`, two classes;
        optionally `groups` and `split`. Without groups, each video is its own.
    split : (train, test), splitter, iterable of (train, test), or None, default=None
        Indices or masks of both sides, a list of these, or a splitter. None compares
        the official lists in ``bunch.split``, if there are any.
    features : str, iterable of str or mapping, default="all"
        Names of :func:`trivial_features`, ``"all"`` or ``[]``; or a mapping of names to
        arrays of shape (n_videos,): numbers or NaN, strings or None.
    n_splits : int, default=5
        Number of folds for the features. Each class must be in as many groups.
    sampler, cropper : transformer or None, default=None
        Steps that find faces, as in :func:`trivial_features`.
    n_resamples : int, default=1000
        Number of resamples for the intervals.
    random_state : int, RandomState instance or None, default=0
        Controls folds, trees and resamples. An int gives the same report at each call.
    n_jobs : int or None, default=None
        Number of videos that are read at the same time.
    verbose : int, default=0
        1 shows progress bars.

    Returns
    -------
    LeakageReport
        Print it, or use `findings`, `to_dict` and `to_frame`.

    Raises
    ------
    ValueError
        If the bunch lacks something or does not hold two classes, a class is in fewer
        groups than `n_splits`, the group of a video is missing, or `split` is none.
    IndexError
        If an index or a mask of `split` does not fit to the videos.
    VideoReadError
        If a video cannot be read, and `sampler` has ``on_error="raise"``.

    Warns
    -----
    VideoReadWarning
        For each video that cannot be read.
    NoFaceWarning
        For each video without a face.

    See Also
    --------
    skdeepfake.model_selection.check_no_leakage : Raises if groups are on both sides.

    Notes
    -----
    An unknown feature is a value, too: it separates the classes if all fakes lack it.

    Features are not judged if a class is in fewer than 20 groups, whose AUC changes by
    0.1 between seeds: `gives_away` is False, and `notes` says so.

    About one in twenty useless features has an interval above 0.5 by chance. An AUC
    near 0.5 does not prove that nothing else differs, such as the sound.

    References
    ----------
    .. [1] Geurts, P., Ernst, D. and Wehenkel, L. (2006). Extremely randomized trees.
       Machine Learning 63.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import KFold
    >>> from sklearn.utils import Bunch
    >>> from skdeepfake.leakage import leakage_report
    >>> videos = Bunch(
    ...     data=[f"{i}.mp4" for i in range(40)],
    ...     target=np.tile([0, 1], 20),
    ...     groups=np.repeat(np.arange(20), 2),
    ... )
    >>> bit_rate = np.where(videos.target == 1, 8e5, 1.2e6)
    >>> report = leakage_report(videos, KFold(3), features={"bit_rate": bit_rate})
    >>> print(report)  # doctest: +ELLIPSIS
    40 videos in 20 groups
    <BLANKLINE>
    feature    AUC  95 % interval  known of
    bit rate  1.00  1.00 to 1.00         40
    <BLANKLINE>
    - in 2 of 3 splits, most in split 1: 1 group is on both sides: 13; 1 of 13 test ...
    - bit rate alone tells real from fake with an AUC of 1.00 (1.00 to 1.00): the ...
    """
    paths, labels, groups = _parts(bunch)
    if isinstance(features, Mapping):
        values = Bunch(**features)
    else:
        values = trivial_features(
            paths.tolist(),
            features=features,
            sampler=sampler,
            cropper=cropper,
            n_jobs=n_jobs,
            verbose=verbose,
        )
    numbers = encode_groups(groups)
    contents = same_contents(paths.tolist())
    return LeakageReport(
        n_videos=len(paths),
        n_groups=len(set(numbers.tolist())),
        splits=leakage_of_splits(split, bunch, groups, contents),
        copies=copies_in_other_groups(paths, numbers, contents),
        related_names=contained_names(paths.tolist(), numbers),
        features=feature_aucs(
            values,
            labels,
            numbers,
            n_splits=n_splits,
            n_resamples=n_resamples,
            random_state=random_state,
        )
        if values
        else [],
        values=values,
    )


def _parts(bunch: Bunch) -> tuple[NDArray, NDArray, NDArray]:
    """Check what a bunch holds: paths, labels and groups."""
    for name in ("data", "target"):
        if name not in bunch:
            raise ValueError(
                f"bunch has no {name!r}: pass what a loader of skdeepfake.datasets "
                "gives"
            )
    paths = np.array(check_paths(bunch["data"], caller="leakage_report"))
    labels = np.asarray(column_or_1d(bunch["target"]))
    groups = bunch.get("groups")
    if groups is None:
        groups = np.arange(len(paths))
    groups = np.asarray(column_or_1d(groups))
    check_consistent_length(paths, labels, groups)
    check_two_classes(labels, "the target of the bunch")
    return paths, labels, groups


def _row(feature: FeatureAUC) -> dict[str, Any]:
    return {**asdict(feature), "gives_away": feature.gives_away}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _range(feature: FeatureAUC) -> str:
    return f"{feature.auc:.2f} ({feature.low:.2f} to {feature.high:.2f})"


def _pairs(pairs: list[tuple[str, str]], limit: int = 3) -> str:
    told = ", ".join(f"{a!r} and {b!r}" for a, b in pairs[:limit])
    return f"{told} and {len(pairs) - limit} more" if len(pairs) > limit else told
