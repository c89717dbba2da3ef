"""Trained detectors that come with this package."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ._packaged_weights import FOLDER, SHA256, check_sha256, read_packaged
from .exceptions import ModelFileError
from .preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler

__all__ = ["DetectorInfo", "list_detectors", "load_detector"]

# The files in `skdeepfake/weights` that are detectors.
_DETECTORS = ("reference",)

# What a file says of itself, besides the weights.
_FACTS = "facts"
_FORMAT = 1

# Largest size of the weights in memory: ten times that of the reference detector.
_MAX_BYTES = 2**26


@dataclass(frozen=True)
class DetectorInfo:
    """A detector that :func:`load_detector` loads.

    Attributes
    ----------
    name : str
        What `load_detector` takes.
    sha256 : str
        SHA-256 of its file, in hexadecimal digits.
    card : str
        Its model card in Markdown: what it was trained on, what it was tested on, where
        it fails, and what it may be used for.
    real_below : float
        Videos whose probability of being fake is lower are called real.
    fake_above : float
        Videos whose probability is higher are called fake; those in between are
        uncertain.

    See Also
    --------
    list_detectors : Lists all of them.

    Examples
    --------
    >>> from skdeepfake.pretrained import list_detectors
    >>> list_detectors()[0].verdict(0.99)
    'fake'
    """

    name: str
    sha256: str
    card: str
    real_below: float
    fake_above: float

    def verdict(self, proba: float) -> str:
        """Name the verdict that a probability stands for.

        Parameters
        ----------
        proba : float
            Probability of being fake, 0 to 1; NaN for a video without a face.

        Returns
        -------
        {"real", "uncertain", "fake", "no face"}
            The verdict.
        """
        return verdict(proba, self.real_below, self.fake_above)

    def __str__(self) -> str:
        return f"{self.name}\n\n{self.card}"


def verdict(proba: float, real_below: float, fake_above: float) -> str:
    """Name the verdict that a probability stands for, NaN without a face."""
    if np.isnan(proba):
        return "no face"
    if proba > fake_above:
        return "fake"
    return "uncertain" if proba >= real_below else "real"


def list_detectors() -> list[DetectorInfo]:
    """List the detectors that come with this package.

    Returns
    -------
    list of DetectorInfo
        Their names and model cards.

    See Also
    --------
    load_detector : Loads one.

    Examples
    --------
    >>> from skdeepfake import list_detectors
    >>> [detector.name for detector in list_detectors()]
    ['reference']
    """
    return [_info(name, _read(name, None, weights=False)[1]) for name in _DETECTORS]


def load_detector(
    name: str | os.PathLike[str] = "reference",
    *,
    max_faces: int | None = 1,
    sha256: str | None = None,
    on_error: str = "raise",
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Pipeline:
    """Load a trained detector: a fitted pipeline from paths to probabilities.

    Nothing is downloaded, and neither Keras nor TensorFlow is imported.

    Parameters
    ----------
    name : str or os.PathLike, default="reference"
        Name of a detector that comes with this package (:func:`list_detectors`), or
        path of a file of one, as the training in ``benchmarks/reference`` writes it.
        Such a file is data; loading it runs no code.
    max_faces : int or None, default=1
        Number of people that are followed, None for up to 10. The probability of a
        video is that of its most suspicious person, and ``predict_person_proba`` of the
        detector returns one per person.
    sha256 : str or None, default=None
        SHA-256 that the file must have, in hexadecimal digits. None checks the files
        of this package only.
    on_error : {"raise", "skip"}, default="raise"
        What becomes of a video that cannot be read; see
        :class:`~skdeepfake.preprocessing.VideoFrameSampler`.
    n_jobs : int or None, default=None
        Videos worked on at once.
    verbose : int, default=0
        1 shows progress bars.

    Returns
    -------
    :class:`~sklearn.pipeline.Pipeline`
        With the steps `sampler`, `cropper`, `resizer` and `detector`, the last a
        fitted :class:`~skdeepfake.detectors.PretrainedDetector`. ``predict_proba``
        takes paths and returns probabilities of shape (n_videos, 2), real and fake.

    Raises
    ------
    ValueError
        If there is no such detector.
    ModelFileError
        If the file is damaged, of another format, or has another hash.

    Warns
    -----
    NoFaceWarning
        By ``predict_proba``, for a video without a face.

    See Also
    --------
    list_detectors : Names and model cards.
    skdeepfake.pipeline.make_detector_pipeline : A pipeline to be trained.

    Examples
    --------
    >>> from skdeepfake import load_detector
    >>> detector = load_detector()
    >>> list(detector.named_steps)
    ['sampler', 'cropper', 'resizer', 'detector']
    >>> detector.predict_proba(["interview.mp4"])  # doctest: +SKIP
    array([[0.96, 0.04]])
    """
    from .detectors import PerPerson, PretrainedDetector

    arrays, facts = _read(name, sha256)
    detector = PretrainedDetector(verbose=verbose)
    cropper = DlibFaceCropper(
        margin=float(facts["margin"]),
        max_faces=max_faces,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    if cropper.n_people > 1:
        people = PerPerson(cropper.n_people, aggregation=detector.aggregation)
        detector.set_params(aggregation=people)
    size = int(facts["size"]), int(facts["size"])
    detector._set_fitted(
        arrays,
        classes=[0, 1],
        class_count=facts["class_count"],
        size=size,
    )
    return Pipeline(
        [
            (
                "sampler",
                VideoFrameSampler(
                    int(facts["n_frames"]), on_error=on_error, n_jobs=n_jobs
                ),
            ),
            ("cropper", cropper),
            ("resizer", Resizer(size, n_jobs=n_jobs)),
            ("detector", detector),
        ]
    )


def write_detector(
    path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]
) -> str:
    """Write the file of a detector, in half precision; returns its SHA-256."""
    text = json.dumps({"format": _FORMAT, **facts}, sort_keys=True)
    half = {name: array.astype(np.float16) for name, array in arrays.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **{_FACTS: np.array(text)}, **half)  # type: ignore[arg-type]
    path.write_bytes(content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def _read(
    name: str | os.PathLike[str], sha256: str | None, *, weights: bool = True
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what is said of a detector and, unless told otherwise, its weights."""
    if name in _DETECTORS:
        content = read_packaged(str(name))
    else:
        path = Path(name)
        if not path.is_file():
            raise ValueError(
                f"name={os.fspath(name)!r} is neither a detector of this package "
                f"({', '.join(map(repr, _DETECTORS))}) nor a file"
            )
        content = path.read_bytes()
    if sha256 is not None:
        check_sha256(content, sha256, name)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
        if n_bytes > _MAX_BYTES:
            raise ValueError(f"it unpacks to {n_bytes} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            facts = json.loads(str(stored[_FACTS]))
            names = [key for key in stored if key != _FACTS] if weights else []
            arrays = {key: stored[key] for key in names}
        known = facts["format"] == _FORMAT
    except Exception as error:  # as many kinds as there are wrong files
        raise ModelFileError(
            f"{os.fspath(name)!r} is not the file of a detector: {error}"
        ) from error
    if not known:
        raise ModelFileError(
            f"{os.fspath(name)!r} is of format {facts['format']}, which this version "
            "of skdeepfake does not know: install a newer one"
        )
    return arrays, facts


def _info(name: str, facts: dict[str, Any]) -> DetectorInfo:
    card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    return DetectorInfo(
        name=name,
        sha256=SHA256[name],
        card=card,
        real_below=float(facts["real_below"]),
        fake_above=float(facts["fake_above"]),
    )
