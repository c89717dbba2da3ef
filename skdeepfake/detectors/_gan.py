"""Discriminator trained against a generator."""

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

# Cross-entropy of a target with a probability of 1%.
_LOST = -math.log(0.01)


@with_gan_docs
class GANDetector(ImageDetector):
    """Detect deepfakes with a discriminator that is trained against a generator.

    The discriminator is a convolutional network that predicts the probability that an
    image is fake. It is trained on labeled frames and on generated images. The
    generator is trained to turn noise into images that the discriminator misclassifies.
    Only the discriminator is used in prediction. Frame probabilities are aggregated per
    video.

    For a batch of images x with labels y and the same number of noise vectors z, a
    training step of the discriminator D and the generator G

    1. computes the loss of the discriminator, ``BCE(y, D(x)) + BCE(generated_label,
       D(G(z)))``;
    2. computes the loss of the generator, ``BCE(1 - generated_label, D(G(z)))``;
    3. computes the gradients of both losses, then updates both networks.

    The defaults are the networks and the training of the paper by Volisetty, Sen and
    Savala (appendix 7.4), except that the paper trains for 10 epochs without
    validation. The paper does not specify the scaling of pixels.

    Parameters
    ----------
    generator : "paper", Generator or None, default="paper"
        Parameters of the generator. "paper" uses ``Generator()``. None trains the
        discriminator only on labeled frames.
    discriminator_filters : sequence of int, default=(64, 128, 256)
        Number of filters of each convolution of the discriminator. Each convolution
        halves height and width.
    kernel_size : int, default=5
        Height and width of all convolution kernels, in pixels.
    dropout : float, default=0.3
        Dropout rate after each convolution of the discriminator.
    generated_label : {0, 1}, default=0
        Class of generated images in the training of the discriminator, as an index in
        `classes_`. If the labels are 0 for real and 1 for fake, 0 treats generated
        images as real, as in the paper, and 1 treats them as fake. The generator is
        trained to create images that the discriminator assigns to the other class. If
        generated images are treated as fake, `y` does not have to contain fakes. If all
        labels are real (0, False or "real"), there is no validation set. In a
        benchmark with face crops of 56 pixels (``benchmarks/README.md``), the
        validation AUC is 0.86 for ``generated_label=0``, 0.84 for
        ``generated_label=1``, and 0.885 for ``generator=None``.
    label_smoothing : float, default=0.0
        Label smoothing of the discriminator. 0.2 changes the targets from 0 and 1 to
        0.1 and 0.9. Smoothing prevents overconfident predictions, which stop the
        generator from learning.
    rescale : float, default=1/127.5
        Factor by which pixels are multiplied.
    offset : float, default=-1.0
        Value added to the rescaled pixels. `rescale` and `offset` must map pixels to
        the range -1 to 1. The defaults do this for uint8 pixels.
    {{image_parameters}}
    learning_rate : float, default=1e-4
        Learning rate of the discriminator's optimizer.
    {{optimizer}}
        The discriminator and the generator have separate optimizers of this type with
        the same ``optimizer__*`` parameters.
    batch_size : int, default=32
        Number of frames per batch, in training and prediction. Each training step also
        generates this number of images.
    epochs : int, default=50
        Maximum number of epochs.
    {{fit_parameters}}

    Attributes
    ----------
    {{fit_attributes}}
    generator_ : keras.Model
        Trained generator of images with values from -1 to 1. Only defined if
        `generator` is not None.

    Warns
    -----
    AdversarialImbalanceWarning
        If one network dominates, which means that the loss of the other network on the
        images generated in the last epoch exceeds ``-log(0.01)``, the cross-entropy of
        a probability of 1%. Checked only if `generator` has the default ``loss="bce"``.

    See Also
    --------
    CNNDetector : First model of the paper.
    skdeepfake.pipeline.make_detector_pipeline : Build a pipeline for video files.

    Notes
    -----
    For ensembles of discriminators, as in Aduwala et al., use scikit-learn's
    ``VotingClassifier([...], voting="soft")``.

    `history_` also contains `discriminator_loss` and `generator_loss`, the losses
    described above. `discriminator_loss` is the sum of two losses: `loss`, which is the
    weighted loss on labeled images, and the loss on generated images. `val_loss` and
    the metrics refer to labeled images. Early stopping restores both networks.

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
        """Generate images with the trained generator.

        Parameters
        ----------
        n : int
            Number of images.
        random_state : int, RandomState instance or None, default=None
            Seed of the noise. Pass an int for reproducible images.

        Returns
        -------
        ndarray of uint8, shape (n, height, width, 3)
            RGB images with the size of the training images and values from 0 to 255.

        Raises
        ------
        ValueError
            If `n` is less than 1.
        sklearn.exceptions.NotFittedError
            If the detector is not fitted.
        AttributeError
            If the detector was fitted without a generator.
        """
        check_is_fitted(self)
        if not hasattr(self, "generator_"):
            raise AttributeError(
                "This GANDetector was fitted with generator=None and cannot generate "
                "images. Fit it with generator='paper' or a Generator."
            )
        check_scalar(n, "n", Integral, min_val=1)
        noise = check_random_state(random_state).normal(size=self._noise_shape(n))
        starts = range(0, n, self.batch_size)
        images = [self._generate(noise[i : i + self.batch_size]) for i in starts]
        return np.rint((np.concatenate(images) + 1) * 127.5).astype(np.uint8)

    def _noise_shape(self, n: int) -> tuple[int, int]:
        return n, self.generator_.input_shape[1]

    def _generate(self, noise: NDArray) -> NDArray:
        images = self.generator_(noise.astype(np.float32), training=False)
        return keras.ops.convert_to_numpy(keras.ops.cast(images, "float32"))

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        if state.get("generator") is None and "generator_" in state:
            state["generator"] = "paper"  # the first version of skdeepfake stored None
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
        """Combine both networks. `epoch` is added to the seed of the noise."""
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
        # If all fakes are generated, there are as many as real videos.
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
        # An adversarial model smooths labels itself, and only in training.
        loss = self.loss if hasattr(self, "generator_") else smoothed
        return {**super()._compile_settings(), "loss": loss}

    def _prepare_loaded(self) -> None:
        super()._prepare_loaded()
        if not hasattr(self, "generator_"):
            return
        # The loaded model contains only the classifier.
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
        noise = np.random.RandomState(0).normal(size=self._noise_shape(1))
        return finite and bool(np.isfinite(self._generate(noise)).all())

    def _check_training(self, frames: NDArray) -> None:
        super()._check_training(frames)
        settings = self._generator
        if settings is None or settings.loss != "bce":
            return
        last = {name: values[-1] for name, values in self.history_.items()}
        if last["generator_loss"] > _LOST:
            winner, loser = "discriminator", "generator"
            advice = "label_smoothing=0.2 or a lower learning_rate"
        elif last["discriminator_loss"] - last["loss"] > _LOST:
            winner, loser = "generator", "discriminator"
            advice = "a lower learning_rate of the generator"
        else:
            return
        warnings.warn(
            f"The {winner} dominates after epoch {len(self.history_['loss'])} "
            f"({loser}_loss {last[f'{loser}_loss']:.3g}), so that the networks no "
            f"longer learn from each other. Try {advice}.",
            AdversarialImbalanceWarning,
            stacklevel=7,  # where `fit` was called
        )
