"""A discriminator and a generator as one Keras model, trained against each other."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from . import _adversarial_step


@keras.saving.register_keras_serializable(package="skdeepfake")
class AdversarialModel(keras.Model):
    """A classifier whose training also trains a generator to deceive it.

    To Keras it is the classifier: called, evaluated and stopped by that. A training
    step updates both networks from the same weights, as in the paper: the
    discriminator by ``BCE(labels, D(images)) + BCE(generated_label, D(G(noise)))``,
    the generator by ``BCE(1 - generated_label, D(G(noise)))``.

    Parameters
    ----------
    classifier : keras.Model
        From images to probabilities: a layer named "scaling" to the generator's
        range, a network named "discriminator" from scaled images to logits, and the
        sigmoid.
    generator : keras.Model
        From noise to scaled images.
    generator_optimizer : keras.optimizers.Optimizer
        What updates the generator; the model is compiled with the discriminator's.
    generated_label : {0, 1}, default=0
        What the discriminator shall call a generated image.
    label_smoothing : float, default=0.0
        How far the discriminator's targets are drawn towards one half, as in Keras.
    seed : int or None, default=None
        Of the noise that images are generated from.
    name : str, default="adversarial"
        Name of the model.
    """

    def __init__(
        self,
        classifier: keras.Model,
        generator: keras.Model,
        generator_optimizer: keras.optimizers.Optimizer,
        *,
        generated_label: int = 0,
        label_smoothing: float = 0.0,
        seed: int | None = None,
        name: str = "adversarial",
    ) -> None:
        super().__init__(classifier.input, classifier.output, name=name)
        self.generator = generator
        self.generator_optimizer = generator_optimizer
        self.generated_label = generated_label
        self.label_smoothing = label_smoothing
        self.noise_seed = keras.random.SeedGenerator(seed)
        self.discriminator_tracker = keras.metrics.Mean("discriminator_loss")
        self.generator_tracker = keras.metrics.Mean("generator_loss")
        # Before the step is compiled, which may create no variables.
        generator_optimizer.build(generator.trainable_variables)

    @property
    def discriminator(self) -> keras.Model:
        """The network from scaled images to logits."""
        return self.get_layer("discriminator")

    # -- state ---------------------------------------------------------------

    @property
    def trainable_variables(self) -> list[Any]:
        """What the model's own optimizer updates: the discriminator's weights."""
        return self.discriminator.trainable_variables

    @property
    def trainable_weights(self) -> list[Any]:
        """What the model's own optimizer updates: the discriminator's weights."""
        return self.discriminator.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Any]:
        """All other state of a step, that of the generator and its optimizer too."""
        trainable = {id(variable) for variable in self.trainable_variables}
        others = [v for v in self.variables if id(v) not in trainable]
        return [*others, *self.generator_optimizer.variables]

    # -- training ------------------------------------------------------------

    def train_step(self, *arguments: Any) -> Any:
        """Update both networks once.

        Parameters
        ----------
        *arguments : tuple
            What Keras passes under its backend.

        Returns
        -------
        dict or tuple
            What Keras wants under its backend.
        """
        return _adversarial_step.train_step(self, *arguments)

    def update(self, data: Any) -> dict[str, Any]:
        """Update the variables of both networks by one batch.

        Parameters
        ----------
        data : tuple of tensors
            Images, labels and, if given, sample weights.

        Returns
        -------
        dict of str to scalar tensor
            Losses and metrics of the epoch so far.
        """
        images, labels, weight = keras.utils.unpack_x_y_sample_weight(data)
        n = ops.shape(images)[0]
        labels = ops.reshape(ops.cast(labels, "float32"), (-1, 1))
        weight = ops.ones_like(labels) if weight is None else weight
        weight = ops.reshape(ops.cast(weight, "float32"), (-1, 1))
        own, aim = float(self.generated_label), 1.0 - self.generated_label
        of_labelled, of_generated = self._smoothed(labels), self._smoothed(own)

        def cotangents(labelled: Any, generated: Any) -> tuple[Any, Any, Any]:
            first = weight * _slope(of_labelled, labelled)
            second = _slope(of_generated, generated)
            # Where it is nothing, no number times it gives the generator's.
            second = ops.where(ops.abs(second) < 1e-12, 1e-12, second)
            ratio = _slope(aim, generated) / second
            ratio = ops.reshape(ratio, (-1, *[1] * (len(images.shape) - 1)))
            size = ops.cast(n, "float32")
            return first / size, second / size, ratio

        pulled = _adversarial_step.pull(
            self,
            self.get_layer("scaling")(images),
            keras.random.normal(
                (n, *self.generator.input_shape[1:]), seed=self.noise_seed
            ),
            cotangents,
        )
        self.optimizer.apply(pulled.discriminator, self.trainable_variables)
        self.generator_optimizer.apply(
            pulled.generator, self.generator.trainable_variables
        )
        loss = ops.mean(weight * _entropy(of_labelled, pulled.labelled))
        against = ops.mean(_entropy(of_generated, pulled.generated))
        deceiving = ops.mean(_entropy(aim, pulled.generated))
        loss_tracker = next(m for m in self.metrics if m.name == "loss")
        loss_tracker.update_state(loss, sample_weight=n)
        self.discriminator_tracker.update_state(loss + against, sample_weight=n)
        self.generator_tracker.update_state(deceiving, sample_weight=n)
        logs = self.compute_metrics(
            images, labels, ops.sigmoid(pulled.labelled), weight
        )
        return {
            **logs,
            "discriminator_loss": self.discriminator_tracker.result(),
            "generator_loss": self.generator_tracker.result(),
        }

    def get_metrics_result(self) -> dict[str, Any]:
        """Give the classifier's metrics, which are all that an evaluation has.

        Returns
        -------
        dict of str to scalar tensor
            The metrics by name.
        """
        results = super().get_metrics_result()
        trackers = (self.discriminator_tracker, self.generator_tracker)
        return {
            name: value
            for name, value in results.items()
            if name not in {tracker.name for tracker in trackers}
        }

    def _smoothed(self, targets: Any) -> Any:
        return targets * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing

    # -- saving --------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Give what the model is built from, in Keras' serial form.

        Returns
        -------
        dict
            The arguments of the constructor.
        """
        serialize = keras.saving.serialize_keras_object
        return {
            "classifier": serialize(keras.Model(self.input, self.output)),
            "generator": serialize(self.generator),
            "generator_optimizer": serialize(self.generator_optimizer),
            "generated_label": self.generated_label,
            "label_smoothing": self.label_smoothing,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> AdversarialModel:
        """Build the model from what `get_config` gave.

        Parameters
        ----------
        config : dict
            The arguments of the constructor.
        custom_objects : dict or None, default=None
            Classes by name that Keras does not know.

        Returns
        -------
        AdversarialModel
            The model, not compiled.
        """
        networks = ("classifier", "generator", "generator_optimizer")
        built = {
            name: keras.saving.deserialize_keras_object(
                config[name], custom_objects=custom_objects
            )
            for name in networks
        }
        return cls(**{**config, **built})


def _entropy(targets: Any, logits: Any) -> Any:
    """Binary cross-entropy of each logit."""
    targets = ops.broadcast_to(targets, ops.shape(logits))
    return ops.binary_crossentropy(targets, logits, from_logits=True)


def _slope(targets: Any, logits: Any) -> Any:
    """Its derivative by the logit, ``sigmoid(logits) - targets``, without cancelling.

    As large as it is even where the sigmoid rounds to 1.
    """
    return (1.0 - targets) * ops.sigmoid(logits) - targets * ops.sigmoid(-logits)
