"""The adversarial part of training a discriminator."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from . import _adversarial_step
from ._optimizers import make_variables


class AdversarialTraining:
    """Training that updates a discriminator, and a generator to deceive it.

    It stands left of `keras.Model`, which by itself is a classifier: called, evaluated
    and stopped by that. A training step updates both networks from the same weights,
    as in the paper: the discriminator by ``BCE(labels, D(images)) +
    BCE(generated_label, D(G(noise)))``, the generator by ``BCE(1 - generated_label,
    D(G(noise)))``.
    """

    # The network from scaled images to logits.
    discriminator: keras.Model

    # That from labelled images, as `labelled_images` gives them, to logits. It is the
    # discriminator, or holds it.
    labelling: keras.Model

    # Of Keras.
    optimizer: Any
    metrics: list[Any]
    variables: list[Any]
    compute_metrics: Any

    def set_against(
        self,
        generator: keras.Model,
        generator_optimizer: keras.optimizers.Optimizer,
        *,
        generated_label: int,
        label_smoothing: float,
        seed: int | None,
    ) -> None:
        """Set the discriminator against a generator, before it is trained.

        Parameters
        ----------
        generator : keras.Model
            From noise to scaled images.
        generator_optimizer : keras.optimizers.Optimizer
            What updates the generator; the model is compiled with the discriminator's.
        generated_label : {0, 1}
            What the discriminator shall call a generated image.
        label_smoothing : float
            How far the discriminator's targets are drawn towards one half.
        seed : int or None
            Of the noise that images are generated from.
        """
        self.generator = generator
        self.generator_optimizer = generator_optimizer
        self.generated_label = generated_label
        self.label_smoothing = label_smoothing
        self.noise_seed = keras.random.SeedGenerator(seed)
        self.discriminator_tracker = keras.metrics.Mean("discriminator_loss")
        self.generator_tracker = keras.metrics.Mean("generator_loss")
        # Before the step is compiled, which may create no variables.
        make_variables(generator_optimizer, generator.trainable_variables)

    def labelled_images(self, inputs: Any) -> tuple[Any, Any]:
        """Prepare what is labelled.

        Parameters
        ----------
        inputs : tensor or tuple of tensors
            What the model is called with.

        Returns
        -------
        images : tensor or tuple of tensors
            What `labelling` is given.
        n_images : int or tensor
            How many there are: as many are generated.
        """
        raise NotImplementedError

    # -- state ---------------------------------------------------------------

    @property
    def trainable_variables(self) -> list[Any]:
        """What the model's own optimizer updates: the discriminator's weights."""
        return self.labelling.trainable_variables

    @property
    def trainable_weights(self) -> list[Any]:
        """What the model's own optimizer updates: the discriminator's weights."""
        return self.labelling.trainable_weights

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
        inputs, labels, weight = keras.utils.unpack_x_y_sample_weight(data)
        n = ops.shape(labels)[0]
        images, n_images = self.labelled_images(inputs)
        labels = ops.reshape(ops.cast(labels, "float32"), (-1, 1))
        weight = ops.ones_like(labels) if weight is None else weight
        weight = ops.reshape(ops.cast(weight, "float32"), (-1, 1))
        own, aim = float(self.generated_label), 1.0 - self.generated_label
        of_labelled, of_generated = self._smoothed(labels), self._smoothed(own)

        # What keeps small gradients from vanishing in float16; else 1.
        scale = self.optimizer.scale_loss(1.0)
        its_scale = self.generator_optimizer.scale_loss(1.0)

        def cotangents(labelled: Any, generated: Any) -> tuple[Any, Any, Any]:
            first = weight * _slope(of_labelled, labelled)
            second = _slope(of_generated, generated)
            # Where it is nothing, no number times it gives the generator's.
            second = ops.where(ops.abs(second) < 1e-12, 1e-12, second)
            ratio = _slope(aim, generated) / second * (its_scale / scale)
            ratio = ops.reshape(ratio, (-1, 1, 1, 1))
            first = first * scale / ops.cast(n, "float32")
            return first, second * scale / ops.cast(n_images, "float32"), ratio

        pulled = _adversarial_step.pull(
            self,
            images,
            keras.random.normal(
                (n_images, *self.generator.input_shape[1:]), seed=self.noise_seed
            ),
            cotangents,
        )
        _adversarial_step.apply(
            self.optimizer, pulled.discriminator, self.trainable_variables
        )
        _adversarial_step.apply(
            self.generator_optimizer,
            pulled.generator,
            self.generator.trainable_variables,
        )
        loss = ops.mean(weight * _entropy(of_labelled, pulled.labelled))
        against = ops.mean(_entropy(of_generated, pulled.generated))
        deceiving = ops.mean(_entropy(aim, pulled.generated))
        loss_tracker = next(m for m in self.metrics if m.name == "loss")
        loss_tracker.update_state(loss, sample_weight=n)
        self.discriminator_tracker.update_state(loss + against, sample_weight=n)
        self.generator_tracker.update_state(deceiving, sample_weight=n)
        logs = self.compute_metrics(
            inputs, labels, ops.sigmoid(pulled.labelled), weight
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
        results = super().get_metrics_result()  # type: ignore[misc]
        trackers = (self.discriminator_tracker, self.generator_tracker)
        return {
            name: value
            for name, value in results.items()
            if name not in {tracker.name for tracker in trackers}
        }

    def _smoothed(self, targets: Any) -> Any:
        return targets * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing


def _entropy(targets: Any, logits: Any) -> Any:
    """Binary cross-entropy of each logit."""
    targets = ops.broadcast_to(targets, ops.shape(logits))
    return ops.binary_crossentropy(targets, logits, from_logits=True)


def _slope(targets: Any, logits: Any) -> Any:
    """Its derivative by the logit, ``sigmoid(logits) - targets``, without cancelling.

    As large as it is even where the sigmoid rounds to 1.
    """
    return (1.0 - targets) * ops.sigmoid(logits) - targets * ops.sigmoid(-logits)
