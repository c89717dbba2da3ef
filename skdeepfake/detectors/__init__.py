"""Neural networks for deepfake detection, as scikit-learn classifiers."""

import importlib
from typing import Any

from .._keras import _threads  # noqa: F401, before Keras is loaded

# Resolved on first use, since predictions of a pretrained detector need no Keras.
_MODULES = {
    "Attention": "_aggregation",
    "BaseDetector": "_base",
    "CNNDetector": "_cnn",
    "CNNRNNDetector": "_cnn_rnn",
    "Checkpoint": "_checkpoint",
    "GANDetector": "_gan",
    "Generator": "_gan_networks",
    "Head": "_head",
    "ImageDetector": "_images",
    "LoRA": "_fine_tuning",
    "PerPerson": "_aggregation",
    "PlateauCallbacks": "_callbacks",
    "PretrainedDetector": "_pretrained",
    "BlendedFakes": "_fakes",
    "ReconstructionDetector": "_reconstruction",
    "TopK": "_aggregation",
    "TransferDetector": "_transfer",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
