"""Float graph in, float graph out: batch norms and averages disappear into the weights beside them, gates on request.

Knows no integers and no checkpoint. The float reference gives the same potentials before and after a fold, within
rounding; freezing gates changes the network, and whoever asks for it reports by how much.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import cast

import numpy as np

from lava_port.graph import (
    AveragePoolNode,
    ConvNode,
    DenseNode,
    GateNode,
    GlobalAverageNode,
    Graph,
    GraphError,
    LifNode,
    Node,
    NormNode,
    find,
)
from lava_port.trace import Trace, check_belongs

__all__ = ["fold", "fold_batch_norm", "fold_pooling", "freeze_gates", "mean_gates", "traced_gates"]


def fold(graph: Graph) -> Graph:
    """Return `graph` without batch norms and averages: what `quantise` reads."""
    return fold_pooling(fold_batch_norm(graph))


def fold_batch_norm(graph: Graph) -> Graph:
    """Return `graph` with every batch norm folded into the convolution or dense layer before it.

    kernel' = kernel scale,  bias' = bias scale + shift;  an average pool between the two lets both pass unchanged.

    Raises:
        GraphError: A batch norm without such a layer before it, or one whose layer is heard elsewhere as well.
    """
    # One after the other, looked up anew: a norm behind another hears the convolution once the first is folded.
    for name in [node.name for node in graph.nodes if isinstance(node, NormNode)]:
        norm = cast("NormNode", find(graph, name))
        linear = _linear_before(graph, norm, AveragePoolNode)
        bias = (linear.bias.astype(np.float64) * norm.scale + norm.shift).astype(np.float64)
        if isinstance(linear, ConvNode):
            kernel = linear.kernel.astype(np.float64) * norm.scale[:, None, None, None]
            folded = dataclasses.replace(linear, kernel=kernel, bias=bias)
        else:
            folded = dataclasses.replace(
                linear, weight=linear.weight.astype(np.float64) * norm.scale[:, None], bias=bias
            )
        graph = _without(_replaced(graph, folded), norm)
    return graph


def fold_pooling(graph: Graph) -> Graph:
    """Return `graph` with averages folded: of currents into the convolution before, of spikes into the dense layer after.

    With window w, a convolution of kernel k, stride s and dilation d becomes one of dilation g = gcd(s, d), of kernel
    ((w - 1) s + (k - 1) d) / g + 1 and of stride w s, with the same padding; its kernel is the sum of w x w copies, each
    shifted by s, over w^2. Without dilation that is a kernel of (w - 1) s + k. Taps between the copies are zero.

    Raises:
        GraphError: A pool without a convolution before it, or a global average without a dense layer after it.
    """
    for pool in [node for node in graph.nodes if isinstance(node, AveragePoolNode)]:
        conv = _linear_before(graph, pool, NormNode)
        if not isinstance(conv, ConvNode):
            raise GraphError(f"node {pool.name!r}: pools no convolution but {conv.name!r}")
        graph = _without(_reshaped(graph, pool, _pooled(conv, pool)), pool)
    for average in [node for node in graph.nodes if isinstance(node, GlobalAverageNode)]:
        graph = _fold_global_average(graph, average)
    return graph


def freeze_gates(graph: Graph, gates: Mapping[str, np.ndarray]) -> Graph:
    """Return `graph` with every gate held at one value per channel: a `NormNode` that scales current and bias alike.

    The network is another one afterwards, unless its gates were constant; `fold` takes the scales into the weights.

    Args:
        graph: The network, folded or not.
        gates: Gate of each channel in [0, 1], (channels,), by the name of the gate's node.

    Raises:
        GraphError: A gate without its values, values for a node that is no gate, or of another shape or range; a gate
            that something else than neurons hears.
    """
    frozen = {node.name: _frozen_gate(graph, node, gates) for node in graph.nodes if isinstance(node, GateNode)}
    unknown = sorted(set(gates) - set(frozen))
    if unknown:
        raise GraphError(f"no gate {unknown[0]!r} to freeze; there are {', '.join(frozen) or 'none'}")
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node, LifNode) and node.inputs[-1] in frozen:
            node = dataclasses.replace(node, inputs=node.inputs[1:])
        nodes.append(frozen.get(node.name, node))
    return dataclasses.replace(graph, nodes=tuple(nodes))


def mean_gates(graph: Graph, trace: Trace) -> dict[str, np.ndarray]:
    """Return the mean over steps and images of every gate, (channels,) in [0, 1]; arguments as `traced_gates`."""
    return {name: values.mean(axis=(0, 1)) for name, values in traced_gates(graph, trace).items()}


def traced_gates(graph: Graph, trace: Trace) -> dict[str, np.ndarray]:
    """Return every gate as a trace holds it, (steps, batch, channels) in [0, 1], by the name of the gate's node.

    Args:
        graph: The network.
        trace: What the float reference saw when it ran `graph`.

    Raises:
        GraphError: The trace is of another network, or holds no gate where the graph has one.
    """
    check_belongs(graph, trace)
    found: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        gate = find(graph, node.inputs[-1]) if isinstance(node, LifNode) else None
        if isinstance(gate, GateNode):
            values = trace.layer(node.name).gate
            if values is None:
                raise GraphError(f"layer {node.name!r}: the trace holds no gate, though {gate.name!r} gates it")
            found[gate.name] = values.astype(np.float64)
    return found


def _frozen_gate(graph: Graph, gate: GateNode, gates: Mapping[str, np.ndarray]) -> NormNode:
    for node in _listeners(graph, gate):
        if not isinstance(node, LifNode) or node.inputs != (gate.inputs[0], gate.name):
            raise GraphError(f"node {gate.name!r}: gates {node.name!r}, which are no neurons of the current it hears")
    if gate.name not in gates:
        raise GraphError(
            f"node {gate.name!r}: no values to freeze it at; there are some for {', '.join(gates) or 'none'}"
        )
    values = np.asarray(gates[gate.name], np.float64)
    if values.shape != gate.shape:
        raise GraphError(f"node {gate.name!r}: frozen at values of shape {values.shape}, expected {gate.shape}")
    outside = values[~((values >= 0) & (values <= 1))]
    if len(outside):
        raise GraphError(f"node {gate.name!r}: frozen at {outside[0]:.4g}; a gate lies in [0, 1]")
    shape = find(graph, gate.inputs[0]).shape
    return NormNode(gate.name, gate.inputs, shape, scale=values, shift=np.zeros_like(values))


def _pooled(conv: ConvNode, pool: AveragePoolNode) -> ConvNode:
    window, taps = pool.window, conv.kernel.shape[2:]
    dilation = tuple(map(math.gcd, conv.stride, conv.dilation))
    # All in taps of the new kernel: how far a copy is shifted, and how far its own taps lie apart.
    down, across = (stride // unit for stride, unit in zip(conv.stride, dilation, strict=True))
    apart = tuple(own // unit for own, unit in zip(conv.dilation, dilation, strict=True))
    height, width = (step * (count - 1) + 1 for step, count in zip(apart, taps, strict=True))
    kernel = np.zeros((*conv.kernel.shape[:2], (window - 1) * down + height, (window - 1) * across + width))
    for row, column in np.ndindex(window, window):
        y, x = row * down, column * across
        kernel[:, :, y : y + height : apart[0], x : x + width : apart[1]] += conv.kernel
    stride = (conv.stride[0] * window, conv.stride[1] * window)
    return dataclasses.replace(conv, kernel=kernel / window**2, stride=stride, dilation=dilation, shape=pool.shape)


def _reshaped(graph: Graph, pool: AveragePoolNode, conv: ConvNode) -> Graph:
    """Return `graph` with `conv` in place and the norms between it and the pool at the pooled size."""
    graph = _replaced(graph, conv)
    node = find(graph, pool.inputs[0])
    while isinstance(node, NormNode):
        graph = _replaced(graph, dataclasses.replace(node, shape=pool.shape))
        node = find(graph, node.inputs[0])
    return graph


def _fold_global_average(graph: Graph, average: GlobalAverageNode) -> Graph:
    height, width, _ = find(graph, average.inputs[0]).shape
    for node in _listeners(graph, average):
        if not isinstance(node, DenseNode):
            raise GraphError(
                f"node {average.name!r}: is heard by {node.name!r}; only a dense layer can take the mean in"
            )
        weight = node.weight.astype(np.float64) / (height * width)
        graph = _replaced(graph, dataclasses.replace(node, weight=weight, shared=True))
    return _without(graph, average)


def _linear_before(graph: Graph, node: NormNode | AveragePoolNode, between: type) -> ConvNode | DenseNode:
    """Return the convolution or dense layer whose current reaches `node`, and nothing else, through `between` nodes."""
    source = find(graph, node.inputs[0])
    path: list[Node] = [source]  # pyright: ignore[reportAssignmentType]
    while isinstance(source, between):
        source = find(graph, source.inputs[0])
        path.append(source)  # pyright: ignore[reportArgumentType]
    if not isinstance(source, ConvNode | DenseNode):
        raise GraphError(f"node {node.name!r}: cannot be folded into {source.name!r}, a {type(source).__name__}")
    for step in path:
        if len(_listeners(graph, step)) > 1:
            raise GraphError(f"node {node.name!r}: cannot be folded, {step.name!r} is heard by other nodes as well")
    return source


def _listeners(graph: Graph, source: Node) -> list[Node]:
    return [node for node in graph.nodes if source.name in node.inputs]


def _replaced(graph: Graph, new: Node) -> Graph:
    return dataclasses.replace(graph, nodes=tuple(new if node.name == new.name else node for node in graph.nodes))


def _without(graph: Graph, gone: Node) -> Graph:
    """Return `graph` without `gone`; who heard it hears what it heard."""
    kept = tuple(
        dataclasses.replace(node, inputs=tuple(gone.inputs[0] if name == gone.name else name for name in node.inputs))
        for node in graph.nodes
        if node.name != gone.name
    )
    return dataclasses.replace(graph, nodes=kept)
