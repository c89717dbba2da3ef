"""Find the one face of a clip, frame after frame, and follow it."""

from __future__ import annotations

import functools
import math
import pickle
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import dlib
import numpy as np

# Part of every cache key: raise it whenever some frame may get another box.
ALGORITHM_VERSION = 1

# Side of dlib's detection window: a face of n pixels is scaled by _WINDOW / n or more.
_WINDOW = 80

# Side in pixels of the cells into which its HOG divides an image.
_CELL = 8

# How far the followed person may go from one frame to the next (typically one second
# apart), in sizes of the last box. People side by side sit further apart than this.
_REACH = 2.0

# Near the last face: the regions searched, in sizes of that face (a talking head stays
# in the first, all within reach is in the second), and the size in pixels to which the
# face is brought. dlib's boxes come in steps of 1.2 from 73; 88 is the second, so that
# a still face keeps its box, and one shrunk by a fifth is still seen.
_NEAR_REGIONS = (2.0, 2 * _REACH + 1)
_NEAR_FACE = 88

# Longest sides in pixels at which the whole frame is searched, cheapest first. The
# last search, at the scale that the smallest face asks for, comes after these.
_WHOLE_SIDES = (480, 960, 1920)

# Score from which a first face is sure. False faces score less, and cost the clip.
_SURE = 0.3

# Pixels of the last search: a 1080p frame as the paper searches it, about a second.
_MAX_PIXELS = 3840 * 2160

# Frames without the followed person, who has left, after which any face is taken.
_PATIENCE = 2


class Face(NamedTuple):
    """A face found in a frame."""

    left: int
    top: int
    right: int
    bottom: int
    score: float


class FaceFollower:
    """Find the face of one person in the frames of one clip, given in order.

    Search near the last face, then the whole frame at growing scales. Take the face
    nearest to the last one, if a person could have got there; with nobody to follow (at
    the start, or when the person has been away for two frames) the best-scoring one.
    An object serves one clip and one thread at a time.
    """

    def __init__(self, *, min_size: int = 40, score_threshold: float = 0.0) -> None:
        self.min_size = min_size
        self.score_threshold = score_threshold
        self._last: Face | None = None
        self._missed = 0

    def find(self, frame: np.ndarray) -> Face | None:
        """Find the followed person's face in the next frame of the clip."""
        face = self._find(frame)
        if face is not None:
            self._last, self._missed = face, 0
        elif self._last is not None:
            self._missed += 1
            if self._missed >= _PATIENCE:
                self._last, self._missed = None, 0
        return face

    def _find(self, frame: np.ndarray) -> Face | None:
        if self._last is None:
            return self._find_first(frame)
        for faces in self._searches(frame):
            reached = [(_step(self._last, face), face) for face in faces]
            step, face = min(reached, default=(math.inf, None))
            if step <= 1 + self._missed:
                return face
        return None

    def _find_first(self, frame: np.ndarray) -> Face | None:
        seen: list[Face] = []
        for faces in self._searches(frame):
            seen += faces
            if any(face.score >= self.score_threshold + _SURE for face in faces):
                break
        return max(seen, key=lambda face: face.score, default=None)

    def _searches(self, frame: np.ndarray) -> Iterator[list[Face]]:
        """Search with more and more effort; the caller stops when it is content."""
        height, width = frame.shape[:2]
        largest = min(_WINDOW / self.min_size, math.sqrt(_MAX_PIXELS / height / width))
        whole = (0, 0, width, height)
        if self._last is not None:
            scale = _pyramid_scale(_NEAR_FACE / _size(self._last), largest)
            for sizes in _NEAR_REGIONS:
                yield self._search(
                    frame, _around(self._last, sizes, scale, frame), scale
                )
        for side in _WHOLE_SIDES:
            scale = _pyramid_scale(side / max(height, width), largest)
            if scale < largest:
                yield self._search(frame, whole, scale)
        # In color, as the paper does it: slower, but it finds a few faces more.
        yield self._search(frame, whole, largest, color=True)

    def _search(
        self,
        frame: np.ndarray,
        region: tuple[int, int, int, int],
        scale: float,
        *,
        color: bool = False,
    ) -> list[Face]:
        """Run dlib on a region (left, top, right, bottom) brought to a scale."""
        left, top, right, bottom = region
        image = frame[top:bottom, left:right]
        if image.size == 0:  # the face was last seen outside of this frame
            return []
        if not color:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        # dlib's own upsampling is what the paper used; it only doubles.
        upsample = int(scale >= 2)
        scaled = _resized(image, scale / 2**upsample)
        boxes, scores, _ = _detector().run(scaled, upsample, self.score_threshold)
        # By the size that came of rounding, not by the one asked for.
        zoom_x = image.shape[1] / scaled.shape[1]
        zoom_y = image.shape[0] / scaled.shape[0]
        height, width = frame.shape[:2]
        return [
            Face(
                left=max(0, left + round(box.left() * zoom_x)),
                top=max(0, top + round(box.top() * zoom_y)),
                right=min(width, left + round((box.right() + 1) * zoom_x)),
                bottom=min(height, top + round((box.bottom() + 1) * zoom_y)),
                score=score,
            )
            for box, score in zip(boxes, scores, strict=True)
            if box.width() * zoom_x >= self.min_size
        ]


def _pyramid_scale(scale: float, largest: float) -> float:
    """Give the scale nearest to `scale` among those of dlib's pyramid.

    dlib itself searches an image at its size and at 5/6, 25/36 ... of it. With the same
    steps, each search gives boxes of sizes that the largest scale would give.
    """
    steps = round(math.log(largest / scale, 6 / 5))
    return largest * (5 / 6) ** steps


def _around(
    face: Face, sizes: float, scale: float, frame: np.ndarray
) -> tuple[int, int, int, int]:
    """Give the region of a frame around a face, as many times its size.

    The edges lie where the cells of dlib's HOG would lie in the whole frame at that
    scale, so that the search gives the boxes that the whole frame would give.
    """
    height, width = frame.shape[:2]
    x, y = _center(face)
    half = sizes * _size(face) / 2
    cell = _CELL / scale
    left, top = (max(0, math.floor((c - half) / cell)) for c in (x, y))
    right, bottom = (math.ceil((c + half) / cell) for c in (x, y))
    return (
        round(left * cell),
        round(top * cell),
        min(width, round(right * cell)),
        min(height, round(bottom * cell)),
    )


def _resized(image: np.ndarray, scale: float) -> np.ndarray:
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Area averaging keeps what HOG needs when shrinking; it has no use when growing.
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=interpolation)


def _size(face: Face) -> int:
    # A clamped box has lost some of one side.
    return max(face.right - face.left, face.bottom - face.top)


def _center(face: Face) -> tuple[float, float]:
    return (face.left + face.right) / 2, (face.top + face.bottom) / 2


def _step(last: Face, face: Face) -> float:
    """How much a face differs from the last one; up to 1 is likely in one frame."""
    moved = math.dist(_center(last), _center(face)) / _size(last)
    doublings = abs(math.log2(_size(face) / _size(last)))
    return max(moved / _REACH, doublings)


_local = threading.local()


@functools.cache
def _pickled_detector() -> bytes:
    # Building one takes 0.3 s, unpickling a millisecond, and joblib starts new threads.
    return pickle.dumps(dlib.get_frontal_face_detector())


def _detector() -> Any:
    """Give the detector of this thread: it is not to be shared."""
    if not hasattr(_local, "detector"):
        _local.detector = pickle.loads(_pickled_detector())
    return _local.detector
