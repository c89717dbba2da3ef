"""Save and load models without running code from the file.

Loading a pickle or a joblib file can run code, so only load such files from sources
that you trust. :func:`save` writes a zip archive of data instead, which :func:`load`
can safely read from any source. A model may contain estimators of skdeepfake and
scikit-learn, numbers and arrays, and networks with the layers that the detectors use.
If a model contains other objects, an error names them. :func:`save` and :func:`load`
require the extra ``safe``.
"""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from sklearn.base import BaseEstimator

from ._atomic import write_atomically
from ._export import export_onnx
from ._keras._trust import keeps_optimizer, trusted_components
from ._skops_schema import ESTIMATORS, check_schema
from ._zip_members import read_members, write_members
from .augmentation import KerasAugmentation
from .exceptions import ModelFileError, SkdeepfakeError, UntrustedModelError

__all__ = ["export_onnx", "keep_optimizer", "load", "save"]

# Types that a model may contain, in addition to the arrays and containers that skops
# trusts.
_TRUSTED = frozenset(
    [
        *ESTIMATORS,
        "numpy.dtype",
        "skdeepfake.augmentation._geometry.RandomAffine",
        "skdeepfake.augmentation._geometry.RandomErasing",
        "skdeepfake.augmentation._geometry.RandomFlip",
        "skdeepfake.augmentation._keras.KerasAugmentation",
        "skdeepfake.augmentation._quality.RandomBlur",
        "skdeepfake.augmentation._quality.RandomColor",
        "skdeepfake.augmentation._quality.RandomDownscale",
        "skdeepfake.augmentation._quality.RandomJPEG",
        "skdeepfake.augmentation._quality.RandomNoise",
        "skdeepfake.augmentation._quality.RandomVideoCompression",
        "scikeras.utils.transformers.ClassifierLabelEncoder",
        "scikeras.utils.transformers.TargetReshaper",
        "skdeepfake.detectors._aggregation.Attention",
        "skdeepfake.detectors._aggregation.PerPerson",
        "skdeepfake.detectors._aggregation.TopK",
        "skdeepfake.detectors._callbacks.PlateauCallbacks",
        "skdeepfake.detectors._checkpoint.Checkpoint",
        "skdeepfake.detectors._cnn.CNNDetector",
        "skdeepfake.detectors._cnn_rnn.CNNRNNDetector",
        "skdeepfake.detectors._fakes.BlendedFakes",
        "skdeepfake.detectors._fine_tuning.LoRA",
        "skdeepfake.detectors._gan.GANDetector",
        "skdeepfake.detectors._gan.Generator",  # location in 0.1.0
        "skdeepfake.detectors._gan_networks.Generator",
        "skdeepfake.detectors._head.Head",
        "skdeepfake.detectors._pretrained.PretrainedDetector",
        "skdeepfake.detectors._reconstruction.ReconstructionDetector",
        "skdeepfake.detectors._transfer.Head",  # location in 0.1.0
        "skdeepfake.detectors._transfer.TransferDetector",
        "skdeepfake.features._frame_predictor.FramePredictor",
        "skdeepfake.features._keras_featurizer.KerasFeaturizer",
        "skdeepfake.features._multi_path.MultiPathBackbone",
        "skdeepfake.features._union.FrameFeatureUnion",
        "skdeepfake.features._vgg16.VGG16Featurizer",
        "skdeepfake.perturbations._perturber.VideoPerturber",
        "skdeepfake.preprocessing._cropping.DlibFaceCropper",
        "skdeepfake.preprocessing._cropping.YuNetFaceCropper",
        "skdeepfake.preprocessing._resizing.Resizer",
        "skdeepfake.preprocessing._sampling.VideoFrameSampler",
        "skdeepfake.preprocessing._transcoding.VideoTranscoder",
        "skdeepfake.streams._blinks.BlinkFeaturizer",
        "skdeepfake.streams._magnification.MotionMagnifier",
        "skdeepfake.streams._optical_flow.OpticalFlow",
        "skdeepfake.synthesis._mixing.RandomBlender",
        "skdeepfake.synthesis._self_blending.SelfBlender",
        "skdeepfake.synthesis._swapping.FaceSwapper",
    ]
)


