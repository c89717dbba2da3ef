"""Reading of videos with OpenCV, in a separate process that can be killed.

OpenCV's BGR frames are converted to RGB in this module.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._orientation import is_mirrored

# Number of consecutive packets after `duration` at which reading stops. Packets are in
# decoding order, so a packet within `duration` may follow later packets. H.264 and HEVC
# reorder up to 16 frames.
_REORDER = 64

# Tolerance in seconds for equal timestamps. For the same frame, container and decoder
# agree much better. Different frames differ by more, at up to 1000 frames per second.
SAME_FRAME = 5e-4

# Longest gap between frames that is not reported as missing, in seconds.
TOLERANCE = 0.5

# FFmpeg advises against more threads. Each thread stores a frame.
_MAX_THREADS = 16

# Maximum number of consecutive failures to read a frame. Each failure skips a packet.
_MAX_FAILURES = 1000

# Maximum pixel aspect ratio. Higher values are treated as wrong metadata.
_MAX_PIXEL_ASPECT = 4.0


class ReadingError(Exception):
    """Reason why a video cannot be read, with its kind."""

    def __init__(self, reason: str, kind: str = "refused") -> None:
        super().__init__(reason)
        self.reason = reason
        # "refused": other decoders are not tried. "undecodable": another may read it.
        # "doubtful": frames may be wrong. "broken": frames differ from the first pass.
        self.kind = kind


class Video:
    """Iterator over the frame times of a video, with limits on its size.

    The path must be absolute, since FFmpeg interprets `concat:a` as a protocol. If
    `packets`, packets are read in decoding order and not decoded.
    """

    def __init__(
        self,
        path: str,
        max_pixels: int | None,
        max_duration: float | None,
        n_threads: int | None = None,
        *,
        packets: bool = False,
    ) -> None:
        self._max_pixels, self._max_duration = max_pixels, max_duration
        if not packets and is_mirrored(path):
            raise ReadingError("is displayed mirrored", "undecodable")
        # FFmpeg needs paths in UTF-8. Open other paths through a file descriptor.
        self._descriptor = None
        if not _is_utf8(path):
            self._descriptor = os.open(path, os.O_RDONLY)
            path = f"/dev/fd/{self._descriptor}"
        n_threads = min(n_threads or cv2.getNumberOfCPUs(), _MAX_THREADS)
        options = [cv2.CAP_PROP_N_THREADS, n_threads]
        if packets:
            options = [cv2.CAP_PROP_FORMAT, -1]
        self._capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, options)
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        self._gave_frames = False
        try:
            self._check_claims()
        except ReadingError:
            self.close()
            raise

    def _check_claims(self) -> None:
        if not self._capture.isOpened():
            raise ReadingError(
                "cannot be opened as a video. It is damaged, or its codec is unknown"
            )
        get = self._capture.get
        self._check_size(
            int(get(cv2.CAP_PROP_FRAME_WIDTH)), int(get(cv2.CAP_PROP_FRAME_HEIGHT))
        )
        fps, count = get(cv2.CAP_PROP_FPS), get(cv2.CAP_PROP_FRAME_COUNT)
        self._frame_time = 1 / fps if 0 < fps <= 1000 else 1 / 25
        self._claimed = count / fps if fps > 0 else 0.0
        self._check_duration(self._claimed)

    def _check_size(self, width: int, height: int) -> None:
        if reason := too_large(width, height, self._max_pixels):
            raise ReadingError(reason)

    def _check_duration(self, seconds: float) -> None:
        if reason := too_long(seconds, self._max_duration):
            raise ReadingError(reason)

    def __iter__(self) -> Iterator[float]:
        """Yield the time of each frame in seconds, strictly increasing."""
        last = None
        for seconds in self.times():
            if last is not None and not seconds > last:
                # The timestamp is missing or wrong.
                seconds = last + self._frame_time
            last = seconds
            yield seconds

    def times(self) -> Iterator[float]:
        """Grab each frame and yield its time as stored in the file.

        OpenCV cannot grab damaged frames but can continue after them. Since it also
        fails at the end, the number of attempts is limited.
        """
        first = None
        seconds, n_failures = 0.0, 0
        while n_failures < _MAX_FAILURES:
            if not self._capture.grab():
                if first is not None and seconds - first >= self.last_claimed(None):
                    break
                n_failures += 1
                continue
            n_failures = 0
            seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first = seconds if first is None else first
            self._check_duration(seconds - first)
            yield seconds

    def last_claimed(self, duration: float | None) -> float:
        """Return the time of the last frame according to the container."""
        end = self._claimed if duration is None else min(self._claimed, duration)
        return end - 1.5 * self._frame_time

    def frame(self) -> NDArray[np.uint8]:
        """Decode the current frame as RGB, upright and with square pixels."""
        decoded, frame = self._capture.retrieve()
        if not decoded:
            kind = "refused" if self._gave_frames else "undecodable"
            raise ReadingError("contains a frame that cannot be decoded", kind)
        self._gave_frames = True
        height, width = frame.shape[:2]
        self._check_size(width, height)
        gray = frame.ndim == 2
        rgb = cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if gray else cv2.COLOR_BGR2RGB)
        return self._square(rgb)  # type: ignore[arg-type]

    def _square(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Stretch the frame to square pixels, without shrinking it."""
        get = self._capture.get
        wide, high = get(cv2.CAP_PROP_SAR_NUM), get(cv2.CAP_PROP_SAR_DEN)
        if not (wide > 0 and high > 0) or wide == high:
            return frame
        if get(cv2.CAP_PROP_ORIENTATION_META) % 180:  # already rotated
            wide, high = high, wide
        aspect = wide / high
        if max(aspect, 1 / aspect) > _MAX_PIXEL_ASPECT:
            return frame
        height, width = frame.shape[:2]
        width, height = round(width * max(aspect, 1)), round(height / min(aspect, 1))
        self._check_size(width, height)
        return cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]

    def close(self) -> None:
        """Close the file."""
        self._capture.release()
        if self._descriptor is not None:
            os.close(self._descriptor)


