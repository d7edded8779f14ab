"""Whether the numbers of a graph fit together: types, shapes and ranges of every field, node by node.

Knows no file and no backend. What passes here every interpreter can run; what does not is refused by node and field.
"""

import types
import typing
from collections.abc import Sequence
from functools import singledispatch
from typing import Any

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
    ReadoutNode,
    Shape,
    find,
)

__all__ = ["check", "check_types"]


def check(graph: Graph | FixedGraph) -> None:
    """Refuse a graph whose nodes do not fit each other.

    Raises:
        GraphError: The message names the node, the field, what was found and what fits.
    """
    for node in graph.nodes:
        check_types(node)
        _need(
            node, "shape", len(node.shape) in (1, 3) and min(node.shape) >= 1, "(height, width, channels) or (units,)"
        )
        _check(node, [find(graph, name).shape for name in node.inputs])


def check_types(node: Node | FixedNode) -> None:
    """Refuse a node a field of which is of another type than its dataclass says.

    Raises:
        GraphError: The message names node, field, value and type.
    """
    for field, hint in typing.get_type_hints(type(node)).items():
        value = getattr(node, field)
        _need(node, field, _is(value, hint), f"a value of type {getattr(hint, '__name__', hint)}")
        if isinstance(value, np.ndarray):
            whole = isinstance(node, typing.get_args(FixedNode))
            kinds, words = ("iu", "whole numbers") if whole else ("fiu", "numbers")
            _need(node, field, value.dtype.kind in kinds, f"an array of {words}", str(value.dtype))


# --- One rule per node: does it fit what it hears, given as shapes?


@singledispatch
def _check(node: Any, heard: Sequence[Shape]) -> None:
    raise GraphError(
        f"node {node.name!r}: no check for {type(node).__name__}; add one with @_check.register in lava_port/shapes.py"
    )


@_check.register(InputNode)
@_check.register(FixedInput)
def _(node: InputNode | FixedInput, heard: Sequence[Shape]) -> None:
    _need(node, "inputs", not heard, "none")
    _need(node, "shape", len(node.shape) == 3, "(height, width, channels)")
    _need(node, "offset", len(node.offset) == node.shape[-1], f"{node.shape[-1]} numbers, one per channel")
    level = node.white_level
    _need(node, "white_level", level is None or 1 <= level <= 255, "a whole number in 1..255, or none")
    if isinstance(node, InputNode):
        _need(node, "scale", node.scale > 0, "a number above zero")


@_check.register(ConvNode)
@_check.register(FixedConv)
def _(node: ConvNode | FixedConv, heard: Sequence[Shape]) -> None:
    (source,) = _heard(node, heard, 1)
    field = "kernel" if isinstance(node, ConvNode) else "weight"
    kernel = getattr(node, field)
    _need(node, "inputs", len(source) == 3, "one with (height, width, channels)")
    _need(
        node,
        "groups",
        node.groups >= 1 and kernel.ndim == 4 and len(kernel) % node.groups == 0,
        "a divisor of the outputs",
    )
    _need(node, "stride", len(node.stride) == 2 and min(node.stride) >= 1, "two numbers of at least 1")
    _need(node, "dilation", len(node.dilation) == 2 and min(node.dilation) >= 1, "two numbers of at least 1")
    pads = [side for pair in node.padding for side in pair]
    _need(node, "padding", len(pads) == 4 and min(pads) >= 0, "((top, bottom), (left, right)) of at least 0")
    channels = source[2] // node.groups if source[2] % node.groups == 0 else -1
    _need(
        node, "kernel", kernel.shape[1] == channels, f"{source[2]} input channels in {node.groups} groups", kernel.shape
    )
    size = tuple(
        (extent + sum(pad) - dilation * (taps - 1) - 1) // stride + 1
        for extent, pad, taps, stride, dilation in zip(
            source[:2], node.padding, kernel.shape[2:], node.stride, node.dilation, strict=True
        )
    )
    _need(node, "shape", node.shape == (*size, len(kernel)), str((*size, len(kernel))))
    if isinstance(node, ConvNode):
        _per_channel(node, "bias")


@_check.register(DenseNode)
@_check.register(FixedDense)
def _(node: DenseNode | FixedDense, heard: Sequence[Shape]) -> None:
    (source,) = _heard(node, heard, 1)
    fan_in = source[-1] if node.shared else int(np.prod(source))
    _need(node, "weight", node.weight.shape == (*node.shape, fan_in), str((*node.shape, fan_in)), node.weight.shape)
    if isinstance(node, DenseNode):
        _per_channel(node, "bias")


@_check.register
def _(node: NormNode, heard: Sequence[Shape]) -> None:
    _same(node, heard)
    _per_channel(node, "scale", "shift")


