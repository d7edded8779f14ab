"""A folded float graph becomes integers that provably fit the hardware, with a report of what the rounding cost.

Knows no image: a range is proven from the weights, so that no image can leave it, or was measured by somebody else.

A spiking neuron does not care for the unit its current, bias and threshold are measured in. So every output channel has
a real scale of its own, `weight ~ scale * integer`, and its threshold and bias are integers in the same unit: nothing
needs a common scale but the read-out, whose sums are compared with each other. Where a channel's worst case would leave
its range at full bits, its scale grows until the case fits, and the report says how many bits are left; or, where ranges
measured on images are given, the channel is trusted to stay within a multiple of these, and the report says that.

The rule of rounding stands in `neurallnet_jax/network/rounding.py`, which training shares. Gates keep eight bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, cast

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
    find,
    hard_sigmoid,
)
from lava_port.ranges import (
    CURRENT_LIMIT,
    SUM_LIMIT,
    gate_sums,
    image_range,
    weight_inputs,
)
from lava_port.scales import (
    Fit,
    LayerRounding,
    Measured,
    bits,
    decays,
    relative_max,
    relative_rms,
    threshold_and_bias,
    whole_weights,
)
from neurallnet_jax.network import rounding

__all__ = ["LayerRounding", "quantise", "units"]

_GREATEST_SHIFT = 22


@dataclass(frozen=True, eq=False)
class _Current:
    """The current of a rounded layer, per channel: integer i stands for `unit * i`, apart from the real `bias`."""

    source: str
    unit: np.ndarray
    bias: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def bound(self) -> np.ndarray:
        return np.maximum(self.high, -self.low)


@dataclass(frozen=True, eq=False)
class _Piece:
    """What a rule makes of one node."""

    nodes: tuple[FixedNode, ...]
    rounding: LayerRounding | None = None
    current: _Current | None = None


@dataclass(frozen=True, eq=False)
class _Wish:
    """How a network is to be rounded."""

    bits: int
    measured: Mapping[str, Measured]


def quantise(
    graph: Graph, *, bits: int = rounding.MOST_BITS, measured: Mapping[str, Measured] | None = None
) -> tuple[FixedGraph, tuple[LayerRounding, ...]]:
    """Return the integer network of a folded graph, and what the rounding cost per layer.

    Args:
        graph: The folded graph.
        bits: Of the weights of convolutions and dense layers, sign included, 2 to 8.
        measured: By convolution or dense layer, how far its channels and their neurons went on images; used for the
            channels alone that the proof from the weights would take bits from.

    Raises:
        GraphError: The graph is not folded, a node has no rule, or a layer's numbers fit no range; the message names the
            layer, the value and the limit.
        ValueError: Too few or too many bits.
    """
    nodes, roundings, _ = _pieces(graph, _Wish(rounding.check_bits(bits), measured or {}))
    return FixedGraph(nodes, graph.steps, graph.classes), roundings


def units(
    graph: Graph, *, bits: int = rounding.MOST_BITS, measured: Mapping[str, Measured] | None = None
) -> dict[str, tuple[str, np.ndarray]]:
    """Return, by convolution or dense layer, the integer node that hands on its current and what its integers stand for.

    The second is the real value of one integer, per channel; arguments are those of `quantise`, and so are the integers.
    """
    currents = _pieces(graph, _Wish(rounding.check_bits(bits), measured or {}))[2]
    return {name: (current.source, current.unit) for name, current in currents.items()}


def _pieces(graph: Graph, wish: _Wish) -> tuple[tuple[FixedNode, ...], tuple[LayerRounding, ...], dict[str, _Current]]:
    nodes: list[FixedNode] = []
    roundings = []
    currents: dict[str, _Current] = {}
    for node in graph.nodes:
        piece = _quantise(node, graph, currents, wish)
        nodes += piece.nodes
        if piece.rounding is not None:
            roundings.append(piece.rounding)
        if piece.current is not None:
            currents[node.name] = piece.current
    return tuple(nodes), tuple(roundings), currents


# --- One rule per node


@singledispatch
def _quantise(node: Any, graph: Graph, currents: dict[str, _Current], wish: _Wish) -> _Piece:
    """Return the integer nodes of `node`, given the currents of the layers before it."""
    raise GraphError(
        f"node {node.name!r}: no rounding for {type(node).__name__}; "
        "add one with @_quantise.register in lava_port/quantise.py"
    )


@_quantise.register(NormNode)
@_quantise.register(AveragePoolNode)
@_quantise.register(GlobalAverageNode)
def _(node: Node, graph: Graph, currents: dict[str, _Current], wish: _Wish) -> _Piece:
    raise GraphError(f"node {node.name!r}: the graph is not folded; call passes.fold(graph) first")


@_quantise.register
def _(node: InputNode, graph: Graph, currents: dict[str, _Current], wish: _Wish) -> _Piece:
    return _Piece((FixedInput(node.name, node.shape, node.offset, white_level=node.white_level),))


@_quantise.register
def _(node: ConvNode, graph: Graph, currents: dict[str, _Current], wish: _Wish) -> _Piece:
    return _linear(node, node.kernel, graph, wish)


@_quantise.register
def _(node: DenseNode, graph: Graph, currents: dict[str, _Current], wish: _Wish) -> _Piece:
    return _linear(node, node.weight, graph, wish)


@_quantise.register
def _(node: LifNode, graph: Graph, currents: dict[str, _Current], wish: _Wish) -> _Piece:
    current = _heard(node, currents)
    du, dv = decays(node)
    inputs = (current.source, *node.inputs[1:])
    threshold, bias = threshold_and_bias(node.v_threshold, current.bias, current.unit)
    return _Piece((FixedLif(node.name, inputs, node.shape, du, dv, threshold.astype(np.int32), bias.astype(np.int32)),))


@_quantise.register
def _(node: ReadoutNode, graph: Graph, currents: dict[str, _Current], wish: _Wish) -> _Piece:
    current = _heard(node, currents)
    bias = np.rint(current.bias / current.unit).astype(np.int64)
    scale = float(current.unit[0]) / graph.steps
    return _Piece((FixedReadout(node.name, (current.source,), node.shape, bias, scale),))


@_quantise.register
def _(node: GateNode, graph: Graph, currents: dict[str, _Current], wish: _Wish) -> _Piece:
    current = _heard(node, currents)
    positions = int(np.prod(find(graph, node.inputs[0]).shape[:-1]))
    gate, step, bound = _gate(node, current, positions)
    matrix = node.reduce * current.unit / positions
    real = matrix / step[:, None]
    error = gate.reduce - real
    excite_real = _gate_slope(node, step, gate) * 2.0 ** gate.gate_shift[:, None]
    excite_error = gate.excite - excite_real
    rms = max(relative_rms(error, real), relative_rms(excite_error, excite_real))
    worst = max(relative_max(error, real), relative_max(excite_error, excite_real))
    rounding = LayerRounding(
        node.name, min(bits(gate.reduce), bits(gate.excite)), float(step.min()), float(step.max()), rms, worst,
        threshold_error=None, bias_error=None,
        current_bound=positions * int(current.bound.max()), current_limit=SUM_LIMIT,
        potential_bound=bound, potential_limit=SUM_LIMIT,
    )  # fmt: skip
    return _Piece((gate,), rounding)


# --- Convolutions and dense layers


def _linear(node: ConvNode | DenseNode, weight: np.ndarray, graph: Graph, wish: _Wish) -> _Piece:
    source, listener = find(graph, node.inputs[0]), _neurons_behind(node, graph)
    analogue = isinstance(source, InputNode)
    real = weight.reshape(len(weight), -1).astype(np.float64)
    real = real / source.scale if isinstance(source, InputNode) else real
    low, high = _heard_range(node, weight, cast("Node", source))
    bias = node.bias.astype(np.float64)
    if isinstance(listener, LifNode):
        gated = len(listener.inputs) > 1
        sums = SUM_LIMIT // int(np.prod(node.shape[:-1])) if gated else SUM_LIMIT
        limit, measured = min(CURRENT_LIMIT, sums), wish.measured.get(node.name)
        fit = Fit(node.name, real, low, high, bias, listener, graph.steps, limit, sums, wish.bits, measured)
    else:
        fit = Fit(node.name, real, low, high, bias, None, graph.steps, SUM_LIMIT, weight_bits=wish.bits)
    shift = fit.least_shift() if analogue else 0
    scale = fit.scales(shift)
    whole = fit.whole(scale)
    weight = whole.reshape(weight.shape).astype(np.int16)
    fixed: tuple[FixedNode, ...]
    if isinstance(node, ConvNode):
        geometry = (node.stride, node.padding, node.groups, node.dilation)
        fixed = (FixedConv(node.name, node.inputs, node.shape, weight, *geometry),)
    else:
        fixed = (FixedDense(node.name, node.inputs, node.shape, weight, node.shared),)
    if analogue:
        fixed += (FixedHold("hold", (node.name,), node.shape, shift),)
    least, most = fit.current(whole, shift)
    current = _Current(fixed[-1].name, scale * 2.0**shift, bias, least, most)
    return _Piece(fixed, fit.report(whole, scale, shift), current)


def _heard_range(node: ConvNode | DenseNode, weight: np.ndarray, source: Node) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and greatest input of every weight, (channels or 1, fan-in)."""
    channels = source.shape[-1]
    low, high = np.zeros(channels, np.int64), np.ones(channels, np.int64)
    if isinstance(source, InputNode):
        low, high = image_range(source.offset)
    groups, shared = (node.groups, False) if isinstance(node, ConvNode) else (1, node.shared)
    positions = int(np.prod(source.shape[:-1]))
    least, most = (
        weight_inputs(values, weight.shape, groups=groups, positions=positions, shared=shared) for values in (low, high)
    )
    return least, most


