"""Faces, and over them where and when a detector finds its evidence."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline

from ._drawing import (
    BLUE,
    ORANGE,
    check_entries,
    check_matplotlib,
    draw_cell,
    shrink,
    write_times,
    write_title,
)

# Of the cell of a bar, over that of a face.
_BAR_HEIGHT = 0.6

Faces = Sequence[Sequence[NDArray[np.uint8] | None]]


class AttributionDisplay:
    """Faces of videos, and over them where and when a detector finds its evidence.

    Each video has a row of faces and, where they are given, a row of the same faces
    under their maps and a row of bars, one a frame. The more evidence, the more
    opaque is the map: where there is none, the face is seen as it is. All bars have
    one scale.

    Parameters
    ----------
    faces : sequence of sequences of ndarray of shape (h, w, 3) or None
        For each video the face of each slot, RGB uint8; None where there is none.
    maps : sequence of sequences of ndarray of shape (h, w) or None, default=None
        For each video the map of each face, as :func:`~skdeepfake.inspection.grad_cam`
        gives it, of any size; None or NaN where there is no face. Evidence for the
        other class, below zero, is not drawn.
    frame_attributions : sequence of array-like of float or None, default=None
        For each video how far the log-odds fall without each of its frames, as
        :func:`~skdeepfake.inspection.occlusion` gives it; NaN where there is no face.
    proba : sequence of array-like of float or None, default=None
        For each video the probability of fake of each frame, written below it; NaN
        where there is no face.
    titles : sequence of str or None, default=None
        A name for each video; ``"video 1"`` and so on by default.
    timestamps : sequence of array-like of float or None, default=None
        For each video the time of each slot in seconds, written below the faces; NaN
        in empty slots.
    label : str, default="evidence for fake"
        What the maps and the bars show.

    Attributes
    ----------
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The colour bar, after ``plot``; None without maps.
    figure_ : matplotlib.figure.Figure
        The figure, after ``plot``.
    axes_ : ndarray of matplotlib.axes.Axes of shape (n_rows * n_videos, n_frames)
        One axes a cell, after ``plot``: rows of faces, of maps and of bars in turn.

    See Also
    --------
    AttributionDisplay.from_estimator : The same from a fitted detector.
    TimelineDisplay : The probability of each frame as a curve.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.plotting import AttributionDisplay
    >>> face = np.full((32, 32, 3), 128, dtype=np.uint8)
    >>> display = AttributionDisplay(
    ...     [[face, None]], [[np.eye(7), None]], proba=[[0.9, float("nan")]]
    ... )
    >>> display.plot().axes_.shape
    (2, 2)
    """

    def __init__(
        self,
        faces: Faces,
        maps: Sequence[Sequence[ArrayLike | None]] | None = None,
        *,
        frame_attributions: Sequence[ArrayLike] | None = None,
        proba: Sequence[ArrayLike] | None = None,
        titles: Sequence[str] | None = None,
        timestamps: Sequence[ArrayLike] | None = None,
        label: str = "evidence for fake",
    ) -> None:
        self.faces = faces
        self.maps = maps
        self.frame_attributions = frame_attributions
        self.proba = proba
        self.titles = titles
        self.timestamps = timestamps
        self.label = label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        titles: Sequence[str] | None = None,
        max_frames: int = 6,
        class_label: Any = None,
        layer: int | str = -1,
        weights: str = "position",
        baseline: str = "mean",
        **plot_params: Any,
    ) -> AttributionDisplay:
        """Plot where and when a fitted detector finds its evidence.

        For a detector of images the maps are those of
        :func:`~skdeepfake.inspection.grad_cam`; for a
        :class:`~skdeepfake.detectors.CNNRNNDetector` those of
        :func:`~skdeepfake.inspection.occlusion`, of each position. With
        ``sequence="temporal"`` there is a bar for each frame too.

        Parameters
        ----------
        estimator : detector or sklearn.pipeline.Pipeline
            Fitted. A pipeline ends in a detector, and gives it faces or features of
            faces; the detector alone must be one of images.
        X : array-like of shape (n_videos, ...)
            What it takes: paths, or faces of shape (n_videos, n_frames, height, width,
            3), uint8.
        titles : sequence of str or None, default=None
            A name for each video; by default the name of the file, if there is one,
            and the probability of fake.
        max_frames : int, default=6
            At most this many slots of each video are drawn, evenly spread.
        class_label : object, default=None
            The class whose evidence is drawn; None is the second, the fakes.
        layer : int or str, default=-1
            As in `grad_cam`.
        weights : {"channel", "position"}, default="position"
            As in `grad_cam`, but HiResCAM by default: of the CNN and the GAN,
            Grad-CAM's maps are often all but empty.
        baseline : {"mean", "zero"}, default="mean"
            As in `occlusion`.
        **plot_params : dict
            Passed on to ``plot``.

        Returns
        -------
        display : AttributionDisplay
            With its figure drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `estimator` is no detector nor a pipeline that ends in one, no step
            gives it faces, the features are not those of a grid over the face, X is a
            single path, or `max_frames` is less than 1.

        Warns
        -----
        NoFaceWarning
            If a video has no face.
        """
        check_matplotlib("AttributionDisplay.from_estimator")
        # Here, for it loads Keras.
        from ..inspection import grad_cam, occlusion

        if isinstance(X, (str, os.PathLike)):
            raise ValueError(
                f"X must be a sequence of paths, got {X!r}: put it in a list."
            )
        if max_frames < 1:
            raise ValueError(f"max_frames must be 1 or more, got {max_frames!r}.")
        way = _go(estimator, X)
        detector, frames = way.detector, way.features
        sees_images = frames.ndim == 5
        n_slots = way.faces.shape[1]
        shown = np.linspace(0, n_slots - 1, min(max_frames, n_slots)).round()
        slots = shown.astype(int)
        proba = detector.predict_frame_proba(frames)
        maps: list[Any] | None = None
        falls: list[NDArray] | None = None
        if sees_images:
            # One by one: what is not drawn need not be asked about.
            asked = {"class_label": class_label, "layer": layer, "weights": weights}
            maps = list(grad_cam(detector, frames[:, slots], **asked))
        else:
            together = detector._sees_sequences
            asked = {"class_label": class_label, "baseline": baseline}
            if frames.shape[2] > 1:
                grid = _grid(frames.shape[2], way.faces.shape[2:4])
                parts = frames if together else frames[:, slots]
                found = occlusion(detector, parts, over="position", **asked)
                found = found[:, slots] if together else found
                maps = list(found.reshape(*found.shape[:2], *grid))
            if together:
                of_all = occlusion(detector, frames, over="frame", **asked)
                falls = list(of_all[:, slots])
        if titles is None:
            scores = detector.aggregate_proba(proba)[:, 1]
            titles = [
                f"{name}, probability of fake {score:.2f}"
                for name, score in zip(_names(X), scores, strict=True)
            ]
        times = way.timestamps
        wanted = "fake" if class_label is None else f"class {class_label}"
        units = "" if sees_images else ", log-odds"
        display = cls(
            [
                [face if face.any() else None for face in video[slots]]
                for video in way.faces
            ],
            maps,
            frame_attributions=falls,
            proba=list(proba[:, slots, 1]),
            titles=titles,
            timestamps=None if times is None else [row[slots] for row in times],
            label=f"evidence for {wanted}{units}",
        )
        return display.plot(**plot_params)

    def plot(
        self,
        *,
        axes: Any = None,
        cell_size: float = 1.6,
        scale: str = "face",
        alpha: float = 0.7,
        colormap: str = "viridis",
    ) -> AttributionDisplay:
        """Draw the faces, and the evidence over and below them.

        Parameters
        ----------
        axes : array of matplotlib.axes.Axes or None, default=None
            Axes to draw on, of shape (n_rows * n_videos, n_frames), where a video has
            a row of faces, and one of maps and one of bars if there are such. The
            colour bar takes its place from them. By default a new figure is made.
        cell_size : float, default=1.6
            Width of a cell of a new figure in inches.
        scale : {"face", "all"}, default="face"
            What counts as the strongest evidence: each face's own, which is written
            below it, or that of all faces, under which some may look as if they had
            none.
        alpha : float, default=0.7
            Opacity of the strongest evidence.
        colormap : str, default="viridis"
            Colours from no evidence to the strongest, one of those of
            :func:`~skdeepfake.inspection.overlay`.

        Returns
        -------
        display : AttributionDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are neither `maps` nor `frame_attributions`, what is given does
            not agree in its lengths, `scale` is unknown, or `axes` has another shape.
        """
        check_matplotlib("AttributionDisplay.plot")
        from matplotlib import pyplot as plt

        if scale not in ("face", "all"):
            raise ValueError(f"scale must be 'face' or 'all', got {scale!r}.")
        strongest = self._strongest() if scale == "all" else None
        look: dict[str, Any] = {"alpha": alpha, "colormap": colormap}

        titles = self._check_lengths()
        heights = [1.0]
        heights += [] if self.maps is None else [1.0]
        heights += [] if self.frame_attributions is None else [_BAR_HEIGHT]
        n_rows, n_videos = len(heights), len(self.faces)
        n_columns = max(len(row) for row in self.faces)
        if axes is None:
            figsize = (
                cell_size * (n_columns + 0.5) + (0.0 if self.maps is None else 0.9),
                n_videos * (cell_size * sum(heights) + 0.3 * (n_rows + 1)),
            )
            _, axes = plt.subplots(
                n_rows * n_videos,
                n_columns,
                figsize=figsize,
                squeeze=False,
                layout="constrained",
                gridspec_kw={"height_ratios": heights * n_videos},
            )
        axes = np.asarray(axes, dtype=object)
        if axes.shape != (n_rows * n_videos, n_columns):
            raise ValueError(
                f"axes must have the shape {(n_rows * n_videos, n_columns)}, "
                f"{n_rows} rows a video and a column a slot, got {axes.shape}."
            )
        self.axes_ = axes
        self.figure_ = axes[0, 0].figure
        for video, title in enumerate(titles):
            rows = iter(axes[n_rows * video : n_rows * (video + 1)])
            self._draw_faces(next(rows), video, title)
            last = axes[n_rows * video]
            if self.maps is not None:
                last = next(rows)
                self._draw_maps(last, video, strongest, look)
            if self.frame_attributions is not None:
                self._draw_bars(next(rows), video)
            self._write_probabilities(last, video)
        self.colorbar_ = None
        if self.maps is not None:
            self.colorbar_ = self._draw_colorbar(strongest, look)
        return self

    def _check_lengths(self) -> Sequence[str]:
        """Return the titles, once everything has one entry a video and a slot."""
        if self.maps is None and self.frame_attributions is None:
            raise ValueError(
                "There is neither maps nor frame_attributions, and so no evidence to "
                "draw: see skdeepfake.inspection, or draw the faces alone by "
                "FacesDisplay."
            )
        n_videos = len(self.faces)
        if n_videos == 0 or max(len(row) for row in self.faces) == 0:
            raise ValueError("faces is empty: there is nothing to draw.")
        titles = self.titles
        if titles is None:
            titles = [f"video {k + 1}" for k in range(n_videos)]
        given = {
            "maps": self.maps,
            "frame_attributions": self.frame_attributions,
            "proba": self.proba,
            "titles": titles,
            "timestamps": self.timestamps,
        }
        check_entries("faces", self.faces, given, "video")
        return titles

    def _draw_faces(self, axes: NDArray, video: int, title: str) -> None:
        for ax, face in zip(axes, self.faces[video], strict=False):
            draw_cell(ax, face, "no face", 1.0)
        _finish_row(axes, len(self.faces[video]), "faces")
        write_title(axes[0], title)
        if self.timestamps is not None:
            write_times(axes, self.timestamps[video])

    def _draw_maps(
        self, axes: NDArray, video: int, strongest: float | None, look: dict[str, Any]
    ) -> None:
        from ..inspection import overlay

        assert self.maps is not None
        pairs = zip(self.faces[video], self.maps[video], strict=True)
        for ax, (face, found) in zip(axes, pairs, strict=False):
            drawn = shrink(face)
            if drawn is not None and found is not None:
                drawn = overlay(drawn, found, vmax=strongest, **look)
                if strongest is None:
                    own = np.nanmax(np.asarray(found, dtype=float), initial=0.0)
                    ax.set_xlabel(f"max {own:.2g}", fontsize="x-small")
            draw_cell(ax, drawn, "no face", 1.0)
        _finish_row(axes, len(self.faces[video]), "where")

    def _draw_bars(self, axes: NDArray, video: int) -> None:
        """Draw what each frame adds: upwards for the class, downwards against it."""
        assert self.frame_attributions is not None
        everything = np.concatenate(
            [np.asarray(row, dtype=float) for row in self.frame_attributions]
        )
        highest = np.nanmax(np.abs(everything), initial=0.0) or 1.0
        falls = np.asarray(self.frame_attributions[video], dtype=float)
        for ax, fall in zip(axes, falls, strict=False):
            ax.set(xticks=[], yticks=[], xlim=(-1, 1))
            # Room for the number at the end of the bar.
            ax.set_ylim(-1.5 * highest, 1.5 * highest)
            ax.spines[:].set_color("0.6")
            ax.set_box_aspect(_BAR_HEIGHT)
            ax.axhline(0, color="0.2", linewidth=0.8)
            if np.isnan(fall):
                continue
            ax.bar(0, fall, width=0.7, color=ORANGE if fall > 0 else BLUE)
            ax.annotate(
                f"{round(float(fall), 2) + 0.0:+.2f}",  # without a -0.00
                xy=(0, fall),
                xytext=(0, 2 if fall >= 0 else -2),
                textcoords="offset points",
                ha="center",
                va="bottom" if fall >= 0 else "top",
                fontsize="x-small",
            )
        _finish_row(axes, len(falls), "when, log-odds")

    def _write_probabilities(self, axes: NDArray, video: int) -> None:
        if self.proba is None:
            return
        for ax, proba in zip(axes, np.asarray(self.proba[video]), strict=False):
            if math.isnan(proba):
                continue
            written = f"fake: {proba:.2f}"
            known = ax.get_xlabel()
            ax.set_xlabel(f"{written}\n{known}" if known else written, fontsize="small")

    def _strongest(self) -> float:
        """Give the strongest evidence of all maps."""
        found = [entry for row in self.maps or () for entry in row if entry is not None]
        values = np.concatenate([np.ravel(entry) for entry in found] or [np.zeros(1)])
        return float(np.nanmax(values, initial=0.0))

    def _draw_colorbar(self, strongest: float | None, look: dict[str, Any]) -> Any:
        """Draw what the colours mean, as they are seen over white."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize

        from ..inspection import overlay

        ramp = np.linspace(0, 1, 256)[np.newaxis]
        white = np.full((1, 256, 3), 255, dtype=np.uint8)
        colours = ListedColormap(overlay(white, ramp, **look)[0] / 255)
        # Without a scale for all, 1 is the strongest of each face.
        scale = ScalarMappable(Normalize(0, strongest or 1.0), colours)
        own = "" if strongest is not None else " (1: the face's max)"
        return self.figure_.colorbar(
            scale,
            ax=self.axes_.ravel().tolist(),
            label=self.label + own,
            fraction=0.05,
            aspect=30,
        )


