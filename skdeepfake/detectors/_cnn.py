"""Convolutional network for single faces."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
from keras import layers
from sklearn.utils._param_validation import Interval

from ._docs import with_image_docs
from ._images import ImageDetector
from ._input import check_positive_integers


@with_image_docs
class CNNDetector(ImageDetector):
    """Detect deepfakes with the CNN of Volisetty, Sen and Savala (2023).

    The network has blocks of convolution, batch normalization, pooling and dropout,
    followed by a dense layer. It is trained on single frames, and frame probabilities
    are aggregated per video.

    The defaults are the network and the training of the paper (section 4.3 and appendix
    7.2). The paper does not specify the scaling of pixels.

    Parameters
    ----------
    filters : sequence of int, default=(32, 64, 128)
        Number of filters of the convolution in each block.
    kernel_size : int, default=3
        Height and width of the convolution kernels, in pixels.
    pool_size : int, default=2
        Height and width of the max-pooling windows after each convolution, in pixels.
    conv_dropout : float, default=0.25
        Dropout rate at the end of each block.
    dense_units : int, default=128
        Number of units of the dense layer.
    dropout : float, default=0.5
        Dropout rate after the dense layer.
    momentum : float, default=0.99
        Momentum of the running mean and variance of batch normalization. Use a lower
        value, such as 0.9, if training has fewer than a few hundred steps. With the
        default, the running values lag behind in short training, and all probabilities
        are biased toward one class.
    rescale : float, default=1/255
        Factor by which pixels are multiplied.
    {{image_parameters}}
    {{training_parameters}}

    Attributes
    ----------
    {{fit_attributes}}

    See Also
    --------
    skdeepfake.pipeline.make_detector_pipeline : Build a pipeline for video files.

    References
    ----------
    Volisetty, Sen and Savala, "Deepfake detection", 2023, section 4.3 and
    appendix 7.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import CNNDetector
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randint(1, 100, size=(8, 3, 16, 16, 3)).astype(np.uint8)
    >>> y = np.array([0, 1] * 4)
    >>> X[y == 1] += 100  # fakes are brighter here
    >>> detector = CNNDetector(
    ...     filters=(4,), dense_units=4, learning_rate=0.01, momentum=0.5,
    ...     epochs=30, validation_fraction=None, random_state=0,
    ... ).fit(X, y)
    >>> detector.predict(X).tolist()
    [0, 1, 0, 1, 0, 1, 0, 1]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ImageDetector._parameter_constraints,
        "filters": ["array-like"],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "pool_size": [Interval(Integral, 1, None, closed="left")],
        "conv_dropout": [Interval(Real, 0, 1, closed="left")],
        "dense_units": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "rescale": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        filters: Sequence[int] = (32, 64, 128),
        kernel_size: int = 3,
        pool_size: int = 2,
        conv_dropout: float = 0.25,
        dense_units: int = 128,
        dropout: float = 0.5,
        momentum: float = 0.99,
        rescale: float = 1 / 255,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.filters = filters
        self.kernel_size = kernel_size
        self.pool_size = pool_size
        self.conv_dropout = conv_dropout
        self.dense_units = dense_units
        self.dropout = dropout
        self.momentum = momentum
        self.rescale = rescale

    def _validate_params(self) -> None:
        super()._validate_params()
        check_positive_integers(self, "filters")

    def build_network(self) -> keras.Model:
        frame_shape = self.frame_shape_
        smallest = self.pool_size ** len(self.filters)
        if min(frame_shape[:2]) < smallest:
            raise ValueError(
                f"X has images of {frame_shape[0]} x {frame_shape[1]} pixels, but "
                f"{len(self.filters)} pooling layers of size {self.pool_size} need at "
                f"least {smallest} x {smallest} pixels. Enlarge the images or shorten "
                "`filters`."
            )
        inputs = keras.Input(frame_shape, dtype=str(self.frame_dtype_))
        x = layers.Rescaling(self.rescale)(inputs)
        for filters in self.filters:
            x = layers.Conv2D(
                filters, self.kernel_size, activation="relu", padding="same"
            )(x)
            x = layers.BatchNormalization(momentum=self.momentum)(x)
            x = layers.MaxPooling2D(self.pool_size)(x)
            x = layers.Dropout(self.conv_dropout)(x)
        x = layers.Flatten()(x)
        x = layers.Dense(self.dense_units, activation="relu")(x)
        x = layers.BatchNormalization(momentum=self.momentum)(x)
        x = layers.Dropout(self.dropout)(x)
        return keras.Model(
            inputs, layers.Dense(1, activation="sigmoid", dtype="float32")(x)
        )
