"""Analyze one video, or many."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import StrOptions

from .._docs import shared_docs
from .._models import Model, load_model
from .._parallel import map_videos
from .._predictions import VideoPredictions, predict_with_frames
from .._validation import validated
from .._video._checks import check_paths
from ..exceptions import NoFaceWarning, VideoReadError, VideoReadWarning
from ..inspection import grad_cam, overlay
from ..pretrained import verdict
from ._analysis import VideoAnalysis
from ._collection import VideoAnalyses
from ._evidence import begin_record, finish_record
from ._pictures import Pictures
from ._resume import Folder

# How many of the most suspicious faces a page shows.
_N_SUSPICIOUS = 3

_CONSTRAINTS: dict[str, list[Any]] = {
    "detector": [Pipeline, str, os.PathLike, None],
    "thresholds": ["array-like", Real, None],
    "heatmaps": ["boolean"],
}
_with_shared_docs = shared_docs(
    {
        "detector": """\
    detector : Pipeline, str, os.PathLike or None, default=None
        A fitted pipeline from paths to probabilities with a step "sampler", the name of
        a detector of this package, or the file of one: ``*.skops``, ``*.npz`` or a
        joblib file, which is a pickle: load only those that you wrote. None is the
        reference detector.
    thresholds : float, tuple of (float, float) or None, default=None
        Videos below the first are called real, above the second fake, and uncertain
        between them; a single number leaves no band. None takes those of the model card
        for the reference detector, 0.2 and 0.5, and 0.5 for others.
"""
    }
)


@_with_shared_docs
@validated(path=[str, os.PathLike], **_CONSTRAINTS)
def analyze_video(
    path: str | os.PathLike[str],
    detector: Any = None,
    *,
    thresholds: float | tuple[float, float] | None = None,
    heatmaps: bool = True,
) -> VideoAnalysis:
    """Analyze a video for signs of manipulated faces.

    Parameters
    ----------
    path : str or os.PathLike
        The video, or a picture (JPEG, PNG, WebP), which is a video of one frame.
    {{detector}}
    heatmaps : bool, default=True
        Whether to locate the evidence in the most suspicious faces, by
        :func:`~skdeepfake.inspection.grad_cam`. This loads Keras for detectors other
        than the reference detector.

    Returns
    -------
    VideoAnalysis
        The verdict and what it rests on.

    Raises
    ------
    VideoReadError
        If the video cannot be read.
    ValueError
        If `detector` is not a pipeline that skdeepfake trained, or a threshold is not
        between 0 and 1.

    See Also
    --------
    analyze_videos : Many videos, with one table.
    skdeepfake.load_detector : The reference detector, and what it cannot do.

    Notes
    -----
    The thresholds 0.2 and 0.5 of the reference detector were chosen on held-out data.
    Above 0.5 at most 5 % of the real clips were called fake at each encoding that was
    tried. Below 0.2 a video is called real, as 17 % of the fakes were. About half of
    the fakes lie between.

    Examples
    --------
    >>> import tempfile
    >>> from skdeepfake import analyze_video, make_videos
    >>> folder = tempfile.TemporaryDirectory()
    >>> videos = make_videos(folder.name, n_real=1, n_fake=1, random_state=0)
    >>> analysis = analyze_video(videos.data[0])
    >>> analysis.coverage
    1.0
    >>> analysis.record["container"]["codec"]
    'h264'
    >>> folder.cleanup()
    """
    model = load_model(detector, on_error="skip")
    with _part_of_the_result():
        return _analyze(
            str(os.fspath(path)), model, _check(thresholds, model), heatmaps
        )


@_with_shared_docs
@validated(
    **_CONSTRAINTS,
    on_error=[StrOptions({"raise", "skip"})],
    resume=[str, os.PathLike, None],
    n_jobs=[Integral, None],
    verbose=["verbose"],
)
def analyze_videos(
    paths: ArrayLike,
    detector: Any = None,
    *,
    thresholds: float | tuple[float, float] | None = None,
    heatmaps: bool = False,
    on_error: str = "raise",
    resume: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> VideoAnalyses:
    """Analyze many videos.

    Parameters
    ----------
    paths : array-like of shape (n_videos,) of str or os.PathLike
        Videos and pictures.
    {{detector}}
    heatmaps : bool, default=False
        Whether to locate the evidence in the most suspicious faces of each video, for
        the pages.
    on_error : {"raise", "skip"}, default="raise"
        ``"skip"`` analyzes the other videos if one cannot be read. Its verdict is
        "unreadable", and its `error` says why.
    resume : str, os.PathLike or None, default=None
        Folder that keeps each analysis when it is finished. A later call with the same
        folder does not repeat those of the same content, detector and parameters.
    n_jobs : int or None, default=None
        Videos analyzed at once, by default as threads. None is 1, -1 all cores.
    verbose : int, default=1
        1 shows a progress bar, 0 none.

    Returns
    -------
    VideoAnalyses
        A sequence of :class:`VideoAnalysis` in the order of `paths`, with one table.

    Raises
    ------
    VideoReadError
        If a video cannot be read and ``on_error="raise"``.
    ValueError
        If `paths` is not a one-dimensional collection of paths, or as for
        :func:`analyze_video`.

    See Also
    --------
    analyze_video : A single video.

    Examples
    --------
    >>> from skdeepfake import analyze_videos
    >>> analyses = analyze_videos(
    ...     ["a.mp4", "b.mp4"], on_error="skip", verbose=0
    ... )
    >>> analyses[0].verdict, analyses[0].error
    ('unreadable', 'cannot be found: No such file or directory')
    """
    listed = check_paths(paths, caller="analyze_videos")
    model = load_model(detector, on_error="skip")
    limits = _check(thresholds, model)
    analyze = partial(_analyze, model=model, thresholds=limits, heatmaps=heatmaps)
    if resume is not None:
        analyze = partial(
            Folder(resume, model, limits, heatmaps).recall_or, analyze=analyze
        )
    if on_error == "skip":
        analyze = partial(_analyze_or_skip, analyze=analyze, thresholds=limits)
    with _part_of_the_result():
        found = map_videos(
            analyze, listed, n_jobs=n_jobs, verbose=verbose, desc="analyzing"
        )
        return VideoAnalyses(list(found))


def _check(thresholds: Any, model: Model) -> tuple[float, float]:
    if thresholds is None:
        return model.thresholds
    limits = np.ravel(np.asarray(thresholds, dtype=float))
    if len(limits) not in (1, 2) or not (0 <= limits[0] <= limits[-1] <= 1):
        raise ValueError(
            f"thresholds={thresholds!r} must be one or two increasing numbers from 0 "
            "to 1"
        )
    return float(limits[0]), float(limits[-1])


@contextlib.contextmanager
def _part_of_the_result() -> Iterator[None]:
    """Ignore warnings that an analysis has as its verdict or notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoFaceWarning)
        warnings.simplefilter("ignore", VideoReadWarning)
        yield


