"""A float graph as NIR, the Neuromorphic Intermediate Representation, which other libraries import.

Knows neither integers nor JAX, and refuses by name what NIR cannot say: gates that move, and synaptic memory.

NIR speaks in differential equations, and its importers take forward-Euler steps of `dt` seconds. A neuron with decay `dv`
becomes

    LIF:  tau = dt / dv,  R = 1,  v_leak = v_reset = 0;  weights and bias of the layer before it are divided by dv
    IF:   where dv = 0;   R = 1 / dt,  v_reset = 0;      weights stay as they are

so that v + dt / tau (R I - v), or v + dt R I, is the neuron of `graph.py` with du = 1, and both spike where v > threshold.
NIR has no delays between layers: its step t is step t of each layer's window here.

Everything is float32, channels first, kernels (out, in, height, width). What NIR has no field for, which image to feed and
what to make of the output, stands in the graph's metadata under `METADATA`, as JSON.
"""

import io
import itertools
import json
from functools import singledispatch
from pathlib import Path
from typing import Any

import nir
import numpy as np

from lava_port import passes
from lava_port.graph import ConvNode, DenseNode, GateNode, Graph, GraphError, InputNode, LifNode, Node, ReadoutNode
from neurallnet_jax.checkpoint import write_atomically

__all__ = ["METADATA", "METADATA_VERSION", "say_node", "to_nir", "write"]

METADATA = "neurallnet_jax"
"""Key of the graph's metadata; its value is a JSON object."""
METADATA_VERSION = 2

Said = tuple[tuple[str, nir.NIRNode], ...]


def to_nir(graph: Graph, *, dt: float = 1e-4) -> nir.NIRGraph:
    """Return a network as a NIR graph that spikes like the float reference, within the rounding of float32.

    Args:
        graph: The network, folded or not.
        dt: Length of a step, seconds; snnTorch's importer takes 1e-4 for granted.

    Raises:
        GraphError: Something NIR cannot say; the message names the node and what to do.
    """
    if not 0 < dt < float("inf"):
        raise GraphError(f"dt is {dt}; expected seconds, a number above zero")
    for node in graph.nodes:
        if isinstance(node, GateNode):
            raise GraphError(
                f"node {node.name!r}: NIR has no gate that multiplies a current; freeze the gates at their mean over "
                "calibration images with --freeze-gates DIR"
            )
    folded = passes.fold(graph)
    said: list[tuple[str, nir.NIRNode]] = []
    for before, node, after in zip((None, *folded.nodes), folded.nodes, (*folded.nodes[1:], None), strict=False):
        if before is not None and node.inputs != (before.name,):
            raise GraphError(
                f"node {node.name!r}: hears {', '.join(node.inputs)}; only a plain chain of layers exports"
            )
        gain = after.dv if isinstance(after, LifNode) and after.dv > 0 else 1.0
        said += say_node(node, before, gain, dt)
    names = [name for name, _ in said]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise GraphError(f"two nodes would be called {twice[0]!r} in NIR; rename one")
    return nir.NIRGraph(dict(said), list(itertools.pairwise(names)), metadata={METADATA: _metadata(graph, dt)})


def write(graph: nir.NIRGraph, path: Path) -> None:
    """Write a NIR graph as the HDF5 file that `nir.read` reads, beside its final name first.

    Raises:
        ValueError: The place cannot be written.
    """
    buffer = io.BytesIO()
    nir.write(buffer, graph)  # pyright: ignore[reportArgumentType] - h5py takes any file object
    write_atomically(Path(path), buffer.getvalue())


# --- One rule per node


@singledispatch
def say_node(node: Any, source: Node, gain: float, dt: float) -> Said:
    """Return the NIR nodes of `node`, each with its name.

    Args:
        node: A node of a folded graph.
        source: The node it hears.
        gain: What its current is divided by, because the neuron behind it multiplies by it.
        dt: Length of a step, seconds.

    Raises:
        GraphError: NIR has no such node.
    """
    raise GraphError(
        f"node {node.name!r}: no NIR for {type(node).__name__}; add a rule with @say_node.register in lava_port/to_nir.py"
    )


@say_node.register
def _(node: InputNode, source: Node | None, gain: float, dt: float) -> Said:
    return (("input", nir.Input(input_type={"input": np.array(_channels_first(node.shape))})),)


@say_node.register
def _(node: ConvNode, source: Node, gain: float, dt: float) -> Said:
    kernel, padding = _square(node, source, _spread(_ungrouped(node), node.dilation))
    height, width, _ = source.shape
    conv = nir.Conv2d(
        input_shape=(height, width),
        weight=_float32(node, kernel, gain),
        stride=node.stride,
        padding=padding,
        dilation=(1, 1),
        groups=1,
        bias=_float32(node, node.bias, gain),
    )
    return ((node.name, conv),)


