"""The report of an evaluation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

from .._atomic import returned_or_written
from .._json import plain, to_json
from .._pandas import import_pandas
from .._scores import PosLabel, check_scored
from . import _measures
from ._measures import ALL, Covered, Scores
from ._rendering import render_page, render_text

_CONSTRAINTS: dict[str, list[Any]] = {
    "threshold": [Interval(Real, 0, 1, closed="both")],
    "max_fprs": ["array-like"],
    "eps": [Interval(Real, 0, 0.5, closed="neither")],
    "n_bins": [Interval(Integral, 1, None, closed="left")],
    "no_face": [StrOptions({"keep", "leave_out"})],
    "n_resamples": [Interval(Integral, 0, None, closed="left")],
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    "random_state": ["random_state"],
}


@dataclass(frozen=True, repr=False, eq=False)
class EvaluationReport:
    """Metrics of a detector, with intervals and the share of videos with a face.

    :func:`evaluate` computes it. Print it, or write it by `to_html` or `to_json`.

    Attributes
    ----------
    rows : list of dict
        One per figure: `subset` ("all", or a value of `by`), `level` ("videos" or
        "frames"), `measure`, `estimate`, the limits `low` and `high` (NaN without an
        interval), the numbers `n_real`, `n_fake` and `n_groups`, the shares
        `videos_with_face` and `frames_with_face`, and a `note`.
    confusion_matrices : dict of (str, str) to ndarray of int of shape (2, 2)
        Confusion matrix at the threshold, by subset and level. Rows are the true
        classes and columns the predicted ones, real before fake.
    coverage : dict of str to Covered
        Number of videos, shares with a face, and seconds that are damaged or cut off:
        all, real, fake, and each value of `by`.
    scores : dict of str to Scores
        `y_true`, `y_score`, `group`, `video` of "videos" and, if several, "frames".
    settings : dict
        The parameters.
    names : list of str
        Names of the videos.

    See Also
    --------
    EvaluationDisplay : Draw it.

    Notes
    -----
    The score of a video without a face is the class prior, unless it is left out.
    Intervals are those of :func:`~skdeepfake.metrics.group_bootstrap`. Figures have a
    `note` if a class is in fewer than 20 groups. Precision, recall and F1 are those of
    the fakes.

    Examples
    --------
    >>> from skdeepfake.evaluation import EvaluationReport
    >>> report = EvaluationReport.from_predictions(
    ...     [0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], n_resamples=0
    ... )
    >>> report["AUC"]
    0.75
    """

    rows: list[dict[str, Any]]
    confusion_matrices: dict[tuple[str, str], NDArray[np.int64]]
    coverage: dict[str, Covered]
    scores: dict[str, Scores]
    settings: dict[str, Any]
    names: list[str]

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        frame_proba: ArrayLike | None = None,
        has_face: ArrayLike | None = None,
        seconds_missing: ArrayLike | None = None,
        aggregation: str | None = None,
        groups: ArrayLike | None = None,
        by: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        threshold: float = 0.5,
        max_fprs: Sequence[float] = (0.1, 0.01, 0.001),
        eps: float = 1e-15,
        n_bins: int = 10,
        no_face: str = "keep",
        pos_label: PosLabel = None,
        n_resamples: int = 1000,
        confidence_level: float = 0.95,
        random_state: int | np.random.RandomState | None = 0,
    ) -> EvaluationReport:
        """Compute a report from scores.

        Parameters
        ----------
        y_true : array-like of shape (n_videos,)
            Label of each video.
        y_score : array-like of shape (n_videos,)
            Probability of the positive class.
        frame_proba : array-like of shape (n_videos, n_frames), default=None
            The same for each frame; NaN without a face.
        has_face : array-like of bool, shape (n_videos, n_frames), default=None
            Frames with a face; None takes it from `frame_proba`.
        seconds_missing : array-like of shape (n_videos,), default=None
            Seconds of each video that are damaged or cut off, as `missing` of a
            :class:`~skdeepfake.preprocessing.Clip`.
        aggregation : str, default=None
            How frame scores become that of a video, for the record: "mean".
        groups : array-like of shape (n_videos,), default=None
            Identity of each video, over which intervals are computed. None makes them
            too narrow if people or originals occur in several videos.
        by : array-like of shape (n_videos,), default=None
            Attribute of each video, such as sex, skin type, source or the kind of fakes
            (``details["method"]``). Each value is also scored by itself, and `gaps`
            compares them. A value that one class alone has is scored against all videos
            of the other class. A video without a value (None or NaN) is in no subset.
        names : sequence of str, default=None
            Names of the videos; None numbers them.
        threshold : float, default=0.5
            Probability from which on a video counts as fake. Choose it on other data,
            with :func:`~skdeepfake.metrics.choose_threshold`.
        max_fprs : sequence of float, default=(0.1, 0.01, 0.001)
            False positive rates at which the true positive rate is computed.
        eps : float, default=1e-15
            Clipping of the log loss.
        n_bins : int, default=10
            Equally wide bins of the calibration error.
        no_face : {"keep", "leave_out"}, default="keep"
            Whether videos without a face are scored by their `y_score`, or left out.
        pos_label : int, float, bool or str, default=None
            Label of the fakes. None means 1, if the labels are 0 and 1 or -1 and 1.
        n_resamples : int, default=1000
            Resamples of the bootstrap; 0 computes no intervals.
        confidence_level : float, default=0.95
            Confidence level of the intervals.
        random_state : int, RandomState instance or None, default=0
            Seed of the resamples.

        Returns
        -------
        EvaluationReport
            To be printed, or written as HTML or JSON.

        Raises
        ------
        ValueError
            If lengths differ, a class is missing, or a value is out of its range.
        """
        settings: dict[str, Any] = {
            "threshold": threshold,
            "max_fprs": list(max_fprs),
            "eps": eps,
            "n_bins": n_bins,
            "no_face": no_face,
            "n_resamples": n_resamples,
            "confidence_level": confidence_level,
            "random_state": random_state,
        }
        validate_parameter_constraints(_CONSTRAINTS, settings, "evaluate")
        if not isinstance(random_state, Integral):
            # Drawn once: all figures are of the same resamples.
            random_state = check_random_state(random_state).randint(2**31)
        settings["random_state"] = int(random_state)  # type: ignore[arg-type]
        check_consistent_length(
            y_true, y_score, frame_proba, has_face, seconds_missing, groups, by, names
        )
        scored = check_scored(y_true, y_score, pos_label, None, is_probability=True)
        n_videos, is_fake = len(scored.score), scored.is_positive
        frames = None if frame_proba is None else np.asarray(frame_proba, dtype=float)
        faces, kept = _measures.check_faces(frames, has_face, n_videos, no_face)
        missing = _measures.check_seconds(seconds_missing)
        group = np.arange(n_videos) if groups is None else column_or_1d(groups)
        levels = _measures.make_levels(scored.score, is_fake, group, frames, kept)
        everything = np.ones(n_videos, dtype=bool)
        subsets = _measures.find_subsets(by)
        parts = {ALL: everything, "real": ~is_fake, "fake": is_fake, **subsets}
        measure = partial(_measures.measure_coverage, faces, missing)
        rows, matrices = [], {}
        for subset, members in {ALL: everything, **subsets}.items():
            videos = _measures.add_other_class(members, is_fake)
            shares = measure(videos)._asdict()
            with_face = {k: shares[k] for k in ("videos_with_face", "frames_with_face")}
            for level, all_samples in levels.items():
                samples = all_samples.select(videos)
                if len(set(samples.y_true.tolist())) < 2:
                    raise ValueError(
                        f"no face was found in any {level[:-1]} of one of the classes "
                        f"({subset}): there is nothing to score"
                    )
                matrices[subset, level] = confusion_matrix(
                    samples.y_true, samples.y_score >= threshold
                )
                place = {"subset": subset, "level": level}
                for row in _measures.compute_rows(samples, settings):
                    rows.append({**place, **row, **with_face})
        if aggregation:
            settings = {"aggregation": aggregation, **settings}
        return cls(
            rows=rows,
            confusion_matrices=matrices,
            coverage={k: measure(part) for k, part in parts.items()},
            scores=levels,
            settings=settings,
            names=[str(i) for i in range(n_videos)] if names is None else [*names],
        )

    def __getitem__(self, measure: str) -> float:
        """Return a figure of all videos, at the level of videos, by its name."""
        return self.row(measure)["estimate"]

    def row(
        self, measure: str, *, level: str = "videos", subset: str = ALL
    ) -> dict[str, Any]:
        """Return a figure with its interval, counts and note.

        Parameters
        ----------
        measure : str
            Its name, or an unambiguous beginning.
        level : {"videos", "frames"}, default="videos"
            Level of the samples.
        subset : str, default="all"
            A value of `by`, or "all".

        Returns
        -------
        dict
            One of `rows`.

        Raises
        ------
        KeyError
            If there is no such figure, or several.
        """
        at = [r for r in self.rows if (r["level"], r["subset"]) == (level, subset)]
        found = [r for r in at if r["measure"] == measure] or [
            r for r in at if r["measure"].startswith(measure)
        ]
        if len(found) != 1:
            raise KeyError(
                f"{len(found)} figures are called {measure!r} for {level} of "
                f"{subset!r}; there are {', '.join(r['measure'] for r in at)}"
            )
        return found[0]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """Largest difference of each figure between two values of `by`.

        A dict per `level` and `measure`, with the `gap`, the subsets `lowest` and
        `highest`, and the `note` of either. Empty for fewer than two values.
        """
        found = []
        for (measure, level), rows in self._by_measure().items():
            lowest, *_, highest = sorted(rows, key=lambda row: row["estimate"])
            found.append(
                {
                    "level": level,
                    "measure": measure,
                    "gap": highest["estimate"] - lowest["estimate"],
                    "lowest": lowest["subset"],
                    "highest": highest["subset"],
                    "note": lowest["note"] or highest["note"],
                }
            )
        return found

    def _by_measure(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        if len(self.subsets) > 2:  # "all" and two others
            for row in self.rows:
                if row["subset"] != ALL:
                    found.setdefault((row["measure"], row["level"]), []).append(row)
        return found

    def to_frame(self) -> Any:
        """Return the figures as a table, which needs pandas.

        Returns
        -------
        pandas.DataFrame
            A row per figure, with the keys of `rows` as columns.
        """
        pandas = import_pandas("to_frame", "rows holds the same as dicts")
        return pandas.DataFrame(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain types, with the score of each video.

        Returns
        -------
        dict
            `settings`, `coverage`, `rows`, `confusion_matrices`, `gaps`, and `videos`:
            the name, label, score and group of each video that was scored. None if a
            value is not known.
        """
        videos = self.scores["videos"]
        return plain(
            {
                "settings": self.settings,
                "coverage": {k: v._asdict() for k, v in self.coverage.items()},
                "rows": self.rows,
                "confusion_matrices": [
                    {"subset": subset, "level": level, "matrix": matrix.tolist()}
                    for (subset, level), matrix in self.confusion_matrices.items()
                ],
                "gaps": self.gaps,
                "videos": [
                    {
                        "name": self.names[number],
                        "is_fake": bool(label),
                        "probability": score,
                        "group": group,
                    }
                    for label, score, group, number in zip(*videos, strict=True)
                ],
            }
        )

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return `to_dict` as JSON.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            File to write.

        Returns
        -------
        str
            JSON, with null if a value is not known.
        """
        return to_json(self.to_dict(), path)

    def to_html(
        self, path: str | os.PathLike[str] | None = None, *, title: str = "Evaluation"
    ) -> str | None:
        """Return a self-contained page, with figures if matplotlib is installed.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            File to write.
        title : str, default="Evaluation"
            Title of the page.

        Returns
        -------
        str or None
            HTML; None if it was written to a file.
        """
        page = render_page(self, title)
        return returned_or_written(page, path)

    def _repr_html_(self) -> str:
        return render_page(self, "Evaluation", whole=False)

    def __repr__(self) -> str:
        about = self.coverage[ALL]
        return f"<EvaluationReport: AUC {self['AUC']:.3f} of {about.n_videos} videos>"

    def __str__(self) -> str:
        return render_text(self)

    @property
    def subsets(self) -> list[str]:
        """Names of the subsets, "all" first."""
        return list(dict.fromkeys(row["subset"] for row in self.rows))

    def table(self, subset: str) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the rows of a subset, by measure and then by level.

        Parameters
        ----------
        subset : str
            One of `subsets`.

        Returns
        -------
        dict of str to dict of str to dict
            The `rows`; empty for any other subset.
        """
        table: dict[str, dict[str, dict[str, Any]]] = {}
        for row in self.rows:
            if row["subset"] == subset:
                table.setdefault(row["measure"], {})[row["level"]] = row
        return table
