"""What happens to videos on their way: the distortions that robustness is measured by.

The seven of DeeperForensics-1.0 at five levels, as a step of a pipeline and of one
frame. :func:`skdeepfake.evaluation.robustness_curve` scores a pipeline on all of them.
"""

from ._clip import Perturbation, PerturbedClip
from ._distortions import DISTORTIONS, LEVELS, Distortion, distort
from ._perturber import VideoPerturber

__all__ = [
    "DISTORTIONS",
    "LEVELS",
    "Distortion",
    "Perturbation",
    "PerturbedClip",
    "VideoPerturber",
    "distort",
]
