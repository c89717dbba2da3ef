"""Grad-CAM and HiResCAM: maps of evidence from the gradients of a network."""

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

#: The maps that a pretrained detector averages, for which Keras is not needed.
LAST_MAPS = "top_relu"

# From a batch of images to the outputs of a layer, and the gradients of the logits.
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
    """Map where in each face a detector of images finds its evidence (Grad-CAM).

    1. A convolution gives maps of channels. The weight of each channel is the gradient
       of the log-odds with respect to it, averaged over the positions.
    2. The positive part of the weighted sum is evidence for the class.
    3. It is resized to the size of the image.

    Parameters
    ----------
    estimator : detector or Pipeline
        A fitted detector of images, or a pipeline that ends in one.
    X : array-like of shape (n_videos, n_frames, height, width, 3) or \
(n_images, height, width, 3)
        Faces as in `predict_proba`, or the input of the pipeline, such as paths.
    layer : int or str, default=-1
        Index of a convolution, where -1 is the last, or the name of any layer with an
        output of shape (images, height, width, channels), perhaps with its parents:
        ``"vgg16/block5_conv3"``. Keras' default names change from fit to fit.
        ``"top_relu"`` of a `PretrainedDetector` needs no Keras.
    class_label : object, default=None
        The class to explain; None is the second of `classes_`, the fakes.
    weights : {"channel", "position"}, default="channel"
        One weight per channel (Grad-CAM), or the gradient at each position (HiResCAM).
        For networks that flatten their maps, such as the CNN and the GAN, HiResCAM is
        more accurate: the average over positions may cancel out or have the wrong sign.
    normalize : bool, default=False
        Divide each map that is not zero by its maximum.
    batch_size : int or None, default=None
        Images per batch; None uses the detector's.

    Returns
    -------
    ndarray of shape (n_videos, n_frames, height, width), float32
        Evidence for the class, zero or more, without a unit; NaN for slots without a
        face. Single images are videos of one frame, as in `predict_frame_proba`.

    Raises
    ------
    ValueError
        If `estimator` is no detector of such images, or a layer or class is unknown.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.

    See Also
    --------
    occlusion : For detectors of features, and for frames.
    overlay : Draw a map over a face.
    skdeepfake.plotting.AttributionDisplay : Draw all faces and maps.

    Notes
    -----
    The maps are as coarse as the layer: with 28 x 28 positions, a face of 224 x 224
    pixels is resolved in steps of 8. A convolution includes its own activation.

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
            f"{type(detector).__name__} sees no images, and Grad-CAM needs them: use "
            "skdeepfake.inspection.occlusion"
        )
    sign = sign_of_class(detector, class_label)
    if layer == LAST_MAPS and isinstance(detector, PretrainedDetector):
        pull_back = _pull_back_without_keras(detector)
    else:
        pull_back = _pull_back_by_keras(detector, layer)
    videos, slots = np.nonzero(filled_slots(frames))
    height, width = frames.shape[2:4]
    size = width, height  # as OpenCV wants it
    maps = np.full((*frames.shape[:2], height, width), np.nan, dtype=np.float32)
    step = detector.batch_size if batch_size is None else batch_size
    for start in range(0, len(videos), step):
        part = videos[start : start + step], slots[start : start + step]
        images = frames[part].astype(detector.frame_dtype_, copy=False)
        if detector._sees_sequences:  # each frame as a video of its own
            images = images[:, np.newaxis]
        activations, slopes = pull_back(images)
        if weights == "channel":
            slopes = slopes.mean(axis=(1, 2), keepdims=True)
        evidence = sign * (activations * slopes).sum(axis=3)
        for video, slot, found in zip(*part, evidence.clip(min=0), strict=True):
            maps[video, slot] = cv2.resize(found, size)
    if normalize:
        peak = maps.max(axis=(2, 3), keepdims=True)
        np.divide(maps, peak, out=maps, where=peak > 0)
    return maps


def _pull_back_by_keras(detector: Any, layer: int | str) -> PullBack:
    # Imported here, since it loads Keras, which `overlay` does not need.
    from ._network import find_layer, pull_back

    network = detector.model_
    chosen = find_layer(network, layer)
    return lambda images: pull_back(network, images, chosen)


def _pull_back_without_keras(detector: PretrainedDetector) -> PullBack:
    """Compute the maps that are averaged to logits, whose gradients are constant."""
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
    """Return 1 if the logit is that of the class (None: the second one), else -1."""
    classes = np.asarray(detector.classes_).tolist()
    if class_label is None:
        return 1
    if class_label not in classes:
        raise ValueError(
            f"class_label={class_label!r} is not one of the classes {classes}"
        )
    return (-1, 1)[classes.index(class_label)]
