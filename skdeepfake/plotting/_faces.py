"""Display of frames and face crops."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline

from .. import _drawing
from .._drawing import check_matplotlib, with_display_docs
from .._predictions import check_steps, run_pipeline


@with_display_docs
@dataclass(repr=False, eq=False)
class FacesDisplay:
    """Frames of clips with the detected faces.

    Each clip has a row of frames and a row of face crops, with one column per slot.
    Cells without a frame or a face are hatched.

    Parameters
    ----------
    frames : sequence of sequences of ndarray of shape (h, w, 3) or None
        Frame of each slot of each clip, RGB uint8; None without a frame. Sizes may
        differ.
    faces : sequence of sequences of ndarray of shape (h, w, 3) or None
        Face crop of each slot of each clip, RGB uint8; None without a face.
    titles : sequence of str or None, default=None
        Title of each clip. None uses ``"video 1"`` and so on.
    timestamps : sequence of array-like of float or None, default=None
        Time of each slot in seconds, written below the frames; NaN without a frame.

    Attributes
    ----------
    {{figure}}
    axes_ : ndarray of matplotlib.axes.Axes of shape (2 * n_clips, n_slots)
        Axes drawn on by ``plot``.

    See Also
    --------
    FacesDisplay.from_estimator : Plot from the paths of videos.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.plotting import FacesDisplay
    >>> frame = np.full((48, 64, 3), 128, dtype=np.uint8)
    >>> display = FacesDisplay(
    ...     [[frame, frame]], [[frame[:32, :32], None]], titles=["a real video"]
    ... )
    >>> display.plot().axes_.shape
    (2, 2)
    """

    frames: Sequence[Sequence[NDArray[np.uint8] | None]]
    faces: Sequence[Sequence[NDArray[np.uint8] | None]]
    _: KW_ONLY
    titles: Sequence[str] | None = None
    timestamps: Sequence[ArrayLike] | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Pipeline,
        X: ArrayLike,
        *,
        titles: Sequence[str] | None = None,
        max_frames: int = 6,
        **plot_params: Any,
    ) -> FacesDisplay:
        """Sample frames and crop faces with a pipeline, and plot both.

        Parameters
        ----------
        estimator : sklearn.pipeline.Pipeline
            Pipeline with steps named ``"sampler"`` and ``"cropper"``. It does not have
            to be fitted.
        X : array-like of shape (n_videos,) of str or os.PathLike
            Paths of the videos.
        titles : sequence of str or None, default=None
            Title of each video. None uses the file names.
        max_frames : int, default=6
            Maximum number of slots to show per clip. The slots are evenly spaced.
        {{plot_params}}

        Raises
        ------
        ValueError
            If the pipeline has no step ``"sampler"`` or ``"cropper"``, if `X` is a
            single path, or if `max_frames` is less than 1.
        """
        check_matplotlib("FacesDisplay.from_estimator")
        check_steps(estimator, ["sampler", "cropper"], "FacesDisplay")
        _drawing.check_max_frames(max_frames)
        run = run_pipeline(estimator, X, until="cropper")
        frames, faces, timestamps = [], [], []
        for clip, found, times in zip(
            run.clips, run.crops, run.timestamps, strict=True
        ):
            slots = _drawing.spread(len(found), max_frames).tolist()
            wanted = [slot // run.per_frame for slot in slots]
            # Shrink frames one by one, to keep only small images in memory.
            shrunk = {
                k: _drawing.shrink(frame) for k, frame in enumerate(clip) if k in wanted
            }
            frames.append([shrunk[k] for k in wanted])
            crops = [found[k] for k in slots]
            # Cached crops are read when they are converted to arrays.
            faces.append([None if crop is None else np.asarray(crop) for crop in crops])
            timestamps.append(times[slots])
        if titles is None:
            titles = [os.path.basename(path) for path in run.paths]
        display = cls(frames, faces, titles=titles, timestamps=timestamps)
        return display.plot(**plot_params)

    def plot(self, *, axes: Any = None, cell_size: float = 1.6) -> FacesDisplay:
        """Draw the frames and the faces.

        Parameters
        ----------
        axes : array of matplotlib.axes.Axes or None, default=None
            Axes of shape (2 * n_clips, n_slots). None makes a new figure.
        cell_size : float, default=1.6
            Width of each cell of a new figure, in inches.

        {{returns_itself}}

        Raises
        ------
        ValueError
            If `frames` of the display is empty, or if another parameter of the display
            does not match `frames` in the number of clips or slots. Also raised if
            `axes` has the wrong shape.
        """
        check_matplotlib("FacesDisplay.plot")
        times = self.timestamps
        titles = _drawing.check_entries(
            "frames", self.frames, self.titles, faces=self.faces, timestamps=times
        )
        aspects = [_aspect(row) for row in self.frames]
        self.axes_ = _drawing.make_grid(
            axes,
            [height for aspect in aspects for height in (aspect, 1.0)],
            max(len(row) for row in self.frames),
            cell_size=cell_size,
            n_rows=2,
        )
        self.figure_ = self.axes_[0, 0].figure
        for k, (title, aspect) in enumerate(zip(titles, aspects, strict=True)):
            upper, lower = self.axes_[2 * k : 2 * k + 2]
            _drawing.draw_row(upper, self.frames[k], "frames", "no frame", aspect)
            _drawing.draw_row(lower, self.faces[k], "faces")
            _drawing.write_title(upper[0], title)
            _drawing.write_times(upper, None if times is None else times[k])
        return self


def _aspect(row: Sequence[NDArray[np.uint8] | None]) -> float:
    """Return the maximum ratio of height to width in a row."""
    sides = [frame.shape[:2] for frame in row if frame is not None]
    return max((height / width for height, width in sides), default=0.75)
