"""What a run of images did: spikes per layer, step and image, and the weights that they met; batches join without traces.

Knows neither joules nor profiles, and no backend.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lava_port.energy.connections import fan_out
from lava_port.graph import FixedGraph, GraphError, Shape, Window, find, total_steps, windows
from lava_port.trace import FACTS, LayerTrace, Trace, check_belongs

__all__ = ["Activity", "LayerActivity", "SynapseActivity", "measure", "weighted_sums"]


@dataclass(frozen=True, eq=False)
class LayerActivity:
    """What one layer of neurons did.

    Attributes:
        name: Name of the LIF node.
        shape: Shape of the layer.
        window: Its window; axis 0 of the arrays runs over it.
        spikes: int64 (steps, images).
        changes: Neurons whose potential after the step differs from the one before it, int64 (steps, images); None where
            the trace held no potentials.
        overflows: Neurons whose current wrapped or whose potential was clipped, int64 (steps, images); None where the
            trace did not count them.
        active: Neurons at which a current other than zero arrived, likewise.
        charged: Neurons whose potential after the step is not zero, likewise.
        packed: Which neurons spiked, one bit each as `numpy.packbits` lays them out, uint8 (steps, images, bytes): about
            as much as the images themselves take, and enough to send the spikes over any placement later.
    """

    name: str
    shape: Shape
    window: Window
    spikes: np.ndarray
    changes: np.ndarray | None
    overflows: np.ndarray | None
    active: np.ndarray | None
    charged: np.ndarray | None
    packed: np.ndarray

    def unpacked(self, images: slice = slice(None)) -> np.ndarray:
        """Return which neurons spiked, uint8 (steps, images, *shape), 0 or 1."""
        bits = np.unpackbits(self.packed[:, images], axis=-1, count=math.prod(self.shape))
        return bits.reshape(*bits.shape[:2], *self.shape)


@dataclass(frozen=True, eq=False)
class SynapseActivity:
    """How many weights of one layer the spikes before it met.

    Attributes:
        name: Name of the node that holds the weights.
        source: Name of the LIF node whose spikes reach it.
        stored: Sum over spikes of the weights stored, int64 (steps, images); axis 0 runs over the source's window.
        nonzero: The same for weights that are not zero.
    """

    name: str
    source: str
    stored: np.ndarray
    nonzero: np.ndarray


@dataclass(frozen=True, eq=False)
class Activity:
    """What a run of images did in one network.

    Attributes:
        layers: One entry per LIF node, in execution order.
        synapses: One entry per node that spikes reach, in execution order.
        images: Number of images.
        steps: T.
        total_steps: T + depth.
    """

    layers: tuple[LayerActivity, ...]
    synapses: tuple[SynapseActivity, ...]
    images: int
    steps: int
    total_steps: int

    @staticmethod
    def join(parts: Sequence["Activity"]) -> "Activity":
        """Return the activity of several batches through one network.

        Raises:
            GraphError: There are no parts, or they are of different networks.
        """
        if not parts:
            raise GraphError("no activities to join: no images were run")
        if any(_identity(part) != _identity(parts[0]) for part in parts):
            raise GraphError("the activities are of different networks: their layers, shapes or steps differ")
        return dataclasses.replace(
            parts[0],
            layers=tuple(
                dataclasses.replace(
                    entries[0],
                    spikes=np.concatenate([entry.spikes for entry in entries], axis=1),
                    changes=_join_optional([entry.changes for entry in entries]),
                    packed=np.concatenate([entry.packed for entry in entries], axis=1),
                    **{fact: _join_optional([getattr(entry, fact) for entry in entries]) for fact in FACTS},
                )
                for entries in zip(*(part.layers for part in parts), strict=True)
            ),
            synapses=tuple(
                dataclasses.replace(
                    entries[0],
                    stored=np.concatenate([entry.stored for entry in entries], axis=1),
                    nonzero=np.concatenate([entry.nonzero for entry in entries], axis=1),
                )
                for entries in zip(*(part.synapses for part in parts), strict=True)
            ),
            images=sum(part.images for part in parts),
        )


def measure(graph: FixedGraph, trace: Trace) -> Activity:
    """Return what a batch did, exact in int64; the trace may be dropped afterwards.

    Args:
        graph: The network that made the trace.
        trace: A batch, from any backend.

    Raises:
        GraphError: The trace is of another network, holds no images, NaN, or spikes other than 0 and 1.
        TypeError: Spikes reach a node whose fan-out no rule knows.
    """
    _check(graph, trace)
    layers, synapses = [], {}
    for layer in trace.layers:
        shape = tuple(layer.spikes.shape[2:])
        readers = [node for node in graph.nodes if layer.name in node.inputs]
        tables = [np.ones(shape, np.int64)]
        for node in readers:
            tables += [fan_out(node, shape), fan_out(node, shape, nonzero=True)]
        fired = layer.spikes.astype(bool).reshape(*layer.spikes.shape[:2], -1)
        sums = weighted_sums(fired, tables)
        facts = {fact: getattr(layer, fact) for fact in FACTS}
        packed = np.packbits(fired, axis=-1)
        layers.append(LayerActivity(layer.name, shape, layer.window, sums[0], _changes(layer), packed=packed, **facts))
        for index, node in enumerate(readers):
            stored, nonzero = sums[1 + 2 * index], sums[2 + 2 * index]
            synapses[node.name] = SynapseActivity(node.name, layer.name, stored, nonzero)
    ordered = tuple(synapses[node.name] for node in graph.nodes if node.name in synapses)
    return Activity(tuple(layers), ordered, len(trace.scores), trace.steps, trace.total_steps)


def weighted_sums(spikes: np.ndarray, tables: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the sum of each table over the spikes of every step and image, int64 (steps, images).

    Only neurons that spiked are looked at.

    Args:
        spikes: (steps, images, ...), 0 or 1; fastest as booleans.
        tables: Whole numbers per neuron, int64, each of the shape of a layer.
    """
    steps, images = spikes.shape[:2]
    flat = spikes.astype(bool, copy=False).reshape(steps * images, -1)
    # A table that is the same everywhere needs no look at which neurons spiked.
    by_neuron = [table.flat[0] if table.min() == table.max() else table.ravel() for table in tables]
    sums = np.empty((len(tables), len(flat)), np.int64)
    for row, fired in enumerate(flat):
        neurons = np.flatnonzero(fired)
        for index, table in enumerate(by_neuron):
            sums[index, row] = table[neurons].sum() if table.ndim else table * len(neurons)
    return list(sums.reshape(len(tables), steps, images))


