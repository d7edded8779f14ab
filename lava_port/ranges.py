"""How far the numbers of an integer network can go, proven from its weights: intervals per channel.

Knows no image and no backend; `quantise` chooses scales by these intervals, `emulator` its arithmetic.
"""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from lava_port.graph import (
    FixedConv,
    FixedDense,
    FixedGate,
    FixedGraph,
    FixedHold,
    FixedInput,
    FixedLif,
    FixedReadout,
    GraphError,
    find,
)

__all__ = [
    "CURRENT_LIMIT",
    "POTENTIAL_LIMIT",
    "SUM_LIMIT",
    "Range",
    "current_range",
    "gate_sums",
    "image_range",
    "potential_bound",
    "ranges",
    "weight_inputs",
]

CURRENT_LIMIT = (1 << 17) - 1
"""Largest current and threshold in weight units: shifted left by 6 they stay within 24 bits."""
POTENTIAL_LIMIT = (1 << 23) - 1
SUM_LIMIT = (1 << 31) - 1
"""Every sum on the way fits 32 bits, so that a backend without 64-bit integers is exact."""


@dataclass(frozen=True, eq=False)
class Range:
    """What a node can hand on, and the largest number on its way there.

    Attributes:
        low: Least value, int64 (channels,), at most 0.
        high: Greatest value, at least 0.
        sums: Largest number, either sign, that computing it can meet.
    """

    low: np.ndarray
    high: np.ndarray
    sums: int

    @property
    def bound(self) -> np.ndarray:
        """Largest value of either sign, (channels,)."""
        return np.maximum(self.high, -self.low)


def ranges(graph: FixedGraph) -> dict[str, Range]:
    """Return the range of every node by name.

    Raises:
        GraphError: A node no rule knows.
    """
    result: dict[str, Range] = {}
    for node in graph.nodes:
        heard = result[node.inputs[0]] if node.inputs else Range(np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
        shape = find(graph, node.inputs[0]).shape if node.inputs else ()
        result[node.name] = _range(node, heard, int(np.prod(shape[:-1])), graph.steps)
    return result


def image_range(offset: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and greatest integer of every colour channel, the zero of the padding included."""
    shift = np.array(offset, np.int64)
    return np.minimum(-shift, 0), np.maximum(255 - shift, 0)


def weight_inputs(
    values: np.ndarray, shape: tuple[int, ...], *, groups: int, positions: int, shared: bool
) -> np.ndarray:
    """Return what each weight multiplies, (outputs or 1, fan-in), from one value per channel of the source.

    Args:
        values: Value per channel of the source.
        shape: Of the weight, (out, in / groups, height, width) or (out, in).
        groups: Groups of a convolution.
        positions: Height times width of the source.
        shared: Whether a dense layer sums over the positions.
    """
    if len(shape) == 2:
        return (values * positions if shared else np.tile(values, positions))[None]
    outs, ins, height, width = shape
    group = np.arange(outs) // (outs // groups)
    return values[(group[:, None] * ins + np.arange(ins)).repeat(height * width, axis=1)]


def current_range(weight: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return least and greatest sum per output of a weight (out, fan-in) on inputs in low .. high, which hold zero.

    No partial sum, in whatever order, leaves these bounds either.
    """
    up, down = np.maximum(weight, 0), np.minimum(weight, 0)
    return (up * low + down * high).sum(axis=1), (up * high + down * low).sum(axis=1)


def potential_bound(
    low: np.ndarray, high: np.ndarray, threshold: np.ndarray, bias: np.ndarray, *, du: int, dv: int, steps: int
) -> np.ndarray:
    """Return the largest current or potential, either sign, that neurons reach in their window, (channels,).

    Args:
        low: Least current that arrives in a step, at most 0; so a gate of at most 256 leaves it in its range.
        high: Greatest.
        threshold: In weight units. A potential that survives a step lies at its threshold at most.
        bias: In units of the potential.
        du: Decay of the current, as `FixedLif` holds it.
        dv: Decay of the potential.
        steps: T.
    """
    bound = np.zeros(len(low), np.int64)
    for current, shift, greatest in (
        (high, np.maximum(bias, 0), threshold << 6),
        (-low, np.maximum(-bias, 0), 1 << 62),
    ):
        u, v = np.zeros_like(bound), np.zeros_like(bound)
        for _ in range(steps):
            u = ((u * (4095 - du)) >> 12) + (current << 6)
            v = ((np.minimum(v, greatest) * (4096 - dv)) >> 12) + u + shift
            bound = np.maximum.reduce([bound, u, v])
    return bound


def gate_sums(inputs: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the largest sums, (outputs,), of `weight @ x + bias` with |x| at most `inputs`."""
    return np.abs(weight.astype(np.int64)) @ inputs + np.abs(bias)


# --- One rule per node


@singledispatch
def _range(node: Any, heard: Range, positions: int, steps: int) -> Range:
    """Return the range of `node`, given that of its input and the positions it has in space."""
    raise GraphError(
        f"node {node.name!r}: no range for {type(node).__name__}; add one with @_range.register in lava_port/ranges.py"
    )


@_range.register
def _(node: FixedInput, heard: Range, positions: int, steps: int) -> Range:
    low, high = image_range(node.offset)
    return Range(low, high, int(max(high.max(), -low.min())))


@_range.register(FixedConv)
@_range.register(FixedDense)
def _(node: FixedConv | FixedDense, heard: Range, positions: int, steps: int) -> Range:
    groups, shared = (node.groups, False) if isinstance(node, FixedConv) else (1, node.shared)
    low, high = (
        weight_inputs(values, node.weight.shape, groups=groups, positions=positions, shared=shared)
        for values in (heard.low, heard.high)
    )
    least, most = current_range(node.weight.reshape(len(node.weight), -1).astype(np.int64), low, high)
    return Range(least, most, int(max(most.max(), -least.min())))


@_range.register
def _(node: FixedHold, heard: Range, positions: int, steps: int) -> Range:
    return Range(-(-heard.low >> node.shift), heard.high >> node.shift, heard.sums)


@_range.register
def _(node: FixedGate, heard: Range, positions: int, steps: int) -> Range:
    squeezed = heard.bound * positions
    hidden = gate_sums(squeezed >> node.squeeze_shift, node.reduce, node.reduce_bias)
    gate = gate_sums(hidden >> node.hidden_shift, node.excite, node.excite_bias)
    channels = len(gate)
    sums = int(max(squeezed.max(), hidden.max(), gate.max()))
    return Range(np.zeros(channels, np.int64), np.full(channels, 256), sums)


@_range.register
def _(node: FixedLif, heard: Range, positions: int, steps: int) -> Range:
    bias = node.bias.astype(np.int64)
    # The potential is clipped, so before the clip it exceeds its limit by one step's current and bias at most.
    current = potential_bound(
        -heard.bound, heard.bound, node.threshold.astype(np.int64), bias * 0, du=node.du, dv=4096, steps=steps
    )
    channels = len(bias)
    return Range(
        np.zeros(channels, np.int64), np.ones(channels, np.int64), int((current + np.abs(bias)).max()) + POTENTIAL_LIMIT
    )


@_range.register
def _(node: FixedReadout, heard: Range, positions: int, steps: int) -> Range:
    low, high = steps * (heard.low + np.minimum(node.bias, 0)), steps * (heard.high + np.maximum(node.bias, 0))
    return Range(low, high, int(max(high.max(), -low.min())))