def save(
    estimator: BaseEstimator,
    path: str | os.PathLike[str],
    *,
    optimizer: bool = False,
    trusted: Iterable[str] = (),
) -> None:
    """Save a model to a file that can be loaded without running code.

    Parameters
    ----------
    estimator : estimator
        Pipeline or other estimator. It need not be fitted.
    path : str or os.PathLike
        Output file, usually with the suffix ``.skops``. An existing file is replaced
        only when the new file is complete.
    optimizer : bool, default=False
        If True, also save the state of the optimizers. Then `partial_fit`, or `fit`
        with ``warm_start=True``, continues exactly where training stopped. The file may
        become three times as large.
    trusted : iterable of str, default=()
        Names of additional types that the model may contain, including the module, such
        as "my_module.MyDetector". Pass the same names to `load`.

    Raises
    ------
    UntrustedModelError
        If the model contains an object that `load` would reject, such as a function.
        No file is written.
    OSError
        If the file cannot be written. An existing file is kept.
    ImportError
        If skops is not installed.

    See Also
    --------
    load : Load a model.

    Examples
    --------
    >>> import os, tempfile
    >>> from skdeepfake import CNNDetector, persistence
    >>> path = os.path.join(tempfile.mkdtemp(), "model.skops")
    >>> persistence.save(CNNDetector(filters=(8, 16)), path)
    >>> persistence.load(path)
    CNNDetector(filters=(8, 16))
    """
    skops = import_skops()
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(f"{type(estimator).__name__} is not a scikit-learn estimator.")
    names = _names(trusted)
    _check_parameters(estimator, names)
    with _trusting(names), keep_optimizer(optimizer):
        try:
            content = skops.dumps(
                estimator, compression=zipfile.ZIP_DEFLATED, compresslevel=1
            )
            unknown = check_schema(read_members(content), names)
            _check_types(skops, content, names, unknown)
        except UntrustedModelError as error:
            raise UntrustedModelError(
                f"{type(estimator).__name__} cannot be saved safely: {error}"
            ) from error
        except (OSError, Warning):
            raise  # not caused by the contents of the model
        except Exception as error:  # types that cannot be serialized raise any error
            raise UntrustedModelError(
                f"{type(estimator).__name__} cannot be saved safely, since it contains "
                f"an object that cannot be serialized: {error}"
            ) from error
    write_atomically(path, lambda file: file.write(content))


def load(path: str | os.PathLike[str], *, trusted: Iterable[str] = ()) -> Any:
    """Load a model saved by `save`, without running code from the file.

    The parameters of the loaded model may name weights files to read and a cache folder
    to use. If the model comes from another person, print it and check these parameters
    before you use it.

    Parameters
    ----------
    path : str or os.PathLike
        File to load.
    trusted : iterable of str, default=()
        Names of additional types that the model may contain, such as custom estimators
        and layers. Each name includes the module, such as "my_module.MyDetector". If
        names are missing, the error message lists them.
        Loading imports the modules of these types, which runs their code.

    Returns
    -------
    estimator
        Loaded estimator.

    Raises
    ------
    UntrustedModelError
        If the model contains a type or a layer that is neither trusted by default nor
        listed in `trusted`, or if its network refers to other files.
    ModelFileError
        If the file is missing or damaged, or was not written by `save`.
    ImportError
        If skops is not installed.

    Warns
    -----
    ModelVersionWarning
        If the model was saved with another version of skdeepfake or Keras. For another
        version of scikit-learn, an InconsistentVersionWarning is issued.

    See Also
    --------
    save : Save a model.

    Examples
    --------
    >>> import os, tempfile
    >>> from skdeepfake import Resizer, persistence
    >>> path = os.path.join(tempfile.mkdtemp(), "model.skops")
    >>> persistence.save(Resizer(size=(32, 32)), path)
    >>> persistence.load(path)
    Resizer(size=(32, 32))
    """
    skops = import_skops()
    name, names = repr(os.fspath(path)), _names(trusted)
    content = _read(path, name)
    try:
        # Repack the members, so that skops reads exactly what was checked.
        members = read_members(content)
        unknown = check_schema(members, names)
        content = write_members(members)
        with _trusting(names):
            found = _check_types(skops, content, names, unknown)
            estimator = skops.loads(content, trusted=sorted(found))
    except SkdeepfakeError as error:
        raise type(error)(f"{name} cannot be loaded: {error}") from error
    except Warning:
        raise  # warning filters may turn warnings into errors
    except Exception as error:  # damaged or forged files may raise any error
        raise ModelFileError(
            f"{name} is damaged or was not written by persistence.save: {error}"
        ) from error
    if not isinstance(estimator, BaseEstimator):
        raise ModelFileError(
            f"{name} contains a {type(estimator).__name__}; expected an estimator."
        )
    return estimator


