"""The integer network in JAX, batched, on any device: the same bits as the judge, at the speed of a float network.

Knows nothing of Lava. Everything is int32, with one exception: convolutions and dense layers, which run as float32 where
every partial sum is proven below 2^24, and so exact. Whether a device keeps that promise (a GPU may choose an inexact
algorithm) is tried once per layer against the judge, at the very shapes that will run; where it does not, integers do.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from lava_port import reference
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
    total_steps,
    windows,
)
from lava_port.ranges import SUM_LIMIT, Range, current_range, ranges, weight_inputs
from lava_port.trace import FACTS, LayerTrace, Trace, concatenate
from neurallnet_jax.network import white

__all__ = ["Emulator", "integer_scores", "prepare"]

Sums: TypeAlias = Literal["float", "split", "integer"]
"""How a layer adds up: float32; two float32 sums, of the weights' high and low parts; int32."""

_EXACT = 1 << 24
_LIMIT = 1 << 23
_LOW_BITS = 4


@dataclass(frozen=True, eq=False)
class _Signal:
    """What a node hands on: `values` (time, batch, *shape), and of neurons what `LayerTrace` holds besides."""

    values: jax.Array
    potential: jax.Array | None = None
    gate: jax.Array | None = None
    facts: Mapping[str, jax.Array] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Emulator:
    """A compiled integer network.

    Attributes:
        graph: The network.
        batch: Images per call of the compiled function; a last, smaller batch is filled up.
        sums: How each convolution and dense layer adds up on this device.
        function: Images (batch, height, width, channels) -> spikes, potentials, gates and `FACTS` per layer, and the class
            scores.
    """

    graph: FixedGraph
    batch: int
    sums: Mapping[str, Sums]
    function: Callable[..., Any]

    def run(self, images: np.ndarray, *, potentials: bool = False) -> Trace:
        """Return what the network does with a batch of images: the trace of `reference.run_fixed`, bit for bit.

        Args:
            images: uint8 (images, height, width, channels) at the network's size; any number of them.
            potentials: Whether to keep the potential of every neuron after every step.

        Raises:
            ValueError: The images do not fit the network.
        """
        images = np.asarray(images)
        expected = self.graph.nodes[0].shape
        if images.dtype != np.uint8 or images.shape[1:] != expected or not len(images):
            wanted = ", ".join(map(str, expected))
            raise ValueError(f"images are {images.dtype} {images.shape}; the network reads uint8 (batch, {wanted})")
        starts = range(0, len(images), self.batch)
        return concatenate([self._run_batch(images[start : start + self.batch], potentials) for start in starts])

    def _run_batch(self, images: np.ndarray, potentials: bool) -> Trace:
        count = len(images)
        filled = np.concatenate([images, np.zeros((self.batch - count, *images.shape[1:]), np.uint8)])
        outputs, scores = jax.device_get(self.function(filled, potentials=potentials))
        window = windows(self.graph)
        names = [node.name for node in self.graph.nodes if isinstance(node, FixedLif)]
        layers = tuple(
            LayerTrace(
                name,
                window[name],
                spikes[:, :count],
                _first(potential, count),
                _first(gate, count),
                **{fact: counted[:, :count].astype(np.int64) for fact, counted in facts.items()},
            )
            for name, (spikes, potential, gate, facts) in zip(names, outputs, strict=True)
        )
        return Trace(layers, scores[:count].astype(np.int64), self.graph.steps, total_steps(self.graph))


def _first(values: np.ndarray | None, count: int) -> np.ndarray | None:
    return None if values is None else values[:, :count]


def prepare(graph: FixedGraph, *, batch: int = 32) -> Emulator:
    """Return the network compiled for this process's default device, its sums tried against the judge.

    Args:
        graph: The network.
        batch: Images per call.

    Raises:
        GraphError: A node no rule knows, or numbers that 32 bits cannot hold; the message names the layer.
    """
    known = ranges(graph)
    _check(graph, known)
    sums = _tried_sums(graph, known, batch)

    @partial(jax.jit, static_argnames="potentials")
    def function(images: jax.Array, potentials: bool) -> Any:
        return _emulate(graph, images, sums, potentials)

    return Emulator(graph, batch, sums, function)


