"""Face detection in frames, with dlib or YuNet."""

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

# Part of every cache key. Increase it with each change that may change a box.
ALGORITHM_VERSION = 3

# Maximum movement of a face between sampled frames (typically one second apart), as a
# multiple of the size of its last box. Neighboring people are further apart.
REACH = 2.0

# Faces are sure if their score exceeds the threshold by at least this value. False
# detections have lower scores.
SURE = 0.3

# Side of dlib's detection window in pixels. To find a face of n pixels, images must be
# scaled by at least _WINDOW / n.
_WINDOW = 80

# Side in pixels of the cells of dlib's HOG.
_CELL = 8

# Sizes of the regions searched around the last face, as multiples of the size of the
# face, and the size in pixels to which the face is scaled. A talking head stays in the
# first region, and the second region covers the maximum movement. The sizes of dlib's
# boxes start at 73 and increase by factors of 1.2. With the second size, 88, the box of
# a still face does not change, and a face that shrinks by a fifth is found.
_NEAR_REGIONS = (2.0, 2 * REACH + 1)
_NEAR_FACE = 88

# Longest sides in pixels to which whole frames are scaled for a search, in order.
_WHOLE_SIDES = (480, 960)

# In searches of whole frames, faces that score up to _DOUBT below the threshold are
# doubtful. Regions around the best _MAX_PROPOSALS of them are searched again. These are
# _CLOSE_REGION times as large as the face, which is scaled to _CLOSE_FACE pixels.
_DOUBT = 0.6
_MAX_PROPOSALS = 1
_CLOSE_REGION = 1.8
_CLOSE_FACE = 160

# Longest side in pixels of frames in the first deep search. The second deep search uses
# the scale for the smallest faces and takes as long as 20 other searches. Both run when
# the other searches fail for the first time, and once for each sure face that is
# missing. Later, they run if the frames since the last deep search have saved enough
# pixels. Each frame saves _SAVED_PIXELS.
_DEEP_SIDE = 1920
_SAVED_PIXELS = 350_000

# Maximum number of pixels of a deep search. This is a 1080p frame at the paper's scale,
# which takes about a second.
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
    """Protocol of face finders, which search the frames of one clip in order."""

    # Minimum score of a sure face.
    sure: float

    def searches(
        self, frame: NDArray[np.uint8], missing: Callable[[], Sequence[Face]]
    ) -> Iterator[list[Face]]:
        """Yield the faces found by each search, in order of increasing cost.

        The caller stops when it has enough faces. `missing` returns the last face of
        each person who has not yet been found in this frame, including absent people.
        """


class DlibFinder:
    """Find faces with dlib's frontal detector.

    Regions near the last faces are searched first, then the whole frame at increasing
    scales. The largest scales are the most expensive and rarely find a face. Therefore,
    they are not used in every frame in which a face is missing.
    """

    def __init__(
        self, min_size: int = 40, score_threshold: float = 0.0, exhaustive: bool = False
    ) -> None:
        self.min_size = min_size
        self.exhaustive = exhaustive
        self.score_threshold = score_threshold
        self.sure = score_threshold + SURE
        self._saved = float(_MAX_PIXELS)  # pixels available to deep searches
        self._sought: set[Face] = set()  # missing faces that deep searches looked for

    def searches(
        self, frame: NDArray[np.uint8], missing: Callable[[], Sequence[Face]]
    ) -> Iterator[list[Face]]:
        """Yield the faces found by each search, in order of increasing cost."""
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
            # Search in color, as in the paper. This is slower but finds more faces.
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
        """Run dlib on a region (left, top, right, bottom), resized by `scale`."""
        left, top, right, bottom = region
        image = frame[top:bottom, left:right]
        if image.size == 0:  # the face was last seen outside this frame
            return []
        if not color:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
        # As in the paper, use the upsampling of dlib, which doubles the size.
        upsample = int(scale >= 2)
        scaled = _resized(image, scale / 2**upsample)
        threshold = self.score_threshold - lowered
        boxes, scores, _ = _detector().run(scaled, upsample, threshold)
        # Use the rounded size instead of the exact scale.
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
    """Find faces with the YuNet network, in one search of the whole frame."""

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
                f"model={model!r} is not a network that OpenCV can load: {error.err}"
            ) from error

    def searches(
        self, frame: NDArray[np.uint8], missing: Callable[[], Sequence[Face]]
    ) -> Iterator[list[Face]]:
        """Yield the faces found in the whole frame."""
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


# Keys are the names that the croppers use.
FINDERS: dict[str, Callable[..., Finder]] = {"dlib": DlibFinder, "yunet": YuNetFinder}


def size(face: Face) -> int:
    """Return the longer side of a face in pixels."""
    # Boxes are square until they are clipped at the edge of the frame.
    return max(face.right - face.left, face.bottom - face.top)


def center(face: Face) -> tuple[float, float]:
    """Return the center of a face as x and y."""
    return (face.left + face.right) / 2, (face.top + face.bottom) / 2


def step(last: Face, face: Face) -> float:
    """Return the movement or change in size of a face. Up to 1 is plausible."""
    moved = math.dist(center(last), center(face)) / size(last)
    doublings = abs(math.log2(size(face) / size(last)))
    return max(moved / REACH, doublings)


def _pyramid_scale(scale: float, largest: float) -> float:
    """Return the scale of dlib's pyramid that is nearest to `scale`.

    dlib searches an image at its own size and at 5/6, 25/36, ... of that size. Since
    `scale` is one of these steps, all searches find boxes of the same sizes.
    """
    steps = round(math.log(largest / scale, 6 / 5))
    return largest * (5 / 6) ** max(0, steps)


def _around(face: Face, sizes: float, scale: float, frame: NDArray) -> Region:
    """Return the region of a frame around a face, `sizes` times as large as the face.

    The edges are aligned with the cells of dlib's HOG in the whole frame at `scale`, so
    that a search of the region finds the same boxes as a search of the whole frame.
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
    # When images shrink, area averaging prevents aliasing, which would affect HOG.
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, target, interpolation=interpolation)


_local = threading.local()


@functools.cache
def _pickled_detector() -> bytes:
    # joblib starts new threads, and each needs a detector. Unpickling one takes 1 ms,
    # while creating one takes 0.3 s.
    return pickle.dumps(dlib.get_frontal_face_detector())


def _detector() -> Any:
    """Return the detector of this thread. Threads must not share a detector."""
    if not hasattr(_local, "detector"):
        _local.detector = pickle.loads(_pickled_detector())
    return _local.detector
