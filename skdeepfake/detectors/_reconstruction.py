"""Detector based on the reconstruction of real faces."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._face_mask import filled_slots
from .._keras._compiled import compiled
from ._batches import Batch
from ._docs import with_image_docs
from ._fakes import real_and_fake
from ._images import ImageDetector
from ._input import check_positive_integers
from ._training import Videos, Work

# Names of layers.
_RECONSTRUCTION, _ERROR, _SCORE = "reconstruction", "error", "score"


@with_image_docs
class ReconstructionDetector(ImageDetector):
    """Detect deepfakes by the reconstruction errors of an encoder-decoder.

    First, an encoder and a decoder are trained to reconstruct the real faces of the
    training set. The weights of both are then frozen, and a head is trained. For each
    face, the head takes the code, which is the output of the encoder, and the absolute
    reconstruction error. Without a head, the score is computed from the mean error, and
    training only needs real faces.

    The label of the real class must be 0, False or "real".

    Parameters
    ----------
    filters : sequence of int, default=(32, 64, 128)
        Number of filters of each convolution of the encoder. Each convolution halves
        the height and width. The height and width of the faces must be multiples of
        ``2 ** len(filters)``.
    code_channels : int, default=16
        Number of channels of the code between the encoder and the decoder.
    head : {"dense"} or None, default="dense"
        Layers trained on the labels. With None, the score of a face with mean error r
        is ``sigmoid((r - m) / s - 2)``, where m and s are the mean and the standard
        deviation of the errors of real training faces. `y` need not contain fakes if
        `head` is None or if ``fake_source=BlendedFakes()``.
    reconstruction_epochs : int, default=20
        Number of epochs in which the encoder and the decoder are trained, without
        augmentation or validation. These epochs do not count toward `epochs`.
    reconstruction_rate : float, default=1e-3
        Learning rate in the `reconstruction_epochs`.
    rescale : float, default=1/255
        Factor that maps pixels to the range 0 to 1.
    {{image_parameters}}
    learning_rate : float, default=1e-4
        Learning rate of the head. If `head` is None, learning rate with which
        `partial_fit` trains the encoder and the decoder of a fitted detector.
    {{optimizer}}
    batch_size : int, default=32
        Number of frames per batch, in training and prediction.
    epochs : int, default=50
        Maximum number of epochs of the head. Ignored without a head.
    {{fit_parameters}}

    Attributes
    ----------
    {{fit_attributes}}
    reconstruction_history_ : dict of str to list of float
        Contains `loss`, the mean squared error of the reconstruction in each epoch.

    See Also
    --------
    CNNDetector : Detect deepfakes with a convolutional network.

    References
    ----------
    Cao et al., "End-to-end reconstruction-classification learning for face forgery
    detection", CVPR 2022. The authors train reconstruction and classification jointly.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import ReconstructionDetector
    >>> rng = np.random.RandomState(0)
    >>> real = np.full((8, 2, 16, 16, 3), 100, np.uint8)
    >>> real += rng.randint(0, 20, size=(8, 2, 1, 1, 3)).astype(np.uint8)
    >>> detector = ReconstructionDetector(
    ...     filters=(8,), head=None, reconstruction_epochs=40, reconstruction_rate=0.01,
    ...     random_state=0,
    ... ).fit(real, np.zeros(8, int))
    >>> striped = real.copy()
    >>> striped[:, :, ::2] += 60
    >>> detector.predict(striped).tolist()
    [1, 1, 1, 1, 1, 1, 1, 1]
    """

    reconstruction_history_: dict[str, list[float]]

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ImageDetector._parameter_constraints,
        "filters": ["array-like"],
        "code_channels": [Interval(Integral, 1, None, closed="left")],
        "head": [StrOptions({"dense"}), None],
        "reconstruction_epochs": [Interval(Integral, 1, None, closed="left")],
        "reconstruction_rate": [Interval(Real, 0, None, closed="neither")],
        "rescale": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        filters: Sequence[int] = (32, 64, 128),
        code_channels: int = 16,
        head: str | None = "dense",
        reconstruction_epochs: int = 20,
        reconstruction_rate: float = 1e-3,
        rescale: float = 1 / 255,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.filters = filters
        self.code_channels = code_channels
        self.head = head
        self.reconstruction_epochs = reconstruction_epochs
        self.reconstruction_rate = reconstruction_rate
        self.rescale = rescale

    def _validate_params(self) -> None:
        super()._validate_params()
        check_positive_integers(self, "filters", at_least=1)

    def reconstruct(self, X: ArrayLike) -> NDArray[np.float32]:
        """Reconstruct faces.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, H, W, 3) or (n_images, H, W, 3)
            Faces as in `fit`.

        Returns
        -------
        ndarray of float32, shape (n_videos, n_frames, H, W, 3)
            Reconstructed faces with values from 0 to 1, all zeros in slots without a
            face.

        Raises
        ------
        {{raises_unfitted}}
        """
        check_is_fitted(self)
        X = self._validate_frames(X, reset=False)
        index = np.nonzero(filled_slots(X))
        faces = np.zeros(X.shape, np.float32)
        faces[index] = self._compute(_RECONSTRUCTION, X, index)
        return faces

    def _compute(self, name: str, X: NDArray, index: tuple[NDArray, ...]) -> NDArray:
        """Compute the output of a layer for the given frames."""
        part = keras.Model(self.model_.input, self._output_of(name))
        return self._in_batches(compiled(part), X, index, part.output_shape[1:])

    # -- network -------------------------------------------------------------

    def build_network(self) -> keras.Model:
        height, width, n_channels = self.frame_shape_
        step = 2 ** len(self.filters)
        if height % step or width % step:
            raise ValueError(
                f"X has images of {height} x {width} pixels, but `filters` of length "
                f"{len(self.filters)} requires multiples of {step} pixels. Resize the "
                "images or shorten `filters`."
            )
        inputs = keras.Input(self.frame_shape_, dtype=str(self.frame_dtype_))
        x = scaled = layers.Rescaling(self.rescale)(inputs)
        how = {"padding": "same", "trainable": False}  # trained in `_prepare`
        for filters in self.filters:
            x = layers.Conv2D(filters, 3, strides=2, activation="relu", **how)(x)
        x = code = layers.Conv2D(self.code_channels, 1, activation="relu", **how)(x)
        for filters in reversed(self.filters):
            x = layers.Conv2DTranspose(filters, 3, strides=2, activation="relu", **how)(
                x
            )
        x = layers.Conv2D(
            n_channels, 3, activation="sigmoid", name=_RECONSTRUCTION, **how
        )(x)
        difference = ops.absolute(scaled - x)
        average = layers.GlobalAveragePooling2D
        last = {"activation": "sigmoid", "dtype": "float32", "name": _SCORE}
        if self.head is None:
            error = ops.mean(difference, axis=(1, 2, 3))
            error = layers.Reshape((1,), name=_ERROR)(error)
            return keras.Model(inputs, layers.Dense(1, trainable=False, **last)(error))
        x = difference
        for filters in (16, 32):
            x = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(
                x
            )
        x = layers.Concatenate()([average()(code), average()(x)])
        x = layers.Dense(32, activation="relu")(x)
        return keras.Model(inputs, layers.Dense(1, **last)(x))

    def _build_networks(self) -> keras.Model:
        self.__dict__.pop("reconstruction_history_", None)
        return super()._build_networks()

    # -- classes ---------------------------------------------------------------

    def _infer_classes(self, y: ArrayLike) -> NDArray | None:
        classes = super()._infer_classes(y)
        only_one = len(np.unique(np.ravel(y))) == 1
        if classes is None and self.head is None and only_one:
            return real_and_fake(np.ravel(y))
        return classes

    def _count(self, y: NDArray) -> NDArray:
        count = super()._count(y)
        return count if count.all() else np.full(2, count.max())

    def _can_validate(self, y: NDArray) -> bool:
        return self.head is not None

    # -- training --------------------------------------------------------------

    def _train_on(
        self, videos: Videos, warm_start: bool, epochs: int, initial_epoch: int
    ) -> None:
        if self.head is not None:
            super()._train_on(videos, warm_start, epochs, initial_epoch)
            return
        work = Work(self._trained_network, videos, videos.X)
        self._learn_to_reconstruct(work, epochs if initial_epoch else None)
        self.history_ = dict(self.reconstruction_history_)

    def _prepare(self, work: Work) -> None:
        if not hasattr(self, "reconstruction_history_"):
            self._learn_to_reconstruct(work)

    def _learn_to_reconstruct(self, work: Work, epochs: int | None = None) -> None:
        """Train the encoder and the decoder on real faces."""
        videos = work.videos
        numbers = videos.training[videos.y[videos.training] == self._real]
        if not len(numbers):
            raise ValueError("The training set must contain real videos; got none.")
        network = keras.Model(self.model_.input, self._output_of(_RECONSTRUCTION))
        learning = [layer for layer in network.layers if layer.weights]
        for layer in learning:
            layer.trainable = True
        rate = self.reconstruction_rate if epochs is None else self.learning_rate
        network.compile(self._make_optimizer(rate), "mse")
        seed = self._seed(0)
        rng = np.random.RandomState(seed)
        batches = self._batches(
            work, numbers, changes=[self._with_itself], rng=rng, seed=seed
        )
        self.reconstruction_history_ = self._fit_part(
            network, batches, epochs or self.reconstruction_epochs, "reconstruction"
        )
        for layer in learning:
            layer.trainable = False
        if self.head is None:  # standardize by the errors of real faces
            index = self._index(videos.filled, numbers)
            errors = self._compute(_ERROR, work.X, index)
            scale = max(float(errors.std()), 1e-6)
            weights = [np.array([[1 / scale]]), np.array([-errors.mean() / scale - 2])]
            self.model_.get_layer(_SCORE).set_weights(weights)

    def _with_itself(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Use faces as their own targets."""
        targets = batch.frames.astype(np.float32) * np.float32(self.rescale)
        return batch._replace(y=targets, weight=batch.weight[:, np.newaxis, np.newaxis])
