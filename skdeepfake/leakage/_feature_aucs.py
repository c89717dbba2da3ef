"""AUC of trivial features, which do not depend on the appearance of faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.utils import check_random_state

from .._groups import MIN_GROUPS, assign_folds, check_column, count_groups
from ..metrics import group_bootstrap

ALL = "all"

# The averaged scores of randomized trees have few ties and need not be monotonic.
_N_TREES = 20
# Maximum number of samples per tree, to limit the time for large datasets.
_MAX_SAMPLES = 2000
# Minimum size of a leaf, as a share of the smaller class. Smaller leaves fit noise, and
# the AUC then varies by more than its interval shows.
_LEAF = 0.2


@dataclass(frozen=True)
class FeatureAUC:
    """Cross-validated AUC of one feature, or of all features together."""

    name: str
    auc: float
    low: float
    high: float
    n_known: int
    n_groups: int

    @property
    def label(self) -> str:
        """Name for display."""
        return self.name.replace("_", " ")

    @property
    def gives_away(self) -> bool:
        """True if the interval is above 0.5 and each class has at least 20 groups."""
        return self.low > 0.5 and self.n_groups >= MIN_GROUPS


def feature_aucs(
    features: Mapping[str, ArrayLike],
    labels: NDArray,
    groups: NDArray[np.intp],
    *,
    n_splits: int,
    n_resamples: int,
    random_state: Any,
) -> list[FeatureAUC]:
    """Cross-validate a small classifier on each feature and on all together."""
    rng = check_random_state(random_state)
    # Draw all seeds first, so that the AUC of a feature does not depend on the others.
    seeds = [int(seed) for seed in rng.randint(2**31 - 1, size=3)]
    folds = assign_folds(
        labels.tolist(),
        groups,
        n_splits,
        shuffle=True,
        random_state=seeds[0],
        called=lambda label: f"the videos of class {label!r}",
        otherwise=(
            "a bunch with other groups, such as bunch.details['target'], or "
            "features=[] to skip the features"
        ),
    )
    encoded, known = {}, {}
    for name, values in features.items():
        encoded[name], known[name] = _encode(values, name, len(labels))
    if len(features) > 1:
        encoded[ALL] = np.hstack(list(encoded.values()))
        known[ALL] = np.any(list(known.values()), axis=0)
    is_fake = labels == np.unique(labels)[1]
    measured = [name for name in encoded if known[name].any()]
    aucs = {}
    if measured:
        scores = [_out_of_fold(encoded[n], is_fake, folds, seeds[1]) for n in measured]
        # Use the same resamples for all features.
        interval = group_bootstrap(
            _aucs,
            is_fake,
            np.transpose(scores),
            groups=groups,
            n_resamples=n_resamples,
            random_state=seeds[2],
        )
        rows = np.transpose([interval.estimate, interval.low, interval.high])
        aucs = dict(zip(measured, rows.tolist(), strict=True))
    n_groups = min(count_groups(labels, groups))
    found = []
    for name in encoded:
        auc, low, high = aucs.get(name, [float("nan")] * 3)
        n_known = int(known[name].sum())
        found.append(FeatureAUC(name, auc, low, high, n_known, n_groups))
    return found


def _encode(
    values: ArrayLike, name: str, n_videos: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return a feature as columns for the trees, and a mask of its known values."""
    given = np.asarray(values)
    if given.shape != (n_videos,):
        raise ValueError(
            f"features[{name!r}] must have one value per video: expected shape "
            f"({n_videos},), got {given.shape}."
        )
    if given.dtype.kind in "biuf":
        known = ~np.isnan(given.astype(np.float64))
        # Use ranks, because the trees draw thresholds uniformly over the range of a
        # feature, which outliers would widen. Unknown values get a distant rank,
        # because not all versions of the trees support NaN.
        ranks = np.full(n_videos, -float(n_videos))
        ranks[known] = rankdata(given[known])
        return ranks[:, None], known
    named = check_column(values, name, optional=True)
    known = np.array([value is not None for value in named])
    kinds = dict.fromkeys(named.tolist())
    return np.array(
        [[float(value == kind) for kind in kinds] for value in named]
    ), known


def _out_of_fold(
    table: NDArray[np.float64],
    is_fake: NDArray[np.bool_],
    folds: NDArray[np.intp],
    seed: int,
) -> NDArray[np.float64]:
    """Score each video with a classifier trained on the other folds."""
    scores = np.empty(len(table))
    for fold in range(folds.max() + 1):
        train, test = np.flatnonzero(folds != fold), folds == fold
        n_drawn = min(len(train), _MAX_SAMPLES)
        n_smaller = np.bincount(is_fake[train]).min() * n_drawn / len(train)
        trees = ExtraTreesClassifier(
            _N_TREES,
            min_samples_leaf=max(2, int(n_smaller * _LEAF)),
            # A test fold with many fakes leaves few for training. Without balancing,
            # its scores would be too low.
            class_weight="balanced",
            bootstrap=True,
            max_samples=n_drawn,
            random_state=seed,
        )
        trees.fit(table[train], is_fake[train])
        scores[test] = trees.predict_proba(table[test])[:, 1]
    return scores


def _aucs(is_fake: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray:
    """Compute the AUC of each column of scores."""
    ranks = rankdata(scores, axis=0)
    n_fake = is_fake.sum()
    above = ranks[is_fake].sum(axis=0) - n_fake * (n_fake + 1) / 2
    return above / (n_fake * (len(is_fake) - n_fake))
