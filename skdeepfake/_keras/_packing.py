"""Networks as bytes: a `.keras` archive without the optimizer, for pickling."""

from __future__ import annotations

import os

import keras

from .._atomic import temporary_folder
from ._trust import check_network


def pack(model: keras.Model) -> bytes:
    """Pack a network as a `.keras` archive."""
    bare = keras.Model(model.input, model.output, name=model.name)
    # Keras writes to paths only.
    with temporary_folder() as folder:
        path = os.path.join(folder, "model.keras")
        bare.save(path)
        with open(path, "rb") as file:
            archive = file.read()
    check_network(archive)  # rather now than when it is loaded
    return archive


def unpack(archive: bytes) -> keras.Model:
    """Unpack what `pack` made, in Keras' safe mode."""
    archive = check_network(archive)
    with temporary_folder() as folder:
        path = os.path.join(folder, "model.keras")
        with open(path, "wb") as file:
            file.write(archive)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
