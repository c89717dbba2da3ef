"""The gradient of a logit with respect to a layer, for each Keras backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from numpy.typing import NDArray

from .._keras._logits import last_layer, logit
from ._network import go_through

# Runs a network to its logits, passing the output of the layer through the argument.
Run = Callable[[Callable[[Any], Any]], Any]


def pull_back(
    network: keras.Model, images: NDArray, layer: Any
) -> tuple[NDArray, NDArray]:
    """Compute the outputs of a layer for a batch, and the gradients of the logits.

    Logits instead of probabilities, since the sigmoid makes the gradient vanish for
    images of which the network is sure.
    """
    last = last_layer(network)
    inputs = keras.ops.convert_to_tensor(images)

    def run(at_layer: Callable[[Any], Any]) -> Any:
        def visit(visited: Any, call: Any, *arguments: Any, **options: Any) -> Any:
            if visited is last:
                return logit(last, *arguments)
            found = call(*arguments, **options)
            return at_layer(found) if visited is layer else found

        # Images are independent: the gradient of the sum has that of each image.
        return keras.ops.sum(go_through(network, inputs, visit))

    activations, slopes = _PULL[keras.backend.backend()](run)
    to_numpy = keras.ops.convert_to_numpy
    return to_numpy(activations), to_numpy(slopes)


def _pull_tensorflow(run: Run) -> tuple[Any, Any]:
    import tensorflow as tf

    seen = []
    with tf.GradientTape(watch_accessed_variables=False) as tape:

        def watch(found: Any) -> Any:
            tape.watch(found)
            seen.append(found)
            return found

        total = run(watch)
    return seen[-1], tape.gradient(total, seen[-1])


def _pull_torch(run: Run) -> tuple[Any, Any]:
    import torch

    seen = []

    def start_here(found: Any) -> Any:
        seen.append(found.detach().requires_grad_())
        return seen[-1]

    (slopes,) = torch.autograd.grad(run(start_here), seen[-1:])
    return seen[-1].detach(), slopes


def _pull_jax(run: Run) -> tuple[Any, Any]:
    import jax

    seen = []

    def keep(found: Any) -> Any:
        seen.append(found)
        return found

    # Run twice: JAX differentiates with respect to the arguments of a function only.
    run(keep)
    return seen[-1], jax.grad(lambda found: run(lambda _: found))(seen[-1])


_PULL = {"tensorflow": _pull_tensorflow, "torch": _pull_torch, "jax": _pull_jax}
