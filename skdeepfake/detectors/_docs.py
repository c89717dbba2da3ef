"""The parts that the detectors' docstrings share, written once."""

from __future__ import annotations

from .._docs import shared_docs

_AGGREGATION = """\
    aggregation : {choices} or callable, \
            default="{default}"
        How the probabilities of a video's frames become that of the video. "logit_mean"
        averages their log-odds, so that frames of which the network is sure count for
        more. :class:`TopK` averages the highest ones, for videos that are fake in
        parts. :class:`PerPerson` aggregates the frames of each person, and then the
        people. A callable maps an array of shape (n_videos, n_frames), NaN for frames
        without a face, to one of shape (n_videos,).
"""
_ATTENTION = """\
        :class:`Attention` learns which frames can be relied on.
"""

_PREDICTION = {
    "frames": """\
    X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
        As in `fit`; the number of frames may differ.
""",
    "raises_unfitted": """\
    ValueError
        If X does not have the form seen in `fit`.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.
""",
    "no_face_videos": """\
    NoFaceError
        If a video has no face and ``no_face="raise"``.

    Warns
    -----
    NoFaceWarning
        If a video has no face and ``no_face="prior"``.
""",
}

_SHARED = {
    **_PREDICTION,
    "fit_parameters": """\
    validation_fraction : float or None, default=0.1
        Share of the training videos held out for validation, stratified by class
        and not splitting groups. If None, all epochs are trained without validation,
        early stopping or reduction of the learning rate.
    callbacks : PlateauCallbacks, Checkpoint, list or None, default=None
        Callbacks of the training. None uses ``{{callbacks}}``: early stopping
        and a lower learning rate when validation stops improving. A
        :class:`Checkpoint` is added to this default. A list replaces it, and holds
        Keras callbacks, of which copies are used, or objects of these two classes.
    {{aggregation}}
    {{no_face}}
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, as in scikit-learn.
    warm_start : bool, default=False
        If True, `fit` continues with the weights of the last `fit`.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, the order of frames, dropout, augmentation, blended fakes
        and the validation split. Pass an int for identical results on one machine.
    verbose : int, default=0
        0 prints nothing, 1 prints a line per epoch, 2 shows Keras' progress bar.
    **routed : dict
        Parameters of the form ``optimizer__*``.
""",
    "no_face": """\
    no_face : {"prior", "raise"}, default="prior"
        Handling of videos without a face. "prior" returns the class prior with a
        :class:`~skdeepfake.exceptions.NoFaceWarning`, "raise" raises a
        :class:`~skdeepfake.exceptions.NoFaceError`.
""",
    "fit_attributes": """\
    {{class_attributes}}
    history_ : dict of str to list of float
        Loss, accuracy and, with validation, `val_loss` and `val_accuracy` per epoch;
        also `roc_auc` and `val_roc_auc` if a callback monitors one of them.
    model_ : keras.Model
        The trained network.
    frame_shape_ : tuple of int
        Shape of the frames seen in `fit`.
    frame_dtype_ : dtype
        Data type of the frames seen in `fit`.
""",
    "class_attributes": """\
    classes_ : ndarray of shape (2,)
        Classes; the network predicts the probability of the second one.
    class_count_ : ndarray of shape (2,)
        Number of training videos of each class.
    class_prior_ : ndarray of shape (2,)
        Share of each class among the training videos.
""",
    "image_parameters": """\
    augment : str, BaseAugmentation, list of BaseAugmentation or None, default=None
        Augmentation of the faces in training, different in each epoch: "flip",
        "light", "strong" or "video" (see
        :func:`~skdeepfake.augmentation.make_preset`), or augmentations of
        :mod:`skdeepfake.augmentation`, applied one after the other. Requires faces of
        uint8. Not applied in prediction.
    fake_source : "labels" or BlendedFakes, default="labels"
        Source of the fake class: the labels in `y`, or :class:`BlendedFakes`, made of
        real faces during training. Requires faces of uint8.
""",
    "optimizer": """\
    optimizer : str, Optimizer class or Optimizer instance, default="adam"
        Keras optimizer. Pass further arguments as ``optimizer__clipnorm=1.0`` or
        ``optimizer__gradient_accumulation_steps=4``. The learning rate of an instance
        replaces `learning_rate`. Weight decay (``optimizer="adamw",
        optimizer__weight_decay=0.01``) does not apply to biases and normalizations.
""",
}

_CHOICES = '{"mean", "median", "max", "logit_mean"}, TopK, PerPerson'


def _aggregation(choices: str, default: str = "mean") -> str:
    return _AGGREGATION.replace("{choices}", choices).replace("{default}", default)


_OF_FRAMES = _aggregation(f"{_CHOICES}, Attention") + _ATTENTION

_FRAMES = {
    **_SHARED,
    "image_parameters": "",
    "aggregation": _OF_FRAMES,
}
_IMAGES = {**_FRAMES, "image_parameters": _SHARED["image_parameters"]}


def _with_callbacks(texts: dict[str, str], callbacks: str) -> dict[str, str]:
    text = texts["fit_parameters"].replace("{{callbacks}}", callbacks)
    return {**texts, "fit_parameters": text}


with_prediction_docs = shared_docs(_PREDICTION)
with_shared_docs = shared_docs(_with_callbacks(_FRAMES, "PlateauCallbacks()"))
with_image_docs = shared_docs(_with_callbacks(_IMAGES, "PlateauCallbacks()"))
_GAN = {**_IMAGES, "aggregation": _aggregation(_CHOICES).replace(" or callable", "")}
with_gan_docs = shared_docs(_with_callbacks(_GAN, "PlateauCallbacks()"))
with_pretrained_docs = shared_docs(
    {**_SHARED, "aggregation": _aggregation(_CHOICES, "logit_mean")}
)
with_transfer_docs = shared_docs(
    _with_callbacks(_IMAGES, "PlateauCallbacks(min_lr=1e-7)")
)
