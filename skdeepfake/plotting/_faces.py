"""Frames of clips and the faces found in them, side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline

from ._drawing import (
    check_entries,
    check_matplotlib,
    draw_cell,
    shrink,
    write_times,
    write_title,
)


class FacesDisplay:
    """Frames of clips, and below them the faces found in them.

    Each clip has two rows, its frames and its faces, and each slot a column. It
    is the first figure of the paper where the clips are a real video and its
    fake. A slot without a frame or without a face is a hatched cell that says
    so.

    Parameters
    ----------
    frames : sequence of sequences of ndarray of shape (h, w, 3) or None
        For each clip its frames, RGB uint8; None in empty slots. The sizes may
        differ.
    faces : sequence of sequences of ndarray of shape (h, w, 3) or None
        For each clip the crop of each slot, RGB uint8; None where no face was
        found.
    titles : sequence of str or None, default=None
        A name for each clip; ``"clip 1"`` and so on by default.
    timestamps : sequence of array-like of float or None, default=None
        For each clip the time of each slot in seconds, written above the frames;
        NaN in empty slots.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure, after ``plot``.
    axes_ : ndarray of matplotlib.axes.Axes of shape (2 * n_clips, n_frames)
        One axes a cell, after ``plot``: rows of frames and of faces in turn.

    See Also
    --------
    FacesDisplay.from_pipeline : The same from the paths of videos.

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

    def __init__(
        self,
        frames: Sequence[Sequence[NDArray[np.uint8] | None]],
        faces: Sequence[Sequence[NDArray[np.uint8] | None]],
        *,
        titles: Sequence[str] | None = None,
        timestamps: Sequence[ArrayLike] | None = None,
    ) -> None:
        self.frames = frames
        self.faces = faces
        self.titles = titles
        self.timestamps = timestamps

    @classmethod
    def from_pipeline(
        cls,
        pipeline: Pipeline,
        paths: Sequence[str | os.PathLike[str]],
        *,
        titles: Sequence[str] | None = None,
        max_frames: int = 6,
        **plot_params: Any,
    ) -> FacesDisplay:
        """Sample and crop videos with the steps of a pipeline, and plot them.

        Parameters
        ----------
        pipeline : sklearn.pipeline.Pipeline
            With steps named ``"sampler"`` and ``"cropper"``; it need not be
            fitted.
        paths : sequence of str or os.PathLike
            The videos.
        titles : sequence of str or None, default=None
            A name for each video; the names of the files by default.
        max_frames : int, default=6
            At most this many slots of each clip are drawn, evenly spread.
        **plot_params : dict
            Passed on to ``plot``.

        Returns
        -------
        display : FacesDisplay
            With its figure drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the pipeline has no step of one of those names, `paths` is a
            single path, or `max_frames` is less than 1.
        """
        check_matplotlib("FacesDisplay.from_pipeline")
        if isinstance(paths, (str, os.PathLike)):
            raise ValueError(
                f"paths must be a sequence of paths, got {paths!r}: put it in a list."
            )
        if max_frames < 1:
            raise ValueError(f"max_frames must be 1 or more, got {max_frames!r}.")
        missing = {"sampler", "cropper"}.difference(pipeline.named_steps)
        if missing:
            raise ValueError(
                "FacesDisplay needs a pipeline with steps named 'sampler' and "
                f"'cropper', and this one has {list(pipeline.named_steps)}."
            )
        if titles is None:
            titles = [os.path.basename(os.fspath(path)) for path in paths]
        clips = pipeline["sampler"].transform(paths)
        crops = pipeline["cropper"].transform(clips)
        frames, faces, timestamps = [], [], []
        for clip, found in zip(clips, crops, strict=True):
            n_shown = min(max_frames, len(found))
            slots = np.linspace(0, len(found) - 1, n_shown).round().astype(int)
            shown = set(slots.tolist())
            # Shrunk one by one, so that no clip is ever whole in memory.
            kept = [shrink(frame) for k, frame in enumerate(clip) if k in shown]
            frames.append(kept)
            faces.append([_read(found[k]) for k in slots])
            # Read after decoding, which may correct what the container promised.
            timestamps.append(np.asarray(clip.timestamps, dtype=float)[slots])
        display = cls(frames, faces, titles=titles, timestamps=timestamps)
        return display.plot(**plot_params)

    def plot(self, *, axes: Any = None, cell_size: float = 1.6) -> FacesDisplay:
        """Draw the frames and the faces.

        Parameters
        ----------
        axes : array of matplotlib.axes.Axes or None, default=None
            Axes to draw on, of shape (2 * n_clips, n_frames). By default a new
            figure is made.
        cell_size : float, default=1.6
            Width of a cell of a new figure in inches.

        Returns
        -------
        display : FacesDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `frames`, `faces`, `titles` and `timestamps` do not agree in
            their lengths, or `axes` has another shape.
        """
        check_matplotlib("FacesDisplay.plot")
        from matplotlib import pyplot as plt

        titles = self._check_lengths()
        n_rows = 2 * len(self.frames)
        n_columns = max(len(row) for row in self.frames)
        if axes is None:
            heights = [h for row in self.frames for h in (self._aspect(row), 1.0)]
            figsize = (
                cell_size * (n_columns + 0.5),
                cell_size * sum(heights) + 0.3 * n_rows,
            )
            _, axes = plt.subplots(
                n_rows,
                n_columns,
                figsize=figsize,
                squeeze=False,
                layout="constrained",
                gridspec_kw={"height_ratios": heights},
            )
        axes = np.asarray(axes, dtype=object)
        if axes.shape != (n_rows, n_columns):
            raise ValueError(
                f"axes must have the shape {(n_rows, n_columns)}, two rows a clip "
                f"and a column a slot, got {axes.shape}."
            )
        for clip, title in enumerate(titles):
            aspect = self._aspect(self.frames[clip])
            self._draw_row(axes[2 * clip], self.frames[clip], "frame", aspect)
            self._draw_row(axes[2 * clip + 1], self.faces[clip], "face", 1.0)
            write_title(axes[2 * clip, 0], title)
            if self.timestamps is not None:
                write_times(axes[2 * clip], self.timestamps[clip])
        self.axes_ = axes
        self.figure_ = axes[0, 0].figure
        return self

    def _check_lengths(self) -> Sequence[str]:
        """Return the titles, once everything has one entry a clip."""
        n_clips = len(self.frames)
        if n_clips == 0 or max(len(row) for row in self.frames) == 0:
            raise ValueError("frames is empty: there is nothing to draw.")
        titles = self.titles
        if titles is None:
            titles = [f"clip {k + 1}" for k in range(n_clips)]
        given = {
            "faces": self.faces,
            "titles": titles,
            "timestamps": self.timestamps,
        }
        check_entries("frames", self.frames, given, "clip")
        return titles

    @staticmethod
    def _aspect(row: Sequence[NDArray[np.uint8] | None]) -> float:
        """Return the greatest height over width in a row."""
        sides = [frame.shape[:2] for frame in row if frame is not None]
        return max((height / width for height, width in sides), default=0.75)

    @staticmethod
    def _draw_row(
        axes: NDArray,
        cells: Sequence[NDArray[np.uint8] | None],
        what: str,
        aspect: float,
    ) -> None:
        """Draw the frames or the faces of one clip, and name the row."""
        for k, ax in enumerate(axes):
            if k < len(cells):
                draw_cell(ax, cells[k], f"no {what}", aspect)
            else:
                ax.set_axis_off()
        if len(cells):
            axes[0].set_ylabel(f"{what}s", fontsize="small")


def _read(crop: Any) -> NDArray[np.uint8] | None:
    # A crop in a cache is read when it is made an array.
    return None if crop is None else np.asarray(crop)
