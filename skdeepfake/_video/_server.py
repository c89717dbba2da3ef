"""The decoder's process: it reads requests and writes answers until told to end.

Requests and answers are lines of JSON; the pixels of a frame follow its line. Nothing
is pickled, so that a video that takes over this process has no say in the parent.
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

# Beside the pixels: Python, NumPy, OpenCV, and the stacks of threads.
_BASE_MEMORY = 2**31

# What a pixel may need: a decoder keeps up to 17 frames, and one more for each of up
# to 16 threads, of up to three times two bytes a pixel; and what is made of one.
_MEMORY_OF_PIXEL = 220


def serve() -> None:
    """Answer requests on the standard input, on the standard output, until its end."""
    requests = sys.stdin.buffer
    # What a library may print goes nowhere.
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    # Ctrl-C goes to all processes of a terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _be_the_first_to_go()
    try:
        _send(answers, {"ready": True})
    except BrokenPipeError:  # the parent has died in the meantime
        os._exit(1)
    os.dup2(nowhere, 2)  # from here on it is FFmpeg that complains
    for line in requests:
        request = json.loads(line)
        _limit_memory(request["max_pixels"])
        for answer in answer_to(request):
            if isinstance(answer, np.ndarray):
                _send(answers, {"shape": answer.shape}, answer)
            else:
                _send(answers, answer)


def answer_to(request: dict[str, Any]) -> Iterator[dict[str, Any] | NDArray[np.uint8]]:
    """Do what a request asks for."""
    sampling = _opencv.Sampling(*request.pop("sampling", ()))
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
        yield {"error": "needs more memory than its size explains", "kind": "refused"}
    except cv2.error as error:
        yield {"error": f"cannot be decoded: {error.err}", "kind": "refused"}


def _sampled(
    times: list[float], sampling: _opencv.Sampling
) -> tuple[list[int], list[float]]:
    """Choose here: a file can claim more frames than its parent has memory for."""
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
    """Keep to what frames of that size explain, where the system can limit it."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on all systems
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        needed = _BASE_MEMORY + _MEMORY_OF_PIXEL * (max_pixels or 2**28)
        soft = min(needed, sys.maxsize if hard == resource.RLIM_INFINITY else hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _be_the_first_to_go() -> None:
    """Leave no core file, and be killed before the parent where memory runs out."""
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
