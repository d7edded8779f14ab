"""What images tell about a conversion: how far currents and potentials go, and by how much rounding shifts their means.

Knows graphs and images; neither files nor whether what it found is worth using.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lava_port import quantise, reference
from lava_port.graph import ConvNode, DenseNode, FixedGraph, GateNode, Graph, GraphError, LifNode, Node
from lava_port.scales import Measured

__all__ = ["correct_biases", "measure"]

_BATCH = 16
"""Images between two words of progress."""


def measure(
    graph: Graph, images: np.ndarray, *, progress: Callable[[int, int], None] | None = None
) -> dict[str, Measured]:
    """Return how far every convolution and dense layer before neurons, and these neurons, went on images.

    Args:
        graph: The folded graph.
        images: uint8 (images, height, width, channels) at the network's size.
        progress: Called with images done and images in all.

    Raises:
        GraphError: The graph is not folded.
        ValueError: There is no image, or images do not fit the network.
    """
    if not len(images):
        raise ValueError("no image to calibrate with; name a folder that holds some")
    found: dict[str, Measured] = {}
    heard: dict[str, np.ndarray] = {}
    linear = {node.name: node for node in graph.nodes if isinstance(node, ConvNode | DenseNode)}

    def listen(node: Node, values: np.ndarray) -> None:
        if isinstance(node, ConvNode | DenseNode | GateNode):
            heard[node.name] = values
        if isinstance(node, LifNode):
            source, *gates = node.inputs
            if source not in linear:
                raise GraphError(f"node {node.name!r}: the graph is not folded; call passes.fold(graph) first")
            gate = heard[gates[0]] if gates else None
            new = _neurons(node, heard[source], linear[source].bias, gate, graph.steps)
            found[source] = _joined(found[source], new) if source in found else new

    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        reference.run_float(graph, batch, listen=listen)
        if progress:
            progress(start + len(batch), len(images))
    return found


def correct_biases(
    graph: Graph,
    images: np.ndarray,
    *,
    bits: int,
    measured: Mapping[str, Measured] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Graph:
    """Return a folded graph whose integers have, on images, the mean current plus bias of every channel of `graph`.

    Layer after layer, with the layers before it corrected: bias' = bias - (mean of integers unit - mean of floats), means
    over images, steps and positions. Ranges and proofs are those of the corrected biases once `quantise` reads them.

    Args:
        graph: The folded graph.
        images: uint8 (images, height, width, channels) at the network's size.
        bits: Of the weights, as `quantise` will be told.
        measured: Ranges, likewise.
        progress: Called with layers done and layers in all.

    References:
        Nagel et al. (2019), arXiv:1906.04721, section 4.2.
    """
    layers = [node for node in graph.nodes if isinstance(node, ConvNode | DenseNode)]
    wanted = _means(graph, images)
    for place, layer in enumerate(layers):
        fixed, _ = quantise.quantise(graph, bits=bits, measured=measured)
        source, unit = quantise.units(graph, bits=bits, measured=measured)[layer.name]
        error = _means(fixed, images)[source] * unit - wanted[layer.name]
        new = dataclasses.replace(layer, bias=layer.bias - error)
        graph = dataclasses.replace(graph, nodes=tuple(new if node is layer else node for node in graph.nodes))
        if progress:
            progress(place + 1, len(layers))
    return graph


def _means(graph: Graph | FixedGraph, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean over images, steps and positions of what every node hands on, by name."""
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}

    def listen(node: Any, values: np.ndarray) -> None:
        rows = values.reshape(-1, values.shape[-1])
        sums[node.name] = sums.get(node.name, 0.0) + rows.sum(axis=0, dtype=np.float64)
        counts[node.name] = counts.get(node.name, 0) + len(rows)

    if isinstance(graph, Graph):
        reference.run_float(graph, images, listen=listen)
    else:
        reference.run_fixed(graph, images, listen=listen)
    return {name: total / counts[name] for name, total in sums.items()}


def _neurons(lif: LifNode, current: np.ndarray, bias: np.ndarray, gate: np.ndarray | None, steps: int) -> Measured:
    """Return how far a current (time, batch, *shape) went, and the neurons it reached, as `graph` writes them."""
    most = np.zeros(current.shape[-1])
    for u, v in reference.float_steps(lif, current, bias, gate, steps):
        most = np.maximum.reduce([most, _largest(u), _largest(v)])
    rows = current.reshape(-1, current.shape[-1])
    return Measured(np.minimum(rows.min(axis=0), 0), np.maximum(rows.max(axis=0), 0), most)


def _joined(left: Measured, right: Measured) -> Measured:
    return Measured(
        np.minimum(left.low, right.low),
        np.maximum(left.high, right.high),
        np.maximum(left.potential, right.potential),
    )


def _largest(values: np.ndarray) -> np.ndarray:
    return np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
