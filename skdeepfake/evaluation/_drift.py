"""Drift between reference videos and new videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, ks_2samp
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval

from .._json import plain
from .._pandas import import_pandas
from .._predictions import VideoPredictions, positive_column, predict_with_frames
from .._scores import PosLabel
from .._validation import validated

# Probability that the population stability index exceeds its bound without drift.
_PSI_LEVEL = 0.01


class DriftMeasure(NamedTuple):
    """Distance between the reference values and the new values of a quantity.

    Attributes
    ----------
    ks : float
        Statistic of the Kolmogorov-Smirnov test, from 0 to 1.
    p_value : float
        p-value of the test.
    psi : float
        Population stability index, 0 for equal distributions.
    psi_bound : float
        Value of `psi` above which the index indicates drift.
    drifted : bool
        True if both the test and the index indicate drift.

    See Also
    --------
    drift : Compute the measures.
    """

    ks: float
    p_value: float
    psi: float
    psi_bound: float
    drifted: bool


@dataclass(frozen=True, eq=False)
class DriftReport:
    """Comparison of new videos with reference videos.

    This is the result of :func:`drift`. Print it to show a table.

    Attributes
    ----------
    measures : dict of str to DriftMeasure
        Measures by quantity: `"score"`, `"coverage"`, `"feature 1"` and so on.
    reference, new : dict of str to ndarray of shape (n_videos,)
        Values of each quantity in the reference videos and in the new videos.
    alpha : float
        Joint significance level of all tests.

    See Also
    --------
    DriftDisplay : Plot the report.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.evaluation import DriftReport
    >>> scores = np.linspace(0, 0.5, 100)
    >>> report = DriftReport.from_values({"score": scores}, {"score": scores + 0.3})
    >>> report.drifted
    True
    >>> print(report)
    100 reference videos, 100 new videos: drift of score
    <BLANKLINE>
                     KS   p-value     PSI   bound
    score          0.60    <0.001    2.71    0.43  drift
    """

    measures: Mapping[str, DriftMeasure]
    reference: Mapping[str, NDArray[np.float64]]
    new: Mapping[str, NDArray[np.float64]]
    alpha: float = 0.01

    @classmethod
    def from_values(
        cls,
        reference: Mapping[str, ArrayLike],
        new: Mapping[str, ArrayLike],
        *,
        alpha: float = 0.01,
        max_psi: float = 0.25,
        n_bins: int = 10,
    ) -> DriftReport:
        """Compare precomputed values.

        Parameters
        ----------
        reference, new : dict of str to array-like of shape (n_videos,)
            Values of each quantity in the reference videos and in the new videos. NaN
            and infinity are ignored.
        alpha, max_psi, n_bins : float, float and int
            As in :func:`drift`.

        Returns
        -------
        DriftReport
            Report of the comparison.

        Raises
        ------
        ValueError
            If `reference` and `new` are empty or have different keys, or if a quantity
            has no finite value in `reference` or in `new`.
        """
        if set(reference) != set(new) or not reference:
            raise ValueError(
                "reference and new must have the same keys and must not be empty; got "
                f"{sorted(reference)} and {sorted(new)}."
            )
        measures, values = {}, []
        for name in reference:
            pair = [np.asarray(each[name], float) for each in (reference, new)]
            values.append(pair)
            known = [each[np.isfinite(each)] for each in pair]
            if not all(map(len, known)):
                raise ValueError(
                    f"{name!r} must have a finite value in both reference and new."
                )
            level = alpha / len(reference)
            measures[name] = _measure(known[0], known[1], level, max_psi, n_bins)
        old, fresh = (
            dict(zip(reference, side, strict=True))
            for side in zip(*values, strict=True)
        )
        return cls(measures, old, fresh, alpha)

    @property
    def drifted(self) -> bool:
        """True if any quantity has drifted."""
        return any(measure.drifted for measure in self.measures.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON-serializable dictionary.

        Returns
        -------
        dict
            Dictionary with the attributes `drifted`, `alpha` and `measures`, and with
            the numbers of reference videos (`n_reference`) and new videos (`n_new`).
        """
        n_reference, n_new = self._n_videos()
        return plain(
            {
                "drifted": self.drifted,
                "alpha": self.alpha,
                "n_reference": n_reference,
                "n_new": n_new,
                "measures": {k: m._asdict() for k, m in self.measures.items()},
            }
        )

    def to_frame(self) -> Any:
        """Return the measures as a DataFrame. Requires pandas.

        Returns
        -------
        pandas.DataFrame
            One row per quantity.
        """
        pandas = import_pandas("to_frame", "to_dict returns the same values")
        return pandas.DataFrame(list(self.measures.values()), list(self.measures))

    def _n_videos(self) -> list[int]:
        return [max(map(len, values.values())) for values in (self.reference, self.new)]

    def __str__(self) -> str:
        n_reference, n_new = self._n_videos()
        names = [name for name, each in self.measures.items() if each.drifted]
        verdict = f"drift of {', '.join(names)}" if names else "no drift"
        lines = [
            f"{n_reference} reference videos, {n_new} new videos: {verdict}",
            "",
            f"{'':12}{'KS':>7}{'p-value':>10}{'PSI':>8}{'bound':>8}",
        ]
        for name, m in self.measures.items():
            p_value = "<0.001" if m.p_value < 0.001 else f"{m.p_value:.3f}"
            lines.append(
                f"{name:<12}{m.ks:7.2f}{p_value:>10}{m.psi:8.2f}{m.psi_bound:8.2f}"
                + "  drift" * m.drifted
            )
        return "\n".join(lines)


