"""Multiply-accumulates of a Keras network in one dense pass, from its graph. Knows no energy and runs nothing."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from neurallnet_jax import spec
from neurallnet_jax.baselines import applications
from neurallnet_jax.baselines.applications import tensors

__all__ = ["RULES", "keras_macs", "taps"]


def keras_macs(network: spec.KerasNetwork, *, padding: bool = False) -> dict[str, int]:
    """Return the multiply-accumulates of every layer by name, in one dense pass.

    A convolution counts the taps that meet the image; norms, activations, sums of branches, gates and poolings count
    nothing, as in `evaluation.footprint`.

    Args:
        network: The network.
        padding: Whether the taps that meet a padding's zeros count as well, as in most publications.

    Raises:
        ValueError: Keras cannot be had.
        TypeError: A layer of a kind that no rule knows, by name.
    """
    graph = applications.build(network)
    sources = {id(layer.output): layer for layer in graph.layers}
    found = {}
    for layer in graph.layers:
        kind = type(layer).__name__
        if kind not in RULES:
            raise TypeError(
                f"layer {graph.name(layer)!r}: no count for {kind}; add one in neurallnet_jax/baselines/macs.py"
            )
        found[graph.name(layer)] = RULES[kind](layer, sources, padding)
    return found


def taps(extent: int, out: int, *, kernel: int, stride: int, dilation: int, before: int) -> int:
    """Return how many taps of a kernel meet the image along one axis, over all positions.

    Args:
        extent: Pixels of the image, without padding.
        out: Positions of the kernel.
        kernel: Taps.
        stride: Pixels from one position to the next.
        dilation: Pixels from one tap to the next.
        before: Zeros before the first pixel.
    """
    starts = (place * stride - before for place in range(out))
    return sum(0 <= start + tap * dilation < extent for start in starts for tap in range(kernel))


def _positions(layer: Any, sources: Mapping[int, Any], padding: bool) -> int:
    """Return the sum over output positions of the taps that count."""
    tensor = tensors(layer.input)[0]
    outs, product = layer.output.shape[1:3], 1
    zeros = [(0, 0), (0, 0)]
    extents = list(tensor.shape[1:3])
    source = sources.get(id(tensor))
    if source is not None and type(source).__name__ == "ZeroPadding2D":
        zeros = source.padding
        extents = [extent - before - after for extent, (before, after) in zip(extents, zeros, strict=True)]
    for axis in range(2):
        kernel, stride, dilation = (getattr(layer, name)[axis] for name in ("kernel_size", "strides", "dilation_rate"))
        before = zeros[axis][0]
        if layer.padding == "same":
            given = tensor.shape[1 + axis]
            before += max((outs[axis] - 1) * stride + (kernel - 1) * dilation + 1 - given, 0) // 2
        reached = taps(extents[axis], outs[axis], kernel=kernel, stride=stride, dilation=dilation, before=before)
        product *= kernel * outs[axis] if padding else reached
    return product


def _convolution(layer: Any, sources: Mapping[int, Any], padding: bool) -> int:
    inputs = tensors(layer.input)[0].shape[-1]
    return _positions(layer, sources, padding) * (inputs // layer.groups) * layer.output.shape[-1]


def _depthwise(layer: Any, sources: Mapping[int, Any], padding: bool) -> int:
    return _positions(layer, sources, padding) * layer.output.shape[-1]


def _dense(layer: Any, sources: Mapping[int, Any], padding: bool) -> int:
    return math.prod(tensors(layer.input)[0].shape[1:]) * layer.output.shape[-1]


def _nothing(layer: Any, sources: Mapping[int, Any], padding: bool) -> int:
    return 0


_WITHOUT = (
    "Activation", "Add", "AveragePooling2D", "BatchNormalization", "Concatenate", "CustomScaleLayer", "Dropout", "Flatten",
    "GlobalAveragePooling2D", "MaxPooling2D", "Multiply", "ReLU", "Reshape", "ZeroPadding2D",
)  # fmt: skip

RULES: Mapping[str, Callable[[Any, Mapping[int, Any], bool], int]] = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "Dense": _dense,
    **dict.fromkeys(_WITHOUT, _nothing),
}
"""What each kind of layer of Keras counts."""
