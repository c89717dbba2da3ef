"""Features of faces from a pretrained Keras network."""

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

# Increase this version when the features of a recipe change.
_ALGORITHM_VERSION = 1


with_shared_docs = shared_docs(
    {
        "pooling_parameters": """\
    pooling : {"avg", "mean", "max", "cls", "cls_mean"} or None, default=None
        Pooling of the positions of a feature map, or of the patches of a vision
        transformer, into one vector per frame. "mean" is the same as "avg". "cls" uses
        the class token of a vision transformer, and "cls_mean" concatenates the class
        token and the mean of the patches. Pooling ignores register tokens. None keeps
        one vector per position or token.
    frame_pooling : {"avg"} or None, default=None
        Pooling of the frames of a video. "avg" averages over the frames with a face.
        If `pooling` is also set, the result is one vector per video, which any
        scikit-learn classifier accepts. None keeps all frames.
""",
        "running_parameters": """\
    batch_size : int, default=8
        Number of images per batch.
    dtype : {"float32", "float16"}, default="float32"
        Data type of the result. "float16" halves its memory. The network always
        computes in float32.
    engine : {"keras", "onnxruntime"}, default="keras"
        Engine that runs the network. "onnxruntime" is faster on many CPUs. Its features
        differ from those of Keras by up to 1e-4 of the largest feature. It requires the
        extra ``onnx`` and the TensorFlow backend of Keras.
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Folder of a :class:`FeatureCache`. Cached features can be reused with any
        `pooling`. None disables the cache.
    random_state : int, default=0
        Seed of the random weights if ``weights=None``.
    verbose : int, default=0
        If positive, show a progress bar.
""",
    }
)


