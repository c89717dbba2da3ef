"""Distort videos between the sampler and the cropper."""

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
    """Distort the frames of videos with one of seven distortions.

    The distortions of DeeperForensics-1.0 [1]_ are applied to the whole frames of both
    real videos and fakes. Add this step between the
    :class:`~skdeepfake.preprocessing.VideoFrameSampler` and the
    :class:`~skdeepfake.preprocessing.DlibFaceCropper`.

    ====== ================== =================================================
    code   distortion         parameter at levels 1 to 5
    ====== ================== =================================================
    CS     color saturation   factor 0.4, 0.3, 0.2, 0.1, 0
    CC     color contrast     factor 0.85, 0.725, 0.6, 0.475, 0.35
    BW     local blocks       16, 32, 48, 64, 80 gray blocks of 8 x 8 pixels
    GNC    Gaussian noise     variance 0.001, 0.002, 0.005, 0.01, 0.05
    GB     Gaussian blur      kernel of 7, 9, 13, 17, 21 pixels
    JPEG   JPEG compression   quality 50, 40, 30, 20, 10
    VC     video compression  constant rate factor 30, 32, 35, 38, 40
    ====== ================== =================================================

    Use several steps in a pipeline for a chain of distortions. VC must be the first.

    Parameters
    ----------
    distortion : {"CS", "CC", "BW", "GNC", "GB", "JPEG", "VC"}, default="GB"
        Code of the distortion.
    level : int, default=3
        Level from 1 (weakest) to 5. 0 disables the distortion.
    mode : {"corrected", "faithful"}, default="corrected"
        Variant of the distortion. "corrected" implements the distortion as the authors
        intended. "faithful" reproduces their code for comparison with published
        results.
    boxes : {"perturbed", "clean"}, default="perturbed"
        Frames in which faces are detected. "perturbed" uses the distorted frames.
        "clean" uses the original frames to measure the robustness of the detector
        alone, as recommended by the authors. In a chain of distortions, the value of
        the last step is used.
    cache_dir : str, os.PathLike or None, default=None
        Folder for the compressed videos of VC. It is created if missing. Its files are
        never deleted. None compresses each video to a temporary file whenever it is
        decoded.
    random_state : int, RandomState instance or None, default=None
        Controls the positions of the blocks of BW and the noise of GNC. Pass an int for
        reproducible frames across calls.

    See Also
    --------
    distort : Distort a single frame.
    skdeepfake.evaluation.robustness_curve : Score a pipeline on all distortions.

    Notes
    -----
    The random numbers of a frame depend on `random_state`, the size of the file, the
    index of the frame and the position of the distortion in the chain, but not on the
    other videos, their order or their class. Higher levels include the blocks of lower
    levels and amplify the same noise.

    The modes differ as follows:

    - CS. *Corrected*: scales the difference between each channel and the luma.
      *Faithful*: uses formulas for pixels from 0 to 1, although pixels are from 0 to
      255, and truncates the results to integers.
    - CC. *Corrected*: scales the difference between each pixel and the mean luma of the
      frame. *Faithful*: multiplies pixels by the factor, which darkens the frame.
    - BW. The table lists the number of blocks for frames whose shorter side is 256
      pixels long. *Corrected*: scales this number with the shorter side, but draws at
      least one block. *Faithful*: rounds the shorter side down to a multiple of 256
      first. Frames with a side below 256 pixels therefore have no blocks.
    - GNC. *Corrected*: adds noise to YCbCr. The variance is for pixels from 0 to 1.
      *Faithful*: amplifies the noise by a factor of 1.16 in Y and 1.14 in Cb and Cr,
      and truncates the results to integers.
    - GB. Both modes are the same. The standard deviation is a sixth of the kernel size.
    - JPEG. *Corrected*: compresses with JPEG. *Faithful*: downscales the frame by a
      factor of 2 to 6 and enlarges it again.
    - VC. Both modes compress videos with H.264, as in
      :class:`~skdeepfake.preprocessing.VideoTranscoder`, and do not support GIF and
      PNG. *Corrected*: compresses only the first seconds, up to the `duration` of the
      sampler. *Faithful*: compresses the whole file.

    The authors also write each distorted video to a file, which compresses it again.
    Neither mode repeats this compression.

    References
    ----------
    .. [1] Jiang, L., Li, R., Wu, W., Qian, C. and Loy, C. C. (2020).
       DeeperForensics-1.0: A large-scale dataset for real-world face forgery
       detection. CVPR. Their code is at
       https://github.com/EndlessSora/DeeperForensics-1.0.

    Examples
    --------
    Blur frames, then remove their colors:

    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdeepfake.datasets import make_videos
    >>> from skdeepfake.perturbations import VideoPerturber
    >>> from skdeepfake.preprocessing import VideoFrameSampler
    >>> folder = tempfile.TemporaryDirectory()
    >>> videos = make_videos(folder.name, n_real=1, n_fake=1, random_state=0)
    >>> steps = make_pipeline(
    ...     VideoFrameSampler(n_frames=2),
    ...     VideoPerturber("GB", 1),
    ...     VideoPerturber("CS", 5),
    ... )
    >>> clip = steps.fit_transform(videos.data)[0]
    >>> [int(np.ptp(frame, axis=2).max()) for frame in clip]
    [0, 0]
    >>> folder.cleanup()
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
        """Return clips with distorted frames, without decoding them.

        Parameters
        ----------
        X : ndarray of object, shape (n_videos,)
            Clips with the same number of frames, from a sampler or VideoPerturber.

        Returns
        -------
        ndarray of object, shape (n_videos,)
            A :class:`PerturbedClip` per video, or the unchanged clips at level 0.

        Raises
        ------
        ValueError
            If X is not an array of clips with the same number of frames, or if
            VC (video compression) is applied to clips that are already distorted.
        """
        self._validate_params()
        clips = check_clips(X, caller=type(self).__name__)
        # Draw the seed even at level 0, so that a search over levels is reproducible.
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if self.level:
            distortion, mode, boxes = map(str, (self.distortion, self.mode, self.boxes))
            perturbation = Perturbation(distortion, int(self.level), mode, boxes, seed)
            clips = [
                PerturbedClip(clip, perturbation, cache_dir=self.cache_dir)
                for clip in clips
            ]
        return as_objects(clips)