def _changes(layer: LayerTrace) -> np.ndarray | None:
    """Count as NeuroBench does: every neuron in the first step, then those whose potential a step changed."""
    if layer.potential is None:
        return None
    steps, images = layer.spikes.shape[:2]
    result = np.full((steps, images), math.prod(layer.spikes.shape[2:]), np.int64)
    moved = layer.potential[1:] != layer.potential[:-1]
    result[1:] = moved.sum(axis=tuple(range(2, moved.ndim)), dtype=np.int64)
    return result


def _check(graph: FixedGraph, trace: Trace) -> None:
    check_belongs(graph, trace)
    if trace.total_steps != total_steps(graph):
        raise GraphError(
            f"the trace is of another network: it ran {trace.total_steps} steps, this one runs {total_steps(graph)}"
        )
    images = len(trace.scores)
    if not images:
        raise GraphError("the trace holds no images; there is nothing to count")
    if not np.isfinite(trace.scores).all():
        raise GraphError("the trace holds NaN or infinity among its class scores")
    expected = windows(graph)
    for layer in trace.layers:
        shape = (graph.steps, images, *find(graph, layer.name).shape)
        if layer.spikes.shape != shape or layer.window != expected[layer.name]:
            raise GraphError(
                f"layer {layer.name!r}: the trace is of another network: its spikes are {layer.spikes.shape} in steps "
                f"{layer.window.start} .. {layer.window.stop - 1}, expected {shape} in steps "
                f"{expected[layer.name].start} .. {expected[layer.name].stop - 1}"
            )
        _check_values(layer)


def _check_values(layer: LayerTrace) -> None:
    for kind in ("spikes", "potential", "gate"):
        values = getattr(layer, kind)
        if values is not None and values.dtype.kind == "f" and not np.isfinite(values).all():
            raise GraphError(f"layer {layer.name!r}: its {kind} hold NaN or infinity")
    spikes = layer.spikes
    # Unsigned integers need one pass only, which matters: this runs over every neuron, step and image.
    binary = spikes.max() <= 1 if spikes.dtype.kind in "bu" else bool(((spikes == 0) | (spikes == 1)).all())
    if not binary:
        raise GraphError(f"layer {layer.name!r}: its spikes hold values other than 0 and 1")
    if layer.potential is not None and layer.potential.shape != spikes.shape:
        raise GraphError(f"layer {layer.name!r}: potentials {layer.potential.shape} beside spikes {spikes.shape}")


def _identity(activity: Activity) -> tuple[object, ...]:
    return (
        tuple((entry.name, entry.shape, entry.window) for entry in activity.layers),
        tuple((entry.name, entry.source) for entry in activity.synapses),
        activity.steps,
        activity.total_steps,
    )


def _join_optional(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    present = [part for part in parts if part is not None]
    return np.concatenate(present, axis=1) if len(present) == len(parts) else None
