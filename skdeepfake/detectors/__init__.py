"""Networks that tell real from fake faces, as scikit-learn classifiers."""

from ._cnn import CNNDetector

__all__ = ["CNNDetector"]
