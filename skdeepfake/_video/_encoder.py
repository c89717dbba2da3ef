"""The bundled ffmpeg: what it is told, how it runs, what it complains of."""

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

# Containers of video only. ffmpeg looks at the content and not at the name, so
# that a playlist or a concat script called x.mp4 would make it open other files.
CONTAINERS = "mov,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"

# x264 gives other pixels with another number of threads. A fixed number gives the
# same copy whatever the machine and `n_jobs`, and is small enough to share cores.
ENCODER_THREADS = 4

FILTERS = ",".join(
    [
        # Frames of two fields, which OpenCV cannot read; it leaves the others alone.
        "bwdif=mode=send_frame:deint=interlaced",
        # The first frame at zero, also where sound starts before the picture.
        "setpts=PTS-STARTPTS",
        # 4:2:0 needs even sizes. Cropping a line neither adds an edge nor resamples.
        "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0",
        "scale=out_range=tv",
        "format=yuv420p",
    ]
)

# Lines in which ffmpeg only passes on that something failed before.
_CONSEQUENCES = re.compile(
    r"Error opening (input|output)|Error parsing options|Failed to set value"
    r"|To ignore this|Conversion failed|Task finished with error|Terminating thread"
    r"|Last message repeated|Nothing was written|Could not open encoder"
)

# Becomes the command, which Linux kills when its parent has ended (PR_SET_PDEATHSIG,
# SIGKILL). The parent is the thread that starts it: `Processes.run` waits in it.
_ENDS_WITH_PARENT = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class Encoding(NamedTuple):
    """What ffmpeg is told of the encoding, as words of its command line."""

    duration: str | None
    crf: str
    preset: str


class Processes:
    """The ffmpeg processes of one call of ``transform``, to end them together.

    An interrupt reaches the main thread only; ffmpeg would go on under the others.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._n_jobs = 0
        self._stopped = False

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process counts its own; joblib ends it with all its children.
        return type(self), ()

    @contextlib.contextmanager
    def job(self) -> Iterator[None]:
        """Hold `stop` back until the files of this job are cleared away."""
        with self._changed:
            self._n_jobs += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_jobs -= 1
                self._changed.notify_all()

    def run(self, command: list[str], timeout: float | None) -> tuple[int, str]:
        """Run a command to its end: its exit status, and its standard error."""
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
                    process.kill()  # nothing, where it has ended by itself
                    process.wait()  # which `with` leaves out after an interrupt
        finally:
            with self._changed:
                self._running.discard(process)
        return process.returncode, stderr.decode("utf-8", errors="replace")

    def stop(self) -> None:
        """Kill what runs, start nothing more, wait until the jobs have cleared up."""
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
    # "file:" and an absolute path: no name is an option, an address or a pipe.
    source = f"file:{path}"
    sink = f"file:{part}"
    trim = [] if encoding.duration is None else ["-t", encoding.duration]
    return [
        *(executable, "-nostdin", "-hide_banner", "-loglevel", "error", "-y"),
        *("-abort_on", "empty_output", "-filter_threads", str(threads)),
        # The source.
        *("-protocol_whitelist", "file", "-format_whitelist", CONTAINERS),
        *pixel_limit(max_pixels),
        *("-threads", str(threads), "-i", source),
        # What is kept of it: the first stream of video that is not a cover picture.
        *("-map", "0:V:0", "-an", "-sn", "-dn"),
        *("-map_metadata", "-1", "-map_chapters", "-1"),
        # The clock of the source: that of a constant rate would round its times.
        *("-vf", FILTERS, *trim, "-fps_mode", "vfr", "-enc_time_base", "filter"),
        *("-c:v", "libx264", "-preset", encoding.preset, "-crf", encoding.crf),
        *("-threads", str(ENCODER_THREADS), "-movflags", "+faststart"),
        *("-f", "mp4", sink),
    ]


def last_words(stderr: str) -> str:
    """Give the last line in which ffmpeg names a cause, without its "[mov @ 0x5..]"."""
    lines = [re.sub(r"^(\[[^]]*\] *)+", "", line) for line in stderr.splitlines()]
    lines = [line.strip() for line in lines if line.strip()]
    causes = [line for line in lines if not _CONSEQUENCES.match(line)]
    return (causes or lines or [""])[-1]
