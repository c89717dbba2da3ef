"""The distortions as a step between the sampler and the cropper."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._stateless import StatelessTransformer, as_objects
from ..preprocessing import check_clips
from ._clip import Perturbation, PerturbedClip
from ._distortions import DISTORTIONS, LEVELS, MODES

BOXES = ("perturbed", "clean")


@dataclass(repr=False, eq=False)
class VideoPerturber(StatelessTransformer):
    """Distort the frames of videos, by one of seven distortions at one of five levels.

    The distortions of DeeperForensics-1.0 [1]_, of whole frames. Put it between the
    :class:`~skdeepfake.preprocessing.VideoFrameSampler` and the
    :class:`~skdeepfake.preprocessing.DlibFaceCropper`, for real videos and fakes alike.

    ====== ================== =================================================
    code   distortion         parameter at the levels 1 to 5
    ====== ================== =================================================
    CS     color saturation   factor 0.4, 0.3, 0.2, 0.1, 0
    CC     color contrast     factor 0.85, 0.725, 0.6, 0.475, 0.35
    BW     local blocks       16, 32, 48, 64, 80 gray blocks of 8 x 8 pixels
    GNC    Gaussian noise     variance 0.001, 0.002, 0.005, 0.01, 0.05
    GB     Gaussian blur      kernel of 7, 9, 13, 17, 21 pixels
    JPEG   JPEG compression   quality 50, 40, 30, 20, 10
    VC     video compression  constant rate factor 30, 32, 35, 38, 40
    ====== ================== =================================================

    Several of them in a pipeline make a chain. VC comes first in it.

    Parameters
    ----------
    distortion : {"CS", "CC", "BW", "GNC", "GB", "JPEG", "VC"}, default="GB"
        Which.
    level : int, default=3
        From 1, the mildest, to 5. 0 leaves the clips as they are, for searches.
    mode : {"corrected", "faithful"}, default="corrected"
        As intended, or as in the authors' code, to compare with published figures.
    boxes : {"perturbed", "clean"}, default="perturbed"
        Frames in which faces are searched: distorted or, as the authors advise to
        measure the detector alone, undistorted. In a chain, the last step decides.
    cache_dir : str, os.PathLike or None, default=None
        Folder of the videos that VC compresses, made if missing; copies are never
        deleted. None compresses each video to a temporary file when it is decoded.
    random_state : int, RandomState instance or None, default=None
        Draws blocks and noise. Pass an int for the same frames each time.

    See Also
    --------
    distort : The same of one frame.
    skdeepfake.evaluation.robustness_curve : Score a pipeline on all of them.

    Notes
    -----
    What is drawn for a frame depends on `random_state`, the size of the file and the
    number of the frame: not on the other videos, their order or their class. A higher
    level has the blocks of the lower ones and more, and the same noise, only stronger.

    The two modes:

    - CS. *Corrected*: the differences from the luma shrink, rounded. *Faithful*: by
      formulas for values from 0 to 1 that are given 0 to 255, truncated.
    - CC. *Corrected*: about the mean luma of the frame. *Faithful*: about black.
    - BW. *Corrected*: the number of blocks is proportional to the shorter side, and
      that of the table at 256 pixels; at least one. *Faithful*: with the shorter side
      rounded down to multiples of 256, so that smaller frames get no block.
    - GNC. *Corrected*: noise of that variance, on a scale from 0 to 1, is added to
      YCbCr. *Faithful*: truncated; 1.16 times as strong in Y, 1.14 times in Cb and Cr.
    - GB. The same. The standard deviation is a sixth of the kernel's side.
    - JPEG. *Corrected*: JPEG. *Faithful*: the frame is shrunk by 2 to 6 and enlarged.
    - VC. H.264 by :class:`~skdeepfake.preprocessing.VideoTranscoder` (no GIF or PNG).
      *Corrected*: of as much as is sampled. *Faithful*: of the whole file.

    The authors also write each distorted video to a file, which compresses it again.

    References
    ----------
    .. [1] Jiang, L., Li, R., Wu, W., Qian, C. and Loy, C. C. (2020).
       DeeperForensics-1.0: A large-scale dataset for real-world face forgery
       detection. CVPR. Their code is in
       https://github.com/EndlessSora/DeeperForensics-1.0.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdeepfake.perturbations import VideoPerturber
    >>> from skdeepfake.preprocessing import DlibFaceCropper, VideoFrameSampler
    >>> steps = make_pipeline(
    ...     VideoFrameSampler(n_frames=4),
    ...     VideoPerturber("VC", 3),
    ...     VideoPerturber("GNC", 1, random_state=0),
    ...     DlibFaceCropper(),
    ... )
    >>> steps.fit_transform(["interview.mp4"]).shape  # doctest: +SKIP
    (1, 4)
    """

    distortion: str = "GB"
    level: int = 3
    _: KW_ONLY
    mode: str = "corrected"
    boxes: str = "perturbed"
    cache_dir: str | os.PathLike[str] | None = None
    random_state: int | np.random.RandomState | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "distortion": [StrOptions(set(DISTORTIONS))],
        "level": [Interval(Integral, 0, LEVELS[-1], closed="both")],
        "mode": [StrOptions(set(MODES))],
        "boxes": [StrOptions(set(BOXES))],
        "cache_dir": [str, os.PathLike, None],
        "random_state": ["random_state"],
    }

    def transform(self, X: ArrayLike) -> NDArray[np.object_]:
        """Make clips of distorted frames; nothing is decoded yet.

        Parameters
        ----------
        X : ndarray of object, shape (n_videos,)
            Clips of one length, as a sampler or another VideoPerturber gives them.

        Returns
        -------
        ndarray of object, shape (n_videos,)
            A :class:`PerturbedClip` for each; at level 0 the clips themselves.

        Raises
        ------
        ValueError
            If X is no array of clips of one length, or VC gets distorted clips.
        """
        self._validate_params()
        clips = check_clips(X, caller=type(self).__name__)
        # At each level, so that a grid over levels leaves the generator alike.
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if self.level:
            distortion, mode, boxes = map(str, (self.distortion, self.mode, self.boxes))
            perturbation = Perturbation(distortion, int(self.level), mode, boxes, seed)
            clips = [
                PerturbedClip(clip, perturbation, cache_dir=self.cache_dir)
                for clip in clips
            ]
        return as_objects(clips)
