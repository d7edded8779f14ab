"""What a placed network sends in a run: messages and hops per sender, and the synaptic events that every core works off.

Knows neither how the cores were found nor what a message costs. A message is one spike, or one value, to one core, however
many neurons of that core it reaches:

    messages[t] = sum over the sender's spikes in step t of   the cores that hold a neuron which the sender reaches
    hops[t]     = sum over the same messages of               the Manhattan distance between the two tiles

Who sends:

- neurons, where they spike;
- the image, every element once, in the first step, zero or not;
- a gate that lies on cores of its own: every channel of the squeeze and every hidden unit of the excitation, in every step,
  zero or not.

A layer that was not placed sends from outside to those that were; what it hears itself is not on the chip. `reasons` of the
placement says what was not placed: only a placement that fits tells of the whole network.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from lava_port.energy.activity import Activity, LayerActivity
from lava_port.energy.mesh import hops
from lava_port.energy.partition import AXES, connections
from lava_port.energy.placement import Placement, destinations
from lava_port.energy.populations import survey
from lava_port.graph import (
    MESSAGE_DELAY,
    FixedConv,
    FixedDense,
    FixedGate,
    FixedGraph,
    FixedHold,
    FixedInput,
    FixedLif,
    FixedReadout,
    GraphError,
    windows,
)

__all__ = ["Delivery", "Sent", "deliver"]

_CHUNK = 16
"""Images whose spikes are unpacked at once."""
_BITS_SET = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
"""Bits set in each byte."""


@dataclass(frozen=True, eq=False)
class Sent:
    """What one node sent; arrays are int64 (steps, images), axis 0 running over the steps of its window.

    Attributes:
        messages: Messages.
        hops: Hops that they took on the mesh.
        hops_east_west: Those of them that went along a row.
    """

    messages: np.ndarray
    hops: np.ndarray
    hops_east_west: np.ndarray


@dataclass(frozen=True, eq=False)
class _Sender:
    """A population, or the image, that sends.

    Attributes:
        name: Its name in the placement.
        start: First step in which it sends.
        steps: Number of steps in which it sends.
        layer: Where it sends spikes, what its neurons did; None where it sends all its values in every one of the steps.
    """

    name: str
    start: int
    steps: int
    layer: LayerActivity | None = None


@dataclass(frozen=True, eq=False)
class _Reached:
    """One population that a sender reaches.

    Attributes:
        cores: Its cores.
        tables: Connections between a sender and each of its tiles along each axis, int64 (senders, tiles).
    """

    cores: slice
    tables: tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Delivery:
    """What a run sends over a placement, and what arrives.

    Attributes:
        sent: What every node sent, by its name.
        neurons_per_core: Neurons that every core holds, int64 (cores,).
        events_per_core: Synaptic events that every core works off in every step, int64 (cores, T + depth, images).
            An event is a spike, or a value, at one connection to a neuron of the core; weights of zero count, as in
            `synops_stored`. It stands in the step in which its result arrives at the neuron, one step after it was sent;
            what would arrive after the last step is left out. A gate's squeeze hears what its layer hears, and works it off
            once more, by one connection between a sender and a channel.
    """

    sent: Mapping[str, Sent]
    neurons_per_core: np.ndarray
    events_per_core: np.ndarray


def deliver(graph: FixedGraph, activity: Activity, placement: Placement) -> Delivery:
    """Return what every node sends in a run and what every core works off, exact in int64.

    Raises:
        GraphError: The placement is of another network.
        TypeError: The graph holds a node of which no rule knows what it sends.
    """
    _check(graph, placement)
    start = {name: window.start for name, window in windows(graph).items()}
    reached = _reached(graph, placement)
    events = np.zeros((placement.cores, activity.total_steps, activity.images), np.int64)
    sent = {}
    for node in graph.nodes:
        totals = np.zeros((3, activity.steps, activity.images), np.int64)
        for one in _senders(node, start[node.name], activity, placement):
            if placement.routes[one.name]:
                _deliver(one, placement, reached[one.name], totals, events)
        sent[node.name] = Sent(*totals)
    held = np.concatenate([np.zeros(0, np.int64), *(layer.loads.neurons.ravel() for layer in placement.layers)])
    return Delivery(sent, held, events)


def _deliver(
    sender: _Sender, placement: Placement, reached: Sequence[_Reached], totals: np.ndarray, events: np.ndarray
) -> None:
    """Add what one sender sends to `totals` (messages, hops and those along a row), and what it causes to `events`."""
    across, along = hops(placement, sender.name)
    shape = across.shape if across.ndim == 3 else (1, 1, *across.shape)
    tables = np.stack([destinations(placement, sender.name), across + along, across]).reshape(3, *shape)
    first = sender.start + MESSAGE_DELAY
    here = slice(first, min(first + sender.steps, events.shape[1]))
    if sender.layer is None:
        totals[:, : sender.steps] += tables.sum(axis=(1, 2, 3))[:, None, None]
        for one in reached:
            rows, columns, channels = (table.sum(axis=0) for table in one.tables)
            events[one.cores, here] += (rows[:, None, None] * columns[:, None] * channels).reshape(-1, 1, 1)
        return
    alike, group = _alike(np.concatenate([tables.reshape(-1, shape[2]), *(one.tables[2].T for one in reached)]))
    price = tables[..., alike].reshape(3, -1).T.astype(np.float64)
    for images in _chunks(totals.shape[2]):
        pooled = _pooled(sender.layer, images, group).reshape(len(sender.layer.spikes), -1, *shape[:2], len(alike))
        steps, count = pooled.shape[:2]
        totals[:, :, images] += np.moveaxis(pooled.reshape(steps, count, -1) @ price, -1, 0).astype(np.int64)
        for one in reached:
            met = pooled[: max(0, here.stop - here.start)]
            for axis, table in enumerate((*one.tables[:2], one.tables[2][alike]), start=2):
                met = np.moveaxis(np.tensordot(met, table.astype(np.float64), axes=(axis, 0)), -1, axis)
            events[one.cores, here, images] += np.moveaxis(met.reshape(*met.shape[:2], -1), -1, 0).astype(np.int64)


def _alike(signature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return one channel of every kind of columns of (any, channels), and the kind of each channel."""
    if (signature == signature[:, :1]).all():
        return np.zeros(1, np.int64), np.zeros(signature.shape[1], np.int64)
    _, first, kind = np.unique(signature, axis=1, return_index=True, return_inverse=True)
    return first, kind.ravel()


