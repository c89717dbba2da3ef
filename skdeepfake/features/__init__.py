"""Features of faces from pretrained networks."""

from .._keras import _threads  # noqa: F401, before Keras is loaded
from ._cache import FeatureCache
from ._frame_predictor import FramePredictor
from ._keras_featurizer import KerasFeaturizer
from ._multi_path import MultiPathBackbone
from ._union import FrameFeatureUnion
from ._vgg16 import VGG16Featurizer

__all__ = [
    "FeatureCache",
    "FrameFeatureUnion",
    "FramePredictor",
    "KerasFeaturizer",
    "MultiPathBackbone",
    "VGG16Featurizer",
]
