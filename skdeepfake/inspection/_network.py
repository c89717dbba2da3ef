"""Networks gone through layer by layer, up to the number before the sigmoid."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops
from numpy.typing import NDArray

from .._compiled import Compute, compiled
from .._last_layer import last_layer, logit

# Is given a layer, what runs it in inference mode, and what it runs on; what it
# returns goes on in place of the layer's output.
Visit = Callable[..., Any]

_CONVOLUTIONS = (
    layers.Conv2D,
    layers.Conv2DTranspose,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
)


def go_through(network: Any, x: Any, visit: Visit) -> Any:
    """Run a network in inference mode, each of its layers by `visit`.

    Keras' own way, a model between intermediate tensors, writes into the layers that
    it shares with the network. Here nothing is written: the network may be at work
    elsewhere.

    Parameters
    ----------
    network : keras.Function or keras.Sequential
        Networks within it are gone through too.
    x : tensor
        A batch of its inputs.
    visit : callable
        Called with a layer, what runs it, and the layer's arguments.

    Returns
    -------
    tensor
        What came of it.
    """

    def step(layer: Any) -> Callable[..., Any]:
        if _is_network(layer):
            return lambda inputs, **_: go_through(layer, inputs, visit)
        takes_training = "training" in inspect.signature(layer.call).parameters

        def run(*arguments: Any, **options: Any) -> Any:
            # Layers that augment images would do so by default.
            fixed = {"training": False} if takes_training else {}
            return layer(*arguments, **{**options, **fixed})

        return lambda *arguments, **options: visit(layer, run, *arguments, **options)

    if isinstance(network, keras.Sequential):
        for layer in network.layers:
            x = step(layer)(x)
        return x
    return network._run_through_graph(x, operation_fn=step)


def find_layer(network: Any, layer: int | str) -> Any:
    """Find a layer that gives maps of channels.

    Parameters
    ----------
    network : keras.Model
        The network; layers of the networks within it count.
    layer : int or str
        Number of a convolution, or the name of any layer of four axes, by itself or
        behind the names of the networks it lies in: ``"vgg16/block5_conv3"``.

    Returns
    -------
    keras.Layer
        The layer.

    Raises
    ------
    ValueError
        If there is none.
    """
    maps = {name: found for name, found in _layers(network) if _gives_maps(found)}
    convolutions = [n for n, found in maps.items() if isinstance(found, _CONVOLUTIONS)]
    if isinstance(layer, str):
        chosen = [n for n, found in maps.items() if layer in (n, found.name)]
        if not chosen:
            raise ValueError(
                f"layer={layer!r} is none of the layers that give maps, which are "
                f"{list(maps)}"
            )
        return maps[chosen[-1]]
    if not -len(convolutions) <= layer < len(convolutions):
        raise ValueError(
            f"layer={layer} is out of range: the convolutions of this network are "
            f"{convolutions}; pass a number of one of them, or the name of a layer out "
            f"of {list(maps)}"
        )
    return maps[convolutions[layer]]


def logits(network: keras.Model) -> Compute:
    """Compile a network up to the number before its sigmoid.

    Parameters
    ----------
    network : keras.Model
        Its output is one probability.

    Returns
    -------
    callable
        From a batch of inputs to their log-odds, of shape (n,). They do not saturate,
        as probabilities do.
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
    """List all layers in their order, by names that say where they lie."""
    found: list[tuple[str, Any]] = []
    for layer in network.layers:
        name = within + layer.name
        found += _layers(layer, f"{name}/") if _is_network(layer) else [(name, layer)]
    return found


def _gives_maps(layer: Any) -> bool:
    shape = getattr(getattr(layer, "output", None), "shape", ())
    return len(shape) == 4 and not isinstance(layer, layers.InputLayer)
