"""Bits worked out by hand by both rules, best never above worst, and no node without a rule."""

import dataclasses
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port.energy.activity import measure
from lava_port.energy.counts import counts
from lava_port.energy.traffic import AnnTraffic, address_bits, ann_traffic, traffic
from lava_port.graph import FixedLif, FixedNode
from lava_port.reference import run_fixed

KINDS = ("weight", "sum", "state", "input")


@pytest.fixture
def counted(hand_graph, hand_trace):
    return counts(hand_graph, measure(hand_graph, hand_trace))


def assert_traffic(node, **expected) -> None:
    """Compare worst and best of every kind for both images; kinds that are not named move nothing."""
    for kind in KINDS:
        for rule, values in zip(("worst", "best"), expected.get(kind, ([0, 0], [0, 0])), strict=True):
            found = getattr(node.traffic, f"{kind}_{rule}")
            np.testing.assert_array_equal(found, np.broadcast_to(values, 2), err_msg=f"{node.name}.{kind}_{rule}")


def test_the_image_and_its_layer_move_once_per_image(counted):
    """16 pixels of 9 bits. conv_1: 50 MACs with 18 weights of 8 bits, into 8 sums of 32 bits."""
    assert_traffic(counted.node("input"), input=(16 * 9, 16 * 9))
    assert_traffic(
        counted.node("conv_1"), weight=(50 * 8, 18 * 8), sum=(2 * 50 * 32, 2 * 8 * 32), input=(50 * 9, 16 * 9)
    )
    # Written once and read in both steps; at best read once.
    assert_traffic(counted.node("hold_1"), state=(8 * 24 * 3, 8 * 24 * 2))
    assert (counted.node("conv_1").weight_bytes, counted.node("conv_1").state_bytes) == (18, 8 * 4)
    assert (counted.node("hold_1").weight_bytes, counted.node("hold_1").state_bytes) == (0, 24)


def test_spikes_move_addresses_or_a_bitmap(counted):
    """conv_2, image 0: 24 synops in step 0 and 3 in step 1, from 8 and 1 events; 8 neurons have addresses of 3 bits.

    Its 54 weights of 8 bits are more than 27 reads. At best each step moves its 3 sums of 24 bits once in and once out;
    8 spikes are cheaper as 8 bits than as 8 addresses of 3, and one spike as an address. Image 1 is silent.
    """
    assert_traffic(
        counted.node("conv_2"),
        weight=([27 * 8, 0], [27 * 8, 0]),
        sum=([2 * 27 * 24, 0], [2 * (3 + 3) * 24, 0]),
        input=([27 * 3, 0], [8 + 3, 0]),
    )
    assert (counted.node("conv_2").weight_bytes, counted.node("conv_2").state_bytes) == (54, 9)


