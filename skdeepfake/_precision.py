"""What networks compute in, and on how many devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras

# Weights are float32 in all of them.
DTYPE_POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


@contextmanager
def dtype_policy(name: str | None) -> Iterator[None]:
    """Build networks of a policy of dtypes.

    Parameters
    ----------
    name : str or None
        As Keras knows it; None leaves the one that is set.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if name is None else name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def replicas(distribution: str | None) -> int:
    """Tell on how many devices a network is trained.

    Parameters
    ----------
    distribution : {"data_parallel"} or None
        Whether on all of them.

    Returns
    -------
    int
        Their number; 1 for None.
    """
    return 1 if distribution is None else len(keras.distribution.list_devices())


def distributed(distribution: str | None) -> Any:
    """Build, or train, a network on all devices that Keras' backend sees.

    Parameters
    ----------
    distribution : {"data_parallel"} or None
        None does so on one.

    Returns
    -------
    context manager
        In which it is so.

    Raises
    ------
    ValueError
        If the backend is one that Keras does not distribute.
    """
    if distribution is None:
        return nullcontext()
    backend = keras.backend.backend()
    if backend != "jax":
        raise ValueError(
            f"distribution={distribution!r} needs Keras' backend jax, and this is "
            f"{backend}: set the environment variable KERAS_BACKEND=jax before Python "
            "starts, or distribution=None"
        )
    return keras.distribution.DataParallel(auto_shard_dataset=False).scope()
