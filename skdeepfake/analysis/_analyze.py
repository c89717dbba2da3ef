"""Analyze one or more videos."""

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
    "detector": [Pipeline, str, os.PathLike, Model, None],
    "thresholds": ["array-like", Real, None],
    "heatmaps": ["boolean"],
}
_with_shared_docs = shared_docs(
    {
        "detector": """\
    detector : Pipeline, str, os.PathLike or None, default=None
        Name of a detector in this package, path of a model file (``*.skops``, ``*.npz``
        or joblib), or fitted pipeline that predicts from paths and has a step
        "sampler". A joblib file is a pickle and can run code. Only load it if you trust
        its source. None uses the reference detector, which is included in this package.
    thresholds : float, tuple of (float, float) or None, default=None
        Thresholds of the verdict, which is "real" below the first threshold, "fake"
        above the second, and "uncertain" otherwise. A single number sets both. None
        uses 0.1 and 0.5 for the reference detector, and 0.5 for other detectors.
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
        Path of the video. A picture (JPEG, PNG or WebP) is treated as a single frame.
    {{detector}}
    heatmaps : bool, default=True
        If True, use :func:`~skdeepfake.inspection.grad_cam` to compute heatmaps of the
        three faces with the highest probabilities. This loads Keras for all detectors
        except the reference detector.

    Returns
    -------
    VideoAnalysis
        Verdict and evidence.

    Raises
    ------
    VideoReadError
        If the video cannot be read.
    ValueError
        If `detector` is not a known name, a model file or a pipeline of skdeepfake, or
        if `thresholds` is not one number or two increasing numbers between 0 and 1.

    See Also
    --------
    analyze_videos : Analyze many videos.
    skdeepfake.load_detector : Load the reference detector.

    Notes
    -----
    The thresholds of the reference detector, 0.1 and 0.5, were chosen on held-out data.
    These data contain real clips in several encodings. In each encoding, at most 5% of
    the real clips had a probability above 0.5. Of the fakes, 13% had a probability
    below 0.1, and 45% had a probability between the thresholds.

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
        Paths of videos or pictures.
    {{detector}}
    heatmaps : bool, default=False
        If True, compute heatmaps of the three faces with the highest probabilities in
        each video, and show these heatmaps in the HTML pages of the results.
    on_error : {"raise", "skip"}, default="raise"
        Handling of videos that cannot be read. "skip" gives them the verdict
        "unreadable", stores the reason in the attribute `error` of their analyses, and
        continues with the other videos.
    resume : str, os.PathLike or None, default=None
        Folder that stores each finished analysis. Later calls reuse an analysis if the
        content of the video, the detector and the parameters have not changed. None
        stores nothing.
    n_jobs : int or None, default=None
        Number of videos analyzed in parallel. Threads are used by default. None means
        1, and -1 uses all cores.
    verbose : int, default=1
        If 1, show a progress bar.

    Returns
    -------
    VideoAnalyses
        Sequence of :class:`VideoAnalysis` in the order of `paths`.

    Raises
    ------
    VideoReadError
        If a video cannot be read and ``on_error="raise"``.
    ValueError
        If `paths` is not one-dimensional, or if `detector` or `thresholds` is invalid,
        as in :func:`analyze_video`.

    See Also
    --------
    analyze_video : Analyze one video.

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
            "thresholds must be one or two increasing numbers between 0 and 1; got "
            f"{thresholds!r}."
        )
    return float(limits[0]), float(limits[-1])


@contextlib.contextmanager
def _part_of_the_result() -> Iterator[None]:
    """Ignore warnings that the verdict or the notes report as well."""
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
