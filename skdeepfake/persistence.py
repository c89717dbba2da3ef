"""Models in files that run nothing when they are loaded.

A pickle, and so a joblib file, runs code: load only what you wrote yourself. What
:func:`save` writes, a zip archive of data, can be loaded by :func:`load` whoever wrote
it: it holds nothing but skdeepfake's own estimators and scikit-learn's, numbers, and
networks of the layers that the detectors are made of; anything else is refused by name.
Both need the extra ``safe``.
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

# What a model may hold besides what skops trusts: arrays and Python's own containers.
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
        "skdeepfake.detectors._gan.Generator",  # where it was in 0.1.0
        "skdeepfake.detectors._gan_networks.Generator",
        "skdeepfake.detectors._head.Head",
        "skdeepfake.detectors._pretrained.PretrainedDetector",
        "skdeepfake.detectors._reconstruction.ReconstructionDetector",
        "skdeepfake.detectors._transfer.Head",  # where it was in 0.1.0
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
    """Write a model to a file that can be loaded without running code.

    Parameters
    ----------
    estimator : estimator
        A pipeline or any estimator, fitted or not.
    path : str or os.PathLike
        The file, by custom with the suffix ``.skops``. It is replaced when the new one
        is whole.
    optimizer : bool, default=False
        Whether the state of the optimizers is written as well, so that `partial_fit`,
        and `fit` with ``warm_start=True``, go on as if nothing had happened. It may
        treble the file.
    trusted : iterable of str, default=()
        Further types that the model may hold, by their full names. `load` has to be
        told them too.

    Raises
    ------
    UntrustedModelError
        If the model holds what `load` would refuse, such as a function. Nothing is
        written.
    OSError
        If the file cannot be written. What was there before is still there.
    ImportError
        If skops is not installed.

    See Also
    --------
    load : Load such a file.

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
        raise TypeError(f"{type(estimator).__name__} is not a scikit-learn estimator")
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
            raise  # has nothing to do with what it holds
        except Exception as error:  # any type has its own way to refuse
            raise UntrustedModelError(
                f"{type(estimator).__name__} cannot be saved safely, as it holds "
                f"something that cannot be written: {error}"
            ) from error
    write_atomically(path, lambda file: file.write(content))


def load(path: str | os.PathLike[str], *, trusted: Iterable[str] = ()) -> Any:
    """Load a model that `save` wrote, without running any code that is in it.

    What the model does when it is asked is another matter: its parameters say which
    files of weights it reads and in which folder it keeps a cache. Print it first.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    trusted : iterable of str, default=()
        Further types that the model may hold, by the full names that the error gives:
        your own estimators and layers, say. They are imported, and so run.

    Returns
    -------
    estimator
        As it was saved.

    Raises
    ------
    UntrustedModelError
        If the model holds a type that is not trusted, or if its network is made of
        other layers than the detectors', or refers to other files.
    ModelFileError
        If the file is missing, damaged, or no such file.
    ImportError
        If skops is not installed.

    Warns
    -----
    ModelVersionWarning
        If the model was written by another version of skdeepfake or Keras.
        scikit-learn warns of its own versions by InconsistentVersionWarning.

    See Also
    --------
    save : Write such a file.

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
        # Written again, so that skops reads the members that were checked.
        members = read_members(content)
        unknown = check_schema(members, names)
        content = write_members(members)
        with _trusting(names):
            found = _check_types(skops, content, names, unknown)
            estimator = skops.loads(content, trusted=sorted(found))
    except SkdeepfakeError as error:
        raise type(error)(f"{name} is not loaded: {error}") from error
    except Warning:
        raise  # whoever makes errors of them wants to see which
    except Exception as error:  # what is damaged or made up can raise anything
        raise ModelFileError(
            f"{name} is damaged, or no file of persistence.save: {error}"
        ) from error
    if not isinstance(estimator, BaseEstimator):
        raise ModelFileError(f"{name} holds a {type(estimator).__name__}, and no model")
    return estimator


@contextlib.contextmanager
def keep_optimizer(keep: bool = True) -> Iterator[None]:
    """Let detectors that are pickled meanwhile take along the state of the optimizer.

    Training then goes on after loading as if nothing had happened. `save` has a
    parameter for it.

    Parameters
    ----------
    keep : bool, default=True
        Whether to take it along.

    Yields
    ------
    None
        For the time of the ``with`` block, and in its thread.

    See Also
    --------
    save : Writes a model to a file that runs nothing when it is loaded.

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
    """Import `skops.io`, or say how to install it."""
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            'files that load safely need skops: pip install "skdeepfake[safe]"'
        ) from error
    return skops.io


# -- what is trusted ---------------------------------------------------------


def _names(trusted: Iterable[str]) -> frozenset[str]:
    if isinstance(trusted, str) or not all(isinstance(n, str) for n in trusted):
        raise TypeError(f"trusted={trusted!r} must be a list of names")
    return frozenset(trusted)


@contextlib.contextmanager
def _trusting(names: frozenset[str]) -> Iterator[None]:
    """Have networks checked that are written or read meanwhile."""
    token = trusted_components.set(names)
    try:
        yield
    finally:
        trusted_components.reset(token)


def _check_types(
    skops: ModuleType, content: bytes, names: frozenset[str], unknown: set[str]
) -> set[str]:
    """Return the types for skops to trust; raise if others are found."""
    found = set(skops.get_untrusted_types(data=content))
    unknown = unknown | (found - _TRUSTED - names)
    if unknown:
        raise UntrustedModelError(
            f"it holds {', '.join(sorted(unknown))}. If you know what that is and "
            "trust it, name it in `trusted`"
        )
    return found


def _check_parameters(estimator: BaseEstimator, names: frozenset[str]) -> None:
    """Refuse Keras' own objects among the parameters, by the parameter's name."""
    params = estimator.get_params(deep=True)
    for name, value in params.items():
        owner, _, last = name.rpartition("__")
        if last == "layers" and isinstance(params.get(owner), KerasAugmentation):
            continue  # kept, and checked, as a description
        for part in value if isinstance(value, (list, tuple)) else [value]:
            kind = type(part)
            # A subclass of Keras' classes stands elsewhere.
            if any(base.__module__.startswith("keras.") for base in kind.__mro__) and (
                f"{kind.__module__}.{kind.__qualname__}" not in names
            ):
                raise UntrustedModelError(
                    f"{type(estimator).__name__} cannot be saved safely: its parameter "
                    f"{name!r} holds {kind.__name__} of Keras. Set callbacks=None, "
                    "and give an optimizer or a backbone by name, or use joblib for "
                    "yourself"
                )


# -- files -------------------------------------------------------------------


def _read(path: str | os.PathLike[str], name: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise ModelFileError(f"{name} cannot be read: {error.strerror}") from error
    # By its first bytes too: a pickle of a network has a whole archive inside.
    if content[:4] != b"PK\3\4" or not zipfile.is_zipfile(io.BytesIO(content)):
        raise ModelFileError(
            f"{name} is no file of persistence.save, or only a part of one. (A joblib "
            "file is a pickle, and runs code: load it by joblib.load, and only if you "
            "wrote it yourself)"
        )
    return content
