"""The analysis of one video."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from .._atomic import returned_or_written, written
from .._html import page
from .._pandas import import_pandas
from ._page import curves, render
from ._pictures import Pictures

#: Columns of `VideoAnalysis.frames`.
COLUMNS = ("time", "frame", "person", "left", "top", "right", "bottom", "probability")


@dataclass(repr=False, eq=False)
class VideoAnalysis:
    """Findings of a detector in one video, with the evidence for them.

    :func:`analyze_video` makes it.

    Parameters
    ----------
    content : dict
        The analysis as plain values, as ``to_dict`` returns it.
    pictures : Pictures or None, default=None
        The faces and heatmaps that ``to_html`` and ``plot`` show.

    See Also
    --------
    analyze_video : Analyze a video.
    json_schema : Schema of ``to_dict`` and ``to_json``.

    Examples
    --------
    >>> from skdeepfake import analyze_video, analyze_videos
    >>> analysis = analyze_video("interview.mp4")  # doctest: +SKIP
    >>> analysis.to_html("interview.html")  # doctest: +SKIP
    >>> analysis = analyze_videos(["gone.mp4"], on_error="skip", verbose=0)[0]
    >>> analysis.verdict
    'unreadable'
    """

    content: Mapping[str, Any]
    pictures: Pictures | None = None

    @property
    def path(self) -> str:
        """Path of the video."""
        return self.content["path"]

    @property
    def verdict(self) -> str:
        """One of "real", "fake", "uncertain", "no face" and "unreadable".

        "uncertain" lies between the thresholds, both included; "unreadable" occurs only
        with ``on_error="skip"``.
        """
        return self.content["verdict"]

    @property
    def probability(self) -> float:
        """Probability of fake, from 0 to 1; NaN without a face.

        It depends on the share of fakes that the detector was calibrated for: 22 % for
        the reference detector.
        """
        return _number(self.content["probability"])

    @property
    def real_below(self) -> float:
        """Probability below which the verdict is "real"."""
        return self.content["thresholds"]["real_below"]

    @property
    def fake_above(self) -> float:
        """Probability above which the verdict is "fake"."""
        return self.content["thresholds"]["fake_above"]

    @property
    def coverage(self) -> float:
        """Share of the sampled frames with a face; NaN for an unreadable video."""
        return _number(self.content["coverage"]["share"])

    @property
    def people(self) -> list[dict[str, Any]]:
        """The people of the video.

        Each has the keys `person` (from 1), `frames` (number of frames with the
        person's face) and `probability`.
        """
        return copy.deepcopy(self.content["people"])

    @property
    def record(self) -> dict[str, Any]:
        """Evidence of what was analyzed, and how.

        `file`, `content_credentials`, `container`, `detector`, `parameters` of each
        step, `versions`, and `analyzed_at`, the time in UTC.
        """
        return copy.deepcopy(self.content["record"])

    @property
    def notes(self) -> list[str]:
        """Limits of this analysis, such as frames that could not be decoded."""
        return list(self.content["notes"])

    @property
    def error(self) -> str | None:
        """Why the video is unreadable; None if it is not."""
        return self.content["error"]

    @property
    def frames(self) -> Any:
        """The faces that were found, as a table, which needs pandas.

        Returns
        -------
        pandas.DataFrame
            A row per face, and one per sampled frame without any: `time` in seconds,
            number of the `frame` in the video, `person` (from 1; 0 without a face),
            the box `left`, `top`, `right`, `bottom` in pixels of the frame, and the
            `probability` of fake; NaN where there is none.
        """
        pandas = import_pandas("frames", "to_dict()['frames'] has the same")
        rows = [
            [
                *(row["time"], row["frame"], row["person"] or 0),
                *(row["box"] or [None] * 4),
                row["probability"],
            ]
            for row in self.content["frames"]
        ]
        table = pandas.DataFrame(rows, columns=list(COLUMNS))
        return table.astype({n: float for n in COLUMNS if n not in ("frame", "person")})

    def to_dict(self) -> dict[str, Any]:
        """Return the analysis as plain types.

        Returns
        -------
        dict
            As :func:`json_schema` describes it; the same keys for every video.
        """
        return copy.deepcopy(dict(self.content))

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
        return written(json.dumps(self.content, indent=2, allow_nan=False), path)

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Return or write a self-contained page.

        It has the verdict, the probability over time, the most suspicious faces, what
        the answer means and where its limits are, and the record. It loads nothing
        from elsewhere.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            File to write.

        Returns
        -------
        str or None
            HTML; None if it was written to a file.
        """
        title = f"{os.path.basename(self.path)}: {self.verdict}"
        html = page(title, render(self.content, self.pictures))
        return returned_or_written(html, path)

    def plot(self, *, ax: Any = None, max_faces: int = 12) -> Any:
        """Draw the probability over time with the faces, which needs matplotlib.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Axes to draw on. By default a new figure is made.
        max_faces : int, default=12
            Largest number of faces drawn.

        Returns
        -------
        :class:`~skdeepfake.plotting.TimelineDisplay`
            With its figure drawn; the band of uncertain probabilities is gray.

        Raises
        ------
        ValueError
            If the video is unreadable.
        """
        from ..plotting import TimelineDisplay

        if self.error is not None:
            raise ValueError(f"{self.path!r} {self.error}: there is nothing to draw")
        slots = self.content["frames"]
        people = [person["person"] for person in self.content["people"]] or [1]
        times = sorted({row["time"] for row in slots})
        own = curves(slots)
        cells = [
            (time, *own.get(person, {}).get(time, (None, None)))
            for time in times
            for person in people
        ]
        faces = None
        if self.pictures is not None:
            faces = [self.pictures.face(k) for _, _, k in cells]
        display = TimelineDisplay(
            [time for time, _, _ in cells],
            [_number(proba) for _, proba, _ in cells],
            faces=faces,
            score=None if math.isnan(self.probability) else self.probability,
            threshold=self.fake_above,
            title=f"{os.path.basename(self.path)}: {self.verdict}",
            n_people=len(people),
        )
        display.plot(ax=ax, max_faces=max_faces)
        display.ax_.axhspan(self.real_below, self.fake_above, color="0.9", zorder=0)
        return display

    def _repr_html_(self) -> str:
        return render(self.content, self.pictures)

    def __repr__(self) -> str:
        return f"<VideoAnalysis of {self.path!r}: {summary(self.content)}>"


def summary(content: Mapping[str, Any]) -> str:
    """Say in a few words what came out."""
    if content["error"] is not None:
        return f"unreadable, it {content['error']}"
    share = content["coverage"]
    seen = f"a face in {share['frames_with_face']} of {share['frames']} frames"
    if content["probability"] is None:
        return f"{content['verdict']}, {seen}"
    return f"{content['verdict']}, probability {content['probability']:.3f}, {seen}"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of an analysis.

    Returns
    -------
    dict
        A schema of draft 2020-12 for what :meth:`VideoAnalysis.to_dict` returns.

    See Also
    --------
    VideoAnalysis.to_json : Writes such JSON.

    Examples
    --------
    >>> from skdeepfake.analysis import json_schema
    >>> json_schema()["properties"]["verdict"]["enum"]
    ['real', 'fake', 'uncertain', 'no face', 'unreadable']
    """
    text = (files(__package__) / "schema.json").read_text(encoding="utf-8")
    return json.loads(text)


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
