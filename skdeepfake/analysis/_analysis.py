"""Analysis of one video."""

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

from .._atomic import returned_or_written
from .._html import page
from .._json import to_json
from .._pandas import import_pandas
from ._page import curves, render
from ._pictures import Pictures

#: Columns of `VideoAnalysis.frames`.
COLUMNS = ("time", "frame", "person", "left", "top", "right", "bottom", "probability")


@dataclass(repr=False, eq=False)
class VideoAnalysis:
    """Verdict of a detector on one video, with the evidence.

    This is the result of :func:`analyze_video`.

    Parameters
    ----------
    content : dict
        Analysis as a dict of JSON types, as returned by ``to_dict``.
    pictures : Pictures or None, default=None
        Face crops and heatmaps for ``to_html`` and ``plot``. None shows no images.

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
    >>> analysis.verdict, analysis.real_below, analysis.fake_above
    ('unreadable', 0.1, 0.5)
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

        The verdict is "uncertain" if the probability is between `real_below` and
        `fake_above`, or equal to one of them. "unreadable" only occurs if
        :func:`analyze_videos` is called with ``on_error="skip"``.
        """
        return self.content["verdict"]

    @property
    def probability(self) -> float:
        """Probability of being fake, from 0 to 1; NaN without a face.

        The reference detector, the default of :func:`analyze_video`, was calibrated for
        data in which 15% of the videos are fake.
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
        """Share of the sampled frames in which a face was found.

        The coverage is NaN for an unreadable video.
        """
        return _number(self.content["coverage"]["share"])

    @property
    def people(self) -> list[dict[str, Any]]:
        """People in the video.

        Each person is a dict with the keys `person` (number of the person, starting at
        1), `frames` (number of frames that show the person's face) and `probability`
        (of being fake).
        """
        return copy.deepcopy(self.content["people"])

    @property
    def record(self) -> dict[str, Any] | None:
        """Record of the file, the detector and the parameters.

        The keys are `file`, `content_credentials`, `container` (metadata of the video,
        such as the codec), `detector`, `parameters` (of each step of the pipeline),
        `versions` (of packages) and `analyzed_at` (time in UTC). The record is None for
        an unreadable video.
        """
        return copy.deepcopy(self.content["record"])

    @property
    def notes(self) -> list[str]:
        """Limits of this analysis, for example frames that could not be decoded."""
        return list(self.content["notes"])

    @property
    def error(self) -> str | None:
        """Reason why the video is unreadable, or None."""
        return self.content["error"]

    @property
    def frames(self) -> Any:
        """Table of the faces (requires pandas).

        Returns
        -------
        pandas.DataFrame
            One row per face, and one per sampled frame without a face. The columns are
            `time` in seconds, `frame` (index in the video), `person` (number of the
            person, starting at 1; 0 without a face), the face box (`left`, `top`,
            `right`, `bottom`) in pixels of the frame, and `probability` of being fake.
            Missing values are NaN.
        """
        pandas = import_pandas("frames", "to_dict()['frames'] has the same values")
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
        """Return the analysis as a dict of JSON types.

        Returns
        -------
        dict
            Dict that conforms to :func:`json_schema`. The keys are the same for all
            videos.
        """
        return copy.deepcopy(dict(self.content))

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the result of `to_dict` as JSON.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            File to write the JSON to. None writes no file.

        Returns
        -------
        str
            JSON text. Unknown values are null.
        """
        return to_json(self.content, path)

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Return or write a self-contained HTML page.

        The page shows the verdict, the probability over time, the most suspicious
        faces, the limits of the detector, and the attribute `record`.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            File to write the page to. None returns the page.

        Returns
        -------
        str or None
            HTML text, or None if `path` is given.
        """
        title = f"{os.path.basename(self.path)}: {self.verdict}"
        html = page(title, render(self.content, self.pictures))
        return returned_or_written(html, path)

    def plot(self, *, ax: Any = None, max_faces: int = 12) -> Any:
        """Plot the probability over time, with the faces below (requires matplotlib).

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Axes to draw on. None creates a new figure.
        max_faces : int, default=12
            Maximum number of faces drawn.

        Returns
        -------
        :class:`~skdeepfake.plotting.TimelineDisplay`
            Display with a gray band between `real_below` and `fake_above`.

        Raises
        ------
        ValueError
            If the video is unreadable.
        """
        from ..plotting import TimelineDisplay

        if self.error is not None:
            raise ValueError(
                f"{self.path!r} is unreadable and cannot be plotted: {self.error}."
            )
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
            uncertain_above=self.real_below,
        )
        return display.plot(ax=ax, max_faces=max_faces)

    def _repr_html_(self) -> str:
        return render(self.content, self.pictures)

    def __repr__(self) -> str:
        return f"<VideoAnalysis of {self.path!r}: {summary(self.content)}>"


def summary(content: Mapping[str, Any]) -> str:
    """Summarize an analysis in a few words."""
    if content["error"] is not None:
        return f"unreadable ({content['error']})"
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
        Schema (draft 2020-12) of the result of :meth:`VideoAnalysis.to_dict`.

    See Also
    --------
    VideoAnalysis.to_json : Return or write an analysis as JSON.

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
