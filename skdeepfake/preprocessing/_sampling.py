"""Frame sampling, from video paths to clips."""

from __future__ import annotations

import functools
import warnings
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._parallel import map_videos
from .._stateless import StatelessTransformer, as_objects
from .._video._checks import check_absolute_paths
from .._video._reader import Limits
from ..exceptions import VideoReadWarning
from ._clip import Clip

#: Constraints of the parameters shared with :class:`VideoTranscoder`.
READING: dict[str, Any] = {
    "duration": [Interval(Real, 0, None, closed="neither"), None],
    "on_error": [StrOptions({"raise", "skip"})],
    "max_pixels": [Interval(Integral, 1, None, closed="left"), None],
    "max_bytes": [Interval(Integral, 1, None, closed="left"), None],
    "timeout": [Interval(Real, 0, None, closed="neither"), None],
    "n_jobs": [Integral, None],
    "verbose": ["verbose"],
}

_OF_CLIPS = ("n_frames", "burst", "spacing", "duration", "on_error", *Limits._fields)


@dataclass(repr=False, eq=False)
class VideoFrameSampler(StatelessTransformer):
    """Sample evenly spaced frames from the beginning of each video.

    Each video becomes a lazy :class:`Clip`, which decodes its frames on demand. Frames
    are upright and deinterlaced and have square pixels.

    Supported formats are mp4/mov, Matroska/WebM, AVI, MPEG-TS and animated GIF or PNG.
    Still pictures (JPEG, PNG, WebP) are read as videos of one frame. The format is
    detected from the content of the file, and files in other formats are rejected
    before decoding. Videos are decoded in a separate process. A video cannot make this
    process open other files or network addresses. If the process crashes or exceeds
    `timeout`, only the video that it decodes fails. The process is not a sandbox: it
    has the same permissions as its parent.

    Parameters
    ----------
    n_frames : int, default=10
        Number of frames per video, or of bursts if `burst` is greater than 1. The
        default is from the paper by Volisetty, Sen and Savala (2023).
    duration : float or None, default=10.0
        Number of seconds to sample, from the first frame. None samples the whole video.
        The default is from the paper.
    burst : int, default=1
        Number of consecutive frames per burst, for models of motion. Frames are ordered
        by burst, then by time. If a cropper follows several people, the slots of each
        frame are ordered by person.
    spacing : {"even", "paper"}, default="even"
        Spacing of the frames. "even" samples evenly in time and includes the first and
        the last frame. Like the paper's code, "paper" samples the frames with indices
        ``int(k * n / (n_frames - 1))``, where n is the number of frames within
        `duration` and k runs from 0 to ``n_frames - 1``. The last index, n, is out of
        range, so the last slot is empty.
    on_error : {"raise", "skip"}, default="raise"
        Handling of videos that cannot be read by the sampler or a cropper. "skip"
        issues a warning, leaves all slots empty, and stores the reason in the attribute
        `error` of the clip.
    max_pixels : int or None, default=35389440
        Maximum number of pixels per frame. The default is 8192 x 4320. None means no
        limit. On Linux, the memory of the decoder process is limited to 2 GiB, plus 220
        bytes for each of the `max_pixels` pixels.
    max_duration : float or None, default=86400.0
        Maximum duration of a video in seconds. The duration is checked in the file
        header, and again while frames are decoded. None means no limit.
    max_bytes : int or None, default=17179869184
        Maximum size of a file in bytes. None means no limit.
    timeout : float or None, default=300.0
        Maximum time per video in seconds, for reading it and cropping its frames. None
        means no limit.
    n_jobs : int or None, default=None
        Number of videos opened in parallel. Threads are used unless
        `joblib.parallel_config` sets another backend. None means 1, and -1 uses all
        cores. More jobs help if opening files is slow.
    verbose : int, default=0
        If positive, show a progress bar.

    See Also
    --------
    DlibFaceCropper : Next step of a pipeline.

    References
    ----------
    Volisetty, Sen and Savala, "Deepfake detection", 2023, sections 4.2 and 7.1.

    Examples
    --------
    >>> import tempfile
    >>> from skdeepfake.datasets import make_videos
    >>> from skdeepfake.preprocessing import VideoFrameSampler
    >>> folder = tempfile.TemporaryDirectory()
    >>> videos = make_videos(folder.name, n_real=1, n_fake=1, duration=3, fps=10)
    >>> sampler = VideoFrameSampler(n_frames=4, duration=2.0)
    >>> clips = sampler.fit_transform(videos.data)
    >>> clips[0].timestamps
    array([0. , 0.6, 1.3, 1.9])
    >>> folder.cleanup()
    """

    n_frames: int = 10
    duration: float | None = 10.0
    _: KW_ONLY
    burst: int = 1
    spacing: str = "even"
    on_error: str = "raise"
    max_pixels: int | None = Limits().max_pixels
    max_duration: float | None = Limits().max_duration
    max_bytes: int | None = Limits().max_bytes
    timeout: float | None = Limits().timeout
    n_jobs: int | None = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **READING,
        "n_frames": [Interval(Integral, 1, None, closed="left")],
        "burst": [Interval(Integral, 1, None, closed="left")],
        "spacing": [StrOptions({"even", "paper"})],
        "max_duration": [Interval(Real, 0, None, closed="neither"), None],
    }

    def transform(self, X: ArrayLike) -> NDArray[np.object_]:
        """Make a clip of each video.

        Parameters
        ----------
        X : array-like of shape (n_videos,) or (n_videos, 1)
            Paths of videos, as str or os.PathLike, or a DataFrame with one column.

        Returns
        -------
        ndarray of object, shape (n_videos,)
            One :class:`Clip` per video.

        Raises
        ------
        VideoReadError
            If a file is missing, is not a video or exceeds `max_bytes`, and
            ``on_error="raise"``. If a video cannot be decoded, the error is raised when
            its clip is iterated.
        ValueError, TypeError
            If `X` is not a one-dimensional array or a single column of paths.

        Warns
        -----
        VideoReadWarning
            For each file that is missing, is not a video or exceeds `max_bytes`, if
            ``on_error="skip"``.
        """
        self._validate_params()
        paths = check_absolute_paths(X, caller=type(self).__name__)
        made = map_videos(
            functools.partial(
                Clip, **{name: getattr(self, name) for name in _OF_CLIPS}
            ),
            paths,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
            desc="sampling",
        )
        clips = as_objects(list(made))
        for clip in clips:
            if clip.error is not None:
                # The stack level skips scikit-learn's wrapper of `transform`.
                warnings.warn(VideoReadWarning(*clip.error.args), stacklevel=3)
        return clips
