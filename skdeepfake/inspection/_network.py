"""Layer outputs and gradients of the logits of a network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops
from numpy.typing import NDArray

from .._keras._compiled import Compute, compiled
from .._keras._logits import last_layer, logit

# Takes a layer, a function that calls it, and its arguments; returns its output.
Visit = Callable[..., Any]

_CONVOLUTIONS = (
    layers.Conv2D,
    layers.Conv2DTranspose,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
)


def go_through(network: Any, x: Any, visit: Visit) -> Any:
    """Run a network in inference mode, calling each layer through `visit`.

    The layers of nested networks are included. A ``keras.Model`` between intermediate
    tensors is not used, because it would modify the layers of the network.
    """

    def step(layer: Any) -> Callable[..., Any]:
        if _is_network(layer):
            return lambda inputs, **_: go_through(layer, inputs, visit)
        takes_training = "training" in inspect.signature(layer.call).parameters

        def run(*arguments: Any, **options: Any) -> Any:
            # Otherwise augmentation layers would be active.
            fixed = {"training": False} if takes_training else {}
            return layer(*arguments, **{**options, **fixed})

        return lambda *arguments, **options: visit(layer, run, *arguments, **options)

    if isinstance(network, keras.Sequential):
        for layer in network.layers:
            x = step(layer)(x)
        return x
    return network._run_through_graph(x, operation_fn=step)


def find_layer(network: Any, layer: int | str) -> Any:
    """Find a layer that outputs feature maps, by index or name.

    Indices count convolutions, including nested ones. Names may include parents.
    """
    maps = {name: found for name, found in _layers(network) if _gives_maps(found)}
    convolutions = [n for n, found in maps.items() if isinstance(found, _CONVOLUTIONS)]
    if isinstance(layer, str):
        chosen = [n for n, found in maps.items() if layer in (n, found.name)]
        if not chosen:
            raise ValueError(
                f"layer={layer!r} is not a layer with feature maps; available are "
                f"{list(maps)}."
            )
        return maps[chosen[-1]]
    if not -len(convolutions) <= layer < len(convolutions):
        raise ValueError(
            f"layer={layer} is out of range for the convolutions {convolutions}. Pass "
            f"the index of one of them, or the name of a layer in {list(maps)}."
        )
    return maps[convolutions[layer]]


def logits(network: keras.Model) -> Compute:
    """Compile a function that returns the logits of a batch, of shape (n,).

    Unlike probabilities, logits do not saturate.
    """
    last = last_layer(network)
    compute = compiled(keras.Model(network.inputs[0], last.input))

    def compute_logits(batch: NDArray) -> NDArray:
        found = logit(last, ops.convert_to_tensor(compute(batch)))
        return ops.convert_to_numpy(found)[:, 0]

    return compute_logits


def _is_network(layer: Any) -> bool:
    return isinstance(layer, (keras.Function, keras.Sequential))


def _layers(network: Any, within: str = "") -> list[tuple[str, Any]]:
    """Return all layers in order, named with their parents."""
    found: list[tuple[str, Any]] = []
    for layer in network.layers:
        name = within + layer.name
        found += _layers(layer, f"{name}/") if _is_network(layer) else [(name, layer)]
    return found


def _gives_maps(layer: Any) -> bool:
    shape = getattr(getattr(layer, "output", None), "shape", ())
    return len(shape) == 4 and not isinstance(layer, layers.InputLayer)


# Runs a network up to its logits, passing the output of one layer to the argument.
Run = Callable[[Callable[[Any], Any]], Any]


def pull_back(
    network: keras.Model, images: NDArray, layer: Any
) -> tuple[NDArray, NDArray]:
    """Compute the outputs of a layer for a batch, and the gradients of the logits.

    Gradients of probabilities would vanish where the sigmoid saturates.
    """
    last = last_layer(network)
    inputs = keras.ops.convert_to_tensor(images)

    def run(at_layer: Callable[[Any], Any]) -> Any:
        def visit(visited: Any, call: Any, *arguments: Any, **options: Any) -> Any:
            if visited is last:
                return logit(last, *arguments)
            found = call(*arguments, **options)
            return at_layer(found) if visited is layer else found

        # Images are independent, so the gradient of the sum contains each gradient.
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

    # Run twice, since JAX only differentiates with respect to function arguments.
    run(keep)
    return seen[-1], jax.grad(lambda found: run(lambda _: found))(seen[-1])


_PULL = {"tensorflow": _pull_tensorflow, "torch": _pull_torch, "jax": _pull_jax}