def _analyze_or_skip(
    path: str, analyze: Any, thresholds: tuple[float, float]
) -> VideoAnalysis:
    try:
        return analyze(path)
    except VideoReadError as error:
        content = _content(path, thresholds, error=error.reason)
        return VideoAnalysis(content)


def _content(
    path: str, thresholds: tuple[float, float], **known: Any
) -> dict[str, Any]:
    """Make the content of an analysis, which has the same keys for all videos."""
    content = {
        "schema": 1,
        "path": path,
        "verdict": "unreadable",
        "probability": None,
        "thresholds": dict(zip(("real_below", "fake_above"), thresholds, strict=True)),
        "coverage": {
            "frames": 0,
            "frames_with_face": 0,
            "share": None,
            "first": None,
            "last": None,
            "missing": 0.0,
        },
        "frames": [],
        "people": [],
        "notes": [],
        "record": None,
        "error": None,
    }
    return {**content, **known}


def _analyze(
    path: str, model: Model, thresholds: tuple[float, float], heatmaps: bool
) -> VideoAnalysis:
    pipeline = model.pipeline
    record = begin_record(path, model)
    run = predict_with_frames(pipeline, [path], column=model.column, keep_faces=True)
    clip = run.clips[0]
    if clip.error is not None:  # a sampler that skips such videos
        raise clip.error
    finish_record(record, clip)
    rows, slots = _rows(run)
    has_face = np.asarray(run.has_face[0])
    proba = float(run.proba[0]) if has_face.any() else None
    coverage = _coverage(rows, clip.missing)
    content = _content(
        path,
        thresholds,
        verdict=verdict(np.nan if proba is None else proba, *thresholds),
        probability=proba,
        coverage=coverage,
        frames=rows,
        people=_people(run, rows, model.column),
        notes=_notes(coverage, record, rows, clip.left_out),
        record=record,
    )
    return VideoAnalysis(content, _pictures(run, rows, slots, heatmaps, model.column))


def _rows(run: VideoPredictions) -> tuple[list[dict[str, Any]], list[int]]:
    """List the faces, and the frames without any, with the slot of each."""
    clip = run.clips[0]
    filled = np.asarray(run.has_face[0])
    n_people = run.n_people
    proba = np.full(len(filled), np.nan)
    if run.frame_proba is not None:
        proba = run.frame_proba[0]
    boxes = clip.boxes or [None] * len(filled)
    rows, slots = [], []
    for k, (frame, time) in enumerate(zip(clip.indices, clip.timestamps, strict=True)):
        if frame < 0:
            continue
        own = [s for s in range(k * n_people, (k + 1) * n_people) if filled[s]]
        for slot in own or [k * n_people]:
            face, box, score = bool(filled[slot]), boxes[slot], proba[slot]
            rows.append(
                {
                    "time": round(float(time), 4),
                    "frame": int(frame),
                    "person": slot % n_people + 1 if face else None,
                    "box": list(box) if face and box else None,
                    "probability": None if np.isnan(score) else float(score),
                }
            )
            slots.append(slot)
    return rows, slots


