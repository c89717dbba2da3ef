"""Base class for detectors that take images."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions

from ..augmentation._applying import Augmenter, resolve
from ._base import BaseDetector
from ._batches import Batch, Change
from ._docs import with_image_docs
from ._fakes import BlendedFakes, real_label
from ._training import Videos, Work


@with_image_docs
class ImageDetector(BaseDetector):
    """Base class for detectors that take images.

    Parameters
    ----------
    {{image_parameters}}
    {{training_parameters}}

    Attributes
    ----------
    {{fit_attributes}}

    See Also
    --------
    BaseDetector : Base class for all detectors.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from skdeepfake.detectors import ImageDetector
    >>> class LogisticDetector(ImageDetector):
    ...     def build_network(self):
    ...         x = inputs = keras.Input(self.frame_shape_)
    ...         x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 127.5, -1)(x))
    ...         return keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(x))
    >>> X = np.full((4, 2, 8, 8, 3), 9, np.uint8)
    >>> X[::2] = 200
    >>> detector = LogisticDetector(
    ...     learning_rate=0.01, epochs=20, validation_fraction=None, random_state=0
    ... )
    >>> detector.fit(X, [1, 0, 1, 0]).predict(X).tolist()
    [1, 0, 1, 0]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseDetector._parameter_constraints,
        "augment": "no_validation",  # see `resolve`
        "fake_source": [StrOptions({"labels"}), BlendedFakes],
    }

    def __init__(
        self, *, augment: Any = None, fake_source: Any = "labels", **params: Any
    ) -> None:
        super().__init__(**params)
        self.augment = augment
        self.fake_source = fake_source

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.augment is not None:
            resolve(self.augment)
        if self._fakes is not None:
            self._fakes._validate_params()

    # -- input ---------------------------------------------------------------

    def _validate_frames(self, X: ArrayLike, *, reset: bool) -> NDArray:
        frames = super()._validate_frames(X, reset=reset)
        changed = []
        if self.augment is not None:
            changed.append(f"augment={self.augment!r}")
        if self._fakes is not None:
            changed.append(f"fake_source={self.fake_source!r}")
        if reset and changed and (frames.dtype != np.uint8 or frames.shape[-1] != 3):
            raise ValueError(
                f"X must have RGB images of dtype uint8 for {' and '.join(changed)}; "
                f"got frames of shape {frames.shape[2:]} and dtype {frames.dtype}."
            )
        return frames

    def _infer_classes(self, y: ArrayLike) -> NDArray | None:
        labels = np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if self._fakes is None or labels.ndim != 1 or not labels.size:
            return None  # invalid labels raise an error later
        return self._fakes.classes(labels)

    # -- fakes ---------------------------------------------------------------

    @property
    def _fakes(self) -> BlendedFakes | None:
        fakes = self.fake_source
        return fakes if isinstance(fakes, BlendedFakes) else None

    @property
    def _makes_all_fakes(self) -> bool:
        return self._fakes is not None and self._fakes.replaces_all

    @property
    def _real(self) -> int:
        """Index of the real class."""
        return self.classes_.tolist().index(real_label(self.classes_))

    def _weights(self, y: NDArray, given: NDArray) -> tuple[NDArray, NDArray]:
        if not self._makes_all_fakes:
            return super()._weights(y, given)
        given = np.where(y == self._real, given, 0)
        if not given.any():
            raise ValueError(
                f"fake_source={self.fake_source!r} needs real videos with a positive "
                "sample_weight; got none."
            )
        return given, given * self._class_weight(self._real)

    def _class_weight(self, number: int) -> float:
        """Return the weight of a class, given that both have as many samples."""
        if not isinstance(self.class_weight, dict):
            return 1.0
        return float(self.class_weight.get(self.classes_[number], 1))

    def _count(self, y: NDArray) -> NDArray:
        count = super()._count(y)
        return count + count[::-1] if self._makes_all_fakes else count

    # -- batches -------------------------------------------------------------

    def _samples_per_step(self, index: tuple[NDArray, ...]) -> int:
        times = 2 if self._makes_all_fakes else 1
        return max(1, super()._samples_per_step(index) // times)

    def _changes(self, work: Work, *, training: bool, seed: int | None) -> list[Change]:
        changes: list[Change] = []
        if self._fakes is not None:
            changes.append(self._blending(self._fakes, work.videos, training=training))
        if training and work.augmented and self.augment is not None:
            augment = Augmenter(self.augment, seed)
            # Apply the same augmentation to a face and its blended fake, so that they
            # only differ in the blended region.
            n_parts = 2 if self._makes_all_fakes else 1

            def change(batch: Batch, rng: np.random.Generator) -> Batch:
                drawn = int(rng.integers(2**63))
                parts = [
                    by_image(
                        lambda images: augment(images, np.random.default_rng(drawn)),
                        part,
                    )
                    for part in np.split(batch.frames, n_parts)
                ]
                return batch._replace(frames=np.concatenate(parts))

            changes.append(change)
        return changes

    def _blending(
        self, fakes: BlendedFakes, videos: Videos, *, training: bool
    ) -> Change:
        fake = 1 - self._real
        times = self._class_weight(fake) / self._class_weight(self._real)
        numbers = videos.training if training else videos.validation
        # Index all videos, so that sequences are as long as in the batches.
        index, present = self._sample_index(videos.filled, numbers)  # type: ignore[arg-type]
        real = np.flatnonzero(videos.y[index[0]].ravel() == self._real)
        index = tuple(axis[real] for axis in index)
        present = None if present is None else present[real]
        return fakes.step(fake, times, videos.X, index, present)


def by_image(change: Any, frames: NDArray) -> NDArray:
    """Apply a function to single images or to the images of sequences."""
    images = frames.reshape(-1, *frames.shape[-3:])
    changed = change(images)
    return changed.reshape(*frames.shape[:-3], *changed.shape[1:])