def too_large(width: int, height: int, max_pixels: int | None) -> str | None:
    """Return an error message if a frame is too large, otherwise None."""
    if max_pixels is None or width * height <= max_pixels:
        return None
    return (
        f"has frames of {width} x {height} pixels, more than max_pixels={max_pixels}. "
        "Increase max_pixels of the VideoFrameSampler if you trust the file"
    )


def too_long(seconds: float, max_duration: float | None) -> str | None:
    """Return an error message if a video is too long, otherwise None."""
    if max_duration is None or seconds <= max_duration:
        return None
    return (
        f"lasts {seconds:g} seconds, more than max_duration={max_duration:g}. Increase "
        "max_duration of the VideoFrameSampler if you trust the file"
    )


def promised_times(
    path: str,
    duration: float | None,
    max_pixels: int | None = None,
    max_duration: float | None = None,
) -> tuple[list[float] | None, float]:
    """Return the times of all frames according to the container, or None if unknown.

    Decoding may find fewer frames, if an edit list hides some or the file is truncated.
    The second result is the time of the last frame according to the container.
    """
    times: list[float] = []
    past = 0
    video = Video(path, max_pixels, max_duration, packets=True)
    with contextlib.closing(video):
        for seconds in video.times():
            times.append(seconds)
            past = past + 1 if _is_past(seconds - times[0], duration) else 0
            if past == _REORDER:
                break
    if not times:
        return None, 0.0
    found = np.sort(times)
    within = [_since(t, times[0]) for t in found.tolist() if t >= times[0]]
    # Keep the first frame for any duration.
    within = [t for t in within if t == 0 or not _is_past(t, duration)]
    is_whole = _is_past(found[-1] - times[0], duration)
    claimed = max(within[-1], 0.0 if is_whole else video.last_claimed(duration))
    # If times are negative, repeated or earlier than the first packet, the video has
    # interlaced or hidden frames, which only decoding can find.
    if found[0] != times[0] or found[0] < 0 or not (np.diff(found) > 0).all():
        return None, claimed
    return within, claimed


