"""Calibration metrics and the clipped log loss."""

from __future__ import annotations

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._scores import PosLabel, check_scored, score_metric

_binned_metric = score_metric(
    n_bins=[Interval(Integral, 1, None, closed="left")],
    strategy=[StrOptions({"uniform", "quantile"})],
)


class ReliabilityCurve(NamedTuple):
    """Calibration curve with the number of samples per bin.

    Attributes
    ----------
    predicted : ndarray of float64, shape (n_filled_bins,)
        Mean predicted probability of the positive class in each bin, in increasing
        order.
    observed : ndarray of float64, shape (n_filled_bins,)
        Share of the positive class in each bin.
    n_samples : ndarray of int, shape (n_filled_bins,)
        Number of samples in each bin.

    See Also
    --------
    reliability_curve : Compute the curve.
    skdeepfake.evaluation.ReliabilityDisplay : Plot the curve.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    n_samples: NDArray[np.int64]


@_binned_metric
def reliability_curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    n_bins: int = 10,
    strategy: str = "uniform",
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> ReliabilityCurve:
    """Compute the calibration curve with the number of samples per bin.

    The bins are the same as in :func:`sklearn.calibration.calibration_curve`.

    Parameters
    ----------
    {{labels_and_probabilities}}
    n_bins : int, default=10
        Number of bins. Empty bins are left out.
    strategy : {"uniform", "quantile"}, default="uniform"
        Strategy for the bins. "uniform" uses bins of equal width, and "quantile" uses
        bins with the same number of samples. Each bin includes its upper limit.
    {{pos_label_and_weights}}

    Returns
    -------
    ReliabilityCurve
        Named tuple of `predicted` (mean probability), `observed` (share of fakes) and
        `n_samples` (number of samples) for each non-empty bin.

    {{probability_errors}}

    See Also
    --------
    expected_calibration_error : Mean distance of the curve from the diagonal.
    sklearn.calibration.CalibratedClassifierCV : Calibrate a detector.

    Examples
    --------
    >>> from skdeepfake.metrics import reliability_curve
    >>> y_true = [0, 0, 0, 1, 1, 1]
    >>> y_score = [0.125, 0.25, 0.625, 0.375, 0.75, 0.875]
    >>> curve = reliability_curve(y_true, y_score, n_bins=2)
    >>> curve.predicted
    array([0.25, 0.75])
    >>> curve.n_samples
    array([3, 3])
    """
    return _curve(y_true, y_score, pos_label, sample_weight, n_bins, strategy)[0]


@_binned_metric
def expected_calibration_error(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    n_bins: int = 10,
    strategy: str = "uniform",
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the expected calibration error (ECE).

    The ECE is the mean of ``|predicted - observed|`` over the bins of
    :func:`reliability_curve`, weighted by their share of the samples. `predicted` is
    the mean probability in a bin, and `observed` is the share of fakes in it.

    Parameters
    ----------
    {{labels_and_probabilities}}
    n_bins : int, default=10
        Number of bins. The error depends on `n_bins`, so report both.
    strategy : {"uniform", "quantile"}, default="uniform"
        Strategy for the bins. "uniform" uses bins of equal width, and "quantile" uses
        bins with the same number of samples, regardless of `sample_weight`.
    {{pos_label_and_weights}}

    Returns
    -------
    float
        Expected calibration error, between 0 (calibrated) and 1.

    {{probability_errors}}

    See Also
    --------
    sklearn.metrics.brier_score_loss : Measure calibration and discrimination without
        bins.

    Notes
    -----
    Samples are binned by the probability of the positive class, as in [1]_. Binning by
    the probability of the predicted class, as in [2]_, gives different values.

    With few samples per bin, the error is too large even for a calibrated detector.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining Well Calibrated
       Probabilities Using Bayesian Binning", AAAI 2015.
    .. [2] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017.

    Examples
    --------
    >>> from skdeepfake.metrics import expected_calibration_error
    >>> expected_calibration_error([0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25])
    0.0
    >>> expected_calibration_error([0, 1, 1, 1], [0.25, 0.25, 0.25, 0.25])
    0.5
    """
    scored = y_true, y_score, pos_label, sample_weight
    curve, weight = _curve(*scored, n_bins, strategy)
    distance = np.abs(curve.predicted - curve.observed)
    return float(np.average(distance, weights=weight))


@score_metric(eps=[Interval(Real, 0, 0.5, closed="neither")])
def clipped_log_loss(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    eps: float = 1e-15,
    pos_label: PosLabel = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Compute the log loss of probabilities clipped to ``[eps, 1 - eps]``.

    A single video whose true class has probability 0 makes the log loss infinite.
    Clipping limits the loss of a video to 34.5 for ``eps=1e-15`` and to 4.6 for
    ``eps=0.01``. :func:`sklearn.metrics.log_loss` clips at the precision of the dtype,
    so it gives different values for float32 and float64.

    Parameters
    ----------
    {{labels_and_probabilities}}
    eps : float, default=1e-15
        Minimum probability of either class, above 0 and below 0.5. 1e-15 is common in
        competitions. The value used in the Deepfake Detection Challenge [1]_ is not
        known.
    {{pos_label_and_weights}}

    Returns
    -------
    float
        Log loss with the natural logarithm. Predicting 0.5 for all samples gives 0.693.

    {{probability_errors}}

    See Also
    --------
    sklearn.metrics.log_loss : Log loss without `eps`.
    sklearn.metrics.brier_score_loss : Bounded loss without clipping.

    References
    ----------
    .. [1] B. Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset",
       2020, arXiv:2006.07397.

    Examples
    --------
    >>> from skdeepfake.metrics import clipped_log_loss
    >>> round(clipped_log_loss([0, 1], [0.2, 0.9]), 4)
    0.1643
    >>> round(clipped_log_loss([0, 1], [0.2, 0.0], eps=0.01), 4)
    2.4142
    """
    scored = check_scored(
        y_true, y_score, pos_label, sample_weight, is_probability=True
    )
    of_truth = np.where(scored.is_positive, scored.score, 1 - scored.score)
    losses = -np.log(np.clip(of_truth, eps, 1 - eps))
    return float(np.average(losses, weights=scored.weight))


def _curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    pos_label: PosLabel,
    sample_weight: ArrayLike | None,
    n_bins: int,
    strategy: str,
) -> tuple[ReliabilityCurve, NDArray[np.float64]]:
    """Compute the calibration curve and the weight of each bin."""
    scored = check_scored(
        y_true, y_score, pos_label, sample_weight, is_probability=True
    )
    limits = np.linspace(0, 1, n_bins + 1)
    if strategy == "quantile":
        limits = np.percentile(scored.score, limits * 100)
    bins = np.searchsorted(limits[1:-1], scored.score)
    n_samples = np.bincount(bins).astype(np.int64)
    filled = n_samples > 0
    weight, predicted, observed = (
        np.bincount(bins, weights=scored.weight * values)[filled]
        for values in (np.ones(len(bins)), scored.score, scored.is_positive)
    )
    curve = ReliabilityCurve(predicted / weight, observed / weight, n_samples[filled])
    return curve, weight.astype(np.float64)
