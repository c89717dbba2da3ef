"""The common base of the detectors of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from types import NoneType
from typing import Any, ClassVar

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._face_mask import filled_slots
from .._last_layer import last_layer
from .._network_files import check_description
from ..augmentation._applying import Augmenter, resolve
from ..synthesis import SelfBlender
from ._answers import AGGREGATIONS
from ._attention import (
    NetworkOfVideos,
    build_attention,
    running_answers,
)
from ._base import BaseDetector, Videos, Work
from ._batches import Batch, Change, frames_and_fillers
from ._blending import BlendReal, ReplaceFakes, real_and_fake, real_label


class ImageDetector(BaseDetector):
    """A detector that is given faces as images.

    In training they can be augmented, and real ones be blended into fakes. And it can
    learn which frames of a video its answer for that should go by.
    """

    attention_: keras.Model

    _networks: ClassVar[tuple[str, ...]] = ("model_", "attention_")

    # The networks that `model_` is made into, each with what it was made of.
    _answering: tuple[keras.Model, keras.Model] | None = None
    _trained: tuple[tuple[keras.Model, bool], keras.Model] | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseDetector._parameter_constraints,
        "aggregation": [StrOptions({*AGGREGATIONS, "attention"})],
        "augment": [str, keras.Layer, list, tuple, None],
        "fakes": [StrOptions({"given", "self_blended", "mixed"})],
        "blended_share": [Interval(Real, 0, 1, closed="right")],
        "blender": [SelfBlender, None],
    }

    def __init__(
        self,
        *,
        augment: Any,
        fakes: str,
        blended_share: float,
        blender: SelfBlender | None,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.augment = augment
        self.fakes = fakes
        self.blended_share = blended_share
        self.blender = blender

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters, with those for the optimizer that were set.

        Parameters
        ----------
        deep : bool, default=True
            Whether those of the `blender` are there, too.

        Returns
        -------
        dict
            Names and values.
        """
        params = super().get_params(deep)
        if deep and isinstance(self.blender, SelfBlender):
            of_blender = self.blender.get_params()
            params.update({f"blender__{k}": v for k, v in of_blender.items()})
        return params

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.augment is not None:
            resolve(self.augment, None)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if not isinstance(self.augment, (str, NoneType)):
            described = keras.saving.serialize_keras_object(self.augment)
            check_description(described)
            weights = [part.get_weights() for part in keras.tree.flatten(self.augment)]
            state["augment"] = {"layers": described, "weights": weights}
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        augment = state.get("augment")
        if not isinstance(augment, (str, NoneType)):
            check_description(augment["layers"])
            made = keras.saving.deserialize_keras_object(augment["layers"])
            parts = keras.tree.flatten(made)
            for part, weights in zip(parts, augment["weights"], strict=True):
                part.set_weights(weights)
            state = dict(state, augment=made)
        super().__setstate__(state)

    # -- input ---------------------------------------------------------------

    def _validate_frames(self, X: ArrayLike, *, reset: bool) -> NDArray:
        frames = super()._validate_frames(X, reset=reset)
        changed = [
            name
            for name, is_set in (
                ("augment", self.augment is not None),
                ("fakes", self.fakes != "given"),
            )
            if is_set
        ]
        if reset and changed and (frames.dtype != np.uint8 or frames.shape[-1] != 3):
            raise ValueError(
                f"X has frames of shape {frames.shape[2:]} and dtype {frames.dtype}, "
                f"but {' and '.join(f'{n}={getattr(self, n)!r}' for n in changed)} "
                "changes RGB images of uint8: pass X as such, or leave the default"
            )
        return frames

    def _classes_beside(self, y: ArrayLike) -> NDArray | None:
        labels = np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:  # a column, which is warned of
            labels = labels[:, 0]
        if self.fakes == "given" or labels.ndim != 1 or not labels.size:
            return None  # what is wrong with y is told elsewhere
        real_label(labels)
        only_real = self.fakes == "self_blended" and len(np.unique(labels)) == 1
        return real_and_fake(labels) if only_real else None

    # -- what is trained on ----------------------------------------------------

    @property
    def _real(self) -> int:
        """The number of the class that is real."""
        return self.classes_.tolist().index(real_label(self.classes_))

    def _weights(self, y: NDArray, given: NDArray) -> tuple[NDArray, NDArray]:
        if self.fakes != "self_blended":
            return super()._weights(y, given)
        given = np.where(y == self._real, given, 0)  # the others are left out
        if not given.any():
            raise ValueError(
                "y contains no real video of positive sample_weight, but it is these "
                "that fakes='self_blended' makes fakes of"
            )
        return given, given * self._class_weight(self._real)

    def _class_weight(self, number: int) -> float:
        """Give the weight of a class of which there are as many as of the other."""
        if not isinstance(self.class_weight, dict):
            return 1.0
        return float(self.class_weight.get(self.classes_[number], 1))

    def _count(self, y: NDArray) -> NDArray:
        count = super()._count(y)
        return count + count[::-1] if self.fakes == "self_blended" else count

    def _parts_in_a_step(self, index: tuple[NDArray, ...]) -> int:
        frames_in_a_part = index[-1].shape[1] if index[-1].ndim == 2 else 1
        if self.fakes == "self_blended":
            frames_in_a_part *= 2
        return max(1, self.batch_size // frames_in_a_part)

    def _changes(self, work: Work, *, training: bool, seed: int | None) -> list[Change]:
        changes: list[Change] = []
        if self.fakes != "given":
            changes.append(self._blending(work.videos, training=training))
        if training and work.augmented and self.augment is not None:
            augment = Augmenter(self.augment, seed)

            def change(batch: Batch, rng: np.random.Generator) -> Batch:
                return batch._replace(frames=by_image(augment, batch.frames))

            changes.append(change)
        return changes

    def _blending(self, videos: Videos, *, training: bool) -> Change:
        blender = self.blender or SelfBlender()
        fake = 1 - self._real
        if self.fakes == "self_blended":
            times = self._class_weight(fake) / self._class_weight(self._real)
            return BlendReal(blender, fake, times)
        numbers = videos.training if training else videos.validation
        # Of all, so that videos are as long as they are in the batches.
        index, present = self._parts(videos.filled, numbers)  # type: ignore[arg-type]
        real = np.flatnonzero(videos.y[index[0]].ravel() == self._real)
        index = tuple(axis[real] for axis in index)
        present = None if present is None else present[real]
        return ReplaceFakes(blender, fake, self.blended_share, videos.X, index, present)

    # -- attention -------------------------------------------------------------

    @property
    def _weighs_frames(self) -> bool:
        return self.aggregation == "attention"

    @property
    def _answers_as_it_goes(self) -> bool:
        return self._weighs_frames

    def _parts(
        self, filled: NDArray[np.bool_], numbers: NDArray
    ) -> tuple[tuple[NDArray, ...], NDArray | None]:
        if self._weighs_frames:
            return frames_and_fillers(filled, numbers)
        return super()._parts(filled, numbers)

    def _build_networks(self) -> keras.Model:
        network = super()._build_networks()
        self.__dict__.pop("attention_", None)
        if self._weighs_frames:
            self.attention_ = build_attention(self._weighed(network)[0].shape[-1])
        return network

    def _ensure_compiled_model(self) -> None:
        self._check_attention()
        super()._ensure_compiled_model()

    def _check_attention(self) -> None:
        if self._weighs_frames and not hasattr(self, "attention_"):
            raise ValueError(
                f"aggregation='attention' takes weights that are learnt in fit, and "
                f"this {type(self).__name__} was fitted with another aggregation: fit "
                "it anew"
            )

    @property
    def _trained_network(self) -> keras.Model:
        if not self._weighs_frames:
            return self.model_
        return self._once(lambda: self._of_videos(self.model_.input))

    def _once(self, make: Callable[[], keras.Model]) -> keras.Model:
        """Make the network that is trained when there is another than was."""
        made_of = self.model_, self._weighs_frames
        if self._trained is None or self._trained[0] != made_of:
            self._trained = made_of, make()
        return self._trained[1]

    def _of_videos(self, frames: Any, **settings: Any) -> keras.Model:
        """Make what follows a tensor a network of videos, compiled like `model_`."""
        of_frames = keras.Model(frames, self._weighed(self.model_))
        whole = NetworkOfVideos(of_frames, last_layer(self.model_), self.attention_)
        self._compile_alike(whole, **settings)
        return whole

    def _weighed(self, network: keras.Model) -> list[Any]:
        """Give what frames are weighed by, what the last layer sees, and its output.

        Once, what is the same.
        """
        return [last_layer(network).input, network.output]

    @property
    def _answering_network(self) -> keras.Model:
        if not self._weighs_frames:
            return self.model_
        self._check_attention()
        if self._answering is None or self._answering[0] is not self.model_:
            features, *_, proba = self._weighed(self.model_)
            weight = self.attention_(features)
            outputs = keras.layers.Concatenate(dtype="float32")([proba, weight])
            self._answering = self.model_, keras.Model(self.model_.input, outputs)
        return self._answering[1]

    def predict_frame_weights(self, X: ArrayLike) -> NDArray:
        """Tell how much each frame counts in the answer for its video.

        Parameters
        ----------
        X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
            As in `fit`; the number of frames may differ.

        Returns
        -------
        ndarray of shape (n_videos, n_frames)
            Weights that add up to 1 in each video; NaN for slots without a face.

        Raises
        ------
        ValueError
            If X is not of the form seen in `fit`.
        sklearn.exceptions.NotFittedError
            If the detector is not fitted.
        AttributeError
            Unless ``aggregation="attention"``.
        """
        if not self._weighs_frames:
            raise AttributeError(
                f"{type(self).__name__} has learnt no weights of frames: fit it with "
                "aggregation='attention'"
            )
        check_is_fitted(self)
        _, weight = self._weigh(self._validate_frames(X, reset=False))
        return weight / np.nansum(weight, axis=1, keepdims=True)

    def _weigh(self, X: NDArray) -> tuple[NDArray, NDArray]:
        """Give the probability and the weight of each slot, NaN where it is empty."""
        filled = filled_slots(X)
        found = np.full((*filled.shape, 2), np.nan)
        index = np.nonzero(filled)
        found[index] = self._predict_parts(X, index)
        return found[..., 0], found[..., 1]

    def _frame_weights(self, X: NDArray) -> NDArray | None:
        return self._weigh(X)[1] if self._weighs_frames else None

    def _combine(self, positive: NDArray, weight: NDArray | None = None) -> NDArray:
        if weight is None:
            return super()._combine(positive)
        return super()._aggregate(running_answers(positive, weight))

    def _predict_slots(self, X: NDArray) -> NDArray:
        if self._weighs_frames:
            return running_answers(*self._weigh(X))
        return super()._predict_slots(X)


def by_image(change: Any, frames: NDArray) -> NDArray:
    """Change images, which may stand in sequences.

    Parameters
    ----------
    change : callable
        From images of shape (n, height, width, channels) to arrays of shape (n, ...).
    frames : ndarray of shape (n, height, width, channels) or \
            (n, n_frames, height, width, channels)
        What is changed.

    Returns
    -------
    ndarray of shape (n, ...) or (n, n_frames, ...)
        What came of it.
    """
    images = frames.reshape(-1, *frames.shape[-3:])
    changed = change(images)
    return changed.reshape(*frames.shape[:-3], *changed.shape[1:])
