"""Messages, hops and events per core, against a list of every message and of every connection that it meets."""

import dataclasses
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port.energy import messages
from lava_port.energy.activity import measure
from lava_port.energy.chips import CHIPS
from lava_port.energy.mapping import place
from lava_port.energy.mesh import tiles
from lava_port.energy.messages import events_per_core, neurons_per_core, sent
from lava_port.energy.placement import core_of
from lava_port.graph import (
    FixedGate,
    FixedGraph,
    FixedInput,
    FixedLif,
    FixedNode,
    GraphError,
    find,
    total_steps,
    windows,
)
from lava_port.reference import run_fixed


def sending(graph: FixedGraph, trace, name: str) -> dict[int, np.ndarray]:
    """Return, by the step of the whole run, how often each neuron of a sender sends, (images, *shape)."""
    images, steps = len(trace.scores), graph.steps
    start = {node: window.start for node, window in windows(graph).items()}
    if "." in name:
        gate, part = name.rsplit(".", 1)
        width = len(find(graph, gate).reduce) if part == "excite" else find(graph, gate).shape[0]
        later = start[gate] + (part == "excite")
        return {later + step: np.ones((images, width), int) for step in range(steps)}
    node = find(graph, name)
    if isinstance(node, FixedInput):
        return {0: np.ones((images, *node.shape), int)}
    return {start[name] + step: trace.layer(name).spikes[step] for step in range(steps)}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), compartments=st.integers(1, 40), sharing=st.sampled_from(["shared", "unrolled"]))
def test_every_message_and_event_is_found_in_a_list_of_all(
    seed, compartments, sharing, fixed_graph_of, images_of, walk, make_chip
):
    graph = fixed_graph_of(seed, "threshold")
    trace = run_fixed(graph, images_of(graph.nodes[0].shape, 2, seed))
    activity = measure(graph, trace)
    placement = place(graph, make_chip(compartments=compartments), sharing=sharing)
    cores = {layer.name: core_of(placement, layer.name) for layer in placement.layers}
    where = tiles(placement)
    events = np.zeros((placement.cores, total_steps(graph), 2), int)
    reached: dict = {}
    for (source, target), pairs in walk(graph).items():
        for before, after in pairs:
            reached.setdefault(source, {}).setdefault(before, []).append(int(cores[target][after]))
    expected = {node.name: np.zeros((3, graph.steps, 2), int) for node in graph.nodes}
    for name, neurons in reached.items():
        node = name.rsplit(".", 1)[0]
        for nth, (now, times) in enumerate(sending(graph, trace, name).items()):
            for image in range(2):
                for neuron, connected in neurons.items():
                    for _ in range(int(times[(image, *neuron)])):
                        here = where[cores[name][neuron]] if name in cores else np.zeros(2, int)
                        for core in set(connected):
                            across, along = np.abs(where[core] - here)
                            expected[node][:, nth, image] += (1, across + along, across)
                        for core in connected:
                            if now + 1 < total_steps(graph):
                                events[core, now + 1, image] += 1
    for name, found in sent(graph, activity, placement).items():
        np.testing.assert_array_equal([found.messages, found.hops, found.hops_east_west], expected[name], err_msg=name)
    np.testing.assert_array_equal(events_per_core(graph, activity, placement), events)
    held = np.concatenate([core.ravel() for core in cores.values()])
    np.testing.assert_array_equal(neurons_per_core(placement), np.bincount(held, minlength=placement.cores))


def test_events_per_core_add_up_to_the_synops_stored(plain_graph, make_trace):
    """Without gates every event is a synop, or a multiplication of the image's layer."""
    activity = measure(plain_graph, make_trace(plain_graph, 3))
    found = events_per_core(plain_graph, activity, place(plain_graph, CHIPS["loihi2"], sharing="shared")).sum(axis=0)
    np.testing.assert_array_equal(found[2:5], activity.synapses[0].stored)
    # Rows 0 .. 5 of 6 meet 1, 2, 1, 2, 1, 1 outputs under kernel 3, stride 2, padding 1: 8 x 8 weights, 3 x 4 channels.
    np.testing.assert_array_equal(found[1], [8 * 8 * 3 * 4] * 3)
    assert (found[0] == 0).all()


def test_images_are_counted_alike_in_chunks_of_any_size(hand_graph, make_trace, monkeypatch):
    activity = measure(hand_graph, make_trace(hand_graph, 7))
    placement = place(hand_graph, CHIPS["loihi2"], sharing="unrolled")
    whole = sent(hand_graph, activity, placement), events_per_core(hand_graph, activity, placement)
    monkeypatch.setattr(messages, "_CHUNK", 3)
    parts = sent(hand_graph, activity, placement), events_per_core(hand_graph, activity, placement)
    np.testing.assert_array_equal(whole[1], parts[1])
    for name, found in whole[0].items():
        np.testing.assert_array_equal(found.messages, parts[0][name].messages)


def test_a_layer_that_is_not_placed_sends_from_outside(chain_graph, make_trace):
    """Loihi 1 holds lif_2 alone, in one core: every spike of lif_1 is one message, which enters in that core's tile."""
    placement = place(chain_graph, CHIPS["loihi1"], sharing="shared")
    trace = make_trace(chain_graph, 2)
    found = sent(chain_graph, measure(chain_graph, trace), placement)
    spikes = trace.layer("lif_1").spikes.sum(axis=(2, 3, 4))
    np.testing.assert_array_equal(found["lif_1"].messages, spikes)
    assert not found["lif_1"].hops.any()
    assert not any(found[name].messages.any() for name in ("input", "lif_2", "readout"))


def test_the_placement_of_another_network_is_refused(chain_graph, plain_graph, make_trace):
    activity = measure(plain_graph, make_trace(plain_graph))
    placement = place(chain_graph, CHIPS["loihi2"], sharing="shared")
    for function in (sent, events_per_core):
        with pytest.raises(GraphError, match="the placement is of another network"):
            function(plain_graph, activity, placement)


def test_what_is_not_known_to_send_or_not_is_refused_by_name(plain_graph, make_trace):
    @dataclasses.dataclass(frozen=True)
    class Delay:
        name: str
        inputs: tuple[str, ...]
        shape: tuple[int, ...]

    placement = place(plain_graph, CHIPS["loihi2"], sharing="shared")
    activity = measure(plain_graph, make_trace(plain_graph))
    nodes = list(plain_graph.nodes)
    nodes[2] = Delay("hold_1", ("conv_1",), (3, 3, 4))
    with pytest.raises(TypeError, match=r"'hold_1': no messages known of Delay; add them with @_senders.register"):
        sent(FixedGraph(tuple(nodes), 3, ("a", "b")), activity, placement)


def test_every_node_is_known_to_send_or_not():
    base = messages._senders.dispatch(object)
    assert [kind.__name__ for kind in get_args(FixedNode) if messages._senders.dispatch(kind) is base] == []
    assert messages._senders.dispatch(FixedGate) is not messages._senders.dispatch(FixedLif)