def integer_scores(graph: FixedGraph) -> Callable[[jax.Array], jax.Array]:
    """Return the network as a function that any device computes exactly: every sum is one of 32-bit integers.

    Slower than what `prepare` returns, which tries float32 on the device it finds; this one promises nothing about devices
    and can be handed to others.

    Args:
        graph: The network.

    Returns:
        uint8 images (batch, height, width, channels) -> class scores, int32 (batch, classes); the batch may be symbolic.

    Raises:
        GraphError: A node no rule knows, or numbers that 32 bits cannot hold; the message names the layer.
    """
    _check(graph, ranges(graph))

    def function(images: jax.Array) -> jax.Array:
        return _emulate(graph, images, {}, potentials=False)[1]

    return function


def _emulate(graph: FixedGraph, images: jax.Array, sums: Mapping[str, Sums], potentials: bool) -> Any:
    signals: dict[str, _Signal] = {}
    outputs = []
    for node in graph.nodes:
        heard = [signals[name] for name in node.inputs] or [_Signal(images[None])]
        how = sums.get(node.name, "integer")
        signal = signals[node.name] = _apply(node, heard, graph.steps, how)
        if isinstance(node, FixedLif):
            potential = signal.potential if potentials else None
            outputs.append((signal.values, potential, signal.gate, signal.facts))
    return outputs, signals[graph.nodes[-1].name].values


# --- One rule per node


@singledispatch
def _apply(node: Any, heard: Sequence[_Signal], steps: int, how: Sums) -> _Signal:
    """Return what `node` hands on in its window of `steps` steps, given what it heard in the same steps."""
    raise GraphError(
        f"node {node.name!r}: the emulator has no rule for {type(node).__name__}; "
        "add one with @_apply.register in lava_port/emulator.py"
    )


@_apply.register
def _(node: FixedInput, heard: Sequence[_Signal], steps: int, how: Sums) -> _Signal:
    pixels = white.balanced(heard[0].values, node.white_level, jnp)
    return _Signal(pixels.astype(jnp.int32) - np.array(node.offset, np.int32))


@_apply.register
def _(node: FixedConv, heard: Sequence[_Signal], steps: int, how: Sums) -> _Signal:
    return _Signal(_current(node, heard[0].values, how))


@_apply.register
def _(node: FixedDense, heard: Sequence[_Signal], steps: int, how: Sums) -> _Signal:
    return _Signal(_current(node, heard[0].values, how))


@_apply.register
def _(node: FixedHold, heard: Sequence[_Signal], steps: int, how: Sums) -> _Signal:
    values = _towards_zero(heard[0].values, node.shift)
    return _Signal(jnp.broadcast_to(values, (steps, *values.shape[1:])))


@_apply.register
def _(node: FixedGate, heard: Sequence[_Signal], steps: int, how: Sums) -> _Signal:
    values = heard[0].values
    squeeze = _towards_zero(values.sum(axis=tuple(range(2, values.ndim - 1))), node.squeeze_shift)
    hidden = jnp.maximum(_towards_zero(_products(squeeze, node.reduce, node.reduce_bias), node.hidden_shift), 0)
    gate = jnp.clip(_towards_zero(_products(hidden, node.excite, node.excite_bias), node.gate_shift), 0, 256)
    if node.delay:
        assert node.initial is not None, "a delayed gate has an initial value"
        before = jnp.broadcast_to(node.initial.astype(np.int32), (min(node.delay, steps), *gate.shape[1:]))
        gate = jnp.concatenate([before, gate[: max(steps - node.delay, 0)]])
    return _Signal(gate)


