"""Analyze one video, or many."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import StrOptions

from .._docs import shared_docs
from .._models import Model, load_model
from .._parallel import map_videos
from .._validation import validated
from .._video._checks import check_paths
from ..exceptions import NoFaceWarning, VideoReadError, VideoReadWarning
from ._analysis import VideoAnalysis
from ._collection import VideoAnalyses
from ._findings import analyze, make_content
from ._resume import Folder

_CONSTRAINTS: dict[str, list[Any]] = {
    "detector": [Pipeline, str, os.PathLike, None],
    "thresholds": ["array-like", Real, None],
    "heatmaps": ["boolean"],
}
_with_shared_docs = shared_docs(
    {
        "detector": """\
    detector : Pipeline, str, os.PathLike or None, default=None
        A fitted pipeline from paths to probabilities with a step "sampler", the name of
        a detector of this package, or the file of one: ``*.skops``, ``*.npz`` or a
        joblib file, which is a pickle: load only those that you wrote. None is the
        reference detector.
    thresholds : float, tuple of (float, float) or None, default=None
        Videos below the first are called real, above the second fake, and uncertain
        between them; a single number leaves no band. None takes those of the model card
        for the reference detector, 0.2 and 0.5, and 0.5 for others.
"""
    }
)


@_with_shared_docs
@validated(path=[str, os.PathLike], **_CONSTRAINTS)
def analyze_video(
    path: str | os.PathLike[str],
    detector: Any = None,
    *,
    thresholds: float | tuple[float, float] | None = None,
    heatmaps: bool = True,
) -> VideoAnalysis:
    """Analyze a video for signs of manipulated faces.

    Parameters
    ----------
    path : str or os.PathLike
        The video, or a picture (JPEG, PNG, WebP), which is a video of one frame.
    {{detector}}
    heatmaps : bool, default=True
        Whether to locate the evidence in the most suspicious faces, by
        :func:`~skdeepfake.inspection.grad_cam`. This loads Keras for detectors other
        than the reference detector.

    Returns
    -------
    VideoAnalysis
        The verdict and what it rests on.

    Raises
    ------
    VideoReadError
        If the video cannot be read.
    ValueError
        If `detector` is not a pipeline that skdeepfake trained, or a threshold is not
        between 0 and 1.

    See Also
    --------
    analyze_videos : Many videos, with one table.
    skdeepfake.load_detector : The reference detector, and what it cannot do.

    Notes
    -----
    The thresholds 0.2 and 0.5 of the reference detector were chosen on held-out data.
    Above 0.5 at most 5 % of the real clips were called fake at each encoding that was
    tried. Below 0.2 a video is called real, as 17 % of the fakes were. About half of
    the fakes lie between.

    Examples
    --------
    >>> import tempfile
    >>> from skdeepfake import analyze_video, make_videos
    >>> folder = tempfile.TemporaryDirectory()
    >>> videos = make_videos(folder.name, n_real=1, n_fake=1, random_state=0)
    >>> analysis = analyze_video(videos.data[0])
    >>> analysis.coverage
    1.0
    >>> analysis.record["container"]["codec"]
    'h264'
    >>> folder.cleanup()
    """
    model = load_model(detector, on_error="skip")
    with _part_of_the_result():
        return analyze(str(os.fspath(path)), model, _check(thresholds, model), heatmaps)


@_with_shared_docs
@validated(
    **_CONSTRAINTS,
    on_error=[StrOptions({"raise", "skip"})],
    resume=[str, os.PathLike, None],
    n_jobs=[Integral, None],
    verbose=["verbose"],
)
def analyze_videos(
    paths: ArrayLike,
    detector: Any = None,
    *,
    thresholds: float | tuple[float, float] | None = None,
    heatmaps: bool = False,
    on_error: str = "raise",
    resume: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> VideoAnalyses:
    """Analyze many videos.

    Parameters
    ----------
    paths : array-like of shape (n_videos,) of str or os.PathLike
        Videos and pictures.
    {{detector}}
    heatmaps : bool, default=False
        Whether to locate the evidence in the most suspicious faces of each video, for
        the pages.
    on_error : {"raise", "skip"}, default="raise"
        ``"skip"`` analyzes the other videos if one cannot be read. Its verdict is
        "unreadable", and its `error` says why.
    resume : str, os.PathLike or None, default=None
        Folder that keeps each analysis when it is finished. A later call with the same
        folder does not repeat those of the same content, detector and parameters.
    n_jobs : int or None, default=None
        Videos analyzed at once, by default as threads. None is 1, -1 all cores.
    verbose : int, default=1
        1 shows a progress bar, 0 none.

    Returns
    -------
    VideoAnalyses
        A sequence of :class:`VideoAnalysis` in the order of `paths`, with one table.

    Raises
    ------
    VideoReadError
        If a video cannot be read and ``on_error="raise"``.
    ValueError
        If `paths` is not a one-dimensional collection of paths, or as for
        :func:`analyze_video`.

    See Also
    --------
    analyze_video : A single video.

    Examples
    --------
    >>> from skdeepfake import analyze_videos
    >>> analyses = analyze_videos(
    ...     ["a.mp4", "b.mp4"], on_error="skip", verbose=0
    ... )
    >>> analyses[0].verdict, analyses[0].error
    ('unreadable', 'cannot be found: No such file or directory')
    """
    listed = check_paths(paths, caller="analyze_videos")
    model = load_model(detector, on_error="skip")
    limits = _check(thresholds, model)
    one = partial(analyze, model=model, thresholds=limits, heatmaps=heatmaps)
    if resume is not None:
        one = partial(Folder(resume, model, limits, heatmaps).recall_or, analyze=one)
    if on_error == "skip":
        one = partial(_analyze_or_skip, analyze=one, thresholds=limits)
    with _part_of_the_result():
        found = map_videos(
            one, listed, n_jobs=n_jobs, verbose=verbose, desc="analyzing"
        )
        return VideoAnalyses(list(found))


def _check(thresholds: Any, model: Model) -> tuple[float, float]:
    if thresholds is None:
        return model.thresholds
    limits = np.ravel(np.asarray(thresholds, dtype=float))
    if len(limits) not in (1, 2) or not (0 <= limits[0] <= limits[-1] <= 1):
        raise ValueError(
            f"thresholds={thresholds!r} must be one or two increasing numbers from 0 "
            "to 1"
        )
    return float(limits[0]), float(limits[-1])


@contextlib.contextmanager
def _part_of_the_result() -> Iterator[None]:
    """Ignore warnings that an analysis has as its verdict or notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoFaceWarning)
        warnings.simplefilter("ignore", VideoReadWarning)
        yield


def _analyze_or_skip(
    path: str,
    analyze: Callable[[str], VideoAnalysis],
    thresholds: tuple[float, float],
) -> VideoAnalysis:
    try:
        return analyze(path)
    except VideoReadError as error:
        content = make_content(path, thresholds, error=error.reason)
        return VideoAnalysis(content)
