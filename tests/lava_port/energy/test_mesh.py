"""Where cores lie and how far messages go, against listing every neuron, core and tile one by one."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port.energy.chips import CHIPS, Figure, Mesh
from lava_port.energy.mapping import place
from lava_port.energy.mesh import hops, tiles
from lava_port.energy.placement import core_of
from lava_port.graph import GraphError


def with_mesh(chip, columns: int, rows: int, together: int):
    return dataclasses.replace(
        chip, mesh=Mesh(*(Figure(n, "assumed", "for a test") for n in (columns, rows, together)))
    )


def test_tiles_of_loihi_are_filled_row_by_row_and_chips_from_west_to_east(chain_graph, make_chip):
    """One compartment a core: 32 + 48 + 2 = 82 cores. Core 31 is the last of row 0, and core 32 begins row 1."""
    one_each = place(chain_graph, make_chip(compartments=1), sharing="shared")
    found = tiles(one_each)
    assert found.shape == (82, 2)
    np.testing.assert_array_equal(
        found[[0, 3, 4, 31, 32, 63, 64]], [[0, 0], [0, 0], [1, 0], [7, 0], [0, 1], [7, 1], [0, 2]]
    )
    small = dataclasses.replace(one_each, chip=with_mesh(one_each.chip, 2, 2, 3))
    np.testing.assert_array_equal(tiles(small)[[2, 3, 5, 6, 11, 12, 17, 18]],
                                  [[0, 0], [1, 0], [1, 0], [0, 1], [1, 1], [2, 0], [3, 0], [2, 1]])  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    compartments=st.integers(1, 40),
    sharing=st.sampled_from(["shared", "unrolled"]),
    mesh=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4)),
)
def test_hops_are_those_of_listing_every_destination_core(
    seed, compartments, sharing, mesh, fixed_graph_of, walk, make_chip
):
    graph = fixed_graph_of(seed, "plain")
    placement = place(graph, with_mesh(make_chip(compartments=compartments), *mesh), sharing=sharing)
    columns, rows, together = mesh

    def tile(core: int) -> tuple[int, int]:
        chip, place_on_chip = divmod(core, columns * rows * together)
        row, column = divmod(place_on_chip // together, columns)
        return chip * columns + column, row

    cores = {layer.name: core_of(placement, layer.name) for layer in placement.layers}
    reached: dict = {name: {} for name in placement.shapes}
    for (source, target), pairs in walk(graph).items():
        for before, after in pairs:
            reached[source].setdefault(before, set()).add(int(cores[target][after]))
    for name, shape in placement.shapes.items():
        across, along = np.zeros((2, *shape), np.int64)
        for neuron, held in reached[name].items():
            column, row = tile(int(cores[name][neuron])) if name in cores else (0, 0)
            across[neuron] = sum(abs(tile(core)[0] - column) for core in held)
            along[neuron] = sum(abs(tile(core)[1] - row) for core in held)
        found = hops(placement, name)
        np.testing.assert_array_equal(found[0], across)
        np.testing.assert_array_equal(found[1], along)
        assert found[0].dtype == found[1].dtype == np.int64


def test_nothing_hops_where_all_cores_share_a_tile(chain_graph):
    placement = place(chain_graph, CHIPS["loihi2"], sharing="shared")
    assert placement.cores <= 4
    assert not any(table.any() for name in placement.shapes for table in hops(placement, name))


def test_an_unknown_sender_is_refused(chain_graph):
    with pytest.raises(GraphError, match="nothing called 'lif_9' sends anything; there are input, lif_1"):
        hops(place(chain_graph, CHIPS["loihi2"], sharing="shared"), "lif_9")
