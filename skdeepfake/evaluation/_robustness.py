"""How a fitted pipeline bears distortions of its videos."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils._param_validation import StrOptions
from tqdm.auto import tqdm

from .._json import plain
from .._pandas import import_pandas
from .._scores import SCORE_CONSTRAINTS, PosLabel, check_classes, check_labels
from .._validation import select_names, validated
from ..exceptions import NoFaceWarning
from ..metrics import equal_error_rate
from ..perturbations import DISTORTIONS, LEVELS, VideoPerturber
from ._asking import Answers, ask

Metric = Callable[[NDArray[np.int_], NDArray[np.float64]], float]

_METRICS: dict[str, Metric] = {
    "roc_auc": roc_auc_score,
    "average_precision": average_precision_score,
    "equal_error_rate": equal_error_rate,
}


@dataclass(frozen=True, eq=False)
class RobustnessCurve:
    """Scores of a pipeline on distorted videos, and of how many frames they speak.

    :func:`robustness_curve` makes it. Print it for a table.

    Attributes
    ----------
    distortions : tuple of str
        Codes of the distortions.
    levels : tuple of int
        Levels of each, increasing.
    clean_score : float
        Score of the undistorted videos.
    scores : ndarray of float, shape (n_distortions, n_levels)
        Score of the distorted videos.
    clean_coverage : float
        Share of the frames of the undistorted videos with a face; NaN where no step of
        the pipeline tells.
    coverage : ndarray of float, shape (n_distortions, n_levels)
        The same of the distorted videos.
    clean_proba : ndarray of float, shape (n_videos,)
        Probability of the positive class of each undistorted video.
    proba : ndarray of float, shape (n_distortions, n_levels, n_videos)
        The same of the distorted videos, for other metrics and for intervals.
    metric : str
        What the scores are.
    chance : float or None
        Score of a detector that knows nothing; None for a metric of one's own.
    mode, boxes : str
        As :class:`~skdeepfake.perturbations.VideoPerturber` takes them.

    See Also
    --------
    skdeepfake.plotting.RobustnessDisplay : Draw it.

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
    roc_auc of 40 videos, corrected distortions, faces searched in the undistorted ...
    after each score, the share of the frames with a face
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
        """Give scores and coverage as plain values, for JSON.

        Returns
        -------
        dict of str to value
            All attributes but the probabilities of the videos, arrays as lists; None
            instead of NaN.
        """
        return plain(
            {
                "metric": self.metric,
                "chance": self.chance,
                "mode": self.mode,
                "boxes": self.boxes,
                "n_videos": len(self.clean_proba),
                "distortions": self.distortions,
                "levels": self.levels,
                "clean_score": self.clean_score,
                "scores": self.scores.tolist(),
                "clean_coverage": self.clean_coverage,
                "coverage": self.coverage.tolist(),
            }
        )

    def to_frame(self) -> Any:
        """Give scores and coverage as a table.

        Returns
        -------
        pandas.DataFrame
            With the columns `distortion`, `level`, `score` and `coverage`; the first
            row, of the distortion "clean" and level 0, is of the undistorted videos.

        Raises
        ------
        ImportError
            If pandas is missing.
        """
        pandas = import_pandas("to_frame", "to_dict gives the same")
        rows = [("clean", 0, self.clean_score, self.clean_coverage)]
        for code, scores, coverage in zip(
            self.distortions, self.scores, self.coverage, strict=True
        ):
            rows += zip(
                *([code] * len(self.levels), self.levels),
                *(scores.tolist(), coverage.tolist()),
                strict=True,
            )
        return pandas.DataFrame(
            rows, columns=["distortion", "level", "score", "coverage"]
        )

    def __str__(self) -> str:
        searched = "distorted" if self.boxes == "perturbed" else "undistorted"
        lines = [
            f"{self.metric} of {len(self.clean_proba)} videos, {self.mode} "
            f"distortions, faces searched in the {searched} frames;",
            "after each score, the share of the frames with a face",
            "",
            f"{'level':<23}{'clean':>12}"
            + "".join(f"{level:>12}" for level in self.levels),
        ]
        clean = _cell(self.clean_score, self.clean_coverage)
        for code, scores, coverage in zip(
            self.distortions, self.scores, self.coverage, strict=True
        ):
            cells = map(_cell, scores, coverage)
            name = f"{code:<5}{DISTORTIONS[code].name:<18}"
            lines.append(name + clean + "".join(cells))
        return "\n".join(lines)


