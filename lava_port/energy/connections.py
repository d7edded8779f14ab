"""Which weights an event meets: the exact fan-out of every input of a convolution or dense layer.

Knows neither spikes nor energy; borders, stride, padding, dilation and groups are all it deals with.
"""

import math
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from lava_port.graph import FixedConv, FixedDense, GraphError, Shape

__all__ = ["Reach", "fan_out", "reach"]


@dataclass(frozen=True, eq=False)
class Reach:
    """Which inputs meet which outputs: `rows[y, oy] * columns[x, ox] * channels[c, oc]` weights lie between (y, x, c) and
    (oy, ox, oc); a vector counts as one position.

    Attributes:
        rows: int64 (height, output height).
        columns: int64 (width, output width).
        channels: int64 (channels, output channels).
        taps: Weights that the layer holds for one pair of input and output channel, whatever the number of positions.
    """

    rows: np.ndarray
    columns: np.ndarray
    channels: np.ndarray
    taps: int


@singledispatch
def fan_out(node: object, shape: Shape, *, nonzero: bool = False) -> np.ndarray:
    """Return how many weights an event at each input of `node` meets.

    For a convolution with kernel position k, stride s, padding p and dilation d, input row y reaches output row o through
    k where `o s + k d - p = y`, and likewise for columns; positions near a border meet fewer weights than those inside.

    Args:
        node: A layer with weights.
        shape: Shape of its input, (height, width, channels) or (units,).
        nonzero: Whether to count only weights that are not zero.

    Returns:
        int64 array of shape `shape`.

    Raises:
        GraphError: The node's weights or output do not fit `shape`.
        TypeError: No rule knows the node.
    """
    raise TypeError(
        f"node {getattr(node, 'name', '?')!r}: no fan-out for {type(node).__name__}; "
        "add one with @fan_out.register in lava_port/energy/connections.py"
    )


@fan_out.register
def _(node: FixedConv, shape: Shape, *, nonzero: bool = False) -> np.ndarray:
    rows, columns = _conv_axes(node, shape)
    outputs, inputs, height, width = node.weight.shape
    by_group = node.weight.reshape(node.groups, outputs // node.groups, inputs, height, width)
    met = (by_group != 0) if nonzero else np.ones_like(by_group, dtype=bool)
    per_channel = met.sum(axis=1, dtype=np.int64).reshape(node.groups * inputs, height, width)
    return np.einsum("yk,xl,ckl->yxc", rows, columns, per_channel)


@fan_out.register
def _(node: FixedDense, shape: Shape, *, nonzero: bool = False) -> np.ndarray:
    _check_dense(node, shape)
    outputs, inputs = node.weight.shape
    per_input = np.count_nonzero(node.weight, axis=0) if nonzero else np.full(inputs, outputs)
    per_input = per_input.astype(np.int64)
    return np.broadcast_to(per_input, shape).copy() if node.shared else per_input.reshape(shape)


@singledispatch
def reach(node: object, shape: Shape) -> Reach:
    """Return which inputs of `node` meet which of its outputs; zero weights count as connections.

    Args:
        node: A layer with weights.
        shape: Shape of its input, (height, width, channels) or (units,).

    Raises:
        GraphError: The node's weights or output do not fit `shape`.
        TypeError: No rule knows the node.
    """
    raise TypeError(
        f"node {getattr(node, 'name', '?')!r}: no reach for {type(node).__name__}; "
        "add one with @reach.register in lava_port/energy/connections.py"
    )


@reach.register
def _(node: FixedConv, shape: Shape) -> Reach:
    rows, columns = (
        _by_output(reached, stride, padding[0], dilation, extent)
        for reached, stride, padding, dilation, extent in zip(
            _conv_axes(node, shape), node.stride, node.padding, node.dilation, node.shape, strict=False
        )
    )
    group = np.ones((node.weight.shape[1], len(node.weight) // node.groups), np.int64)
    channels = np.kron(np.eye(node.groups, dtype=np.int64), group)
    return Reach(rows, columns, channels, taps=math.prod(node.weight.shape[2:]))


@reach.register
def _(node: FixedDense, shape: Shape) -> Reach:
    _check_dense(node, shape)
    height, width = shape[:2] if len(shape) == 3 else (1, 1)
    ones = [np.ones(size, np.int64) for size in ((height, 1), (width, 1), (shape[-1], len(node.weight)))]
    return Reach(*ones, taps=1 if node.shared else height * width)


def _conv_axes(node: FixedConv, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each row, and each column, reaches an output through each place of the kernel."""
    outputs, inputs, height, width = node.weight.shape
    if len(shape) != 3 or shape[2] != inputs * node.groups or outputs % node.groups:
        raise GraphError(
            f"node {node.name!r}: weight {node.weight.shape} in {node.groups} groups does not fit its input {shape}"
        )
    rows, out_height = _reach(shape[0], height, node.stride[0], node.padding[0], node.dilation[0])
    columns, out_width = _reach(shape[1], width, node.stride[1], node.padding[1], node.dilation[1])
    if node.shape != (out_height, out_width, outputs):
        raise GraphError(
            f"node {node.name!r}: its shape is {node.shape}, but its kernel makes {(out_height, out_width, outputs)} "
            f"of the {shape} that comes in"
        )
    return rows, columns


def _check_dense(node: FixedDense, shape: Shape) -> None:
    outputs, inputs = node.weight.shape
    expected = shape[-1] if node.shared else math.prod(shape)
    if inputs != expected or node.shape != (outputs,):
        kind = "shared weight" if node.shared else "weight"
        raise GraphError(
            f"node {node.name!r}: {kind} {node.weight.shape} does not take an input {shape} to {node.shape}"
        )


def _by_output(reached: np.ndarray, stride: int, before: int, dilation: int, outputs: int) -> np.ndarray:
    """Return the table of positions and outputs from that of positions and places of the kernel."""
    table = np.zeros((len(reached), outputs), np.int64)
    position, place = np.nonzero(reached)
    table[position, (position + before - dilation * place) // stride] = 1
    return table


def _reach(extent: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> tuple[np.ndarray, int]:
    """Return whether each position reaches an output through each place of the kernel, and the number of outputs."""
    outputs = (extent + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1
    shifted = np.arange(extent)[:, None] + padding[0] - dilation * np.arange(kernel)[None, :]
    reached = (shifted % stride == 0) & (shifted >= 0) & (shifted // stride < outputs)
    return reached.astype(np.int64), outputs
