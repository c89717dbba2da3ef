"""Report on data leakage in a dataset or split."""

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
    encode_groups,
)
from .._html import page
from .._json import plain
from .._pandas import import_pandas
from .._validation import validated
from .._video._checks import check_paths
from ..preprocessing import VideoFrameSampler
from ._feature_aucs import FeatureAUC, feature_aucs
from ._findings import find_problems
from ._overlap import (
    SplitLeakage,
    copies_in_other_groups,
    leakage_of_splits,
    same_contents,
)
from ._page import render
from ._trivial_features import trivial_features


@dataclass(frozen=True)
class LeakageReport:
    """Report on data leakage in a dataset or split.

    Create a report with :func:`leakage_report`. Print it, or write it as an HTML page
    with :meth:`to_html`.

    Attributes
    ----------
    n_videos, n_groups : int
        Number of videos and groups in the dataset.
    splits : list of SplitLeakage
        Leakage per split, with the following attributes:

        - `name`: name of the split, such as ``"split 0"`` for the first pair of sets,
          or ``"train / test"`` for official subsets;
        - `n_train` and `n_test`: number of training and test videos;
        - `groups`: groups in both the training set and the test set;
        - `n_affected` and `share_affected`: number and share of the test videos in
          these groups;
        - `copies`: pairs of paths of identical files, first the training video, then
          the test video.
    copies : list of (str, str)
        Pairs of paths of identical files in different groups.
    related_names : list of (str, str)
        Pairs of paths of videos in different groups, where the name of the first video
        is part of the name of the second, such as 253 and 183_253.
    features : list of FeatureAUC
        AUC of each trivial feature, such as the bit rate. If there are several
        features, the last entry, ``"all"``, combines them. Each entry has the following
        attributes:

        - `name`: name of the feature;
        - `auc`, `low` and `high`: cross-validated AUC, and the limits of its 95%
          confidence interval;
        - `n_known`: number of videos with a known value;
        - `n_groups`: number of groups of real videos or of fakes, whichever is smaller;
        - `gives_away`: True if `low` is above 0.5 and `n_groups` is at least 20.
    values : :class:`~sklearn.utils.Bunch` of ndarray
        Value of each feature for each video.

    See Also
    --------
    trivial_features : Measure the features.

    Examples
    --------
    >>> from sklearn.utils import Bunch
    >>> from skdeepfake.leakage import leakage_report
    >>> paths = ["0.mp4", "0_1.mp4", "2.mp4", "2_3.mp4"]
    >>> videos = Bunch(data=paths, target=[0, 1, 0, 1], groups=[0, 0, 2, 2])
    >>> report = leakage_report(videos, ([0, 1, 2], [3]), features=[])
    >>> report.splits[0].groups, report.splits[0].share_affected
    ([2], 1.0)
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
        """Messages that describe the problems found and how to solve them."""
        return find_problems(self)

    @property
    def notes(self) -> list[str]:
        """Messages about AUCs that `findings` ignores, since a class has few groups."""
        if not self.features or self.features[0].n_groups >= MIN_GROUPS:
            return []
        return [
            "No feature is reported as a problem, because one class has only "
            f"{self.features[0].n_groups} groups. The AUCs are unreliable with fewer "
            f"than {MIN_GROUPS} groups."
        ]

    def __str__(self) -> str:
        lines = [f"{self.n_videos} videos in {self.n_groups} groups"]
        if not self.splits:
            lines.append("no split was checked")
        elif not any(split.groups or split.copies for split in self.splits):
            names = ", ".join(split.name for split in self.splits)
            lines.append(f"no shared groups or identical files ({names})")
        if self.features:
            width = max(7, *(len(feature.name) for feature in self.features))
            lines += ["", f"{'feature':{width}}   AUC  95% interval     videos"]
            for each in self.features:
                auc, limits = f"{each.auc:.2f}", f"{each.low:.2f} to {each.high:.2f}"
                if math.isnan(each.auc):
                    auc, limits = "   ?", ""
                row = f"{each.label:{width}}  {auc}  {limits:13}  {each.n_known:8d}"
                lines.append(row)
        messages = self.findings + self.notes or ["No problem was found."]
        return "\n".join([*lines, "", *(f"- {text}" for text in messages)])

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Return the report as a self-contained HTML page, or write it to a file.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            Path of the file to write. None returns the page.

        Returns
        -------
        str or None
            HTML page, or None if it was written to a file.
        """
        return returned_or_written(page("Leakage report", render(self)), path)

    def _repr_html_(self) -> str:
        return render(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report, without `values`, as a JSON-serializable dict.

        Returns
        -------
        dict
            `n_videos`, `n_groups`, `splits`, `copies`, `related_names`, `features`,
            `findings` and `notes`. Each split and each feature is a dict. Unknown
            values are None.
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
            "features": plain(self._rows()),
            "findings": self.findings,
            "notes": self.notes,
        }

    def to_frame(self) -> Any:
        """Return the features as a DataFrame. Requires pandas.

        Returns
        -------
        pandas.DataFrame
            One row per feature, with the columns `name`, `auc`, `low`, `high`,
            `n_known`, `n_groups` and `gives_away`.
        """
        pandas = import_pandas("to_frame", "to_dict returns the same values")
        return pandas.DataFrame(self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {**asdict(each), "gives_away": each.gives_away} for each in self.features
        ]


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
    """Report data leakage in a dataset and its splits.

    A detector can achieve a high score without examining faces if the training set
    contains people or files of the test set, or if the two classes differ in features
    such as the bit rate. The report has three parts:

    1. the groups and identical files that training and test sets share;
    2. videos of different groups that are identical or whose file names suggest that
       they show the same people;
    3. the AUC with which each trivial feature, such as the bit rate, separates real
       from fake videos, computed with randomized trees [1]_ and cross-validation over
       groups.

    Parameters
    ----------
    bunch : :class:`~sklearn.utils.Bunch`
        Dataset as returned by a loader, with the paths of the videos in `data`, two
        classes in `target`, and optionally `groups` and `split`. Without `groups`, each
        video is its own group.
    split : (train, test), splitter, iterable of (train, test), or None, default=None
        Splitter, or one or several pairs of indices or masks. None compares each pair
        of official subsets in ``bunch.split``, if there are any.
    features : str, iterable of str or mapping, default="all"
        Names of features that :func:`trivial_features` measures. ``"all"`` uses all of
        them, and ``[]`` uses none. To use other features, pass a mapping of their names
        to arrays of shape (n_videos,). Unknown values are NaN in arrays of numbers and
        None in arrays of strings.
    n_splits : int, default=5
        Number of cross-validation folds for the AUCs of the features, at least 2. Each
        class must have at least `n_splits` groups, unless ``features=[]``.
    sampler, cropper : transformer or None, default=None
        Frame sampler and face cropper, as in :func:`trivial_features`.
    n_resamples : int, default=1000
        Number of bootstrap resamples for the confidence intervals.
    random_state : int, RandomState instance or None, default=0
        Controls the folds, trees and bootstrap resamples. Pass an int for reproducible
        reports.
    n_jobs : int or None, default=None
        Number of videos read in parallel.
    verbose : int, default=0
        If 1, show progress bars.

    Returns
    -------
    LeakageReport
        Report to print or to write as an HTML page.

    Raises
    ------
    ValueError
        If `bunch` lacks `data` or `target` or does not have two classes, if a class has
        fewer groups than `n_splits` (unless ``features=[]``), if the group of a video
        is missing, or if `split` is invalid.
    IndexError
        If an index in `split` is out of range, or if a mask in `split` does not have
        the length of the dataset.
    VideoReadError
        If a video cannot be read and `sampler` has ``on_error="raise"``.

    Warns
    -----
    VideoReadWarning
        For each video that cannot be read.
    NoFaceWarning
        For each video without a face.

    See Also
    --------
    skdeepfake.model_selection.check_no_leakage : Raise an error for shared groups.

    Notes
    -----
    "Unknown" is treated as one more value of a feature. For example, a feature that is
    unknown for all fakes and known for all real videos separates the classes.

    If a class has fewer than 20 groups, the AUC varies by about 0.1 between values of
    `random_state`. No feature is then reported as a problem: `gives_away` of the report
    is False for all features, and `notes` contains a message.

    About one in forty uninformative features has an interval above 0.5 by chance. An
    AUC near 0.5 does not rule out that the classes differ in something else, such as
    the sound of the videos.

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
    feature    AUC  95% interval     videos
    bit rate  1.00  1.00 to 1.00         40
    <BLANKLINE>
    - 2 of 3 splits are affected. In split 1, the worst, 1 group is in the training ...
    - The bit rate alone separates real from fake with an AUC of 1.00 (1.00 to ...
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
    aucs: list[FeatureAUC] = []
    if values:
        aucs = feature_aucs(
            values,
            labels,
            numbers,
            n_splits=n_splits,
            n_resamples=n_resamples,
            random_state=random_state,
        )
    return LeakageReport(
        n_videos=len(paths),
        n_groups=len(set(numbers.tolist())),
        splits=leakage_of_splits(split, bunch, groups, contents),
        copies=copies_in_other_groups(paths, numbers, contents),
        related_names=contained_names(paths.tolist(), numbers),
        features=aucs,
        values=values,
    )


def _parts(bunch: Bunch) -> tuple[NDArray, NDArray, NDArray]:
    """Return the validated paths, labels and groups of a dataset."""
    for name in ("data", "target"):
        if name not in bunch:
            raise ValueError(
                f"bunch has no {name!r}: pass the result of a loader of "
                "skdeepfake.datasets."
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
