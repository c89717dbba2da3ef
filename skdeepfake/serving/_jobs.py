"""Queue of the analyses of uploads, with the latest results."""

from __future__ import annotations

import contextlib
import copy
import os
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from .._atomic import temporary_folder
from .._models import Model
from ..analysis import VideoAnalysis, analyze_video
from ..exceptions import VideoReadError
from ._errors import ServiceError


@dataclass(eq=False)
class Job:
    """Analysis of one upload."""

    name: str  # name of the file on the client
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: Literal["waiting", "analyzing", "done", "failed"] = "waiting"
    analysis: VideoAnalysis | None = None
    error: ServiceError | None = None
    finished: Future[None] = field(default_factory=Future)


class Jobs:
    """Run analyses in threads, and keep the latest results.

    `params` are passed to `analyze_video`. The threads and the upload folder only exist
    inside the context manager `running`.
    """

    def __init__(
        self,
        model: Model,
        params: dict[str, Any],
        *,
        n_jobs: int,
        max_waiting: int,
        max_kept: int,
    ) -> None:
        self._model, self._params = model, params
        self._n_jobs, self._max_waiting, self._max_kept = n_jobs, max_waiting, max_kept
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}  # in the order of submission
        self._n_arriving = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start the threads, and wait for them on exit."""
        with temporary_folder() as self._folder:
            self._pool = ThreadPoolExecutor(self._n_jobs, "skdeepfake-analysis")
            try:
                yield
            finally:
                self._pool.shutdown(cancel_futures=True)

    @contextlib.contextmanager
    def upload(self) -> Iterator[str]:
        """Yield a path for an upload; raise an error if too many videos are waiting.

        The file is deleted after its analysis, or if the block raises an error.
        """
        with self._lock:
            active = sum(not job.finished.done() for job in self._jobs.values())
            if active + self._n_arriving >= self._max_waiting:
                text = (
                    f"{self._max_waiting} videos are being uploaded, waiting or being "
                    "analyzed. Try again later."
                )
                raise ServiceError("busy", text)
            self._n_arriving += 1
        path = os.path.join(self._folder, secrets.token_hex(16))
        try:
            yield path
        except BaseException:
            _delete(path)
            raise
        finally:
            with self._lock:
                self._n_arriving -= 1

    def submit(self, path: str, name: str) -> Job:
        """Queue the analysis of a file, which is deleted afterwards."""
        job = Job(name)
        with self._lock:
            self._jobs[job.id] = job
        self._pool.submit(self._run, job, path)
        return job

    def get(self, id: str) -> Job:
        """Return the job with this id."""
        with self._lock:
            if id not in self._jobs:
                text = "There is no analysis with this id. Old analyses are deleted."
                raise ServiceError("not found", text)
            return self._jobs[id]

    def n_before(self, job: Job) -> int:
        """Return the number of unfinished jobs submitted before a job."""
        with self._lock:
            earlier = list(self._jobs.values())
        if job not in earlier:
            return 0
        earlier = earlier[: earlier.index(job)]
        return sum(not each.finished.done() for each in earlier)

    def forget(self, id: str) -> None:
        """Remove a job without interrupting a running analysis."""
        self.get(id)
        with self._lock:
            self._jobs.pop(id, None)

    def _run(self, job: Job, path: str) -> None:
        try:
            self.get(job.id)  # raises an error if the job was deleted
            job.state = "analyzing"
            found = analyze_video(path, self._model, **self._params)
            job.analysis, job.state = _renamed(found, job.name), "done"
        except ServiceError as error:
            job.error = error
        except VideoReadError as error:
            job.error = ServiceError("unreadable", f"This file {error.reason}.")
        except Exception as error:  # the server continues
            text = f"The analysis failed: {type(error).__name__}."
            job.error = ServiceError("failed", text)
        finally:
            if job.error is not None:
                job.state = "failed"
            _delete(path)
            job.finished.set_result(None)
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        with self._lock:
            done = [id for id, job in self._jobs.items() if job.finished.done()]
            for id in done[: max(len(done) - self._max_kept, 0)]:
                del self._jobs[id]


def _renamed(analysis: VideoAnalysis, name: str) -> VideoAnalysis:
    """Replace the temporary path with the name of the file on the client."""
    content = copy.deepcopy(dict(analysis.content))
    content["path"] = content["record"]["file"]["name"] = name
    return VideoAnalysis(content, analysis.pictures)


def _delete(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
