"""The parts that the detectors' docstrings share, written once."""

from __future__ import annotations

from .._docs import shared_docs

_AGGREGATION = """\
    aggregation : {choices}, default="mean"
        How the probabilities of a video's frames become that of the video. "logit_mean"
        averages their log-odds, so that frames of which the network is sure count for
        more. "top_k" averages the highest ones, for videos that are fake in parts.
"""
_ATTENTION = """\
        "attention" has the network learn which frames can be relied on: it is trained
        on whole videos, and the answer is that of the frames' log-odds averaged by
        weights that it gives them, as in automatic face weighting (Montserrat et al.,
        CVPR workshops 2020). `predict_frame_proba` then gives the answer as it stands
        after each frame.
"""

_MIN_LR = """\
    min_lr : float, default={default}
        The learning rate is not reduced below this.
"""

_SHARED = {
    "fit_parameters": """\
    validation_fraction : float or None, default=0.1
        Share of the training videos held out for validation: stratified by class
        and whole by group. None trains for all epochs without validation, and
        thus without early stopping or reduction of the learning rate.
    monitor : {"val_loss", "val_roc_auc"}, default="val_loss"
        What early stopping and the reduction of the learning rate go by: the
        validation loss, as in the paper, or the area under the ROC curve of the
        parts that the network is trained on.
    patience : int or None, default=5
        Epochs without a better `monitor` after which training stops. The weights of
        the best epoch are restored. None never stops early, and keeps the last
        weights.
    lr_factor : float, default=0.2
        What the learning rate is multiplied with on a plateau of `monitor`.
    lr_patience : int or None, default=5
        Epochs that make a plateau. None keeps the learning rate.
    {{min_lr}}
    {{aggregation}}
    top_k : int, default=3
        Of how many of the highest probabilities ``aggregation="top_k"`` is the mean; of
        all where there are fewer.
    no_face : {"prior", "raise"}, default="prior"
        What a video without any face gets: the class prior with a
        :class:`~skdeepfake.exceptions.NoFaceWarning`, or a
        :class:`~skdeepfake.exceptions.NoFaceError`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, as in scikit-learn.
    {{image_parameters}}
    callbacks : list of keras.callbacks.Callback or None, default=None
        Further callbacks for the training. Copies of them are used.
    dtype_policy : {"float32", "mixed_float16", "mixed_bfloat16"} or None, default=None
        What the network computes in; its weights are float32. The mixed ones are for
        hardware with units for them: GPUs since 2017 for float16, since 2020 for
        bfloat16. Others are slower with them. None is what Keras is set to.
    jit_compile : bool or "auto", default="auto"
        Whether XLA compiles the training step. "auto" leaves it to Keras, which does so
        wherever it can on a GPU.
    distribution : {"data_parallel"} or None, default=None
        Whether each batch of the training is divided among all devices that Keras'
        JAX backend sees, of which each holds the whole network. `batch_size` is that of
        all of them together.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last `fit`.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, the order of frames, dropout and the validation
        split. An int makes two fits on one machine identical.
    verbose : int, default=0
        0 is silent, 1 prints a line an epoch, 2 shows Keras' progress bar.
    **routed : dict
        Parameters of the form ``optimizer__*``.
""",
    "fit_attributes": """\
    classes_ : ndarray of shape (2,)
        The classes; the second is the one whose probability the network gives.
    class_count_ : ndarray of shape (2,)
        Number of training videos of each class.
    class_prior_ : ndarray of shape (2,)
        Share of each class among the training videos.
    history_ : dict of str to list of float
        Loss, accuracy and, with validation, `val_loss` and `val_accuracy`, by epoch;
        with ``monitor="val_roc_auc"`` also `roc_auc` and `val_roc_auc`.
    model_ : keras.Model
        The trained network.
    frame_shape_ : tuple of int
        Shape of the frames seen in `fit`.
    frame_dtype_ : dtype
        Data type of the frames seen in `fit`.
""",
    "image_parameters": """\
    augment : str, keras.Layer, list of keras.Layer or None, default=None
        What is done to the faces that the network is trained on, other each time:
        "flip", "light" or "strong" (:func:`~skdeepfake.augmentation.make_preset` says
        what they are), or layers that change images of 0 to 255, one after the other.
        It is no part of the network, and is not done for an answer. Needs faces of
        uint8.
    fakes : {"given", "self_blended", "mixed"}, default="given"
        What is trained on as fakes. "given" are those that y tells. "self_blended" are
        made in training of the real faces, by `blender`, another one of each in every
        epoch (Shiohara and Yamasaki, CVPR 2022); y may be all real then, and given
        fakes are left out. What is learnt is to see that something was blended in,
        whatever it is. "mixed" puts such fakes in the place of a share of the given
        ones. Real is the class 0, False or "real". Needs faces of uint8.
    blended_share : float, default=0.25
        The share for ``fakes="mixed"``.
    blender : SelfBlender or None, default=None
        Makes the self-blended fakes. Its `margin` must be that of the faces; None is
        ``SelfBlender()``. Its parameters can be set as ``blender__color=0.5``.
""",
    "image_attributes": """\
    attention_ : keras.Model
        From what the last layer of `model_` sees of a frame to the weight of the frame.
        Only for ``aggregation="attention"``.
""",
    "optimizer": """\
    optimizer : str, Optimizer class or Optimizer instance, default="adam"
        What Keras knows by that name. Its further arguments are parameters of the
        form ``optimizer__clipnorm=1.0``. An instance brings its own learning rate.
""",
}

_CHOICES = '{"mean", "median", "max", "logit_mean", "top_k"}'
_OF_FRAMES = _AGGREGATION.replace("{choices}", _CHOICES)
_OF_IMAGES = _OF_FRAMES.replace("}", ', "attention"}', 1) + _ATTENTION

_FRAMES = {
    **_SHARED,
    "image_parameters": "",
    "aggregation": _OF_FRAMES,
    "min_lr": _MIN_LR.format(default="1e-5"),
}
_IMAGES = {
    **_FRAMES,
    "image_parameters": _SHARED["image_parameters"],
    "aggregation": _OF_IMAGES,
}

with_shared_docs = shared_docs(_FRAMES)
with_image_docs = shared_docs(_IMAGES)
with_transfer_docs = shared_docs({**_IMAGES, "min_lr": _MIN_LR.format(default="1e-7")})
