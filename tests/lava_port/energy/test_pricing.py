"""Operations are counted once each, and what grows with the spikes is what spikes cause."""

import dataclasses

import numpy as np
import pytest

from lava_port.energy.constants import SCOPES
from lava_port.energy.pricing import grows_with_spikes, holding, operations, outside, price, refusal, scopes_upto
from lava_port.energy.profiles import PROFILES
from lava_port.graph import GraphError

MEMORY = PROFILES["horowitz45_memory"]


def test_every_update_is_either_active_or_quiet_and_every_hop_goes_one_way(placed_counts):
    for node in placed_counts.nodes:
        found = operations(node)
        np.testing.assert_array_equal(found["update_active"] + found["update_quiet"], found["update"])
        np.testing.assert_array_equal(found["access"], found["update"] + found["idle_update"])
        np.testing.assert_array_equal(found["synop_conv"] + found["synop_dense"], found["synop"])
        np.testing.assert_array_equal(found["hop_east_west"] + found["hop_north_south"], node.hops.sum(axis=0))


def test_twice_the_spikes_cost_twice_what_grows_with_them(plain_graph, make_trace):
    """Each neuron of half the images spikes in step 0 alone, of the other half in steps 0 and 1."""
    from lava_port.energy.activity import measure
    from lava_port.energy.counts import counts

    spikes = np.zeros((3, 2, 3, 3, 4), np.uint8)
    spikes[0] = 1
    spikes[1, 1] = 1
    counted = counts(plain_graph, measure(plain_graph, make_trace(plain_graph, 2, spikes={"lif_1": spikes})))
    for name in ("dense_1", "lif_1"):
        found = price(counted.node(name), MEMORY, MEMORY.variants["int8_worst"], scopes_upto("memory"))
        assert not found.missing
        np.testing.assert_allclose(found.spiking[1], 2 * found.spiking[0])
        np.testing.assert_allclose(found.fixed[1], found.fixed[0])
        assert found.spiking[0].min() > 0


def test_traffic_grows_where_spikes_arrive_and_leave(hand_counts):
    grows = {
        node.name: [kind for kind in ("weight", "sum", "state", "input") if grows_with_spikes(node, kind)]
        for node in hand_counts.nodes
    }
    assert grows["conv_2"] == grows["dense_1"] == ["weight", "sum", "input"]
    assert grows["lif_1"] == ["input"]
    assert grows["conv_1"] == grows["gate_1"] == grows["readout"] == []


@pytest.mark.parametrize(("size", "picojoules"), [(0, 10), (8192, 10), (8193, 20), (32769, 100), (1 << 21, 1950)])
def test_data_lies_in_the_smallest_memory_that_holds_it(size, picojoules):
    assert holding(MEMORY.memories, size).energy.value == picojoules


def test_what_was_not_counted_is_missing_and_negative_counts_are_refused(hand_counts):
    profile = PROFILES["loihi1_davies2018"]
    node = dataclasses.replace(hand_counts.node("lif_1"), active=None)
    found = price(node, profile, profile.variants["native"], scopes_upto("neuron"))
    assert "the operation 'update_active' was not counted" in found.missing[0]
    negative = dataclasses.replace(node, spikes=-node.updates)
    with pytest.raises(GraphError, match="node 'lif_1': spike was counted -16 times"):
        price(negative, PROFILES["loihi1_silicon"], PROFILES["loihi1_silicon"].variants["native"], SCOPES)


def test_a_scope_is_refused_for_the_first_reason_on_the_way_to_it(placed_counts, hand_counts):
    horowitz, davies = PROFILES["horowitz45"], PROFILES["loihi1_davies2018"]
    assert refusal(hand_counts, horowitz, "neuron", {}) == ""
    assert refusal(hand_counts, horowitz, "static", {}) == horowitz.scopes["memory"]
    assert refusal(hand_counts, davies, "memory", {}) == ""
    assert "placed on test" in refusal(placed_counts, davies, "network", {})
    assert refusal(placed_counts, dataclasses.replace(davies, chip="test"), "network", {}) == ""
    assert "names no chip" in refusal(placed_counts, dataclasses.replace(davies, chip=None), "network", {})


def test_nothing_is_outside_a_chip_that_holds_all(placed_counts, hand_counts):
    davies = PROFILES["loihi1_davies2018"]
    assert outside(hand_counts, davies) == frozenset()
    assert outside(placed_counts, dataclasses.replace(davies, chip="test")) == frozenset()
