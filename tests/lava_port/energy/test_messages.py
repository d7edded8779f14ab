"""Messages, hops and events per core, against a list of every message and of every connection that it meets."""

import dataclasses
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port.energy import messages
from lava_port.energy.activity import LayerActivity, measure
from lava_port.energy.chips import CHIPS
from lava_port.energy.mapping import place
from lava_port.energy.mesh import tiles
from lava_port.energy.messages import deliver
from lava_port.energy.placement import core_of
from lava_port.graph import (
    FixedGate,
    FixedGraph,
    FixedInput,
    FixedLif,
    FixedNode,
    GraphError,
    Window,
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
    delivery = deliver(graph, activity, placement)
    for name, found in delivery.sent.items():
        np.testing.assert_array_equal([found.messages, found.hops, found.hops_east_west], expected[name], err_msg=name)
    np.testing.assert_array_equal(delivery.events_per_core, events)
    held = np.concatenate([core.ravel() for core in cores.values()])
    np.testing.assert_array_equal(delivery.neurons_per_core, np.bincount(held, minlength=placement.cores))


def test_events_per_core_add_up_to_the_synops_stored(plain_graph, make_trace):
    """Without gates every event is a synop, or a multiplication of the image's layer."""
    activity = measure(plain_graph, make_trace(plain_graph, 3))
    placement = place(plain_graph, CHIPS["loihi2"], sharing="shared")
    found = deliver(plain_graph, activity, placement).events_per_core.sum(axis=0)
    np.testing.assert_array_equal(found[2:5], activity.synapses[0].stored)
    # Rows 0 .. 5 of 6 meet 1, 2, 1, 2, 1, 1 outputs under kernel 3, stride 2, padding 1: 8 x 8 weights, 3 x 4 channels.
    np.testing.assert_array_equal(found[1], [8 * 8 * 3 * 4] * 3)
    assert (found[0] == 0).all()


def test_images_are_counted_alike_in_chunks_of_any_size(hand_graph, make_trace, monkeypatch):
    activity = measure(hand_graph, make_trace(hand_graph, 7))
    placement = place(hand_graph, CHIPS["loihi2"], sharing="unrolled")
    whole = deliver(hand_graph, activity, placement)
    monkeypatch.setattr(messages, "_CHUNK", 3)
    parts = deliver(hand_graph, activity, placement)
    np.testing.assert_array_equal(whole.events_per_core, parts.events_per_core)
    for name, found in whole.sent.items():
        np.testing.assert_array_equal(found.messages, parts.sent[name].messages)


def test_a_layer_that_is_not_placed_sends_from_outside(chain_graph, make_trace):
    """Loihi 1 holds lif_2 alone, in one core: every spike of lif_1 is one message, which enters in that core's tile."""
    placement = place(chain_graph, CHIPS["loihi1"], sharing="shared")
    trace = make_trace(chain_graph, 2)
    found = deliver(chain_graph, measure(chain_graph, trace), placement).sent
    spikes = trace.layer("lif_1").spikes.sum(axis=(2, 3, 4))
    np.testing.assert_array_equal(found["lif_1"].messages, spikes)
    assert not found["lif_1"].hops.any()
    assert not any(found[name].messages.any() for name in ("input", "lif_2", "readout"))


def test_the_placement_of_another_network_is_refused(chain_graph, plain_graph, make_trace):
    activity = measure(plain_graph, make_trace(plain_graph))
    placement = place(chain_graph, CHIPS["loihi2"], sharing="shared")
    with pytest.raises(GraphError, match="the placement is of another network"):
        deliver(plain_graph, activity, placement)


def test_an_unknown_node_is_refused_by_name(plain_graph, make_trace):
    @dataclasses.dataclass(frozen=True)
    class Delay:
        name: str
        inputs: tuple[str, ...]
        shape: tuple[int, ...]

    activity = measure(plain_graph, make_trace(plain_graph))
    placement = place(plain_graph, CHIPS["loihi2"], sharing="shared")
    with pytest.raises(TypeError, match=r"'odd': no messages known of Delay; add them with @_senders.register"):
        messages._senders(Delay("odd", (), ()), 0, activity, placement)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), channels=st.integers(1, 24), kinds=st.integers(1, 4))
def test_pooled_spikes_are_those_of_every_channel_added_up(seed, channels, kinds):
    rng = np.random.default_rng(seed)
    spikes = (rng.random((2, 3, 3, 2, channels)) < 0.4).astype(np.uint8)
    group = np.unique(rng.integers(0, kinds, channels), return_inverse=True)[1].ravel()
    packed = np.packbits(spikes.reshape(2, 3, -1), axis=-1)
    layer = LayerActivity("lif", (3, 2, channels), Window(0, 2), np.zeros((2, 3)), None, None, None, None, packed)
    found = messages._pooled(layer, slice(1, 3), group).reshape(2, 2, 3, 2, -1)
    for kind in range(group.max() + 1):
        np.testing.assert_array_equal(found[..., kind], spikes[:, 1:][..., group == kind].sum(axis=-1))


def test_every_node_is_known_to_send_or_not():
    base = messages._senders.dispatch(object)
    assert [kind.__name__ for kind in get_args(FixedNode) if messages._senders.dispatch(kind) is base] == []
    assert messages._senders.dispatch(FixedGate) is not messages._senders.dispatch(FixedLif)
