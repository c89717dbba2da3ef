"""Videos and frames as samples of a report, in subsets, with their coverage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._groups import is_missing
from ..metrics import coverage, frame_scores

ALL = "all"


class Scores(NamedTuple):
    """Samples at one level, videos or frames: y_true is 1 for the positive class."""

    y_true: NDArray[np.int64]
    y_score: NDArray[np.float64]
    group: NDArray
    video: NDArray[np.intp]

    def select(self, videos: NDArray[np.bool_]) -> Scores:
        """Return the samples of some videos."""
        kept = videos[self.video]
        return Scores._make(part[kept] for part in self)


class Covered(NamedTuple):
    """Number of videos, and the shares with a face; None if they are not known."""

    n_videos: int
    videos_with_face: float | None
    frames_with_face: float | None


def check_faces(
    frames: NDArray[np.float64] | None,
    has_face: ArrayLike | None,
    n_videos: int,
    no_face: str,
) -> tuple[NDArray[np.bool_] | None, NDArray[np.intp]]:
    """Return which frames have a face, and the indices of the videos to score."""
    if has_face is None and frames is not None:
        has_face = ~np.isnan(frames)
    faces = None if has_face is None else np.asarray(has_face, dtype=bool)
    if faces is not None and faces.ndim != 2:
        raise ValueError(
            f"has_face has the shape {faces.shape}, not (n_videos, n_frames)"
        )
    if no_face == "keep":
        return faces, np.arange(n_videos)
    if faces is None:
        raise ValueError(
            "no_face='leave_out' needs frame_proba or has_face, to tell which videos "
            "have no face"
        )
    return faces, np.flatnonzero(faces.any(axis=1))


def make_levels(
    score: NDArray[np.float64],
    is_fake: NDArray[np.bool_],
    group: NDArray,
    frames: NDArray[np.float64] | None,
    kept: NDArray[np.intp],
) -> dict[str, Scores]:
    """Return the kept videos and, if they have several, their frames as samples."""
    y_true = is_fake.astype(np.int64)
    levels = {"videos": Scores(y_true[kept], score[kept], group[kept], kept)}
    if frames is not None and frames.shape[1] > 1:
        labels, scores, video = frame_scores(y_true, frames)
        levels["frames"] = Scores(labels, scores, group[video], video)
    return levels


def find_kinds(
    is_fake: NDArray[np.bool_], by: ArrayLike | None
) -> dict[str, NDArray[np.bool_]]:
    """Return which videos are fakes of each kind, by its name."""
    if by is None:
        return {}
    kinds = np.asarray(by, dtype=object)
    if kinds.ndim != 1:
        raise ValueError(f"by has the shape {kinds.shape}, not (n_videos,)")
    found = {}
    for kind in dict.fromkeys(kinds[is_fake].tolist()):
        if not is_missing(kind):
            name = f"{kind} (kind)" if kind in (ALL, "real", "fake") else str(kind)
            found[name] = is_fake & np.array([each == kind for each in kinds])
    return found


def measure_coverage(
    faces: NDArray[np.bool_] | None, videos: NDArray[np.bool_]
) -> Covered:
    """Return how many of some videos, and of their frames, have a face."""
    n_videos = int(videos.sum())
    if faces is None:
        return Covered(n_videos, None, None)
    return Covered(n_videos, *coverage(np.where(faces[videos], 0.0, np.nan)))


def with_interval(row: Mapping[str, Any], note: str = " *") -> str:
    """Write an estimate with its interval, and `note` if the row has a note."""
    text = f"{row['estimate']:.3f}"
    if not np.isnan(row["low"]):
        text += f" ({row['low']:.3f} to {row['high']:.3f})"
    return text + note if row["note"] else text
