"""Global settings of Keras during training and prediction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras


def replicas() -> int:
    """Return the number of parts that a training batch is divided into."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1
    mesh = distribution.device_mesh
    return mesh.shape[list(mesh.axis_names).index(distribution.batch_dim_name)]


@contextmanager
def undistributed() -> Iterator[None]:
    """Disable the Keras distribution, so that batches of any size run on one device."""
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


@contextmanager
def float32() -> Iterator[None]:
    """Build networks in full precision, regardless of the global Keras policy."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


@contextmanager
def channels_last() -> Iterator[None]:
    """Build networks with channels last, regardless of Keras' `image_data_format`."""
    data_format = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(data_format)
