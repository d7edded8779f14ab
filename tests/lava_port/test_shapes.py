"""Graphs that fit pass; whatever is changed in one field is refused by name, or runs."""

import dataclasses
import typing

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lava_port import graph, passes, quantise, reference, shapes
from lava_port.graph import FixedGraph, GraphError, find


def test_every_drawn_network_passes(network, mode, lowered, fixed_graph_of):
    whole = lowered(network, 0)
    shapes.check(whole)
    folded = passes.fold(whole)
    shapes.check(folded)
    fixed, _ = quantise.quantise(folded)
    shapes.check(fixed)
    for seed in range(5):
        shapes.check(fixed_graph_of(seed, mode))


def test_every_node_has_a_check():
    base = shapes._check.dispatch(object)
    kinds = (*typing.get_args(graph.Node), *typing.get_args(graph.FixedNode))
    assert [kind.__name__ for kind in kinds if shapes._check.dispatch(kind) is base] == []


ODD = st.sampled_from(
    [None, -1, 0, 1, 2, 7, 0.5, 1e9, 10**20, True, "input", (), (1,), (2, 2), (3, 3, 3), ((0, 1), (1, 1)), ((1, 1), (1, 1)),
     np.zeros(3, np.int64), np.zeros((2, 2), np.int16), np.full(4, 9), np.full((4, 3, 3, 3), 2, np.int16)]
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(seed=st.integers(0, 40), place=st.integers(0, 99), number=st.integers(0, 99), value=ODD)
def test_a_graph_with_one_field_changed_is_refused_or_runs(fixed_graph_of, images_of, seed, place, number, value):
    """Whatever passes runs in the reference: no other error than a refusal comes out."""
    whole = fixed_graph_of(seed, "plain")
    node = whole.nodes[place % len(whole.nodes)]
    fields = [field.name for field in dataclasses.fields(node) if field.name not in ("name", "inputs")]
    field = fields[number % len(fields)]
    changed = dataclasses.replace(node, **{field: value})
    try:
        shapes.check_types(changed)
        odd = FixedGraph(tuple(changed if one is node else one for one in whole.nodes), whole.steps, whole.classes)
        shapes.check(odd)
    except GraphError:
        return
    assume(odd.nodes[0].shape == whole.nodes[0].shape)
    images = images_of(odd.nodes[0].shape, 2, seed)
    assert reference.run_fixed(odd, images).scores.shape == (2, len(odd.classes))


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("conv_1", {"stride": (0, 1)}, r"node 'conv_1': stride is \(0, 1\); expected two numbers of at least 1"),
        ("conv_1", {"stride": (1.5, 1)}, r"node 'conv_1': stride is \(1.5, 1\); expected a value of type tuple"),
        ("conv_1", {"dilation": (1, 0)}, r"node 'conv_1': dilation is \(1, 0\); expected two numbers of at least 1"),
        ("conv_1", {"dilation": (3, 1)}, r"node 'conv_1': shape is \(8, 8, 6\); expected \(6, 8, 6\)"),
        ("conv_1", {"shape": (8, 8, 7)}, r"node 'conv_1': shape is \(8, 8, 7\); expected \(8, 8, 6\)"),
        ("conv_2", {"groups": 5}, "node 'conv_2': groups is 5; expected a divisor of the outputs"),
        ("lif_1", {"du": 4096}, "node 'lif_1': du is 4096; expected 0 to 4095"),
        (
            "lif_1",
            {"bias": np.zeros(2, np.int32)},
            r"node 'lif_1': bias is \(2,\); expected 6 numbers, one per channel",
        ),
        ("gate_1", {"initial": None}, "node 'gate_1': delay is 2; expected 0 without initial gates, else with"),
        ("hold", {"shift": -1}, "node 'hold': shift is -1; expected 0 to 63"),
        ("readout", {"scale": 0.0}, "node 'readout': scale is 0.0; expected a number above zero"),
        ("dense_1", {"shared": False}, r"node 'dense_1': weight is \(4, 8\); expected \(4, 128\)"),
        ("input", {"offset": (1, 2)}, r"node 'input': offset is \(1, 2\); expected 3 numbers"),
    ],
)
def test_what_does_not_fit_is_refused_by_node_and_field(networks, lowered, name, fields, message):
    fixed, _ = quantise.quantise(passes.fold(lowered(networks["delayed"], 0)))
    node = dataclasses.replace(find(fixed, name), **fields)
    nodes = tuple(node if one.name == name else one for one in fixed.nodes)
    with pytest.raises(GraphError, match=message):
        shapes.check(dataclasses.replace(fixed, nodes=nodes))
