"""Where the cores of a placement lie on the mesh of their chips, and how many hops the messages of a neuron take.

Knows neither spikes nor joules. Routing is dimension-ordered, first along the row, then along the column, so that a
message takes as many hops as the Manhattan distance between the tiles of sender and receiver; within a tile it takes none.

What is assumed, since a placement says only which core is the n-th:

- Cores are numbered tile by tile, tiles row by row from the north-west. With 8 columns and 4 cores per tile, core n of a
  chip lies in tile n // 4, in row n // 32 and column (n // 4) % 8.
- Several chips stand in one row from west to east and the mesh goes on from one into the next: a step across a border
  counts as one hop, like any other. A link between chips costs more in truth.
- What comes from outside, the image or a layer that is not placed, enters at the north-west tile of the first chip.
"""

import numpy as np

from lava_port.energy.placement import LayerPlacement, Placement
from lava_port.graph import GraphError

__all__ = ["hops", "tiles"]


def tiles(placement: Placement) -> np.ndarray:
    """Return the column and the row of the tile of every core, int64 (cores, 2); columns run through all chips."""
    mesh = placement.chip.mesh
    columns, rows, together = mesh.columns.value, mesh.rows.value, mesh.cores_per_tile.value
    tile = np.arange(placement.cores, dtype=np.int64) // together
    chip, tile = np.divmod(tile, columns * rows)
    row, column = np.divmod(tile, columns)
    return np.stack([chip * columns + column, row], axis=1)


def hops(placement: Placement, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return how many hops the messages of each neuron take when it sends once: from east to west, and north to south.

    Args:
        placement: Where the network lies.
        name: A layer, the image, or a layer that is not placed.

    Returns:
        Two int64 arrays of the sender's shape.

    Raises:
        GraphError: Nothing of that name sends anything.
    """
    if name not in placement.shapes:
        raise GraphError(f"nothing called {name!r} sends anything; there are {', '.join(placement.shapes)}")
    shape = placement.shapes[name]
    extents = shape if len(shape) == 3 else (1, 1, shape[-1])
    where = tiles(placement)
    across, along = np.zeros((2, *extents), np.int64)
    for box, at in _boxes(placement, name, extents, where):
        for one in placement.routes[name]:
            target = placement.layer(one.target)
            there = where[target.first_core : target.first_core + target.cores]
            distance = np.abs(there - at).reshape(*target.grid, 2)
            tables = (table[part] for table, part in zip((one.rows, one.columns, one.channels), box, strict=True))
            found = _over_destinations(distance, *tables)
            across[box] += found[..., 0]
            along[box] += found[..., 1]
    return across.reshape(shape), along.reshape(shape)


def _boxes(placement: Placement, name: str, extents: tuple[int, ...], where: np.ndarray):
    """Yield the box of neurons of every core of the sender, as slices, and the tile of that core."""
    layer = next((one for one in placement.layers if one.name == name), None)
    if layer is None:
        yield tuple(slice(0, extent) for extent in extents), np.zeros(2, np.int64)
        return
    for number, place in enumerate(np.ndindex(layer.grid)):
        yield _box(layer, place), where[layer.first_core + number]


def _box(layer: LayerPlacement, place: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(at * edge, (at + 1) * edge) for at, edge in zip(place, layer.tile, strict=True))


def _over_destinations(distance: np.ndarray, rows: np.ndarray, columns: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """Sum (i, j, k, 2) over the tiles that (y, x, c) reach, (y, x, c, 2)."""
    part = np.tensordot(rows.astype(np.int64), distance, axes=(1, 0))
    part = np.tensordot(columns.astype(np.int64), part, axes=(1, 1))
    part = np.tensordot(channels.astype(np.int64), part, axes=(1, 2))
    return part.transpose(2, 1, 0, 3)
