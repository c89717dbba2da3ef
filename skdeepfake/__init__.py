"""Deepfake detection in video as scikit-learn estimators.

The modules, roughly in the order of a pipeline from video paths to probabilities:

- :mod:`skdeepfake.datasets`: loaders of labeled videos
- :mod:`skdeepfake.preprocessing`: frames, face crops and arrays
- :mod:`skdeepfake.synthesis`: fakes made from real faces, for training
- :mod:`skdeepfake.streams`: motion features of bursts of frames
- :mod:`skdeepfake.perturbations`: distortions of videos
- :mod:`skdeepfake.augmentation`: augmentation of faces during training
- :mod:`skdeepfake.features`: features from pretrained networks
- :mod:`skdeepfake.detectors`: classifiers of real and fake faces
- :mod:`skdeepfake.pipeline`: complete pipelines
- :mod:`skdeepfake.pretrained`: trained detectors included in the package
- :mod:`skdeepfake.analysis`: verdicts and reports for single videos
- :mod:`skdeepfake.serving`: web page and REST API for analyses
- :mod:`skdeepfake.inspection`: Grad-CAM and occlusion, which explain predictions
- :mod:`skdeepfake.metrics`: error rates, calibration and confidence intervals
- :mod:`skdeepfake.evaluation`: evaluation reports, robustness and drift
- :mod:`skdeepfake.model_selection`: splits by identity and official splits
- :mod:`skdeepfake.leakage`: detection of data leakage in datasets and splits
- :mod:`skdeepfake.persistence`: model files that execute no code when loaded
- :mod:`skdeepfake.plotting`: plots of faces, training and scores
- :mod:`skdeepfake.exceptions`: errors and warnings
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Imported on first use, so that importing skdeepfake is fast and its preprocessing does
# not load Keras or TensorFlow.
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
    "evaluate": "evaluation",
    "leakage_report": "leakage",
    "list_detectors": "pretrained",
    "load": "persistence",
    "load_detector": "pretrained",
    "load_videos": "datasets",
    "make_detector_pipeline": "pipeline",
    "make_videos": "datasets",
    "save": "persistence",
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
