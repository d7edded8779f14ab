"""Which weights an event meets: the exact fan-out of every input of a convolution or dense layer.

Knows neither spikes nor energy; borders, stride, padding and groups are all it deals with.
"""

import math
from functools import singledispatch

import numpy as np

from lava_port.graph import FixedConv, FixedDense, GraphError, Shape

__all__ = ["fan_out"]


@singledispatch
def fan_out(node: object, shape: Shape, *, nonzero: bool = False) -> np.ndarray:
    """Return how many weights an event at each input of `node` meets.

    For a convolution with kernel position k, stride s and padding p, input row y reaches output row o through k where
    `o s + k - p = y`, and likewise for columns; positions near a border meet fewer weights than those inside.

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
    outputs, inputs, height, width = node.weight.shape
    if len(shape) != 3 or shape[2] != inputs * node.groups or outputs % node.groups:
        raise GraphError(
            f"node {node.name!r}: weight {node.weight.shape} in {node.groups} groups does not fit its input {shape}"
        )
    rows, out_height = _reach(shape[0], height, node.stride[0], node.padding[0])
    columns, out_width = _reach(shape[1], width, node.stride[1], node.padding[1])
    if node.shape != (out_height, out_width, outputs):
        raise GraphError(
            f"node {node.name!r}: its shape is {node.shape}, but its kernel makes {(out_height, out_width, outputs)} "
            f"of the {shape} that comes in"
        )
    by_group = node.weight.reshape(node.groups, outputs // node.groups, inputs, height, width)
    met = (by_group != 0) if nonzero else np.ones_like(by_group, dtype=bool)
    per_channel = met.sum(axis=1, dtype=np.int64).reshape(node.groups * inputs, height, width)
    return np.einsum("yk,xl,ckl->yxc", rows, columns, per_channel)


@fan_out.register
def _(node: FixedDense, shape: Shape, *, nonzero: bool = False) -> np.ndarray:
    outputs, inputs = node.weight.shape
    expected = shape[-1] if node.shared else math.prod(shape)
    if inputs != expected or node.shape != (outputs,):
        kind = "shared weight" if node.shared else "weight"
        raise GraphError(
            f"node {node.name!r}: {kind} {node.weight.shape} does not take an input {shape} to {node.shape}"
        )
    per_input = np.count_nonzero(node.weight, axis=0) if nonzero else np.full(inputs, outputs)
    per_input = per_input.astype(np.int64)
    return np.broadcast_to(per_input, shape).copy() if node.shared else per_input.reshape(shape)


def _reach(extent: int, kernel: int, stride: int, padding: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Return whether each position reaches an output through each place of the kernel, and the number of outputs."""
    outputs = (extent + sum(padding) - kernel) // stride + 1
    shifted = np.arange(extent)[:, None] + padding[0] - np.arange(kernel)[None, :]
    reached = (shifted % stride == 0) & (shifted >= 0) & (shifted // stride < outputs)
    return reached.astype(np.int64), outputs
