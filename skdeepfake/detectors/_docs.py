"""Shared parts of the docstrings of the detectors."""

from __future__ import annotations

from .._docs import shared_docs

_AGGREGATION = """\
    aggregation : {choices} or callable, default="{default}"
        Aggregation of frame probabilities into one probability per video. "logit_mean"
        averages log-odds, which gives more weight to confident predictions.
        :class:`TopK` averages the highest probabilities, for partly fake videos.
        :class:`PerPerson` first aggregates the frames of each person, and then the
        resulting probabilities of all people in the video.
"""
_CALLABLE = """\
        A callable maps an array of shape (n_videos, n_frames), with NaN for frames
        without a face, to an array of shape (n_videos,).
"""
_ATTENTION = """\
        :class:`Attention` learns a weight for each frame.
"""

_PREDICTION = {
    "frames": """\
    X : ndarray of shape (n_videos, n_frames, ...) or (n_images, ...)
        As in `fit`. The number of frames may differ from that in `fit`.
""",
    "raises_unfitted": """\
    ValueError
        If the frames in X do not have the shape and dtype of those in `fit`.
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
    "training_parameters": """\
    learning_rate : float, default={learning_rate}
        Learning rate of the optimizer.
    {{optimizer}}
    batch_size : int, default=32
        Number of frames per batch, in training and prediction.
    epochs : int, default={epochs}
        Maximum number of epochs.
    {{fit_parameters}}
""",
    "fit_parameters": """\
    validation_fraction : float or None, default=0.1
        Share of the training videos held out for validation. The split is stratified
        by class and keeps groups together. None trains all epochs without validation,
        early stopping or reduction of the learning rate.
    callbacks : PlateauCallbacks, Checkpoint, list or None, default=None
        Training callbacks. None uses ``{{callbacks}}``, which stops early and reduces
        the learning rate when validation stops improving. A single :class:`Checkpoint`
        is used together with this default. A list replaces the default and may contain
        :class:`PlateauCallbacks`, a :class:`Checkpoint` and Keras callbacks. Keras
        callbacks are copied.
    {{aggregation}}
    {{no_face}}
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss. "balanced" uses weights inversely
        proportional to the class frequencies.
    warm_start : bool, default=False
        If True, `fit` continues training from the weights of the previous `fit`.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, the order of frames, dropout, augmentation, blended fakes
        and the validation split. Pass an int for results that are reproducible on the
        same machine.
    verbose : int, default=0
        Verbosity level. 0 prints nothing, 1 prints one line per epoch, and 2 shows the
        progress bar of Keras.
    **routed : dict
        Parameters of the optimizer, in the form ``optimizer__*``.
""",
    "no_face": """\
    no_face : {"prior", "raise"}, default="prior"
        How to predict videos without a face. "prior" returns the class prior and warns
        with :class:`~skdeepfake.exceptions.NoFaceWarning`. "raise" raises
        :class:`~skdeepfake.exceptions.NoFaceError`.
""",
    "fit_attributes": """\
    {{class_attributes}}
    history_ : dict of str to list of float
        Values of `loss` and `accuracy` in each epoch, and of `val_loss` and
        `val_accuracy` if there is a validation set. Also contains the AUCs
        `roc_auc` and `val_roc_auc` if a callback monitors one of them.
    model_ : keras.Model
        The trained network.
    frame_shape_ : tuple of int
        Shape of the frames seen during fit.
    frame_dtype_ : dtype
        Data type of the frames seen during fit.
""",
    "class_attributes": """\
    classes_ : ndarray of shape (2,)
        Classes seen during fit. The network predicts the probability of the second
        class.
    class_count_ : ndarray of shape (2,)
        Number of training videos of each class.
    class_prior_ : ndarray of shape (2,)
        Share of each class among the training videos.
""",
    "image_parameters": """\
    augment : str, BaseAugmentation, list of BaseAugmentation or None, default=None
        Random augmentation of faces during training. A string is a preset of
        :func:`~skdeepfake.augmentation.make_preset`: "flip", "light", "strong" or
        "video". The augmentations of a list are applied in order. None uses no
        augmentation. Augmentation requires uint8 faces.
    fake_source : "labels" or BlendedFakes, default="labels"
        Source of the fakes for training. "labels" uses the videos labeled as fake in
        `y`. :class:`BlendedFakes` creates fakes from real faces during training and
        requires uint8 faces.
""",
    "optimizer": """\
    optimizer : str, Optimizer class or Optimizer instance, default="adam"
        Keras optimizer. Pass its parameters with a prefix, such as
        ``optimizer__clipnorm=1.0`` or ``optimizer__gradient_accumulation_steps=4``. If
        an instance is passed, its learning rate is used instead of `learning_rate`.
        Weight decay (``optimizer="adamw", optimizer__weight_decay=0.01``) does not
        apply to biases or normalization layers.
""",
}

_CHOICES = '{"mean", "median", "max", "logit_mean"}, TopK, PerPerson'


def _aggregation(choices: str, default: str = "mean") -> str:
    text = _AGGREGATION + _CALLABLE
    return text.replace("{choices}", choices).replace("{default}", default)


_OF_FRAMES = _aggregation(f"{_CHOICES}, Attention") + _ATTENTION

_FRAMES = {
    **_SHARED,
    "image_parameters": "",
    "aggregation": _OF_FRAMES,
}
_IMAGES = {**_FRAMES, "image_parameters": _SHARED["image_parameters"]}


def _with_defaults(
    texts: dict[str, str],
    callbacks: str = "PlateauCallbacks()",
    learning_rate: str = "1e-4",
    epochs: str = "50",
) -> dict[str, str]:
    training = texts["training_parameters"]
    training = training.replace("{learning_rate}", learning_rate)
    return {
        **texts,
        "training_parameters": training.replace("{epochs}", epochs),
        "fit_parameters": texts["fit_parameters"].replace("{{callbacks}}", callbacks),
    }


with_prediction_docs = shared_docs(_PREDICTION)
with_shared_docs = shared_docs(_with_defaults(_FRAMES))
with_image_docs = shared_docs(_with_defaults(_IMAGES))
_OF_GAN = _aggregation(_CHOICES).replace(_CALLABLE, "")
_GAN = {
    **_IMAGES,
    "aggregation": _OF_GAN.replace(", PerPerson or callable", " or PerPerson"),
}
with_gan_docs = shared_docs(_with_defaults(_GAN))
with_pretrained_docs = shared_docs(
    {**_SHARED, "aggregation": _aggregation(_CHOICES, "logit_mean")}
)
with_transfer_docs = shared_docs(
    _with_defaults(_IMAGES, "PlateauCallbacks(min_lr=1e-7)", "1e-5", "20")
)
