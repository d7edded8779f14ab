"""Which neurons of a network lie on which core of a chip, whether they fit, and which limit decides.

Knows limits and the search for a partition; what a core holds is `partition.py`'s, what a chip can do `chips.py`'s.

The formulas of what a core holds stand at the head of `partition.py`, what a neuron keeps at that of `populations.py`.
Checked per core, where the chip has a published number:

    compartments   neurons of the core
    memory         bytes of its synapses, and of its neurons where one memory holds everything
    input axons    distinct source neurons whose spikes reach it
    output axons   for every neuron of the core, the cores that it sends to, summed

Each core holds neurons of one layer only. Every layer is cut on a regular grid, and for each axis and number of tiles the
smallest edge is tried. The first three limits concern one layer; output axons tie it to the cut of the layers that it sends
to. So the cuts of all layers are chosen together: the least total of cores, and among those the least total of messages if
every neuron sent once. The choice is exact among these grids, with one bound: where a layer sends to several others, the
largest sums towards each are added up, though they might belong to different cores; that never lets pass what does not fit.
It follows that a larger limit never needs more cores, as long as the same layers are placed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lava_port.energy.chips import LIMITS, Chip, Limit
from lava_port.energy.elimination import NEVER, Constraint, choose
from lava_port.energy.partition import (
    AXES,
    Loads,
    Route,
    Sharing,
    Tiling,
    edges,
    largest_loads,
    largest_outputs,
    loads,
    messages,
    route,
    sum_by_tile,
)
from lava_port.energy.placement import LayerPlacement, Placement, Usage
from lava_port.energy.populations import Population, Projection, survey
from lava_port.graph import FixedGraph, GraphError

__all__ = ["place"]

_MOST_CORES = 1 << 20
"""Cuts of one layer into more cores than this, 8,192 chips, are not tried."""


def place(graph: FixedGraph, chip: Chip, *, sharing: Sharing) -> Placement:
    """Return where the neurons of a network lie, with the fewest cores that the search finds.

    What the chip cannot run, or no core can hold, is named in `reasons`; the rest is placed all the same.

    Args:
        graph: The network.
        chip: The kind of chip.
        sharing: Whether a core stores a kernel once for the channels that it holds, or every connection.

    Raises:
        GraphError: A node hears what no hardware could give it; the message names it.
        TypeError: The graph holds a node that no rule knows; the message names it.
    """
    found = survey(graph, chip)
    options = {one.name: _options(one, chip, sharing) for one in found.populations}
    placed = [one for one in found.populations if options[one.name].allowed.any()]
    reasons = [
        *found.reasons,
        *(_too_large(one, options[one.name], chip) for one in found.populations if one not in placed),
    ]
    tilings, complaint = _choose(placed, options, chip)
    routes: dict[str, tuple[Route, ...]] = dict.fromkeys(found.shapes, ())
    for target in placed:
        for projection in target.projections:
            routes[projection.source] += (route(projection, target, tilings[target.name]),)
    layers: list[LayerPlacement] = []
    for one in placed:
        first = layers[-1].first_core + layers[-1].cores if layers else 0
        layers.append(_layer(one, placed, options[one.name], tilings, routes[one.name], chip, sharing, first))
    return Placement(chip, sharing, tuple(layers), (*reasons, *complaint), _unchecked(chip), routes, found.shapes)


# --- The search


@dataclass(frozen=True, eq=False)
class _Options:
    """Every cut of one population; arrays have one axis of edges per axis of the population."""

    edges: tuple[tuple[int, ...], ...]
    cores: np.ndarray
    messages: np.ndarray
    loads: Loads
    within: Mapping[Limit, np.ndarray]

    @property
    def allowed(self) -> np.ndarray:
        return np.logical_and.reduce([*self.within.values(), self.cores <= _MOST_CORES])

    def tiling(self, flat: int) -> Tiling:
        """Return the edges of one of the allowed cuts."""
        at = np.unravel_index(np.flatnonzero(self.allowed)[flat], self.cores.shape)
        rows, columns, channels = (axis[index] for axis, index in zip(self.edges, at, strict=True))
        return rows, columns, channels


def _options(population: Population, chip: Chip, sharing: Sharing) -> _Options:
    tried = tuple(edges(extent) for extent in population.extents)
    counts = [
        np.array([-(-extent // edge) for edge in axis], np.int64)
        for axis, extent in zip(tried, population.extents, strict=True)
    ]
    cores = counts[0][:, None, None] * counts[1][None, :, None] * counts[2]
    held = largest_loads(population, chip, sharing)
    used = {"compartments": held.neurons, "memory": held.bits, "input axons": held.inputs}
    within: dict[Limit, np.ndarray] = {}
    for limit in LIMITS:
        if limit in used and (most := _available(chip, limit)) is not None:
            within[limit] = used[limit] <= most
    return _Options(tried, cores, messages(population), held, within)


def _choose(
    placed: list[Population], options: Mapping[str, _Options], chip: Chip
) -> tuple[dict[str, Tiling], tuple[str, ...]]:
    """Return the cut of every population, and why not where no cuts keep the output axons."""
    if not placed:
        return {}, ()
    kept = [np.flatnonzero(options[one.name].allowed) for one in placed]
    cores, sent = (
        [getattr(options[one.name], field).ravel()[index] for one, index in zip(placed, kept, strict=True)]
        for field in ("cores", "messages")
    )
    base = 1 + sum(int(entry.max()) for entry in sent)
    if base * sum(int(entry.max()) for entry in cores) >= NEVER:
        raise GraphError("the network is too large to compare its partitions; place fewer layers at a time")
    costs = [base * one + other for one, other in zip(cores, sent, strict=True)]
    constraints = _constraints(placed, kept, chip)
    chosen, complaint = choose(costs, constraints), ()
    if chosen is None:
        chosen = choose(costs)
        senders = [placed[one.variables[0]].name for one in constraints if not one.allowed.any()]
        named = ", ".join(f"layer {name!r}" for name in senders) or "all layers together"
        complaint = (
            f"{named}: no partition keeps the output axons of every core within the {_available(chip, 'output axons'):,} "
            f"of {chip.title}; the one shown ignores that limit",
        )
    assert chosen is not None
    return {one.name: options[one.name].tiling(at) for one, at in zip(placed, chosen, strict=True)}, complaint


def _constraints(placed: list[Population], kept: list[np.ndarray], chip: Chip) -> list[Constraint]:
    """Return which cuts of a population and of those it sends to keep its output axons."""
    most = _available(chip, "output axons")
    if most is None:
        return []
    result = []
    for index, source in enumerate(placed):
        heard = _listeners(source, placed)
        if not heard:
            continue
        total = np.zeros((len(kept[index]), *(1 for _ in heard)), np.int64)
        for position, (target, projection) in enumerate(heard):
            tables = [largest_outputs(source, projection, target, axis) for axis in AXES]
            joint = np.einsum("ai,bj,ck->abcijk", *tables).reshape(math.prod(map(len, tables)), -1)
            pairs = joint[np.ix_(kept[index], kept[placed.index(target)])]
            total = total + pairs.reshape(len(pairs), *(-1 if at == position else 1 for at in range(len(heard))))
        variables = (index, *(placed.index(target) for target, _ in heard))
        result.append(Constraint(variables, total <= most))
    return result


def _listeners(source: Population, placed: list[Population]) -> list[tuple[Population, Projection]]:
    return [(target, one) for target in placed for one in target.projections if one.source == source.name]


# --- What was found


def _layer(
    population: Population,
    placed: list[Population],
    options: _Options,
    tilings: Mapping[str, Tiling],
    routes: tuple[Route, ...],
    chip: Chip,
    sharing: Sharing,
    first_core: int,
) -> LayerPlacement:
    tile = tilings[population.name]
    held = loads(population, tile, chip, sharing)
    sent = sum((one.destinations for one in routes), np.zeros(population.extents, np.int64))
    outputs = sum_by_tile(sent, tile)
    used: dict[Limit, np.ndarray] = {
        "compartments": held.neurons, "memory": held.bits, "input axons": held.inputs, "output axons": outputs,
    }  # fmt: skip
    within = dict(options.within)
    if (most := _available(chip, "output axons")) is not None:
        within["output axons"] = _outputs_of_cuts(population, placed, tilings) <= most
    usage = tuple(_usage(limit, int(array.max()), within, options, chip) for limit, array in used.items())
    decided = [one for one in usage if one.alone is not None and one.alone > 1]
    binding = max(decided, key=lambda one: (one.alone, one.share), default=None)
    return LayerPlacement(
        population.name, population.nodes, population.shape, tile, held.neurons.shape, first_core, held, outputs, usage,
        None if binding is None else binding.limit,
    )  # fmt: skip


def _outputs_of_cuts(population: Population, placed: list[Population], tilings: Mapping[str, Tiling]) -> np.ndarray:
    """Return the largest output axons of a core for every cut of `population`, those it sends to cut as they are."""
    total = np.zeros([len(edges(extent)) for extent in population.extents], np.int64)
    for target, projection in _listeners(population, placed):
        chosen = [edges(extent).index(edge) for extent, edge in zip(target.extents, tilings[target.name], strict=True)]
        rows, columns, channels = (
            largest_outputs(population, projection, target, axis)[:, chosen[axis]] for axis in AXES
        )
        total += rows[:, None, None] * columns[None, :, None] * channels
    return total


def _usage(limit: Limit, most: int, within: Mapping[Limit, np.ndarray], options: _Options, chip: Chip) -> Usage:
    used = -(-most // 8) if limit == "memory" else most
    available = _available(chip, limit)
    if available is None:
        return Usage(limit, used, None, None, None)
    cores = options.cores[within[limit]]
    alone = int(cores.min()) if cores.size else None
    return Usage(limit, used, available // 8 if limit == "memory" else available, most / available, alone)


def _available(chip: Chip, limit: Limit) -> int | None:
    """Return how much of a limit a core has, bits for the memory; None where no number was published."""
    figure = chip.figure(limit)
    if figure is None:
        return None
    return 8 * figure.value if limit == "memory" else figure.value


def _too_large(population: Population, options: _Options, chip: Chip) -> str:
    """Return why not even the smallest tiles of a population fit a core."""
    single = [int(array[-1, -1, -1]) for array in (options.loads.neurons, options.loads.bits, options.loads.inputs)]
    found = []
    for limit, used in zip(("compartments", "memory", "input axons"), single, strict=True):
        most = _available(chip, limit)
        if most is not None and used > most:
            unit = " bytes of" if limit == "memory" else ""
            scale = 8 if limit == "memory" else 1
            found.append(f"{-(-used // scale):,}{unit} {limit} of the {most // scale:,}")
    asks = " and ".join(found) if found else f"more than {_MOST_CORES:,} cores"
    return (
        f"layer {population.name!r}: one neuron alone asks for {asks} that a core of {chip.title} has; "
        "train with fewer channels or a smaller image"
    )


def _unchecked(chip: Chip) -> tuple[str, ...]:
    missing = [limit for limit in LIMITS if chip.figure(limit) is None]
    result = [f"{limit}: no number was published for {chip.title}; this limit is not checked" for limit in missing]
    if chip.memory_bytes is not None and chip.memory_holds == "everything":
        result.append(
            f"memory: what axons and programmes take of it in {chip.title} was not published; it is not charged"
        )
    return tuple(result)
