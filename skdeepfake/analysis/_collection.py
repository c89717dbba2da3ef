"""Sequence of the analyses of many videos."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .._atomic import written
from .._html import page
from .._json import to_json
from .._pandas import import_pandas
from ._analysis import VideoAnalysis
from ._page import styled

#: Columns of the table.
COLUMNS = (
    *("path", "verdict", "probability", "frames", "frames_with_face", "coverage"),
    *("people", "duration", "codec", "sha256", "content_credentials", "error"),
)


class VideoAnalyses(Sequence[VideoAnalysis]):
    """Sequence of analyses, in the order of the videos.

    This is the result of :func:`analyze_videos`.

    Parameters
    ----------
    analyses : sequence of VideoAnalysis
        Analyses of single videos.

    See Also
    --------
    analyze_videos : Analyze many videos.

    Examples
    --------
    >>> from skdeepfake import analyze_videos
    >>> analyze_videos(["gone.mp4"], on_error="skip", verbose=0)
    <VideoAnalyses of 1 video: 1 unreadable>
    """

    def __init__(self, analyses: Sequence[VideoAnalysis]) -> None:
        self._analyses = list(analyses)

    def __len__(self) -> int:
        return len(self._analyses)

    def __iter__(self) -> Iterator[VideoAnalysis]:
        return iter(self._analyses)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return VideoAnalyses(self._analyses[index])
        return self._analyses[index]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """List with one dict per video. The keys are the columns of `to_frame`."""
        return [_row(analysis) for analysis in self]

    def to_frame(self) -> Any:
        """Return a table of the videos as a DataFrame (requires pandas).

        Returns
        -------
        pandas.DataFrame
            One row per video. The columns are `path`, `verdict`, `probability` (of
            being fake), `frames` (number of sampled frames), `frames_with_face` (number
            of these frames with a face), `coverage`, `people` (number of people),
            `duration` (in seconds), `codec`, `sha256` (of the file),
            `content_credentials` (status of the Content Credentials) and `error`
            (reason why the video is unreadable).
        """
        pandas = import_pandas("to_frame", "use rows, which is a list of dicts")
        return pandas.DataFrame(self.rows, columns=list(COLUMNS))

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return a table of the videos as comma-separated values.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            File to write the table to. None writes no file.

        Returns
        -------
        str
            CSV text with the columns of `to_frame`.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return written(text.getvalue(), path)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return all analyses as a JSON array.

        Parameters
        ----------
        path : str or os.PathLike, default=None
            File to write the JSON to. None writes no file.

        Returns
        -------
        str
            JSON array. Each element conforms to :func:`json_schema`.
        """
        return to_json([analysis.content for analysis in self], path)

    def to_html(self, folder: str | os.PathLike[str]) -> str:
        """Write an HTML page per video, and an index page with links to these pages.

        Parameters
        ----------
        folder : str or os.PathLike
            Folder to write to, created if missing.

        Returns
        -------
        str
            Path of the index page, ``index.html``.
        """
        root = Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        names: dict[str, int] = Counter()
        links = []
        for analysis in self:
            name = os.path.basename(analysis.path)
            names[name.lower()] += 1
            number = names[name.lower()]
            links.append(f"{name}{f'-{number}' if number > 1 else ''}.html")
            analysis.to_html(root / links[-1])
        index = root / "index.html"
        body = self._table(links, f"<h1>{self._summary}</h1>\n")
        written(page(self._summary, body), index)
        return str(index)

    @property
    def _summary(self) -> str:
        counts = Counter(analysis.verdict for analysis in self)
        found = ", ".join(f"{n} {name}" for name, n in counts.most_common())
        return f"{len(self)} video{'s' * (len(self) != 1)}: {found}"

    def _table(self, links: Sequence[str | None], heading: str = "") -> str:
        head = ("video", "verdict", "probability", "frames with a face")
        lines = ["".join(f'<th scope="col">{name}</th>' for name in head)]
        for row, link in zip(self.rows, links, strict=True):
            name = escape(os.path.basename(row["path"]))
            if link is not None:
                name = f'<a href="{escape(quote(link))}">{name}</a>'
            faces, proba = "", row["probability"]
            if row["error"]:
                name += f"<br><small>{escape(row['error'])}</small>"
            else:
                faces = f"{row['frames_with_face']} of {row['frames']}"
            cells = (
                name,
                f'<i class="{row["verdict"].replace(" ", "-")}"></i>{row["verdict"]}',
                "" if proba is None else f"{proba:.3f}",
                faces,
            )
            lines.append("".join(f"<td>{cell}</td>" for cell in cells))
        rows = "\n".join(f"<tr>{line}</tr>" for line in lines)
        return styled(f'{heading}<table class="index">\n{rows}\n</table>')

    def _repr_html_(self) -> str:
        return self._table([None] * len(self))

    def __repr__(self) -> str:
        return f"<VideoAnalyses of {self._summary}>"


def _row(analysis: VideoAnalysis) -> dict[str, Any]:
    content = analysis.content
    record = content["record"]
    return {
        "path": content["path"],
        "verdict": content["verdict"],
        "probability": content["probability"],
        "frames": content["coverage"]["frames"],
        "frames_with_face": content["coverage"]["frames_with_face"],
        "coverage": content["coverage"]["share"],
        "people": len(content["people"]),
        "duration": record and record["container"]["duration"],
        "codec": record and record["container"]["codec"],
        "sha256": record and record["file"]["sha256"],
        "content_credentials": record and record["content_credentials"]["status"],
        "error": content["error"],
    }
