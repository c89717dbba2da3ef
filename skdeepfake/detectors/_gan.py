"""The paper's third detector: a discriminator, trained against a generator too."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, check_scalar

from ..exceptions import AdversarialImbalanceWarning
from ._adversarial import AdversarialModel, GeneratorFollows
from ._aggregation import AGGREGATIONS, PerPerson, TopK
from ._docs import with_gan_docs
from ._fakes import real_and_fake
from ._gan_networks import Generator, build_discriminator, build_generator
from ._images import ImageDetector
from ._input import check_positive_integers

# Mean cross-entropy of a network that gives what it wants less than 1 %.
_LOST = -math.log(0.01)


@with_gan_docs
class GANDetector(ImageDetector):
    """Detect deepfakes with a discriminator that is trained against a generator.

    The discriminator is a convolutional network from a face to the probability of
    being fake, and all that answers are asked of. While it learns the labels, a
    generator learns to make images from noise that it gets wrong, and it learns
    these images too. It is trained on single frames and answers for a video by
    aggregating its frames.

    A training step computes, for a batch of labelled images x and as much noise z,

    1. the discriminator's loss, ``BCE(y, D(x)) + BCE(generated_label, D(G(z)))``;
    2. the generator's loss, ``BCE(1 - generated_label, D(G(z)))``;
    3. the gradients of both at the same weights, and then updates both networks.

    The defaults are the paper's networks and training (appendix 7.4; its section
    4.5 speaks of the discriminator alone). The paper does not say how it scaled the
    pixels; here they are brought to the range of the generator, -1 to 1.

    Parameters
    ----------
    generator : "paper", Generator or None, default="paper"
        Parameters of the generator; "paper" is ``Generator()``. None trains the
        discriminator alone, on labels.
    discriminator_filters : sequence of int, default=(64, 128, 256)
        Filters of the discriminator's convolutions, each of which halves the image.
    kernel_size : int, default=5
        Height and width of all convolutions, in pixels.
    dropout : float, default=0.3
        Share of activations dropped after each convolution of the discriminator
        while training.
    generated_label : {0, 1}, default=0
        Index in `classes_` of the class of generated images: the first one, real, as
        in the paper, or the second one, fake. The generator aims at the other class. If
        it is fake, `y` may be all real (0, False or "real"): generated images are then
        the only fakes, and there is no validation set, on which a network that calls
        everything real would score best. On real deepfake faces of 56 pixels the
        paper's 0 has an AUC of 0.86, 1 has 0.84, and the discriminator alone
        (``generator=None``) 0.885.
    label_smoothing : float, default=0.0
        How far the discriminator's targets are drawn towards one half in training,
        those for generated images too: 0.2 makes them 0.1 and 0.9. It keeps the
        discriminator from growing so sure that the generator learns nothing more.
    rescale : float, default=1/127.5
        What pixels are multiplied with in the first layer.
    offset : float, default=-1.0
        What is added then. Together they must bring the pixels to -1 to 1; the
        defaults do so with bytes.
    {{image_parameters}}
    learning_rate : float, default=1e-4
        Learning rate of the discriminator's optimizer.
    {{optimizer}}
        Both networks have one of their own, of these settings:
        ``optimizer__clipnorm=1.0`` clips the gradients of both.
    batch_size : int, default=32
        Frames in a training step and in a step of prediction. As many images are
        generated in a training step.
    epochs : int, default=50
        Passes over the training frames, at the most. The paper trains for 10.
    {{fit_parameters}}

    Attributes
    ----------
    {{fit_attributes}}
    generator_ : keras.Model
        The trained generator, from noise to images in the range -1 to 1. Only with a
        generator.

    Warns
    -----
    AdversarialImbalanceWarning
        If one network has won after the last epoch: if the discriminator gives
        generated images, on the (geometric) mean, less than 1 % of what the
        generator aims at, or less than 1 % of what it should give them itself.

    See Also
    --------
    CNNDetector : The paper's first detector.
    skdeepfake.pipeline.make_detector_pipeline : The way from paths to this detector.

    Notes
    -----
    Ensembles of discriminators, as of Aduwala et al., are scikit-learn's
    ``VotingClassifier([...], voting="soft")``.

    `history_` has two more entries: `discriminator_loss` and `generator_loss`, as
    above. `loss` is the first summand of the discriminator's, with the sample
    weights, so that ``discriminator_loss - loss`` is its loss on generated images.
    `val_loss` and the metrics are the classifier's.

    Early stopping restores both networks.

    References
    ----------
    Volisetty, Sen and Savala, "Deepfake detection", 2023, section 4.5 and
    appendix 7.4.

    Aduwala et al., "Deepfake detection using GAN discriminators", BigDataService 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeepfake.detectors import GANDetector, Generator
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randint(1, 100, size=(8, 3, 16, 16, 3)).astype(np.uint8)
    >>> y = np.array([0, 1] * 4)
    >>> X[y == 1] += 100  # fakes are brighter here
    >>> detector = GANDetector(
    ...     generator=Generator(filters=(4, 4)), discriminator_filters=(4,),
    ...     learning_rate=0.01, label_smoothing=0.2, epochs=20,
    ...     validation_fraction=None, random_state=0,
    ... ).fit(X, y)
    >>> detector.predict(X).tolist()
    [0, 1, 0, 1, 0, 1, 0, 1]
    >>> detector.generate(2, random_state=0).shape
    (2, 16, 16, 3)
    """

    generator_: keras.Model

    _objects: ClassVar[dict[str, type]] = {
        **ImageDetector._objects,
        "generator": Generator,
    }

    _networks: ClassVar[tuple[str, ...]] = ("model_", "generator_")

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ImageDetector._parameter_constraints,
        "aggregation": [StrOptions(set(AGGREGATIONS)), TopK, PerPerson],
        "generator": [Generator, StrOptions({"paper"}), None],
        "discriminator_filters": ["array-like"],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "generated_label": [Options(Integral, {0, 1})],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "rescale": [Interval(Real, 0, None, closed="neither")],
        "offset": [Interval(Real, None, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        generator: Generator | str | None = "paper",
        discriminator_filters: Sequence[int] = (64, 128, 256),
        kernel_size: int = 5,
        dropout: float = 0.3,
        generated_label: int = 0,
        label_smoothing: float = 0.0,
        rescale: float = 1 / 127.5,
        offset: float = -1.0,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.generator = generator
        self.discriminator_filters = discriminator_filters
        self.kernel_size = kernel_size
        self.dropout = dropout
        self.generated_label = generated_label
        self.label_smoothing = label_smoothing
        self.rescale = rescale
        self.offset = offset

    def generate(self, n: int, random_state: Any = None) -> NDArray[np.uint8]:
        """Make pictures of what the generator has learnt.

        Parameters
        ----------
        n : int
            How many.
        random_state : int, RandomState instance or None, default=None
            Where the noise comes from. An int makes the same pictures every time.

        Returns
        -------
        ndarray of shape (n, height, width, 3), uint8
            Pictures of the size seen in `fit`, in RGB; the generator's range of -1 to
            1 becomes 0 to 255.

        Raises
        ------
        ValueError
            If `n` is less than 1.
        sklearn.exceptions.NotFittedError
            If the detector is not fitted.
        AttributeError
            If it was fitted without a generator.
        """
        check_is_fitted(self)
        if not hasattr(self, "generator_"):
            raise AttributeError(
                "this GANDetector was fitted with generator=None, so it has nothing to "
                "generate with: pass a Generator, or 'paper'"
            )
        check_scalar(n, "n", Integral, min_val=1)
        noise = check_random_state(random_state).normal(
            size=(n, self.generator_.input_shape[1])
        )
        starts = range(0, n, self.batch_size)
        images = [self._generate(noise[i : i + self.batch_size]) for i in starts]
        return np.rint((np.concatenate(images) + 1) * 127.5).astype(np.uint8)

    def _generate(self, noise: NDArray) -> NDArray:
        images = self.generator_(noise.astype(np.float32), training=False)
        return keras.ops.convert_to_numpy(keras.ops.cast(images, "float32"))

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        if state.get("generator") is None and "generator_" in state:
            state["generator"] = "paper"  # which was None in the first version
        super().__setstate__(state)

    # -- networks ------------------------------------------------------------

    def _validate_params(self) -> None:
        super()._validate_params()
        if self._generator is not None:
            self._generator._validate_params()
            check_positive_integers(self._generator, "filters", at_least=1)
        check_positive_integers(self, "discriminator_filters")

    def build_network(self) -> keras.Model:
        settings = self._generator
        generator = None
        if settings is not None:
            generator = build_generator(
                settings, self.frame_shape_, kernel_size=self.kernel_size
            )
        inputs = keras.Input(self.frame_shape_, dtype=str(self.frame_dtype_))
        scaled = layers.Rescaling(self.rescale, self.offset, name="scaling")(inputs)
        discriminator = build_discriminator(
            self.frame_shape_,
            self.discriminator_filters,
            kernel_size=self.kernel_size,
            dropout=self.dropout,
            seed=self._seed,
        )
        outputs = layers.Activation("sigmoid", dtype="float32")(discriminator(scaled))
        network = keras.Model(inputs, outputs)
        if generator is None:
            return network
        return self._build_adversarial(network, generator)

    @property
    def _generator(self) -> Generator | None:
        generator = self.generator
        return Generator() if isinstance(generator, str) else generator

    def _build_adversarial(
        self, classifier: keras.Model, generator: keras.Model, epoch: int = 0
    ) -> AdversarialModel:
        """Set the networks against each other, with other noise in a later epoch."""
        settings = self._generator or Generator()
        return AdversarialModel(
            classifier,
            generator,
            self._make_optimizer(settings.learning_rate),
            clip=float(settings.clip) if settings.loss == "wasserstein" else None,
            generated_label=int(self.generated_label),
            label_smoothing=float(self.label_smoothing),
            seed=self._seed(epoch),
        )

    # -- one class -------------------------------------------------------------

    def _infer_classes(self, y: ArrayLike) -> NDArray | None:
        classes = super()._infer_classes(y)
        labels = np.ravel(y)
        if classes is not None or self.generator is None:
            return classes
        if len(np.unique(labels)) != 1 or labels[0] not in (0, "real"):
            return None
        both = real_and_fake(labels)
        generated = both[int(self.generated_label)]
        return None if generated == labels[0] else both

    def _count(self, y: NDArray) -> NDArray:
        count = super()._count(y)
        # Where there are no others, as many fakes are generated.
        return count if count.all() else np.full(2, count.max())

    def _can_validate(self, y: NDArray) -> bool:
        return len(np.unique(y)) == 2

    # -- training ------------------------------------------------------------

    def _build_networks(self) -> keras.Model:
        self.__dict__.pop("generator_", None)
        network = super()._build_networks()
        if isinstance(network, AdversarialModel):
            self.generator_ = network.generator
        return network

    def _compile_settings(self) -> dict[str, Any]:
        smoothed = keras.losses.BinaryCrossentropy(label_smoothing=self.label_smoothing)
        # An adversarial model smooths labels itself, in training alone.
        loss = self.loss if hasattr(self, "generator_") else smoothed
        return {**super()._compile_settings(), "loss": loss}

    def _prepare_loaded(self) -> None:
        super()._prepare_loaded()
        if not hasattr(self, "generator_"):
            return
        # What was loaded is the classifier alone.
        seen = len(getattr(self, "history_", {}).get("loss", ()))
        self.model_ = self._build_adversarial(self.model_, self.generator_, epoch=seen)

    def _training_variables(self) -> dict[str, list[Any]]:
        variables = super()._training_variables()
        if hasattr(self, "generator_"):
            of_generator = self.model_.generator_optimizer.variables
            variables["generator_optimizer"] = of_generator
        return variables

    def _make_callbacks(self, *, validated: bool) -> list[keras.callbacks.Callback]:
        own = [GeneratorFollows()] if hasattr(self, "generator_") else []
        return [*super()._make_callbacks(validated=validated), *own]

    def _gives_finite_numbers(self, frames: NDArray) -> bool:
        finite = super()._gives_finite_numbers(frames)
        if not hasattr(self, "generator_"):
            return finite
        noise = np.random.RandomState(0).normal(
            size=(1, self.generator_.input_shape[1])
        )
        images = self._generate(noise)
        return finite and bool(np.isfinite(images).all())

    def _check_training(self, frames: NDArray) -> None:
        super()._check_training(frames)
        settings = self._generator
        if settings is None or settings.loss != "bce":
            return
        last = {name: values[-1] for name, values in self.history_.items()}
        if last["generator_loss"] > _LOST:
            winner, loss = (
                "discriminator",
                f"generator_loss {last['generator_loss']:.3g}",
            )
            advice = "label_smoothing=0.2, or lower learning_rate"
        elif last["discriminator_loss"] - last["loss"] > _LOST:
            winner = "generator"
            loss = f"discriminator_loss {last['discriminator_loss']:.3g}"
            advice = "a lower learning_rate of the generator"
        else:
            return
        warnings.warn(
            f"the {winner} has won after epoch {len(self.history_['loss'])} ({loss}), "
            f"and the networks no longer learn from each other: try {advice}",
            AdversarialImbalanceWarning,
            stacklevel=7,  # where `fit` was called
        )
