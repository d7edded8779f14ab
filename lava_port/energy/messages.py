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

from lava_port.energy.activity import Activity, LayerActivity, weighted_sums
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

__all__ = ["Sent", "events_per_core", "neurons_per_core", "sent"]

_CHUNK = 16
"""Images whose spikes are unpacked at once."""


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


def sent(graph: FixedGraph, activity: Activity, placement: Placement) -> Mapping[str, Sent]:
    """Return what every node sent, by its name.

    Raises:
        GraphError: The placement is of another network.
        TypeError: The graph holds a node of which no rule knows what it sends.
    """
    result = {}
    for node, senders in _all_senders(graph, activity, placement).items():
        totals = np.zeros((3, activity.steps, activity.images), np.int64)
        for one in senders:
            if not placement.routes[one.name]:
                continue
            across, along = hops(placement, one.name)
            tables = [destinations(placement, one.name), across + along, across]
            if one.layer is None:
                totals[:, : one.steps] += np.array([table.sum() for table in tables])[:, None, None]
                continue
            for images in _chunks(activity.images):
                totals[:, :, images] += np.stack(weighted_sums(one.layer.unpacked(images).astype(bool), tables))
        result[node] = Sent(*totals)
    return result


def neurons_per_core(placement: Placement) -> np.ndarray:
    """Return how many neurons every core holds, int64 (cores,)."""
    return np.concatenate([np.zeros(0, np.int64), *(layer.loads.neurons.ravel() for layer in placement.layers)])


def events_per_core(graph: FixedGraph, activity: Activity, placement: Placement) -> np.ndarray:
    """Return the synaptic events that every core works off in every step of the run.

    An event is a spike, or a value, at one connection to a neuron of the core; weights of zero count, as in
    `synops_stored`. It stands in the step in which its result arrives at the neuron, one step after it was sent; what would
    arrive after the last step is left out. A gate's squeeze hears what its layer hears, and works it off once more, by
    one connection between a sender and a channel.

    Returns:
        int64 (cores, T + depth, images).

    Raises:
        GraphError: The placement is of another network.
        TypeError: The graph holds a node of which no rule knows what it sends.
    """
    senders = [one for many in _all_senders(graph, activity, placement).values() for one in many]
    result = np.zeros((placement.cores, activity.total_steps, activity.images), np.int64)
    projections = _projections(graph, placement)
    for sender in senders:
        first = sender.start + MESSAGE_DELAY
        here = slice(first, min(first + sender.steps, activity.total_steps))
        for cores, tables in projections.get(sender.name, ()):
            if sender.layer is None:
                rows, columns, channels = (table.sum(axis=0) for table in tables)
                each = rows[:, None, None] * columns[:, None] * channels
                result[cores, here] += each.reshape(-1, 1, 1)
        if sender.layer is not None and here.start < here.stop:
            for images in _chunks(activity.images):
                spikes = sender.layer.unpacked(images)[: here.stop - here.start]
                for cores, met in _met(spikes, projections.get(sender.name, ())):
                    result[cores, here, images] += met
    return result


def _projections(graph: FixedGraph, placement: Placement) -> dict[str, list[tuple[slice, tuple[np.ndarray, ...]]]]:
    """Return by sender the cores of every population it reaches, and along each axis its connections to each tile."""
    placed = {layer.name: layer for layer in placement.layers}
    result: dict[str, list[tuple[slice, tuple[np.ndarray, ...]]]] = {}
    for population in survey(graph, placement.chip).populations:
        if (layer := placed.get(population.name)) is None:
            continue
        cores = slice(layer.first_core, layer.first_core + layer.cores)
        for one in population.projections:
            tables = tuple(connections(one.reach, axis, layer.tile[axis]) for axis in AXES)
            result.setdefault(one.source, []).append((cores, tables))
    return result


# --- Who sends


def _all_senders(graph: FixedGraph, activity: Activity, placement: Placement) -> dict[str, tuple[_Sender, ...]]:
    shapes = {node.name: node.shape for node in graph.nodes if isinstance(node, FixedInput | FixedLif)}
    if any(placement.shapes.get(name) != shape for name, shape in shapes.items()):
        raise GraphError("the placement is of another network: its layers or their shapes differ")
    start = {name: window.start for name, window in windows(graph).items()}
    return {node.name: _senders(node, start[node.name], activity, placement) for node in graph.nodes}


@singledispatch
def _senders(node: object, start: int, activity: Activity, placement: Placement) -> tuple[_Sender, ...]:
    """Return what of a node sends anything.

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


# --- Events


def _met(
    spikes: np.ndarray, projections: Sequence[tuple[slice, tuple[np.ndarray, ...]]]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield, per projection, its cores and the connections that spikes (steps, images, *shape) meet in each of them.

    Yields:
        int64 (cores, steps, images).
    """
    steps, images = spikes.shape[:2]
    height, width, channels = spikes.shape[2:] if spikes.ndim == 5 else (1, 1, spikes.shape[-1])
    flat = spikes.reshape(-1, channels).astype(np.float32)
    pooled: dict[bytes, np.ndarray] = {}
    for cores, (rows, columns, deep) in projections:
        # Channels of one group reach the same tiles: their spikes are added up once for all projections.
        distinct, group = np.unique(deep, axis=0, return_inverse=True)
        group = group.ravel()
        if group.tobytes() not in pooled:
            pooled[group.tobytes()] = flat @ np.eye(len(distinct), dtype=np.float32)[group]
        met = pooled[group.tobytes()].reshape(steps * images, height, width, -1).astype(np.float64)
        for table, axis in ((rows, 1), (columns, 2), (distinct, 3)):
            met = np.moveaxis(np.tensordot(met, table.astype(np.float64), axes=(axis, 0)), -1, axis)
        yield cores, met.reshape(steps * images, -1).T.reshape(-1, steps, images).astype(np.int64)


def _chunks(images: int) -> Iterator[slice]:
    for start in range(0, images, _CHUNK):
        yield slice(start, min(start + _CHUNK, images))
