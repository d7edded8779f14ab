"""The judge: a NumPy interpreter of both graphs that writes a `Trace`, in 64-bit integers and 64-bit floats.

Knows neither JAX nor Lava, and shares no arithmetic with the backends it judges.

The equations stand at the head of `graph.py`. No global clock runs here. A message that a convolution hands on one step
later meets neurons whose window begins one step later, and outside its window a layer is silent and keeps no memory. So
what a layer does in its window depends on nothing but the window before it, and each layer can run through its T steps
before the next one starts. A simulator with a clock and queues of messages, in the tests, gives the same spikes.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, TypeAlias

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
    FixedReadout,
    GateNode,
    GlobalAverageNode,
    Graph,
    GraphError,
    InputNode,
    LifNode,
    NormNode,
    ReadoutNode,
    total_steps,
    windows,
)
from lava_port.trace import FACTS, LayerTrace, Trace, concatenate
from neurallnet_jax.network import white

__all__ = ["Listen", "current", "float_steps", "run_fixed", "run_float"]

Listen: TypeAlias = Callable[[Any, np.ndarray], None]
"""Called with every node and what it hands on, (time, batch, *shape); a float current without the bias beside it. Images
come a few at a time, and a time axis of length 1 means the same in every step."""

_LIMIT = 1 << 23
_BATCH_NUMBERS = 1 << 23
"""Numbers the largest unfolded convolution of a chunk of images may hold: 64 MiB in float64."""


@dataclass(frozen=True, eq=False)
class _Signal:
    """What a node hands on within its window.

    Attributes:
        values: (time, batch, *shape). A time axis of length 1 means the same in every step in a float graph, and sent
            once, in the first step, in an integer graph.
        bias: What travels apart from a float current, (channels,); None for anything that is no current.
        potential: Of neurons, where asked for.
        gate: Of gated neurons, (steps, batch, channels).
        facts: Of integer neurons, each of `FACTS`, (steps, batch), as in `LayerTrace`.
    """

    values: np.ndarray
    bias: np.ndarray | None = None
    potential: np.ndarray | None = None
    gate: np.ndarray | None = None
    facts: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


def run_fixed(
    graph: FixedGraph, images: np.ndarray, *, potentials: bool = False, listen: Listen | None = None
) -> Trace:
    """Return what the integer network does with a batch of images, exact to the last bit.

    Args:
        graph: The network.
        images: uint8 (batch, height, width, channels) at the network's size.
        potentials: Whether to keep the potential of every neuron after every step.
        listen: Who hears what every node hands on.

    Raises:
        GraphError: A node no rule knows, or a current that arrives once where neurons work for several steps.
        ValueError: The images do not fit the network.
    """
    return _run(graph, images, potentials, listen)


def run_float(graph: Graph, images: np.ndarray, *, potentials: bool = False, listen: Listen | None = None) -> Trace:
    """Return what the float network does with a batch of images, folded or not, computed in float64.

    Training runs in float32, so a potential within rounding of its threshold may fall on the other side here.

    Args:
        graph: The network.
        images: uint8 (batch, height, width, channels) at the network's size.
        potentials: Whether to keep the potential of every neuron after every step.
        listen: Who hears what every node hands on.

    Raises:
        GraphError: A node no rule knows, or one that hears what it cannot work on.
        ValueError: The images do not fit the network.
    """
    return _run(graph, images, potentials, listen)


def current(node: FixedConv | FixedDense, values: np.ndarray) -> np.ndarray:
    """Return the exact current, int64 (time, batch, *shape), that whole numbers (time, batch, ...) cause in a layer."""
    if isinstance(node, FixedConv):
        return _whole_sums(values, node.weight, lambda x, w: _convolve(x, w, node))
    return _whole_sums(_vector(values, node.shared), node.weight, lambda x, w: x @ w.T)


def float_steps(
    node: LifNode, values: np.ndarray, bias: np.ndarray, gate: np.ndarray | None, steps: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield u and v of float neurons in every step, v before its reset, each (batch, *shape).

    Args:
        node: The neurons.
        values: Current (time, batch, *shape); a time axis of length 1 means the same in every step.
        bias: (channels,), what travels apart from the current.
        gate: (steps, batch, channels) in [0, 1], or None.
        steps: T.
    """
    values = _every_step(values, steps)
    u, v = np.zeros(values.shape[1:]), np.zeros(values.shape[1:])
    for step in range(steps):
        g = 1.0 if gate is None else _over_space(gate[step], v.ndim)
        u = (1 - node.du) * u + g * values[step]
        charged = (1 - node.dv) * v + u + g * bias
        yield u, charged
        v = np.where(charged > node.v_threshold, 0.0, charged)


