"""Tiles, and what a core holds, against listing the connections one by one."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port.energy import partition
from lava_port.energy.chips import CHIPS
from lava_port.energy.connections import fan_out
from lava_port.energy.partition import edges, loads
from lava_port.energy.populations import survey
from lava_port.graph import FixedGate, find


@given(extent=st.integers(1, 300))
def test_edges_are_the_smallest_for_each_number_of_tiles(extent):
    found = edges(extent)
    counts = [-(-extent // edge) for edge in found]
    assert counts == sorted(set(counts))
    assert {-(-extent // edge) for edge in range(1, extent + 1)} == set(counts)
    for edge, count in zip(found, counts, strict=True):
        assert edge == 1 or -(-extent // (edge - 1)) > count


def boxes(population, tiling):
    """Return the index in the grid of the tile of every neuron."""
    height, width, channels = population.extents
    return {
        (y, x, c): (y // tiling[0], x // tiling[1], c // tiling[2])
        for y in range(height) for x in range(width) for c in range(channels)
    }  # fmt: skip


def three(index):
    return index if len(index) == 3 else (0, 0, *index)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_core_hears_holds_and_reaches_what_listing_its_connections_finds(seed, fixed_graph_of, walk):
    graph, chip = fixed_graph_of(seed, "plain"), CHIPS["loihi2"]
    pairs = walk(graph)
    populations = {one.name: one for one in survey(graph, chip).populations}
    rng = np.random.default_rng(seed)
    tilings = {
        name: tuple(int(rng.choice(edges(extent))) for extent in one.extents) for name, one in populations.items()
    }
    for name, one in populations.items():
        box = boxes(one, tilings[name])
        found = loads(one, tilings[name], chip, "unrolled")
        neurons, inputs = np.zeros_like(found.neurons), np.zeros_like(found.inputs)
        synapses = np.zeros_like(found.synapses)
        for at in box.values():
            neurons[at] += 1
        for (_, target), met in pairs.items():
            if target == name:
                for at in {(before, box[three(after)]) for before, after in met}:
                    inputs[at[1]] += 1
                for _, after in met:
                    synapses[box[three(after)]] += 1
        np.testing.assert_array_equal(found.neurons, neurons)
        np.testing.assert_array_equal(found.inputs, inputs)
        np.testing.assert_array_equal(found.synapses, synapses)
        outputs, total = np.zeros_like(neurons), np.zeros(one.extents, np.int64)
        for other in populations.values():
            for projection in other.projections:
                if projection.source == name:
                    total += partition.route(projection, other, tilings[other.name]).destinations
        for (source, target), met in pairs.items():
            if source == name:
                far = boxes(populations[target], tilings[target])
                for before, _ in {(before, far[three(after)]) for before, after in met}:
                    outputs[box[three(before)]] += 1
        np.testing.assert_array_equal(partition.sum_by_tile(total, tilings[name]), outputs)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sharing=st.sampled_from(["shared", "unrolled"]))
def test_the_largest_of_every_cut_is_that_of_its_whole_grid(seed, sharing, fixed_graph_of):
    graph, chip = fixed_graph_of(seed, "plain"), CHIPS["loihi2"]
    populations = {one.name: one for one in survey(graph, chip).populations}
    rng = np.random.default_rng(seed)
    for one in populations.values():
        largest, sent = partition.largest_loads(one, chip, sharing), partition.messages(one)
        at = tuple(int(rng.integers(len(edges(extent)))) for extent in one.extents)
        tiling = tuple(edges(extent)[index] for extent, index in zip(one.extents, at, strict=True))
        whole = loads(one, tiling, chip, sharing)
        for field in ("neurons", "inputs", "synapses", "bits"):
            assert getattr(largest, field)[at] == getattr(whole, field).max()
        routes = [(partition.route(projection, one, tiling), projection) for projection in one.projections]
        assert sent[at] == sum(route.destinations.sum() for route, _ in routes)
        for route, projection in routes:
            if projection.source in populations:
                source = populations[projection.source]
                cut = tuple(edges(extent)[-1 if extent < 3 else 1] for extent in source.extents)
                tables = [partition.largest_outputs(source, projection, one, axis) for axis in partition.AXES]
                chosen = [edges(extent).index(edge) for extent, edge in zip(source.extents, cut, strict=True)]
                bound = np.prod([table[a, b] for table, a, b in zip(tables, chosen, at, strict=True)])
                assert bound == partition.sum_by_tile(route.destinations, cut).max()


def test_synapses_of_a_layer_are_its_exact_fan_outs(chain_graph):
    for name, weights, expected in (("lif_2", "conv_2", 600), ("readout", "dense_1", 96)):
        one = next(entry for entry in survey(chain_graph, CHIPS["loihi2"]).populations if entry.name == name)
        node = find(chain_graph, weights)
        total = fan_out(node, find(chain_graph, node.inputs[0]).shape).sum()
        assert (
            loads(one, tuple(-(-extent // 2) for extent in one.extents), CHIPS["loihi2"], "shared").synapses.sum()
            == total
        )
        assert total == expected


@pytest.mark.parametrize(
    ("sharing", "holds", "expected"),
    [
        # conv_2 into a core of one channel, all positions: 2 x 9 weights of 8 bits.
        ("shared", "synapses", 18 * 8),
        # 10 x 10 x 2 connections of 8 + 13 bits.
        ("unrolled", "synapses", 200 * 21),
        # And 16 neurons with u and v of 24 bits, a threshold of 17 and a bias of 16 for the channel.
        ("shared", "everything", 18 * 8 + 16 * 48 + 33),
        ("unrolled", "everything", 200 * 21 + 16 * 48 + 33),
    ],
)
def test_bits_are_those_worked_out_by_hand(chain_graph, make_chip, sharing, holds, expected):
    chip = make_chip(holds=holds)
    lif_2 = next(one for one in survey(chain_graph, chip).populations if one.name == "lif_2")
    assert loads(lif_2, (4, 4, 1), chip, sharing).bits.ravel().tolist() == [expected] * 3


def test_a_flat_dense_layer_shares_nothing_and_a_shared_one_its_positions(plain_graph, chain_graph, make_chip):
    chip = make_chip()
    flat, shared = (survey(graph, chip).populations[-1] for graph in (plain_graph, chain_graph))
    # 3 x 3 x 4 inputs to 2 units, and 3 channels to 2 units, of 8 bits.
    assert loads(flat, (1, 1, 2), chip, "shared").bits.item() == 72 * 8
    assert loads(shared, (1, 1, 2), chip, "shared").bits.item() == 6 * 8


def test_a_squeeze_that_stores_every_connection_pays_for_the_width_of_its_sums(hand_graph, make_chip):
    """conv_1 has stride 2: a squeeze hears 16 pixels, sums of up to 4 weights take 2 bits more: 8 + 2 + 13 each."""
    gates = [
        dataclasses.replace(node, delay=2, initial=np.full(node.shape, 128)) if isinstance(node, FixedGate) else node
        for node in hand_graph.nodes
    ]
    chip = make_chip()
    squeeze = survey(dataclasses.replace(hand_graph, nodes=tuple(gates)), chip).populations[0]
    assert loads(squeeze, (1, 1, 1), chip, "unrolled").bits.ravel().tolist() == [16 * 23] * 2
    assert loads(squeeze, (1, 1, 1), chip, "shared").bits.ravel().tolist() == [9 * 8] * 2