def _people(
    run: VideoPredictions, rows: list[dict[str, Any]], column: int
) -> list[dict[str, Any]]:
    seen = sorted({row["person"] for row in rows if row["person"]})
    n_people = run.n_people
    if n_people == 1 or run.frame_proba is None:
        proba = [run.proba[0]] * n_people
    else:
        proba = run.detector.predict_person_proba(run.features)[0, :, column]
        if len(proba) != n_people:  # a detector that does not tell them apart
            slots = run.detector.predict_frame_proba(run.features)
            own = [slots[:, person::n_people] for person in range(n_people)]
            proba = [run.detector.aggregate_proba(each)[0, column] for each in own]
    return [
        {
            "person": person,
            "frames": sum(row["person"] == person for row in rows),
            "probability": float(proba[person - 1]),
        }
        for person in seen
    ]


def _coverage(rows: list[dict[str, Any]], missing: float) -> dict[str, Any]:
    frames = {row["frame"] for row in rows}
    with_face = {row["frame"] for row in rows if row["person"]}
    return {
        "frames": len(frames),
        "frames_with_face": len(with_face),
        "share": len(with_face) / len(frames) if frames else 0.0,
        "first": rows[0]["time"] if rows else None,
        "last": rows[-1]["time"] if rows else None,
        "missing": round(missing, 3),
    }


# Faces that are smaller than this, in pixels, lose what detectors look for.
_SMALL = 80


def _notes(
    coverage: dict[str, Any],
    record: dict[str, Any],
    rows: list[dict[str, Any]],
    left_out: bool,
) -> list[str]:
    notes = []
    if left_out:
        notes.append(
            "There are more people than those whose faces were analyzed: give more "
            "max_faces."
        )
    length = record["container"]["duration"]
    if coverage["frames"] == 1:
        notes.append("Only one frame was analyzed.")
    elif length is not None and length - coverage["last"] > 1 + coverage["missing"]:
        notes.append(
            f"Only the first {coverage['last']:.1f} of {length:.1f} seconds were "
            "analyzed."
        )
    if coverage["missing"]:
        notes.append(
            f"The file is damaged or cut off: {coverage['missing']:.1f} seconds at its "
            "end cannot be decoded."
        )
    if 0 < coverage["share"] < 0.5:
        notes.append("Fewer than half of the frames show a face that was found.")
    sides = [row["box"][2] - row["box"][0] for row in rows if row["box"]]
    if sides and np.median(sides) < _SMALL:
        notes.append(
            f"The faces are small, {np.median(sides):.0f} pixels wide, where "
            "detectors err more often."
        )
    return notes


def _pictures(
    run: VideoPredictions,
    rows: list[dict[str, Any]],
    slots: list[int],
    heatmaps: bool,
    column: int,
) -> Pictures:
    pictures = Pictures()
    if run.crops is None:
        return pictures
    with_face = [k for k, row in enumerate(rows) if row["person"]]
    crops = {k: np.asarray(run.crops[0][slots[k]]) for k in with_face}
    for k in with_face:
        pictures.add("faces", k, crops[k])
    scored = [k for k in with_face if rows[k]["probability"] is not None]
    scored.sort(key=lambda k: -rows[k]["probability"])
    chosen = scored[:_N_SUSPICIOUS]
    for k in chosen:
        pictures.add("suspicious", k, crops[k])
    maps = _maps(run, [slots[k] for k in chosen], column) if heatmaps else None
    if maps is not None:
        strongest = float(max(maps.max(), 0.0))
        for k, found in zip(chosen, maps, strict=True):
            drawn = overlay(crops[k], found, vmax=strongest, alpha=0.6)
            pictures.add("heatmaps", k, drawn)
    return pictures


def _maps(
    run: VideoPredictions, slots: list[int], column: int
) -> NDArray[np.float32] | None:
    """Locate the evidence in some faces; None for detectors that see no faces."""
    if not slots or not hasattr(run.detector, "predict_frame_proba"):
        return None
    frames = run.frames
    if frames.ndim != 5 or frames.shape[-1] != 3:
        return None
    chosen = np.zeros_like(frames)  # slots without a face are left out
    chosen[:, slots] = frames[:, slots]
    pretrained = type(run.detector).__name__ == "PretrainedDetector"
    label = run.detector.classes_[column]
    params: dict[str, Any] = {"weights": "position", "class_label": label}
    try:
        layer = "top_relu" if pretrained else -1
        return grad_cam(run.detector, chosen, layer=layer, **params)[0, slots]
    except ValueError:  # a network without convolutions over single faces
        return None
