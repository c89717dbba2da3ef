"""Conversion of slots to bursts of consecutive frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline


def as_bursts(
    X: ArrayLike, burst: int | None, max_faces: int, name: str, *, at_least: int = 1
) -> NDArray[np.uint8]:
    """Check X and reshape it to (n_videos, n_bursts, burst, max_faces, h, w, 3)."""
    faces = np.asarray(X)
    if faces.ndim != 5 or faces.dtype != np.uint8 or faces.shape[-1] != 3:
        raise ValueError(
            f"{name} expects faces of dtype uint8 and shape (n_videos, n_slots, "
            "height, width, 3), as returned by a Resizer; X has dtype "
            f"{faces.dtype} and shape {faces.shape}."
        )
    if 0 in faces.shape:
        raise ValueError(f"Found array with 0 sample(s) (shape={faces.shape})")
    n_slots = faces.shape[1]
    length = n_slots // max_faces if burst is None else burst
    if length < at_least or n_slots % (length * max_faces):
        more = f" A burst needs at least {at_least} frames." if at_least > 1 else ""
        raise ValueError(
            f"X has {n_slots} slots, which cannot be split into bursts of "
            f"{length or 1} frames with {max_faces} faces per frame.{more} Set burst "
            f"and max_faces of {name} to the values of the sampler and the cropper."
        )
    return faces.reshape(len(faces), -1, length, max_faces, *faces.shape[2:])


def select_in_bursts(
    slots: ArrayLike, burst: int | None, max_faces: int, frames: slice
) -> NDArray:
    """Return the slots of the selected frames of each burst."""
    entries = np.asarray(slots)
    burst = burst or len(entries) // max_faces
    return entries.reshape(-1, burst, max_faces)[:, frames].ravel()


def slot_selectors(transformer: Any) -> list[Any]:
    """List the steps of a transformer or pipeline that have `select_slots`."""
    is_pipeline = isinstance(transformer, Pipeline)
    steps = [step for _, step in transformer.steps] if is_pipeline else [transformer]
    return [step for step in steps if hasattr(step, "select_slots")]


def kept_slots(transformer: Any, n_slots: int) -> NDArray[np.int64]:
    """Return the indices of the input slots that a transformer or pipeline keeps."""
    slots = np.arange(n_slots)
    for step in slot_selectors(transformer):
        slots = step.select_slots(slots)
    return slots
