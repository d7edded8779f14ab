"""What Lava's processes, stock and ours, cannot run as a graph reads: refused before anything is started.

Knows the graph and Lava's limits, not Lava itself.
"""

import numpy as np

from lava_port.graph import (
    AveragePoolNode,
    ConvNode,
    DenseNode,
    FixedConv,
    FixedDense,
    FixedGate,
    FixedGraph,
    FixedHold,
    FixedInput,
    FixedLif,
    FixedNode,
    FixedReadout,
    GateNode,
    GlobalAverageNode,
    Graph,
    GraphError,
    InputNode,
    LifNode,
    Node,
    NormNode,
    find,
)

__all__ = ["STOCK_CONV_BITS", "WIRE_BITS", "check"]

WIRE_BITS = 31
"""Magnitude bits of a message."""
STOCK_CONV_BITS = 23
"""Magnitude bits of a current beyond which Lava's own convolution wraps."""


def check(graph: Graph | FixedGraph, *, stock_conv: bool = False) -> None:
    """Refuse a graph that would run in Lava otherwise than it reads.

    Args:
        graph: The network, in floats (folded) or in integers.
        stock_conv: Whether Lava's own model of convolution is to run; in integers only.

    Raises:
        GraphError: The message names the node.
    """
    if isinstance(graph, FixedGraph):
        _check_integers(graph, stock_conv)
    elif stock_conv:
        raise GraphError("Lava's own convolution runs the integer network only; leave stock_conv out")
    else:
        _check_floats(graph)


def _check_floats(graph: Graph) -> None:
    for node in graph.nodes:
        source = find(graph, node.inputs[0]) if node.inputs else None
        match node:
            case NormNode() | AveragePoolNode() | GlobalAverageNode():
                raise GraphError(f"node {node.name!r}: the graph is not folded; call passes.fold(graph) first")
            case ConvNode() | DenseNode() if not isinstance(source, InputNode | LifNode):
                raise _hears_neither(node, source)
            case LifNode() if len(node.inputs) > 1:
                _check_gate(node, find(graph, node.inputs[1]))
        if isinstance(node, ConvNode):
            _check_padding(node)


def _check_integers(graph: FixedGraph, stock_conv: bool) -> None:
    once: set[str] = set()
    for node in graph.nodes:
        source = find(graph, node.inputs[0]) if node.inputs else None
        if (isinstance(node, FixedConv | FixedDense) and isinstance(source, FixedInput)) or source is None:
            once.add(node.name)
        match node:
            case FixedConv():
                _check_padding(node)
                _check_current(node, source, 1, STOCK_CONV_BITS if stock_conv else WIRE_BITS)
            case FixedDense():
                positions = int(np.prod(source.shape[:-1])) if node.shared and source is not None else 1
                _check_current(node, source, positions, WIRE_BITS)
            case FixedHold() if node.inputs[0] not in once:
                raise GraphError(
                    f"node {node.name!r}: holds what arrives once, but its input {node.inputs[0]!r} goes on"
                )
            case FixedGate() | FixedLif() | FixedReadout() if node.inputs[0] in once and graph.steps > 1:
                raise GraphError(
                    f"node {node.name!r}: its input {node.inputs[0]!r} arrives in one step only; "
                    "put a FixedHold between them"
                )
        if isinstance(node, FixedLif) and len(node.inputs) > 1:
            _check_gate(node, find(graph, node.inputs[1]))


def _check_gate(node: LifNode | FixedLif, gate: Node | FixedNode) -> None:
    kind = FixedGate if isinstance(node, FixedLif) else GateNode
    if not isinstance(gate, kind) or gate.inputs[0] != node.inputs[0]:
        raise GraphError(
            f"node {node.name!r}: its gate {node.inputs[1]!r} must be a {kind.__name__} on {node.inputs[0]!r}"
        )


def _check_padding(node: ConvNode | FixedConv) -> None:
    if any(before != after for before, after in node.padding):
        raise GraphError(f"node {node.name!r}: padding {node.padding} is not symmetric; Lava pads both sides alike")


def _check_current(node: FixedConv | FixedDense, source: Node | FixedNode | None, positions: int, bits: int) -> None:
    """Refuse what is neither image nor spikes, and weights whose sum could leave the bits."""
    match source:
        case FixedInput():
            largest = max(max(abs(offset), abs(255 - offset)) for offset in source.offset)
        case FixedLif():
            largest = 1
        case _:
            raise _hears_neither(node, source)
    sums = np.abs(node.weight.astype(np.int64)).reshape(len(node.weight), -1).sum(axis=1)
    reach = int(sums.max()) * positions * largest
    if reach >= 1 << bits:
        raise GraphError(f"node {node.name!r}: its current may reach {reach}, beyond the {bits} bits that Lava has")


def _hears_neither(node: ConvNode | DenseNode | FixedConv | FixedDense, source: Node | FixedNode | None) -> GraphError:
    kind = type(source).__name__
    return GraphError(f"node {node.name!r}: hears {node.inputs[0]!r}, a {kind}; expected the image or spikes")
