"""Predictions of a fitted pipeline, with the clips and faces of the videos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._bursts import kept_slots, slot_selectors
from ._face_mask import filled_slots
from ._scores import PosLabel, check_classes
from ._video._checks import as_column


@dataclass(frozen=True, eq=False)
class VideoPredictions:
    """Predictions for videos, with the intermediate results of the pipeline.

    Optional fields are None if they are not available or not kept. Fields per slot have
    shape (n_videos, n_slots).
    """

    detector: Any  # the last step of the pipeline, or the detector itself
    features: Any  # the input of the detector
    paths: Any = None
    clips: Any = None  # the output of the sampler
    crops: Any = None  # RGB output of the cropper per slot, None without a face
    images: Any = None  # last RGB uint8 images per slot, zeros without a face
    has_face: Any = None  # per slot
    proba: Any = None  # probability of the requested class per video
    frame_proba: Any = None  # probability of that class per slot, NaN without a face
    per_frame: int = 1  # slots per frame (regions times people), or 1 without clips
    n_people: int = 1  # people per frame
    slots: Any = ...  # selected slots of the cropper; an ellipsis selects all

    @property
    def timestamps(self) -> Any:
        """Time of each slot in seconds (NaN if empty), or None without clips."""
        # Read lazily, since decoding may correct the times of the container.
        if self.clips is None:
            return None
        return [
            np.repeat(clip.timestamps, self.per_frame)[self.slots]
            for clip in self.clips
        ]

    @property
    def positions(self) -> tuple[NDArray, NDArray, NDArray]:
        """Index of each slot among all crops, its frame index and its person index."""
        slots = np.arange(self.per_frame * len(self.clips[0]))[self.slots]
        return slots, slots // self.per_frame, slots % self.n_people

    @property
    def seconds_missing(self) -> list[float] | None:
        """Damaged or missing seconds per video, or None without clips."""
        return None if self.clips is None else [clip.missing for clip in self.clips]

    @property
    def aggregation(self) -> str | None:
        """Name of the aggregation of frame scores into video scores, if any."""
        if self.frame_proba is None or getattr(self.detector, "_sees_sequences", False):
            return None
        rule = getattr(self.detector, "aggregation", None)
        if rule is None or isinstance(rule, str):
            return rule
        return getattr(rule, "__name__", None) or repr(rule)

    @property
    def frames(self) -> NDArray:
        """Validated input of the detector, of shape (n_videos, n_slots, ...)."""
        if not hasattr(self.detector, "predict_frame_proba"):
            raise _no_detector(self.detector)
        check_is_fitted(self.detector)
        return self.detector._validate_frames(self.features, reset=False)


def run_pipeline(
    estimator: Any, X: Any, *, until: str | None = None, keep_faces: bool = True
) -> VideoPredictions:
    """Run the steps before the last one, or the steps up to and including `until`.

    Each step runs once. `estimator` is a pipeline or a detector. If `keep_faces` is
    True, the crops and images are kept.
    """
    if isinstance(X, (str, os.PathLike)):
        raise ValueError(f"X must be a sequence of paths. Pass [{X!r}].")
    X = as_column(X)
    steps = estimator.steps if isinstance(estimator, Pipeline) else [("", estimator)]
    end = len(steps) - 1 if until is None else list(dict(steps)).index(until) + 1
    paths = None
    if all(isinstance(path, (str, os.PathLike)) for path in X):
        paths = [os.fspath(path) for path in X]
    clips = crops = images = has_face = None
    per_frame = n_people = 1
    chosen: Any = ...
    for _, step in [("input", "passthrough"), *steps[:end]]:
        if step is not None and step != "passthrough":
            X = step.transform(X)
            if has_face is not None and slot_selectors(step):
                kept = kept_slots(step, has_face.shape[1])
                chosen = kept if chosen is ... else chosen[kept]
                has_face = has_face[:, kept]
                crops, images = (
                    None if each is None else each[:, kept] for each in (crops, images)
                )
        found = np.asarray(X)
        if found.dtype == object and found.ndim == 1:
            # Look up the attribute on the class, since reading it decodes the video.
            clips = X if len(X) and hasattr(type(X[0]), "timestamps") else clips
        elif found.dtype == object and found.ndim == 2:
            crops = X if keep_faces else None
            if has_face is None:
                has_face = np.array([[c is not None for c in row] for row in found])
                if clips is not None:
                    per_frame = max(1, found.shape[1] // len(clips[0]))
                    n_people = getattr(step, "n_people", per_frame)
        elif found.dtype == np.uint8 and found.ndim in (4, 5):
            slots = found if found.ndim == 5 else found[:, np.newaxis]  # single images
            if keep_faces and slots.shape[-1] == 3:
                images = slots
            has_face = filled_slots(slots) if has_face is None else has_face
    return VideoPredictions(
        steps[-1][1],
        X,
        paths,
        clips,
        crops,
        images,
        has_face=has_face,
        per_frame=per_frame,
        n_people=n_people,
        slots=chosen,
    )


def predict_with_frames(
    estimator: Any, X: Any, *, column: int = 1, keep_faces: bool = False
) -> VideoPredictions:
    """Predict probabilities of videos and their frames, running each step once.

    `column` is the index in `classes_` of the class whose probability is returned.
    """
    detector = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if not hasattr(detector, "predict_proba"):
        raise _no_detector(detector)
    run = run_pipeline(estimator, X, keep_faces=keep_faces)
    if not hasattr(detector, "predict_frame_proba"):
        return replace(run, proba=detector.predict_proba(run.features)[:, column])
    frames = detector.predict_frame_proba(run.features)
    return replace(
        run,
        has_face=~np.isnan(frames[..., column]),
        proba=detector.aggregate_proba(frames)[:, column],
        frame_proba=frames[..., column],
    )


def positive_column(estimator: Any, pos_label: PosLabel = None) -> int:
    """Return the index of the fake class in `classes_`."""
    if not is_classifier(estimator) or not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"{type(estimator).__name__} is not a classifier with predict_proba."
        )
    classes = np.asarray(estimator.classes_)
    return classes.tolist().index(check_classes(classes, pos_label)[1])


def check_steps(pipeline: Any, names: Sequence[str], caller: str) -> None:
    """Raise a ValueError if a pipeline lacks one of the named steps."""
    steps = list(getattr(pipeline, "named_steps", {}))
    if not set(names).issubset(steps):
        needed = " and ".join(f"a step named {name!r}" for name in names)
        raise ValueError(f"{caller} requires a pipeline with {needed}; got {steps}.")


def _no_detector(estimator: Any) -> ValueError:
    return ValueError(
        f"{type(estimator).__name__} is neither a detector of skdeepfake.detectors nor "
        "a pipeline that ends with such a detector."
    )
