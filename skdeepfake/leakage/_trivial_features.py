"""Features of videos that do not depend on the faces, asked of ffmpeg or measured."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import Bunch
from sklearn.utils._param_validation import HasMethods

from .._validation import select_names, validated
from .._video._checks import check_absolute_paths
from .._video._metadata import ContainerMetadata, container_metadata
from .._video._reader import Limits
from ..exceptions import VideoReadWarning
from ..preprocessing import DlibFaceCropper, VideoFrameSampler

# Those that the container knows, then the one that must be looked for.
OF_CONTAINERS = (
    "file_size",
    "bit_rate",
    "frame_rate",
    "duration",
    "width",
    "height",
    "codec",
)
FACE_SIZE = "face_size"
TRIVIAL_FEATURES = (*OF_CONTAINERS, FACE_SIZE)

_N_FRAMES = 3


@validated(
    features=[str, "array-like", set],
    sampler=[HasMethods("transform"), None],
    cropper=[HasMethods("fit_transform"), None],
    n_jobs=[Integral, None],
    verbose=["verbose"],
)
def trivial_features(
    paths: ArrayLike,
    *,
    features: str | Iterable[str] = "all",
    sampler: VideoFrameSampler | None = None,
    cropper: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Bunch:
    """Measure features of the files that do not depend on the faces.

    Fakes are written by other tools than real videos: with another codec, bit rate or
    length. A detector that learns such a difference works on this data set only.
    :func:`leakage_report` tells how well these features separate the classes.

    Parameters
    ----------
    paths : array-like of shape (n_videos,) of str or os.PathLike
        The videos.
    features : str or iterable of str, default="all"
        Names of the features below, or ``"all"``. Only ``"face_size"`` takes long.
    sampler : VideoFrameSampler or None, default=None
        Selects the frames in which faces are searched, and gives limits and `on_error`.
        None is ``VideoFrameSampler(n_frames=3, on_error="skip")``.
    cropper : transformer or None, default=None
        Finds the faces. None is a :class:`~skdeepfake.preprocessing.DlibFaceCropper`.
    n_jobs : int or None, default=None
        Number of videos read at once. A given sampler or cropper has its own.
    verbose : int, default=0
        1 shows progress bars.

    Returns
    -------
    :class:`~sklearn.utils.Bunch` of ndarray, each of shape (n_videos,)
        Those that were asked for, of dtype float64 with NaN where nothing is known:

        - `file_size`: bytes;
        - `bit_rate`: bits per second of the whole file, its sound included;
        - `frame_rate`: frames per second, on average;
        - `duration`: seconds;
        - `width` and `height`: pixels of the frames as stored, before any rotation;
        - `codec`: ffmpeg's name, such as ``"h264"``, dtype object, None if unknown;
        - `face_size`: height of the crops, median of those found, in pixels.

    Raises
    ------
    VideoReadError
        If a video cannot be read, and the sampler's `on_error` is ``"raise"``.
    TypeError
        If `sampler` is no VideoFrameSampler.
    ValueError
        If there is no such feature, or `paths` is not a one-dimensional collection.

    Warns
    -----
    VideoReadWarning
        For each video that cannot be read; its figures are NaN.
    NoFaceWarning
        For each video without a face; its `face_size` is NaN.

    See Also
    --------
    leakage_report : How well each of them tells real from fake.
    skdeepfake.preprocessing.VideoTranscoder : Makes most of them alike.

    Examples
    --------
    >>> import tempfile
    >>> from skdeepfake.datasets import make_videos
    >>> from skdeepfake.leakage import trivial_features
    >>> folder = tempfile.TemporaryDirectory()
    >>> videos = make_videos(folder.name, n_real=1, n_fake=1, duration=1)
    >>> found = trivial_features(videos.data, features=["duration", "height", "codec"])
    >>> found.duration, found.height, found.codec
    (array([1., 1.]), array([240., 240.]), array(['h264', 'h264'], dtype=object))
    >>> folder.cleanup()
    """
    names = select_names(features, TRIVIAL_FEATURES, "features", allow_none=True)
    listed = check_absolute_paths(paths, caller="trivial_features")
    if sampler is None:
        sampler = VideoFrameSampler(_N_FRAMES, on_error="skip", n_jobs=n_jobs)
    elif not isinstance(sampler, VideoFrameSampler):
        raise TypeError(
            f"sampler must be a VideoFrameSampler, got {type(sampler).__name__}"
        )
    if cropper is None:
        cropper = DlibFaceCropper(n_jobs=n_jobs, verbose=verbose)
    sampler._validate_params()
    found: dict[str, NDArray] = {}
    readable = np.ones(len(listed), dtype=bool)
    if set(names) & set(OF_CONTAINERS):
        found, readable = _of_containers(listed, sampler, n_jobs, verbose)
    if FACE_SIZE in names:
        sizes = np.full(len(listed), np.nan)
        # Of the others has been told already.
        paths_left = [p for p, good in zip(listed, readable, strict=True) if good]
        if paths_left:
            clips = clone(sampler).fit_transform(paths_left)
            crops = clone(cropper).fit_transform(clips)
            sizes[readable] = [_median_height(row) for row in crops]
        found[FACE_SIZE] = sizes
    return Bunch(**{name: found[name] for name in names})


def _of_containers(
    paths: Sequence[str], sampler: Any, n_jobs: int | None, verbose: int
) -> tuple[dict[str, NDArray], NDArray[np.bool_]]:
    """Ask the containers; the second array tells which videos can be read."""
    limits = Limits(*(getattr(sampler, name) for name in Limits._fields))
    answers = container_metadata(paths, limits, n_jobs=n_jobs, verbose=verbose)
    rows, readable = [], np.ones(len(paths), dtype=bool)
    for number, answer in enumerate(answers):
        if isinstance(answer, ContainerMetadata):
            rows.append(answer)
            continue
        if sampler.on_error == "raise":
            raise answer
        # Past this function and scikit-learn's check of parameters.
        warnings.warn(VideoReadWarning(*answer.args), stacklevel=4)
        rows.append(ContainerMetadata())
        readable[number] = False
    return {
        name: np.array(
            [getattr(row, name) for row in rows],
            dtype=object if name == "codec" else np.float64,
        )
        for name in OF_CONTAINERS
    }, readable


def _median_height(crops: NDArray[np.object_]) -> float:
    heights = [np.shape(crop)[0] for crop in crops if crop is not None]
    return float(np.median(heights)) if heights else float("nan")
