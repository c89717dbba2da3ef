"""Main loop of the decoder process, which reads requests and writes answers.

Requests and answers are lines of JSON. If an answer is a frame, its pixels follow.
Nothing is pickled, so that a malicious video in control of this process cannot run code
in its parent.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from . import _opencv
from ._sampling import Sampling

# Memory of Python, NumPy, OpenCV and the stacks of threads, in bytes.
_BASE_MEMORY = 2**31

# Memory per pixel in bytes. Decoders store up to 17 frames and one frame for each of up
# to 16 threads, with up to six bytes per pixel. Conversions need additional memory.
_MEMORY_PER_PIXEL = 220


def serve() -> None:
    """Read requests from standard input and write answers to standard output."""
    requests = sys.stdin.buffer
    # Discard anything that libraries print.
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    # Ctrl-C interrupts all processes of a terminal. The parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prepare_for_crashes()
    try:
        _send(answers, {"ready": True})
    except BrokenPipeError:  # the parent has ended
        os._exit(1)
    os.dup2(nowhere, 2)  # discard messages of FFmpeg
    for line in requests:
        request = json.loads(line)
        _limit_memory(request["max_pixels"])
        for answer in answer_to(request):
            if isinstance(answer, np.ndarray):
                _send(answers, {"shape": answer.shape}, answer)
            else:
                _send(answers, answer)


def answer_to(request: dict[str, Any]) -> Iterator[dict[str, Any] | NDArray[np.uint8]]:
    """Yield the answers to a request."""
    sampling = Sampling(*request.pop("sampling", ()))
    try:
        match request.pop("do"):
            case "promise":
                times, claimed = _opencv.promised_times(**request)
                result = None if times is None else _sampled(times, sampling)
                gaps = _opencv.seconds_in_gaps(times or [])
                yield {"result": result, "claimed": claimed, "gaps": gaps}
            case "count":
                found, claimed = _opencv.decoded_times(**request)
                gaps, result = _opencv.seconds_in_gaps(found), _sampled(found, sampling)
                yield {"result": result, "claimed": claimed, "gaps": gaps}
            case "decode":
                numbers, times = request.pop("numbers"), request.pop("times")
                wanted = dict(zip(numbers, times, strict=True))
                to_end = sampling.reaches_end(len(wanted))
                yield from _opencv.decoded_frames(
                    wanted=wanted, to_end=to_end, **request
                )
                yield {"result": None}
    except _opencv.ReadingError as error:
        yield {"error": error.reason, "kind": error.kind}
    except MemoryError:
        yield {"error": "needs more memory than max_pixels allows", "kind": "refused"}
    except cv2.error as error:
        yield {"error": f"cannot be decoded: {error.err}", "kind": "refused"}


def _sampled(times: list[float], sampling: Sampling) -> tuple[list[int], list[float]]:
    """Return the sampled indices and times.

    The list of all frames may be too large to send.
    """
    found = np.array(times)
    numbers = sampling.choose(found)
    return numbers.tolist(), found[numbers].tolist()


def _send(
    answers: BinaryIO, answer: dict[str, Any], frame: NDArray[np.uint8] | None = None
) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    if frame is not None:
        answers.write(np.ascontiguousarray(frame).data.cast("B"))
    answers.flush()


def _limit_memory(max_pixels: int | None) -> None:
    """Limit memory according to the frame size, if the system supports it."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        needed = _BASE_MEMORY + _MEMORY_PER_PIXEL * (max_pixels or 2**28)
        soft = min(needed, sys.maxsize if hard == resource.RLIM_INFINITY else hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _prepare_for_crashes() -> None:
    """Disable core files, and let Linux kill this process first if memory runs out."""
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