class _Way(NamedTuple):
    """What a pipeline makes of videos on the way to its detector."""

    detector: Any
    faces: NDArray[np.uint8]  # (n_videos, n_frames, height, width, 3)
    features: NDArray  # what the detector is given, perhaps the faces themselves
    timestamps: list[NDArray[np.float64]] | None


def _go(estimator: Any, X: Any) -> _Way:
    """Go through the steps of a pipeline, and keep the faces and their times."""
    from ..inspection._input import detector_and_frames

    clips: Any = None
    faces: Any = None
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            faces = X if _are_faces(X) else faces
            if step is not None and step != "passthrough":
                X = step.transform(X)
            clips = X if hasattr(X[0], "timestamps") else clips
        estimator = estimator[-1]
    faces = X if _are_faces(X) else faces
    detector, features = detector_and_frames(estimator, X)
    if faces is None:
        raise ValueError(
            "AttributionDisplay needs faces, of shape (n_videos, n_frames, height, "
            f"width, 3) and dtype uint8, to draw on, and {type(detector).__name__} is "
            "given none: pass the pipeline from faces or paths to the detector."
        )
    if faces.ndim == 4:  # single images
        faces = faces[:, np.newaxis]
    # Read now, after decoding, which may correct what the containers promised.
    timestamps = (
        None
        if clips is None
        else [np.asarray(clip.timestamps, dtype=float) for clip in clips]
    )
    return _Way(detector, faces, features, timestamps)