def _neurons_behind(node: ConvNode | DenseNode, graph: Graph) -> LifNode | ReadoutNode:
    behind = [other for other in graph.nodes if node.name in other.inputs and not isinstance(other, GateNode)]
    if len(behind) != 1 or not isinstance(behind[0], LifNode | ReadoutNode):
        heard = ", ".join(other.name for other in behind) or "nothing"
        raise GraphError(f"layer {node.name!r}: its current must reach one layer of neurons, but it reaches {heard}")
    return behind[0]


def _heard(node: GateNode | LifNode | ReadoutNode, currents: dict[str, _Current]) -> _Current:
    if node.inputs[0] not in currents:
        raise GraphError(
            f"node {node.name!r}: hears no current but {node.inputs[0]!r}; a convolution or dense layer fits"
        )
    return currents[node.inputs[0]]


# --- Gates


def _gate(node: GateNode, current: _Current, positions: int) -> tuple[FixedGate, np.ndarray, int]:
    """Return the gate, the real value of one step of `reduce` per unit of the spatial sum, and the largest sum."""
    squeeze_shift, reduce, reduce_bias, step, hidden = _reduction(node, current, positions)
    hidden_shift, excite, excite_bias, gate_shift, largest = _excitation(node, step * 2.0**squeeze_shift, hidden)
    initial = None if node.initial is None else np.rint(256 * hard_sigmoid(node.initial)).astype(np.int64)
    gate = FixedGate(
        node.name, (current.source,), node.shape,
        reduce=reduce.astype(np.int16), reduce_bias=reduce_bias + _half(hidden_shift),
        excite=excite.astype(np.int16), excite_bias=excite_bias,
        squeeze_shift=squeeze_shift, hidden_shift=hidden_shift, gate_shift=gate_shift,
        initial=initial, delay=node.delay,
    )  # fmt: skip
    return gate, step, max(int(hidden.max()), largest)


