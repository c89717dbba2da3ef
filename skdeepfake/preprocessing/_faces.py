"""Finding faces in a frame: what a face is, and the search by dlib."""

from __future__ import annotations

import functools
import math
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

# Part of every cache key: raise it whenever some frame may get another box.
ALGORITHM_VERSION = 3

# How far a person may go from one frame to the next (typically one second apart), in
# sizes of the last box. People side by side sit further apart than this.
REACH = 2.0

# Score above the threshold from which a first face is sure. False faces score less, and
# cost the clip.
SURE = 0.3

# Side of dlib's detection window: a face of n pixels is scaled by _WINDOW / n or more.
_WINDOW = 80

# Side in pixels of the cells into which its HOG divides an image.
_CELL = 8

# Near the last face: the regions searched, in sizes of that face (a talking head stays
# in the first, all within reach is in the second), and the size in pixels to which the
# face is brought. dlib's boxes come in steps of 1.2 from 73; 88 is the second, so that
# a still face keeps its box, and one shrunk by a fifth is still seen.
_NEAR_REGIONS = (2.0, 2 * REACH + 1)
_NEAR_FACE = 88

# Longest sides in pixels at which every whole frame is searched, cheapest first.
_WHOLE_SIDES = (480, 960)

# How far below the threshold a face may score in these to be looked at more closely,
# how many of them, in which region and at which size in pixels.
_DOUBT = 0.6
_MAX_PROPOSALS = 1
_CLOSE_REGION = 1.8
_CLOSE_FACE = 160

# The longest side of the first deep search; the second one is at the scale that the
# smallest face asks for, and costs as much as 20 others. Both run in the first frame
# in which a sure face is missing, and after that when the frames since the last deep
# search have saved as many pixels as one takes. Each frame saves _SAVED_PIXELS.
_DEEP_SIDE = 1920
_SAVED_PIXELS = 350_000

# Pixels of the last search: a 1080p frame as the paper searches it, about a second.
_MAX_PIXELS = 3840 * 2160

Region = tuple[int, int, int, int]


class Face(NamedTuple):
    """A face found in a frame."""

    left: int
    top: int
    right: int
    bottom: int
    score: float


class Finder(Protocol):
    """Finds the faces in the frames of one clip, given in order."""

    # Score from which a face is sure to be one.
    sure: float

    def searches(
        self, frame: NDArray[np.uint8], missing: Callable[[], Sequence[Face]]
    ) -> Iterator[list[Face]]:
        """Search with more and more effort; the caller stops when it is content.

        `missing` returns the last faces of the people who were not found so far in this
        frame, also of those who have left.
        """


class DlibFinder:
    """Find faces by dlib's frontal detector: near the last ones, then everywhere.

    The whole frame is searched at growing scales. The largest ones cost most and seldom
    find a face, so that they are not searched in each of several frames without one.
    """

    def __init__(
        self, min_size: int = 40, score_threshold: float = 0.0, exhaustive: bool = False
    ) -> None:
        self.min_size = min_size
        self.exhaustive = exhaustive
        self.score_threshold = score_threshold
        self.sure = score_threshold + SURE
        self._saved = float(_MAX_PIXELS)  # pixels that a deep search may take
        self._sought: set[Face] = set()  # missing faces searched for in full

    def searches(
        self, frame: NDArray[np.uint8], missing: Callable[[], Sequence[Face]]
    ) -> Iterator[list[Face]]:
        """Search with more and more effort."""
        height, width = frame.shape[:2]
        largest = min(_WINDOW / self.min_size, math.sqrt(_MAX_PIXELS / height / width))
        whole = (0, 0, width, height)
        if self.exhaustive:
            yield self._search(frame, whole, largest, color=True)
            return
        self._saved += _SAVED_PIXELS
        for sizes in _NEAR_REGIONS:
            for face in missing():
                scale = _pyramid_scale(_NEAR_FACE / size(face), largest)
                yield self._search(frame, _around(face, sizes, scale, frame), scale)
        doubtful: list[Face] = []
        for side in _WHOLE_SIDES:
            scale = _pyramid_scale(side / max(height, width), largest)
            if scale < largest:
                faces = self._search(frame, whole, scale, lowered=_DOUBT)
                doubtful += [f for f in faces if f.score < self.score_threshold]
                yield [f for f in faces if f.score >= self.score_threshold]
        doubtful.sort(key=lambda face: -face.score)
        for face in [*missing(), *doubtful[:_MAX_PROPOSALS]]:
            scale = _pyramid_scale(_CLOSE_FACE / size(face), largest)
            region = _around(face, _CLOSE_REGION, scale, frame)
            yield self._search(frame, region, scale, color=True)
        deep_pixels = min(largest**2 * height * width, _MAX_PIXELS)
        self._saved = min(self._saved, deep_pixels)
        sought = {face for face in missing() if face.score >= self.sure}
        if self._saved >= deep_pixels or not self._sought.issuperset(sought):
            self._saved = 0
            self._sought |= sought
            scale = _pyramid_scale(_DEEP_SIDE / max(height, width), largest)
            if scale < largest:
                yield self._search(frame, whole, scale)
            # In color, as the paper does it: slower, but it finds a few faces more.
            yield self._search(frame, whole, largest, color=True)

    def _search(
        self,
        frame: NDArray[np.uint8],
        region: Region,
        scale: float,
        *,
        color: bool = False,
        lowered: float = 0.0,
    ) -> list[Face]:
        """Run dlib on a region (left, top, right, bottom) brought to a scale."""
        left, top, right, bottom = region
        image = frame[top:bottom, left:right]
        if image.size == 0:  # the face was last seen outside of this frame
            return []
        if not color:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
        # dlib's own upsampling is what the paper used; it only doubles.
        upsample = int(scale >= 2)
        scaled = _resized(image, scale / 2**upsample)
        threshold = self.score_threshold - lowered
        boxes, scores, _ = _detector().run(scaled, upsample, threshold)
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
        ]


