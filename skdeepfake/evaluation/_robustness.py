"""Robustness of a fitted pipeline to distortions."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, check_random_state

from .._json import plain
from .._pandas import import_pandas
from .._predictions import (
    VideoPredictions,
    check_steps,
    positive_column,
    predict_with_frames,
    run_pipeline,
)
from .._progress import progress
from .._scores import PosLabel, check_classes, check_labels
from ..exceptions import NoFaceWarning
from ..metrics import equal_error_rate
from ..perturbations import DISTORTIONS, VideoPerturber

_LEVELS = (1, 2, 3, 4, 5)

Metric = Callable[[NDArray[np.int_], NDArray[np.float64]], float]

_METRICS: dict[str, Metric] = {
    "roc_auc": roc_auc_score,
    "average_precision": average_precision_score,
    "equal_error_rate": equal_error_rate,
}


@dataclass(frozen=True, eq=False)
class RobustnessCurve:
    """Scores and coverage of a pipeline on distorted videos.

    Use :func:`robustness_curve` to compute a curve. Print it to show a table.

    Attributes
    ----------
    distortions : tuple of str
        Codes of the distortions.
    levels : tuple of int
        Levels of each distortion, in increasing order.
    clean_score : float
        Value of `metric` for the undistorted videos.
    scores : ndarray of float, shape (n_distortions, n_levels)
        Value of `metric` for each distortion and level.
    clean_coverage : float
        Share of frames with a face in the undistorted videos; NaN if unknown.
    coverage : ndarray of float, shape (n_distortions, n_levels)
        Share of frames with a face in the distorted videos.
    clean_proba : ndarray of float, shape (n_videos,)
        Probability of the positive class for each undistorted video.
    proba : ndarray of float, shape (n_distortions, n_levels, n_videos)
        Probability of the positive class for each distorted video.
    metric : str
        Name of the metric.
    chance : float or None
        Value of `metric` at chance level; None for a custom metric.
    mode, boxes : str
        Parameters of :class:`~skdeepfake.perturbations.VideoPerturber`.

    See Also
    --------
    RobustnessDisplay : Plot the curve.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.evaluation import RobustnessCurve
    >>> curve = RobustnessCurve(
    ...     distortions=("GB",), levels=(1, 5), clean_score=0.9,
    ...     scores=np.array([[0.85, 0.6]]), clean_coverage=1.0,
    ...     coverage=np.array([[1.0, 0.8]]), clean_proba=np.zeros(40),
    ...     proba=np.zeros((1, 2, 40)), metric="roc_auc", chance=0.5,
    ...     mode="corrected", boxes="clean",
    ... )
    >>> print(curve)
    roc_auc of 40 videos, corrected distortions, faces detected in undistorted frames;
    score and share of frames with a face:
    <BLANKLINE>
    level                         clean           1           5
    GB   Gaussian blur       0.900 100%  0.850 100%  0.600  80%
    """

    distortions: tuple[str, ...]
    levels: tuple[int, ...]
    clean_score: float
    scores: NDArray[np.float64]
    clean_coverage: float
    coverage: NDArray[np.float64]
    clean_proba: NDArray[np.float64]
    proba: NDArray[np.float64]
    metric: str
    chance: float | None
    mode: str
    boxes: str

    def to_dict(self) -> dict[str, Any]:
        """Return scores and coverage as a JSON-serializable dictionary.

        Returns
        -------
        dict
            `n_videos` and all attributes except `proba` and `clean_proba`. NaN is
            replaced by None.
        """
        record = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
            if name not in ("proba", "clean_proba")
        }
        return plain({**record, "n_videos": len(self.clean_proba)})

    def to_frame(self) -> Any:
        """Return scores and coverage as a DataFrame. Requires pandas.

        Returns
        -------
        pandas.DataFrame
            One row per distortion and level, with the columns `distortion`, `level`,
            `score` and `coverage`. The first row, with distortion "clean" and level 0,
            is for the undistorted videos.
        """
        pandas = import_pandas("to_frame", "to_dict returns the same values")
        n_levels = len(self.levels)
        return pandas.DataFrame(
            {
                "distortion": ["clean", *np.repeat(self.distortions, n_levels)],
                "level": [0, *self.levels * len(self.distortions)],
                "score": [self.clean_score, *self.scores.ravel()],
                "coverage": [self.clean_coverage, *self.coverage.ravel()],
            }
        )

    def __str__(self) -> str:
        searched = "distorted" if self.boxes == "perturbed" else "undistorted"
        levels = "".join(f"{level:>12}" for level in self.levels)
        lines = [
            f"{self.metric} of {len(self.clean_proba)} videos, {self.mode} "
            f"distortions, faces detected in {searched} frames;",
            "score and share of frames with a face:",
            "",
            f"{'level':<23}{'clean':>12}{levels}",
        ]
        for k, code in enumerate(self.distortions):
            cells = map(
                _cell,
                [self.clean_score, *self.scores[k]],
                [self.clean_coverage, *self.coverage[k]],
            )
            lines.append(f"{code:<5}{DISTORTIONS[code].name:<18}" + "".join(cells))
        return "\n".join(lines)


def robustness_curve(
    pipeline: Pipeline,
    X: ArrayLike,
    y: ArrayLike,
    *,
    distortions: str | Collection[str] | None = None,
    levels: Sequence[int] = _LEVELS,
    mode: str = "corrected",
    boxes: str = "perturbed",
    metric: str | Metric = "roc_auc",
    pos_label: PosLabel = None,
    cache_dir: str | os.PathLike[str] | None = None,
    random_state: int | np.random.RandomState | None = 0,
    verbose: int = 0,
) -> RobustnessCurve:
    """Score a fitted pipeline on distorted videos.

    The same frames of each video are scored without distortions and with each
    distortion of a :class:`~skdeepfake.perturbations.VideoPerturber`. Both real and
    fake videos are distorted. The share of frames with a face is also reported, since a
    score can be high just because no face is found in difficult frames.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted pipeline that has a step named ``"sampler"`` and ends in a classifier
        with two classes. The pipeline is not modified.
    X : array-like of shape (n_videos,)
        Paths of test videos.
    y : array-like of shape (n_videos,)
        Label of each video.
    distortions : str, sequence of str or None, default=None
        Codes of :data:`~skdeepfake.perturbations.DISTORTIONS`. None uses all seven.
    levels : sequence of int, default=(1, 2, 3, 4, 5)
        Levels of the distortions, from 1 to 5.
    mode : {"corrected", "faithful"}, default="corrected"
        If "corrected", distort as intended by the authors of DeeperForensics-1.0. If
        "faithful", reproduce their code.
    boxes : {"perturbed", "clean"}, default="perturbed"
        If "perturbed", detect faces in the distorted frames. If "clean", use the face
        boxes of the undistorted frames.
    metric : {"roc_auc", "average_precision", "equal_error_rate"} or callable, \
