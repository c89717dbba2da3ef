"""Featurizing: from faces to what a network trained on other pictures sees in them."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import joblib
import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from .._backbones import BackboneName, trained_size
from .._docs import shared_docs
from .._face_mask import filled_slots
from .._keras._tokens import POOLINGS, pool_tokens
from .._progress import progress
from .._stateless import StatelessTransformer
from ..exceptions import CacheError, CacheWarning
from ._cache import FeatureCache
from ._engines import ENGINES
from ._network import FeatureNetwork, Recipe, shared_network

# Raise it when the same recipe gives other features.
_ALGORITHM_VERSION = 1


with_shared_docs = shared_docs(
    {
        "pooling_parameters": """\
    pooling : {"avg", "mean", "max", "cls", "cls_mean"} or None, default=None
        None keeps one vector per position; the others make one vector per frame.
        ``"avg"``, also called ``"mean"``, and ``"max"`` pool over the positions, which
        of a vision transformer are its patches; ``"cls"`` takes its class token, and
        ``"cls_mean"`` both. Register tokens are left out.
    frame_pooling : {"avg"} or None, default=None
        None keeps the frames of a video, ``"avg"`` averages over those with a face.
        With `pooling`, that is one vector per video, as any classifier takes it.
""",
        "running_parameters": """\
    batch_size : int, default=8
        Images that go through the network at once.
    dtype : {"float32", "float16"}, default="float32"
        Of the result. ``"float16"`` halves the memory; the network computes in float32.
    engine : {"keras", "onnxruntime"}, default="keras"
        What runs the network. onnxruntime is faster on many CPUs; features differ by up
        to 1e-4 of the largest. It needs the extra ``onnx`` and Keras on TensorFlow.
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Folder of a :class:`FeatureCache`, whatever the pooling. None keeps nothing.
    random_state : int, default=0
        Seed of random weights (``weights=None``).
    verbose : int, default=0
        1 shows a progress bar.
