"""Deepfake detection in video as scikit-learn estimators.

Modules, from paths of videos to one probability per video:

- :mod:`skdeepfake.datasets`: labeled videos
- :mod:`skdeepfake.preprocessing`: sampling of frames, face cropping, resizing
- :mod:`skdeepfake.synthesis`: synthesis of fakes from real faces
- :mod:`skdeepfake.streams`: motion features in bursts of faces
- :mod:`skdeepfake.perturbations`: distortions of videos
- :mod:`skdeepfake.augmentation`: augmentation of faces during training
- :mod:`skdeepfake.features`: features of pretrained networks
- :mod:`skdeepfake.detectors`: classifiers of real and fake faces
- :mod:`skdeepfake.pipeline`: construction of complete pipelines
- :mod:`skdeepfake.pretrained`: trained detectors included in the package
- :mod:`skdeepfake.analysis`: analysis of a single video, with an HTML report
- :mod:`skdeepfake.serving`: web page and REST interface for analyses
- :mod:`skdeepfake.inspection`: heatmaps of the evidence in faces, over time
- :mod:`skdeepfake.metrics`: error rates, calibration and confidence intervals
- :mod:`skdeepfake.evaluation`: evaluation reports, robustness and drift
- :mod:`skdeepfake.model_selection`: splits by identity and by official lists
- :mod:`skdeepfake.leakage`: checks for data leakage in datasets and splits
- :mod:`skdeepfake.persistence`: model files that run no code when loaded
- :mod:`skdeepfake.plotting`: plots of faces, training and scores
- :mod:`skdeepfake.exceptions`: errors and warnings
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Imported on first use, so that importing skdeepfake is fast and its preprocessing
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
    "serving",
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