@_apply.register
def _(node: FixedLif, heard: Sequence[_Signal], steps: int, how: Sums) -> _Signal:
    values, gate = heard[0].values, heard[1].values if len(heard) > 1 else None
    threshold, bias = np.int32(node.threshold) << 6, jnp.asarray(node.bias, jnp.int32)

    def step(state: tuple[jax.Array, jax.Array], arrived: tuple[jax.Array, jax.Array | None]) -> Any:
        (u, v), (current, g), shift = state, arrived, bias
        if g is not None:
            g = g.reshape(g.shape[0], *(1,) * (v.ndim - 2), g.shape[-1])
            current, shift = _gated(g, current), _gated(g, bias)
        filled = _decay(u, node.du + 1) + (current << 6)
        u = _wrap24(filled)
        charged = _decay(v, node.dv) + u + shift
        v = jnp.clip(charged, 1 - _LIMIT, _LIMIT - 1)
        overflowing = (u != filled) | (v != charged)
        spikes = v > threshold
        v = jnp.where(spikes, 0, v)
        facts = zip(FACTS, (overflowing, current != 0, v != 0), strict=True)
        counted = {name: where.sum(axis=tuple(range(1, v.ndim)), dtype=jnp.int32) for name, where in facts}
        return (u, v), (spikes.astype(jnp.uint8), v, counted)

    # A loop, unlike in training: unrolled, this took twice as long to compile on a CPU and ran no faster.
    rest = jnp.zeros(values.shape[1:], jnp.int32)
    _, (spikes, potential, facts) = jax.lax.scan(step, (rest, rest), (values, gate))
    return _Signal(spikes, potential, gate, facts)


@_apply.register
def _(node: FixedReadout, heard: Sequence[_Signal], steps: int, how: Sums) -> _Signal:
    return _Signal(heard[0].values.sum(axis=0) + (steps * node.bias).astype(np.int32))


# --- Sums of convolutions and dense layers


def _current(node: FixedConv | FixedDense, values: jax.Array, how: Sums) -> jax.Array:
    """Return the exact current, int32 (time, batch, *shape), of whole numbers (time, batch, ...)."""
    folded = values.reshape(-1, *values.shape[2:])
    if isinstance(node, FixedDense):
        folded = folded.sum(axis=tuple(range(1, folded.ndim - 1)), dtype=jnp.int32) if node.shared else folded
        folded = folded.reshape(folded.shape[0], -1)
    weight = node.weight.astype(np.int32)
    if how == "integer":
        sums = _whole_sums(node, folded.astype(jnp.int32), weight)
    elif how == "float":
        sums = _float_sums(node, folded, weight)
    else:
        high = weight >> _LOW_BITS
        sums = (_float_sums(node, folded, high) << _LOW_BITS) + _float_sums(node, folded, weight - (high << _LOW_BITS))
    return sums.reshape(*values.shape[:2], *node.shape)


def _float_sums(node: FixedConv | FixedDense, folded: jax.Array, weight: np.ndarray) -> jax.Array:
    return _linear(node, folded.astype(jnp.float32), weight.astype(np.float32)).astype(jnp.int32)


def _linear(node: FixedConv | FixedDense, folded: jax.Array, weight: np.ndarray) -> jax.Array:
    if isinstance(node, FixedDense):
        return jnp.matmul(folded, weight.T, precision=jax.lax.Precision.HIGHEST)
    return jax.lax.conv_general_dilated(
        folded, jnp.asarray(weight), node.stride, node.padding,
        rhs_dilation=node.dilation, dimension_numbers=("NHWC", "OIHW", "NHWC"), feature_group_count=node.groups,
        precision=jax.lax.Precision.HIGHEST,
    )  # fmt: skip


def _whole_sums(node: FixedConv | FixedDense, folded: jax.Array, weight: np.ndarray) -> jax.Array:
    """Return the sums in int32: a convolution tap by tap, since accelerators have no integer convolution of 32 bits."""
    if isinstance(node, FixedDense):
        return jnp.matmul(folded, weight.T)
    padded = jnp.pad(folded, ((0, 0), *node.padding, (0, 0)))
    (down, across), (height, width) = node.stride, node.shape[:2]
    grouped = weight.reshape(node.groups, -1, *weight.shape[1:])
    total: Any = 0
    for row, column in np.ndindex(*weight.shape[2:]):
        y, x = row * node.dilation[0], column * node.dilation[1]
        seen = padded[:, y : y + (height - 1) * down + 1 : down, x : x + (width - 1) * across + 1 : across]
        seen = seen.reshape(*seen.shape[:3], node.groups, -1)
        total = total + jnp.einsum("nhwgi,goi->nhwgo", seen, grouped[..., row, column])
    return total


