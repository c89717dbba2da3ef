"""Training of detectors."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_consistent_length

from .._face_mask import filled_slots
from .._groups import encode_groups
from .._keras._optimizers import make_variables
from .._keras._precision import replicas
from ..exceptions import NoFaceError, NoFaceWarning, TrainingDivergedError
from ._batches import Batches, Change, without_missing
from ._callbacks import PlateauCallbacks, own_callbacks
from ._checkpoint import Checkpoint, TrainingRun, describe_training
from ._indexing import frame_index, frames_and_fillers, sequence_index
from ._prediction import VideoPredictor, listing
from ._validation_split import stratified_group_split

# Checkpoint stage of completed training.
_FINISHED = "finished"


@dataclasses.dataclass(frozen=True)
class Videos:
    """Labeled videos, split into a training and a validation set."""

    X: NDArray
    filled: NDArray[np.bool_]  # mask of slots with a face
    y: NDArray  # indices of classes
    weight: NDArray
    training: NDArray  # indices of videos
    validation: NDArray | None


@dataclasses.dataclass(frozen=True)
class Work:
    """A network and its training data."""

    network: keras.Model
    videos: Videos
    X: NDArray  # replaces `videos.X` as input
    changes: Sequence[Change] = ()  # applied last to each batch
    augmented: bool = True


class VideoTrainer(VideoPredictor):
    """Train a detector on frames or sequences.

    `BaseDetector` sets the attributes declared here.
    """

    history_: dict[str, list[float]]

    callbacks: Any
    class_weight: Any
    learning_rate: float

    _networks: ClassVar[tuple[str, ...]]
    _random_state: int | None
    _histories: dict[str, Any]
    _run: TrainingRun | None
    _trained_network: keras.Model
    _fit_network: Callable[..., None]

    # Used for ``callbacks=None``.
    _default_callbacks: ClassVar[PlateauCallbacks] = PlateauCallbacks()

    def _infer_classes(self, y: ArrayLike) -> NDArray | None:
        """Infer both classes if y may contain only one. Otherwise, return None."""
        return None

    def _fit_keras_model(
        self,
        X: NDArray,
        y: NDArray,
        sample_weight: NDArray | None,
        warm_start: bool,
        epochs: int,
        initial_epoch: int,
        groups: Any = None,
        validation_fraction: float | None = None,
        checkpointed: bool = False,
    ) -> None:
        """Train on the frames of videos, or on sequences of frames."""
        run = self._start_run(X, y, sample_weight, groups) if checkpointed else None
        y = y.ravel()
        given = np.ones(len(y)) if sample_weight is None else sample_weight
        given, weight = self._weights(y.astype(int), given)
        filled = filled_slots(X)
        training = self._trainable(filled, weight)
        validation = None
        if validation_fraction is not None and self._can_validate(y):
            if groups is not None:
                encode_groups(groups)  # raises for missing groups
                groups = column_or_1d(groups)
                check_consistent_length(X, groups)
                groups = np.asarray(groups)[training]
            train, held_out = stratified_group_split(
                y[training], groups, validation_fraction, self._random_state
            )
            training, validation = training[train], training[held_out]
        count = self._count(y[given > 0].astype(int))
        again = warm_start and hasattr(self, "history_")
        self.class_count_ = self.class_count_ + count if again else count
        rows, filled = self._rows(X)

        def people_in(videos: NDArray) -> NDArray:
            people = np.add.outer(videos * self._n_people, np.arange(self._n_people))
            return people[filled[people].any(axis=-1)]

        training = people_in(training)
        validation = None if validation is None else people_in(validation)
        y, weight = (each.repeat(self._n_people) for each in (y, weight))
        videos = Videos(rows, filled, y, weight, training, validation)
        self._run = run
        try:
            if run is None or not self._restore_run(run):
                self._train_on(videos, warm_start, epochs, initial_epoch)
        finally:
            del self._run
        index = self._index(filled, training)
        few = slice(self._parts_per_step(index))
        try:
            self._check_training(rows[tuple(axis[few] for axis in index)])
        except TrainingDivergedError:
            if run is not None:
                run.delete()
            raise
        if run is not None:
            run.save(_FINISHED, self.model_, histories=self._histories)

    # -- checkpoints -----------------------------------------------------------

    def _start_run(self, X: NDArray, *data: Any) -> TrainingRun | None:
        """Open the file of the `Checkpoint` in `callbacks`, if any."""
        for callback in self._callbacks_to_make:
            if isinstance(callback, Checkpoint):
                names = ("y", "sample_weight", "groups")
                described = describe_training(
                    self, X=X, **dict(zip(names, data, strict=True))
                )
                return TrainingRun(callback.folder, described)
        return None

    def _restore_run(self, run: TrainingRun) -> bool:
        """Restore completed stages. Return True if training is complete."""
        if run.state is not None:
            vars(self).update(run.state["histories"])
        make_variables(self.model_.optimizer, self._trained_network.trainable_variables)
        return run.resume(_FINISHED, self.model_) is not None

    def _can_validate(self, y: NDArray) -> bool:
        """Return True if the labels allow a validation set."""
        return True

    def _weights(self, y: NDArray, given: NDArray) -> tuple[NDArray, NDArray]:
        """Return the sample weights and the weights in the loss."""
        if self.class_weight is None:
            return given, given
        return given, given * compute_sample_weight(self.class_weight, self.classes_[y])

    def _count(self, y: NDArray) -> NDArray:
        """Count the videos of each class."""
        return np.bincount(y, minlength=2)

    def _train_on(
        self, videos: Videos, warm_start: bool, epochs: int, initial_epoch: int
    ) -> None:
        """Train the network for `epochs` more epochs."""
        callbacks = self._make_callbacks(validated=videos.validation is not None)
        with self._training_context(videos) as work:
            self._prepare(work)
            batches = self._training_batches(work, initial_epoch)
            self._fit_network(
                work.network,
                batches,
                warm_start=warm_start,
                epochs=epochs,
                initial_epoch=initial_epoch,
                validation_data=self._validation_batches(work),
                callbacks=callbacks,
            )

    def _fit_part(
        self, network: keras.Model, batches: Any, epochs: int, stage: str
    ) -> dict:
        """Train a part of the network and return its history. Do not set `history_`."""
        before = self.__dict__.pop("history_", None)
        self._fit_network(
            network,
            batches,
            callbacks=own_callbacks(self.verbose),
            warm_start=False,
            epochs=epochs,
            initial_epoch=0,
            stage=stage,
        )
        history = self.__dict__.pop("history_")
        if before is not None:
            self.history_ = before
        return history

    @contextmanager
    def _training_context(self, videos: Videos) -> Iterator[Work]:
        """Yield the network and its training data."""
        yield Work(self._trained_network, videos, videos.X)

    def _prepare(self, work: Work) -> None:
        """Prepare the main training."""

    def _training_batches(self, work: Work, epoch: int) -> Batches:
        """Return shuffled batches. `epoch`, the first epoch, is added to the seed."""
        seed = self._seed(epoch)
        return self._batches(
            work,
            work.videos.training,
            changes=self._all_changes(work, training=True, seed=seed),
            rng=np.random.RandomState(seed),
            seed=seed,
        )

    def _validation_batches(self, work: Work) -> Batches | None:
        """Return batches of the validation set, if any."""
        if work.videos.validation is None:
            return None
        return self._batches(
            work,
            work.videos.validation,
            changes=self._all_changes(work, training=False, seed=self._seed(0)),
            seed=self._seed(0),
        )

    def _all_changes(self, work: Work, **how: Any) -> list[Change]:
        if work.X is not work.videos.X:  # precomputed features are not augmented
            return []
        return [*self._changes(work, **how), *work.changes]

    def _batches(self, work: Work, numbers: NDArray, **how: Any) -> Batches:
        """Return batches of the frames or sequences of the given videos."""
        videos = work.videos
        index, present = self._sample_index(videos.filled, numbers)
        if self._sees_sequences and present is not None:
            how["changes"] = [*how["changes"], without_missing]
        return Batches(
            work.X,
            index,
            videos.y[index[0]],
            videos.weight[index[0]],
            batch_size=self._samples_per_step(index),
            present=present,
            multiple=replicas(),
            **how,
        )

    def _sample_index(
        self, filled: NDArray[np.bool_], numbers: NDArray
    ) -> tuple[tuple[NDArray, ...], NDArray | None]:
        """Return the index of the samples in X, and a mask of their frames or None."""
        if self._fills_gaps:
            return frames_and_fillers(filled, numbers)
        return self._index(filled, numbers), None

    @property
    def _fills_gaps(self) -> bool:
        """True if missing frames of whole videos are filled with other faces."""
        return self._weighs_frames or (self._sees_sequences and self.frame_ndim == 3)

    def _index(self, filled: NDArray[np.bool_], videos: NDArray) -> tuple[NDArray, ...]:
        """Return the index of the frames or sequences."""
        index = sequence_index if self._sees_sequences else frame_index
        return index(filled, videos)

    def _samples_per_step(self, index: tuple[NDArray, ...]) -> int:
        return self._parts_per_step(index)

    def _changes(self, work: Work, *, training: bool, seed: int | None) -> list[Change]:
        """Return the functions that change each batch."""
        return []

    def _trainable(self, filled: NDArray[np.bool_], weight: NDArray) -> NDArray:
        """Return the videos with a face and a positive weight."""
        has_face = np.any(filled, axis=1)
        if not has_face.any():
            raise NoFaceError(
                f"None of the {len(filled)} samples has a frame with a face. Training "
                "needs at least one."
            )
        if not has_face.all():
            warnings.warn(
                f"Samples {listing(~has_face)} have no face and are not used for "
                "training.",
                NoFaceWarning,
                stacklevel=7,  # where `fit` was called
            )
        training = np.flatnonzero(has_face & (weight > 0))
        if not len(training):
            raise NoFaceError("No sample with a positive sample_weight has a face.")
        return training

    def _seed(self, number: int) -> int | None:
        """Return a seed derived from `random_state`."""
        seed = self._random_state
        return None if seed is None else (seed + number) % 2**31

    @property
    def _callbacks_to_make(self) -> list[Any]:
        if isinstance(self.callbacks, list):
            return self.callbacks
        if isinstance(self.callbacks, Checkpoint):
            return [self._default_callbacks, self.callbacks]
        return [self.callbacks or self._default_callbacks]

    def _make_callbacks(self, *, validated: bool) -> list[keras.callbacks.Callback]:
        """Create the callbacks of one training."""
        made = own_callbacks(self.verbose)
        for callback in self._callbacks_to_make:
            if isinstance(callback, Checkpoint):
                continue  # see `_start_run`
            if not isinstance(callback, PlateauCallbacks):
                # Copy, since parameters must not change and Keras stores the model.
                made.append(copy.deepcopy(callback))
            elif validated:
                made += callback.make()
        return made

    def _check_training(self, frames: NDArray) -> None:
        """Raise an error and delete the network if training diverged."""
        losses = [self.history_[name][-1] for name in self.history_ if "loss" in name]
        # The loss was computed before the last update of the weights.
        if np.isfinite(losses).all() and self._gives_finite_numbers(frames):
            return
        epoch, loss = len(self.history_["loss"]), self.history_["loss"][-1]
        for name in (*self._networks, "history_", "class_count_", "_trained"):
            self.__dict__.pop(name, None)
        raise TrainingDivergedError(
            f"The outputs of the network are not finite after epoch {epoch} "
            f"(loss {loss:.4g}). Reduce learning_rate={self.learning_rate:g} or set "
            "optimizer__clipnorm=1.0."
        )

    def _gives_finite_numbers(self, frames: NDArray) -> bool:
        """Return True if the trained weights and the outputs are finite."""
        # Check weights, too, since ReLU returns 0 for NaN on some processors.
        arrays = [*self._trained_network.get_weights(), self._predict_batch(frames)]
        return all(np.isfinite(array).all() for array in arrays)

    def _make_metrics(self) -> list[Any]:
        metrics = super()._make_metrics()  # type: ignore[misc]
        monitored = {getattr(c, "monitor", None) for c in self._callbacks_to_make}
        if monitored & {"roc_auc", "val_roc_auc"}:  # slow, so only if monitored
            metrics.append(keras.metrics.AUC(name="roc_auc"))
        return metrics
