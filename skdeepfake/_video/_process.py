"""Parent side of the decoder process."""

from __future__ import annotations

import atexit
import collections
import contextlib
import errno
import json
import operator
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._python import python_command
from ..exceptions import WorkerDiedError

# Demuxers that FFmpeg may use. With these demuxers and only the protocol "file", videos
# cannot make FFmpeg open other files or network addresses.
FORMATS = "mov,matroska,avi,mpegts,gif,apng"
_ENVIRONMENT = {
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": (
        f"format_whitelist;{FORMATS}|protocol_whitelist;file"
    ),
    # The memory of the process is limited. Therefore, start no threads for linear
    # algebra, and limit the number of memory arenas.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}

_EXECUTABLE = (
    "If Python is embedded, set its interpreter with multiprocessing.set_executable."
)

_PROGRAM = "from skdeepfake._video._server import serve; serve()"

# Errors due to a temporary lack of memory, processes or file descriptors.
_SHORTAGE = {errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}


class DecoderLostError(Exception):
    """The decoder process failed. The message is a predicate, such as "crashed"."""


def _environment() -> dict[str, str]:
    """Return the environment without the user's OpenCV settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OPENCV_")}
    return {**kept, **_ENVIRONMENT}


class DecoderProcess:
    """Process that reads videos with OpenCV, one at a time.

    It is not a sandbox: it has the same permissions as its parent.
    """

    def __init__(self) -> None:
        command = python_command(_PROGRAM)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
            )
        except OSError as error:
            if error.errno in _SHORTAGE:
                raise DecoderLostError(f"could not be started ({error})") from error
            raise WorkerDiedError(
                f"The decoder process could not be started with {command[0]!r} "
                f"({error}). {_EXECUTABLE}"
            ) from error
        self._between_requests = True
        self.has_waited = False
        try:
            self._answer()
        except DecoderLostError as error:
            self.close()
            if self._process.returncode < 0:  # a signal, for example if memory runs out
                raise
            raise WorkerDiedError(
                f"The decoder process, started with {command[0]!r}, {error} before it "
                f"was ready. See its messages on standard error. {_EXECUTABLE}"
            ) from error

    @property
    def is_usable(self) -> bool:
        """True if the process is alive and idle."""
        return self._between_requests and self._process.poll() is None

    def ask(
        self, max_pixels: int | None, **request: Any
    ) -> Iterator[NDArray[np.uint8] | dict[str, Any]]:
        """Send a request and yield the answers."""
        self._between_requests = False
        request["max_pixels"] = max_pixels
        # Convert NumPy numbers.
        line = json.dumps(request, default=operator.methodcaller("item")).encode()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except OSError as error:  # a broken pipe
            raise self._lost() from error
        while "shape" in (answer := self._answer()):
            yield self._frame(answer["shape"], max_pixels)
        self._between_requests = self.has_waited = True
        yield answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._lost()
        with contextlib.suppress(ValueError):
            answer = json.loads(line)
            if isinstance(answer, dict):
                return answer
        raise DecoderLostError("returned invalid data")

    def _frame(self, shape: Any, max_pixels: int | None) -> NDArray[np.uint8]:
        match shape:
            case [int(height), int(width), 3] if height > 0 and width > 0:
                pass
            case _:
                raise DecoderLostError("returned invalid data")
        if max_pixels is not None and height * width > max_pixels:
            raise DecoderLostError("returned a frame larger than max_pixels")
        frame = np.empty((height, width, 3), np.uint8)
        assert self._process.stdout is not None
        # A buffered reader fills the array unless the process has ended.
        if self._process.stdout.readinto(frame.data.cast("B")) < frame.nbytes:  # type: ignore[attr-defined]
            raise self._lost()
        return frame

    def _lost(self) -> DecoderLostError:
        code = self._process.wait()
        if code >= 0:
            return DecoderLostError(f"ended with exit status {code}")
        if -code == getattr(signal, "SIGKILL", None):
            return DecoderLostError("was killed, possibly due to lack of memory")
        with contextlib.suppress(ValueError):
            return DecoderLostError(f"crashed ({signal.Signals(-code).name})")
        return DecoderLostError(f"crashed (signal {-code})")

    def kill(self) -> None:
        """Kill the process. Any thread may call it."""
        self._process.kill()

    def close(self) -> None:
        """Kill the process and close its pipes."""
        self.kill()
        with self._process, contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()  # may flush an unread request

    def forget(self) -> None:
        """After a fork, close the pipes of a process that belongs to the parent."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.returncode = 0  # do not wait for it


# Idle processes. Append and pop are atomic.
_idle: collections.deque[DecoderProcess] = collections.deque()


def take_process() -> DecoderProcess:
    """Return a process for exclusive use: an idle one or a new one."""
    while _idle:
        with contextlib.suppress(IndexError):  # another thread took it
            process = _idle.pop()
            if process.is_usable:
                return process
            process.close()
    return DecoderProcess()


def give_back(process: DecoderProcess) -> None:
    """Keep a process for later use, or kill it if its request is unfinished."""
    if process.is_usable:
        process.has_waited = True
        _idle.append(process)
    else:
        process.close()


@atexit.register
def _close_all() -> None:
    while _idle:
        _idle.pop().close()


def _forget_all() -> None:
    while _idle:
        _idle.pop().forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