default="roc_auc"
        Name of the metric, or callable with the signature ``metric(y_true, y_score)``
        that takes labels 0 and 1.
    pos_label : int, float, bool or str, default=None
        Label of the fake class. None means 1 and requires labels 0 and 1, or -1 and 1.
    cache_dir : str, os.PathLike or None, default=None
        Cache directory for the compressed videos of the distortion "VC" (video
        compression). None disables the cache.
    random_state : int, RandomState instance or None, default=0
        Controls the positions of the gray blocks of the distortion "BW" and the noise
        of "GNC". Higher levels include the blocks of lower levels and amplify the same
        noise.
    verbose : int, default=0
        If 1, show a progress bar.

    Returns
    -------
    RobustnessCurve
        Curve that can be printed, or plotted with :class:`RobustnessDisplay`.

    Raises
    ------
    ValueError
        If the pipeline has no step ``"sampler"`` or does not end in a classifier with
        two classes, if `distortions` or `levels` is empty or has an unknown value, or
        if `y` has only one class.
    VideoReadError
        If a video cannot be read or compressed, and the pipeline step that reads it has
        ``on_error="raise"``.
    NoFaceError
        If a video has no face and the detector has ``no_face="raise"``.

    Warns
    -----
    NoFaceWarning
        For each undistorted video without a face.

    See Also
    --------
    RobustnessDisplay.from_estimator : Score and plot.
    evaluate : Evaluate a pipeline on undistorted videos.

    Notes
    -----
    With the default `distortions` and `levels`, each video is decoded 36 times, unless
    the cropper caches its output (`memory`).

    For the confidence interval of ``curve.scores[i, j]``, the score for
    ``curve.distortions[i]`` and ``curve.levels[j]``, pass ``curve.proba[i, j]`` as
    `y_score` to :func:`~skdeepfake.metrics.group_bootstrap`.

    Examples
    --------
    >>> from skdeepfake.evaluation import robustness_curve
    >>> curve = robustness_curve(pipeline, test.data, test.target)  # doctest: +SKIP
    >>> print(curve)  # doctest: +SKIP
    """
    check_steps(pipeline, ["sampler"], "robustness_curve")
    if isinstance(distortions, str):
        distortions = [distortions]
    codes = _choose(distortions, tuple(DISTORTIONS), "distortions")
    numbers = _choose(levels, _LEVELS, "levels")
    # Validate the parameters.
    VideoPerturber(mode=mode, boxes=boxes, cache_dir=cache_dir).fit(X)
    labels = check_labels(y)
    check_consistent_length(X, labels)
    pos_label = check_classes(labels, pos_label)[1]
    column = positive_column(pipeline, pos_label)
    y_true = (labels == pos_label).astype(int)
    name, score = _check_metric(metric)
    # Use the same seed, so that the levels of a distortion are comparable.
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    clips = run_pipeline(pipeline, X, until="sampler", keep_faces=False).features
    rest = pipeline.steps[list(pipeline.named_steps).index("sampler") + 1 :]

    def predict(code: str, level: int) -> VideoPredictions:
        perturber = VideoPerturber(
            code, level, mode=mode, boxes=boxes, cache_dir=cache_dir, random_state=seed
        )
        steps = Pipeline([("perturber", perturber), *rest])
        return predict_with_frames(steps, clips, column=column)

    conditions = [(code, level) for code in codes for level in numbers]
    total = len(conditions) + 1
    with progress(total=total, desc="distorting", unit="set", verbose=verbose) as bar:
        clean = predict(codes[0], 0)
        bar.update()
        distorted = []
        for condition in conditions:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoFaceWarning)
                distorted.append(predict(*condition))
            bar.update()
    shape = len(codes), len(numbers)
    scores = [float(score(y_true, each.proba)) for each in distorted]
    return RobustnessCurve(
        distortions=tuple(codes),
        levels=tuple(numbers),
        clean_score=float(score(y_true, clean.proba)),
        scores=np.array(scores).reshape(shape),
        clean_coverage=_coverage(clean),
        coverage=np.array([_coverage(each) for each in distorted]).reshape(shape),
        clean_proba=clean.proba,
        proba=np.array([each.proba for each in distorted]).reshape(*shape, -1),
        metric=name,
        chance=_chance(name, y_true),
        mode=mode,
        boxes=boxes,
    )


def _choose(values: Collection[Any] | None, known: tuple, name: str) -> list[Any]:
    """Return the chosen values in the order of `known`; None chooses all."""
    chosen = set(known if values is None else values)
    if not chosen or not chosen.issubset(known):
        raise ValueError(
            f"{name} must be one or more of {', '.join(map(str, known))}; got "
            f"{values!r}."
        )
    return [each for each in known if each in chosen]


def _check_metric(metric: str | Metric) -> tuple[str, Metric]:
    """Return the name and the function of the metric."""
    for name, known in _METRICS.items():
        if metric in (name, known):
            return name, known
    if not callable(metric):
        raise ValueError(
            f"metric must be callable or one of {', '.join(_METRICS)}; got {metric!r}."
        )
    function = metric.func if isinstance(metric, functools.partial) else metric
    return getattr(function, "__name__", type(function).__name__), metric


def _chance(name: str, y_true: NDArray[np.int_]) -> float | None:
    if name == "average_precision":
        return float(y_true.mean())
    return 0.5 if name in _METRICS else None


def _coverage(run: VideoPredictions) -> float:
    return float("nan") if run.has_face is None else float(run.has_face.mean())


def _cell(score: float, coverage: float) -> str:
    share = "  ?" if np.isnan(coverage) else f"{100 * coverage:3.0f}%"
    return f"{score:.3f} {share}".rjust(12)