def _tried_sums(graph: FixedGraph, known: Mapping[str, Range], batch: int) -> dict[str, Sums]:
    """Return how each layer adds up: as fast as its ranges allow, in integers where the device turns out inexact."""
    sums: dict[str, Sums] = {}
    for node in graph.nodes:
        if not isinstance(node, FixedConv | FixedDense):
            continue
        source = find(graph, node.inputs[0])
        how = _provable(node, source.shape, known[source.name])
        times = 1 if isinstance(source, FixedInput) else graph.steps
        extremes = _extremes(source.shape, known[source.name])
        expected = reference.current(node, extremes[None])
        many = np.resize(extremes, (times * batch, *source.shape))
        given = np.asarray(jax.jit(partial(_current, node, how=how))(many[None]))
        exact = (given == np.resize(expected, given.shape)).all()
        sums[node.name] = how if exact else "integer"
    return sums


def _provable(node: FixedConv | FixedDense, shape: tuple[int, ...], heard: Range) -> Sums:
    """Return the fastest way of adding up whose partial sums all stay below 2^24."""
    groups, shared = (node.groups, False) if isinstance(node, FixedConv) else (1, node.shared)
    positions = int(np.prod(shape[:-1]))
    low, high = (
        weight_inputs(values, node.weight.shape, groups=groups, positions=positions, shared=shared)
        for values in (heard.low, heard.high)
    )

    def largest(part: np.ndarray) -> int:
        least, most = current_range(part, low, high)
        return int(max(most.max(), -least.min()))

    weight = node.weight.reshape(len(node.weight), -1).astype(np.int64)
    if largest(weight) < _EXACT:
        return "float"
    upper = weight >> _LOW_BITS
    return "split" if max(largest(upper), largest(weight - (upper << _LOW_BITS))) < _EXACT else "integer"


def _extremes(shape: tuple[int, ...], heard: Range) -> np.ndarray:
    """Return four inputs (4, *shape): the greatest everywhere, two of extremes drawn at random, one drawn between."""
    draw = np.random.default_rng(0)
    coins = np.where(draw.random((2, *shape)) < 0.5, heard.low, heard.high)
    between = draw.integers(heard.low, heard.high + 1, (1, *shape))
    return np.concatenate([np.broadcast_to(heard.high, (1, *shape)), coins, between]).astype(np.int32)


def _check(graph: FixedGraph, known: Mapping[str, Range]) -> None:
    lasting: dict[str, bool] = {}
    for node in graph.nodes:
        lasting[node.name] = isinstance(node, FixedHold) or (bool(node.inputs) and lasting[node.inputs[0]])
        if isinstance(node, FixedGate | FixedLif | FixedReadout) and not lasting[node.name] and graph.steps > 1:
            raise GraphError(
                f"node {node.name!r}: its current arrives once; FixedHold keeps it for {graph.steps} steps"
            )
        sums = known[node.name].sums
        if sums > SUM_LIMIT:
            raise GraphError(f"node {node.name!r}: its sums reach {sums}, more than 32 bits hold; use the reference")


# --- Arithmetic in int32


def _products(x: jax.Array, weight: np.ndarray, bias: np.ndarray) -> jax.Array:
    return (x[..., None, :] * weight.astype(np.int32)).sum(axis=-1) + bias.astype(np.int32)


def _towards_zero(x: jax.Array, shift: Any) -> jax.Array:
    return jnp.sign(x) * (jnp.abs(x) >> np.minimum(shift, 31).astype(np.int32))


def _gated(gate: jax.Array, x: jax.Array) -> jax.Array:
    """Return `gate * x / 256` rounded towards zero; the two halves keep the product within 32 bits."""
    size = jnp.abs(x)
    return jnp.sign(x) * (gate * (size >> 8) + ((gate * (size & 255)) >> 8))


def _decay(x: jax.Array, decay: int) -> jax.Array:
    """Return `x (4096 - decay) / 4096` rounded towards zero; the two halves keep the product within 32 bits."""
    size, keep = jnp.abs(x), 4096 - decay
    return jnp.sign(x) * ((size >> 12) * keep + (((size & 4095) * keep) >> 12))


def _wrap24(x: jax.Array) -> jax.Array:
    return jnp.where(x > _LIMIT, x - 2 * _LIMIT, jnp.where(x <= -_LIMIT, x + 2 * _LIMIT, x))
