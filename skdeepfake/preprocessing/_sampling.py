"""Sampling of frames: from paths to clips."""

from __future__ import annotations

import functools
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from .._stateless import StatelessTransformer
from ._base import map_videos
from ._clip import Clip
from ._paths import check_paths


class VideoFrameSampler(StatelessTransformer):
    """Sample evenly spaced frames from the beginning of each video.

    The result is one lazy :class:`Clip` a video: it knows which frames it stands
    for and decodes them when it is iterated, in one sequential pass. So sampling
    costs next to nothing, and memory does not grow with the number of videos.

    1. The frames within the first `duration` seconds are counted by decoding,
       not by what the container claims.
    2. Those nearest to `n_frames` moments are taken that lie evenly between the
       first and the last of them, both included.
    3. Where there are fewer frames than `n_frames`, each is taken once and the
       other slots stay empty.

    Frames come out upright, whatever rotation the file asks for. Interlaced videos
    are refused when they are decoded; a :class:`VideoTranscoder` before this step
    makes them progressive.

    Parameters
    ----------
    n_frames : int, default=10
        Frames a video. The paper asks for ten and gets nine, since the last one
        it computes lies past the end.
    duration : float or None, default=10.0
        Seconds from the first frame on that are sampled; None for the whole video.
        The default is the paper's.
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
    Volisetty, Sen and Savala, "Deepfake detection", 2023, section 4.2, steps 3
    and 4, and appendix 7.1.

    Examples
    --------
    >>> from skdeepfake.preprocessing import VideoFrameSampler
    >>> sampler = VideoFrameSampler(n_frames=4)
    >>> clips = sampler.fit_transform(["interview.mp4"])  # doctest: +SKIP
    >>> clips[0].timestamps  # doctest: +SKIP
    array([0.        , 3.32222222, 6.64444444, 9.96666667])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_frames": [Interval(Integral, 1, None, closed="left")],
        "duration": [Interval(Real, 0, None, closed="neither"), None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_frames: int = 10,
        duration: float | None = 10.0,
        *,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_frames = n_frames
        self.duration = duration
        self.n_jobs = n_jobs
        self.verbose = verbose

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
            If a path does not lead to a video. A video that begins well but
            cannot be decoded raises it when its clip is iterated.
        ValueError
            If X is not a one-dimensional collection of paths.
        """
        self._validate_params()
        paths = check_paths(X, caller=type(self).__name__)
        made = map_videos(
            functools.partial(Clip, n_frames=self.n_frames, duration=self.duration),
            paths,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
            desc="sampling",
        )
        clips = np.empty(len(paths), dtype=object)
        for i, clip in enumerate(made):
            clips[i] = clip
        return clips