@validated(
    n_components=[Interval(Integral, 0, None, closed="left")],
    n_bins=[Interval(Integral, 2, None, closed="left")],
    alpha=[Interval(Real, 0, 1, closed="neither")],
    max_psi=[Interval(Real, 0, None, closed="left")],
)
def drift(
    pipeline: Any,
    X_reference: ArrayLike,
    X_new: ArrayLike,
    *,
    n_components: int = 3,
    n_bins: int = 10,
    alpha: float = 0.01,
    max_psi: float = 0.25,
    pos_label: PosLabel = None,
) -> DriftReport:
    """Detect drift between reference videos and new videos with a fitted pipeline.

    Labels are not needed. The distributions of the following quantities are compared,
    with one value per video:

    - score: probability of being fake;
    - coverage: share of frames with a face, if known;
    - features, if the detector takes features: mean over the frames, standardized and
      projected onto the first principal components of the reference videos.

    A quantity has drifted if the Kolmogorov-Smirnov test rejects equal distributions
    and the population stability index exceeds its bound. The test alone would detect
    negligible differences if there are thousands of videos, and the index alone would
    often be high by chance if there are few.

    Parameters
    ----------
    pipeline : classifier
        Fitted pipeline or detector with two classes.
    X_reference : array-like of shape (n_videos, ...)
        Reference videos, as input of `pipeline`. Use the videos on which the pipeline
        was evaluated, preferably of people who are not in the training set.
    X_new : array-like of shape (n_videos, ...)
        New videos, as input of `pipeline`.
    n_components : int, default=3
        Number of principal components of the features. 0 ignores the features.
    n_bins : int, default=10
        Number of bins of the population stability index. Each bin contains an equal
        share of the reference videos.
    alpha : float, default=0.01
        Joint significance level of all tests, with Bonferroni correction.
    max_psi : float, default=0.25
        Bound of the population stability index. For few videos, the index is often
        high even without drift. Therefore, the bound is raised to the 99th percentile
        of the index without drift, if this percentile is higher.
    pos_label : int, float, bool or str, default=None
        Label of the fake class. None means 1 and requires labels 0 and 1, or -1 and 1.

    Returns
    -------
    DriftReport
        Report that can be printed, or plotted with :class:`DriftDisplay`.

    Raises
    ------
    ValueError
        If `pipeline` is not a classifier with two classes, or if features are compared
        and either `X_reference` or `X_new` contains no video with a face.

    See Also
    --------
    DriftDisplay.from_estimator : Detect and plot drift.
    robustness_curve : Score a pipeline on distorted videos.

    Notes
    -----
    The test assumes that videos are independent, which is not the case for several
    videos of one person. The scores also drift if the share of fakes changes.

    References
    ----------
    Yurdakul, "Statistical properties of population stability index", Western Michigan
    University, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdeepfake.evaluation import drift
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2))
    >>> model = LogisticRegression().fit(X, X[:, 0] > 0)
    >>> drift(model, X[:150], X[150:]).drifted
    False
    >>> report = drift(model, X[:150], X[150:] + 1)
    >>> report.drifted, round(report.measures["score"].ks, 2)
    (True, 0.45)
    """
    column = positive_column(pipeline, pos_label)
    runs = [
        predict_with_frames(pipeline, X, column=column) for X in (X_reference, X_new)
    ]
    values: list[dict[str, NDArray]] = [{"score": run.proba} for run in runs]
    if all(run.has_face is not None for run in runs):
        for each, run in zip(values, runs, strict=True):
            each["coverage"] = run.has_face.mean(axis=1)
    old, fresh = (_summarize_features(run) for run in runs)
    if n_components and old is not None and fresh is not None:
        projected = _project(old, fresh, n_components)
        for each, components in zip(values, projected, strict=True):
            for k, component in enumerate(components.T, 1):
                each[f"feature {k}"] = component
    return DriftReport.from_values(*values, alpha=alpha, max_psi=max_psi, n_bins=n_bins)