@contextlib.contextmanager
def keep_optimizer(keep: bool = True) -> Iterator[None]:
    """Include the state of the optimizer when detectors are pickled.

    After loading, training can continue exactly where it stopped. For :func:`save`, use
    the parameter `optimizer` instead.

    Parameters
    ----------
    keep : bool, default=True
        If True, include the state of the optimizer.

    Yields
    ------
    None
        The setting applies inside the ``with`` block, in the current thread.

    See Also
    --------
    save : Save a model to a file that can be loaded without running code.

    Examples
    --------
    >>> import joblib
    >>> from skdeepfake.persistence import keep_optimizer
    >>> with keep_optimizer():
    ...     joblib.dump(pipeline, "half_way.joblib")  # doctest: +SKIP
    """
    token = keeps_optimizer.set(keep)
    try:
        yield
    finally:
        keeps_optimizer.reset(token)


def import_skops() -> ModuleType:
    """Import `skops.io`, or raise an ImportError that names the missing extra."""
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            'Safe model files require skops: pip install "skdeepfake[safe]"'
        ) from error
    return skops.io


# -- trusted types -----------------------------------------------------------


def _names(trusted: Iterable[str]) -> frozenset[str]:
    if isinstance(trusted, str) or not all(isinstance(n, str) for n in trusted):
        raise TypeError(f"trusted={trusted!r} must be a list of names.")
    return frozenset(trusted)


@contextlib.contextmanager
def _trusting(names: frozenset[str]) -> Iterator[None]:
    """Check networks inside the block; components with these names are trusted."""
    token = trusted_components.set(names)
    try:
        yield
    finally:
        trusted_components.reset(token)


def _check_types(
    skops: ModuleType, content: bytes, names: frozenset[str], unknown: set[str]
) -> set[str]:
    """Return the types in a file; raise an error if any type is not trusted."""
    found = set(skops.get_untrusted_types(data=content))
    unknown = unknown | (found - _TRUSTED - names)
    if unknown:
        raise UntrustedModelError(
            f"it contains {', '.join(sorted(unknown))}. If you trust these types, add "
            "them to `trusted`."
        )
    return found


def _check_parameters(estimator: BaseEstimator, names: frozenset[str]) -> None:
    """Raise an error if a parameter contains a Keras object."""
    params = estimator.get_params(deep=True)
    for name, value in params.items():
        owner, _, last = name.rpartition("__")
        if last == "layers" and isinstance(params.get(owner), KerasAugmentation):
            continue  # saved and checked as Keras configurations
        for part in value if isinstance(value, (list, tuple)) else [value]:
            kind = type(part)
            # Subclasses of Keras classes are defined in other modules.
            if any(base.__module__.startswith("keras.") for base in kind.__mro__) and (
                f"{kind.__module__}.{kind.__qualname__}" not in names
            ):
                raise UntrustedModelError(
                    f"{type(estimator).__name__} cannot be saved safely: its parameter "
                    f"{name!r} contains the Keras object {kind.__name__}. Set "
                    "callbacks=None and pass optimizers and backbones by name, or use "
                    "joblib for files that only you load."
                )


# -- files -------------------------------------------------------------------


def _read(path: str | os.PathLike[str], name: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise ModelFileError(f"{name} cannot be read: {error.strerror}.") from error
    # Check the first bytes, too, since the pickle of a network contains a zip archive.
    if content[:4] != b"PK\3\4" or not zipfile.is_zipfile(io.BytesIO(content)):
        raise ModelFileError(
            f"{name} was not written by persistence.save or is incomplete. A joblib "
            "file is a pickle and can run code. Load it with joblib.load only if you "
            "trust its source."
        )
    return content