@say_node.register
def _(node: DenseNode, source: Node, gain: float, dt: float) -> Said:
    weight = node.weight
    flatten: Said = ()
    if len(source.shape) == 3:
        height, width, channels = source.shape
        if node.shared:
            weight = np.repeat(weight, height * width, axis=1)
        else:
            weight = weight.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(len(weight), -1)
        # NIR's shapes have no batch axis, so every axis is flattened.
        shape = np.array(_channels_first(source.shape))
        flatten = ((f"{node.name}_flatten", nir.Flatten(input_type={"input": shape}, start_dim=0, end_dim=-1)),)
    return (*flatten, (node.name, nir.Affine(_float32(node, weight, gain), _float32(node, node.bias, gain))))


@say_node.register
def _(node: LifNode, source: Node, gain: float, dt: float) -> Said:
    if node.du != 1:
        raise GraphError(
            f"node {node.name!r}: du is {node.du:.4g}; NIR's CubaLIF is discretised in another way by every library that "
            "imports it, so spikes would differ; train with du=1"
        )
    whole = np.ones(_channels_first(node.shape), np.float32)
    threshold = np.float32(node.v_threshold) * whole
    if node.dv == 0:
        return ((node.name, nir.IF(r=whole / np.float32(dt), v_threshold=threshold, v_reset=0 * whole)),)
    tau = np.float32(dt / node.dv) * whole
    return ((node.name, nir.LIF(tau=tau, r=whole, v_leak=0 * whole, v_threshold=threshold, v_reset=0 * whole)),)


@say_node.register
def _(node: ReadoutNode, source: Node, gain: float, dt: float) -> Said:
    return (("output", nir.Output(output_type={"output": np.array(node.shape)})),)


# --- Kernels


def _spread(kernel: np.ndarray, dilation: tuple[int, int]) -> np.ndarray:
    """Return a kernel with the zeros between its taps written out: no reader then needs to know of dilation."""
    (down, across), (height, width) = dilation, kernel.shape[2:]
    spread = np.zeros((*kernel.shape[:2], down * (height - 1) + 1, across * (width - 1) + 1), kernel.dtype)
    spread[:, :, ::down, ::across] = kernel
    return spread


def _ungrouped(node: ConvNode) -> np.ndarray:
    """Return the kernel over all input channels, zero outside each group: nir 1.0.8 checks shapes without groups."""
    outs, ins = len(node.kernel) // node.groups, node.kernel.shape[1]
    kernel = np.zeros((len(node.kernel), ins * node.groups, *node.kernel.shape[2:]))
    for group in range(node.groups):
        rows, columns = slice(group * outs, (group + 1) * outs), slice(group * ins, (group + 1) * ins)
        kernel[rows, columns] = node.kernel[rows]
    return kernel


def _square(node: ConvNode, source: Node, kernel: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the kernel, bordered by zeros until it is square, and the padding that makes up for the border.

    nir 1.0.8 infers shapes from the kernel's height alone.
    """
    size = max(kernel.shape[2:])
    borders, padding = [], []
    for axis in range(2):
        missing = size - kernel.shape[2 + axis]
        first = -(-missing // 2)
        borders.append((first, missing - first))
        padding.append(node.padding[axis][0] + first)
        extent = (source.shape[axis] + 2 * padding[axis] - size) // node.stride[axis] + 1
        if node.padding[axis][0] != node.padding[axis][1] or extent != node.shape[axis]:
            raise GraphError(
                f"node {node.name!r}: a kernel of {kernel.shape[2]} x {kernel.shape[3]} with padding {node.padding} is no "
                "square kernel with symmetric padding, and nir infers shapes for those only; train with a square kernel"
            )
    return np.pad(kernel, ((0, 0), (0, 0), *borders)), (padding[0], padding[1])


def _float32(node: ConvNode | DenseNode, values: np.ndarray, gain: float) -> np.ndarray:
    values = values.astype(np.float64) / gain
    largest = float(np.abs(values).max(initial=0))
    if largest > float(np.finfo(np.float32).max):
        raise GraphError(
            f"node {node.name!r}: a weight of {largest:.3g}, after the division by the decay behind it, is beyond float32"
        )
    return values.astype(np.float32)


def _channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[-1], *shape[:-1])


def _metadata(graph: Graph, dt: float) -> str:
    image = graph.nodes[0]
    assert isinstance(image, InputNode), "a graph begins with its input"
    return json.dumps(
        {
            "version": METADATA_VERSION,
            "classes": list(graph.classes),
            "steps": graph.steps,
            "offset": list(image.offset),
            "scale": image.scale,
            "white_level": image.white_level,
            "dt": dt,
            "input": "(pixel - offset) / scale of 8-bit RGB pixels, white-balanced, channels first, the same in every step",
            "scores": "mean over the steps of what the last Affine puts out",
        }
    )