def _run(graph: Graph | FixedGraph, images: np.ndarray, potentials: bool, listen: Listen | None) -> Trace:
    images = np.asarray(images)
    expected = graph.nodes[0].shape
    if images.dtype != np.uint8 or images.shape[1:] != expected or not len(images):
        wanted = ", ".join(map(str, expected))
        raise ValueError(f"images are {images.dtype} {images.shape}; the network reads uint8 (batch, {wanted})")
    size = _images_at_once(graph)
    chunks = [images[i : i + size] for i in range(0, len(images), size)]
    return concatenate([_run_chunk(graph, chunk, potentials, listen) for chunk in chunks])


def _run_chunk(graph: Graph | FixedGraph, images: np.ndarray, potentials: bool, listen: Listen | None) -> Trace:
    window = windows(graph)
    signals: dict[str, _Signal] = {}
    layers = []
    for node in graph.nodes:
        heard = [signals[name] for name in node.inputs]
        signal = _apply(node, heard or [_Signal(images[None])], graph.steps)
        if isinstance(node, LifNode | FixedLif):
            potential = signal.potential if potentials else None
            seen = (signal.values, potential, signal.gate)
            layers.append(LayerTrace(node.name, window[node.name], *seen, **signal.facts))
        signals[node.name] = signal
        if listen:
            listen(node, signal.values)
    return Trace(tuple(layers), signals[graph.nodes[-1].name].values[0], graph.steps, total_steps(graph))


