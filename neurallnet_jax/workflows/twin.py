"""What the trained ReLU twin of a converted network does on images: multiply-accumulates whose input is not zero.

Knows the model and the fan-outs of the integer network; prices nothing and knows no command line.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from lava_port.energy.baselines import Twin
from lava_port.energy.connections import fan_out
from lava_port.graph import FixedConv, FixedDense, FixedGraph, FixedLif
from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.network import encoding
from neurallnet_jax.network.model import Signal, run_layer

__all__ = ["measure"]

BATCH = 32
"""Images that run at once."""


def measure(
    graph: FixedGraph,
    checkpoint: Checkpoint,
    pixels: np.ndarray,
    *,
    source: str,
    progress: Callable[[int, int], None] | None = None,
) -> Twin:
    """Run the twin and count, for every image, the weights that activations other than zero meet.

    Args:
        graph: The converted spiking network, whose fan-outs are those of the twin.
        checkpoint: The trained twin.
        pixels: uint8 (images, height, width, channels), the images that the spiking network ran.
        source: What messages and records call the twin.
        progress: Called with images done and images in all.

    Raises:
        ValueError: The checkpoint is no ReLU twin of the network; the message names what differs.
    """
    need = "is no ReLU twin of a spiking network; train one with `neurallnet train --preset neurallnet-relu`"
    network = spec.layered(checkpoint.spec, need)
    _check(graph, network, checkpoint.classes, source)
    classifier = models.from_checkpoint(checkpoint)
    watched = _Watched(network)

    @jax.jit
    def run(variables: models.Variables, batch: jax.Array) -> list[jax.Array]:
        key = jax.random.key(0)
        shown = jnp.asarray(batch, jnp.float32)
        inputs = encoding.encode(network.encoding, shown, checkpoint.preprocessing, key, steps=network.steps)
        return watched.apply(variables, inputs)  # pyright: ignore[reportReturnType]

    layers = [node for node in graph.nodes if isinstance(node, FixedLif)]
    tables = {
        node.name: (place, fan_out(node, layer.shape).ravel().astype(np.float64))
        for place, layer in enumerate(layers)
        for node in graph.nodes
        if isinstance(node, FixedConv | FixedDense) and layer.name in node.inputs
    }
    macs = {name: np.zeros(len(pixels), np.int64) for name in tables}
    shares = np.zeros(len(layers))
    for start in range(0, len(pixels), BATCH):
        batch = pixels[start : start + BATCH]
        filled = np.zeros((BATCH, *batch.shape[1:]), batch.dtype)
        filled[: len(batch)] = batch
        masks = [np.asarray(mask)[: len(batch)].reshape(len(batch), -1) for mask in run(classifier.variables, filled)]
        for name, (place, table) in tables.items():
            # Exact: whole numbers below 2^53.
            macs[name][start : start + len(batch)] = masks[place].astype(np.float64) @ table
        shares += [mask.mean() * len(batch) / len(pixels) for mask in masks]
        if progress:
            progress(start + len(batch), len(pixels))
    return Twin(source, macs, {name: float(shares[place]) for name, (place, _) in tables.items()})


class _Watched(nn.Module):
    """The model of `network/model.py` that returns where its rectifiers are not zero, one (batch, ...) each."""

    spec: spec.Network

    @nn.compact
    def __call__(self, inputs: jax.Array) -> list[jax.Array]:
        signal = Signal(inputs, jnp.zeros(inputs.shape[-1]))
        found = []
        for name, layer in spec.named_layers(self.spec):
            signal = run_layer(layer, signal, name=name, steps=self.spec.steps, train=False)
            if isinstance(layer, spec.Relu):
                found.append(signal.value[0] > 0)
        return found


def _check(graph: FixedGraph, network: spec.Network, classes: tuple[str, ...], source: str) -> None:
    do = "train a twin of this network with `neurallnet train --preset neurallnet-relu`"
    if any(isinstance(layer, spec.Lif) for layer in network.layers):
        raise ValueError(f"{source}: is a spiking network, no ReLU twin; {do}")
    if network.steps != 1:
        raise ValueError(f"{source}: runs {network.steps} steps, a ReLU twin runs one; {do}")
    if classes != graph.classes:
        raise ValueError(f"{source}: knows the classes {', '.join(classes)}, not {', '.join(graph.classes)}; {do}")
    shapes = spec.shapes(network)
    theirs = [tuple(shapes[name]) for name, layer in spec.named_layers(network) if isinstance(layer, spec.Relu)]
    ours = [tuple(node.shape) for node in graph.nodes if isinstance(node, FixedLif)]
    if theirs != ours:
        raise ValueError(f"{source}: its rectifiers have the shapes {theirs}, the neurons of the network {ours}; {do}")
    image = (*network.image_size, network.channels)
    if image != tuple(graph.nodes[0].shape):
        raise ValueError(f"{source}: takes images of {image}, the network {tuple(graph.nodes[0].shape)}; {do}")
    _check_weights(graph, network, source, do)


def _check_weights(graph: FixedGraph, network: spec.Network, source: str, do: str) -> None:
    theirs = [layer for layer in network.layers if isinstance(layer, spec.Conv)]
    ours = [node for node in graph.nodes if isinstance(node, FixedConv)]
    for layer, node in zip(theirs, ours, strict=False):
        # Pooling is folded into a wider kernel in the converted network; the twin may still average apart.
        if not any(isinstance(one, spec.AveragePool) for one in network.layers):
            found = (tuple(layer.kernel), tuple(layer.stride), layer.groups)
            expected = (tuple(node.weight.shape[2:]), tuple(node.stride), node.groups)
            if found != expected:
                raise ValueError(
                    f"{source}: kernel, stride and groups before {node.name!r} are {found}, those of the network "
                    f"{expected}; {do}"
                )
