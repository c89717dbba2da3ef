"""Analyze a video with a pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._models import Model
from .._predictions import VideoPredictions, predict_with_frames
from ..detectors import PretrainedDetector
from ..inspection import grad_cam, overlay
from ..pretrained import verdict
from ._analysis import VideoAnalysis
from ._evidence import begin_record, finish_record
from ._pictures import Pictures

# Maximum number of suspicious faces on a page.
_N_SUSPICIOUS = 3


def make_content(
    path: str, thresholds: tuple[float, float], **known: Any
) -> dict[str, Any]:
    """Return the content of an analysis, with the same keys for all videos."""
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


def analyze(
    path: str, model: Model, thresholds: tuple[float, float], heatmaps: bool
) -> VideoAnalysis:
    """Analyze a video, and check that the file did not change meanwhile."""
    pipeline = model.pipeline
    record = begin_record(path, model)
    run = predict_with_frames(pipeline, [path], column=model.column, keep_faces=True)
    clip = run.clips[0]
    if clip.error is not None:  # with on_error="skip"
        raise clip.error
    finish_record(record, clip)
    rows, slots = _rows(run)
    has_face = np.asarray(run.has_face[0])
    proba = float(run.proba[0]) if has_face.any() else None
    coverage = _coverage(rows, clip.missing)
    content = make_content(
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
    """Return one row per face or frame without a face, and the slot of each row."""
    clip = run.clips[0]
    filled = np.asarray(run.has_face[0])
    stored, frame_of, person_of = run.positions
    proba = np.full(len(filled), np.nan)
    if run.frame_proba is not None:
        proba = run.frame_proba[0]
    boxes = clip.boxes or [None] * (len(clip) * run.per_frame)
    rows, slots = [], []
    for k, (frame, time) in enumerate(zip(clip.indices, clip.timestamps, strict=True)):
        if frame < 0:
            continue
        here = np.flatnonzero(
            frame_of == k
        ).tolist()  # empty if a stream dropped the frame
        for slot in [slot for slot in here if filled[slot]] or here[:1]:
            face, box, score = bool(filled[slot]), boxes[stored[slot]], proba[slot]
            rows.append(
                {
                    "time": round(float(time), 4),
                    "frame": int(frame),
                    "person": int(person_of[slot]) + 1 if face else None,
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
        if len(proba) != n_people:  # the detector ignores people
            slots = run.detector.predict_frame_proba(run.features)
            own = [slots[:, run.positions[2] == person] for person in range(n_people)]
            proba = [run.detector.aggregate_proba(each)[0, column] for each in own]
    return [
        {
            "person": person,
            "frames": len({row["frame"] for row in rows if row["person"] == person}),
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


# Width of faces in pixels below which detectors are less accurate.
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
            "The video shows more people than were analyzed. Increase the detector's "
            "max_faces to analyze more people."
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
            f"The file is damaged or cut off: {coverage['missing']:.1f} seconds could "
            "not be decoded."
        )
    if 0 < coverage["share"] < 0.5:
        notes.append("A face was found in fewer than half of the frames.")
    sides = [row["box"][2] - row["box"][0] for row in rows if row["box"]]
    if sides and np.median(sides) < _SMALL:
        notes.append(
            f"The faces are small ({np.median(sides):.0f} pixels wide). Detectors are "
            "less accurate on small faces."
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
    # If the maximum is 0, no area increases the probability.
    if maps is not None and maps.max() > 0:
        strongest = float(maps.max())
        for k, found in zip(chosen, maps, strict=True):
            drawn = overlay(crops[k], found, vmax=strongest, alpha=0.6)
            pictures.add("heatmaps", k, drawn)
    return pictures


def _maps(
    run: VideoPredictions, slots: list[int], column: int
) -> NDArray[np.float32] | None:
    """Return heatmaps of some faces, or None if the detector does not support them."""
    if not slots or not hasattr(run.detector, "predict_frame_proba"):
        return None
    frames = run.frames
    if frames.ndim != 5 or frames.shape[-1] != 3:
        return None
    chosen = np.zeros_like(frames)  # the detector ignores slots of zeros
    chosen[:, slots] = frames[:, slots]
    pretrained = isinstance(run.detector, PretrainedDetector)
    label = run.detector.classes_[column]
    params: dict[str, Any] = {"weights": "position", "class_label": label}
    try:
        layer = "top_relu" if pretrained else -1
        return grad_cam(run.detector, chosen, layer=layer, **params)[0, slots]
    except ValueError:  # the network has no convolutions over single faces
        return None
