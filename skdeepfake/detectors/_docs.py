"""The parts that the detectors' docstrings share, written once."""

from __future__ import annotations

from .._docs import shared_docs

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
    min_lr : float, default=1e-5
        The learning rate is not reduced below this.
    aggregation : {"mean", "median", "max"}, default="mean"
        How the probabilities of a video's frames become that of the video.
    no_face : {"prior", "raise"}, default="prior"
        What a video without any face gets: the class prior with a
        :class:`~skdeepfake.exceptions.NoFaceWarning`, or a
        :class:`~skdeepfake.exceptions.NoFaceError`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, as in scikit-learn.
    callbacks : list of keras.callbacks.Callback or None, default=None
        Further callbacks for the training. Copies of them are used.
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
    "optimizer": """\
    optimizer : str, Optimizer class or Optimizer instance, default="adam"
        What Keras knows by that name. Its further arguments are parameters of the
        form ``optimizer__clipnorm=1.0``. An instance brings its own learning rate.
""",
}

with_shared_docs = shared_docs(_SHARED)
