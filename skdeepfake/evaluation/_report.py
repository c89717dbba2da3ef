"""Evaluation report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix
from sklearn.utils import check_consistent_length, column_or_1d

from .._atomic import returned_or_written
from .._json import plain, to_json
from .._pandas import import_pandas
from .._scores import PosLabel, check_scored
from . import _measures
from ._measures import ALL, Covered, Scores
from ._rendering import render_page, render_text


@dataclass(frozen=True, repr=False, eq=False)
class EvaluationReport:
    """Metrics of a detector, with confidence intervals and coverage.

    Use :func:`evaluate` to compute a report. Print it, or write it with `to_html` or
    `to_json`.

    Attributes
    ----------
    rows : list of dict
        Metrics. Each dict has the following keys:

        - `subset`: "all", or a value of `by` (see `from_predictions`);
        - `level`: "videos" or "frames";
        - `measure` and `estimate`: name and value of the metric;
        - `low` and `high`: limits of the confidence interval, NaN without an interval;
        - `n_real`, `n_fake` and `n_groups`: number of real samples, fake samples and
          groups, where a sample is a video or a frame;
        - `videos_with_face` and `frames_with_face`: share of videos and of frames with
          a face;
        - `note`: warning about the metric, or an empty string.
    confusion_matrices : dict of (str, str) to ndarray of int of shape (2, 2)
        Confusion matrices at ``settings["threshold"]``, by subset and level. Rows are
        true classes, columns are predicted classes, and real comes before fake.
    coverage : dict of str to Covered
        Number of videos (`n_videos`), shares of videos and frames with a face
        (`videos_with_face`, `frames_with_face`), and number of damaged or missing
        seconds (`seconds_missing`). The keys are "all", "real", "fake" and the values
        of `by`.
    scores : dict of str to Scores
        Arrays `y_true` (1 for fake), `y_score`, `group` and `video` (index of the
        video). The keys are "videos" and, if each video has several frames, "frames".
    settings : dict
        Parameters of the evaluation.
    names : list of str
        Names of the videos.

    See Also
    --------
    EvaluationDisplay : Plot the report.

    Notes
    -----
    Detectors predict the class prior for videos without a face. To exclude these videos
    from the metrics, pass ``no_face="leave_out"`` to `from_predictions` or
    :func:`evaluate`.

    Intervals are computed by :func:`~skdeepfake.metrics.group_bootstrap`. Unreliable
    metrics have a `note`, for example if a class has fewer than 20 groups. Precision,
    recall and F1 are computed for the fake class.

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
        groups: ArrayLike | None = None,
        by: ArrayLike | None = None,
        frame_proba: ArrayLike | None = None,
        has_face: ArrayLike | None = None,
        threshold: float = 0.5,
        no_face: str = "keep",
        pos_label: PosLabel = None,
        max_fprs: Sequence[float] = (0.1, 0.01, 0.001),
        n_bins: int = 10,
        eps: float = 1e-15,
        names: Sequence[str] | None = None,
        aggregation: str | None = None,
        seconds_missing: ArrayLike | None = None,
        n_resamples: int = 1000,
        confidence_level: float = 0.95,
        random_state: int | np.random.RandomState | None = 0,
    ) -> EvaluationReport:
        """Compute a report from labels and scores.

        Parameters
        ----------
        y_true : array-like of shape (n_videos,)
            Label of each video.
        y_score : array-like of shape (n_videos,)
            Probability of being fake for each video.
        groups : array-like of shape (n_videos,), default=None
            Identity shown in each video. The intervals are computed by resampling
            identities. None treats videos as independent, so the intervals are too
            narrow if several videos show the same person.
        by : array-like of shape (n_videos,), default=None
            Attribute of each video, such as sex, skin type, source or manipulation
            (``details["method"]`` from a loader). The videos of each value form a
            subset, which is also scored separately, and `gaps` of the report compares
            the subsets. A subset with only one class is scored against all videos of
            the other class. Videos with the value None or NaN are not in any subset.
        frame_proba : array-like of shape (n_videos, n_frames), default=None
            Probability of being fake for each frame; NaN without a face.
        has_face : array-like of bool, shape (n_videos, n_frames), default=None
            Mask of the frames with a face. None infers the mask from `frame_proba`.
        threshold : float, default=0.5
            Probability at or above which videos and frames are classified as fake.
            Choose it on other data with :func:`~skdeepfake.metrics.choose_threshold`.
        no_face : {"keep", "leave_out"}, default="keep"
            If "keep", the metrics include videos without a face, with their `y_score`.
            If "leave_out", the metrics exclude them.
        pos_label : int, float, bool or str, default=None
            Label of the fake class. None means 1 and requires labels 0 and 1, or -1
            and 1.
        max_fprs : sequence of float, default=(0.1, 0.01, 0.001)
            False positive rates at which to compute the true positive rate.
        n_bins : int, default=10
            Number of bins of equal width for the calibration error.
        eps : float, default=1e-15
            Clipping limit. The log loss uses probabilities clipped to
            ``[eps, 1 - eps]``.
        names : sequence of str, default=None
            Names of the videos. None uses their indices.
        aggregation : str, default=None
            Name of the aggregation of frame scores, such as "mean". It is only shown in
            the report and does not affect the metrics.
        seconds_missing : array-like of shape (n_videos,), default=None
            Damaged or missing seconds of each video, as in the attribute `missing` of a
            :class:`~skdeepfake.preprocessing.Clip`.
        n_resamples : int, default=1000
            Number of bootstrap resamples. 0 computes no intervals.
        confidence_level : float, default=0.95
            Confidence level of the intervals.
        random_state : int, RandomState instance or None, default=0
            Controls the resampling.

        Returns
        -------
        EvaluationReport
            Report that can be printed, or written as HTML or JSON.

        Raises
        ------
        ValueError
            If the lengths of arrays differ, a class is missing, or a value is out of
            range.
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
        _measures.check_settings(settings)
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
                        f"Subset {subset!r} cannot be scored: no face was found in any "
                        f"{level[:-1]} of one class."
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
        """Return the estimate of a metric for all videos, by its name."""
        return self.row(measure)["estimate"]

    def row(
        self, measure: str, *, level: str = "videos", subset: str = ALL
    ) -> dict[str, Any]:
        """Return a metric with its interval, counts and note.

        Parameters
        ----------
        measure : str
            Name of the metric, or an unambiguous prefix.
        level : {"videos", "frames"}, default="videos"
            Level of the samples.
        subset : str, default="all"
            Name of the subset: "all", or a value in `by` of `from_predictions`.

        Returns
        -------
        dict
            Element of `rows`.

        Raises
        ------
        KeyError
            If no metric or more than one metric matches.
        """
        at = [r for r in self.rows if (r["level"], r["subset"]) == (level, subset)]
        found = [r for r in at if r["measure"] == measure] or [
            r for r in at if r["measure"].startswith(measure)
        ]
        if len(found) != 1:
            raise KeyError(
                f"{measure!r} matches {len(found)} metrics of {level} in subset "
                f"{subset!r}; available are {', '.join(r['measure'] for r in at)}."
            )
        return found[0]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """Largest difference of each metric between two subsets (values of `by`).

        The list contains one dict per metric of videos or frames. Its keys are `level`
        ("videos" or "frames"), `measure` (the name of the metric), `gap`, `lowest`,
        `highest` and `note`. `gap` is the difference. `lowest` and `highest` name the
        subsets with the lowest and the highest value of the metric. `note` is the note
        of this metric in `rows` for the subset `lowest`. If that note is empty, `note`
        is that for `highest`. The list is empty if `by` has fewer than two values.
        """
        return _measures.largest_gaps(self.rows)

    def to_frame(self) -> Any:
        """Return the metrics as a DataFrame. Requires pandas.

        Returns
        -------
        pandas.DataFrame
            One row per dict in `rows`, with its keys as columns.
        """
        pandas = import_pandas("to_frame", "rows contains the same values")
        return pandas.DataFrame(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON-serializable dictionary.

        Returns
        -------
        dict
            Attributes `settings`, `coverage`, `rows`, `confusion_matrices` and `gaps`
            by name, and the key `videos`. `videos` contains a dict for each scored
            video, with the keys `name`, `is_fake` (the label), `probability` and
            `group`. Unknown values are None.
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
        """Return the result of `to_dict` as JSON.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            Path of the file to write. None writes no file.

        Returns
        -------
        str
            JSON document, with null for unknown values.
        """
        return to_json(self.to_dict(), path)

    def to_html(
        self, path: str | os.PathLike[str] | None = None, *, title: str = "Evaluation"
    ) -> str | None:
        """Return the report as a self-contained HTML page, or write it to a file.

        Figures are included if matplotlib is installed.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            Path of the file to write. None returns the page.
        title : str, default="Evaluation"
            Title of the page.

        Returns
        -------
        str or None
            HTML page, or None if it was written to a file.
        """
        return returned_or_written(render_page(self, title), path)

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
        """Return the rows of a subset, keyed by measure and level.

        Parameters
        ----------
        subset : str
            Name of the subset, one of `subsets`.

        Returns
        -------
        dict of str to dict of str to dict
            Elements of `rows`; empty for an unknown subset.
        """
        table: dict[str, dict[str, dict[str, Any]]] = {}
        for row in self.rows:
            if row["subset"] == subset:
                table.setdefault(row["measure"], {})[row["level"]] = row
        return table
