"""The one step of adversarial training, in the words of each Keras backend.

All else is written in `keras.ops`; only how gradients are pulled back through a
network, and where a step keeps its state, differ from backend to backend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

# From the logits of labelled and of generated images, the gradients of the
# discriminator's loss by each, and what turns the second into the generator's.
Cotangents = Callable[[Any, Any], tuple[Any, Any, Any]]


class Pulled(NamedTuple):
    """What one pass forth and back gives: logits, and a gradient for each weight."""

    labelled: Any
    generated: Any
    discriminator: list[Any]
    generator: list[Any]


def train_step(model: Any, *arguments: Any) -> Any:
    """Update both networks of an adversarial model once.

    Parameters
    ----------
    model : AdversarialModel
        The networks; its `update` says what a step computes.
    *arguments : tuple
        What the trainer of the backend passes: the batch, and under JAX the state
        before it.

    Returns
    -------
    dict or tuple
        The logs of the step, and under JAX the state.
    """
    if keras.backend.backend() == "jax":
        return _stateless_step(model, *arguments)
    return model.update(*arguments)


def pull(model: Any, images: Any, noise: Any, cotangents: Cotangents) -> Pulled:
    """Run both networks, and pull the gradients of both losses back through them.

    The discriminator is gone through backwards once for both losses: a generated
    image's gradient for the generator is that for the discriminator times a number,
    the ratio of the two losses' gradients by its logit.

    Parameters
    ----------
    model : AdversarialModel
        The networks.
    images : tensor of shape (n, height, width, channels)
        Labelled images, scaled.
    noise : tensor of shape (n, noise_dim)
        What images are generated from.
    cotangents : callable
        Gives the gradients by the logits.

    Returns
    -------
    Pulled
        The logits and the gradients.
    """
    return _PULL[keras.backend.backend()](model, images, noise, cotangents)


def apply(optimizer: Any, gradients: list[Any], variables: list[Any]) -> None:
    """Update variables by their gradients.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Built for these variables.
    gradients : list of tensors
        One a variable.
    variables : list of keras.Variable
        What is updated, and with it the state of the optimizer.
    """
    if keras.backend.backend() != "jax":
        optimizer.apply(gradients, variables)
        return
    # Of an optimizer that scales the loss, JAX can compile this way alone.
    values, state = optimizer.stateless_apply(
        [variable.value for variable in optimizer.variables],
        gradients,
        [variable.value for variable in variables],
    )
    for changed, new in ((variables, values), (optimizer.variables, state)):
        for variable, value in zip(changed, new, strict=True):
            variable.assign(value)


def _pull_tensorflow(
    model: Any, images: Any, noise: Any, cotangents: Cotangents
) -> Pulled:
    import tensorflow as tf

    generator, discriminator = model.generator, model.discriminator
    with tf.GradientTape() as generating:
        generated = tf.cast(generator(noise, training=True), "float32")
    with tf.GradientTape() as judging:
        judging.watch(generated)
        # One after the other: joined, they would want the gradient by the labelled
        # images as well, which no one needs.
        on_labelled = model.labelling(images, training=True)
        on_generated = discriminator(generated, training=True)
    *seeds, ratio = cotangents(on_labelled, on_generated)
    *of_discriminator, at_generated = judging.gradient(
        [on_labelled, on_generated],
        [*model.labelling.trainable_variables, generated],
        output_gradients=seeds,
    )
    of_generator = generating.gradient(
        generated, generator.trainable_variables, output_gradients=at_generated * ratio
    )
    return Pulled(on_labelled, on_generated, of_discriminator, of_generator)


def _pull_torch(model: Any, images: Any, noise: Any, cotangents: Cotangents) -> Pulled:
    import torch

    generator, discriminator = model.generator, model.discriminator
    generated = generator(noise, training=True).float()
    seen = generated.detach().requires_grad_()
    on_labelled = model.labelling(images, training=True)
    on_generated = discriminator(seen, training=True)
    with torch.no_grad():
        *seeds, ratio = cotangents(on_labelled, on_generated)
    *of_discriminator, at_generated = torch.autograd.grad(
        [on_labelled, on_generated],
        [*(v.value for v in model.labelling.trainable_variables), seen],
        seeds,
    )
    of_generator = torch.autograd.grad(
        generated,
        [v.value for v in generator.trainable_variables],
        at_generated * ratio,
    )
    return Pulled(
        on_labelled.detach(),
        on_generated.detach(),
        of_discriminator,
        list(of_generator),
    )


def _pull_jax(model: Any, images: Any, noise: Any, cotangents: Cotangents) -> Pulled:
    import jax

    generator, discriminator = model.generator, model.discriminator

    def values(variables: list[Any]) -> list[Any]:
        return [variable.value for variable in variables]

    def generate(weights: list[Any]) -> Any:
        rest = values(generator.non_trainable_variables)
        images, rest = generator.stateless_call(weights, rest, noise, training=True)
        return images.astype("float32"), rest

    labelling = model.labelling
    trained = labelling.trainable_variables
    changed = labelling.non_trainable_variables

    def judge(weights: list[Any], generated: Any) -> Any:
        first, rest = labelling.stateless_call(
            weights, values(changed), images, training=True
        )
        # The discriminator is all of that, or a part.
        now = {id(v): value for v, value in zip(trained, weights, strict=True)}
        now.update({id(v): value for v, value in zip(changed, rest, strict=True)})
        own = discriminator.trainable_variables, discriminator.non_trainable_variables
        second, rest = discriminator.stateless_call(
            *([now[id(v)] for v in variables] for variables in own),
            generated,
            training=True,
        )
        now.update({id(v): value for v, value in zip(own[1], rest, strict=True)})
        return (first, second), [now[id(v)] for v in changed]

    def keep(variables: list[Any], rest: list[Any]) -> None:
        for variable, value in zip(variables, rest, strict=True):
            variable.assign(value)

    generated, pull_generator, rest = jax.vjp(
        generate, values(generator.trainable_variables), has_aux=True
    )
    keep(generator.non_trainable_variables, rest)
    (on_labelled, on_generated), pull_discriminator, rest = jax.vjp(
        judge, values(trained), generated, has_aux=True
    )
    keep(changed, rest)
    *seeds, ratio = cotangents(on_labelled, on_generated)
    of_discriminator, at_generated = pull_discriminator(tuple(seeds))
    (of_generator,) = pull_generator(at_generated * ratio)
    return Pulled(on_labelled, on_generated, of_discriminator, of_generator)


_PULL = {"tensorflow": _pull_tensorflow, "torch": _pull_torch, "jax": _pull_jax}


def _stateless_step(model: Any, state: tuple, data: Any) -> tuple[Any, tuple]:
    """Run a step that assigns to variables as the pure function that JAX compiles."""
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    mapping = [
        pair
        for variables, values in zip(groups, state, strict=True)
        for pair in zip(variables, values, strict=True)
    ]
    with keras.StatelessScope(state_mapping=mapping) as scope:
        logs = model.update(data)
    return logs, tuple(
        [scope.get_current_value(variable) for variable in variables]
        for variables in groups
    )