@_check.register
def _(node: AveragePoolNode, heard: Sequence[Shape]) -> None:
    (source,) = _heard(node, heard, 1)
    _need(node, "window", node.window >= 1, "at least 1")
    fits = len(source) == 3 and source == (*(node.window * n for n in node.shape[:-1]), node.shape[-1])
    _need(node, "shape", fits, f"{source} divided by a window of {node.window}")


@_check.register
def _(node: GlobalAverageNode, heard: Sequence[Shape]) -> None:
    (source,) = _heard(node, heard, 1)
    _need(node, "shape", len(source) == 3 and node.shape == source[2:], str(source[-1:]))


@_check.register
def _(node: FixedHold, heard: Sequence[Shape]) -> None:
    _same(node, heard)
    _need(node, "shift", 0 <= node.shift < 64, "0 to 63")


@_check.register(GateNode)
@_check.register(FixedGate)
def _(node: GateNode | FixedGate, heard: Sequence[Shape]) -> None:
    (source,) = _heard(node, heard, 1)
    _need(node, "shape", node.shape == source[-1:], str(source[-1:]))
    hidden, channels = len(node.reduce_bias), source[-1]
    _need(node, "reduce", node.reduce.shape == (hidden, channels), str((hidden, channels)), node.reduce.shape)
    _need(node, "excite", node.excite.shape == (channels, hidden), str((channels, hidden)), node.excite.shape)
    _per_channel(node, "excite_bias")
    _need(
        node,
        "delay",
        node.delay >= 0 and (node.delay == 0) == (node.initial is None),
        "0 without initial gates, else with",
    )
    if node.initial is not None:
        _per_channel(node, "initial")
    if isinstance(node, FixedGate):
        _per_channel(node, "gate_shift")
        shifts = [node.squeeze_shift, node.hidden_shift, int(node.gate_shift.min()), int(node.gate_shift.max())]
        _need(node, "shifts", min(shifts) >= 0 and max(shifts) < 64, "0 to 63", shifts)


@_check.register
def _(node: LifNode, heard: Sequence[Shape]) -> None:
    _neurons(node, heard)
    _need(node, "du", 0 <= node.du <= 1, "0 to 1")
    _need(node, "dv", 0 <= node.dv <= 1, "0 to 1")


@_check.register
def _(node: FixedLif, heard: Sequence[Shape]) -> None:
    _neurons(node, heard)
    _per_channel(node, "threshold", "bias")
    _need(node, "du", 0 <= node.du <= 4095, "0 to 4095")
    _need(node, "dv", 0 <= node.dv <= 4096, "0 to 4096")


@_check.register
def _(node: ReadoutNode, heard: Sequence[Shape]) -> None:
    _same(node, heard)


@_check.register
def _(node: FixedReadout, heard: Sequence[Shape]) -> None:
    _same(node, heard)
    _per_channel(node, "bias")
    _need(node, "scale", node.scale > 0, "a number above zero")


# --- What the rules share


def _heard(node: Node | FixedNode, heard: Sequence[Shape], *counts: int) -> Sequence[Shape]:
    _need(node, "inputs", len(heard) in counts, " or ".join(map(str, counts)))
    return heard


def _same(node: Node | FixedNode, heard: Sequence[Shape]) -> None:
    (source,) = _heard(node, heard, 1)
    _need(node, "shape", node.shape == source, str(source))


def _neurons(node: LifNode | FixedLif, heard: Sequence[Shape]) -> None:
    source, *gates = _heard(node, heard, 1, 2)
    _need(node, "shape", node.shape == source, str(source))
    _need(node, "inputs", all(gate == source[-1:] for gate in gates), f"a gate for each of {source[-1]} channels")


def _per_channel(node: Node | FixedNode, *fields: str) -> None:
    for field in fields:
        shape = getattr(node, field).shape
        _need(node, field, shape == node.shape[-1:], f"{node.shape[-1]} numbers, one per channel", shape)


def _need(node: Node | FixedNode, field: str, fits: bool, expected: str, found: Any = None) -> None:
    if not fits:
        found = getattr(node, field) if found is None else found
        words = f"an array {found.shape}" if isinstance(found, np.ndarray) else repr(found)
        raise GraphError(f"node {node.name!r}: {field} is {words}; expected {expected}")


def _is(value: Any, hint: Any) -> bool:
    """Return whether a value is of the type that a field of a node declares."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_is(value, one) for one in arguments)
    if origin is tuple:
        variable = len(arguments) == 2 and arguments[1] is Ellipsis
        if not isinstance(value, tuple) or not (variable or len(value) == len(arguments)):
            return False
        return all(_is(item, arguments[0 if variable else place]) for place, item in enumerate(value))
    if hint in (int, float):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        return whole or (hint is float and isinstance(value, float | np.floating))
    return isinstance(value, hint)
