"""Sampling of frames: from paths to clips."""

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

_OF_CLIPS = ("n_frames", "burst", "spacing", "duration", "on_error", *Limits._fields)


@dataclass(repr=False, eq=False)
class VideoFrameSampler(StatelessTransformer):
    """Sample evenly spaced frames from the beginning of each video.

    Each video becomes a lazy :class:`Clip`, which decodes its frames when iterated, in
    one pass. The frames are upright, of square pixels, and deinterlaced.

    A still picture (JPEG, PNG, WebP) is a video of one frame. Files that do not begin
    like one, or like mp4/mov, Matroska/WebM, AVI, MPEG-TS or an animated GIF or PNG,
    are refused before they are decoded, and none can make the decoder open another file
    or address. If the decoding process crashes or exceeds `timeout`, only that video
    fails. It is no sandbox: the process has the rights of its parent.

    Parameters
    ----------
    n_frames : int, default=10
        Frames per video. The default is the paper's.
    duration : float or None, default=10.0
        Seconds sampled from the first frame on; None for all. The paper's are 10.
    burst : int, default=1
        Consecutive frames from each of the `n_frames` moments on, for what looks at
        motion. The frames of a video are in the order of its moments, then of its
        bursts; a cropper with `max_faces` has the people of each frame next.
    spacing : {"even", "paper"}, default="even"
        ``"even"`` takes frames evenly spaced in time, the first and the last one
        included. ``"paper"`` takes frame number ``int(k * n / (n_frames - 1))`` of the
        n frames, as the paper's code does, of which the last does not exist.
    on_error : {"raise", "skip"}, default="raise"
        ``"skip"`` keeps a video that cannot be read, here or in the
        :class:`DlibFaceCropper`, without faces, with a warning; `error` of its clip
        says why.
    max_pixels : int or None, default=35389440
        Largest frame in pixels; the default is 8192 x 4320. On Linux it limits memory,
        too, to 220 bytes per pixel and 2 GiB. None is no limit, here and below.
    max_duration : float or None, default=86400.0
        Longest video, in seconds, by what it claims and by what is decoded.
    max_bytes : int or None, default=17179869184
        Largest file, in bytes.
    timeout : float or None, default=300.0
        Seconds that a video may take, from the opening of the file to its last crop.
    n_jobs : int or None, default=None
        Videos looked at at once, as threads unless a `joblib.parallel_config` says
        otherwise: of use where opening a file takes long. None is 1, -1 all cores.
    verbose : int, default=0
        1 shows a progress bar.

    See Also
    --------
    DlibFaceCropper : The next step.

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
        "n_frames": [Interval(Integral, 1, None, closed="left")],
        "duration": [Interval(Real, 0, None, closed="neither"), None],
        "burst": [Interval(Integral, 1, None, closed="left")],
        "spacing": [StrOptions({"even", "paper"})],
        "on_error": [StrOptions({"raise", "skip"})],
        "max_pixels": [Interval(Integral, 1, None, closed="left"), None],
        "max_duration": [Interval(Real, 0, None, closed="neither"), None],
        "max_bytes": [Interval(Integral, 1, None, closed="left"), None],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def transform(self, X: ArrayLike) -> NDArray[np.object_]:
        """Make a clip of each video.

        Parameters
        ----------
        X : array-like of shape (n_videos,)
            Paths of videos, str or os.PathLike.

        Returns
        -------
        ndarray of object, shape (n_videos,)
            A :class:`Clip` for each video.

        Raises
        ------
        VideoReadError
            If a path does not lead to a video, and ``on_error="raise"``. A video that
            begins well but cannot be decoded raises it when its clip is iterated.
        ValueError
            If X is not a one-dimensional collection of paths.

        Warns
        -----
        VideoReadWarning
            For each path that does not lead to a video, if ``on_error="skip"``.
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
                # Past scikit-learn's wrapper of `transform`.
                warnings.warn(VideoReadWarning(*clip.error.args), stacklevel=3)
        return clips
