"""Facial landmarks from a dlib shape predictor provided by the user."""

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
    """Return the landmarks of a face, x and y in pixels, of shape (n_landmarks, 2).

    `box` contains the left, top, right and bottom edges of a face found by dlib.
    `n_points` contains the accepted numbers of landmarks.
    """
    predictor = load_predictor(path, n_points)
    import dlib

    left, top, right, bottom = box
    area = dlib.rectangle(left, top, right - 1, bottom - 1)
    found = predictor(np.ascontiguousarray(image), area)
    return np.array([(p.x, p.y) for p in found.parts()], np.float32)


def load_predictor(path: str | os.PathLike[str], n_points: Collection[int]) -> Any:
    """Load a shape predictor; raise a ValueError if the file is not suitable."""
    path = os.fspath(path)
    try:
        facts = os.stat(path)
        if not os.path.isfile(path):
            raise OSError(None, "not a file")
    except OSError as error:
        raise ValueError(
            f"landmarks={path!r} cannot be read: {error.strerror}. Pass the path of a "
            "dlib shape predictor, such as shape_predictor_68_face_landmarks.dat."
        ) from error
    predictor, found = _load(path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    if found not in n_points:
        raise ValueError(
            f"landmarks={path!r} is a model with {found} landmarks; expected "
            f"{' or '.join(map(str, n_points))}."
        )
    return predictor


# Loading a predictor takes one second and 100 MB of memory. Threads can share it.
@functools.lru_cache(maxsize=2)
def _load(path: str, size: int, mtime_ns: int, ctime_ns: int) -> tuple[Any, int]:
    import dlib  # slow to import

    try:
        predictor = dlib.shape_predictor(path)
    except RuntimeError as error:
        raise ValueError(
            f"landmarks={path!r} is not a dlib shape predictor or is incomplete "
            f"({error}). Unpack downloaded .bz2 files first."
        ) from error
    black = np.zeros((32, 32, 3), np.uint8)
    return predictor, predictor(black, dlib.rectangle(0, 0, 31, 31)).num_parts
