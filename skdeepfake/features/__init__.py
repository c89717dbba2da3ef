"""Features of faces from pretrained networks."""

from .._keras._threads import quietly  # before Keras is loaded

with quietly():
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
