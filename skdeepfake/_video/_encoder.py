"""Encoding with ffmpeg: command line, processes and error messages."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any, NamedTuple

from .._python import python_executable
from ._ffmpeg import pixel_limit

# Only video containers are allowed. ffmpeg detects the format from the content, so a
# playlist or concat script named x.mp4 could make it open other files.
CONTAINERS = "mov,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"

# The output of x264 depends on the number of threads. A fixed number makes copies
# independent of the machine and of `n_jobs`.
ENCODER_THREADS = 4

FILTERS = ",".join(
    [
        # Deinterlace, since OpenCV cannot read interlaced frames.
        "bwdif=mode=send_frame:deint=interlaced",
        # Start at zero, even if the audio starts before the video.
        "setpts=PTS-STARTPTS",
        # 4:2:0 needs even sizes. Cropping avoids padding and resampling.
        "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0",
        "scale=out_range=tv",
        "format=yuv420p",
    ]
)

# Lines that only report the consequence of an earlier error.
_CONSEQUENCES = re.compile(
    r"Error opening (input|output)|Error parsing options|Failed to set value"
    r"|To ignore this|Conversion failed|Task finished with error|Terminating thread"
    r"|Last message repeated|Nothing was written|Could not open encoder"
)

# Execute the command so that Linux kills it when its parent ends (PR_SET_PDEATHSIG,
# SIGKILL). The parent is the thread that starts it and waits in `Processes.run`.
_ENDS_WITH_PARENT = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class Encoding(NamedTuple):
    """Encoding parameters, as arguments of ffmpeg."""

    duration: str | None
    crf: str
    preset: str


class Processes:
    """Group of ffmpeg processes that can be stopped together.

    An interrupt reaches only the main thread. Processes started by other threads would
    continue.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._n_jobs = 0
        self._stopped = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Each worker process has its own group. joblib kills workers and their
        # child processes.
        return type(self), ()

    @contextlib.contextmanager
    def job(self) -> Iterator[None]:
        """Make `stop` wait until this block has removed its files."""
        with self._changed:
            self._n_jobs += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_jobs -= 1
                self._changed.notify_all()

    def run(self, command: list[str], timeout: float | None) -> tuple[int, str]:
        """Run a command and return its exit status and standard error."""
        with self._changed:
            if self._stopped:
                raise CancelledError
            process = subprocess.Popen(
                _ending_with_parent(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            self._running.add(process)
        try:
            with process:
                try:
                    _, stderr = process.communicate(timeout=timeout)
                finally:
                    process.kill()
                    process.wait()  # `with` does not wait after an interrupt
        finally:
            with self._changed:
                self._running.discard(process)
        return process.returncode, stderr.decode("utf-8", errors="replace")

    def stop(self) -> None:
        """Kill all processes, prevent new ones, and wait for the jobs to end."""
        with self._changed:
            self._stopped = True
            for process in self._running:
                process.kill()
            self._changed.wait_for(lambda: self._n_jobs == 0, timeout=10)


def _ending_with_parent(command: list[str]) -> list[str]:
    if sys.platform != "linux":
        return command
    return [python_executable(), "-ISc", _ENDS_WITH_PARENT, str(os.getpid()), *command]


def command_line(
    executable: str,
    path: str,
    part: str,
    encoding: Encoding,
    threads: int,
    max_pixels: int | None,
) -> list[str]:
    """Return the ffmpeg command that encodes a video.

    With "file:" and absolute paths, ffmpeg cannot mistake a file name for an option, an
    address or a pipe.
    """
    trim = [] if encoding.duration is None else ["-t", encoding.duration]
    return [
        *(executable, "-nostdin", "-hide_banner", "-loglevel", "error", "-y"),
        *("-abort_on", "empty_output", "-filter_threads", str(threads)),
        *("-protocol_whitelist", "file", "-format_whitelist", CONTAINERS),
        *pixel_limit(max_pixels),
        *("-threads", str(threads), "-i", f"file:{path}"),
        # Select the first video stream that is not a cover picture.
        *("-map", "0:V:0", "-an", "-sn", "-dn"),
        *("-map_metadata", "-1", "-map_chapters", "-1"),
        # Use the time base of the source. A constant frame rate would round times.
        *("-vf", FILTERS, *trim, "-fps_mode", "vfr", "-enc_time_base", "filter"),
        *("-c:v", "libx264", "-preset", encoding.preset, "-crf", encoding.crf),
        *("-threads", str(ENCODER_THREADS), "-movflags", "+faststart"),
        *("-f", "mp4", f"file:{part}"),
    ]


def last_words(stderr: str) -> str:
    """Return the last line that reports a cause, without its "[mov @ 0x5..]" prefix."""
    lines = [re.sub(r"^(\[[^]]*\] *)+", "", line) for line in stderr.splitlines()]
    lines = [line.strip() for line in lines if line.strip()]
    causes = [line for line in lines if not _CONSEQUENCES.match(line)]
    return (causes or lines or [""])[-1]
