"""Builders of whole pipelines, from paths of videos to probabilities."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from ._systems import LAYOUT, REFERENCES, SYSTEMS, Parts
from ._validation import check_choice
from .preprocessing import DlibFaceCropper, Resizer, VideoFrameSampler

__all__ = ["make_detector_pipeline"]


def make_detector_pipeline(
    detector: Any = "cnn",
    *,
    n_frames: int | None = None,
    duration: float | None = 10.0,
    burst: int | None = None,
    region: str | Sequence[str] | None = None,
    max_faces: int | None = None,
    people: str | None = None,
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
    detector : str or classifier, default="cnn"
        Name of a system listed below or its reference number, such as "[4]"; or any
        classifier of arrays of shape (n_videos, n_slots, height, width, 3), or of the
        output of `featurizer`.
    n_frames : int or None, default=None
        Number of moments sampled per video. None uses the value of the system, or 10.
    duration : float or None, default=10.0
        Number of seconds sampled from each video; None for the whole video.
    burst : int or None, default=None
        Number of consecutive frames per moment. Faces are detected once per burst. None
        uses the value of the system, or 1.
    region : str, sequence of str or None, default=None
        Region of the face, as in :class:`~skdeepfake.preprocessing.DlibFaceCropper`.
        None uses the value of the system, or "face".
    max_faces : int or None, default=None
        Number of people per frame. None uses the value of the system, or 1.
    people : {"max", "mean"} or None, default=None
        Aggregation of several people, by :class:`~skdeepfake.detectors.PerPerson`. None
        uses "max", except for ``"face_weighting"``, which weights the faces of all
        people together.
    margin : float, default=0.0
        Margin on each side of the face, as a share of its size.
    size : tuple of int or None, default=None
        Height and width of the detector's input, in pixels. None uses the size that the
        backbone was trained on, or 224 x 224 as in the paper.
    featurizer : transformer or None, default=None
        Step between faces and detector. None uses the featurizer of the system, if any.
    weights : str, os.PathLike or None, default="imagenet"
        Weights of the backbone, if the system has one: ``"imagenet"``, the path of a
        file, or None for random weights. Backbones without ImageNet weights also have
        random weights with ``"imagenet"``.
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Cache folder of face crops and features, so that videos are decoded once.
    on_error : {"raise", "skip"}, default="raise"
        As in :class:`~skdeepfake.preprocessing.VideoFrameSampler`.
    n_jobs : int or None, default=None
        Number of videos processed in parallel, in each step.
    verbose : int, default=0
        1 shows progress bars and one line per epoch.
    **detector_params : dict
        Parameters of a detector given by name. Its `fake_source` gets the `margin`.

    Returns
    -------
    :class:`~sklearn.pipeline.Pipeline`
        Pipeline of the steps `sampler`, `cropper`, `resizer`, `stream` and `featurizer`
        if any, and `detector`. Slots are ordered by moment, then frame, then person.

    Raises
    ------
    ValueError
        If `detector` is not a known name or classifier, or a value is out of range.
    TypeError
        If the detector has no such parameter, or parameters are passed with an object.

    See Also
    --------
    skdeepfake.evaluation.evaluate : Evaluates a fitted pipeline.

    Notes
    -----
    Numbers in brackets are the references of the paper's review (its section 3). The
    guide lists the figures that it reports. [13], [14] and [16] are surveys.

    - ``"cnn"``: the paper's first model, a CNN of frames as in [3].
    - ``"cnn_rnn"``: the paper's second model.
    - ``"gan"``: the paper's third model, after [12].
    - ``"transfer"``: a backbone trained on faces; not in the paper.
    - ``"multi_path"``: three backbones with attention [4].
    - ``"regions"``: EfficientNet-B0 on eyes, nose and mouth [5].
    - ``"optical_flow"``: CNN and LSTM over optical flow [6].
    - ``"motion_magnification"``: as [7], after motion magnification [9].
    - ``"blinking"``: VGG16 and LSTM over eyes [10].
    - ``"inception_lstm"``: InceptionV3 and LSTM over 20 consecutive full frames [7].
    - ``"resnext_lstm"``: ResNeXt-50 and LSTM over 100 consecutive frames [8].
    - ``"face_weighting"``: weighted faces and a bidirectional GRU [11].
    - ``"discriminators"``: an ensemble of discriminators and Meso-4 [15].
    - ``"frame_prediction"``: CNN and LSTM over the errors of a frame predictor [2].
    - ``"reconstruction"``: an encoder-decoder, proposed in section 6.
    - ``"body"``: as [7], on the upper body, proposed in section 6.

    Examples
    --------
    >>> from skdeepfake.pipeline import make_detector_pipeline
    >>> pipeline = make_detector_pipeline("cnn", n_frames=5, epochs=20, random_state=0)
    >>> list(pipeline.named_steps)
    ['sampler', 'cropper', 'resizer', 'detector']
    >>> pipeline.fit(paths, y).predict_proba(["interview.mp4"])  # doctest: +SKIP
    """
    given = {
        "n_frames": n_frames,
        "burst": burst,
        "max_faces": max_faces,
        "region": region,
        "people": people,
    }
    layout = dict(LAYOUT)
    if isinstance(detector, str):
        detector = REFERENCES.get(detector, detector)
        if detector not in SYSTEMS:
            raise ValueError(
                f"detector={detector!r} is not known. Pass a classifier, a reference "
                f"from '[2]' to '[12]', '[15]', or one of "
                f"{', '.join(map(repr, SYSTEMS))}."
            )
        layout |= SYSTEMS[detector].layout
    layout |= {name: value for name, value in given.items() if value is not None}
    n_regions = 1 if isinstance(layout["region"], str) else len(layout["region"])
    check_choice(layout["people"] or "max", ("max", "mean"), "people")
    if isinstance(detector, str):
        parts = Parts(
            margin=margin,
            slots={
                "burst": layout["burst"],
                "max_faces": layout["max_faces"] * n_regions,
            },
            max_faces=layout["max_faces"],
            people=layout["people"],
            weights=weights,
            memory=memory,
            verbose=verbose,
            detector_params=detector_params,
        )
        last = SYSTEMS[detector].steps(parts)
    else:
        _check_detector(detector, detector_params, layout["max_faces"])
        last = [("detector", detector)]
    if featurizer is not None:
        last = [step for step in last if step[0] != "featurizer"]
        last.insert(-1, ("featurizer", featurizer))
    cropper = DlibFaceCropper(
        margin=margin,
        max_faces=layout["max_faces"],
        region=layout["region"],
        box="burst" if layout["burst"] > 1 else "frame",
        memory=memory,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    sizes = (getattr(step, "image_size", None) for _, step in last)
    own_size = next(filter(None, sizes), None)
    sampler = VideoFrameSampler(
        layout["n_frames"],
        duration,
        burst=layout["burst"],
        on_error=on_error,
        n_jobs=n_jobs,
    )
    steps = [
        ("sampler", sampler),
        ("cropper", cropper),
        ("resizer", Resizer(size or own_size or (224, 224), n_jobs=n_jobs)),
        *last,
    ]
    for _, step in steps:  # now, and not when the first videos have been decoded
        if step.__module__.startswith("skdeepfake."):
            step._validate_params()
    return Pipeline(steps)


def _check_detector(
    detector: Any, detector_params: dict[str, Any], max_faces: int
) -> None:
    """Check a detector that is passed as an object."""
    if (
        isinstance(detector, type)
        or not hasattr(detector, "fit")
        or not is_classifier(detector)
    ):
        raise ValueError(f"detector={detector!r} is not a classifier object")
    if detector_params:
        raise TypeError(
            f"{', '.join(detector_params)}: set the parameters of a detector that is "
            "passed as an object on the object itself"
        )
    per_person = getattr(getattr(detector, "aggregation", None), "max_faces", max_faces)
    if per_person != max_faces:
        raise ValueError(
            f"max_faces={max_faces}, but the detector has aggregation="
            f"{detector.aggregation!r}: pass the same number to both"
        )
