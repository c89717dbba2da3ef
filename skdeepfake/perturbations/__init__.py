"""Distort videos to measure the robustness of detectors.

The seven distortions of DeeperForensics-1.0 at five levels are available for single
frames and as a pipeline step. :func:`skdeepfake.evaluation.robustness_curve` scores a
pipeline on all of them.
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
