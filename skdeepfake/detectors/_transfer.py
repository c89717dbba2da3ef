"""Detector with a pretrained backbone."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._backbones import BackboneName, build_backbone, scale_pixels, trained_size
from .._efficientnet_lite import HEAD
from .._keras._compiled import Compute, compiled
from .._keras._layers import FramesOfVideos, VideosOfFrames
from ._batches import Batch
from ._blocks import blocks_of, graft, paths_of
from ._callbacks import PlateauCallbacks
from ._docs import with_transfer_docs
from ._fine_tuning import SELECTIONS, LoRA, select_weights
from ._frozen import computed_once
from ._head import Head
from ._images import ImageDetector, by_image
from ._input import check_positive_integers
from ._recurrent import probability, recurrent, sequence_network
from ._training import Videos, Work

# Names of layers.
_FEATURES = "face_features"
_SCALING = "face_scaling"


@with_transfer_docs
class TransferDetector(ImageDetector):
    """Detect deepfakes by fine-tuning a pretrained network.

    A pretrained network, the backbone, computes features of a face. A new layer, the
    head, takes the pooled features and predicts the probability that the face is fake.
    First, only the head is trained. Then the head and all or part of the backbone are
    trained with a low learning rate. The network is trained on single frames, and frame
    probabilities are aggregated per video.

    This detector is not part of the paper by Volisetty, Sen and Savala. For types of
    fakes seen in training, VGG16 with ``augment="strong"`` is more accurate than the
    networks of that paper. ``benchmarks/README.md`` has results for other fakes and
    :class:`BlendedFakes`.

    Parameters
    ----------
    backbone : str, keras.Model or callable, default="vgg16"
        Pretrained network. A string is the name of a `keras.applications` network, as
        in :class:`~skdeepfake.features.KerasFeaturizer`, or of a KerasHub preset, such
        as "keras_hub:dinov3_vit_small_lvd1689m". Presets require the extra ``hub``.
        For networks given by name, pixels are scaled automatically. A Keras model, or a
        model returned by a callable without arguments, receives RGB images from 0 to
        255 and must scale them itself. The model is copied.
    weights : str, os.PathLike or None, default="imagenet"
        Weights of a backbone given by name. "imagenet" uses pretrained weights, which
        Keras downloads once. A path refers to a file with the weights of all layers
        except the top layers. "reference" uses the weights of the detector returned by
        :func:`skdeepfake.load_detector` and requires ``backbone="efficientnet_lite0"``.
        None uses random weights.
    trainable : {"all", "top", "norm", "bias"}, int or LoRA, default="all"
        Part of the backbone to train in addition to the head. "all" trains the whole
        backbone, "top" trains only the head, and an integer n trains the last n blocks
        of the backbone. A block begins where feature maps become smaller. VGG16 has
        five blocks. If the backbone consists of parallel networks, the blocks of each
        network are counted separately. "norm" trains the scales and shifts of
        normalization layers. "bias" trains all biases, including the shifts of
        normalization layers. :class:`LoRA` trains low-rank updates of kernels. Frozen
        blocks do not update the statistics of batch normalization.
    head : Head or None, default=None
        Architecture and training of the head. None uses ``Head()``.
    {{image_parameters}}
    {{training_parameters}}

    Attributes
    ----------
    {{fit_attributes}}
    head_history_ : dict of str to list of float
        Loss and accuracy in each epoch in which only the head was trained.
    n_weights_ : int
        Number of weights of the network.
    n_trained_weights_ : int
        Number of trained weights. `history_` also contains `n_weights` and
        `n_trained_weights`, and the `repr` of a fitted detector shows both numbers.
    n_blocks_ : int
        Number of blocks of the backbone, or of the parallel network with the most
        blocks.

    See Also
    --------
    CNNDetector : Train a convolutional network without pretraining.
    skdeepfake.features.KerasFeaturizer : Compute features without training.
    skdeepfake.pipeline.make_detector_pipeline : Build a pipeline for video files.

    Notes
    -----
    Outputs of frozen blocks are computed once per `fit` and stored in a temporary file.
    If only the last block of VGG16 is trained, this file takes 400 kB per face of
    224 x 224 pixels. In two cases, the outputs are instead computed in each epoch:

    - `augment` or `fake_source` changes the faces.
    - `trainable` is an integer, and the backbone has parallel networks or the head has
      recurrent layers.

    References
    ----------
    Rössler et al., "FaceForensics++: Learning to detect manipulated facial images",
    ICCV 2019.

    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", ICLR 2015.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from skdeepfake.detectors import TransferDetector
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randint(1, 100, size=(8, 3, 16, 16, 3)).astype(np.uint8)
    >>> y = np.array([0, 1] * 4)
    >>> X[y == 1] += 100  # fakes are brighter here
    >>> backbone = keras.Sequential([  # or a name, such as "vgg16"
    ...     keras.Input((None, None, 3)),
    ...     keras.layers.Rescaling(1 / 127.5, -1),
    ...     keras.layers.Conv2D(4, 3, activation="relu"),
    ... ])
    >>> detector = TransferDetector(
    ...     backbone=backbone, learning_rate=0.1, epochs=20, validation_fraction=None,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> detector.predict(X).tolist()
    [0, 1, 0, 1, 0, 1, 0, 1]
    """

    _default_callbacks: ClassVar[PlateauCallbacks] = PlateauCallbacks(min_lr=1e-7)

    _objects: ClassVar[dict[str, type]] = {**ImageDetector._objects, "head": Head}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ImageDetector._parameter_constraints,
        "backbone": [BackboneName(), keras.Model, callable],
        "weights": [str, os.PathLike, None],
        "trainable": [
            StrOptions({"all", "top", *SELECTIONS}),
            Interval(Integral, 1, None, closed="left"),
            LoRA,
        ],
        "head": [Head, None],
    }

    def __init__(
        self,
        *,
        backbone: Any = "vgg16",
        weights: str | os.PathLike[str] | None = "imagenet",
        trainable: str | int | LoRA = "all",
        head: Head | None = None,
        learning_rate: float = 1e-5,
        epochs: int = 20,
        **params: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, epochs=epochs, **params)
        self.backbone = backbone
        self.weights = weights
        self.trainable = trainable
        self.head = head

    def _validate_params(self) -> None:
        super()._validate_params()
        self._head._validate_params()
        if isinstance(self.trainable, LoRA):
            self.trainable._validate_params()
        check_positive_integers(self._head, "units", at_least=1)
        check_positive_integers(self._head, "dense_units")

    @property
    def _head(self) -> Head:
        return Head() if self.head is None else self.head

    @property
    def _sees_sequences(self) -> bool:
        return self._head.cell is not None

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width of the images used for pretraining, None if unknown."""
        return trained_size(self.backbone)

    # -- network ---------------------------------------------------------------

    def build_network(self) -> keras.Model:
        sees_videos = self._sees_sequences
        shape = (None, *self.frame_shape_) if sees_videos else self.frame_shape_
        inputs = keras.Input(shape, dtype=str(self.frame_dtype_))
        frames = FramesOfVideos()(inputs) if sees_videos else inputs
        backbone = self._build_backbone()
        x, operations = graft(backbone, self._preprocess(frames, backbone))
        x = self._head._pool(x, backbone, self.frame_shape_)
        if sees_videos:
            x = VideosOfFrames()(x, inputs)
        # Names of layers must differ from those in the backbone.
        features = layers.Activation("linear", name=_FEATURES)(x)
        if sees_videos:
            network = sequence_network(
                inputs, features, self._has_attention, self._finish
            )
        else:
            network = keras.Model(inputs, self._finish(features))
        self._freeze(keras.Model(inputs, features), operations)
        return network

    def _finish(self, x: Any) -> Any:
        """Add the layers of the head to features."""
        head = self._head
        # PyTorch ignores `random_state` unless the layer has a seed.
        x = layers.Dropout(head.dropout, seed=self._seed(0), name="face_dropout")(x)
        dropout = head.dense_dropout
        if head.cell is not None:
            x = recurrent(
                x,
                head.units,
                cell=head.cell,
                bidirectional=head.bidirectional,
                dropout=dropout,
            )
        return probability(x, head.dense_units, dropout=dropout, name=HEAD)

    def _build_backbone(self) -> keras.Model:
        return build_backbone(
            self.backbone,
            None if self.weights is None else os.fspath(self.weights),
            check_random_state(self._random_state).randint(2**31 - 1),
            self.frame_shape_,
        )

    def _preprocess(self, inputs: Any, backbone: keras.Model) -> Any:
        """Scale pixels for the backbone."""
        if not isinstance(self.backbone, str):
            return layers.Rescaling(1.0, dtype="float32", name=_SCALING)(inputs)
        return scale_pixels(inputs, self.backbone, _SCALING, backbone)

    def _freeze(self, network: keras.Model, operations: list[Any]) -> None:
        """Freeze layers, and set `_cut_at` to the last frozen operation."""
        paths = [blocks_of(network, path) for path in paths_of(operations)]
        self.n_blocks_ = max(map(len, paths))
        self._cut_at = None
        if self.trainable == "all":
            return
        if self._selects_weights:
            select_weights(network, self.trainable, self._seed(0))
            return
        n_trained = 0 if self.trainable == "top" else int(self.trainable)
        if n_trained > self.n_blocks_:
            raise ValueError(
                f"trainable must be at most {self.n_blocks_}, the number of blocks of "
                f"the backbone, or 'all'; got {self.trainable}."
            )
        if n_trained == 0:
            self._cut_at = _FEATURES
        # Networks of videos cannot be cut below their features, and parallel networks
        # cannot be cut at a single operation.
        elif len(paths) == 1 and not self._sees_sequences:
            self._cut_at = paths[0][-n_trained].before
        for blocks in paths:
            for block in blocks[: max(0, len(blocks) - n_trained)]:
                for layer in block.layers:
                    if isinstance(layer, keras.Layer):
                        layer.trainable = False

    @property
    def _selects_weights(self) -> bool:
        return isinstance(self.trainable, LoRA) or self.trainable in SELECTIONS

    def _build_networks(self) -> keras.Model:
        self.__dict__.pop("head_history_", None)
        network = super()._build_networks()
        self._count_weights(network)
        if self.verbose:
            print(f"training {self._counts}")
        return network

    def _count_weights(self, network: keras.Model) -> None:
        trained = network.trainable_weights
        self.n_weights_ = network.count_params()
        self.n_trained_weights_ = sum(math.prod(weight.shape) for weight in trained)

    @property
    def _counts(self) -> str:
        trained, total = self.n_trained_weights_, self.n_weights_
        return f"{trained:,} of {total:,} weights ({trained / total:.3g} of all)"

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        # A comment, so that the result is a valid expression.
        shown = super().__repr__(N_CHAR_MAX)
        counted = hasattr(self, "n_trained_weights_")
        return f"{shown}  # trained: {self._counts}" if counted else shown

    def _prepare_loaded(self) -> None:
        super()._prepare_loaded()
        # Files do not store whether nested layers are frozen.
        for layer in self.model_.layers:
            if not layer.trainable:
                layer.trainable = True  # setting False again would have no effect
                layer.trainable = False
        if self._selects_weights:
            backbone = keras.Model(self.model_.input, self._output_of(_FEATURES))
            select_weights(backbone, self.trainable, self._seed(0))
        self._count_weights(self.model_)

    @property
    def _rate_of_training(self) -> float:
        top = self.trainable == "top"
        return self._head.learning_rate if top else self.learning_rate

    # -- training --------------------------------------------------------------

    def _make_callbacks(self, *, validated: bool) -> list[keras.callbacks.Callback]:
        def count(epoch: int, logs: dict[str, float]) -> None:
            logs["n_weights"] = float(self.n_weights_)
            logs["n_trained_weights"] = float(self.n_trained_weights_)

        made = super()._make_callbacks(validated=validated)
        return [*made, keras.callbacks.LambdaCallback(on_epoch_end=count)]

    @contextmanager
    def _training_context(self, videos: Videos) -> Iterator[Work]:
        work = Work(self._trained_network, videos, videos.X)
        if self._cut_at is None:
            yield work
            return
        used = [v for v in (videos.training, videos.validation) if v is not None]
        with self._work_above(
            self._cut_at,
            work,
            numbers=np.concatenate(used),
            once=self._fakes is None and self.augment is None,
        ) as above:
            yield above

    @contextmanager
    def _work_above(
        self, cut: str, work: Work, *, numbers: NDArray, once: bool
    ) -> Iterator[Work]:
        """Compute the frozen part once for the given videos, or in each batch."""
        videos = work.videos
        # Start from precomputed features, if any.
        computed = work.X is not videos.X
        start = self._output_of(self._cut_at) if computed else self.model_.input
        compute = compiled(keras.Model(start, self._output_of(cut)))
        if self._sees_sequences:
            compute = _of_single_frames(compute)
        if once:
            with computed_once(
                compute,
                work.X,
                videos.filled,
                numbers,
                batch_size=self.batch_size,
                verbose=self.verbose,
            ) as X:
                yield dataclasses.replace(work, X=X)
            return

        def change(batch: Batch, rng: np.random.Generator) -> Batch:
            return batch._replace(frames=by_image(compute, batch.frames))

        yield dataclasses.replace(work, X=videos.X, changes=[change])

    def _prepare(self, work: Work) -> None:
        """Train only the head, unless a previous fit did."""
        head, done = self._head, hasattr(self, "head_history_")
        if done or not head.epochs or self.trainable == "top":
            return
        optimizer = self._make_optimizer(head.learning_rate)
        network = self._network_above(_FEATURES, optimizer=optimizer)
        with self._work_above(
            _FEATURES,
            dataclasses.replace(work, network=network, augmented=False),
            numbers=work.videos.training,
            once=self._fakes is None,
        ) as above:
            batches = self._training_batches(above, 0)
            self.head_history_ = self._fit_part(network, batches, head.epochs, "head")


def _of_single_frames(compute: Callable[[NDArray], NDArray]) -> Compute:
    """Apply a network for videos to frames, each as a video of one frame."""
    return lambda frames: compute(frames[:, np.newaxis])[:, 0]