def _summarize_features(run: VideoPredictions) -> NDArray[np.float64] | None:
    """Return the mean features per video, or None for images.

    The features of videos without a face are NaN.
    """
    X = np.asarray(run.features)
    if X.dtype.kind != "f":
        return None
    if X.ndim == 2:
        return X.astype(float)
    # Slots without a face are all zeros and are ignored.
    rows = X.reshape(*X.shape[:2], -1, X.shape[-1]).astype(float).mean(axis=2)
    counts = X.any(axis=tuple(range(2, X.ndim))).sum(axis=1)[:, np.newaxis]
    with np.errstate(invalid="ignore"):
        return rows.sum(axis=1) / counts


def _project(
    reference: NDArray, new: NDArray, n_components: int
) -> list[NDArray[np.float64]]:
    """Project features onto the principal components of the reference."""
    known = [np.isfinite(X).all(axis=1) for X in (reference, new)]
    fit_on = reference[known[0]]
    if not len(fit_on) or not known[1].any():
        raise ValueError("X_reference or X_new has no video with a face.")
    scaler = StandardScaler().fit(fit_on)
    n_components = min(n_components, *fit_on.shape)
    pca = PCA(n_components, svd_solver="full").fit(scaler.transform(fit_on))
    projected = []
    for X, mask in zip((reference, new), known, strict=True):
        components = np.full((len(X), n_components), np.nan)
        components[mask] = pca.transform(scaler.transform(X[mask]))
        projected.append(components)
    return projected


def _measure(
    reference: NDArray, new: NDArray, level: float, max_psi: float, n_bins: int
) -> DriftMeasure:
    test = ks_2samp(reference, new)
    # Frequent values, such as a coverage of 1, get their own bin.
    edges, counts = np.unique(
        np.quantile(reference, np.linspace(0, 1, n_bins + 1)[1:-1]), return_counts=True
    )
    edges = np.union1d(edges, np.nextafter(edges[counts > 1], np.inf))
    shares = []
    for values in (reference, new):
        in_bin = np.bincount(
            np.searchsorted(edges, values, "right"), minlength=len(edges) + 1
        )
        shares.append(
            (in_bin + 0.5) / (in_bin + 0.5).sum()
        )  # avoids log(0) for empty bins
    psi = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    by_chance = chi2.ppf(1 - _PSI_LEVEL, len(edges)) * (
        1 / len(reference) + 1 / len(new)
    )
    bound = max(max_psi, float(by_chance))
    drifted = bool(test.pvalue < level and psi > bound)
    return DriftMeasure(float(test.statistic), float(test.pvalue), psi, bound, drifted)
