"""The parent's side of the decoder's process: start it, ask it, lose it."""

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

# The containers that FFmpeg may take a file for, by the names of its demuxers, and the
# one way to open it: nothing in a file can make it open another file or an address.
FORMATS = "mov,matroska,avi,mpegts,gif,apng"
_ENVIRONMENT = {
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": (
        f"format_whitelist;{FORMATS}|protocol_whitelist;file"
    ),
    # No pool of threads for linear algebra, which there is none of, and no address
    # space for each thread of the decoder: the process has a limit of memory.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}

_EXECUTABLE = (
    "Where Python is embedded, set its interpreter by multiprocessing.set_executable"
)

_PROGRAM = "from skdeepfake._video._server import serve; serve()"

# Too little memory, or too many processes, for one more at this moment.
_SHORTAGE = {errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}


class DecoderLostError(Exception):
    """The process has ended in the middle of its work: how, in words."""


def _environment() -> dict[str, str]:
    """Return the environment without the user's settings of OpenCV's decoders."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OPENCV_")}
    return {**kept, **_ENVIRONMENT}


class DecoderProcess:
    """A process that reads videos by OpenCV, one after the other.

    It is no sandbox: it runs with the rights of its parent.
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
                f"the process that decodes videos could not be started by "
                f"{command[0]!r} ({error}). {_EXECUTABLE}"
            ) from error
        self._between_requests = True
        self.has_waited = False
        try:
            self._answer()
        except DecoderLostError as error:
            self.close()
            if self._process.returncode < 0:  # a signal, as when memory runs out
                raise
            raise WorkerDiedError(
                f"the process that decodes videos, started by {command[0]!r}, {error} "
                "before it was ready; see what it wrote to the standard error. "
                f"{_EXECUTABLE}"
            ) from error

    @property
    def is_usable(self) -> bool:
        """Whether it lives, and nothing is left of an earlier answer."""
        return self._between_requests and self._process.poll() is None

    def ask(
        self, max_pixels: int | None, **request: Any
    ) -> Iterator[NDArray[np.uint8] | dict[str, Any]]:
        """Ask for something."""
        self._between_requests = False
        request["max_pixels"] = max_pixels
        # Of the numbers, some may be NumPy's.
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
        raise DecoderLostError("answers with nonsense")

    def _frame(self, shape: Any, max_pixels: int | None) -> NDArray[np.uint8]:
        match shape:
            case [int(height), int(width), 3] if height > 0 and width > 0:
                pass
            case _:
                raise DecoderLostError("answers with nonsense")
        if max_pixels is not None and height * width > max_pixels:
            raise DecoderLostError("answers with more than it was asked for")
        frame = np.empty((height, width, 3), np.uint8)
        assert self._process.stdout is not None
        # A buffered reader: it fills the whole, unless the other side is gone.
        if self._process.stdout.readinto(frame.data.cast("B")) < frame.nbytes:  # type: ignore[attr-defined]
            raise self._lost()
        return frame

    def _lost(self) -> DecoderLostError:
        code = self._process.wait()
        if code >= 0:
            return DecoderLostError(f"ended with exit status {code}")
        if -code == getattr(signal, "SIGKILL", None):
            return DecoderLostError("was killed, perhaps for want of memory")
        with contextlib.suppress(ValueError):
            return DecoderLostError(f"crashed ({signal.Signals(-code).name})")
        return DecoderLostError(f"crashed (signal {-code})")

    def kill(self) -> None:
        """End the process, whatever it does. Any thread may call it."""
        self._process.kill()

    def close(self) -> None:
        """End the process and forget it."""
        self.kill()
        with self._process, contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()  # a request that was not read is lost

    def forget(self) -> None:
        """Let go of a process that belongs to another one, which was forked."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.returncode = 0  # it is not ours to wait for


# Those that wait for work. Appending and popping are atomic.
_idle: collections.deque[DecoderProcess] = collections.deque()


def take_process() -> DecoderProcess:
    """Get a process for this thread alone: one that waits, or a new one."""
    while _idle:
        with contextlib.suppress(IndexError):  # another thread was quicker
            process = _idle.pop()
            if process.is_usable:
                return process
            process.close()
    return DecoderProcess()


def give_back(process: DecoderProcess) -> None:
    """Keep a process for others, or end it where its work was broken off."""
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
