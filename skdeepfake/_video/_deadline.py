"""Time limit on reading a video, which kills the decoder when it expires."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from ..exceptions import VideoReadError


class Deadline:
    """Time limit on reading a video, as a context manager.

    Time spent in `paused` does not count. When the time is up, the last function passed
    to `on_expiry` is called, and `check` raises an error.
    """

    def __init__(self, path: str, timeout: float | None) -> None:
        self._path, self._timeout = path, timeout
        self._left = None if timeout is None else float(timeout)
        self._started = 0.0
        self._is_late = False
        self._timer: threading.Timer | None = None
        self._kill: Callable[[], None] | None = None

    def __enter__(self) -> Deadline:
        if self._left is not None:
            self._started = time.monotonic()
            left = min(max(0.0, self._left), threading.TIMEOUT_MAX)
            self._timer = threading.Timer(left, self._expire)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._timer is not None and self._left is not None:
            self._timer.cancel()
            self._left -= time.monotonic() - self._started

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Exclude the time spent in this block."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def on_expiry(self, kill: Callable[[], None]) -> None:
        """Set the function to call when the time is up."""
        self._kill = kill
        if self._is_late:
            kill()

    def check(self) -> None:
        """Raise a VideoReadError if the time is up."""
        if self._is_late:
            raise VideoReadError(
                self._path,
                f"takes longer than timeout={self._timeout:g} seconds to process. "
                "Increase timeout or reduce duration of the VideoFrameSampler",
            )

    def _expire(self) -> None:
        self._is_late = True
        if self._kill is not None:
            self._kill()
