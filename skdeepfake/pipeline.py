"""Builders of whole pipelines, from paths of videos to probabilities."""

from __future__ import annotations

import importlib
from typing import Any

from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from .preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler

__all__ = ["make_detector_pipeline"]

# Named, not imported: building a pipeline is what first loads Keras.
_DETECTORS = {"cnn": "CNNDetector"}


def make_detector_pipeline(
    detector: Any = "cnn",
    *,
    n_frames: int = 10,
    duration: float | None = 10.0,
    margin: float = 0.0,
    size: tuple[int, int] = (224, 224),
    memory: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    **detector_params: Any,
) -> Pipeline:
    """Build the pipeline from paths of videos to a detector.

    Parameters
    ----------
    detector : {"cnn"} or classifier, default="cnn"
        The paper's model by its short name, or any classifier of arrays of shape
        (n_videos, n_frames, height, width, 3).
    n_frames : int, default=10
        Frames sampled from each video.
    duration : float or None, default=10.0
        Seconds of each video that are sampled; None for the whole video.
    margin : float, default=0.0
        What is added to the face on each side, as a share of its size.
    size : tuple of int, default=(224, 224)
        Height and width of the faces that the detector gets, in pixels.
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Folder of a cache of face crops, so that each video is decoded once,
        whatever the number of fits, folds and candidates.
    n_jobs : int or None, default=None
        Videos worked on at once, in each step.
    verbose : int, default=0
        1 shows progress bars and a line an epoch.
    **detector_params : dict
        Further parameters of a detector given by name, such as ``epochs`` or
        ``random_state``.

    Returns
    -------
    :class:`~sklearn.pipeline.Pipeline`
        With the steps `sampler`, `cropper`, `resizer` and `detector`.

    Raises
    ------
    ValueError
        If `detector` is neither a known name nor a classifier.
    TypeError
        If the detector does not know one of `detector_params`, or is an object.

    Examples
    --------
    >>> from skdeepfake.pipeline import make_detector_pipeline
    >>> pipeline = make_detector_pipeline("cnn", n_frames=5, epochs=20, random_state=0)
    >>> list(pipeline.named_steps)
    ['sampler', 'cropper', 'resizer', 'detector']
    >>> pipeline.fit(paths, y).predict_proba(["interview.mp4"])  # doctest: +SKIP
    """
    if isinstance(detector, str):
        if detector not in _DETECTORS:
            raise ValueError(
                f"detector={detector!r} is not known; the names are "
                f"{', '.join(map(repr, _DETECTORS))}, and any classifier will do"
            )
        detectors = importlib.import_module(".detectors", __package__)
        detector_params.setdefault("verbose", verbose)
        detector = getattr(detectors, _DETECTORS[detector])(**detector_params)
    elif (
        isinstance(detector, type)
        or not hasattr(detector, "fit")
        or not is_classifier(detector)
    ):
        raise ValueError(f"detector={detector!r} is not a classifier object")
    elif detector_params:
        raise TypeError(
            f"{', '.join(detector_params)}: set the parameters of a detector that is "
            "passed as an object on the object itself"
        )
    cropper = DlibFaceCropper(
        margin=margin, memory=memory, n_jobs=n_jobs, verbose=verbose
    )
    return Pipeline(
        [
            ("sampler", VideoFrameSampler(n_frames, duration, n_jobs=n_jobs)),
            ("cropper", cropper),
            ("resizer", Resizer(size, n_jobs=n_jobs)),
            ("detector", detector),
        ]
    )
