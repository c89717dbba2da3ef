"""Networks as bytes, for pickling: a `.keras` archive without the optimizer."""

from __future__ import annotations

import os
import tempfile

import keras

from .._network_files import check_network


def pack(model: keras.Model) -> bytes:
    """Pack a network as a `.keras` archive.

    Parameters
    ----------
    model : keras.Model
        The network, compiled or not.

    Returns
    -------
    bytes
        Architecture and weights. The optimizer, which would treble the size of a
        network trained by Adam, is left out.

    Raises
    ------
    UntrustedModelError
        If only checked networks are asked for, and this one would not be loaded again.
    """
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
    """Unpack what `pack` made, in Keras' safe mode.

    Parameters
    ----------
    archive : bytes
        A `.keras` archive.

    Returns
    -------
    keras.Model
        The network, not compiled.

    Raises
    ------
    UntrustedModelError
        If only checked networks are asked for, and this one is made of others' layers.
    """
    check_network(archive)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        with open(path, "wb") as file:
            file.write(archive)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
