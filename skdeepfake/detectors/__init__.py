"""Networks that tell real from fake faces, as scikit-learn classifiers."""

from .._keras import _threads  # noqa: F401, before Keras is loaded
from ._aggregation import Attention, TopK
from ._base import BaseDetector
from ._callbacks import PlateauCallbacks
from ._cnn import CNNDetector
from ._cnn_rnn import CNNRNNDetector
from ._fakes import SelfBlendedFakes
from ._gan import GANDetector, Generator
from ._images import ImageDetector
from ._transfer import Head, TransferDetector

__all__ = [
    "Attention",
    "BaseDetector",
    "CNNDetector",
    "CNNRNNDetector",
    "GANDetector",
    "Generator",
    "Head",
    "ImageDetector",
    "PlateauCallbacks",
    "SelfBlendedFakes",
    "TopK",
    "TransferDetector",
]
