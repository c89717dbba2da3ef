"""Load the trained detectors included in this package."""

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

# Detectors in `skdeepfake/weights`.
_DETECTORS = ("reference",)

# Key of the metadata in a detector file.
_FACTS = "facts"
_FORMAT = 1

# Maximum size of the weights in memory, ten times that of the reference detector.
_MAX_BYTES = 2**26


@dataclass(frozen=True)
class DetectorInfo:
    """Description of a detector included in this package.

    Attributes
    ----------
    name : str
        Name to pass to :func:`load_detector`.
    sha256 : str
        SHA-256 of the file in hexadecimal digits.
    card : str
        Model card in Markdown: training data, test results, limitations and intended
        use.
    real_below : float
        Lower threshold. The verdict is "real" if the probability of being fake is below
        this value.
    fake_above : float
        Upper threshold. The verdict is "fake" if the probability of being fake is above
        this value, and "uncertain" if it is from `real_below` to `fake_above`.

    See Also
    --------
    list_detectors : List the available detectors.

    Examples
    --------
    >>> from skdeepfake.pretrained import list_detectors
    >>> info = list_detectors()[0]
    >>> info.real_below, info.fake_above
    (0.1, 0.5)
    >>> info.verdict(0.99)
    'fake'
    """

    name: str
    sha256: str
    card: str
    real_below: float
    fake_above: float

    def verdict(self, proba: float) -> str:
        """Return the verdict for a probability of being fake.

        Parameters
        ----------
        proba : float
            Probability of being fake, from 0 to 1, or NaN for a video without a face.

        Returns
        -------
        {"real", "uncertain", "fake", "no face"}
            Verdict on the video.
        """
        return verdict(proba, self.real_below, self.fake_above)

    def __str__(self) -> str:
        return f"{self.name}\n\n{self.card}"


def verdict(proba: float, real_below: float, fake_above: float) -> str:
    """Return the verdict for a probability of being fake, or for NaN without a face."""
    if np.isnan(proba):
        return "no face"
    if proba > fake_above:
        return "fake"
    return "uncertain" if proba >= real_below else "real"


def list_detectors() -> list[DetectorInfo]:
    """List the detectors included in this package.

    Returns
    -------
    list of DetectorInfo
        Names, model cards and thresholds of the detectors.

    See Also
    --------
    load_detector : Load a detector.

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
    """Load a fitted pipeline that predicts from paths of videos.

    Nothing is downloaded, and neither Keras nor TensorFlow is imported.

    Parameters
    ----------
    name : str or os.PathLike, default="reference"
        Name of a detector included in this package (see :func:`list_detectors`), or
        path of a file written by ``benchmarks/reference/calibrate.py``. Loading a file
        does not run code.
    max_faces : int or None, default=1
        Maximum number of people to track per video. None tracks up to 10. The
        probability of a video is the maximum over its people. For one probability per
        person, use ``predict_person_proba`` of the detector.
    sha256 : str or None, default=None
        Expected SHA-256 of the file in hexadecimal digits. With None, only the files
        included in this package are checked.
    on_error : {"raise", "skip"}, default="raise"
        Handling of unreadable videos; see
        :class:`~skdeepfake.preprocessing.VideoFrameSampler`.
    n_jobs : int or None, default=None
        Number of videos processed in parallel.
    verbose : int, default=0
        If 1, show progress bars.

    Returns
    -------
    :class:`~sklearn.pipeline.Pipeline`
        Fitted pipeline with the steps `sampler`, `cropper`, `resizer` and `detector`
        (a :class:`~skdeepfake.detectors.PretrainedDetector`). The ``predict_proba`` of
        the pipeline takes paths and returns an array of shape (n_videos, 2) with the
        probabilities of real and fake.

    Raises
    ------
    ValueError
        If `name` is neither the name of a detector nor a file.
    ModelFileError
        If the file is damaged, has an unsupported format, or does not have the expected
        SHA-256.

    Warns
    -----
    NoFaceWarning
        When ``predict_proba`` is called on a video without a face.

    See Also
    --------
    list_detectors : List names and model cards.
    skdeepfake.pipeline.make_detector_pipeline : Build an untrained pipeline.

    Examples
    --------
    >>> from skdeepfake import load_detector
    >>> detector = load_detector()
    >>> list(detector.named_steps)
    ['sampler', 'cropper', 'resizer', 'detector']
    >>> detector["sampler"].n_frames, detector["resizer"].size
    (16, (160, 160))
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
        arrays, classes=[0, 1], class_count=facts["class_count"], size=size
    )
    n_frames = int(facts["n_frames"])
    sampler = VideoFrameSampler(n_frames, on_error=on_error, n_jobs=n_jobs)
    resizer = Resizer(size, n_jobs=n_jobs)
    steps = {"sampler": sampler, "cropper": cropper, "resizer": resizer}
    return Pipeline([*steps.items(), ("detector", detector)])


def write_detector(
    path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]
) -> str:
    """Write the file of a detector in half precision and return its SHA-256."""
    text = json.dumps({"format": _FORMAT, **facts}, sort_keys=True)
    half = {name: array.astype(np.float16) for name, array in arrays.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **{_FACTS: np.array(text)}, **half)  # type: ignore[arg-type]
    path.write_bytes(content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def _read(
    name: str | os.PathLike[str], sha256: str | None, *, weights: bool = True
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the weights, if requested, and the metadata of a detector."""
    if name in _DETECTORS:
        content = read_packaged(str(name))
    else:
        path = Path(name)
        if not path.is_file():
            raise ValueError(
                f"name={os.fspath(name)!r} is neither a detector of this package "
                f"({', '.join(map(repr, _DETECTORS))}) nor a file."
            )
        content = path.read_bytes()
    if sha256 is not None:
        check_sha256(content, sha256, name)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
        if n_bytes > _MAX_BYTES:
            raise ValueError(
                f"its unpacked size of {n_bytes} bytes exceeds {_MAX_BYTES} bytes"
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            facts = json.loads(str(stored[_FACTS]))
            names = [key for key in stored if key != _FACTS] if weights else []
            arrays = {key: stored[key] for key in names}
        known = facts["format"] == _FORMAT
    except Exception as error:  # invalid files may raise any error
        raise ModelFileError(
            f"{os.fspath(name)!r} is not a detector file: {error}"
        ) from error
    if not known:
        raise ModelFileError(
            f"{os.fspath(name)!r} has format {facts['format']}, which this version of "
            "skdeepfake does not support. Install a newer version."
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