def test_neurons_read_and_write_their_potential_in_every_step_or_once(counted, hand_graph, hand_trace):
    """lif_1: 8 neurons in 5 steps, du = 4095, so that u is not kept; 2 channels. Image 0 spikes 8 times and once."""
    assert_traffic(
        counted.node("lif_1"),
        state=(8 * 5 * (2 * 24 + 17 + 24), 2 * 8 * 24 + 2 * (17 + 24)),
        input=([9 * 3, 0], [8 + 3, 0]),
    )
    assert counted.node("lif_1").state_bytes == -(-(8 * 24 + 2 * 41) // 8)
    nodes = tuple(
        dataclasses.replace(node, du=4094) if isinstance(node, FixedLif) else node for node in hand_graph.nodes
    )
    graph = dataclasses.replace(hand_graph, nodes=nodes)
    keeping = counts(graph, measure(graph, hand_trace)).node("lif_1")
    np.testing.assert_array_equal(keeping.traffic.state_worst, [8 * 5 * (2 * 48 + 17 + 24)] * 2)
    np.testing.assert_array_equal(keeping.traffic.state_best, [2 * 8 * 48 + 2 * (17 + 24)] * 2)


def test_a_gate_moves_its_sums_weights_and_gates(counted):
    """gate_1: 2 channels, 4 hidden units, 8 elements of a held current summed once; 16 MACs and 8 products a step, T = 2.

    gate_2: 3 channels, 4 hidden units, 3 elements summed in each step; 24 MACs and 3 products a step; delay 1.
    """
    assert_traffic(
        counted.node("gate_1"),
        weight=(32 * 8, 16 * 8),
        sum=(2 * 32 * (8 + 32), 2 * 32 * (2 + 6 * 2)),
        state=(2 * (6 * 32 + 2 * 5), 6 * 32 + 2 * 5),
        input=(8 * 24 + 32 * 32 + 4 * 9 + 16 * 9, 8 * 24 + 2 * 6 * 32 + 4 * 9 + 4 * 9),
    )
    biases = 7 * 32 + 3 * 5
    assert_traffic(
        counted.node("gate_2"),
        weight=(48 * 8, 24 * 8),
        sum=(2 * 32 * (6 + 48), 2 * 32 * (3 * 2 + 7 * 2)),
        state=(2 * biases + 27, biases + 27),
        input=(6 * 24 + 48 * 32 + 6 * 9 + 6 * 9, 6 * 24 + 2 * 7 * 32 + 6 * 9 + 6 * 9),
    )
    assert counted.node("gate_2").weight_bytes == 24
    assert counted.node("gate_2").state_bytes == -(-(biases + 27 * 2 + 10 * 32) // 8)


def test_a_read_out_reads_adds_and_writes_wide_sums(counted):
    assert_traffic(counted.node("readout"), state=(2 * 5 * 96, 2 * 96), input=(64, 64))


def test_the_dense_ann_moves_eight_bits_and_sums_of_32(counted):
    """conv_2: 24 MACs, 54 weights of which one pass reads at most 24, 8 inputs and 3 outputs."""
    ann = counted.node("conv_2").ann
    assert (ann.weight_worst, ann.weight_best, ann.sum_worst, ann.sum_best) == (192, 192, 2 * 24 * 32, 2 * 3 * 32)
    assert (ann.input_worst, ann.input_best, ann.state_worst, ann.state_best) == (24 * 8, 8 * 8, 0, 0)
    assert (ann.weight_bits, ann.activation_bits, ann.sum_bits) == (8, 8, 32)
    neurons = counted.node("lif_1").ann
    assert (neurons.state_worst, neurons.state_best, neurons.input_worst, neurons.input_best) == (256, 64, 64, 64)
    # gate_1: 8 elements, 16 MACs; inputs of the dense layers 2 + 4, outputs 4 + 2; 2 gates written, read 8 times or 2.
    gate = counted.node("gate_1").ann
    assert (gate.sum_worst, gate.sum_best) == (2 * 32 * (16 + 8), 2 * 32 * (6 + 2))
    assert (gate.input_worst, gate.input_best) == (8 * (16 + 8 + 8 + 2), 8 * (6 + 8 + 4))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), mode=st.sampled_from(["threshold", "plain"]))
def test_nothing_moves_more_at_best_than_at_worst(seed, mode, fixed_graph_of, images_of):
    graph = fixed_graph_of(seed, mode)
    found = counts(graph, measure(graph, run_fixed(graph, images_of(graph.nodes[0].shape, 2, seed))))
    for node in found.nodes:
        for kind in KINDS:
            worst, best = (getattr(node.traffic, f"{kind}_{rule}") for rule in ("worst", "best"))
            assert (best >= 0).all(), (node.name, kind)
            assert (best <= worst).all(), (node.name, kind, best, worst)
            assert 0 <= getattr(node.ann, f"{kind}_best") <= getattr(node.ann, f"{kind}_worst"), (node.name, kind)


def test_a_silent_network_moves_no_weights_behind_its_first_layer(plain_graph, make_trace):
    node = counts(plain_graph, measure(plain_graph, make_trace(plain_graph, rate=0))).node("dense_1")
    assert not any(getattr(node.traffic, field.name).any() for field in dataclasses.fields(node.traffic))


def test_an_address_names_one_of_all_neurons():
    assert [address_bits(n) for n in (1, 2, 3, 4, 5, 1024, 1025)] == [1, 1, 2, 2, 3, 10, 11]


def test_every_node_has_a_rule_and_an_unknown_one_is_refused_by_name():
    @dataclasses.dataclass(frozen=True)
    class Delay:
        name: str

    for function, rest, said in (
        (traffic, (None,), "no traffic for"),
        (ann_traffic, ((), 0), "no traffic of an ANN for"),
    ):
        base = function.dispatch(object)
        assert [kind.__name__ for kind in get_args(FixedNode) if function.dispatch(kind) is base] == []
        with pytest.raises(TypeError, match=f"'odd': {said} Delay; add some with"):
            function(Delay("odd"), *rest)
    assert AnnTraffic() == ann_traffic.dispatch(get_args(FixedNode)[2])(None, (), 0)