@validated(
    {
        "pipeline": [Pipeline],
        "X": ["array-like"],
        "y": ["array-like"],
        "distortions": [str, "array-like", None],
        "levels": ["array-like"],
        "metric": [callable, StrOptions(set(_METRICS))],
        "pos_label": SCORE_CONSTRAINTS["pos_label"],
        "mode": VideoPerturber._parameter_constraints["mode"],
        "boxes": VideoPerturber._parameter_constraints["boxes"],
        "cache_dir": VideoPerturber._parameter_constraints["cache_dir"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
)
def robustness_curve(
    pipeline: Pipeline,
    X: ArrayLike,
    y: ArrayLike,
    *,
    distortions: str | Collection[str] | None = None,
    levels: Sequence[int] = LEVELS,
    mode: str = "corrected",
    boxes: str = "perturbed",
    metric: str | Metric = "roc_auc",
    pos_label: PosLabel = None,
    cache_dir: str | os.PathLike[str] | None = None,
    random_state: int | np.random.RandomState | None = 0,
    verbose: int = 0,
) -> RobustnessCurve:
    """Score a fitted pipeline on videos that are distorted in many ways.

    1. The videos are sampled once.
    2. Their clean frames are scored, and their frames distorted in each way, by a
       :class:`~skdeepfake.perturbations.VideoPerturber` after the sampler, real videos
       and fakes alike.
    3. Beside each score stands the share of the frames in which a face was found: a
       detector says nothing of the others, and a score may keep up because those that
       are hard are gone.

    The pipeline is neither changed nor fitted.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted, with a step named ``"sampler"`` that gives clips and a classifier of
        two classes at its end.
    X : array-like of shape (n_videos,)
        Paths of videos that it was not fitted on.
    y : array-like of shape (n_videos,)
        Label of each.
    distortions : str, sequence of str or None, default=None
        Codes of :data:`~skdeepfake.perturbations.DISTORTIONS`; None for all seven.
    levels : sequence of int, default=(1, 2, 3, 4, 5)
        Some of 1 to 5.
    mode : {"corrected", "faithful"}, default="corrected"
        What the distortions are meant to be, or what the code of their authors does.
    boxes : {"perturbed", "clean"}, default="perturbed"
        The frames in which faces are searched, distorted or not.
    metric : {"roc_auc", "average_precision", "equal_error_rate"} or callable, \
default="roc_auc"
        What to score by; a callable is called as ``metric(y_true, y_score)``, with
        labels of 1 for the positive class and 0 for the other, and gives a number.
    pos_label : int, float, bool or str, default=None
        Label of the fakes. None means 1, if the labels are 0 and 1 or -1 and 1.
    cache_dir : str, os.PathLike or None, default=None
        Folder of the videos that "VC" compresses; None keeps none.
    random_state : int, RandomState instance or None, default=0
        Draws the places of blocks, and noise: the same at all levels.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    RobustnessCurve
        To be printed, or drawn by
        :class:`~skdeepfake.plotting.RobustnessDisplay`.

    Raises
    ------
    ValueError
        If the pipeline has no step named ``"sampler"`` or does not end in a classifier
        of two classes, `distortions` or `levels` are unknown or none, `y` does not hold
        both classes, or the lengths differ.
    VideoReadError
        If a video cannot be read or compressed and was sampled with
        ``on_error="raise"``.
    NoFaceError
        If a detector with ``no_face="raise"`` gets a video without a face.

    Warns
    -----
    NoFaceWarning
        For each video without a face before it is distorted. What distortions do to
        that is in the coverage.

    See Also
    --------
    skdeepfake.plotting.RobustnessDisplay.from_estimator : Draw it at once.
    evaluate : All about the undistorted videos.

    Notes
    -----
    Every video is decoded and searched for faces once for each distortion and level, 36
    times in all. Where the cropper has a cache (`memory`), a second detector with the
    same cropper decodes nothing.

    For an interval of one of the scores, give the probabilities to
    :func:`~skdeepfake.metrics.group_bootstrap`.

    References
    ----------
    Jiang, L., Li, R., Wu, W., Qian, C. and Loy, C. C. (2020). DeeperForensics-1.0: A
    large-scale dataset for real-world face forgery detection. CVPR.

    Examples
    --------
    >>> from skdeepfake.evaluation import robustness_curve
    >>> curve = robustness_curve(pipeline, test.data, test.target)  # doctest: +SKIP
    >>> print(curve)  # doctest: +SKIP
    """
    steps = list(pipeline.named_steps)
    if "sampler" not in steps[:-1]:
        raise ValueError(
            "robustness_curve needs a pipeline with a step named 'sampler', and this "
            f"one has {steps}."
        )
    codes = select_names(
        "all" if distortions is None else distortions, list(DISTORTIONS), "distortions"
    )
    numbers = _check_levels(levels)
    labels = check_labels(y)
    check_consistent_length(X, labels)
    pos_label = check_classes(labels, pos_label)[1]
    y_true = (labels == pos_label).astype(int)
    name, score = _check_metric(metric)
    # One for all, so that levels of one distortion compare.
    seed = int(check_random_state(random_state).randint(2**31 - 1))

    done = steps.index("sampler") + 1
    clips = pipeline[:done].transform(X)

    def answers(code: str, level: int) -> Answers:
        perturber = VideoPerturber(
            code,
            level,
            mode=mode,
            boxes=boxes,
            cache_dir=cache_dir,
            random_state=seed,
        )
        rest = Pipeline([("perturber", perturber), *pipeline.steps[done:]])
        return ask(rest, clips, pos_label)

    conditions = [(code, level) for code in codes for level in numbers]
    bar = tqdm(
        total=len(conditions) + 1,
        desc="distorting",
        unit="set",
        disable=verbose < 1,
    )
    with bar:
        clean = answers(codes[0], 0)
        bar.update()
        distorted = []
        for condition in conditions:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoFaceWarning)
                distorted.append(answers(*condition))
            bar.update()
    shape = len(codes), len(numbers)
    return RobustnessCurve(
        distortions=tuple(codes),
        levels=tuple(numbers),
        clean_score=float(score(y_true, clean.proba)),
        scores=_array([float(score(y_true, one.proba)) for one in distorted], shape),
        clean_coverage=_coverage(clean),
        coverage=_array([_coverage(one) for one in distorted], shape),
        clean_proba=clean.proba,
        proba=_array([one.proba for one in distorted], (*shape, len(y_true))),
        metric=name,
        chance=_chance(name, y_true),
        mode=mode,
        boxes=boxes,
    )


def _check_levels(levels: Sequence[int]) -> list[int]:
    numbers = sorted(set(levels))
    if not numbers or not all(
        isinstance(level, Integral) and level in LEVELS for level in numbers
    ):
        raise ValueError(
            f"levels={numbers} must be some of {', '.join(map(str, LEVELS))}; "
            "undistorted videos are always scored"
        )
    return [int(level) for level in numbers]


def _check_metric(metric: str | Metric) -> tuple[str, Metric]:
    """Give the metric and what to call it."""
    for name, known in _METRICS.items():
        if metric in (name, known):
            return name, known
    assert callable(metric)
    plain: Any = metric
    while isinstance(plain, functools.partial):
        plain = plain.func
    return getattr(plain, "__name__", type(plain).__name__), metric


def _chance(name: str, y_true: NDArray[np.int_]) -> float | None:
    if name == "average_precision":
        return float(y_true.mean())
    return 0.5 if name in _METRICS else None


def _coverage(answers: Answers) -> float:
    return float("nan") if answers.has_face is None else float(answers.has_face.mean())


def _array(values: list[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64).reshape(shape)


def _cell(score: float, coverage: float) -> str:
    share = "  ?" if np.isnan(coverage) else f"{100 * coverage:3.0f}%"
    return f"{score:.3f} {share}".rjust(12)
