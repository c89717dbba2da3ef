"""Reading of a video with OpenCV; its BGR never leaves this module.

It runs in a process of its own, which may crash or hang and be killed.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._orientation import is_mirrored

# Packets come in the order of decoding. One that lies past the window may precede
# one that lies in it by as many frames as a codec may reorder: 16 in H.264 and HEVC.
_REORDER = 64

# Two timestamps of one frame, from the container and from the decoder, agree to
# much better than this; those of two frames differ by more, up to 1000 frames/s.
SAME_FRAME = 5e-4

# Seconds without a frame that may be missing.
TOLERANCE = 0.5

# FFmpeg advises against more threads, each of which holds a frame.
_MAX_THREADS = 16

# Attempts to get past damage: each takes a packet of the file, and none at its end.
_MAX_FAILURES = 1000

# Pixels that are more oblong than this are no video format's but nonsense.
_MAX_PIXEL_ASPECT = 4.0


class ReadingError(Exception):
    """What a video cannot be read for: the reason in words, and its kind."""

    def __init__(self, reason: str, kind: str = "refused") -> None:
        super().__init__(reason)
        self.reason = reason
        # "refused": nothing else will read it; "undecodable": another decoder may;
        # "doubtful": maybe decoded to nonsense; "broken": not decoded as planned.
        self.kind = kind


class Video:
    """A video within limits, as an iterator over the times of its frames.

    The path is absolute, since FFmpeg takes `concat:a` for a protocol. With `packets`
    it goes from packet to packet, in the order of decoding, and decodes none.
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
            raise ReadingError("is to be shown mirrored", "undecodable")
        # FFmpeg wants UTF-8. Other names go by the number of an open file.
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
                "cannot be opened as a video: it is damaged, or its codec is unknown"
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
        """Go from frame to frame; gives the time of each in seconds, increasing."""
        last = None
        for seconds in self.times():
            if last is not None and not seconds > last:
                # The container does not say, or says nonsense.
                seconds = last + self._frame_time
            last = seconds
            yield seconds

    def times(self) -> Iterator[float]:
        """Grab frame after frame, and yield the time of each as stored in the file.

        OpenCV stops at damage as it does at the end, but goes on if it is asked again.
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
        """Return the time of the last frame that the container claims to have."""
        end = self._claimed if duration is None else min(self._claimed, duration)
        return end - 1.5 * self._frame_time

    def frame(self) -> NDArray[np.uint8]:
        """Get the present frame: RGB, upright, of square pixels."""
        decoded, frame = self._capture.retrieve()
        if not decoded:
            kind = "refused" if self._gave_frames else "undecodable"
            raise ReadingError("has a frame that cannot be decoded", kind)
        self._gave_frames = True
        height, width = frame.shape[:2]
        self._check_size(width, height)
        gray = frame.ndim == 2
        rgb = cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if gray else cv2.COLOR_BGR2RGB)
        return self._square(rgb)  # type: ignore[arg-type]

    def _square(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Stretch a frame whose pixels are not square; none of them is lost."""
        get = self._capture.get
        wide, high = get(cv2.CAP_PROP_SAR_NUM), get(cv2.CAP_PROP_SAR_DEN)
        if not (wide > 0 and high > 0) or wide == high:
            return frame
        if get(cv2.CAP_PROP_ORIENTATION_META) % 180:  # turned by now
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
    """Say what is wrong and what to do if a frame is too large."""
    if max_pixels is None or width * height <= max_pixels:
        return None
    return (
        f"has frames of {width} x {height} pixels, more than max_pixels={max_pixels}; "
        "give the VideoFrameSampler a larger one if you trust the file"
    )


def too_long(seconds: float, max_duration: float | None) -> str | None:
    """Say what is wrong and what to do if a video is too long."""
    if max_duration is None or seconds <= max_duration:
        return None
    return (
        f"lasts {seconds:g} seconds, more than max_duration={max_duration:g}; give "
        "the VideoFrameSampler a larger one if you trust the file"
    )


