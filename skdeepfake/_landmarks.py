"""Landmarks of faces, found by a shape predictor of dlib that the user has."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]


def find_landmarks(
    image: NDArray[np.uint8], box: Box, path: str, n_points: Collection[int]
) -> NDArray[np.float32]:
    """Find the landmarks of a face, x and y in pixels, shape (n_landmarks, 2).

    `box` is left, top, right and bottom of the face as dlib's detector frames it;
    `n_points` are the numbers of landmarks that a model may have.
    """
    predictor = load_predictor(path, n_points)
    import dlib

    left, top, right, bottom = box
    area = dlib.rectangle(left, top, right - 1, bottom - 1)
    found = predictor(np.ascontiguousarray(image), area)
    return np.array([(p.x, p.y) for p in found.parts()], np.float32)


def load_predictor(path: str | os.PathLike[str], n_points: Collection[int]) -> Any:
    """Load the shape predictor in a file; raise a ValueError if it is of no use."""
    path = os.fspath(path)
    try:
        facts = os.stat(path)
        if not os.path.isfile(path):
            raise OSError(None, "it is not a file")
    except OSError as error:
        raise ValueError(
            f"landmarks={path!r} cannot be read: {error.strerror}. Give the path of a "
            "shape predictor of dlib, such as shape_predictor_68_face_landmarks.dat"
        ) from error
    predictor, found = _load(path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    if found not in n_points:
        raise ValueError(
            f"landmarks={path!r} is a model of {found} landmarks, but one of "
            f"{' or '.join(map(str, n_points))} is needed"
        )
    return predictor


# Some 100 MB and a second each. It is read-only, and threads may share it.
@functools.lru_cache(maxsize=2)
def _load(path: str, size: int, mtime_ns: int, ctime_ns: int) -> tuple[Any, int]:
    # Only here, since it takes its time to import.
    import dlib

    try:
        predictor = dlib.shape_predictor(path)
    except RuntimeError as error:
        raise ValueError(
            f"landmarks={path!r} is not a shape predictor of dlib, or only a part of "
            f"one ({error}). Those that can be downloaded are to be unpacked first"
        ) from error
    black = np.zeros((32, 32, 3), np.uint8)
    return predictor, predictor(black, dlib.rectangle(0, 0, 31, 31)).num_parts
