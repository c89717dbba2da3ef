"""Networks as bytes, for pickling: a `.keras` archive without the optimizer."""

from __future__ import annotations

import os
import tempfile

import keras

from .._network_files import check_network


def pack(model: keras.Model) -> bytes:
    """Pack a network as a `.keras` archive."""
    bare = keras.Model(model.input, model.output, name=model.name)
    # Keras writes to paths only.
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        bare.save(path)
        with open(path, "rb") as file:
            archive = file.read()
    check_network(archive)  # rather now than when it is loaded
    return archive


def unpack(archive: bytes) -> keras.Model:
    """Unpack what `pack` made, in Keras' safe mode."""
    check_network(archive)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        with open(path, "wb") as file:
            file.write(archive)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
