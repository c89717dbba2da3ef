"""A video, read by a process of its own, within limits of size and time."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exceptions import VideoReadError
from . import _ffmpeg
from ._checks import still_format
from ._opencv import (
    SAME_FRAME,
    TOLERANCE,
    Sampling,
    seconds_in_gaps,
    too_large,
    too_long,
)
from ._process import DecoderLostError, DecoderProcess, give_back, take_process


class Plan(NamedTuple):
    """Which frames of a video are sampled: at most as many as were asked for."""

    indices: NDArray[np.intp]  # in the order of the video, increasing
    timestamps: NDArray[np.float64]  # theirs, in seconds
    proven: bool  # whether decoding has shown that these frames exist
    missing: float = 0.0  # seconds that are damaged or cut off


class Limits(NamedTuple):
    """What reading a video may cost; None is no limit."""

    # Pixels of a frame. 8K, the largest format of video that there is.
    max_pixels: int | None = 8192 * 4320
    # Seconds. A day.
    max_duration: float | None = 86400.0
    # Of the file. 16 GiB.
    max_bytes: int | None = 2**34
    # Seconds of work.
    timeout: float | None = 300.0


class PromiseBrokenError(VideoReadError):
    """Frames are not there that the container, or an earlier pass, has promised."""


class _UndecodableError(VideoReadError):
    """OpenCV has opened a video but cannot decode it."""


class _DoubtfulError(VideoReadError):
    """OpenCV has decoded a video, perhaps to nonsense."""


_KINDS = {
    "refused": VideoReadError,
    "undecodable": _UndecodableError,
    "doubtful": _DoubtfulError,
    "broken": PromiseBrokenError,
}


class VideoReader:
    """Reads one video: by OpenCV, and by ffmpeg where OpenCV cannot.

    A context manager, of an absolute path. When its time is up, which `paused` stops,
    it kills the process.
    """

    def __init__(
        self, path: str, sampling: Sampling, duration: float | None, limits: Limits
    ) -> None:
        self._path = path
        self._sampling = sampling
        self._duration = None if duration is None else float(duration)
        self._limits = limits
        self._process: DecoderProcess | None = None
        # Found out on the way: what OpenCV cannot do, and the times by ffmpeg.
        self._is_still = self._needs_ffmpeg = still_format(path) is not None
        self._trusted = False
        self._times: Sequence[float] | None = None
        # Seconds of the last frame, as the container claims and as packets promise.
        self._claimed = self._promised = 0.0
        # Seconds in gaps between frames, and as packets promise if they were asked.
        self._gaps = 0.0
        self._promised_gaps: float | None = None
        self._damaged: bool | None = None
        # Time.
        self._left = None if limits.timeout is None else float(limits.timeout)
        self._started = 0.0
        self._is_late = False
        self._timer: threading.Timer | None = None
        self._running: DecoderProcess | subprocess.Popen[bytes] | None = None

    def __enter__(self) -> VideoReader:
        self._resume()
        return self

    def __exit__(self, *error: object) -> None:
        self._pause()
        if self._process is not None:
            give_back(self._process)
            self._process = None

    # -- what there is -------------------------------------------------------

    def promised(self) -> Plan | None:
        """Read from the container which frames there should be, if it says so."""
        if self._is_still:
            return None
        plan = self._ask_for_plan(do="promise")
        if plan is None:
            self._promised_gaps = np.inf
            return None
        self._promised, self._promised_gaps = plan.timestamps[-1], self._gaps
        return plan._replace(missing=self._missing(plan))

    def counted(self) -> Plan:
        """Decode the video to see which frames there are: at least one."""
        if self._needs_ffmpeg:
            times = np.array(self._counted_by_ffmpeg())
            self._gaps = seconds_in_gaps(times)
            numbers = self._sampling.choose(times)
            found = Plan(numbers, times[numbers], proven=True)
            return found._replace(missing=self._missing(found))
        try:
            plan = self._ask_for_plan(do="count", trusted=self._trusted)
        except (_UndecodableError, _DoubtfulError) as error:
            self._learn_from(error)
            return self.counted()
        if plan is None:
            raise self._nonsense()
        return plan._replace(proven=True, missing=self._missing(plan))

    def _missing(self, plan: Plan) -> float:
        """Return the seconds of the container's claim that are lost."""
        at_end = float(self._claimed - plan.timestamps[-1])
        if at_end <= TOLERANCE or (
            # Sound may be longer than the picture.
            self._promised - plan.timestamps[-1] <= TOLERANCE and not self._is_damaged()
        ):
            at_end = 0.0
        return at_end + self._missing_between()

    def _missing_between(self) -> float:
        """Return the seconds between frames in which others are lost."""
        gaps = self._gaps
        if not gaps:
            return 0.0
        if self._promised_gaps is None:
            self.promised()
        assert self._promised_gaps is not None
        # The rate may vary: then the packets have the same gaps.
        is_lost = gaps > self._promised_gaps + SAME_FRAME or self._is_damaged()
        return gaps if is_lost else 0.0

    def _is_damaged(self) -> bool:
        """Return whether ffmpeg, if there is one, finds anything wrong."""
        if self._damaged is None:
            try:
                command = _ffmpeg.check(self._path)
            except VideoReadError:
                return False
            with self._ffmpeg(command) as output:
                self._damaged = _ffmpeg.read_is_damaged(output)
        return self._damaged

    def frames(
        self, numbers: list[int], times: list[float], n_threads: int | None
    ) -> Iterator[NDArray[np.uint8]]:
        """Decode some frames, RGB, upright and of square pixels, in one pass.

        A PromiseBrokenError says that they are not there, or not at these times.
        """
        if self._needs_ffmpeg:
            yield from self._decoded_by_ffmpeg(numbers, times)
            return
        request = {
            "numbers": numbers,
            "times": times,
            "n_threads": n_threads,
            "sampling": self._sampling,
        }
        answers = self._ask(do="decode", trusted=self._trusted, **request)
        left = len(numbers)
        try:
            for answer in answers:
                if isinstance(answer, np.ndarray):
                    left -= 1
                    if left >= 0:
                        yield answer
            if left:
                raise self._nonsense()
        except (_UndecodableError, _DoubtfulError) as error:  # before the first frame
            self._learn_from(error)
            yield from self.frames(numbers, times, n_threads)

    def _learn_from(self, error: VideoReadError) -> None:
        """Go on otherwise where OpenCV has shown that it may not do."""
        if isinstance(error, _UndecodableError):
            self._needs_ffmpeg = True
        else:
            with self._ffmpeg(_ffmpeg.describe(self._path)) as output:
                streams = _ffmpeg.read_streams(output, self._path)
            if not streams:
                raise VideoReadError(
                    self._path, "is not a video: it holds sound and a cover picture"
                )
            self._needs_ffmpeg = _ffmpeg.is_interlaced(streams[0])
            self._trusted = True

    # -- by OpenCV -----------------------------------------------------------

    def _ask_for_plan(self, **request: Any) -> Plan | None:
        (answer,) = self._ask(sampling=self._sampling, **request)
        with contextlib.suppress(TypeError, ValueError):
            claimed = float(answer.get("claimed"))
            if np.isfinite(claimed):
                self._claimed = max(self._claimed, claimed)
            gaps = float(answer.get("gaps"))
            self._gaps = max(0.0, gaps) if np.isfinite(gaps) else 0.0
        if answer.get("result") is None:
            return None
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            numbers, times = answer["result"]
            plan = Plan(
                np.array(numbers, np.intp), np.array(times, np.float64), proven=False
            )
            if (
                plan.indices.ndim == 1
                and plan.indices.shape == plan.timestamps.shape
                and 0 < len(plan.indices) <= self._sampling.n_slots
                and (np.diff(plan.indices, prepend=-1) > 0).all()
            ):
                return plan
        raise self._nonsense()

    def _ask(self, **request: Any) -> Iterator[Any]:
        """Ask the decoder's process, and raise what it complains of."""
        if self._process is None:
            self._process = self._take_process()
        self._run(self._process)
        # It may have been ended while it waited, by somebody who needed memory.
        may_die = self._process.has_waited
        try:
            for answer in self._process.ask(
                self._limits.max_pixels,
                path=self._path,
                duration=self._duration,
                max_duration=self._limits.max_duration,
                **request,
            ):
                may_die = False
                self._check_time()  # it may have been quick, and the caller slow
                if isinstance(answer, dict) and "error" in answer:
                    kind = _KINDS.get(str(answer.get("kind")), VideoReadError)
                    raise kind(self._path, str(answer["error"]))
                yield answer
        except DecoderLostError as error:
            self._check_time()
            if not may_die:
                raise self._given_up(str(error)) from error
            give_back(self._process)
            # A new one: others that have waited may have been ended as well.
            self._process = self._take_process(DecoderProcess)
            yield from self._ask(**request)

    def _take_process(
        self, take: Callable[[], DecoderProcess] = take_process
    ) -> DecoderProcess:
        """Get a process, on a second try if the first is killed as it starts."""
        with contextlib.suppress(DecoderLostError):
            return take()
        try:
            return DecoderProcess()
        except DecoderLostError as error:
            raise VideoReadError(
                self._path,
                f"was not read: the process that decodes videos {error} as it started, "
                "twice; give it more memory, or work on fewer videos at once (n_jobs)",
            ) from error

    def _nonsense(self) -> VideoReadError:
        assert self._process is not None
        self._process.kill()  # who knows what has become of it
        return self._given_up("answers with nonsense")

    def _given_up(self, how: str) -> VideoReadError:
        return VideoReadError(
            self._path,
            f"was given up: the process that decoded it {how}. The file is damaged, or "
            "made to do so",
        )

    # -- by ffmpeg -----------------------------------------------------------

    def _counted_by_ffmpeg(self) -> Sequence[float]:
        if self._times is not None:
            return self._times
        longest = self._limits.max_duration
        # A little more than what is allowed shows that there is more.
        ends = [self._duration, None if longest is None else longest + 1]
        end = min((each for each in ends if each is not None), default=None)
        command = _ffmpeg.count(self._path, end, self._limits.max_pixels)
        with self._ffmpeg(command) as output:
            times = _ffmpeg.read_times(output)
        if not times:
            limit = f" and has at most max_pixels={self._limits.max_pixels}"
            words = limit if self._is_still else ""
            raise VideoReadError(
                self._path, f"holds no frame that can be decoded{words}"
            )
        if reason := too_long(times[-1], longest):
            raise VideoReadError(self._path, reason)
        self._times = times
        return times

    def _decoded_by_ffmpeg(
        self, numbers: list[int], times: list[float]
    ) -> Iterator[NDArray[np.uint8]]:
        found = self._counted_by_ffmpeg()
        if numbers[-1] >= len(found) or not np.allclose(
            [found[number] for number in numbers], times, rtol=0, atol=SAME_FRAME
        ):
            raise PromiseBrokenError(self._path, "has other frames than it promises")
        command = _ffmpeg.decode(self._path, numbers, self._limits.max_pixels)
        left = len(numbers)
        with self._ffmpeg(command) as output:
            for frame in _ffmpeg.read_frames(output):
                height, width = frame.shape[:2]
                if reason := too_large(width, height, self._limits.max_pixels):
                    raise VideoReadError(self._path, reason)
                left -= 1
                yield frame
        if left:
            raise VideoReadError(self._path, "has a frame that cannot be decoded")

    @contextlib.contextmanager
    def _ffmpeg(self, command: list[str]) -> Iterator[BinaryIO]:
        """Run an ffmpeg and give what it writes; it ends with the block."""
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise VideoReadError(
                self._path, f"was not read: ffmpeg could not be started: {error}"
            ) from error
        with process:
            try:
                self._run(process)
                assert process.stdout is not None
                yield process.stdout  # type: ignore[misc]
            finally:
                process.kill()
        self._check_time()

    # -- time ----------------------------------------------------------------

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Do something that is none of the reader's business, however long."""
        self._pause()
        try:
            yield
        finally:
            self._resume()

    def _resume(self) -> None:
        if self._left is not None:
            self._started = time.monotonic()
            left = min(max(0.0, self._left), threading.TIMEOUT_MAX)
            self._timer = threading.Timer(left, self._expire)
            self._timer.daemon = True
            self._timer.start()

    def _pause(self) -> None:
        if self._timer is not None and self._left is not None:
            self._timer.cancel()
            self._left -= time.monotonic() - self._started

    def _expire(self) -> None:
        self._is_late = True
        if self._running is not None:
            self._running.kill()

    def _run(self, process: DecoderProcess | subprocess.Popen[bytes]) -> None:
        self._running = process
        if self._is_late:  # its time was up before there was something to kill
            process.kill()

    def _check_time(self) -> None:
        if self._is_late:
            raise VideoReadError(
                self._path,
                f"takes longer than timeout={self._limits.timeout:g} seconds; give the "
                "VideoFrameSampler more, or have it sample fewer seconds",
            )
