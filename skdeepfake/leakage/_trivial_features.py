"""Trivial features of videos, which do not depend on the appearance of faces."""

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

# Read from the container, without decoding.
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
    """Measure features of video files that do not depend on the appearance of faces.

    Fakes and real videos are often encoded with different software and therefore differ
    in codec, bit rate or duration. A detector that learns these differences does not
    generalize to other datasets. :func:`leakage_report` measures how well the features
    separate the classes.

    Parameters
    ----------
    paths : array-like of shape (n_videos,) of str or os.PathLike
        Paths of the videos.
    features : str or iterable of str, default="all"
        Names of the features to measure, as listed under Returns, or ``"all"``. Only
        ``"face_size"`` decodes frames, which is slow.
    sampler : VideoFrameSampler or None, default=None
        Sampler of the frames in which faces are detected. Its limits, such as
        `max_bytes`, and its `on_error` apply to all features. None uses
        ``VideoFrameSampler(n_frames=3, on_error="skip")``.
    cropper : transformer or None, default=None
        Face cropper. None uses :class:`~skdeepfake.preprocessing.DlibFaceCropper`.
    n_jobs : int or None, default=None
        Number of videos read in parallel. If `sampler` or `cropper` is passed, it uses
        its own `n_jobs`.
    verbose : int, default=0
        If 1, show progress bars.

    Returns
    -------
    :class:`~sklearn.utils.Bunch` of ndarray, each of shape (n_videos,)
        The requested features, of dtype float64 with NaN for unknown values:

        - `file_size`: size in bytes;
        - `bit_rate`: bits per second of the whole file, including sound;
        - `frame_rate`: average number of frames per second;
        - `duration`: length in seconds;
        - `width` and `height`: size of the stored frames in pixels, before rotation;
        - `codec`: name of the codec in ffmpeg, such as ``"h264"``, with dtype object
          and None for unknown values;
        - `face_size`: median height of the face crops in pixels.

    Raises
    ------
    VideoReadError
        If a video cannot be read and the sampler has ``on_error="raise"``.
    TypeError
        If `sampler` is not a VideoFrameSampler.
    ValueError
        If a feature is unknown, or `paths` is not one-dimensional.

    Warns
    -----
    VideoReadWarning
        For each video that cannot be read. Its features are unknown.
    NoFaceWarning
        For each video without a face. Its `face_size` is NaN.

    See Also
    --------
    leakage_report : Measure how well the features separate real from fake videos.
    skdeepfake.preprocessing.VideoTranscoder : Re-encode videos to remove most
        differences in these features.

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
            f"sampler must be a VideoFrameSampler; got {type(sampler).__name__}."
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
        # Skip unreadable videos, which were already reported.
        paths_left = np.array(listed, dtype=object)[readable].tolist()
        if paths_left:
            clips = clone(sampler).fit_transform(paths_left)
            crops = clone(cropper).fit_transform(clips)
            sizes[readable] = [_median_height(row) for row in crops]
        found[FACE_SIZE] = sizes
    return Bunch(**{name: found[name] for name in names})


def _of_containers(
    paths: Sequence[str], sampler: Any, n_jobs: int | None, verbose: int
) -> tuple[dict[str, NDArray], NDArray[np.bool_]]:
    """Return the features of the containers, and a mask of the readable videos."""
    limits = Limits(*(getattr(sampler, name) for name in Limits._fields))
    answers = container_metadata(paths, limits, n_jobs=n_jobs, verbose=verbose)
    rows, readable = [], np.ones(len(paths), dtype=bool)
    for number, answer in enumerate(answers):
        if isinstance(answer, ContainerMetadata):
            rows.append(answer)
            continue
        if sampler.on_error == "raise":
            raise answer
        # The `stacklevel` skips this function and the parameter validation.
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
