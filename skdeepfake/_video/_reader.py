"""Reading of videos in a separate process, with limits on size and time."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exceptions import VideoReadError
from . import _ffmpeg
from ._checks import still_format
from ._deadline import Deadline
from ._opencv import SAME_FRAME, TOLERANCE, seconds_in_gaps, too_large, too_long
from ._process import DecoderLostError, DecoderProcess, give_back, take_process
from ._sampling import Sampling


class Plan(NamedTuple):
    """Frames to sample from a video."""

    indices: NDArray[np.intp]  # increasing
    timestamps: NDArray[np.float64]  # in seconds
    proven: bool  # True if decoding has shown that these frames exist
    missing: float = 0.0  # duration of damaged or missing parts, in seconds


class Limits(NamedTuple):
    """Limits on reading a video. None means no limit."""

    max_pixels: int | None = 8192 * 4320  # per frame; 8K
    max_duration: float | None = 86400.0  # in seconds; one day
    max_bytes: int | None = 2**34  # 16 GiB
    timeout: float | None = 300.0  # in seconds


class PromiseBrokenError(VideoReadError):
    """Frames listed by the container or found in an earlier pass do not exist."""


class _UndecodableError(VideoReadError):
    """OpenCV can open a video but not decode it."""


class _DoubtfulError(VideoReadError):
    """OpenCV may have decoded a video incorrectly."""


_KINDS = {
    "refused": VideoReadError,
    "undecodable": _UndecodableError,
    "doubtful": _DoubtfulError,
    "broken": PromiseBrokenError,
}


class VideoReader:
    """Read one video with OpenCV, or with ffmpeg if OpenCV cannot decode it.

    The path must be absolute. Use the reader as a context manager.
    """

    def __init__(
        self, path: str, sampling: Sampling, duration: float | None, limits: Limits
    ) -> None:
        self._path = path
        self._sampling = sampling
        self._duration = None if duration is None else float(duration)
        self._limits = limits
        self._process: DecoderProcess | None = None
        # Results of earlier passes.
        self._is_still = self._needs_ffmpeg = still_format(path) is not None
        self._trusted = False
        self._times: Sequence[float] | None = None
        # Time of the last frame according to the container and to the packets.
        self._claimed = self._promised = 0.0
        # Total duration of gaps between decoded frames, and between packets if known.
        self._gaps = 0.0
        self._promised_gaps: float | None = None
        self._damaged: bool | None = None
        self._deadline = Deadline(path, limits.timeout)
        self.paused = self._deadline.paused

    def __enter__(self) -> VideoReader:
        self._deadline.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._deadline.__exit__()
        if self._process is not None:
            give_back(self._process)
            self._process = None

    # -- frames --------------------------------------------------------------

    def promised(self) -> Plan | None:
        """Sample from the frames listed by the container, or return None if unknown."""
        if self._is_still:
            return None
        plan = self._ask_for_plan(do="promise")
        if plan is None:
            self._promised_gaps = np.inf
            return None
        self._promised, self._promised_gaps = plan.timestamps[-1], self._gaps
        return plan._replace(missing=self._missing(plan))

    def counted(self) -> Plan:
        """Decode the video and sample at least one of its frames."""
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
        """Return the duration of damaged or missing parts, in seconds."""
        at_end = float(self._claimed - plan.timestamps[-1])
        if at_end <= TOLERANCE or (
            # The audio may be longer than the video.
            self._promised - plan.timestamps[-1] <= TOLERANCE and not self._is_damaged()
        ):
            at_end = 0.0
        return at_end + self._missing_between()

    def _missing_between(self) -> float:
        """Return the duration of gaps due to damage, in seconds."""
        gaps = self._gaps
        if not gaps:
            return 0.0
        if self._promised_gaps is None:
            self.promised()
        assert self._promised_gaps is not None
        # With a variable frame rate, packets and decoded frames have the same gaps.
        is_lost = gaps > self._promised_gaps + SAME_FRAME or self._is_damaged()
        return gaps if is_lost else 0.0

    def _is_damaged(self) -> bool:
        """Return whether ffmpeg, if available, reports damage."""
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
        """Decode frames as RGB, upright and with square pixels, in one pass.

        Raise a PromiseBrokenError if frames do not exist or have different times.
        """
        if self._needs_ffmpeg:
            yield from self._decoded_by_ffmpeg(numbers, times)
            return
        answers = self._ask(
            do="decode",
            trusted=self._trusted,
            numbers=numbers,
            times=times,
            n_threads=n_threads,
            sampling=self._sampling,
        )
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
        """After an error of OpenCV, switch to ffmpeg or decide to trust OpenCV."""
        if isinstance(error, _UndecodableError):
            self._needs_ffmpeg = True
        else:
            with self._ffmpeg(_ffmpeg.describe(self._path)) as output:
                streams = _ffmpeg.read_streams(output, self._path)
            if not streams:
                raise VideoReadError(
                    self._path, "is not a video: it contains audio and a cover picture"
                )
            self._needs_ffmpeg = _ffmpeg.is_interlaced(streams[0])
            self._trusted = True

    # -- OpenCV --------------------------------------------------------------

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
        """Send a request to the decoder process and yield its answers."""
        if self._process is None:
            self._process = self._take_process()
        self._deadline.on_expiry(self._process.kill)
        # An idle process may have been killed to free memory.
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
                self._deadline.check()
                if isinstance(answer, dict) and "error" in answer:
                    kind = _KINDS.get(str(answer.get("kind")), VideoReadError)
                    raise kind(self._path, str(answer["error"]))
                yield answer
        except DecoderLostError as error:
            self._deadline.check()
            if not may_die:
                raise self._given_up(str(error)) from error
            give_back(self._process)
            # Start a new process, since other idle ones may have been killed, too.
            self._process = self._take_process(DecoderProcess)
            yield from self._ask(**request)

    def _take_process(
        self, take: Callable[[], DecoderProcess] = take_process
    ) -> DecoderProcess:
        """Return a decoder process; try twice if it is killed while starting."""
        with contextlib.suppress(DecoderLostError):
            return take()
        try:
            return DecoderProcess()
        except DecoderLostError as error:
            raise VideoReadError(
                self._path,
                "was not read: two decoder processes failed to start. The second one "
                f"{error}. Provide more memory or reduce n_jobs",
            ) from error

    def _nonsense(self) -> VideoReadError:
        assert self._process is not None
        self._process.kill()
        return self._given_up("returned invalid data")

    def _given_up(self, how: str) -> VideoReadError:
        return VideoReadError(
            self._path,
            f"cannot be decoded: the decoder process {how}. The file may be damaged or "
            "malicious",
        )

    # -- ffmpeg --------------------------------------------------------------

    def _counted_by_ffmpeg(self) -> Sequence[float]:
        if self._times is not None:
            return self._times
        longest = self._limits.max_duration
        # One second more than allowed, to detect longer videos.
        ends = [self._duration, None if longest is None else longest + 1]
        end = min((each for each in ends if each is not None), default=None)
        command = _ffmpeg.count(self._path, end, self._limits.max_pixels)
        with self._ffmpeg(command) as output:
            times = _ffmpeg.read_times(output)
        if not times:
            limit = f"more than max_pixels={self._limits.max_pixels} pixels"
            words = f", or its frame has {limit}" if self._is_still else ""
            raise VideoReadError(
                self._path, f"contains no frame that can be decoded{words}"
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
            raise PromiseBrokenError(
                self._path, "has different frames than in the first pass"
            )
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
            raise VideoReadError(self._path, "contains a frame that cannot be decoded")

    @contextlib.contextmanager
    def _ffmpeg(self, command: list[str]) -> Iterator[BinaryIO]:
        """Run ffmpeg and yield its output; kill it at the end of the block."""
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise VideoReadError(
                self._path, f"was not read: ffmpeg could not be started ({error})"
            ) from error
        with process:
            try:
                self._deadline.on_expiry(process.kill)
                assert process.stdout is not None
                yield process.stdout  # type: ignore[misc]
            finally:
                process.kill()
        self._deadline.check()
