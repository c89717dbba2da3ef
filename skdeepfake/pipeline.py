"""Builders of whole pipelines, from paths of videos to probabilities."""

from __future__ import annotations

import importlib
import os
from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline

from .preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler
from .synthesis import SelfBlender

__all__ = ["make_detector_pipeline"]

# Named, not imported: building a pipeline is what first loads Keras.
DETECTORS = {
    "cnn": "CNNDetector",
    "cnn_rnn": "CNNRNNDetector",
    "gan": "GANDetector",
    "transfer": "TransferDetector",
}


def make_detector_pipeline(
    detector: Any = "cnn",
    *,
    n_frames: int = 10,
    duration: float | None = 10.0,
    margin: float = 0.0,
    size: tuple[int, int] | None = None,
    featurizer: Any = None,
    weights: str | os.PathLike[str] | None = "imagenet",
    memory: Any = None,
    on_error: str = "raise",
    n_jobs: int | None = None,
    verbose: int = 0,
    **detector_params: Any,
) -> Pipeline:
    """Build the pipeline from paths of videos to a detector.

    Parameters
    ----------
    detector : {"cnn", "cnn_rnn", "gan", "transfer"} or classifier, default="cnn"
        The paper's model by its short name, a
        :class:`~skdeepfake.detectors.TransferDetector`, or any classifier of arrays of
        shape (n_videos, n_frames, height, width, 3), or of what `featurizer` gives.
    n_frames : int, default=10
        Frames sampled from each video.
    duration : float or None, default=10.0
        Seconds of each video that are sampled; None for the whole video.
    margin : float, default=0.0
        What is added to the face on each side, as a share of its size.
    size : tuple of int or None, default=None
        Height and width of the faces that the detector gets, in pixels. None is what
        the featurizer or the detector was trained on, or 224 x 224, the paper's.
    featurizer : transformer or None, default=None
        Step between faces and detector. None is none, and for ``"cnn_rnn"`` a
        :class:`~skdeepfake.features.VGG16Featurizer` with `weights` and `memory`.
    weights : str, os.PathLike or None, default="imagenet"
        Weights of that VGG16, or of the backbone of ``"transfer"``: ``"imagenet"``, the
        path of a file, or None for random ones. Not used otherwise.
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Folder of a cache of face crops and features, so that videos are decoded once.
    on_error : {"raise", "skip"}, default="raise"
        As in :class:`~skdeepfake.preprocessing.VideoFrameSampler`.
    n_jobs : int or None, default=None
        Videos worked on at once, in each step.
    verbose : int, default=0
        1 shows progress bars and a line an epoch.
    **detector_params : dict
        Parameters of a detector given by name. Its `fake_source` gets the `margin`.

    Returns
    -------
    :class:`~sklearn.pipeline.Pipeline`
        With the steps `sampler`, `cropper`, `resizer`, `featurizer` if any, `detector`.

    Raises
    ------
    ValueError
        If `detector` is not a known name or classifier, or a value is out of range.
    TypeError
        If the detector does not know one of `detector_params`, or is an object.

    See Also
    --------
    skdeepfake.evaluation.evaluate : Scores it, once it is fitted.

    Examples
    --------
    >>> from skdeepfake.pipeline import make_detector_pipeline
    >>> pipeline = make_detector_pipeline("cnn", n_frames=5, epochs=20, random_state=0)
    >>> list(pipeline.named_steps)
    ['sampler', 'cropper', 'resizer', 'detector']
    >>> pipeline.fit(paths, y).predict_proba(["interview.mp4"])  # doctest: +SKIP
    """
    if isinstance(detector, str):
        if detector not in DETECTORS:
            raise ValueError(
                f"detector={detector!r} is not known; the names are "
                f"{', '.join(map(repr, DETECTORS))}, and any classifier will do"
            )
        if detector == "cnn_rnn" and featurizer is None:
            features = importlib.import_module(".features", __package__)
            featurizer = features.VGG16Featurizer(
                weights=weights, memory=memory, verbose=verbose
            )
        detectors = importlib.import_module(".detectors", __package__)
        detector_params.setdefault("verbose", verbose)
        if detector == "transfer":
            detector_params["weights"] = weights
        fakes = detector_params.get("fake_source")
        if isinstance(fakes, detectors.BlendedFakes) and fakes.blender is None:
            blender = SelfBlender(margin=margin)
            detector_params["fake_source"] = clone(fakes).set_params(blender=blender)
        detector = getattr(detectors, DETECTORS[detector])(**detector_params)
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
    own_size = getattr(featurizer or detector, "image_size", None)
    sampler = VideoFrameSampler(n_frames, duration, on_error=on_error, n_jobs=n_jobs)
    steps = [
        ("sampler", sampler),
        ("cropper", cropper),
        ("resizer", Resizer(size or own_size or (224, 224), n_jobs=n_jobs)),
        ("featurizer", featurizer),
        ("detector", detector),
    ]
    steps = [(name, step) for name, step in steps if step is not None]
    for _, step in steps:  # now, and not when the first videos have been decoded
        if step.__module__.startswith("skdeepfake."):
            step._validate_params()
    return Pipeline(steps)
