"""Export detectors to ONNX, for programs without Python or Keras."""

from __future__ import annotations

import importlib.util
import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from . import __version__
from ._atomic import write_atomically
from ._efficientnet_lite import detector_to_onnx
from ._engines import run_by_onnxruntime
from ._json import plain, step_parameters
from ._onnx import metadata
from ._validation import validated

# Key of the metadata, and largest allowed difference between probabilities.
_KEY, _TOLERANCE = "skdeepfake", 1e-4


@validated(pipeline=[BaseEstimator], path=[str, os.PathLike])
def export_onnx(pipeline: Any, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Export the network of a detector to ONNX.

    The exported network computes one probability per face. Its input has the shape
    (n_faces, height, width, 3) and contains faces returned by the step before the
    detector. Sampling, cropping, resizing and aggregation are not exported, but are
    described in the metadata of the file.

    Parameters
    ----------
    pipeline : Pipeline or detector
        Fitted pipeline that takes paths of videos, or its fitted detector. The
        network must take single faces, not sequences of frames or features.
    path : str or os.PathLike
        Path of the ``*.onnx`` file to write.

    Returns
    -------
    dict
        Metadata, also stored in the file as JSON under the key "skdeepfake":

        - `input`: shape, data type and meaning.
        - `output`: shape and meaning. The output contains the probability of the second
          class for each face. After training with
          :class:`~skdeepfake.detectors.Attention`, it also contains the attention
          weight of each face.
        - `classes`: the two classes.
        - `aggregation`: parameter `aggregation` of the detector.
        - `preprocessing`: parameters of each step before the detector.
        - `max_difference`: largest difference between the probabilities of the exported
          network and of the detector on random faces; None if onnxruntime is not
          installed.
        - `version`: version of skdeepfake.

    Raises
    ------
    ValueError
        If the detector is not supported, or if Keras does not run on TensorFlow.
    ImportError
        If the extra ``onnx`` is not installed. The detector returned by
        :func:`~skdeepfake.load_detector` can be exported without it.
    RuntimeError
        If the probabilities of the exported network differ from those of the detector
        by more than 1e-4.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.

    See Also
    --------
    save : Save a whole pipeline for use in Python.

    Examples
    --------
    >>> import os, tempfile
    >>> from skdeepfake import load_detector
    >>> from skdeepfake.persistence import export_onnx
    >>> folder = tempfile.TemporaryDirectory()
    >>> about = export_onnx(load_detector(), os.path.join(folder.name, "a.onnx"))
    >>> about["input"]["shape"], about["input"]["dtype"]
    (['n', 160, 160, 3], 'uint8')
    >>> about["preprocessing"]["cropper"]["margin"]
    0.3
    >>> folder.cleanup()
    """
    steps = pipeline.steps if isinstance(pipeline, Pipeline) else [("", pipeline)]
    detector = steps[-1][1]
    _check(detector)
    network = _write(detector)
    output = ["probability", "weight"][: detector._n_outputs]
    about = {
        "input": {
            "shape": ["n", *detector.frame_shape_],
            "dtype": str(detector.frame_dtype_),
            "meaning": "RGB faces, pixels from 0 to 255",
        },
        "output": {"shape": ["n", len(output)], "meaning": output},
        "classes": detector.classes_.tolist(),
        "aggregation": detector.aggregation,
        "preprocessing": step_parameters(steps[:-1]),
        "max_difference": _difference(detector, network),
        "version": __version__,
    }
    about = plain(about)
    network += metadata(_KEY, json.dumps(about, allow_nan=False))
    write_atomically(path, lambda file: file.write(network))
    return about


def _check(detector: Any) -> None:
    name = type(detector).__name__
    if not hasattr(detector, "predict_frame_proba"):
        raise ValueError(
            "Expected a detector of skdeepfake.detectors or a pipeline that ends with "
            f"such a detector; got {name}."
        )
    check_is_fitted(detector)
    if detector._sees_sequences:
        raise ValueError(
            f"This {name} takes sequences of frames. Only networks that take single "
            "faces can be exported."
        )
    if len(detector.frame_shape_) != 3 or detector.frame_shape_[2] != 3:
        raise ValueError(
            f"This {name} takes frames of shape {detector.frame_shape_}. Only networks "
            "that take faces of shape (height, width, 3) can be exported."
        )


def _write(detector: Any) -> bytes:
    # The reference detector does not require Keras.
    if type(detector).__name__ == "PretrainedDetector":
        size = detector.frame_shape_[:2]
        return detector_to_onnx(detector.weights_, size, of_pixels=True)
    from ._keras._onnx import to_onnx

    return to_onnx(
        detector.model_,
        detector.frame_dtype_,
        needed_by="export_onnx",
        instead="set KERAS_BACKEND=tensorflow in the process that exports",
    )


def _difference(detector: Any, network: bytes) -> float | None:
    """Return the largest difference from the detector on random faces."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    noise = np.random.RandomState(0).randint(1, 256, (4, *detector.frame_shape_))
    faces: NDArray = noise.astype(detector.frame_dtype_)
    found = run_by_onnxruntime(network)(faces)[:, 0]
    # Fill the slots of all people with the same face.
    slots = faces[:, np.newaxis].repeat(detector._n_people, axis=1)
    expected = detector.predict_frame_proba(slots)[:, 0, 1]
    difference = float(np.abs(found - expected).max())
    if not difference <= _TOLERANCE:
        raise RuntimeError(
            f"The probabilities of the exported network differ from those of this "
            f"{type(detector).__name__} by up to {difference:.2g}, more than "
            f"{_TOLERANCE}. No file was written."
        )
    return difference