""",
    }
)


@with_shared_docs
@dataclass(repr=False, eq=False)
class KerasFeaturizer(StatelessTransformer):
    """Compute features of faces by a network that was trained on other pictures.

    1. Each face goes through the network's preprocessing and all layers but the top.
    2. The positions of the last feature map, row by row, are a sequence, or pooled.
    3. A slot without a face does not go through the network: it is all zeros again.

    Nothing is learned from the faces. The network is built at the first use and
    belongs to the process: equal featurizers share it, and a pickle leaves it out.

    Parameters
    ----------
    backbone : str, keras.Model or callable, default="resnet50"
        A network of `keras.applications` by its name in small letters, such as
        ``"efficientnet_v2_b0"`` or ``"xception"``; a model from images to features; or
        a function without arguments that builds one, which cloning does not copy.
        ``"keras_hub:dinov3_vit_small_lvd1689m"`` is that preset of KerasHub, with the
        resizing and scaling of its image converter: DINOv2, DINOv3, ViT, or the vision
        encoder of CLIP or SigLIP. It needs the extra ``hub``. A vision transformer
        gives tokens: that of the class, registers, and those of the patches.
    weights : str, os.PathLike or None, default="imagenet"
        Weights of a backbone given by name: ``"imagenet"``, which Keras downloads
        once, and which of a preset of KerasHub are its own; the path of a weights file,
        without the top; or None for random ones. A
        model or a function brings its own. Of EfficientNet B0 to B4, put Keras' file
        into Keras' folder: Keras scales their input for ``"imagenet"`` alone.
    {{pooling_parameters}}
    preprocess : bool, "bgr" or callable, default=True
        Whether to apply the preprocessing that a backbone given by name was trained
        with. ``"bgr"`` reverses the channels and does nothing else. A callable maps the
        pixels, 0 to 255, as a float tensor by `keras.ops`.
    {{running_parameters}}

    See Also
    --------
    VGG16Featurizer : The paper's features.
    skdeepfake.preprocessing.Resizer : The step before.
    skdeepfake.detectors.CNNRNNDetector : The next step.

    References
    ----------
    Volisetty, Sen and Savala, "Deepfake detection", 2023, sections 3.2 and 4.4.

    Güera and Delp, "Deepfake video detection using recurrent neural networks", 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.features import KerasFeaturizer
    >>> faces = np.full((2, 3, 64, 64, 3), 100, dtype=np.uint8)
    >>> faces[1, 2] = 0  # no face in the last frame of the second video
    >>> featurizer = KerasFeaturizer("mobilenet_v2", weights=None, pooling="avg")
    >>> features = featurizer.fit_transform(faces)
    >>> features.shape
    (2, 3, 1280)
    >>> bool(features[1, 1].any()), bool(features[1, 2].any())
    (True, False)
    """

    backbone: Any = "resnet50"
    _: KW_ONLY
    weights: str | os.PathLike[str] | None = "imagenet"
    pooling: str | None = None
    frame_pooling: str | None = None
    preprocess: bool | str | Callable[[Any], Any] = True
    batch_size: int = 8
    dtype: str = "float32"
    engine: str = "keras"
    memory: str | os.PathLike[str] | joblib.Memory | None = None
    random_state: int = 0
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "backbone": [BackboneName(), keras.Model, callable],
        "weights": [str, os.PathLike, None],
        "pooling": [StrOptions(set(POOLINGS)), None],
        "frame_pooling": [StrOptions({"avg"}), None],
        "preprocess": ["boolean", StrOptions({"bgr"}), callable],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"float32", "float16"})],
        "engine": [StrOptions(set(ENGINES))],
        "memory": [str, os.PathLike, joblib.Memory, None],
        "random_state": [Interval(Integral, 0, 2**32 - 1, closed="both")],
        "verbose": ["verbose"],
    }

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width that the backbone was trained on; None if not by name."""
        return trained_size(self.backbone)

    def transform(self, X: ArrayLike) -> NDArray:
        """Compute the features of each face.

        Parameters
        ----------
        X : ndarray of uint8, shape (n_videos, n_frames, H, W, 3) or (n_images, H, W, 3)
            RGB faces, all zeros where there is none, perhaps memory-mapped.

        Returns
        -------
        ndarray of shape (n_videos, n_frames, n_positions, n_channels)
            Zeros where there is no face. Without the second axis for single images
            and for ``frame_pooling="avg"``, without the third where `pooling` or the
            backbone itself leaves one vector a frame. Of type `dtype`.

        Raises
        ------
        WeightsError
            If the weights cannot be had, or are another network's.
        CacheError
            If the cache cannot be written. What it holds by then is kept.
        ValueError
            If X is no such array, its images are too small, or a feature is not finite.
        ImportError
            If `engine` is not installed.

        Warns
        -----
        CacheWarning
            For each damaged entry of the cache, which is computed again.
        """
        self._validate_params()
        videos = _check_faces(X, type(self).__name__)
        network = shared_network(self._recipe(), videos.shape[2:])
        filled = filled_slots(videos)
        features = self._featurize(videos, filled, network)
        if self.frame_pooling == "avg" and np.ndim(X) == 5:
            return _average_frames(features, filled)
        return features if np.ndim(X) == 5 else features[:, 0]

    def _recipe(self) -> Recipe:
        weights = None if self.weights is None else os.fspath(self.weights)
        if not isinstance(self.backbone, str) and weights != "imagenet":
            raise ValueError(
                f"weights={weights!r} goes with a backbone that is given by name; a "
                "model, or a function that builds one, brings its own weights"
            )
        # In Python's own types, for the keys of the cache: a grid may hold NumPy's.
        return Recipe(
            str(self.backbone) if isinstance(self.backbone, str) else self.backbone,
            None if weights is None else str(weights),
            int(self.random_state),
            self.preprocess
            if callable(self.preprocess) or self.preprocess == "bgr"
            else bool(self.preprocess),
            str(self.engine),
        )

    def _featurize(
        self, videos: NDArray, filled: NDArray[np.bool_], network: FeatureNetwork
    ) -> NDArray:
        """Get the features of all slots, from the cache and from the network."""
        cache = FeatureCache.of(self.memory)
        keys: dict[int, Hashable] = {}
        known: dict[int, NDArray] = {}
        if cache is not None:
            about = _ALGORITHM_VERSION, network.identity, str(self.dtype)
            for i in np.flatnonzero(filled.any(axis=1)).tolist():
                keys[i] = *about, _digest(videos[i][filled[i]])
                try:
                    found = cache._load(keys[i])
                except CacheError as error:
                    message = f"{error}; the features are computed again"
                    warnings.warn(message, CacheWarning, stacklevel=4)
                    continue
                if found is not None:
                    known[i] = found
        one = next(iter(known.values()), None)
        shape = network.feature_shape if one is None else one.shape[1:]
        pool = self._pooling(network, shape)
        if pool is not None:
            shape = pool(np.zeros((1, *shape), np.float32)).shape[1:]
        features = np.zeros((*filled.shape, *shape), dtype=self.dtype)
        for i, found in known.items():
            features[i, filled[i]] = found if pool is None else pool(found)
        to_do = filled.copy()
        to_do[list(known)] = False
        for i, computed in self._compute(videos, to_do, network):
            if cache is not None:
                cache._store(keys[i], computed)
            features[i, filled[i]] = computed if pool is None else pool(computed)
        return features

    def _compute(
        self, videos: NDArray, to_do: NDArray[np.bool_], network: FeatureNetwork
    ) -> Iterator[tuple[int, NDArray]]:
        """Yield each video with slots to do, and their features, when it is done."""
        index = np.argwhere(to_do)
        left = to_do.sum(axis=1)
        done: defaultdict[int, list[NDArray]] = defaultdict(list)
        total, verbose = len(index), self.verbose
        with progress(
            total=total, desc="featurizing", unit="face", verbose=verbose
        ) as bar:
            for start in range(0, len(index), self.batch_size):
                part = tuple(index[start : start + self.batch_size].T)
                with np.errstate(over="ignore"):  # told below
                    batch = network(videos[part]).astype(self.dtype, copy=False)
                self._check_finite(batch)
                bar.update(len(batch))
                for i, features in zip(part[0].tolist(), batch, strict=True):
                    done[i].append(features)
                    if len(done[i]) == left[i]:
                        yield i, np.stack(done.pop(i))

    def _pooling(
        self, network: FeatureNetwork, shape: tuple[int, ...]
    ) -> Callable[[NDArray], NDArray] | None:
        """Give what makes one vector of the positions of each face, if wanted."""
        if self.pooling is None or len(shape) == 1:
            return None
        pooling, n_prefix = self.pooling, network.n_prefix(self.pooling)

        def pool(features: NDArray) -> NDArray:
            return pool_tokens(features.astype(np.float32), pooling, n_prefix, np)

        return pool

    def _check_finite(self, features: NDArray) -> None:
        if not np.isfinite(features).all():
            hint = (
                "use dtype='float32'" if self.dtype == "float16" else "are its weights?"
            )
            raise ValueError(
                f"the features of {self.backbone!r} are not finite in {self.dtype}: "
                f"{hint}"
            )


