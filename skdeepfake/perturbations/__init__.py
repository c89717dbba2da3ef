"""Distort videos to measure the robustness of detectors.

The seven distortions of DeeperForensics-1.0, each at five levels, are available as a
pipeline step. All except video compression are also available for single frames.
:func:`skdeepfake.evaluation.robustness_curve` scores a pipeline on all seven.
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
