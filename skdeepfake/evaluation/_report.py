"""A report on how good a detector is: as a table, a text, JSON and a page."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

from .._atomic import write_atomically
from .._groups import is_missing
from .._json import plain
from .._pandas import import_pandas
from .._scores import PosLabel, check_scored
from ..metrics import coverage, frame_scores
from ._measures import Measures, Scores
from ._page import render_page

ALL = "all"

_CONSTRAINTS: dict[str, list[Any]] = {
    "threshold": [Interval(Real, 0, 1, closed="both")],
    "fprs": ["array-like"],
    "eps": [Interval(Real, 0, 0.5, closed="neither")],
    "n_bins": [Interval(Integral, 1, None, closed="left")],
    "no_face": [StrOptions({"keep", "leave_out"})],
    "n_resamples": [Interval(Integral, 0, None, closed="left")],
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    "random_state": ["random_state"],
}


class Covered(NamedTuple):
    """How much of some videos the scores are about; None where nobody knows."""

    n_videos: int
    videos_with_face: float | None
    frames_with_face: float | None


@dataclass(frozen=True, repr=False, eq=False)
class EvaluationReport:
    """How good a detector is, on which videos, and how far the figures may be off.

    :func:`evaluate` makes it of a pipeline, :meth:`from_predictions` of scores that are
    there already. Print it, or write it by `to_html` and `to_json`.

    Attributes
    ----------
    rows : list of dict
        One for each figure: `subset` ("all", or a kind of fakes against all real
        videos), `level` ("videos" or "frames"), `measure`, `estimate`, the limits
        `low` and `high` of its interval (NaN where there is none), the numbers of
        samples `n_real` and `n_fake` and of groups `n_groups`, the shares
        `videos_with_face` and `frames_with_face` of its videos, and a `note`.
    coverage : dict of str to Covered
        Number of videos, and shares of the videos and frames with a face: of all, of
        the real ones, of the fakes, and of each kind of fakes.
    scores : dict of str to Scores
        The samples behind the figures, for "videos" and, where each has several, for
        "frames": named tuples of `y_true`, `y_score`, `group` and `video`.
    settings : dict
        The parameters.
    names : list of str
        What each video is called.

    See Also
    --------
    evaluate : Make the report of a fitted pipeline.
    skdeepfake.plotting.EvaluationDisplay : Draw it.

    Notes
    -----
    Videos without a face are scored by what the detector answers for them, the class
    prior, unless ``no_face="leave_out"``: two figures compare only where that is the
    same. Intervals are those of :func:`~skdeepfake.metrics.group_bootstrap`.

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
        aggregation: str | None = None,
        groups: ArrayLike | None = None,
        by: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        threshold: float = 0.5,
        fprs: Sequence[float] = (0.1, 0.01, 0.001),
        eps: float = 1e-15,
        n_bins: int = 10,
        no_face: str = "keep",
        pos_label: PosLabel = None,
        n_resamples: int = 1000,
        confidence_level: float = 0.95,
        random_state: int | np.random.RandomState | None = None,
    ) -> EvaluationReport:
        """Make a report of scores.

        Parameters
        ----------
        y_true : array-like of shape (n_videos,)
            Label of each video.
        y_score : array-like of shape (n_videos,)
            Probability of the positive class.
        frame_proba : array-like of shape (n_videos, n_frames), default=None
            The same of each frame; NaN where there is no face.
        has_face : array-like of bool, shape (n_videos, n_frames), default=None
            Which frames have a face; None takes it from `frame_proba`.
        aggregation : str, default=None
            How a video's score comes from its frames', such as "mean", for the record.
        groups : array-like of shape (n_videos,), default=None
            Identity of each video, over which intervals are computed. None takes each
            video for independent of all others.
        by : array-like of shape (n_videos,), default=None
            What each fake was made by: each kind is scored against all real videos,
            too.
        names : sequence of str, default=None
            What the videos are called; None numbers them.
        threshold : float, default=0.5
            Probability from which on a video is taken for a fake.
        fprs : sequence of float, default=(0.1, 0.01, 0.001)
            Shares of the real videos that may be taken for fakes.
        eps : float, default=1e-15
            Where the log loss clips probabilities.
        n_bins : int, default=10
            Equally wide bins of the calibration error.
        no_face : {"keep", "leave_out"}, default="keep"
            Whether videos without a face are scored by their `y_score`, or left out.
        pos_label : int, float, bool or str, default=None
            Label of the fakes. None means 1, if the labels are 0 and 1 or -1 and 1.
        n_resamples : int, default=1000
            Of the bootstrap; 0 gives no intervals.
        confidence_level : float, default=0.95
            Of the intervals.
        random_state : int, RandomState instance or None, default=None
            Draws the resamples.

        Returns
        -------
        EvaluationReport
            To be printed, or written as HTML or JSON.

        Raises
        ------
        ValueError
            If the lengths differ, a parameter is out of its range, a probability is NaN
            or not between 0 and 1, or a class is missing.
        """
        settings: dict[str, Any] = {
            "threshold": threshold,
            "fprs": list(fprs),
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
            y_true, y_score, frame_proba, has_face, groups, by, names
        )
        scored = check_scored(y_true, y_score, pos_label, None, is_probability=True)
        n_videos, is_fake = len(scored.score), scored.is_positive
        frames = None if frame_proba is None else np.asarray(frame_proba, dtype=float)
        if has_face is None and frames is not None:
            has_face = ~np.isnan(frames)
        faces = None if has_face is None else np.asarray(has_face, dtype=bool)
        if faces is not None and faces.ndim != 2:
            raise ValueError(
                f"has_face has the shape {faces.shape}, not (n_videos, n_frames)"
            )
        kept = np.arange(n_videos)
        if no_face == "leave_out":
            if faces is None:
                raise ValueError(
                    "no_face='leave_out' needs frame_proba or has_face, to tell which "
                    "videos have no face"
                )
            kept = kept[faces.any(axis=1)]
        group = np.arange(n_videos) if groups is None else column_or_1d(groups)
        scores = _levels(scored.score, is_fake, group, frames, kept)
        subsets = _subsets(is_fake, by)
        looked_at = {
            ALL: np.ones(n_videos, dtype=bool),
            "real": ~is_fake,
            "fake": is_fake,
            **{name: fakes for name, (_, fakes) in subsets.items() if name != ALL},
        }
        measures = Measures(threshold=threshold, fprs=fprs, eps=eps, n_bins=n_bins)
        bootstrap = {
            name: settings[name]
            for name in ("n_resamples", "confidence_level", "random_state")
        }
        rows = []
        for name, (videos, _) in subsets.items():
            covered = _covered(faces, videos)
            for level, of_all in scores.items():
                rows += _rows(
                    name, level, of_all.of(videos), covered, measures, bootstrap
                )
        return cls(
            rows=rows,
            coverage={k: _covered(faces, videos) for k, videos in looked_at.items()},
            scores=scores,
            settings={"aggregation": aggregation, **settings}
            if aggregation
            else settings,
            names=[str(i) for i in range(n_videos)] if names is None else [*names],
        )

    def __getitem__(self, measure: str) -> float:
        """Look up a figure of all videos, at the level of videos, by its name."""
        return self.row(measure)["estimate"]

    def row(
        self, measure: str, *, level: str = "videos", subset: str = ALL
    ) -> dict[str, Any]:
        """Look up a figure with all that belongs to it.

        Parameters
        ----------
        measure : str
            Its name, or the beginning of it where that is clear.
        level : {"videos", "frames"}, default="videos"
            What its samples are.
        subset : str, default="all"
            A kind of fakes, or "all".

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

    # -- as something else ---------------------------------------------------

    def to_frame(self) -> Any:
        """Give the figures as a table.

        Returns
        -------
        pandas.DataFrame
            A line for each figure, with the columns of `rows`.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_pandas(
            "to_frame", "rows is a list of dicts with the same names"
        )
        return pandas.DataFrame(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Give all of it in plain types, with the answer for each video.

        Returns
        -------
        dict
            `settings`, `coverage`, `rows`, and `videos`: the name, label, score and
            group of each one that was scored. None stands for what is not known.
        """
        videos = self.scores["videos"]
        return plain(
            {
                "settings": self.settings,
                "coverage": {k: v._asdict() for k, v in self.coverage.items()},
                "rows": self.rows,
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
        """Give `to_dict` as JSON.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            Where to write it, too.

        Returns
        -------
        str
            JSON, which has null where a figure is not known.

        Raises
        ------
        OSError
            If `path` cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
        return _written(text, path)

    def to_html(
        self, path: str | os.PathLike[str] | None = None, *, title: str = "Evaluation"
    ) -> str:
        """Give a page that stands for itself, with pictures if matplotlib is there.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            Where to write it, too.
        title : str, default="Evaluation"
            What the page is called.

        Returns
        -------
        str
            HTML, which loads nothing from elsewhere.

        Raises
        ------
        OSError
            If `path` cannot be written.
        """
        return _written(render_page(self, title), path)

    def _repr_html_(self) -> str:
        return render_page(self, "Evaluation", whole=False)

    def __repr__(self) -> str:
        about = self.coverage[ALL]
        return f"<EvaluationReport: AUC {self['AUC']:.3f} of {about.n_videos} videos>"

    def __str__(self) -> str:
        lines = [*self.summary(), ""]
        for subset in self.subsets:
            levels = list(self.scores)
            head = "" if subset == ALL else f"{subset} against all real"
            lines.append(f"{head:<33}" + "".join(f"{level:<26}" for level in levels))
            for name, cells in self.table(subset).items():
                texts = [figure(cells[level]) for level in levels]
                lines.append(f"  {name:<31}" + "".join(f"{text:<26}" for text in texts))
            lines.append("")
        lines += [f"* {note}" for note in self.notes()]
        return "\n".join(line.rstrip() for line in lines).rstrip()

    # -- parts of texts ------------------------------------------------------

    @property
    def subsets(self) -> list[str]:
        """Names of what is looked at, "all" first."""
        return list(dict.fromkeys(row["subset"] for row in self.rows))

    def table(self, subset: str) -> dict[str, dict[str, dict[str, Any]]]:
        """Give the rows of a subset, by measure and then by level.

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

    def summary(self) -> list[str]:
        """Say on what the figures stand.

        Returns
        -------
        list of str
            A line each: the numbers of videos and groups, the shares with a face, and
            how scores and intervals were made.
        """
        counts = {name: self.coverage[name].n_videos for name in (ALL, "real", "fake")}
        n_groups = len(set(self.scores["videos"].group.tolist()))
        lines = [
            f"{counts[ALL]} videos ({counts['real']} real, {counts['fake']} fake) of "
            f"{n_groups} groups"
        ]
        for name, covered in self.coverage.items():
            if covered.videos_with_face is None:
                lines.append("how many have a face is not known")
                break
            lines.append(
                f"a face in {_percent(covered.videos_with_face)} of the videos and "
                f"{_percent(covered.frames_with_face)} of the frames ({name})"
            )
        else:
            policy = {
                "keep": "videos without a face are scored by what the detector says",
                "leave_out": "videos without a face are left out",
            }
            lines.append(policy[self.settings["no_face"]])
        if rule := self.settings.get("aggregation"):
            lines.append(f"a video's score is the {rule} of its frames'")
        if self.settings["n_resamples"]:
            lines.append(
                f"in brackets {_percent(self.settings['confidence_level'])} intervals, "
                f"by {self.settings['n_resamples']} resamples of the groups"
            )
        return lines

    def notes(self) -> list[str]:
        """Say what hedges the figures that have a star, each thing once.

        Returns
        -------
        list of str
            A note each, with the levels and the subsets that it is about.
        """
        about: dict[str, list[str]] = {}
        for row in self.rows:
            if row["note"]:
                where = row["level"]
                if row["subset"] != ALL:
                    where = f"{where}, {row['subset']}"
                places = about.setdefault(row["note"], [])
                if where not in places:
                    places.append(where)
        return [f"{note} ({'; '.join(places)})" for note, places in about.items()]


def figure(row: Mapping[str, Any]) -> str:
    """Write a figure with its interval; a star says that there is a note."""
    text = f"{row['estimate']:.3f}"
    if not math.isnan(row["low"]):
        text += f" ({row['low']:.3f} to {row['high']:.3f})"
    return f"{text} *" if row["note"] else text


def _levels(
    score: NDArray[np.float64],
    is_fake: NDArray[np.bool_],
    group: NDArray,
    frames: NDArray[np.float64] | None,
    kept: NDArray[np.intp],
) -> dict[str, Scores]:
    """Lay out the videos that are kept, and the frames, as samples."""
    y_true = is_fake.astype(np.int64)
    levels = {"videos": Scores(y_true[kept], score[kept], group[kept], kept)}
    # Of single images, the frames would be the videos once more.
    if frames is not None and frames.shape[1] > 1:
        labels, scores, video = frame_scores(y_true, frames)
        levels["frames"] = Scores(labels, scores, group[video], video)
    return levels


def _rows(
    subset: str,
    level: str,
    scores: Scores,
    covered: Covered,
    measures: Measures,
    bootstrap: dict[str, Any],
) -> list[dict[str, Any]]:
    """Measure samples, and put beside each figure what it is about."""
    n_fake = int(scores.y_true.sum())
    n_real = len(scores.y_true) - n_fake
    if not (n_real and n_fake):
        raise ValueError(
            f"no face was found in any {level[:-1]} of one of the classes ({subset}): "
            "there is nothing to score"
        )
    n_groups = len(set(scores.group.tolist()))
    return [
        {
            "subset": subset,
            "level": level,
            "estimate": measured.estimate,
            "low": measured.low,
            "high": measured.high,
            "note": measured.note,
            "n_real": n_real,
            "n_fake": n_fake,
            "n_groups": n_groups,
            "videos_with_face": covered.videos_with_face,
            "frames_with_face": covered.frames_with_face,
            "measure": measured.name,
        }
        for measured in measures.of(scores, **bootstrap)
    ]


def _subsets(
    is_fake: NDArray[np.bool_], by: ArrayLike | None
) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Give for each subset its videos, and those of them that are fake."""
    subsets = {ALL: (np.ones(len(is_fake), dtype=bool), is_fake)}
    if by is None:
        return subsets
    kinds = np.asarray(by, dtype=object)
    if kinds.ndim != 1:
        raise ValueError(f"by has the shape {kinds.shape}, not (n_videos,)")
    for kind in dict.fromkeys(kinds[is_fake].tolist()):
        if not is_missing(kind):
            fakes = is_fake & np.array([each == kind for each in kinds])
            name = str(kind)
            if name in (ALL, "real", "fake"):
                name = f"{name} (kind)"
            subsets[name] = (fakes | ~is_fake, fakes)
    return subsets


def _covered(faces: NDArray[np.bool_] | None, videos: NDArray[np.bool_]) -> Covered:
    n_videos = int(videos.sum())
    if faces is None:
        return Covered(n_videos, None, None)
    shares = coverage(np.where(faces[videos], 0.0, np.nan))
    return Covered(n_videos, shares.videos, shares.frames)


def _percent(share: float | None) -> str:
    assert share is not None
    return f"{100 * share:.3g} %"


def _written(text: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        write_atomically(Path(path), lambda file: file.write(text.encode()))
    return text
