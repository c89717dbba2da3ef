"""Deepfake detection in video as scikit-learn estimators.

The way of the data, from paths of videos to one probability a video:

- :mod:`skdeepfake.datasets`: labelled videos
- :mod:`skdeepfake.preprocessing`: frames, faces, arrays
- :mod:`skdeepfake.synthesis`: fakes made of real faces, to train from these alone
- :mod:`skdeepfake.streams`: motion in bursts of faces
- :mod:`skdeepfake.perturbations`: what happens to videos on their way
- :mod:`skdeepfake.augmentation`: faces changed while a network trains
- :mod:`skdeepfake.features`: what a network trained on other pictures sees in faces
- :mod:`skdeepfake.detectors`: networks that tell real from fake
- :mod:`skdeepfake.pipeline`: all of it as one scikit-learn pipeline
- :mod:`skdeepfake.pretrained`: trained detectors that come with the package
- :mod:`skdeepfake.analysis`: one video, one verdict, and a page that shows both
- :mod:`skdeepfake.inspection`: where in a face and when in a video the evidence lies
- :mod:`skdeepfake.metrics`: errors, calibration and intervals, of videos or of frames
- :mod:`skdeepfake.evaluation`: reports on a pipeline, and how it bears distortions
- :mod:`skdeepfake.model_selection`: splits by identity and by official lists
- :mod:`skdeepfake.leakage`: what a data set gives away besides the faces
- :mod:`skdeepfake.persistence`: models in files that run nothing when loaded
- :mod:`skdeepfake.plotting`: pictures of faces, training and scores
- :mod:`skdeepfake.exceptions`: errors and warnings
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Resolved on first use: importing skdeepfake costs nothing, and its preprocessing
# never loads Keras or TensorFlow.
_MODULES = (
    "analysis",
    "augmentation",
    "cli",
    "datasets",
    "detectors",
    "evaluation",
    "exceptions",
    "features",
    "inspection",
    "leakage",
    "metrics",
    "model_selection",
    "persistence",
    "perturbations",
    "pipeline",
    "plotting",
    "preprocessing",
    "pretrained",
    "streams",
    "synthesis",
)
_NAMES = {
    "CNNDetector": "detectors",
    "CNNRNNDetector": "detectors",
    "Clip": "preprocessing",
    "CropCache": "preprocessing",
    "DlibFaceCropper": "preprocessing",
    "FeatureCache": "features",
    "GANDetector": "detectors",
    "KerasFeaturizer": "features",
    "Resizer": "preprocessing",
    "SelfBlender": "synthesis",
    "TransferDetector": "detectors",
    "VGG16Featurizer": "features",
    "VideoAnalysis": "analysis",
    "VideoFrameSampler": "preprocessing",
    "VideoPerturber": "perturbations",
    "VideoTranscoder": "preprocessing",
    "YuNetFaceCropper": "preprocessing",
    "analyze_video": "analysis",
    "analyze_videos": "analysis",
    "list_detectors": "pretrained",
    "load_detector": "pretrained",
    "load_videos": "datasets",
    "make_detector_pipeline": "pipeline",
    "make_videos": "datasets",
}

__all__ = ["__version__", *_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _NAMES:
        return getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