class YuNetFinder:
    """Find faces by the network YuNet, in the whole frame at once."""

    def __init__(
        self, min_size: int, score_threshold: float, model: str, changed: int = 0
    ) -> None:
        self.min_size = min_size
        self.sure = score_threshold
        try:
            self._network = cv2.FaceDetectorYN.create(
                model, "", (320, 320), score_threshold
            )
        except cv2.error as error:
            raise ValueError(
                f"model={model!r} is not a network that OpenCV can read: {error.err}"
            ) from error

    def searches(
        self, frame: NDArray[np.uint8], missing: Callable[[], Sequence[Face]]
    ) -> Iterator[list[Face]]:
        """Search once."""
        height, width = frame.shape[:2]
        self._network.setInputSize((width, height))
        _, rows = self._network.detect(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        faces = []
        for x, y, wide, high, *_, score in [] if rows is None else rows.tolist():
            face = Face(
                max(0, round(x)),
                max(0, round(y)),
                min(width, round(x + wide)),
                min(height, round(y + high)),
                score,
            )
            if face.left < face.right and face.top < face.bottom:
                faces += [face] * (size(face) >= self.min_size)
        yield faces


# By name, as the croppers name them.
FINDERS: dict[str, Callable[..., Finder]] = {"dlib": DlibFinder, "yunet": YuNetFinder}


def size(face: Face) -> int:
    """Return the side of a face in pixels."""
    # A clamped box has lost some of one side.
    return max(face.right - face.left, face.bottom - face.top)


def center(face: Face) -> tuple[float, float]:
    """Return the middle of a face, x and y."""
    return (face.left + face.right) / 2, (face.top + face.bottom) / 2


def step(last: Face, face: Face) -> float:
    """Return how much a face differs from the last one; up to 1 is likely."""
    moved = math.dist(center(last), center(face)) / size(last)
    doublings = abs(math.log2(size(face) / size(last)))
    return max(moved / REACH, doublings)


def _pyramid_scale(scale: float, largest: float) -> float:
    """Give the scale nearest to `scale` among those of dlib's pyramid.

    dlib itself searches an image at its size and at 5/6, 25/36 ... of it. With the same
    steps, each search gives boxes of sizes that the largest scale would give.
    """
    steps = round(math.log(largest / scale, 6 / 5))
    return largest * (5 / 6) ** max(0, steps)


def _around(face: Face, sizes: float, scale: float, frame: NDArray) -> Region:
    """Give the region of a frame around a face, as many times its size.

    The edges lie where the cells of dlib's HOG would lie in the whole frame at that
    scale, so that the search gives the boxes that the whole frame would give.
    """
    height, width = frame.shape[:2]
    x, y = center(face)
    half = sizes * size(face) / 2
    cell = _CELL / scale
    left, top = (max(0, math.floor((c - half) / cell)) for c in (x, y))
    right, bottom = (math.ceil((c + half) / cell) for c in (x, y))
    return (
        round(left * cell),
        round(top * cell),
        min(width, round(right * cell)),
        min(height, round(bottom * cell)),
    )


def _resized(image: NDArray, scale: float) -> NDArray:
    height, width = image.shape[:2]
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Area averaging keeps what HOG needs when shrinking; it has no use when growing.
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, target, interpolation=interpolation)


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