def _check_faces(X: ArrayLike, name: str) -> NDArray[np.uint8]:
    """Check X and give it the form (n_videos, n_frames, height, width, 3)."""
    faces = X if isinstance(X, np.ndarray) else np.asarray(X)
    if faces.ndim not in (4, 5) or faces.shape[-1] != 3:
        raise ValueError(
            f"X has shape {faces.shape}, but {name} takes RGB faces of shape (videos, "
            "frames, height, width, 3) or (images, height, width, 3): put a Resizer "
            "before it"
        )
    if faces.dtype != np.uint8:
        raise ValueError(
            f"X has dtype {faces.dtype}, but {name} takes pixels of 0 to 255 as uint8, "
            "as a Resizer gives them"
        )
    if 0 in faces.shape:
        raise ValueError(f"Found array with 0 sample(s) (shape={faces.shape})")
    return faces if faces.ndim == 5 else faces[:, np.newaxis]


def _digest(faces: NDArray[np.uint8]) -> str:
    """Describe faces in a few letters."""
    content = hashlib.sha256(repr(faces.shape).encode())
    content.update(np.ascontiguousarray(faces).data)
    return content.hexdigest()


def _average_frames(features: NDArray, filled: NDArray[np.bool_]) -> NDArray:
    """Average over the frames with a face; zeros for a video without any."""
    n_faces = np.maximum(filled.sum(axis=1), 1)
    total = features.sum(axis=1, dtype=np.float64)
    mean = total / n_faces.reshape(-1, *[1] * (total.ndim - 1))
    return mean.astype(features.dtype)
