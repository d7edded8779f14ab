"""What a network becomes on a chip, and what is refused by name."""

import dataclasses
from typing import get_args

import numpy as np
import pytest

from lava_port.energy.chips import CHIPS, Capability
from lava_port.energy.populations import _populate, survey
from lava_port.graph import FixedConv, FixedGraph, FixedLif, FixedNode, GraphError


def replaced(graph: FixedGraph, name: str, **fields: object) -> FixedGraph:
    nodes = [dataclasses.replace(node, **fields) if node.name == name else node for node in graph.nodes]
    return dataclasses.replace(graph, nodes=tuple(nodes))


def with_delay(graph: FixedGraph, delay: int) -> FixedGraph:
    initial = np.full(2, 128, np.int64) if delay else None
    graph = replaced(graph, "gate_1", delay=delay, initial=initial)
    return replaced(graph, "gate_2", delay=delay, initial=np.full(3, 128, np.int64) if delay else None)


@pytest.mark.parametrize("kind", get_args(FixedNode), ids=lambda kind: kind.__name__)
def test_every_node_has_a_rule(kind):
    assert _populate.dispatch(kind) is not _populate.dispatch(object)


def test_a_gated_network_becomes_layers_squeezes_and_excitations(hand_graph):
    found = survey(with_delay(hand_graph, 2), CHIPS["loihi2"])
    assert found.reasons == ()
    assert [(one.name, one.shape) for one in found.populations] == [
        ("gate_1.squeeze", (2,)), ("gate_1.excite", (4,)), ("lif_1", (2, 2, 2)),
        ("gate_2.squeeze", (3,)), ("gate_2.excite", (4,)), ("lif_2", (1, 1, 3)),
        ("readout", (2,)),
    ]  # fmt: skip
    by_name = {one.name: one for one in found.populations}
    assert by_name["lif_1"].nodes == ("conv_1", "hold_1", "lif_1")
    assert [one.source for one in by_name["lif_2"].projections] == ["lif_1", "gate_2.excite"]
    assert [one.source for one in by_name["gate_1.squeeze"].projections] == ["input"]
    assert by_name["lif_1"].per_neuron == ("current", "potential", "held", "sum")
    assert by_name["lif_2"].per_neuron == ("current", "potential", "sum")
    assert not by_name["readout"].spikes


def test_a_squeeze_sums_the_weights_that_its_channel_has_for_a_source(hand_graph):
    # conv_1 has stride 2, so that row and column 1 meet 2 outputs: up to 4 weights in one sum, two bits more.
    found = survey(with_delay(hand_graph, 2), CHIPS["loihi2"])
    squeeze = found.populations[0].projections[0]
    np.testing.assert_array_equal(squeeze.reach.rows.ravel(), [1, 2, 1, 1])
    assert squeeze.extra_bits == 2
    # conv_2 has one output only: one weight each.
    assert found.populations[3].projections[0].extra_bits == 0


def test_a_longer_delay_keeps_a_gate_for_every_step_more(hand_graph):
    layers = survey(with_delay(hand_graph, 4), CHIPS["loihi2"]).populations
    assert layers[5].per_neuron == ("current", "potential", "sum", "gate", "gate")


@pytest.mark.parametrize("chip", CHIPS.values(), ids=lambda chip: chip.name)
@pytest.mark.parametrize("delay", [0, 1])
def test_a_gate_that_no_core_could_compute_in_time_is_refused_on_every_chip(hand_graph, chip, delay):
    found = survey(with_delay(hand_graph, delay), chip)
    text = (
        f"layers 'gate_1', 'gate_2': a gate with delay {delay} is simulation only, since no core sees a whole channel"
    )
    assert any(reason.startswith(text) for reason in found.reasons)
    assert not any("gate" in one.name for one in found.populations)
    lif_2 = next(one for one in found.populations if one.name == "lif_2")
    assert [one.source for one in lif_2.projections] == ["lif_1"]
    assert "sum" not in lif_2.per_neuron


def test_binary_spikes_carry_neither_image_nor_gate_nor_scores(hand_graph):
    found = survey(with_delay(hand_graph, 2), CHIPS["loihi1"])
    assert found.reasons == (
        "layer 'conv_1': the analogue image needs graded spikes and programmable neurons, which Loihi 1 lacks; compute "
        "this layer on the host",
        "layers 'gate_1', 'gate_2': squeeze and excitation need graded spikes and programmable neurons, which Loihi 1 "
        "lacks; train without attention, or with a static gate",
        "layer 'readout': adding up without spiking needs programmable neurons, which Loihi 1 lacks; add up on the host",
    )
    assert [one.name for one in found.populations] == ["lif_2"]
    assert found.shapes["lif_1"] == (2, 2, 2)


def test_only_what_is_needed_is_asked_for(chain_graph):
    graded = dataclasses.replace(
        CHIPS["loihi1"], title="Graded", graded_spikes=Capability(True, "assumed", "for this test")
    )
    reasons = survey(chain_graph, graded).reasons
    assert reasons[0].startswith("layer 'conv_1': the analogue image needs programmable neurons, which Graded lacks")
    bare = replaced(chain_graph, "lif_1", inputs=("conv_1",))
    assert [reason.split(":")[0] for reason in survey(bare, graded).reasons] == ["layer 'readout'"]


def test_an_unknown_node_is_refused_by_name(chain_graph):
    @dataclasses.dataclass(frozen=True)
    class FixedWish:
        name: str
        inputs: tuple[str, ...] = ()
        shape: tuple[int, ...] = (2,)

    graph = dataclasses.replace(chain_graph, nodes=(*chain_graph.nodes[:-1], FixedWish("wish"), chain_graph.nodes[-1]))
    with pytest.raises(TypeError, match=r"node 'wish': no placement for FixedWish; add one with @_populate.register"):
        survey(graph, CHIPS["loihi2"])


def test_a_convolution_of_a_current_and_neurons_without_one_are_refused(chain_graph):
    conv = FixedConv("odd", ("hold",), (4, 4, 1), np.zeros((1, 2, 1, 1), np.int16))
    more = dataclasses.replace(chain_graph, nodes=(*chain_graph.nodes[:3], conv, *chain_graph.nodes[3:]))
    with pytest.raises(GraphError, match="node 'odd': hears 'hold', a FixedHold; expected the image or spikes"):
        survey(more, CHIPS["loihi2"])
    lif = next(node for node in chain_graph.nodes if isinstance(node, FixedLif))
    with pytest.raises(GraphError, match="node 'lif_2': hears 'lif_1', which is no current"):
        survey(replaced(chain_graph, "lif_2", inputs=(lif.name,)), CHIPS["loihi2"])
