"""Build pipelines that predict from paths of videos."""

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
    margin: float = 0.0,
    size: tuple[int, int] | None = None,
    max_faces: int | None = None,
    region: str | Sequence[str] | None = None,
    burst: int | None = None,
    people: str | None = None,
    featurizer: Any = None,
    weights: str | os.PathLike[str] | None = "imagenet",
    memory: Any = None,
    on_error: str = "raise",
    n_jobs: int | None = None,
    verbose: int = 0,
    **detector_params: Any,
) -> Pipeline:
    """Build a pipeline that predicts from paths of videos.

    Parameters
    ----------
    detector : str or classifier, default="cnn"
        Name or reference number (such as "[4]") of a system listed in the Notes, or a
        classifier. A classifier receives arrays of shape (n_videos, n_slots, height,
        width, 3), or the output of `featurizer`.
    n_frames : int or None, default=None
        Number of frames sampled per video. If `burst` is above 1, this is the number of
        bursts. None uses the default of the system, if any, and 10 otherwise.
    duration : float or None, default=10.0
        Number of seconds to sample, from the first frame of each video. None samples
        the whole video.
    margin : float, default=0.0
        Margin on each side of the face box, as a fraction of its width or height.
    size : tuple of int or None, default=None
        Height and width of the faces passed to the detector, in pixels. None uses the
        size that the backbone was trained on, if known, and 224 x 224 otherwise.
    max_faces : int or None, default=None
        Maximum number of people per video. None uses the default of the system, if any,
        and 1 otherwise.
    region : str, sequence of str or None, default=None
        Region of the face, as in :class:`~skdeepfake.preprocessing.DlibFaceCropper`.
        None uses the default of the system, if any, and "face" otherwise.
    burst : int or None, default=None
        Number of consecutive frames per burst. Faces are detected once per burst. None
        uses the default of the system, if any, and 1 otherwise.
    people : {"max", "mean"} or None, default=None
        Aggregation of the probabilities of the people in a video, as in
        :class:`~skdeepfake.detectors.PerPerson`. None uses "max", except for
        ``"face_weighting"``, which weights the faces of all people together.
    featurizer : transformer or None, default=None
        Step between `resizer` and `detector`. None uses the featurizer of the system,
        if it has one.
    weights : str, os.PathLike or None, default="imagenet"
        Weights of the backbone, if the system has one. ``"imagenet"`` uses ImageNet
        weights, or random weights for backbones without ImageNet weights. A path loads
        a file, and None uses random weights.
    memory : str, os.PathLike, joblib.Memory or None, default=None
        Cache folder for face crops and features. With a cache, later calls do not
        decode the same videos again.
    on_error : {"raise", "skip"}, default="raise"
        Handling of unreadable videos; see
        :class:`~skdeepfake.preprocessing.VideoFrameSampler`.
    n_jobs : int or None, default=None
        Number of videos processed in parallel.
    verbose : int, default=0
        If 1, show progress bars and one line per epoch.
    **detector_params : dict
        Parameters of the detector, if `detector` is a name. If the parameter
        `fake_source` is a :class:`~skdeepfake.detectors.BlendedFakes` with
        ``blender=None``, the blender is a SelfBlender with the `margin` passed to this
        function.

    Returns
    -------
    :class:`~sklearn.pipeline.Pipeline`
        Unfitted pipeline with the steps `sampler`, `cropper`, `resizer` and `detector`.
        Some systems also have the step `stream` (motion between frames), the step
        `featurizer`, or both, before `detector`. Slots are ordered by frame, then by
        region, then by person.

    Raises
    ------
    ValueError
        If `detector` is neither a known name nor a classifier object, or if another
        parameter is invalid.
    TypeError
        If `detector_params` contains a name that is not a parameter of the detector, or
        if `detector_params` are passed with a classifier object.

    See Also
    --------
    skdeepfake.evaluation.evaluate : Evaluate a fitted pipeline.

    Notes
    -----
    "The paper" is Volisetty, Sen and Savala, "Deepfake detection" (2023), which reviews
    other systems in section 3. Numbers in brackets are the paper's reference numbers.
    [13], [14] and [16] are surveys and do not describe a system. The user guide lists
    the results that the paper reports for each system.

    - ``"cnn"``: the paper's first model, a CNN over single frames as in [3].
    - ``"cnn_rnn"``: the paper's second model, an RNN over features of VGG16.
    - ``"gan"``: the paper's third model, a GAN based on [12].
    - ``"transfer"``: a pretrained backbone, fine-tuned on faces (not in the paper).
    - ``"multi_path"``: three parallel backbones with attention [4].
    - ``"regions"``: EfficientNet-B0 on eyes, nose and mouth [5].
    - ``"optical_flow"``: CNN and LSTM over optical flow [6].
    - ``"motion_magnification"``: InceptionV3 and LSTM over magnified motion [9].
    - ``"blinking"``: VGG16 and LSTM over the eyes in 20 consecutive frames [10].
    - ``"inception_lstm"``: InceptionV3 and LSTM over 20 consecutive full frames [7].
    - ``"resnext_lstm"``: ResNeXt-50 and LSTM over 100 consecutive frames [8].
    - ``"face_weighting"``: EfficientNet-B4 with attention over faces, then a GRU [11].
    - ``"discriminators"``: an ensemble of discriminators and Meso-4 [15].
    - ``"frame_prediction"``: CNN and LSTM over the errors of a frame predictor [2].
    - ``"reconstruction"``: an encoder-decoder, proposed in section 6.
    - ``"body"``: InceptionV3 and LSTM over the upper body, proposed in section 6.

    Examples
    --------
    >>> from skdeepfake.pipeline import make_detector_pipeline
    >>> pipeline = make_detector_pipeline("cnn", n_frames=5, epochs=20, random_state=0)
    >>> list(pipeline.named_steps)
    ['sampler', 'cropper', 'resizer', 'detector']
    >>> pipeline["sampler"].n_frames, pipeline["resizer"].size
    (5, (224, 224))
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
                "number ('[2]' to '[12]' or '[15]'), or one of "
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
    for _, step in steps:  # before any video is decoded
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
            f"{', '.join(detector_params)}: detector is an object, so set parameters "
            "on the object itself"
        )
    per_person = getattr(getattr(detector, "aggregation", None), "max_faces", max_faces)
    if per_person != max_faces:
        raise ValueError(
            f"max_faces={max_faces}, but the detector has aggregation="
            f"{detector.aggregation!r}. Set max_faces of the pipeline and of the "
            "aggregation to the same number"
        )