def _images_at_once(graph: Graph | FixedGraph) -> int:
    largest = 1
    for node in graph.nodes:
        taps = int(np.prod(_kernel(node).shape[1:])) * node.groups if isinstance(node, ConvNode | FixedConv) else 1
        largest = max(largest, int(np.prod(node.shape[:-1])) * max(taps, node.shape[-1]))
    return max(1, _BATCH_NUMBERS // (largest * graph.steps))


def _kernel(node: ConvNode | FixedConv) -> np.ndarray:
    return node.kernel if isinstance(node, ConvNode) else node.weight


# --- One rule per node ------------------------------------------------------------------------------------------------


@singledispatch
def _apply(node: Any, heard: Sequence[_Signal], steps: int) -> _Signal:
    """Return what `node` hands on in its window of `steps` steps, given what it heard in the same steps."""
    raise GraphError(
        f"node {node.name!r}: the reference has no rule for {type(node).__name__}; "
        "add one with @_apply.register in lava_port/reference.py"
    )


@_apply.register
def _(node: InputNode, heard: Sequence[_Signal], steps: int) -> _Signal:
    pixels = white.balanced(heard[0].values, node.white_level, np)
    return _Signal((pixels.astype(np.float64) - np.array(node.offset, np.float64)) / node.scale)


@_apply.register
def _(node: ConvNode, heard: Sequence[_Signal], steps: int) -> _Signal:
    return _Signal(_convolve(_events(node, heard), node.kernel.astype(np.float64), node), _float64(node.bias))


@_apply.register
def _(node: NormNode, heard: Sequence[_Signal], steps: int) -> _Signal:
    values, bias = _current(node, heard)
    scale = _float64(node.scale)
    return _Signal(values * scale, bias * scale + _float64(node.shift))


@_apply.register
def _(node: AveragePoolNode, heard: Sequence[_Signal], steps: int) -> _Signal:
    values, bias = _current(node, heard)
    height, width, channels = node.shape
    tiles = values.reshape(*values.shape[:2], height, node.window, width, node.window, channels)
    return _Signal(tiles.mean(axis=(3, 5)), bias)


@_apply.register
def _(node: GlobalAverageNode, heard: Sequence[_Signal], steps: int) -> _Signal:
    return _Signal(_events(node, heard).mean(axis=(2, 3), dtype=np.float64))


@_apply.register
def _(node: DenseNode, heard: Sequence[_Signal], steps: int) -> _Signal:
    vector = _vector(_events(node, heard), node.shared).astype(np.float64)
    return _Signal(vector @ _float64(node.weight).T, _float64(node.bias))


@_apply.register
def _(node: GateNode, heard: Sequence[_Signal], steps: int) -> _Signal:
    values, bias = _current(node, heard)
    mean = values.mean(axis=_space(values)) + bias
    hidden = np.maximum(mean @ _float64(node.reduce).T + _float64(node.reduce_bias), 0)
    gate = _hard_sigmoid(hidden @ _float64(node.excite).T + _float64(node.excite_bias))
    initial = None if node.initial is None else _hard_sigmoid(_float64(node.initial))
    return _Signal(_delayed(gate, initial, node.delay, steps))


@_apply.register
def _(node: LifNode, heard: Sequence[_Signal], steps: int) -> _Signal:
    values, bias = _current(node, heard)
    values = _every_step(values, steps)
    gate = _every_step(heard[1].values, steps) if len(heard) > 1 else None
    spikes, potential = np.zeros(values.shape, np.uint8), np.zeros(values.shape)
    for step, (_, charged) in enumerate(float_steps(node, values, bias, gate, steps)):
        spikes[step] = charged > node.v_threshold
        potential[step] = np.where(spikes[step], 0.0, charged)
    return _Signal(spikes, potential=potential, gate=gate)


@_apply.register
def _(node: ReadoutNode, heard: Sequence[_Signal], steps: int) -> _Signal:
    values, bias = _current(node, heard)
    return _Signal(values.mean(axis=0, keepdims=True) + bias)


@_apply.register
def _(node: FixedInput, heard: Sequence[_Signal], steps: int) -> _Signal:
    pixels = white.balanced(heard[0].values, node.white_level, np)
    return _Signal(pixels.astype(np.int64) - np.array(node.offset, np.int64))


@_apply.register
def _(node: FixedConv, heard: Sequence[_Signal], steps: int) -> _Signal:
    return _Signal(current(node, heard[0].values))


@_apply.register
def _(node: FixedHold, heard: Sequence[_Signal], steps: int) -> _Signal:
    values = _towards_zero(heard[0].values, node.shift)
    return _Signal(np.broadcast_to(values, (steps, *values.shape[1:])))


@_apply.register
def _(node: FixedDense, heard: Sequence[_Signal], steps: int) -> _Signal:
    return _Signal(current(node, heard[0].values))


@_apply.register
def _(node: FixedGate, heard: Sequence[_Signal], steps: int) -> _Signal:
    values = _lasting(node, heard, steps)
    squeeze = _towards_zero(values.sum(axis=_space(values), dtype=np.int64), node.squeeze_shift)
    reduced = squeeze @ node.reduce.astype(np.int64).T + node.reduce_bias
    hidden = np.maximum(_towards_zero(reduced, node.hidden_shift), 0)
    excited = hidden @ node.excite.astype(np.int64).T + node.excite_bias
    gate = np.clip(_towards_zero(excited, node.gate_shift), 0, 256)
    return _Signal(_delayed(gate, node.initial, node.delay, steps))


@_apply.register
def _(node: FixedLif, heard: Sequence[_Signal], steps: int) -> _Signal:
    values = _lasting(node, heard, steps)
    gate = heard[1].values if len(heard) > 1 else None
    threshold, bias = node.threshold.astype(np.int64) << 6, node.bias.astype(np.int64)
    u, v = np.zeros(values.shape[1:], np.int64), np.zeros(values.shape[1:], np.int64)
    spikes, potential = np.zeros(values.shape, np.uint8), np.zeros(values.shape, np.int32)
    facts = {name: np.zeros(values.shape[:2], np.int64) for name in FACTS}
    inner = tuple(range(1, values.ndim - 1))
    for step in range(steps):
        arriving, shift = values[step], bias
        if gate is not None:
            g = _over_space(gate[step], v.ndim)
            arriving, shift = _towards_zero(g * arriving, 8), _towards_zero(g * bias, 8)
        filled = _decay(u, node.du + 1) + (arriving << 6)
        u = _wrap24(filled)
        charged = _decay(v, node.dv) + u + shift
        v = np.clip(charged, 1 - _LIMIT, _LIMIT - 1)
        facts["overflows"][step] = ((u != filled) | (v != charged)).sum(axis=inner)
        facts["active"][step] = (arriving != 0).sum(axis=inner)
        spikes[step] = v > threshold
        v = np.where(spikes[step], 0, v)
        facts["charged"][step] = (v != 0).sum(axis=inner)
        potential[step] = v
    return _Signal(spikes, potential=potential, gate=gate, facts=facts)


@_apply.register
def _(node: FixedReadout, heard: Sequence[_Signal], steps: int) -> _Signal:
    values = _lasting(node, heard, steps)
    return _Signal(values.sum(axis=0, keepdims=True) + steps * node.bias.astype(np.int64))


# --- Arithmetic -------------------------------------------------------------------------------------------------------


def _convolve(x: np.ndarray, kernel: np.ndarray, node: ConvNode | FixedConv) -> np.ndarray:
    """Return the cross-correlation of (time, batch, height, width, channels) with an OIHW kernel of the same dtype."""
    folded = np.pad(x.reshape(-1, *x.shape[2:]), ((0, 0), *node.padding, (0, 0)))
    (down, across), (height, width) = node.dilation, kernel.shape[2:]
    extent = (down * (height - 1) + 1, across * (width - 1) + 1)
    views = np.lib.stride_tricks.sliding_window_view(folded, extent, axis=(1, 2))
    views = views[:, :: node.stride[0], :: node.stride[1], :, ::down, ::across]
    ins, outs = kernel.shape[1], kernel.shape[0] // node.groups
    parts = [
        np.tensordot(views[:, :, :, g * ins : (g + 1) * ins], kernel[g * outs : (g + 1) * outs], ((3, 4, 5), (1, 2, 3)))
        for g in range(node.groups)
    ]
    return np.concatenate(parts, axis=-1).reshape(*x.shape[:2], *node.shape)


def _whole_sums(x: np.ndarray, weight: np.ndarray, linear: Any) -> np.ndarray:
    """Return `linear(x, weight)` in int64, by way of float64 where no partial sum can leave its exact integers."""
    fan_in = weight[0].size
    largest = int(np.abs(x.astype(np.int64)).max(initial=0)) * int(np.abs(weight.astype(np.int64)).max(initial=0))
    kind = np.float64 if largest * fan_in < 1 << 53 else np.int64
    return linear(x.astype(kind), weight.astype(kind)).astype(np.int64)


def _vector(values: np.ndarray, shared: bool) -> np.ndarray:
    if shared:
        return values.sum(axis=_space(values), dtype=np.float64 if values.dtype.kind == "f" else np.int64)
    return values.reshape(*values.shape[:2], -1)


def _decay(x: np.ndarray, decay: int) -> np.ndarray:
    return np.sign(x) * ((np.abs(x) * (4096 - decay)) >> 12)


def _towards_zero(x: np.ndarray, shift: Any) -> np.ndarray:
    return np.sign(x) * (np.abs(x) >> shift)


def _wrap24(x: np.ndarray) -> np.ndarray:
    """Return `x` wrapped once into (-2^23, 2^23], as Lava's fixed-point neuron does."""
    return np.where(x > _LIMIT, x - 2 * _LIMIT, np.where(x <= -_LIMIT, x + 2 * _LIMIT, x))


def _hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(x / 6 + 0.5, 0.0, 1.0)


def _float64(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.float64)


# --- Time and space ---------------------------------------------------------------------------------------------------


def _space(values: np.ndarray) -> tuple[int, ...]:
    return tuple(range(2, values.ndim - 1))


def _over_space(gate: np.ndarray, ndim: int) -> np.ndarray:
    return gate.reshape(len(gate), *(1,) * (ndim - 2), -1)


def _every_step(values: np.ndarray, steps: int) -> np.ndarray:
    return np.broadcast_to(values, (steps, *values.shape[1:]))


def _delayed(gate: np.ndarray, initial: np.ndarray | None, delay: int, steps: int) -> np.ndarray:
    """Return the gate of every step: `initial` for `delay` steps, then that of the statistics `delay` steps before."""
    gate = _every_step(gate, steps)
    if not delay:
        return gate
    assert initial is not None, "a delayed gate has an initial value"
    before = np.broadcast_to(initial.astype(gate.dtype), (min(delay, steps), *gate.shape[1:]))
    return np.concatenate([before, gate[: max(steps - delay, 0)]])


def _events(node: ConvNode | DenseNode | GlobalAverageNode, heard: Sequence[_Signal]) -> np.ndarray:
    if heard[0].bias is not None:
        raise GraphError(f"node {node.name!r}: hears a current; {type(node).__name__} works on spikes or on the image")
    return heard[0].values


def _current(node: Any, heard: Sequence[_Signal]) -> tuple[np.ndarray, np.ndarray]:
    if heard[0].bias is None:
        raise GraphError(f"node {node.name!r}: hears no current; put a convolution or dense layer before it")
    return heard[0].values, heard[0].bias


def _lasting(node: FixedGate | FixedLif | FixedReadout, heard: Sequence[_Signal], steps: int) -> np.ndarray:
    values = heard[0].values
    if len(values) != steps:
        raise GraphError(
            f"node {node.name!r}: its current arrives once and it works for {steps} steps; FixedHold keeps it"
        )
    return values
