"""Keras model that trains a discriminator and a generator against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from .._keras._optimizers import make_variables

# Function that computes a loss and other tensors.
Compute = Callable[[], tuple[Any, Any]]


@keras.saving.register_keras_serializable(package="skdeepfake")
class AdversarialModel(keras.Model):
    """Train a classifier and a generator of images against each other.

    Prediction and validation only use the classifier. A training step computes the
    gradients of both networks before it updates either. The loss of the discriminator
    is ``BCE(labels, D(images)) + BCE(generated_label, D(G(noise)))``, and the loss of
    the generator is ``BCE(1 - generated_label, D(G(noise)))``. If `clip` is set, BCE is
    replaced by the logit, negated for label 1, and the weights of the discriminator are
    clipped to the range ``-clip`` to ``clip``.
    """

    def __init__(
        self,
        classifier: keras.Model,
        generator: keras.Model,
        generator_optimizer: keras.optimizers.Optimizer,
        *,
        generated_label: int = 0,
        label_smoothing: float = 0.0,
        clip: float | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(classifier.input, classifier.output, name="adversarial")
        self.generator = generator
        self.generator_optimizer = generator_optimizer
        self.generated_label = generated_label
        self.label_smoothing = label_smoothing
        self.clip = clip
        self.noise_seed = keras.random.SeedGenerator(seed)
        self.discriminator_tracker = keras.metrics.Mean("discriminator_loss")
        self.generator_tracker = keras.metrics.Mean("generator_loss")
        # Compiled steps must not create variables.
        make_variables(generator_optimizer, generator.trainable_variables)

    @property
    def discriminator(self) -> keras.Model:
        """Network that maps scaled images to logits."""
        return self.get_layer("discriminator")

    # -- state ---------------------------------------------------------------

    @property
    def trainable_variables(self) -> list[Any]:
        """Weights of the discriminator."""
        return self.discriminator.trainable_variables

    @property
    def trainable_weights(self) -> list[Any]:
        """Weights of the discriminator."""
        return self.discriminator.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Any]:
        """Other variables, including the generator and its optimizer."""
        trainable = {id(variable) for variable in self.trainable_variables}
        others = [v for v in self.variables if id(v) not in trainable]
        return [*others, *self.generator_optimizer.variables]

    # -- saving (ModelCheckpoint) ----------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the serialized arguments of the constructor."""
        serialize = keras.saving.serialize_keras_object
        return {
            "classifier": serialize(keras.Model(self.input, self.output)),
            "generator": serialize(self.generator),
            "generator_optimizer": serialize(self.generator_optimizer),
            "generated_label": self.generated_label,
            "label_smoothing": self.label_smoothing,
            "clip": self.clip,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> AdversarialModel:
        """Build the model from the result of `get_config`."""
        return cls(**keras.saving.deserialize_keras_object(config, custom_objects))

    # -- training ------------------------------------------------------------

    def train_step(self, *arguments: Any) -> Any:
        """Update both networks once."""
        if keras.backend.backend() != "jax":
            return self.update(*arguments)
        state, data = arguments
        groups = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        mapping = [
            pair
            for variables, values in zip(groups, state, strict=True)
            for pair in zip(variables, values, strict=True)
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            logs = self.update(data)
        return logs, tuple(
            [scope.get_current_value(variable) for variable in variables]
            for variables in groups
        )

    def update(self, data: Any) -> dict[str, Any]:
        """Update the variables of both networks with one batch."""
        images, labels, weight = keras.utils.unpack_x_y_sample_weight(data)
        n = ops.shape(labels)[0]
        labels = ops.reshape(ops.cast(labels, "float32"), (-1, 1))
        weight = ops.ones_like(labels) if weight is None else weight
        weight = ops.reshape(ops.cast(weight, "float32"), (-1, 1))
        own, aim = float(self.generated_label), 1.0 - self.generated_label
        noise = keras.random.normal(
            (n, *self.generator.input_shape[1:]), seed=self.noise_seed
        )

        def deceive() -> tuple[Any, Any]:
            generated = self.generator(noise, training=True)
            logits = self.discriminator(generated, training=True)
            loss = ops.mean(self._loss(aim, logits))
            return self.generator_optimizer.scale_loss(loss), (generated, loss)

        of_generator, (generated, deceiving) = self._gradients(
            deceive, self.generator.trainable_variables
        )

        def discriminate() -> tuple[Any, Any]:
            scaled = self.get_layer("scaling")(images)
            labeled = self.discriminator(scaled, training=True)
            fixed = ops.stop_gradient(generated)
            on_generated = self.discriminator(fixed, training=True)
            loss = ops.mean(weight * self._loss(self._smoothed(labels), labeled))
            whole = loss + ops.mean(self._loss(self._smoothed(own), on_generated))
            return self.optimizer.scale_loss(whole), (labeled, loss, whole)

        of_discriminator, (labeled, loss, whole) = self._gradients(
            discriminate, self.trainable_variables
        )
        _apply(self.optimizer, of_discriminator, self.trainable_variables)
        if self.clip is not None:
            for variable in self.trainable_variables:
                variable.assign(ops.clip(variable, -self.clip, self.clip))
        _apply(
            self.generator_optimizer, of_generator, self.generator.trainable_variables
        )
        loss_tracker = next(m for m in self.metrics if m.name == "loss")
        loss_tracker.update_state(loss, sample_weight=n)
        self.discriminator_tracker.update_state(whole, sample_weight=n)
        self.generator_tracker.update_state(deceiving, sample_weight=n)
        logs = self.compute_metrics(images, labels, ops.sigmoid(labeled), weight)
        return {
            **logs,
            "discriminator_loss": self.discriminator_tracker.result(),
            "generator_loss": self.generator_tracker.result(),
        }

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the metrics of the classifier."""
        results = super().get_metrics_result()
        trackers = {self.discriminator_tracker.name, self.generator_tracker.name}
        return {name: v for name, v in results.items() if name not in trackers}

    def _loss(self, targets: Any, logits: Any) -> Any:
        if self.clip is None:
            return _entropy(targets, logits)
        return (1.0 - 2.0 * targets) * logits

    def _smoothed(self, targets: Any) -> Any:
        return targets * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing

    def _gradients(self, compute: Compute, variables: list[Any]) -> tuple[list, Any]:
        """Return the gradients of a loss, and the other results of `compute`."""
        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss, others = compute()
            return tape.gradient(loss, [v.value for v in variables]), others
        if backend == "torch":
            import torch

            loss, others = compute()
            gradients = torch.autograd.grad(loss, [v.value for v in variables])
            return list(gradients), keras.tree.map_structure(torch.detach, others)
        import jax

        chosen = {id(variable) for variable in variables}
        every = [*self.variables, *self.optimizer.variables]
        every += self.generator_optimizer.variables
        rest = [v for v in every if id(v) not in chosen]
        values = [variable.value for variable in rest]

        def stateless(weights: list[Any]) -> tuple[Any, Any]:
            mapping = zip([*variables, *rest], [*weights, *values], strict=True)
            with keras.StatelessScope(state_mapping=mapping) as scope:
                loss, others = compute()
            return loss, (others, [scope.get_current_value(v) for v in rest])

        gradients, (others, changed) = jax.grad(stateless, has_aux=True)(
            [variable.value for variable in variables]
        )
        for variable, value in zip(rest, changed, strict=True):
            variable.assign(value)
        return gradients, others


class GeneratorFollows(keras.callbacks.Callback):
    """Scale the generator's learning rate by the same factor as the discriminator's.

    Does nothing if the optimizers have a learning rate schedule.
    """

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Store the ratio of the learning rates."""
        followed, own = self.model.optimizer, self.model.generator_optimizer
        inner = getattr(own, "inner_optimizer", own)  # wrapped for float16
        self.scheduled = isinstance(inner.get_config()["learning_rate"], dict)
        self.ratio = float(own.learning_rate) / float(followed.learning_rate)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Set the learning rate of the generator."""
        if not self.scheduled:
            rate = self.ratio * float(self.model.optimizer.learning_rate)
            self.model.generator_optimizer.learning_rate = rate


def _entropy(targets: Any, logits: Any) -> Any:
    """Compute the binary cross-entropy of each logit."""
    targets = ops.broadcast_to(targets, ops.shape(logits))
    return ops.binary_crossentropy(targets, logits, from_logits=True)


def _apply(optimizer: Any, gradients: list[Any], variables: list[Any]) -> None:
    """Apply gradients to variables, and update the state of the optimizer."""
    if keras.backend.backend() != "jax":
        optimizer.apply(gradients, variables)
        return
    # JAX cannot compile `apply` of an optimizer with loss scaling.
    values, state = optimizer.stateless_apply(
        [variable.value for variable in optimizer.variables],
        gradients,
        [variable.value for variable in variables],
    )
    for changed, new in ((variables, values), (optimizer.variables, state)):
        for variable, value in zip(changed, new, strict=True):
            variable.assign(value)
