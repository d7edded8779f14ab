"""A spec and the weights of a checkpoint become a float `Graph`: one rule per layer type, refusals by name.

Knows neither JAX nor Flax, only the names and layouts in which a checkpoint holds its weights.
"""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from lava_port import graph
from lava_port.graph import Graph, GraphError
from neurallnet_jax import spec

__all__ = ["lower", "lower_layer", "weight_shapes"]

Weights = Mapping[str, np.ndarray]


def lower(
    network: spec.Network,
    weights: Weights,
    *,
    offset: Sequence[int],
    scale: float,
    classes: Sequence[str],
    white_level: int | None = None,
) -> Graph:
    """Return the float graph of a trained network, node for layer, nothing folded.

    Args:
        network: The model.
        weights: Weights by name, as a checkpoint holds them; kernels in HWIO order.
        offset: Whole number per colour channel that the pre-processing subtracts from a pixel.
        scale: What it divides by afterwards.
        classes: Class names in the order of the outputs.
        white_level: Grey level that the background of an image is brought to first; None leaves it.

    Raises:
        GraphError: A layer or an encoding without a place on the hardware, a weight that is missing, left over or of the
            wrong shape, or pre-processing that does not fit; the message names it.
        ValueError: The spec itself is no network.
    """
    spec.validate(network)
    _check_frame(network, offset, scale, classes)
    _check_weights(network, weights)
    shapes = spec.shapes(network)
    shape = (*network.image_size, network.channels)
    image = graph.InputNode("input", shape, tuple(int(o) for o in offset), float(scale), white_level=white_level)
    nodes: list[graph.Node] = [image]
    for name, layer in spec.named_layers(network):
        nodes.append(lower_layer(layer, nodes[-1], name, shapes[name], weights))
    return Graph(tuple(nodes), network.steps, tuple(classes))


