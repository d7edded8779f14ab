"""How far the currents and potentials of a float network go on images: what `quantise` may trust where proof costs bits.

Knows the float graph and images; neither integers nor what is made of the ranges.
"""

from collections.abc import Callable

import numpy as np

from lava_port import reference
from lava_port.graph import ConvNode, DenseNode, GateNode, Graph, GraphError, LifNode, Node
from lava_port.scales import Measured

__all__ = ["measure"]

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


def _neurons(lif: LifNode, current: np.ndarray, bias: np.ndarray, gate: np.ndarray | None, steps: int) -> Measured:
    """Return how far a current (time, batch, *shape) went, and the neurons it reached, as `graph` writes them."""
    most = np.zeros(current.shape[-1])
    u = v = np.zeros(current.shape[1:])
    for step in range(steps):
        g = 1.0 if gate is None else gate[step].reshape(len(gate[step]), *(1,) * (v.ndim - 2), -1)
        u = (1 - lif.du) * u + g * current[step if len(current) > 1 else 0]
        v = (1 - lif.dv) * v + u + g * bias
        most = np.maximum(most, np.maximum(_largest(u), _largest(v)))
        v = np.where(v > lif.v_threshold, 0.0, v)
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
