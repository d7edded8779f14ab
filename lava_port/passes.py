"""Float graph in, float graph out: batch norms and averages disappear into the weights beside them.

Knows no integers and no checkpoint. The float reference gives the same potentials before and after, within rounding.
"""

import dataclasses
import math
from typing import cast

import numpy as np

from lava_port.graph import (
    AveragePoolNode,
    ConvNode,
    DenseNode,
    GlobalAverageNode,
    Graph,
    GraphError,
    Node,
    NormNode,
    find,
)

__all__ = ["fold", "fold_batch_norm", "fold_pooling"]


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
