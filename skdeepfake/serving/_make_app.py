"""Web application for analyzing uploaded videos."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import Interval

from .._models import Model, load_model
from .._validation import validated
from .._video._reader import Limits
from ..analysis import analyze_video
from ..exceptions import VideoReadError

#: Host names of the server for browsers on the same machine.
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_POSITIVE = [Interval(Integral, 1, None, closed="left")]
_POSITIVE_OR_NONE = [Interval(Real, 0, None, closed="neither"), None]


@validated(
    detector=[Pipeline, str, os.PathLike, Model, None],
    thresholds=["array-like", Real, None],
    heatmaps=["boolean"],
    max_bytes=_POSITIVE,
    max_pixels=[*_POSITIVE, None],
    max_duration=_POSITIVE_OR_NONE,
    timeout=_POSITIVE_OR_NONE,
    allowed_hosts=["array-like"],
    n_jobs=_POSITIVE,
    max_waiting=_POSITIVE,
    max_kept=_POSITIVE,
)
def make_app(
    detector: Any = None,
    *,
    thresholds: float | tuple[float, float] | None = None,
    heatmaps: bool = True,
    max_bytes: int = 2**30,
    max_pixels: int | None = Limits().max_pixels,
    max_duration: float | None = Limits().max_duration,
    timeout: float | None = Limits().timeout,
    allowed_hosts: Sequence[str] = LOOPBACK,
    n_jobs: int = 1,
    max_waiting: int = 16,
    max_kept: int = 50,
) -> Any:
    """Make a web application that analyzes uploaded videos.

    The page at ``/`` accepts videos, and ``/docs`` describes the REST interface. All
    pages are self-contained. The application requires the extra ``serve``. The command
    ``skdeepfake serve`` runs it.

    There are no user accounts. Anyone who can reach the application can upload videos.
    Each result can only be accessed through its random ID.

    Parameters
    ----------
    detector : Pipeline, str, os.PathLike or None, default=None
        Detector, as in :func:`~skdeepfake.analyze_video`. A model file is loaded only
        once.
    thresholds : float, tuple of (float, float) or None, default=None
        Thresholds of the verdict, as in :func:`~skdeepfake.analyze_video`.
    heatmaps : bool, default=True
        If True, compute heatmaps of the three faces with the highest probabilities.
    max_bytes : int, default=2**30
        Maximum size of an upload in bytes. Larger uploads are rejected immediately
        if the Content-Length header gives their size, and otherwise as soon as they
        exceed the limit.
    max_pixels : int or None, default=35389440
        Maximum number of pixels per frame. None disables the limit.
    max_duration : float or None, default=86400.0
        Maximum duration of a video in seconds. None disables the limit.
    timeout : float or None, default=300.0
        Time limit in seconds, applied separately to the upload and to the decoding of
        a video. None disables the limit.
    allowed_hosts : sequence of str, default=("127.0.0.1", "localhost", "::1")
        Accepted host names in the Host header of a request, without the port. Requests
        for other host names are rejected, which prevents DNS rebinding attacks.
    n_jobs : int, default=1
        Number of videos analyzed in parallel, each in a separate thread.
    max_waiting : int, default=16
        Maximum number of videos that are being uploaded, waiting or being analyzed.
        Further uploads are rejected.
    max_kept : int, default=50
        Maximum number of finished analyses kept in memory. Older analyses are deleted.

    Returns
    -------
    fastapi.FastAPI
        Application for an ASGI server such as uvicorn.

    Raises
    ------
    ImportError
        If the extra ``serve`` is not installed.
    ValueError
        If `detector` or `thresholds` is invalid, as in
        :func:`~skdeepfake.analyze_video`, or if another parameter is invalid.

    See Also
    --------
    skdeepfake.analyze_video : Analyze a video.

    Notes
    -----
    The body of an upload request is the video file. It is written to a temporary file,
    which is deleted when the analysis ends. Errors are JSON objects with the keys
    `error` ("too large", "unreadable", "busy", "forbidden", "not found", "timeout",
    "invalid" or "failed") and `message`.

    Examples
    --------
    >>> from skdeepfake.serving import make_app
    >>> app = make_app(max_bytes=50 * 2**20)
    >>> app.title
    'skdeepfake'
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "The web application requires FastAPI and uvicorn. Install them with: pip "
            "install 'skdeepfake[serve]'"
        ) from error
    from ._app import build
    from ._jobs import Jobs

    model = load_model(detector, on_error="skip")
    limits = {
        "max_bytes": max_bytes,
        "max_pixels": max_pixels,
        "max_duration": max_duration,
        "timeout": timeout,
    }
    model = _limited(model, limits)
    with contextlib.suppress(VideoReadError):  # only checks the thresholds
        analyze_video(os.devnull, model, thresholds=thresholds)
    jobs = Jobs(
        model,
        {"thresholds": thresholds, "heatmaps": heatmaps},
        n_jobs=n_jobs,
        max_waiting=max_waiting,
        max_kept=max_kept,
    )
    return build(jobs, max_bytes, timeout, [host.lower() for host in allowed_hosts])


def _limited(model: Model, limits: dict[str, Any]) -> Model:
    """Return a copy of a model whose sampler has the given limits."""
    pipeline = copy.copy(model.pipeline)
    sampler = copy.copy(pipeline.named_steps["sampler"]).set_params(**limits)
    pipeline.steps = [
        (name, sampler if name == "sampler" else step) for name, step in pipeline.steps
    ]
    return Model(pipeline, model.name, model.file_sha256, model.info)
