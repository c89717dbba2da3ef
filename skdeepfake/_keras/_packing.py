"""Networks as bytes for pickling: `.keras` archives without the optimizer."""

from __future__ import annotations

import os

import keras

from .._atomic import temporary_folder
from ._trust import check_network


def pack(model: keras.Model) -> bytes:
    """Return a network as the bytes of a `.keras` archive."""
    bare = keras.Model(model.input, model.output, name=model.name)
    # Keras only writes to paths.
    with temporary_folder() as folder:
        path = os.path.join(folder, "model.keras")
        bare.save(path)
        with open(path, "rb") as file:
            archive = file.read()
    check_network(archive)  # fail now rather than during loading
    return archive


def unpack(archive: bytes) -> keras.Model:
    """Load a network that `pack` returned, in the safe mode of Keras."""
    archive = check_network(archive)
    with temporary_folder() as folder:
        path = os.path.join(folder, "model.keras")
        with open(path, "wb") as file:
            file.write(archive)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