@with_shared_docs
@dataclass(repr=False, eq=False)
class KerasFeaturizer(StatelessTransformer):
    """Compute features of faces with a pretrained network.

    1. Apply the preprocessing of the network and all of its layers except the top
       layers.
    2. Return the feature vectors at all positions of the last feature map as a
       sequence, in row-major order, or pool them.
    3. Return zeros for slots without a face.

    Nothing is learned from the faces. The network is built on first use and shared by
    all featurizers in the process that use the same network and preprocessing. It is
    not pickled.

    Parameters
    ----------
    backbone : str, keras.Model or callable, default="resnet50"
        Name of a network, a model that maps images to features, or a function without
        arguments that builds such a model. Names are "efficientnet_lite0", "meso4",
        "resnext50", and the names of `keras.applications` in snake case, such as
        "efficientnet_v2_b0". `sklearn.base.clone` copies models, but not functions. A
        name such as "keras_hub:dinov3_vit_small_lvd1689m" refers to a KerasHub preset
        (DINOv2, DINOv3, ViT, or the vision encoder of CLIP or SigLIP). Pixel values are
        scaled as in the image converter of the preset. Images are resized only if the
        network does not accept their size. Presets require the extra ``hub``. Vision
        transformers return class, register and patch tokens.
    weights : str, os.PathLike or None, default="imagenet"
        Weights of a backbone given by name. "imagenet" uses pretrained weights, which
        Keras downloads once. A path refers to a file with the weights of all layers
        except the top layers. None uses random weights. Do not pass the path of the
        ImageNet weights of EfficientNet B0 to B4, since Keras scales pixel values
        correctly only for "imagenet". Without internet access, copy the file of
        ImageNet weights to ``~/.keras/models`` and pass "imagenet".
    {{pooling_parameters}}
    preprocess : bool, "bgr" or callable, default=True
        If True, apply the preprocessing of a backbone given by name. "bgr" only
        reverses the channels. False passes RGB pixels from 0 to 255 to the network. A
        callable receives float tensors with values from 0 to 255 and should use
        `keras.ops`.
    {{running_parameters}}

    See Also
    --------
    VGG16Featurizer : Compute features with VGG16.
    skdeepfake.preprocessing.Resizer : Resize the faces first.
    skdeepfake.detectors.CNNRNNDetector : Classify sequences of features.

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
        """Height and width of the images used for pretraining, or None if unknown."""
        return trained_size(self.backbone)

    def transform(self, X: ArrayLike) -> NDArray:
        """Compute the features of each face.

        Parameters
        ----------
        X : ndarray of uint8, shape (n_videos, n_frames, H, W, 3) or (n_images, H, W, 3)
            RGB faces, all zeros in slots without a face. Can be memory-mapped.

        Returns
        -------
        ndarray of shape (n_videos, n_frames, n_positions, n_channels)
            Features of type `dtype`, all zeros in slots without a face. The second axis
            is missing for images and with ``frame_pooling="avg"``. The third axis is
            missing if `pooling` is set or if the backbone returns one vector per image.

        Raises
        ------
        WeightsError
            If the weights cannot be loaded or do not match the network.
        CacheError
            If the cache cannot be written to. Existing entries are kept.
        ValueError
            If `X` has the wrong shape or dtype, if its images are too small, or if a
            feature is not finite.
        ImportError
            If the packages that `engine` or a KerasHub preset requires are missing.

        Warns
        -----
        CacheWarning
            For each damaged cache entry. Its features are computed again.
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
                f"weights={weights!r} requires a backbone given by name. A model or "
                "function has its own weights. Keep the default weights='imagenet'."
            )
        # Convert NumPy types, since the recipe is part of cache keys.
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
        """Return the features of all slots, from the cache or the network."""
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
                    message = f"{error}. The features are computed again."
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
        """Yield the index and the new features of each video with faces in `to_do`."""
        index = np.argwhere(to_do)
        left = to_do.sum(axis=1)
        done: defaultdict[int, list[NDArray]] = defaultdict(list)
        total, verbose = len(index), self.verbose
        with progress(
            total=total, desc="featurizing", unit="face", verbose=verbose
        ) as bar:
            for start in range(0, len(index), self.batch_size):
                part = tuple(index[start : start + self.batch_size].T)
                with np.errstate(over="ignore"):  # checked below
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
        """Return the pooling function, or None."""
        if self.pooling is None or len(shape) == 1:
            return None
        pooling, n_prefix = self.pooling, network.n_prefix(self.pooling)

        def pool(features: NDArray) -> NDArray:
            return pool_tokens(features.astype(np.float32), pooling, n_prefix, np)

        return pool

    def _check_finite(self, features: NDArray) -> None:
        if not np.isfinite(features).all():
            is_half = self.dtype == "float16"
            hint = "Use dtype='float32'." if is_half else "Check its weights."
            raise ValueError(
                f"The features of {self.backbone!r} are not finite in {self.dtype}. "
                f"{hint}"
            )


def _check_faces(X: ArrayLike, name: str) -> NDArray[np.uint8]:
    """Check X and reshape it to (n_videos, n_frames, height, width, 3)."""
    faces = X if isinstance(X, np.ndarray) else np.asarray(X)
    if faces.ndim not in (4, 5) or faces.shape[-1] != 3:
        raise ValueError(
            f"{name} expects RGB faces of shape (videos, frames, height, width, 3) or "
            f"(images, height, width, 3); X has shape {faces.shape}. Add a Resizer "
            f"before {name}."
        )
    if faces.dtype != np.uint8:
        raise ValueError(
            f"{name} expects uint8 pixels from 0 to 255, as returned by a Resizer; X "
            f"has dtype {faces.dtype}."
        )
    if 0 in faces.shape:
        raise ValueError(f"Found array with 0 sample(s) (shape={faces.shape})")
    return faces if faces.ndim == 5 else faces[:, np.newaxis]


def _digest(faces: NDArray[np.uint8]) -> str:
    """Return a hash of faces."""
    content = hashlib.sha256(repr(faces.shape).encode())
    content.update(np.ascontiguousarray(faces).data)
    return content.hexdigest()


def _average_frames(features: NDArray, filled: NDArray[np.bool_]) -> NDArray:
    """Average over the frames with a face. Videos without a face become zeros."""
    n_faces = np.maximum(filled.sum(axis=1), 1)
    total = features.sum(axis=1, dtype=np.float64)
    mean = total / n_faces.reshape(-1, *[1] * (total.ndim - 1))
    return mean.astype(features.dtype)