def _reduction(
    node: GateNode, current: _Current, positions: int
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return squeeze shift, reduce, its bias, the real value of a step of it, and the bounds of its sums."""
    sums = positions * current.bound
    matrix = node.reduce * current.unit / positions
    bias = node.reduce_bias + node.reduce.astype(np.float64) @ current.bias
    for shift in range(32):
        step = np.maximum(np.abs(matrix).max(axis=1) / 254, np.abs(bias) / 2.0 ** (26 + shift))
        step = np.where(step > 0, step, np.ones_like(step))
        reduce = whole_weights(matrix, step)
        reduce_bias = np.rint(bias / (step * 2.0**shift)).astype(np.int64)
        hidden = gate_sums(sums >> shift, reduce, reduce_bias)
        if hidden.max() <= SUM_LIMIT // 2:
            return shift, reduce, reduce_bias, step, hidden
    raise GraphError(f"layer {node.name!r}: {len(sums)} channels are too many for sums of 32 bits; use fewer")


def _excitation(
    node: GateNode, unit: np.ndarray, hidden: np.ndarray
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, int]:
    """Return hidden shift, excite, its bias, gate shift and the largest sum; `hidden` bounds the sums before the shift."""
    middle = 256 / 6 * node.excite_bias.astype(np.float64) + 128
    for hidden_shift in range(32):
        slope = 256 / 6 * node.excite * (unit * 2.0**hidden_shift)
        top = np.maximum(np.abs(slope).max(axis=1), 254 * 2.0**-_GREATEST_SHIFT)
        room = (1 << 29) / np.maximum(np.abs(middle), 128)
        shift = np.floor(np.log2(np.minimum(254 / top, room))).astype(np.int64)
        if shift.min() < 0:
            break
        excite = whole_weights(slope * 2.0 ** shift[:, None], np.ones(len(slope)))
        bias = np.rint(middle * 2.0**shift).astype(np.int64) + _half(shift)
        largest = int(gate_sums(hidden >> hidden_shift, excite, bias).max())
        if largest <= SUM_LIMIT:
            return hidden_shift, excite, bias, shift, largest
    channel = int(np.abs(node.excite).max(axis=1).argmax())
    raise GraphError(
        f"layer {node.name!r}: channel {channel}: excitation weights up to {np.abs(node.excite).max():.3g} with a bias of "
        f"{node.excite_bias[channel]:.3g} leave sums of 32 bits at a gate of 256 steps; train with smaller weights"
    )


def _gate_slope(node: GateNode, step: np.ndarray, gate: FixedGate) -> np.ndarray:
    """Return the gate's steps of 1/256 per unit of its hidden layer, (channels, hidden)."""
    return 256 / 6 * node.excite * (step * 2.0 ** (gate.squeeze_shift + gate.hidden_shift))


def _half(shift: Any) -> Any:
    """Return half of 2^shift: added before a shift towards zero, it rounds positive sums to nearest."""
    return (1 << np.asarray(shift, np.int64)) >> 1
