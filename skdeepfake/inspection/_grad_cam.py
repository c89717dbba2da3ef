"""Where in a face the evidence lies, by the gradients of the network."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._face_mask import filled_slots
from .._validation import validated
from ._input import detector_and_frames, sign_of_class


@validated(
    {
        "layer": [Integral, str],
        "weights": [StrOptions({"channel", "position"})],
        "normalize": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    }
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
    """Map where in each face a network of images finds its evidence (Grad-CAM).

    1. A convolution gives maps of channels. Each channel's weight is the gradient of
       the class's log-odds by the channel, averaged over the positions.
    2. Where the sum of the weighted channels is positive, it speaks for the class.
    3. It is enlarged to the size of the image.

    The network is asked as in prediction, and stays as it is.

    Parameters
    ----------
    estimator : detector or Pipeline
        A fitted :class:`~skdeepfake.detectors.CNNDetector`,
        :class:`~skdeepfake.detectors.GANDetector` or other detector of images; or a
        pipeline that ends in one, whose other steps are run first.
    X : array-like of shape (n_videos, n_frames, height, width, 3) or \
(n_images, height, width, 3)
        Faces as in `predict_proba`, or what the pipeline takes, such as paths.
    layer : int or str, default=-1
        Which layer's channels: the number of a convolution, of which -1 is the last;
        or the name of any layer with an output of (images, height, width, channels).
        One within a network of the network is found by its own name, or by both,
        ``"vgg16/block5_conv3"``. Keras numbers names on from fit to fit, so numbers
        are the safer choice.
    class_label : object, default=None
        The class that is asked for; None is the second of `classes_`, the fakes. The
        log-odds of the other are those of this one with another sign.
    weights : {"channel", "position"}, default="channel"
        Whether a channel has one weight, as in Grad-CAM, or at each position the
        gradient there, which is HiResCAM. In a network that flattens its maps, as the
        CNN and the GAN do, a channel means one thing here and another there, and the
        average may cancel to nothing, or even show where there is evidence against
        the class. HiResCAM's maps are truer then, and more jagged.
    normalize : bool, default=False
        Whether each map that is not zero throughout is divided by its maximum. As it
        is, maps of one network can be compared with each other.
    batch_size : int or None, default=None
        Images that go through the network at once; None is the detector's.

    Returns
    -------
    ndarray of shape (n_videos, n_frames, height, width), float32
        Evidence for the class, zero or more, without a unit; NaN for slots without a
        face. Single images are videos of one frame, as in `predict_frame_proba`.

    Raises
    ------
    ValueError
        If `estimator` is no detector of images, X is not what it takes, or there is
        no such layer or class.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.

    See Also
    --------
    occlusion : For detectors of features, and for frames.
    overlay : The map over the face.
    skdeepfake.plotting.AttributionDisplay : A picture of all faces and maps.

    Notes
    -----
    The maps are as coarse as the layer: where it has 28 x 28 positions, a face of
    224 x 224 pixels is seen in steps of 8. Of a convolution with an activation of its
    own, as in the CNN, the output is taken behind it, of others before.

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
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randint(1, 100, size=(8, 2, 16, 16, 3)).astype(np.uint8)
    >>> y = np.array([0, 1] * 4)
    >>> X[y == 1] += 100
    >>> X[1, 1] = 0  # no face in the last frame of the second video
    >>> detector = CNNDetector(
    ...     filters=(4,), dense_units=4, epochs=1, validation_fraction=None
    ... ).fit(X, y)
    >>> maps = grad_cam(detector, X)
    >>> maps.shape
    (8, 2, 16, 16)
    >>> bool(np.isnan(maps[1, 1]).all()), bool(np.nanmin(maps) >= 0)
    (True, True)
    """
    detector, frames = detector_and_frames(estimator, X)
    # Here, for it loads Keras, and `overlay` does not need that.
    from ._gradients import pull_back
    from ._network import find_layer

    if frames.ndim != 5:
        raise ValueError(
            f"{type(detector).__name__} sees no images, and Grad-CAM needs them: use "
            "skdeepfake.inspection.occlusion"
        )
    sign = sign_of_class(detector, class_label)
    network = detector.model_
    chosen = find_layer(network, layer)
    videos, slots = np.nonzero(filled_slots(frames))
    height, width = frames.shape[2:4]
    size = width, height  # as OpenCV wants it
    maps = np.full((*frames.shape[:2], height, width), np.nan, dtype=np.float32)
    step = detector.batch_size if batch_size is None else batch_size
    for start in range(0, len(videos), step):
        part = videos[start : start + step], slots[start : start + step]
        images = frames[part].astype(detector.frame_dtype_, copy=False)
        activations, slopes = pull_back(network, images, chosen)
        if weights == "channel":
            slopes = slopes.mean(axis=(1, 2), keepdims=True)
        evidence = sign * (activations * slopes).sum(axis=3)
        for video, slot, found in zip(*part, evidence.clip(min=0), strict=True):
            maps[video, slot] = cv2.resize(found, size)
    if normalize:
        peak = maps.max(axis=(2, 3), keepdims=True)
        np.divide(maps, peak, out=maps, where=peak > 0)
    return maps
