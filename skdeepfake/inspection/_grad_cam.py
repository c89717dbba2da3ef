"""Grad-CAM and HiResCAM."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._efficientnet_lite import HEAD, detector_to_onnx, preprocess_input
from .._engines import make_engine
from .._face_mask import filled_slots
from .._predictions import run_pipeline
from .._validation import validated
from ..detectors import PretrainedDetector

#: Last feature maps of a pretrained detector, which are computed without Keras.
LAST_MAPS = "top_relu"

# Maps a batch of images to the outputs of a layer and the gradients of the logits.
PullBack = Callable[[NDArray], tuple[NDArray, NDArray]]


@validated(
    layer=[Integral, str],
    weights=[StrOptions({"channel", "position"})],
    normalize=["boolean"],
    batch_size=[Interval(Integral, 1, None, closed="left"), None],
)
def grad_cam(
    estimator: Any,
    X: ArrayLike,
    *,
    layer: int | str = -1,
    class_label: Any = None,
    weights: str = "channel",
    normalize: bool = False,
    batch_size: int | None = None,
) -> NDArray[np.float32]:
    """Compute Grad-CAM maps, which show the evidence for a class in each face.

    1. For each channel of a convolution, average the gradient of the log-odds over all
       positions, and weight the channel by this average.
    2. Sum the weighted channels and keep the positive part, the evidence for the class.
    3. Resize the map to the size of the image.

    Parameters
    ----------
    estimator : detector or Pipeline
        Fitted detector of images, or a pipeline that ends in one.
    X : array-like of shape (n_videos, n_frames, height, width, 3) or \
(n_images, height, width, 3)
        Faces as in `predict_proba`, or the input of the pipeline, such as paths.
    layer : int or str, default=-1
        Index of a convolution (-1 for the last one), or name of a layer with output
        shape (images, height, width, channels). A name can include parent networks,
        such as ``"vgg16/block5_conv3"``. The default names of Keras differ between
        fits. For a `PretrainedDetector`, ``"top_relu"`` does not require Keras.
    class_label : object, default=None
        Class to explain. None uses the second class in `classes_`.
    weights : {"channel", "position"}, default="channel"
        If "channel", use one weight per channel (Grad-CAM). If "position", use the
        gradient at each position (HiResCAM), which is more accurate for networks that
        flatten their maps, such as those of `CNNDetector` and `GANDetector`. In these
        networks, the average over positions can be close to zero or have the wrong
        sign.
    normalize : bool, default=False
        If True, divide each nonzero map by its maximum.
    batch_size : int or None, default=None
        Number of images per batch. None uses the batch size of the detector.

    Returns
    -------
    ndarray of shape (n_videos, n_frames, height, width), float32
        Evidence for the class, nonnegative and without a unit; NaN for slots without a
        face. Single images are treated as videos of one frame.

    Raises
    ------
    ValueError
        If `estimator` is not a detector of images, or if the layer or class is unknown.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.

    See Also
    --------
    occlusion : Explain detectors that take features, or the effect of each frame.
    overlay : Draw a map over a face.
    skdeepfake.plotting.AttributionDisplay : Plot faces with their maps.

    Notes
    -----
    A map has the resolution of the layer. For example, 28 x 28 positions on a face of
    224 x 224 pixels are 8 pixels apart. The activation function of a convolution is
    applied before the map is computed.

    References
    ----------
    Selvaraju et al., "Grad-CAM: visual explanations from deep networks via
    gradient-based localization", ICCV 2017, section 3.

    Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of
    convolutional neural networks", arXiv:2011.08891, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import CNNDetector
    >>> from skdeepfake.inspection import grad_cam
    >>> X = np.random.RandomState(0).randint(1, 256, size=(4, 2, 16, 16, 3))
    >>> X = X.astype(np.uint8)
    >>> X[1, 1] = 0  # no face in the last frame of the second video
    >>> detector = CNNDetector(
    ...     filters=(4,), dense_units=4, epochs=1, validation_fraction=None
    ... ).fit(X, [0, 1, 0, 1])
    >>> maps = grad_cam(detector, X)
    >>> maps.shape
    (4, 2, 16, 16)
    >>> bool(np.isnan(maps[1, 1]).all()), bool(np.nanmin(maps) >= 0)
    (True, True)
    """
    run = run_pipeline(estimator, X, keep_faces=False)
    detector, frames = run.detector, run.frames

    if frames.ndim != 5:
        raise ValueError(
            f"Grad-CAM requires a detector of images; got {type(detector).__name__}. "
            "Use skdeepfake.inspection.occlusion."
        )
    sign = sign_of_class(detector, class_label)
    if layer == LAST_MAPS and isinstance(detector, PretrainedDetector):
        pull_back = _pull_back_without_keras(detector)
    else:
        pull_back = _pull_back_by_keras(detector, layer)
    videos, slots = np.nonzero(filled_slots(frames))
    height, width = frames.shape[2:4]
    maps = np.full((*frames.shape[:2], height, width), np.nan, dtype=np.float32)
    step = detector.batch_size if batch_size is None else batch_size
    for start in range(0, len(videos), step):
        part = videos[start : start + step], slots[start : start + step]
        images = frames[part].astype(detector.frame_dtype_, copy=False)
        if detector._sees_sequences:  # explain each frame as a separate video
            images = images[:, np.newaxis]
        activations, slopes = pull_back(images)
        if weights == "channel":
            slopes = slopes.mean(axis=(1, 2), keepdims=True)
        evidence = sign * (activations * slopes).sum(axis=3)
        for video, slot, found in zip(*part, evidence.clip(min=0), strict=True):
            maps[video, slot] = cv2.resize(found, (width, height))
    if normalize:
        peak = maps.max(axis=(2, 3), keepdims=True)
        np.divide(maps, peak, out=maps, where=peak > 0)
    return maps


def _pull_back_by_keras(detector: Any, layer: int | str) -> PullBack:
    # Imported here, since `overlay` does not require Keras.
    from ._network import find_layer, pull_back

    network = detector.model_
    chosen = find_layer(network, layer)
    return lambda images: pull_back(network, images, chosen)


def _pull_back_without_keras(detector: PretrainedDetector) -> PullBack:
    """Return a function that computes the last maps and their gradients.

    Gradients are constant, because the logit is a weighted mean of the maps.
    """
    weights, size = detector.weights_, detector.frame_shape_[:2]
    network = detector_to_onnx(weights, size, include_top=False)
    compute = make_engine(network, detector.engine)
    kernel = weights[f"{HEAD}/kernel"][:, 0]

    def pull_back(images: NDArray) -> tuple[NDArray, NDArray]:
        batch = preprocess_input(images.astype(np.float32)).transpose(0, 3, 1, 2)
        maps = compute(np.ascontiguousarray(batch)).transpose(0, 2, 3, 1)
        return maps, np.broadcast_to(kernel / np.prod(maps.shape[1:3]), maps.shape)

    return pull_back


def sign_of_class(detector: Any, class_label: Any) -> int:
    """Return 1 for the second class or None, and -1 for the first class."""
    classes = np.asarray(detector.classes_).tolist()
    if class_label is None:
        return 1
    if class_label not in classes:
        raise ValueError(f"class_label must be one of {classes}; got {class_label!r}.")
    return (-1, 1)[classes.index(class_label)]
