"""A detector made of a network that was trained on other pictures."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._backbones import BACKBONES, build_backbone, scale_pixels
from .._efficientnet_lite import HEAD
from .._keras._compiled import Compute, compiled
from .._keras._layers import FramesOfVideos, VideosOfFrames
from .._stateless import Growing
from ._batches import Batch
from ._blocks import blocks_of, graft, paths_of
from ._callbacks import PlateauCallbacks, own_callbacks
from ._docs import with_transfer_docs
from ._frozen import computed_once
from ._images import ImageDetector, by_image
from ._input import check_positive_integers
from ._recurrent import CELLS, probability, recurrent, sequence_network
from ._training import Videos, Work

# What the features and the scaling of a face are called in the network.
_FEATURES = "face_features"
_SCALING = "face_scaling"


class Head(Growing, BaseEstimator):
    """Parameters of the layers that a :class:`TransferDetector` puts on its backbone.

    Parameters
    ----------
    pooling : {"avg", "max"}, default="avg"
        How maps of features become one vector.
    dropout : float, default=0.0
        Share of the features dropped while training.
    cell : {"lstm", "gru"} or None, default=None
        Recurrent layers along the frames of a video. The network is then trained on
        whole videos, from pixels on, and answers once per video. None has none: each
        frame has an answer, and `aggregation` makes them that of the video.
    units : sequence of int, default=(128,)
        Units of each recurrent layer.
    bidirectional : bool, default=False
        Whether each recurrent layer goes along the frames in both directions, with so
        many units each.
    dense_units : sequence of int, default=()
        Units of each dense layer before the probability.
    dense_dropout : float, default=0.0
        Share of the outputs of each recurrent and dense layer dropped while training.
    epochs : int, default=3
        Epochs in which the new layer is trained alone, before the backbone: what comes
        out of a layer of random weights would undo what the backbone knows. They do not
        count as `epochs` of the detector, and see no augmentation. 0 for none; not used
        with ``trainable="top"``.
    learning_rate : float, default=1e-3
        Learning rate of the optimizer in these epochs, and of ``trainable="top"``.

    See Also
    --------
    TransferDetector : Takes it as `head`.

    Examples
    --------
    >>> from skdeepfake.detectors import Head, TransferDetector
    >>> TransferDetector(head=Head(dropout=0.5))
    TransferDetector(head=Head(dropout=0.5))

    A network that sees videos, with a layer of 64 units along the frames:

    >>> TransferDetector(head=Head(cell="gru", units=(64,)))
    TransferDetector(head=Head(cell='gru', units=(64,)))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "pooling": [StrOptions({"avg", "max"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "cell": [StrOptions(set(CELLS)), None],
        "units": ["array-like"],
        "bidirectional": ["boolean"],
        "dense_units": ["array-like"],
        "dense_dropout": [Interval(Real, 0, 1, closed="left")],
        "epochs": [Interval(Integral, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        pooling: str = "avg",
        dropout: float = 0.0,
        cell: str | None = None,
        units: Sequence[int] = (128,),
        bidirectional: bool = False,
        dense_units: Sequence[int] = (),
        dense_dropout: float = 0.0,
        epochs: int = 3,
        learning_rate: float = 1e-3,
    ) -> None:
        self.pooling = pooling
        self.dropout = dropout
        self.cell = cell
        self.units = units
        self.bidirectional = bidirectional
        self.dense_units = dense_units
        self.dense_dropout = dense_dropout
        self.epochs = epochs
        self.learning_rate = learning_rate


@with_transfer_docs
class TransferDetector(ImageDetector):
    """Detect deepfakes with a network that was trained on other pictures.

    The network, the backbone, gives maps of features of a face, which are pooled; one
    layer makes them the probability of being fake. First that layer is trained alone,
    then the backbone as well, in whole or its last blocks, by small steps. It is
    trained on single frames and answers for a video by aggregating its frames.

    It is not one of the paper's detectors, and beats them: VGG16 trained as a whole
    with ``augment="strong"`` does better than the paper's networks on fakes of the kind
    that it was trained on. The table of `benchmarks/accuracy` says what to expect on
    other fakes, and what :class:`BlendedFakes` do for them.

    Parameters
    ----------
    backbone : str, keras.Model or callable, default="vgg16"
        Name of a network of `keras.applications`, as the
        :class:`~skdeepfake.features.KerasFeaturizer` knows them; or a Keras model, or a
        callable without arguments that builds one. These are given RGB of 0 to 255, do
        their own scaling, and give maps or features. A model is copied.
    weights : str, os.PathLike or None, default="imagenet"
        Weights of a backbone given by name: ``"imagenet"``, which Keras downloads, the
        path of a file, or None for random ones.
    trainable : {"all", "top"} or int, default="all"
        How much of the network learns: all of it, only the new layer, or so many of the
        last blocks of the backbone too. A block begins where the maps have become
        smaller, so VGG16 has five, of which 1 is `block5`; networks side by side have
        blocks of their own. What is below never changes:
        its batch normalization keeps its statistics. It is computed once a `fit`, not
        in every epoch, unless `augment` or `fake_source` change the faces, or blocks
        of several networks, or of one below recurrent layers, learn; the results
        lie in a temporary file, for the last block of VGG16 and faces of 224 x 224
        pixels 400 kB per face.
    head : Head or None, default=None
        Parameters of the new layers and of their own training; None is ``Head()``.
    {{image_parameters}}
    learning_rate : float, default=1e-5
        Learning rate of the optimizer.
    {{optimizer}}
    batch_size : int, default=32
        Frames in a training step and in a step of prediction.
    epochs : int, default=20
        Passes over the training frames, at the most.
    {{fit_parameters}}

    Attributes
    ----------
    {{fit_attributes}}
    head_history_ : dict of str to list of float
        Loss and accuracy in the epochs of the head. Only where there are some.
    n_blocks_ : int
        Blocks of the backbone; of several side by side, those of the one that has most.

    See Also
    --------
    CNNDetector : The paper's first detector.
    skdeepfake.features.KerasFeaturizer : The features of such networks, without
        training them.
    skdeepfake.pipeline.make_detector_pipeline : The way from paths to this detector.

    References
    ----------
    Rössler et al., "FaceForensics++: Learning to detect manipulated facial images",
    ICCV 2019, which trains a backbone so.

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
    >>> backbone = keras.Sequential([  # "vgg16", say, if it is not for an example
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
        "backbone": [StrOptions(set(BACKBONES)), keras.Model, callable],
        "weights": [str, os.PathLike, None],
        "trainable": [
            StrOptions({"all", "top"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "head": [Head, None],
    }

    def __init__(
        self,
        *,
        backbone: Any = "vgg16",
        weights: str | os.PathLike[str] | None = "imagenet",
        trainable: str | int = "all",
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
        """Height and width that the backbone was trained on; None if not known."""
        if not isinstance(self.backbone, str) or self.backbone not in BACKBONES:
            return getattr(self.backbone, "image_size", None)
        return (BACKBONES[self.backbone].size,) * 2

    # -- network ---------------------------------------------------------------

    def build_network(self) -> keras.Model:
        sees_videos = self._sees_sequences
        shape = (None, *self.frame_shape_) if sees_videos else self.frame_shape_
        inputs = keras.Input(shape, dtype=str(self.frame_dtype_))
        frames = FramesOfVideos()(inputs) if sees_videos else inputs
        backbone = self._build_backbone()
        x, operations = graft(backbone, self._preprocess(frames))
        if isinstance(x, (list, tuple, dict)):
            raise ValueError(f"backbone gives {len(x)} outputs, but features are one")
        if len(x.shape) == 4:
            pool = {
                "avg": layers.GlobalAveragePooling2D,
                "max": layers.GlobalMaxPooling2D,
            }
            x = pool[self._head.pooling](name="face_pooling")(x)
        if len(x.shape) != 2 or x.shape[1] is None:
            raise ValueError(
                f"backbone gives an output of shape {tuple(x.shape)}, but must give "
                "maps (images, height, width, channels) or features (images, channels)"
            )
        if sees_videos:
            x = VideosOfFrames()(x, inputs)
        # Names that no backbone has.
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
        # Without a seed of its own, PyTorch's would not heed `random_state`.
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
        weights = self.weights
        return build_backbone(
            self.backbone,
            weights if weights is None else os.fspath(weights),
            check_random_state(self._random_state).randint(2**31 - 1),
            self.frame_shape_,
        )

    def _preprocess(self, inputs: Any) -> Any:
        """Scale pixels as the backbone wants them, by what any Keras can load."""
        if not isinstance(self.backbone, str):
            return layers.Rescaling(1.0, dtype="float32", name=_SCALING)(inputs)
        return scale_pixels(inputs, self.backbone, _SCALING)

    def _freeze(self, network: keras.Model, operations: list[Any]) -> None:
        """Keep what is not to learn from it, and note where it ends."""
        paths = [blocks_of(network, path) for path in paths_of(operations)]
        self.n_blocks_ = max(map(len, paths))
        self._cut_at = None
        if self.trainable == "all":
            return
        n_trained = 0 if self.trainable == "top" else int(self.trainable)
        if n_trained > self.n_blocks_:
            raise ValueError(
                f"trainable={self.trainable} is more than the {self.n_blocks_} blocks "
                "of the backbone: pass less, or 'all'"
            )
        if n_trained == 0:
            self._cut_at = _FEATURES
        # Networks of videos need the videos below their features, and a cut through
        # networks side by side would be several.
        elif len(paths) == 1 and not self._sees_sequences:
            self._cut_at = paths[0][-n_trained].before
        frozen = [
            layer
            for blocks in paths
            for block in blocks[: max(0, len(blocks) - n_trained)]
            for layer in block.layers
        ]
        for layer in frozen:
            if isinstance(layer, keras.Layer):
                layer.trainable = False

    def _build_networks(self) -> keras.Model:
        self.__dict__.pop("head_history_", None)
        return super()._build_networks()

    @property
    def _rate_of_training(self) -> float:
        top = self.trainable == "top"
        return self._head.learning_rate if top else self.learning_rate

    # -- training --------------------------------------------------------------

    @contextmanager
    def _training_context(self, videos: Videos) -> Iterator[Work]:
        work = Work(self._trained_network, videos, videos.X)
        if self._cut_at is None:
            yield work
            return
        numbers = [videos.training]
        if videos.validation is not None:
            numbers.append(videos.validation)
        with self._work_above(
            self._cut_at,
            work,
            numbers=np.concatenate(numbers),
            once=self._fakes is None and self.augment is None,
        ) as above:
            yield above

    @contextmanager
    def _work_above(
        self, cut: str, work: Work, *, numbers: NDArray, once: bool
    ) -> Iterator[Work]:
        """Compute what is frozen once, for some of the videos, or batch by batch."""
        videos = work.videos
        # What was computed already need not be computed from the images.
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
        """Train the new layer alone, once."""
        done = hasattr(self, "head_history_")
        if done or not self._head.epochs or self.trainable == "top":
            return
        before = self.__dict__.pop("history_", None)
        optimizer = self._make_optimizer(self._head.learning_rate)
        network = self._network_above(_FEATURES, optimizer=optimizer)
        with self._work_above(
            _FEATURES,
            dataclasses.replace(work, network=network, augmented=False),
            numbers=work.videos.training,
            once=self._fakes is None,
        ) as above:
            self._fit_network(
                network,
                self._training_batches(above, 0),
                callbacks=own_callbacks(self.verbose),
                warm_start=False,
                epochs=self._head.epochs,
                initial_epoch=0,
            )
        self.head_history_ = self.history_
        del self.history_
        if before is not None:
            self.history_ = before


def _of_single_frames(compute: Callable[[NDArray], NDArray]) -> Compute:
    """Give what a network of videos computes of frames, as videos of one frame."""
    return lambda frames: compute(frames[:, np.newaxis])[:, 0]
