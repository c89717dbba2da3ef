"""Networks that tell real from fake faces, as scikit-learn classifiers."""

from .. import _worker_threads  # noqa: F401, before Keras is loaded
from ._cnn import CNNDetector
from ._cnn_rnn import CNNRNNDetector
from ._gan import GANDetector
from ._transfer import TransferDetector

__all__ = ["CNNDetector", "CNNRNNDetector", "GANDetector", "TransferDetector"]