def _are_faces(X: Any) -> bool:
    is_bytes = getattr(X, "dtype", None) == np.uint8
    return is_bytes and X.ndim in (4, 5) and X.shape[-1] == 3


def _grid(n_positions: int, size: tuple[int, ...]) -> tuple[int, int]:
    """Tell how many rows and columns the positions over a face of `size` have."""
    pairs = [
        (n_rows, n_positions // n_rows)
        for n_rows in range(1, n_positions + 1)
        if n_positions % n_rows == 0
    ]

    def strain(pair: tuple[int, int]) -> float:
        return abs(math.log(pair[0] / pair[1] * size[1] / size[0]))

    best = min(pairs, key=strain)
    if strain(best) > math.log(2):
        raise ValueError(
            f"X has {n_positions} positions a frame, which are no grid over faces of "
            f"{size[0]} x {size[1]} pixels: draw maps of your own by "
            "AttributionDisplay(faces, maps)."
        )
    return best


def _names(X: Any) -> list[str]:
    """Name videos by their files, or number them."""
    return [
        os.path.basename(os.fspath(video))
        if isinstance(video, (str, os.PathLike))
        else f"video {k + 1}"
        for k, video in enumerate(X)
    ]


def _finish_row(axes: NDArray, n_cells: int, name: str) -> None:
    """Name a row, and leave out what is beyond its end."""
    axes[0].set_ylabel(name, fontsize="small")
    for ax in axes[n_cells:]:
        ax.set_axis_off()