def promised_times(
    path: str,
    duration: float | None,
    max_pixels: int | None = None,
    max_duration: float | None = None,
) -> tuple[list[float] | None, float]:
    """Read from the container the seconds of all frames, None if it does not tell.

    Only decoding proves them: an edit list hides frames, a truncated file lacks them.
    The second is the time of the last frame that the container claims.
    """
    video = Video(path, max_pixels, max_duration, packets=True)
    times: list[float] = []
    past = 0
    try:
        for seconds in video.times():
            times.append(seconds)
            past = past + 1 if _is_past(seconds - times[0], duration) else 0
            if past == _REORDER:
                break
    finally:
        video.close()
    if not times:
        return None, 0.0
    found = np.sort(times)
    within = [_since(t, times[0]) for t in found.tolist() if t >= times[0]]
    # The first frame is in any duration, however short.
    within = [t for t in within if t == 0 or not _is_past(t, duration)]
    is_whole = _is_past(found[-1] - times[0], duration)
    claimed = max(within[-1], 0.0 if is_whole else video.last_claimed(duration))
    # No first frame, or two at one time: fields, hidden frames. Ask the decoder.
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
    """Decode a video to get the seconds of all frames; `trusted` as below.

    The second is the time of the last frame that the container claims.
    """
    video = Video(path, max_pixels, max_duration)
    times: list[float] = []
    seen: list[NDArray[np.uint8]] = []
    first = claimed = 0.0
    try:
        for seconds in video:
            first = seconds if not times else first
            if times and _is_past(seconds - first, duration):
                break
            times.append(_since(seconds, first))
            if not trusted and len(seen) < 2:
                seen.append(video.frame())
        else:
            claimed = video.last_claimed(duration)
    finally:
        video.close()
    if not times:
        raise ReadingError("holds no frame that can be decoded", "undecodable")
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
    """Decode frames, `wanted` by number and seconds, in one pass.

    With `to_end`, the last of several must be the last one within `duration`.
    Unless `trusted`, two equal first frames are "doubtful": OpenCV 4.13 and 5.0 repeat
    interlaced frames. No frame precedes a "doubtful" or "undecodable" error.
    """
    video = Video(path, max_pixels, max_duration, n_threads)
    missing = dict(wanted)
    seen: list[NDArray[np.uint8]] = []
    first = 0.0
    times = iter(video)
    try:
        for index, seconds in enumerate(times):
            if index == 0:
                first = seconds
            if index not in missing:
                continue
            if abs(seconds - first - missing.pop(index)) > SAME_FRAME:
                raise _broken()
            frame = video.frame()
            if trusted:
                yield frame
            else:
                seen.append(frame)
                if len(seen) < 2 and missing:
                    continue
                # Of a single one, the next will show.
                following = itertools.islice(times, 2 - len(seen))
                _check_differ([*seen, *(video.frame() for _ in following)])
                trusted = True
                yield from seen
            if not missing:
                break
        if len(missing) == len(wanted):
            raise ReadingError("holds no frame that can be decoded", "undecodable")
        if missing:
            raise _broken()
        # Packets of another stream may have promised fewer frames than there are.
        for seconds in times:
            if to_end and len(wanted) > 1 and not _is_past(seconds - first, duration):
                raise _broken()
            break
    finally:
        video.close()


def seconds_in_gaps(times: ArrayLike) -> float:
    """Return the seconds between frames in which others may be missing."""
    steps = np.diff(np.asarray(times))
    if not steps.size:
        return 0.0
    longer = steps - np.median(steps)
    return float(longer[longer > TOLERANCE + SAME_FRAME].sum())


def _check_differ(frames: list[NDArray[np.uint8]]) -> None:
    if len(frames) < 2 or np.array_equal(frames[0], frames[1]):
        raise ReadingError("seems to be a still picture", "doubtful")


def _broken() -> ReadingError:
    return ReadingError(
        "was decoded once, but not a second time in the same way", "broken"
    )


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


class Sampling(NamedTuple):
    """Which frames of a video are sampled."""

    n_frames: int = 10
    burst: int = 1
    spacing: str = "even"

    @property
    def n_slots(self) -> int:
        """Largest number of frames."""
        return self.n_frames * self.burst

    def reaches_end(self, n_chosen: int) -> bool:
        """Return whether the frames that `choose` returns include the last one."""
        return self.spacing == "even" and n_chosen != self.burst

    def choose(self, timestamps: NDArray[np.float64]) -> NDArray[np.intp]:
        """Choose bursts of consecutive frames, none of them twice.

        Bursts begin nearest to evenly spaced moments; the first and the last frame are
        among them. A video that is too short has fewer of them.
        """
        n_existing = len(timestamps)
        if self.spacing == "paper":
            interval = n_existing / max(1, self.n_frames - 1)
            chosen = np.unique((interval * np.arange(self.n_frames)).astype(np.intp))
            return chosen[chosen < n_existing]
        n_moments = min(self.n_frames, n_existing // self.burst)
        if n_moments * self.burst == n_existing or not n_moments:
            return np.arange(n_existing)
        n_starts = n_existing - self.burst + 1
        moments = np.linspace(timestamps[0], timestamps[n_starts - 1], n_moments)
        after = np.searchsorted(timestamps[:n_starts], moments).clip(1, n_starts - 1)
        nearer_before = moments - timestamps[after - 1] <= timestamps[after] - moments
        nearest = after - nearer_before
        starts = np.empty(n_moments, dtype=np.intp)
        next_possible = 0
        for moment, index in enumerate(nearest):
            # Where frames are sparse in time, two moments may be nearest to one frame:
            # take the next, and leave enough frames for the moments to come.
            last_possible = n_existing - (n_moments - moment) * self.burst
            starts[moment] = min(max(index, next_possible), last_possible)
            next_possible = starts[moment] + self.burst
        return np.add.outer(starts, np.arange(self.burst)).ravel()
