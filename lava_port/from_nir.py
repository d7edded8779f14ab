"""A NIR file or graph as a float graph, which then converts like a network trained here.

Knows neither integers nor JAX. A plain chain of convolutions, dense layers and plain LIF or IF neurons is read; everything
else is refused with the name of its node. `to_nir.py` says how NIR's equations and ours correspond.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any

import nir
import numpy as np

from lava_port import nir_values, passes, shapes
from lava_port.graph import (
    AveragePoolNode,
    ConvNode,
    DenseNode,
    GlobalAverageNode,
    Graph,
    GraphError,
    InputNode,
    LifNode,
    Node,
    NormNode,
    ReadoutNode,
)
from lava_port.to_nir import METADATA, METADATA_VERSION

__all__ = ["from_nir", "read", "read_node"]

_READABLE = "a chain of Conv2d, Affine, Linear, Flatten, AvgPool2d, LIF and IF is read"


@dataclass(frozen=True, eq=False)
class _Heard:
    """What a NIR node hears: our node before it, and whether a Flatten stands between the two."""

    source: Node
    flat: bool
    dt: float | None

    @property
    def is_current(self) -> bool:
        return isinstance(self.source, ConvNode | DenseNode | AveragePoolNode)


@dataclass(frozen=True, eq=False)
class _Read:
    """Our nodes for a NIR node, and whether what they hand on counts as flattened."""

    nodes: tuple[Node, ...]
    flat: bool = False


def read(path: Path) -> nir.NIRGraph:
    """Return the graph of a NIR file.

    Raises:
        ValueError: There is no such file, it is damaged, or it holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; name a NIR file")
    try:
        # nir 1.0.8 checks types without looking at groups or at the width of a kernel; `from_nir` checks shapes itself.
        with np.errstate(all="ignore"):
            graph = nir.read(path, type_check=False)
    except (
        OSError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        AssertionError,
        RuntimeError,
        IndexError,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: cannot be read as NIR ({reason}); export it again") from None
    if not isinstance(graph, nir.NIRGraph):
        raise ValueError(f"{path}: holds a single {type(graph).__name__}, not a NIR graph")
    return graph


def from_nir(
    graph: nir.NIRGraph,
    *,
    classes: Sequence[str] | None = None,
    steps: int | None = None,
    offset: Sequence[int] | None = None,
    scale: float | None = None,
    dt: float | None = None,
) -> Graph:
    """Return a NIR graph as a float graph; what the arguments leave open is taken from its metadata.

    A network that ends in neurons is scored by their spikes: a dense layer of ones on the diagonal reads them.

    Args:
        graph: The network.
        classes: Class names in the order of the outputs.
        steps: T, the number of time steps.
        offset: Whole number that is subtracted from a pixel, one, or one per colour channel.
        scale: What that is divided by.
        dt: Length of the step the network was made for, seconds; networks without LIF neurons need none.

    Raises:
        GraphError: A node, a connection or a value that the integer network has no place for, or something that
            neither the arguments nor the metadata say; the message names it.
    """
    known = {
        **_metadata(graph),
        **{
            name: value
            for name, value in (
                ("classes", classes), ("steps", steps), ("offset", offset), ("scale", scale), ("dt", dt),
            )
            if value is not None
        },
    }  # fmt: skip
    for name, example in (("classes", "a,b,c"), ("steps", "4"), ("offset", "0"), ("scale", "255")):
        if name not in known:
            raise GraphError(f"the NIR graph does not say its {name}; give it, such as --{name} {example}")
    chain = _chain(graph)
    image = _image(*chain[0], known["offset"], known["scale"])
    image = dataclasses.replace(image, white_level=known.get("white_level"))
    nodes: list[Node] = [image]
    flat = False
    for name, node in chain[1:]:
        found = read_node(node, _named(name), _Heard(nodes[-1], flat, known.get("dt")))
        nodes += found.nodes
        flat = found.flat
    read_graph = passes.fold_batch_norm(Graph(tuple(nodes), known["steps"], tuple(known["classes"])))
    shapes.check(read_graph)
    return read_graph


# --- One rule per node


@singledispatch
def read_node(node: Any, name: str, heard: _Heard) -> _Read:
    """Return our nodes for a NIR node.

    Args:
        node: The node.
        name: Its name.
        heard: What it hears.

    Raises:
        GraphError: There are none; the message names the node.
    """
    raise GraphError(f"node {name!r}: a {type(node).__name__} has no counterpart here; {_READABLE}")


@read_node.register
def _(node: nir.CubaLIF, name: str, heard: _Heard) -> _Read:
    raise GraphError(
        f"node {name!r}: a CubaLIF is discretised in another way by every library, so its spikes cannot be reproduced; "
        "export the network with plain LIF neurons"
    )


@read_node.register
def _(node: nir.Conv2d, name: str, heard: _Heard) -> _Read:
    source = _spikes(heard, name)
    if len(source.shape) != 3 or heard.flat:
        raise GraphError(f"node {name!r}: a convolution hears a feature map, not the vector of {source.name!r}")
    kernel = nir_values.array(node.weight, name, "weight", 4)
    stride, dilation = (nir_values.pair(getattr(node, field), name, field) for field in ("stride", "dilation"))
    if dilation != (1, 1):
        raise GraphError(f"node {name!r}: dilation is {dilation}; only 1 converts")
    padding = nir_values.padding(node.padding, name, kernel.shape[2:], stride)
    groups = int(node.groups)
    if groups < 1 or kernel.shape[1] * groups != source.shape[2] or len(kernel) % groups:
        raise GraphError(
            f"node {name!r}: kernel {kernel.shape} in {groups} groups does not fit {source.shape[2]} channels"
        )
    size = [
        (n + 2 * p - k) // s + 1 for n, p, k, s in zip(source.shape[:2], padding, kernel.shape[2:], stride, strict=True)
    ]
    if min(size) < 1:
        raise GraphError(f"node {name!r}: kernel {kernel.shape[2:]} is larger than its input, {source.shape[:2]}")
    (down, across), shape = padding, (*size, len(kernel))
    bias = nir_values.bias(node.bias, name, len(kernel))
    return _Read(
        (ConvNode(name, (source.name,), shape, kernel, bias, stride, ((down, down), (across, across)), groups),)
    )


@read_node.register(nir.Affine)
@read_node.register(nir.Linear)
def _(node: nir.Affine | nir.Linear, name: str, heard: _Heard) -> _Read:
    source = _spikes(heard, name)
    if len(source.shape) == 3 and not heard.flat:
        raise GraphError(f"node {name!r}: hears a feature map {source.shape}; put a Flatten before it")
    weight = nir_values.array(node.weight, name, "weight", 2)
    if weight.shape[1] != np.prod(source.shape):
        raise GraphError(f"node {name!r}: weight {weight.shape} does not fit {source.shape} of {source.name!r}")
    bias = nir_values.bias(getattr(node, "bias", None), name, len(weight))
    shared = False
    if len(source.shape) == 3:
        height, width, channels = source.shape
        maps = weight.reshape(len(weight), channels, height, width)
        shared = height * width > 1 and bool((maps == maps[:, :, :1, :1]).all())
        weight = maps[:, :, 0, 0] if shared else maps.transpose(0, 2, 3, 1).reshape(weight.shape)
    return _Read((DenseNode(name, (source.name,), (len(weight),), weight, bias, shared),))


@read_node.register
def _(node: nir.Flatten, name: str, heard: _Heard) -> _Read:
    # NIR's shapes have no batch axis; many exporters count it nevertheless and start at 1. The weight behind tells.
    start, end, axes = int(node.start_dim), int(node.end_dim), len(heard.source.shape)
    if start not in (0, 1) or end not in (-1, axes - 1, axes):
        raise GraphError(f"node {name!r}: flattens axes {start} to {end}; only a whole feature map is flattened")
    return _Read((), flat=True)


@read_node.register
def _(node: nir.AvgPool2d, name: str, heard: _Heard) -> _Read:
    source = heard.source
    if len(source.shape) != 3 or heard.flat:
        raise GraphError(f"node {name!r}: averages a feature map, not the vector of {source.name!r}")
    window, stride, padding = (
        nir_values.pair(getattr(node, field), name, field) for field in ("kernel_size", "stride", "padding")
    )
    if stride != window or padding != (0, 0):
        raise GraphError(
            f"node {name!r}: window {window}, stride {stride}, padding {padding}; windows that touch and do not overlap, "
            "without padding, convert"
        )
    height, width, channels = source.shape
    if heard.is_current:
        if window[0] != window[1] or height % window[0] or width % window[0]:
            raise GraphError(f"node {name!r}: window {window} is not square or does not divide {height} x {width}")
        shape = (height // window[0], width // window[0], channels)
        return _Read((AveragePoolNode(name, (source.name,), shape, window[0]),))
    if window != (height, width):
        raise GraphError(
            f"node {name!r}: averages spikes over {window} of {height} x {width}; an average of spikes converts over the "
            "whole map, an average of currents right behind its convolution"
        )
    return _Read((GlobalAverageNode(name, (source.name,), (channels,)),))


@read_node.register
def _(node: nir.LIF, name: str, heard: _Heard) -> _Read:
    tau, resistance, leak = (nir_values.one(getattr(node, field), name, field) for field in ("tau", "r", "v_leak"))
    if leak != 0:
        raise GraphError(f"node {name!r}: v_leak is {leak:.4g}; only neurons that decay towards 0 convert")
    if heard.dt is None:
        raise GraphError(f"node {name!r}: tau is {tau:.4g} s, but how long is a step? give it, such as --dt 1e-4")
    dv = nir_values.decay(heard.dt, tau) if tau > 0 else 0.0
    if not 0 < dv <= 1:
        raise GraphError(f"node {name!r}: tau is {tau:.4g} s with a step of {heard.dt:.4g} s; expected tau >= dt")
    return _neurons(node, name, heard, dv=dv, gain=dv * resistance)


@read_node.register
def _(node: nir.IF, name: str, heard: _Heard) -> _Read:
    resistance = nir_values.one(node.r, name, "r")
    # 1 / dt is what the equation asks for; 1 is what libraries write that know no seconds.
    if resistance != 1 and (heard.dt is None or abs(resistance * heard.dt - 1) > 1e-6):
        step = "unknown" if heard.dt is None else f"{heard.dt:.4g} s"
        raise GraphError(f"node {name!r}: r is {resistance:.4g} with a step of {step}; expected 1 / dt, or 1")
    return _neurons(node, name, heard, dv=0.0, gain=1.0)


@read_node.register
def _(node: nir.Output, name: str, heard: _Heard) -> _Read:
    source = heard.source
    if isinstance(source, LifNode) and len(source.shape) == 1:
        size = source.shape[0]
        count = DenseNode("spike_count", (source.name,), (size,), np.eye(size), np.zeros(size))
        return _Read((count, ReadoutNode("readout", (count.name,), (size,))))
    if not isinstance(source, DenseNode):
        raise GraphError(
            f"node {source.name!r}: is heard by the output; class scores come from a dense layer or neurons"
        )
    return _Read((ReadoutNode("readout", (source.name,), source.shape),))


def _neurons(node: nir.LIF | nir.IF, name: str, heard: _Heard, *, dv: float, gain: float) -> _Read:
    source = heard.source
    if not heard.is_current:
        raise GraphError(f"node {name!r}: neurons hear a convolution or a dense layer, not {source.name!r}")
    threshold, reset = (nir_values.one(getattr(node, field), name, field) for field in ("v_threshold", "v_reset"))
    if threshold <= 0:
        raise GraphError(f"node {name!r}: v_threshold is {threshold:.4g}; expected above 0")
    if reset != 0:
        raise GraphError(f"node {name!r}: v_reset is {reset:.4g}; only neurons that are reset to 0 convert")
    size = np.size(node.v_threshold)
    if size not in (1, int(np.prod(source.shape))):
        raise GraphError(f"node {name!r}: {size} neurons behind {source.shape} of {source.name!r}")
    lif = LifNode(name, (source.name,), source.shape, du=1.0, dv=dv, v_threshold=threshold)
    if gain == 1:
        return _Read((lif,), heard.flat)
    channels = source.shape[-1]
    scaled = NormNode(f"{name}_gain", (source.name,), source.shape, np.full(channels, gain), np.zeros(channels))
    return _Read((scaled, LifNode(name, (scaled.name,), source.shape, 1.0, dv, threshold)), heard.flat)


# --- The chain


def _chain(graph: nir.NIRGraph) -> list[tuple[str, nir.NIRNode]]:
    """Return the nodes from the input to the output."""
    after: dict[str, list[str]] = {name: [] for name in graph.nodes}
    before: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for source, target in sorted(set(graph.edges)):
        for name in (source, target):
            if name not in graph.nodes:
                raise GraphError(f"an edge joins {source!r} and {target!r}, but there is no node {name!r}")
        after[source].append(target)
        before[target].append(source)
    for name, others in (*after.items(), *before.items()):
        if len(others) > 1:
            raise GraphError(
                f"node {name!r}: is joined to {' and '.join(map(repr, others))}; a branch or loop; {_READABLE}"
            )
    starts = [name for name, node in graph.nodes.items() if isinstance(node, nir.Input)]
    if len(starts) != 1:
        raise GraphError(f"the NIR graph has {len(starts)} inputs; expected one")
    names = starts
    while after[names[-1]]:
        names = [*names, after[names[-1]][0]]
        if len(names) > len(graph.nodes):
            raise GraphError(f"node {names[-1]!r}: lies on a loop; {_READABLE}")
    left = [name for name in graph.nodes if name not in names]
    if left:
        raise GraphError(f"node {left[0]!r}: is not on the way from the input to {names[-1]!r}; {_READABLE}")
    if not isinstance(graph.nodes[names[-1]], nir.Output):
        raise GraphError(f"node {names[-1]!r}: hands on to nothing; a graph ends with an Output")
    return [(name, graph.nodes[name]) for name in names]


def _named(name: str) -> str:
    """Return a node's name here, where the input is `input` and the read-out `readout`."""
    return f"nir_{name}" if name in ("input", "readout", "spike_count") else name


def _image(name: str, node: nir.NIRNode, offset: Any, scale: Any) -> InputNode:
    shape = np.asarray((node.input_type or {}).get("input"))
    if shape.shape != (3,):
        raise GraphError(f"node {name!r}: takes an input of shape {shape.tolist()}; expected (channels, height, width)")
    channels, height, width = (int(extent) for extent in shape)
    offsets = tuple(offset) * channels if len(offset) == 1 else tuple(offset)
    if len(offsets) != channels:
        raise GraphError(f"node {name!r}: {len(offsets)} offsets for {channels} colour channels; expected one for each")
    if not 0 < scale < float("inf"):
        raise GraphError(f"scale is {scale}; expected a positive number")
    return InputNode("input", (height, width, channels), offsets, float(scale))


def _metadata(graph: nir.NIRGraph) -> Mapping[str, Any]:
    """Return what a graph exported here says about itself, or nothing."""
    text = graph.metadata.get(METADATA)
    if text is None:
        return {}
    try:
        said = json.loads(text)
        version = said["version"]
        if isinstance(version, int) and version <= METADATA_VERSION:
            return {
                "classes": [str(name) for name in said["classes"]],
                "steps": int(said["steps"]),
                "offset": [int(value) for value in said["offset"]],
                "scale": float(said["scale"]),
                "white_level": None if said.get("white_level") is None else int(said["white_level"]),
                "dt": float(said["dt"]),
            }
    except (ValueError, TypeError, KeyError):
        raise GraphError(f"the metadata {METADATA!r} of the NIR graph is damaged; export it again") from None
    raise GraphError(f"the NIR graph has metadata of version {version}; update neurallnet-jax")


def _spikes(heard: _Heard, name: str) -> Node:
    if heard.is_current:
        raise GraphError(f"node {name!r}: hears the current of {heard.source.name!r}; put neurons between the two")
    return heard.source