def decoded_times(
    path: str,
    duration: float | None,
    max_pixels: int | None = None,
    max_duration: float | None = None,
    *,
    trusted: bool = False,
) -> tuple[list[float], float]:
    """Decode a video and return the times of all frames.

    The second result is the time of the last frame according to the container. For
    `trusted`, see `decoded_frames`.
    """
    times: list[float] = []
    seen: list[NDArray[np.uint8]] = []
    first = claimed = 0.0
    with contextlib.closing(Video(path, max_pixels, max_duration)) as video:
        for seconds in video:
            first = seconds if not times else first
            if times and _is_past(seconds - first, duration):
                break
            times.append(_since(seconds, first))
            if not trusted and len(seen) < 2:
                seen.append(video.frame())
        else:
            claimed = video.last_claimed(duration)
    if not times:
        raise ReadingError("contains no frame that can be decoded", "undecodable")
    if not trusted:
        _check_differ(seen)
    return times, max(claimed, times[-1])


def decoded_frames(
    path: str,
    wanted: dict[int, float],
    duration: float | None,
    max_pixels: int | None = None,
    max_duration: float | None = None,
    *,
    n_threads: int | None = None,
    trusted: bool = False,
    to_end: bool = True,
) -> Iterator[NDArray[np.uint8]]:
    """Decode the frames in `wanted`, a dict from index to time, in one pass.

    If `to_end`, the last of several frames must be the last frame within `duration`.
    Unless `trusted`, a "doubtful" error is raised if the first two frames are equal,
    since OpenCV 4.13 and 5.0 repeat interlaced frames. "doubtful" and "undecodable"
    errors are raised before any frame is yielded.
    """
    missing = dict(wanted)
    seen: list[NDArray[np.uint8]] = []
    first = 0.0
    broken = ReadingError("has different frames than in the first pass", "broken")
    video = Video(path, max_pixels, max_duration, n_threads)
    with contextlib.closing(video):
        times = iter(video)
        for index, seconds in enumerate(times):
            if index == 0:
                first = seconds
            if index not in missing:
                continue
            if abs(seconds - first - missing.pop(index)) > SAME_FRAME:
                raise broken
            frame = video.frame()
            if trusted:
                yield frame
            else:
                seen.append(frame)
                if len(seen) < 2 and missing:
                    continue
                # If a single frame is wanted, compare it with the next one.
                following = itertools.islice(times, 2 - len(seen))
                _check_differ([*seen, *(video.frame() for _ in following)])
                trusted = True
                yield from seen
            if not missing:
                break
        if len(missing) == len(wanted):
            raise ReadingError("contains no frame that can be decoded", "undecodable")
        if missing:
            raise broken
        # The container may have listed too few frames.
        for seconds in times:
            if to_end and len(wanted) > 1 and not _is_past(seconds - first, duration):
                raise broken
            break


def seconds_in_gaps(times: ArrayLike) -> float:
    """Return the total duration of gaps in which frames may be missing, in seconds."""
    steps = np.diff(np.asarray(times))
    if not steps.size:
        return 0.0
    longer = steps - np.median(steps)
    return float(longer[longer > TOLERANCE + SAME_FRAME].sum())


def _check_differ(frames: list[NDArray[np.uint8]]) -> None:
    if len(frames) < 2 or np.array_equal(frames[0], frames[1]):
        raise ReadingError("seems to be a still picture", "doubtful")


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _since(seconds: float, first: float) -> float:
    return round(seconds - first, 9)


def _is_past(seconds: float, duration: float | None) -> bool:
    return duration is not None and seconds >= duration - SAME_FRAME
