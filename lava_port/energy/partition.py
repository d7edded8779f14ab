"""A population cut into tiles, one per core, and what every core then holds, hears and reaches, exactly.

Knows populations and costs; not which cut is the better one, and no limit.

Height, width and channels are each cut into tiles of one edge, of which the last may be shorter, so that every core holds a
box of neurons. Connections are products over the three axes (`connections.Reach`), so what a core hears is too. Of the core
that holds `h x w x c` neurons:

    neurons   h w c
    synapses  sum over projections of the weights between all sources and these neurons, true fan-in with its borders
    inputs    sum over projections of the source neurons with at least one of these weights
    bits      unrolled: sum over projections of  synapses (weight_bits + extra_bits + index_bits)
              shared:   sum over projections of  taps * pairs of a source channel and one of the c channels * weight_bits
              and, where one memory holds everything,  neurons * (bits kept per neuron) + c * (bits kept per channel)
    outputs   sum over the core's neurons of the cores that hold a neuron which they reach
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from lava_port.energy.chips import Chip
from lava_port.energy.connections import Reach
from lava_port.energy.populations import Population, Projection

__all__ = [
    "AXES",
    "Loads",
    "Route",
    "Sharing",
    "Tiling",
    "connections",
    "edges",
    "largest_loads",
    "largest_outputs",
    "loads",
    "messages",
    "route",
    "sum_by_tile",
]

Sharing: TypeAlias = Literal["shared", "unrolled"]
Tiling: TypeAlias = tuple[int, int, int]
"""Edge of a tile along height, width and channels."""

AXES = (0, 1, 2)


@dataclass(frozen=True, eq=False)
class Loads:
    """What cores hold; arrays are int64, one entry per core of a grid of tiles, or per tiling.

    Attributes:
        neurons: Neurons.
        inputs: Distinct source neurons that reach the core.
        synapses: Connections into it.
        bits: Bits of memory.
    """

    neurons: np.ndarray
    inputs: np.ndarray
    synapses: np.ndarray
    bits: np.ndarray


@dataclass(frozen=True, eq=False)
class Route:
    """Which tiles of a population the neurons of one of its sources reach.

    The neuron (y, x, c) sends to the tile (i, j, k) where `rows[y, i]`, `columns[x, j]` and `channels[c, k]` all hold.

    Attributes:
        target: Name of the population.
        rows: bool (height of the source, tiles along height).
        columns: bool (width, tiles along width).
        channels: bool (channels, tiles along channels).
    """

    target: str
    rows: np.ndarray
    columns: np.ndarray
    channels: np.ndarray

    @property
    def destinations(self) -> np.ndarray:
        """Number of tiles that each source neuron reaches, int64 (height, width, channels)."""
        return _outer(table.sum(axis=1, dtype=np.int64) for table in (self.rows, self.columns, self.channels))


def edges(extent: int) -> tuple[int, ...]:
    """Return, for every number of tiles that `extent` can be cut into, the smallest edge that gives it; largest first."""
    return tuple(sorted({-(-extent // count) for count in range(1, extent + 1)}, reverse=True))


def loads(population: Population, tiling: Tiling, chip: Chip, sharing: Sharing) -> Loads:
    """Return what each core holds, arrays of shape (tiles along height, along width, along channels)."""
    rows, columns, channels = (_profile(population, axis, tiling[axis]) for axis in AXES)
    return _loads(rows[:, None, None], columns[None, :, None], channels[None, None], population, chip, sharing)


def largest_loads(population: Population, chip: Chip, sharing: Sharing) -> Loads:
    """Return the largest of any core for every tiling, arrays of shape (edges along height, width, channels)."""
    profiles = []
    for axis in AXES:
        distinct = [np.unique(_profile(population, axis, edge), axis=0) for edge in edges(population.extents[axis])]
        longest = max(map(len, distinct))
        # Filled up with copies of the last, which change no maximum.
        profiles.append(np.stack([np.pad(entry, ((0, longest - len(entry)), (0, 0)), "edge") for entry in distinct]))
    rows, columns, channels = profiles
    found = _loads(
        rows[:, None, None, :, None, None],
        columns[None, :, None, None, :, None],
        channels[None, None, :, None, None, :],
        population, chip, sharing,
    )  # fmt: skip
    return Loads(*(array.max(axis=(3, 4, 5)) for array in (found.neurons, found.inputs, found.synapses, found.bits)))


def route(projection: Projection, target: Population, tiling: Tiling) -> Route:
    """Return which tiles of `target` the neurons at the other end of `projection` reach."""
    tables = (_table(projection.reach, axis) > 0 for axis in AXES)
    return Route(target.name, *(_any_by_tile(table, tiling[axis]) for axis, table in zip(AXES, tables, strict=True)))


def largest_outputs(source: Population, projection: Projection, target: Population, axis: int) -> np.ndarray:
    """Return the largest sum, over the tiles of `source` along one axis, of the tiles of `target` that a neuron reaches.

    The product over the three axes is the largest number of output axons of a core of `source` towards `target`.

    Returns:
        int64 (edges of the source, edges of the target).
    """
    table = _table(projection.reach, axis) > 0
    reached = [_any_by_tile(table, edge).sum(axis=1, dtype=np.int64) for edge in edges(target.extents[axis])]
    extent = source.extents[axis]
    return np.array([[_by_tile(count, edge).max() for count in reached] for edge in edges(extent)], np.int64)


def messages(population: Population) -> np.ndarray:
    """Return how many messages arrive for every tiling if each source neuron sends once, int64, as `largest_loads`."""
    total = np.zeros([len(edges(extent)) for extent in population.extents], np.int64)
    for projection in population.projections:
        total += _outer(
            np.array([_any_by_tile(_table(projection.reach, axis) > 0, edge).sum() for edge in edges(extent)], np.int64)
            for axis, extent in zip(AXES, population.extents, strict=True)
        )
    return total


def sum_by_tile(values: np.ndarray, tiling: Tiling) -> np.ndarray:
    """Return the sum of (height, width, channels) over every tile of a grid."""
    for axis in AXES:
        values = np.add.reduceat(values, np.arange(0, values.shape[axis], tiling[axis]), axis=axis)
    return values


def connections(reach: Reach, axis: int, edge: int) -> np.ndarray:
    """Return how many targets of each tile a source reaches along one axis, int64 (sources, tiles).

    The product over the three axes is the number of connections between one source neuron and the neurons of a core.
    """
    table = (_table(reach, axis) > 0).astype(np.int64)
    return np.add.reduceat(table, np.arange(0, table.shape[1], edge), axis=1)


def _profile(population: Population, axis: int, edge: int) -> np.ndarray:
    """Return per tile along one axis: its length, then per projection the sources that reach it, pairs, and weights."""
    starts = np.arange(0, population.extents[axis], edge)
    columns: list[np.ndarray] = [np.diff(np.append(starts, population.extents[axis]))]
    for projection in population.projections:
        table = _table(projection.reach, axis)
        columns.append(_any_by_tile(table > 0, edge).sum(axis=0))
        columns.append(np.add.reduceat((table > 0).sum(axis=0), starts))
    return np.stack(columns, axis=1).astype(np.int64)


def _loads(
    rows: np.ndarray,
    columns: np.ndarray,
    channels: np.ndarray,
    population: Population,
    chip: Chip,
    sharing: Sharing,
) -> Loads:
    """Return the loads of the boxes that profiles along the three axes, broadcast against each other, span."""
    product = rows * columns * channels
    neurons, inputs, synapses = product[..., 0], product[..., 1::2].sum(axis=-1), product[..., 2::2].sum(axis=-1)
    costs, weight = chip.costs, chip.costs.weight_bits.value
    bits = np.zeros_like(neurons)
    for index, projection in enumerate(population.projections):
        if sharing == "unrolled":
            bits = bits + product[..., 2 + 2 * index] * (weight + projection.extra_bits + costs.index_bits.value)
        else:
            bits = bits + projection.reach.taps * channels[..., 2 + 2 * index] * weight
    if chip.memory_holds == "everything":
        bits = bits + neurons * sum(costs.items[item].value for item in population.per_neuron)
        bits = bits + channels[..., 0] * sum(costs.items[item].value for item in population.per_channel)
    return Loads(neurons, inputs, synapses, bits)


def _table(reach: Reach, axis: int) -> np.ndarray:
    return (reach.rows, reach.columns, reach.channels)[axis]


def _any_by_tile(table: np.ndarray, edge: int) -> np.ndarray:
    """Return whether each source reaches any target of each tile, bool (sources, tiles)."""
    return np.logical_or.reduceat(table, np.arange(0, table.shape[1], edge), axis=1)


def _by_tile(values: np.ndarray, edge: int) -> np.ndarray:
    return np.add.reduceat(values, np.arange(0, len(values), edge))


def _outer(vectors: Iterable[np.ndarray]) -> np.ndarray:
    rows, columns, channels = vectors
    return rows[:, None, None] * columns[None, :, None] * channels
