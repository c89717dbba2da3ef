"""How well figures that say nothing of a face tell real from fake."""

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

# Small randomized trees, averaged: smooth enough to rank by, and not monotonic.
_N_TREES = 20
# No more than that for a tree, so that a large data set costs little more.
_MAX_SAMPLES = 2000
# Smallest leaf, as a share of the smaller class. Smaller ones learn noise, which does
# not move the AUC but makes it vary by more than the interval knows of.
_LEAF = 0.2


@dataclass(frozen=True)
class FeatureAUC:
    """How well one figure, or all together, tells real from fake."""

    name: str
    auc: float
    low: float
    high: float
    n_known: int
    n_groups: int

    @property
    def gives_away(self) -> bool:
        """Whether the interval is above 0.5, for at least 20 groups of each class."""
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
    """Cross-validate a small classifier on each feature, and on all of them."""
    rng = check_random_state(random_state)
    # The same for each feature, whichever others are looked at.
    seeds = [int(seed) for seed in rng.randint(2**31 - 1, size=3)]
    folds = assign_folds(
        labels.tolist(),
        groups,
        n_splits,
        shuffle=True,
        random_state=seeds[0],
        called=lambda label: f"the videos of class {label!r}",
        otherwise=(
            "give the bunch other groups, such as bunch.details['target'], or leave "
            "this part out by features=[]"
        ),
    )
    encoded, known = {}, {}
    for name, values in features.items():
        encoded[name], known[name] = _encode(values, name, len(labels))
    if len(features) > 1:
        encoded[ALL] = np.hstack(list(encoded.values()))
        known[ALL] = np.any(list(known.values()), axis=0)
    is_fake = labels == np.unique(labels)[1]
    # Of a feature that nobody knows, nothing can be said.
    told = [name for name in encoded if known[name].any()]
    aucs = {}
    if told:
        scores = [_out_of_fold(encoded[n], is_fake, folds, seeds[1]) for n in told]
        # All from the same resamples, in one go.
        interval = group_bootstrap(
            _aucs,
            is_fake,
            np.transpose(scores),
            groups=groups,
            n_resamples=n_resamples,
            random_state=seeds[2],
        )
        rows = np.transpose([interval.estimate, interval.low, interval.high])
        aucs = dict(zip(told, rows.tolist(), strict=True))
    found, n_groups = [], min(count_groups(labels, groups))
    for name in encoded:
        auc, low, high = aucs.get(name, [float("nan")] * 3)
        n_known = int(known[name].sum())
        found.append(FeatureAUC(name, auc, low, high, n_known, n_groups))
    return found


def _encode(
    values: ArrayLike, name: str, n_videos: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Turn a feature into columns for trees, and tell where it is known."""
    given = np.asarray(values)
    if given.shape != (n_videos,):
        raise ValueError(
            f"features[{name!r}] has the shape {given.shape}, but there are {n_videos} "
            "videos: pass one value for each"
        )
    if given.dtype.kind in "biuf":
        known = ~np.isnan(given.astype(np.float64))
        # Cuts at random are even over the range: of ranks, they part the videos, while
        # of sizes in bytes they would part the largest one from all others. The unknown
        # lie apart; not all versions of the trees tell NaN from a constant.
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
    """Predict each video by what was learned from the other folds."""
    scores = np.empty(len(table))
    for fold in range(folds.max() + 1):
        train, test = np.flatnonzero(folds != fold), folds == fold
        n_drawn = min(len(train), _MAX_SAMPLES)
        n_smaller = np.bincount(is_fake[train]).min() * n_drawn / len(train)
        trees = ExtraTreesClassifier(
            _N_TREES,
            min_samples_leaf=max(2, int(n_smaller * _LEAF)),
            # Or else the share of fakes, which differs a little from fold to fold, and
            # is lower in training where it is higher in the test, would count.
            class_weight="balanced",
            bootstrap=True,
            max_samples=n_drawn,
            random_state=seed,
        )
        trees.fit(table[train], is_fake[train])
        scores[test] = trees.predict_proba(table[test])[:, 1]
    return scores


def _aucs(is_fake: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray:
    """Compute the AUC of each column: the share of pairs in the right order."""
    ranks = rankdata(scores, axis=0)
    n_fake = is_fake.sum()
    above = ranks[is_fake].sum(axis=0) - n_fake * (n_fake + 1) / 2
    return above / (n_fake * (len(is_fake) - n_fake))