def _pooled(layer: LayerActivity, images: slice, group: np.ndarray) -> np.ndarray:
    """Return the spikes of channels of one group added up, float64, one entry per step, image, position and group.

    Channels that reach the same cores need not be told apart, and there are far fewer groups than channels.
    """
    channels = layer.shape[-1]
    if not group.any() and channels % 8 == 0:
        # Whole bytes of packed spikes belong to one position: no bit needs to be unpacked.
        return _BITS_SET[layer.packed[:, images]].reshape(-1, channels // 8).sum(axis=1, dtype=np.float64)
    pool = np.eye(group.max() + 1, dtype=np.float32)[group]
    return (layer.unpacked(images).reshape(-1, channels).astype(np.float32) @ pool).astype(np.float64)


def _reached(graph: FixedGraph, placement: Placement) -> dict[str, list[_Reached]]:
    """Return by sender what it reaches."""
    placed = {layer.name: layer for layer in placement.layers}
    result: dict[str, list[_Reached]] = {name: [] for name in placement.shapes}
    for population in survey(graph, placement.chip).populations:
        if (layer := placed.get(population.name)) is None:
            continue
        cores = slice(layer.first_core, layer.first_core + layer.cores)
        for one in population.projections:
            rows, columns, channels = (connections(one.reach, axis, layer.tile[axis]) for axis in AXES)
            result[one.source].append(_Reached(cores, (rows, columns, channels)))
    return result


def _check(graph: FixedGraph, placement: Placement) -> None:
    shapes = {node.name: node.shape for node in graph.nodes if isinstance(node, FixedInput | FixedLif)}
    if any(placement.shapes.get(name) != shape for name, shape in shapes.items()):
        raise GraphError("the placement is of another network: its layers or their shapes differ")


def _chunks(images: int) -> Iterator[slice]:
    for start in range(0, images, _CHUNK):
        yield slice(start, min(start + _CHUNK, images))


# --- Who sends


@singledispatch
def _senders(node: object, start: int, activity: Activity, placement: Placement) -> tuple[_Sender, ...]:
    """Return what of a node sends anything; its window begins in step `start`.

    Raises:
        TypeError: No rule knows the node: it is refused, never taken as silent.
    """
    raise TypeError(
        f"node {getattr(node, 'name', '?')!r}: no messages known of {type(node).__name__}; "
        "add them with @_senders.register in lava_port/energy/messages.py"
    )


@_senders.register(FixedConv)
@_senders.register(FixedDense)
@_senders.register(FixedHold)
@_senders.register(FixedReadout)
def _(node: object, start: int, activity: Activity, placement: Placement) -> tuple[_Sender, ...]:
    # Their work is done in the cores of the neurons behind them; scores are read from outside.
    return ()


@_senders.register
def _(node: FixedInput, start: int, activity: Activity, placement: Placement) -> tuple[_Sender, ...]:
    return (_Sender(node.name, start, 1),)


@_senders.register
def _(node: FixedLif, start: int, activity: Activity, placement: Placement) -> tuple[_Sender, ...]:
    layer = next(one for one in activity.layers if one.name == node.name)
    return (_Sender(node.name, start, activity.steps, layer),)


@_senders.register
def _(node: FixedGate, start: int, activity: Activity, placement: Placement) -> tuple[_Sender, ...]:
    parts = (f"{node.name}.squeeze", f"{node.name}.excite")
    return tuple(
        _Sender(name, start + later * MESSAGE_DELAY, activity.steps)
        for later, name in enumerate(parts)
        if name in placement.shapes
    )
