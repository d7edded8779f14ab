"""What is refused before Lava is started, by the name of the node."""

import dataclasses

import numpy as np
import pytest

from lava_port import passes
from lava_port.graph import FixedConv, FixedDense, FixedGraph, FixedHold, FixedInput, FixedLif, FixedReadout, GraphError
from lava_port.runtime import limits
from lava_port.runtime.host import LavaNetwork


def replaced(graph: FixedGraph, name: str, **fields: object) -> FixedGraph:
    nodes = [dataclasses.replace(node, **fields) if node.name == name else node for node in graph.nodes]
    return dataclasses.replace(graph, nodes=tuple(nodes))


def after(graph: FixedGraph, name: str, *more: object) -> FixedGraph:
    at = 1 + [node.name for node in graph.nodes].index(name)
    return dataclasses.replace(graph, nodes=(*graph.nodes[:at], *more, *graph.nodes[at:]))


def dense(weight: int, size: int) -> FixedGraph:
    """Return a network of one hidden dense layer of one weight on a grey image."""
    nodes = (
        FixedInput("input", (size, size, 1), (100,)),
        FixedDense("dense_1", ("input",), (2,), np.full((2, size * size), weight, np.int16)),
        FixedHold("hold", ("dense_1",), (2,), 0),
        FixedLif("lif_1", ("hold",), (2,), 4095, 0, np.ones(2, np.int32), np.zeros(2, np.int32)),
        FixedDense("dense_2", ("lif_1",), (2,), np.zeros((2, 2), np.int16)),
        FixedReadout("readout", ("dense_2",), (2,), np.zeros(2, np.int64), 1.0),
    )
    return FixedGraph(nodes, 2, ("a", "b"))


def test_what_lava_can_run_passes(everything, shared):
    limits.check(everything)
    limits.check(everything, stock_conv=True)
    limits.check(shared)


def test_a_padding_that_lava_cannot_say_is_refused(everything):
    graph = replaced(everything, "conv_1", padding=((0, 2), (1, 1)))
    with pytest.raises(GraphError, match=r"node 'conv_1': padding .* is not symmetric; Lava pads both sides alike"):
        LavaNetwork(graph)


@pytest.mark.parametrize("name", ["gate_1", "lif_1"])
def test_a_current_that_arrives_once_needs_a_hold(name, everything):
    graph = replaced(everything, name, inputs=("conv_1", *(["gate_1"] if name == "lif_1" else [])))
    with pytest.raises(
        GraphError, match=f"node '{name}': its input 'conv_1' arrives in one step only; put a FixedHold"
    ):
        limits.check(graph)
    if name == "gate_1":
        both = replaced(graph, "lif_1", inputs=("conv_1", "gate_1"))
        limits.check(dataclasses.replace(both, steps=1))


def test_a_hold_on_what_goes_on_is_refused(everything):
    graph = after(everything, "hold", FixedHold("again", ("hold",), (6, 5, 6), 0))
    with pytest.raises(GraphError, match="node 'again': holds what arrives once, but its input 'hold' goes on"):
        limits.check(graph)


def test_a_gate_on_another_current_is_refused(everything):
    graph = replaced(everything, "lif_2", inputs=("conv_2", "gate_1"))
    with pytest.raises(GraphError, match="node 'lif_2': its gate 'gate_1' must be a FixedGate on 'conv_2'"):
        limits.check(graph)


def test_a_convolution_of_a_current_is_refused(everything):
    conv = FixedConv("odd", ("hold",), (6, 5, 1), np.zeros((1, 6, 1, 1), np.int16))
    with pytest.raises(GraphError, match="node 'odd': hears 'hold', a FixedHold; expected the image or spikes"):
        limits.check(after(everything, "hold", conv))


def test_currents_are_refused_exactly_where_a_message_could_overflow():
    """Pixels up to 155, weights of 254: 155 * 254 * 233^2 is below 2^31, 155 * 254 * 234^2 above."""
    limits.check(dense(254, 233))
    with pytest.raises(GraphError, match="node 'dense_1': its current may reach 2155743720, beyond the 31 bits"):
        limits.check(dense(-254, 234))


def test_lavas_own_convolution_has_fewer_bits(everything):
    graph = replaced(everything, "conv_1", weight=np.full((6, 3, 7, 7), 254, np.int16), padding=((3, 3), (3, 3)))
    limits.check(graph)
    with pytest.raises(GraphError, match="node 'conv_1': its current may reach 9521190, beyond the 23 bits"):
        limits.check(graph, stock_conv=True)


# --- Floats


def test_a_folded_float_graph_passes_and_what_lava_cannot_say_does_not(networks, lowered):
    graph = passes.fold(lowered(networks["delayed"], 0))
    limits.check(graph)
    crooked = replaced(graph, "conv_1", padding=((0, 1), (0, 1)))
    with pytest.raises(GraphError, match=r"node 'conv_1': padding .* is not symmetric"):
        limits.check(crooked)
    with pytest.raises(GraphError, match="node 'conv_2': hears 'conv_1', a ConvNode; expected the image or spikes"):
        limits.check(replaced(graph, "conv_2", inputs=("conv_1",)))
    with pytest.raises(GraphError, match="node 'lif_2': its gate 'gate_1' must be a GateNode on 'conv_2'"):
        limits.check(replaced(graph, "lif_2", inputs=("conv_2", "gate_1")))