def weight_shapes(network: spec.Network) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of all weights that a checkpoint of `network` holds."""
    result: dict[str, tuple[int, ...]] = {}
    before: tuple[int, ...] = (*network.image_size, network.channels)
    shapes = spec.shapes(network)
    for name, layer in spec.named_layers(network):
        channels = before[-1]
        own: dict[str, tuple[int, ...]] = {}
        match layer:
            case spec.Conv():
                own["kernel"] = (*layer.kernel, channels // layer.groups, layer.features)
                own |= {"bias": (layer.features,)} if layer.bias else {}
            case spec.BatchNorm():
                own |= {"scale": (channels,), "bias": (channels,)}
                result |= {f"batch_stats/{name}/mean": (channels,), f"batch_stats/{name}/var": (channels,)}
            case spec.SqueezeExcite():
                hidden = layer.hidden(channels)
                own |= {"reduce_kernel": (channels, hidden), "reduce_bias": (hidden,)}
                own |= {"excite_kernel": (hidden, channels), "excite_bias": (channels,)}
                own |= {"initial": (channels,)} if layer.delay else {}
            case spec.StaticGate():
                own |= {"gate": (channels,)} if layer.learned else {}
            case spec.Lif(learn_decay=True):
                own |= {"dv": (), "du": ()} if layer.du < 1 else {"dv": ()}
            case spec.Dense():
                own["kernel"] = (int(np.prod(before)), layer.features)
                own |= {"bias": (layer.features,)} if layer.bias else {}
        result |= {f"params/{name}/{key}": shape for key, shape in own.items()}
        before = shapes[name]
    return result


# --- One rule per layer


@singledispatch
def lower_layer(layer: Any, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights) -> graph.Node:
    """Return the node of `layer`.

    Args:
        layer: The layer of the spec.
        source: The node before it.
        name: Name of the layer, which becomes the node's.
        shape: What it puts out, without time and batch.
        weights: Weights of the whole network.

    Raises:
        GraphError: There is no such node on the hardware.
    """
    raise GraphError(
        f"layer '{name}': no lowering for {type(layer).__name__}; "
        "add one with @lower_layer.register in lava_port/lower.py"
    )


@lower_layer.register
def _(layer: spec.Conv, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights) -> graph.ConvNode:
    kernel = weights[f"params/{name}/kernel"].transpose(3, 2, 0, 1)
    bias = _bias(weights, name, layer.bias, layer.features)
    geometry = (layer.stride, layer.padding, layer.groups, layer.dilation)
    return graph.ConvNode(name, (source.name,), shape, kernel, bias, *geometry)


@lower_layer.register
def _(layer: spec.BatchNorm, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights) -> graph.NormNode:
    gamma, beta = (weights[f"params/{name}/{key}"].astype(np.float64) for key in ("scale", "bias"))
    mean, variance = (weights[f"batch_stats/{name}/{key}"].astype(np.float64) for key in ("mean", "var"))
    if (variance < 0).any():
        raise GraphError(f"layer '{name}': the variance of channel {int(variance.argmin())} is {variance.min():.3g}")
    scale = gamma / np.sqrt(variance + layer.epsilon)
    shift = beta - mean * scale
    return graph.NormNode(name, (source.name,), shape, scale.astype(np.float32), shift.astype(np.float32))


@lower_layer.register
def _(
    layer: spec.AveragePool, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights
) -> graph.AveragePoolNode:
    return graph.AveragePoolNode(name, (source.name,), shape, layer.window)


@lower_layer.register
def _(
    layer: spec.GlobalAverage, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights
) -> graph.GlobalAverageNode:
    if not isinstance(source, graph.LifNode):
        raise GraphError(f"layer '{name}': averages spikes, but follows '{source.name}'; put neurons between the two")
    return graph.GlobalAverageNode(name, (source.name,), shape)


@lower_layer.register
def _(layer: spec.Dense, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights) -> graph.DenseNode:
    weight = weights[f"params/{name}/kernel"].T
    return graph.DenseNode(name, (source.name,), shape, weight, _bias(weights, name, layer.bias, layer.features))


@lower_layer.register
def _(
    layer: spec.SqueezeExcite, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights
) -> graph.GateNode:
    if layer.shuffle != "none":
        raise GraphError(
            f"layer '{name}': its gates are shuffled over {layer.shuffle}, a control that is no network of its own; "
            "convert the arm whose gates are not shuffled"
        )
    path = spec.GATE_PATH_MESSAGES
    if 0 < layer.delay < path:
        raise GraphError(
            f"layer '{name}': delay {layer.delay} is shorter than the path squeeze -> excite -> neuron, {path} messages; "
            f"use a delay of {path} or more, or 0, which runs in simulation only"
        )
    return graph.GateNode(
        name,
        (source.name,),
        (shape[-1],),
        reduce=weights[f"params/{name}/reduce_kernel"].T,
        reduce_bias=weights[f"params/{name}/reduce_bias"],
        excite=weights[f"params/{name}/excite_kernel"].T,
        excite_bias=weights[f"params/{name}/excite_bias"],
        initial=weights[f"params/{name}/initial"] if layer.delay else None,
        delay=layer.delay,
    )


@lower_layer.register
def _(
    layer: spec.StaticGate, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights
) -> graph.NormNode:
    # A gate that never changes scales current and bias of its channel, as a batch norm without a shift does.
    gate = (
        graph.hard_sigmoid(weights[f"params/{name}/gate"].astype(np.float64)) if layer.learned else np.ones(shape[-1])
    )
    return graph.NormNode(name, (source.name,), shape, gate.astype(np.float32), np.zeros_like(gate, np.float32))


@lower_layer.register
def _(layer: spec.Lif, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights) -> graph.LifNode:
    if layer.reset != "hard":
        raise GraphError(
            f"layer '{name}': reset is {layer.reset!r}; Lava's neuron resets to zero, train with reset='hard'"
        )
    if isinstance(source, graph.GateNode):
        inputs = (source.inputs[0], source.name)
    elif _is_current(source):
        inputs = (source.name,)
    else:
        raise GraphError(
            f"layer '{name}': hears no current, but '{source.name}'; put a convolution or dense layer before"
        )
    du, dv = layer.du, layer.dv
    if layer.learn_decay:
        dv = _sigmoid(weights[f"params/{name}/dv"])
        du = _sigmoid(weights[f"params/{name}/du"]) if layer.du < 1 else du
    return graph.LifNode(name, inputs, shape, du=du, dv=dv, v_threshold=layer.v_threshold)


@lower_layer.register
def _(layer: spec.Relu, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights) -> graph.Node:
    raise GraphError(
        f"layer '{name}': Relu hands on real numbers where the hardware hands on spikes; "
        "convert the spiking network, not its ReLU twin"
    )


@lower_layer.register
def _(
    layer: spec.Readout, source: graph.Node, name: str, shape: tuple[int, ...], weights: Weights
) -> graph.ReadoutNode:
    return graph.ReadoutNode(name, (source.name,), shape)


# --- Checks


def _check_frame(network: spec.Network, offset: Sequence[int], scale: float, classes: Sequence[str]) -> None:
    if network.encoding != "direct":
        raise GraphError(
            f"encoding is {network.encoding!r}; the port sends the analogue image once and its first layer keeps the "
            "current, so only 'direct' converts"
        )
    if len(offset) != network.channels or any(int(value) != value for value in offset):
        raise GraphError(f"offset is {list(offset)}; expected a whole number for each of {network.channels} channels")
    if not (np.isfinite(scale) and scale > 0):
        raise GraphError(f"scale is {scale}; expected a positive number")
    if len(classes) != network.classes:
        raise GraphError(f"{len(classes)} class names for {network.classes} outputs")


def _check_weights(network: spec.Network, weights: Weights) -> None:
    expected = weight_shapes(network)
    for name, shape in expected.items():
        layer = name.split("/")[1]
        if name not in weights:
            raise GraphError(f"layer '{layer}': the checkpoint has no weight {name!r}; its spec and weights differ")
        if weights[name].shape != shape:
            raise GraphError(f"layer '{layer}': weight {name!r} has shape {weights[name].shape}, expected {shape}")
    unused = sorted(set(weights) - set(expected))
    if unused:
        raise GraphError(f"weight {unused[0]!r} belongs to no layer of the spec; its spec and weights differ")


def _is_current(source: graph.Node) -> bool:
    return isinstance(source, graph.ConvNode | graph.DenseNode | graph.NormNode | graph.AveragePoolNode)


def _bias(weights: Weights, name: str, present: bool, features: int) -> np.ndarray:
    return weights[f"params/{name}/bias"] if present else np.zeros(features, np.float32)


def _sigmoid(logit: np.ndarray) -> float:
    return float(1 / (1 + np.exp(-np.float64(logit))))
