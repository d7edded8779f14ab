"""Where the neurons of a network lie on the cores of a chip, and which cores a spike of each of them goes to.

Knows neither how the partition was found nor what a message costs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lava_port.energy.chips import Chip, Limit
from lava_port.energy.partition import Loads, Route, Sharing, Tiling
from lava_port.graph import GraphError, Shape

__all__ = ["LayerPlacement", "Placement", "Usage", "arrivals", "core_of", "destinations"]


@dataclass(frozen=True)
class Usage:
    """How much of one limit the fullest core of a layer uses.

    Attributes:
        limit: Its name.
        used: What is used; bytes for the memory, rounded up.
        available: What there is; None where no number was published.
        share: used / available, of the bits for the memory; None likewise.
        alone: Cores that the layer would need if this were the only limit, its listeners cut as they are; None where the
            limit is not checked, or where a single neuron exceeds it.
    """

    limit: Limit
    used: int
    available: int | None
    share: float | None
    alone: int | None


@dataclass(frozen=True, eq=False)
class LayerPlacement:
    """Where the neurons of one layer lie.

    The tile (i, j, k) of the grid lies on the core `first_core + (i * grid[1] + j) * grid[2] + k`, and holds the rows from
    `i * tile[0]`, the columns from `j * tile[1]`, and the channels from `k * tile[2]` on.

    Attributes:
        name: Name of the neurons' node, or of the gate with `.squeeze` or `.excite` behind it.
        nodes: Names of the nodes that it stands for.
        shape: As in the graph.
        tile: Rows, columns and channels of a tile; the last tiles of an axis may be smaller.
        grid: Tiles along height, width and channels.
        first_core: Number of its first core.
        loads: What each core holds, arrays of shape `grid`.
        outputs: Output axons of each core, int64 of shape `grid`.
        usage: One entry per limit.
        binding: The limit that alone would ask for the most cores; None where one core suffices.
    """

    name: str
    nodes: tuple[str, ...]
    shape: Shape
    tile: Tiling
    grid: tuple[int, int, int]
    first_core: int
    loads: Loads
    outputs: np.ndarray
    usage: tuple[Usage, ...]
    binding: Limit | None

    @property
    def cores(self) -> int:
        """Cores that it takes."""
        return math.prod(self.grid)


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the neurons of a network lie on chips of one kind.

    Attributes:
        chip: The chip.
        sharing: Whether a core stores a kernel once, or every connection.
        layers: What could be placed, in execution order.
        reasons: Why it does not fit, one sentence each; empty where it fits.
        unchecked: One sentence for all that is not checked, since no number was published.
        routes: Where each sender's spikes go, by its name; senders that are not placed, such as the image, are outside.
        shapes: Shape of every sender.
    """

    chip: Chip
    sharing: Sharing
    layers: tuple[LayerPlacement, ...]
    reasons: tuple[str, ...]
    unchecked: tuple[str, ...]
    routes: Mapping[str, tuple[Route, ...]]
    shapes: Mapping[str, Shape]

    @property
    def fits(self) -> bool:
        """Whether all of the network can run, on however many chips."""
        return not self.reasons

    @property
    def cores(self) -> int:
        """Cores in use."""
        return sum(layer.cores for layer in self.layers)

    @property
    def chips(self) -> int | None:
        """Chips that these cores take; None where the number of cores of a chip was not published."""
        return None if self.chip.cores is None else -(-self.cores // self.chip.cores.value)

    def layer(self, name: str) -> LayerPlacement:
        """Return the layer called `name`.

        Raises:
            GraphError: None of that name was placed.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise GraphError(f"no layer {name!r} was placed; there are {', '.join(layer.name for layer in self.layers)}")


def core_of(placement: Placement, name: str) -> np.ndarray:
    """Return the number of the core that holds each neuron, int64 of the layer's shape.

    Raises:
        GraphError: No layer of that name was placed.
    """
    layer = placement.layer(name)
    extents = layer.shape if len(layer.shape) == 3 else (1, 1, layer.shape[-1])
    rows, columns, channels = (np.arange(extent) // edge for extent, edge in zip(extents, layer.tile, strict=True))
    place_in_grid = (rows[:, None, None] * layer.grid[1] + columns[None, :, None]) * layer.grid[2] + channels
    return (layer.first_core + place_in_grid).reshape(layer.shape)


def destinations(placement: Placement, name: str) -> np.ndarray:
    """Return to how many cores each neuron sends a message when it spikes, int64 of the sender's shape.

    Args:
        placement: Where the network lies.
        name: A layer, the image, or a layer that is not placed, whose spikes come from outside.

    Raises:
        GraphError: Nothing of that name sends anything.
    """
    total = np.zeros(_sender(placement, name), np.int64)
    for one in placement.routes[name]:
        total += one.destinations.reshape(total.shape)
    return total


def arrivals(placement: Placement, name: str, emitted: np.ndarray) -> np.ndarray:
    """Return how many messages of one sender arrive at each core.

    Args:
        placement: Where the network lies.
        name: As for `destinations`.
        emitted: Spikes per neuron, whole numbers of the sender's shape.

    Returns:
        int64 (cores,).

    Raises:
        GraphError: Nothing of that name sends anything, or `emitted` has another shape.
    """
    shape = _sender(placement, name)
    if emitted.shape != shape:
        raise GraphError(f"spikes of {name!r} have shape {emitted.shape}; expected {shape}")
    result = np.zeros(placement.cores, np.int64)
    spikes = emitted.astype(np.int64).reshape(shape if len(shape) == 3 else (1, 1, *shape))
    for one in placement.routes[name]:
        target = placement.layer(one.target)
        met = np.tensordot(spikes, one.channels.astype(np.int64), axes=(2, 0))
        met = np.tensordot(one.columns.astype(np.int64), met, axes=(0, 1))
        met = np.tensordot(one.rows.astype(np.int64), met, axes=(0, 1))
        result[target.first_core : target.first_core + target.cores] += met.ravel()
    return result


def _sender(placement: Placement, name: str) -> Shape:
    if name not in placement.shapes:
        raise GraphError(f"nothing called {name!r} sends anything; there are {', '.join(placement.shapes)}")
    return placement.shapes[name]
