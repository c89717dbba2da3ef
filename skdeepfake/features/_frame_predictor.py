"""Prediction errors of a next-frame predictor trained on real faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from .._bursts import as_bursts, select_in_bursts
from .._face_mask import filled_slots
from .._keras._compiled import compiled
from .._keras._packing import pack, unpack
from .._stateless import Versioned
from ..exceptions import NoFaceError

# Number of input frames per prediction.
_SEEN = 2


@dataclass(repr=False, eq=False)
class FramePredictor(Versioned, TransformerMixin, BaseEstimator):
    """Predict each frame from the two preceding frames and return the errors.

    A U-Net is trained on bursts of real faces to predict the next frame from two
    consecutive frames. The U-Net is the predictor P of Recycle-GAN and minimizes
    ``|x[t + 1] - P(x[t], x[t - 1])|²``. Fakes that are generated frame by frame move
    differently from real faces.

    Parameters
    ----------
    burst : int or None, default=None
        Number of consecutive frames per burst, at least 3. Must equal `burst` of
        :class:`~skdeepfake.preprocessing.VideoFrameSampler`. None treats all frames of
        a video as one burst.
    max_faces : int, default=1
        Number of slots per frame. Must equal `max_faces` of the cropper or, if `region`
        of the cropper lists several regions, `max_faces` of the cropper times the
        number of these regions.
    filters : sequence of int, default=(16, 32, 64)
        Number of filters at each level of the U-Net. Each level after the first halves
        the height and width. The height and width of the faces must be divisible by
        ``2 ** (len(filters) - 1)``.
    learning_rate : float, default=1e-3
        Learning rate of Adam.
    batch_size : int, default=32
        Number of frames per batch, in training and prediction.
    epochs : int, default=10
        Number of epochs.
    random_state : int, default=0
        Seed of the initial weights and the order of the training frames.
    verbose : int, default=0
        If at least 2, show the progress bar of Keras.

    Attributes
    ----------
    history_ : dict of str to list of float
        Mean squared error per epoch, for pixels scaled to [0, 1], in the entry "loss".
    model_ : keras.Model
        Trained network. Its input is two frames, concatenated along the channels.

    See Also
    --------
    skdeepfake.detectors.TransferDetector : Classify the errors in the same
        way as faces.

    Notes
    -----
    Volisetty, Sen and Savala review a detector that uses Recycle-GAN, but do not
    describe how it is used. This class implements only the predictor of Recycle-GAN.

    References
    ----------
    Bansal et al., "Recycle-GAN: Unsupervised video retargeting", ECCV 2018.

    Volisetty, Sen and Savala, "Deepfake detection", 2023, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.features import FramePredictor
    >>> bursts = np.full((4, 5, 16, 16, 3), 100, np.uint8)
    >>> predictor = FramePredictor(burst=5, filters=(4, 8), epochs=1)
    >>> predictor.fit(bursts, [0, 0, 1, 1]).transform(bursts).shape
    (4, 3, 16, 16, 3)
    """

    _: KW_ONLY
    burst: int | None = None
    max_faces: int = 1
    filters: Sequence[int] = (16, 32, 64)
    learning_rate: float = 1e-3
    batch_size: int = 32
    epochs: int = 10
    random_state: int = 0
    verbose: int = 0

    _written_by = ("skdeepfake", "keras")

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "burst": [Interval(Integral, _SEEN + 1, None, closed="left"), None],
        "max_faces": [Interval(Integral, 1, None, closed="left")],
        "filters": ["array-like"],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Interval(Integral, 0, 2**31 - 1, closed="both")],
        "verbose": ["verbose"],
    }

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> FramePredictor:
        """Train the network on bursts of real faces.

        Parameters
        ----------
        X : ndarray of uint8, shape (n_videos, n_slots, height, width, 3)
            RGB faces, all zeros in slots without a face.
        y : array-like of shape (n_videos,), default=None
            Labels. Only videos labeled 0, False or "real" are used. None uses all
            videos.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If `X` has the wrong shape or dtype, or if a parameter is invalid.
        NoFaceError
            If no real video has three consecutive faces.
        """
        bursts = self._bursts(X)
        index = _triples(bursts)
        if y is not None:
            labels = column_or_1d(y).tolist()
            check_consistent_length(bursts, labels)
            real = np.array([label in (0, "real") for label in labels])
            index = index[real[index[:, 0]]]
        if not len(index):
            raise NoFaceError(
                f"no real video has {_SEEN + 1} consecutive faces to learn motion "
                "from. Real videos have the label 0, False or 'real'."
            )
        self.frame_shape_ = bursts.shape[4:]
        network = self._build_network()
        network.compile(keras.optimizers.Adam(self.learning_rate), "mse")
        batches = _Triples(bursts, index, self.batch_size, self.random_state)
        history = network.fit(
            batches,
            epochs=self.epochs,
            shuffle=False,
            verbose=1 if self.verbose >= 2 else 0,
        )
        self.history_ = {name: list(losses) for name, losses in history.history.items()}
        self.model_ = network
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Compute the errors of the predictions.

        Parameters
        ----------
        X : ndarray of uint8, shape (n_videos, n_slots, height, width, 3)
            RGB faces, as in `fit`.

        Returns
        -------
        ndarray of uint8, shape (n_videos, n_slots', height, width, 3)
            Absolute differences between frames and predictions. A burst of k frames
            becomes k - 2 frames. A slot is all zeros if the predicted frame or one of
            the two preceding frames has no face. In other slots, all values are at
            least 1.

        Raises
        ------
        ValueError
            If `X` has the wrong shape or dtype, or if its faces differ in size from
            those in `fit`.
        sklearn.exceptions.NotFittedError
            If the predictor is not fitted.
        """
        check_is_fitted(self)
        bursts = self._bursts(X)
        if bursts.shape[4:] != self.frame_shape_:
            raise ValueError(
                f"X has faces of shape {bursts.shape[4:]}, but FramePredictor was "
                f"fitted on {self.frame_shape_}"
            )
        n_videos, n_bursts, length, n_people = bursts.shape[:4]
        shape = (n_videos, n_bursts, length - _SEEN, n_people, *self.frame_shape_)
        errors = np.zeros(shape, np.uint8)
        compute = compiled(self.model_)
        index = _triples(bursts)
        for start in range(0, len(index), self.batch_size):
            part = index[start : start + self.batch_size]
            seen, following = _frames(bursts, part)
            difference = np.abs(following.astype(np.float32) - 255 * compute(seen))
            errors[tuple(part.T)] = np.rint(difference).clip(1, 255)
        return errors.reshape(n_videos, -1, *self.frame_shape_)

    def select_slots(self, slots: ArrayLike) -> NDArray:
        """Select the elements of `slots` that belong to predicted frames.

        Parameters
        ----------
        slots : array-like of shape (n_slots,)
            Value of each input slot, such as its time.

        Returns
        -------
        ndarray of shape (n_bursts * (burst - 2) * max_faces,)
            Value of each output slot.
        """
        return select_in_bursts(slots, self.burst, self.max_faces, slice(_SEEN, None))

    # -- input ---------------------------------------------------------------

    def _bursts(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Check X and reshape it to (n_videos, n_bursts, burst, max_faces, h, w, 3)."""
        self._validate_params()
        return as_bursts(
            X, self.burst, self.max_faces, "FramePredictor", at_least=_SEEN + 1
        )

    # -- network -------------------------------------------------------------

    def _build_network(self) -> keras.Model:
        height, width, n_channels = self.frame_shape_
        step = 2 ** (len(self.filters) - 1)
        if not len(self.filters) or height % step or width % step:
            raise ValueError(
                f"X has faces of {height} x {width} pixels, but filters="
                f"{self.filters!r} requires multiples of {step}. Resize the faces or "
                "shorten `filters`."
            )
        seeds = iter(range(int(self.random_state), 2**32))

        def convolve(x: Any, filters: int, **how: Any) -> Any:
            drawn = keras.initializers.GlorotUniform(seed=next(seeds))
            how = {"activation": "relu", "kernel_initializer": drawn, **how}
            return layers.Conv2D(filters, 3, padding="same", **how)(x)

        inputs = keras.Input((height, width, _SEEN * n_channels), dtype="uint8")
        x = scaled = layers.Rescaling(1 / 255)(inputs)
        shortcuts = []
        for level, filters in enumerate(self.filters):
            if level:
                shortcuts.append(x)
                x = layers.AveragePooling2D(2)(x)
            x = convolve(x, filters)
        for filters, shortcut in zip(
            reversed(self.filters[:-1]), reversed(shortcuts), strict=True
        ):
            x = layers.UpSampling2D(2)(x)
            x = convolve(layers.Concatenate()([x, shortcut]), filters)
        # The network predicts the difference from the last input frame.
        change = convolve(x, n_channels, activation=None)
        return keras.Model(
            inputs, ops.add(ops.split(scaled, _SEEN, axis=-1)[-1], change)
        )

    # -- files ---------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "model_" in state:
            state["model_"] = pack(state["model_"])
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        if isinstance(vars(self).get("model_"), bytes):
            self.model_ = unpack(self.model_)


def _triples(bursts: NDArray) -> NDArray[np.int64]:
    """Return the video, burst, first frame and person of consecutive faces."""
    shape = bursts.shape[:4]
    flat = bursts.reshape(len(bursts), -1, *bursts.shape[4:])
    filled = filled_slots(flat).reshape(shape)
    n = shape[2] - _SEEN
    together = np.all([filled[:, :, i : i + n] for i in range(_SEEN + 1)], axis=0)
    return np.argwhere(together)


def _frames(bursts: NDArray, index: NDArray) -> tuple[NDArray, NDArray]:
    """Return the input frames, concatenated along the channels, and the next one."""
    video, burst, frame, person = index.T
    several = [bursts[video, burst, frame + i, person] for i in range(_SEEN + 1)]
    return np.concatenate(several[:-1], axis=-1), several[-1]


class _Triples(keras.utils.PyDataset):
    """Shuffled batches of input frames and the next frame."""

    def __init__(
        self, bursts: NDArray, index: NDArray, batch_size: int, seed: int
    ) -> None:
        super().__init__()
        self.bursts, self.index, self.batch_size = bursts, index, batch_size
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    @property
    def num_batches(self) -> int:
        """Number of batches per epoch."""
        return -(-len(self.index) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[NDArray, NDArray]:
        start = number * self.batch_size
        part = self.index[start : start + self.batch_size]
        seen, following = _frames(self.bursts, part)
        return seen, following.astype(np.float32) / 255

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        self.index = self.rng.permutation(self.index)
