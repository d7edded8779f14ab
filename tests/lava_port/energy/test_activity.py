"""Spikes and the weights they meet, against a loop over every spike; joining; traces that do not belong."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port.energy.activity import Activity, measure
from lava_port.energy.connections import fan_out
from lava_port.graph import (
    FixedConv,
    FixedDense,
    FixedGraph,
    FixedInput,
    FixedLif,
    FixedReadout,
    GraphError,
    find,
    windows,
)
from lava_port.reference import run_fixed
from lava_port.trace import LayerTrace, Trace, concatenate


def assert_same(left: Activity, right: Activity) -> None:
    assert (left.images, left.steps, left.total_steps) == (right.images, right.steps, right.total_steps)
    for mine, other in zip((*left.layers, *left.synapses), (*right.layers, *right.synapses), strict=True):
        for field in dataclasses.fields(mine):
            np.testing.assert_array_equal(getattr(mine, field.name), getattr(other, field.name))


def with_layer(trace: Trace, index: int, **changes) -> Trace:
    layers = list(trace.layers)
    layers[index] = dataclasses.replace(layers[index], **changes)
    return dataclasses.replace(trace, layers=tuple(layers))


def test_hand_worked_spikes_meet_the_weights_they_should(hand_graph, hand_trace):
    # Image 0: 8 spikes x 3 weights in step 0, of which the one at (1, 1), channel 1 meets a zero; that one again in step 1.
    result = measure(hand_graph, hand_trace)
    assert [entry.name for entry in result.layers] == ["lif_1", "lif_2"]
    assert [(entry.name, entry.source) for entry in result.synapses] == [("conv_2", "lif_1"), ("dense_1", "lif_2")]
    np.testing.assert_array_equal(result.layers[0].spikes, [[8, 0], [1, 0]])
    np.testing.assert_array_equal(result.layers[1].spikes, [[0, 1], [2, 0]])
    np.testing.assert_array_equal(result.synapses[0].stored, [[24, 0], [3, 0]])
    np.testing.assert_array_equal(result.synapses[0].nonzero, [[23, 0], [2, 0]])
    np.testing.assert_array_equal(result.synapses[1].stored, [[0, 2], [4, 0]])
    np.testing.assert_array_equal(result.synapses[1].nonzero, [[0, 2], [3, 0]])
    assert (result.images, result.steps, result.total_steps) == (2, 2, 5)
    for entry in result.synapses:
        assert entry.stored.dtype == entry.nonzero.dtype == np.int64


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    images=st.integers(1, 3),
    groups=st.integers(1, 2),
    stride=st.integers(1, 3),
    pad=st.integers(0, 2),
    rate=st.sampled_from([0.0, 0.2, 1.0]),
)
def test_weighted_sums_equal_a_loop_over_every_spike(seed, images, groups, stride, pad, rate):
    generator = np.random.default_rng(seed)
    shape, steps = (4, 5, 2), 2
    weight = 2 * generator.integers(-1, 2, (2, 2 // groups, 3, 3)).astype(np.int16)
    height, width = ((extent + 2 * pad - 3) // stride + 1 for extent in shape[:2])
    conv = FixedConv(
        "conv_1", ("lif_1",), (height, width, 2), weight, (stride, stride), ((pad, pad), (pad, pad)), groups
    )
    one = np.ones(2, np.int32)
    graph = FixedGraph(
        nodes=(
            FixedInput("input", shape, (0, 0)),
            FixedLif("lif_1", ("input",), shape, 4095, 0, one, one),
            conv,
            FixedLif("lif_2", ("conv_1",), conv.shape, 4095, 0, one, one),
            FixedDense("dense_1", ("lif_2",), (2,), np.ones((2, 2), np.int16), shared=True),
            FixedReadout("readout", ("dense_1",), (2,), np.zeros(2, np.int64), 1.0),
        ),
        steps=steps,
        classes=("a", "b"),
    )
    spikes = (generator.random((steps, images, *shape)) < rate).astype(np.uint8)
    trace = Trace(
        (
            LayerTrace("lif_1", windows(graph)["lif_1"], spikes),
            LayerTrace("lif_2", windows(graph)["lif_2"], np.zeros((steps, images, *conv.shape), np.uint8)),
        ),
        np.zeros((images, 2), np.int64),
        steps,
        4,
    )
    stored, nonzero = np.zeros((2, steps, images), np.int64)
    for step, image, y, x, channel in np.argwhere(spikes):
        group = channel // (2 // groups)
        for out in range(group * 2 // groups, (group + 1) * 2 // groups):
            for ky, kx in np.ndindex(3, 3):
                row, column = y + pad - ky, x + pad - kx
                if row % stride or column % stride:
                    continue
                if 0 <= row // stride < height and 0 <= column // stride < width:
                    stored[step, image] += 1
                    nonzero[step, image] += weight[out, channel % (2 // groups), ky, kx] != 0
    result = measure(graph, trace)
    np.testing.assert_array_equal(result.synapses[0].stored, stored)
    np.testing.assert_array_equal(result.synapses[0].nonzero, nonzero)
    np.testing.assert_array_equal(result.layers[0].spikes, spikes.sum(axis=(2, 3, 4)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), mode=st.sampled_from(["threshold", "plain"]))
def test_the_packed_spikes_are_those_of_the_trace(seed, mode, fixed_graph_of, images_of):
    graph = fixed_graph_of(seed, mode)
    trace = run_fixed(graph, images_of(graph.nodes[0].shape, 3, seed))
    for layer, seen in zip(measure(graph, trace).layers, trace.layers, strict=True):
        np.testing.assert_array_equal(layer.unpacked(), seen.spikes)
        np.testing.assert_array_equal(layer.unpacked(slice(1, 3)), seen.spikes[:, 1:])
        assert layer.packed.nbytes <= seen.spikes.size // 8 + seen.spikes.shape[0] * seen.spikes.shape[1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), mode=st.sampled_from(["threshold", "plain"]))
def test_active_and_charged_neurons_are_those_that_the_reference_saw(seed, mode, fixed_graph_of, images_of):
    """Charged: the potentials of the trace that are not zero. Active neurons cannot be fewer than what spikes reach."""
    graph = fixed_graph_of(seed, mode)
    trace = run_fixed(graph, images_of(graph.nodes[0].shape, 2, seed), potentials=True)
    for layer, seen in zip(measure(graph, trace).layers, trace.layers, strict=True):
        space = tuple(range(2, seen.spikes.ndim))
        np.testing.assert_array_equal(layer.charged, (seen.potential != 0).sum(axis=space))
        np.testing.assert_array_equal(layer.active, seen.active)
        assert layer.active.dtype == layer.charged.dtype == np.int64
        assert (layer.active <= np.prod(layer.shape)).all()


def test_joining_batches_equals_measuring_them_at_once(hand_graph, make_trace):
    traces = [make_trace(hand_graph, images, seed=images) for images in (1, 4, 2)]
    joined = Activity.join([measure(hand_graph, trace) for trace in traces])
    assert_same(joined, measure(hand_graph, concatenate(traces)))
    assert joined.images == 7


def test_every_neuron_counts_in_the_first_step_and_those_that_moved_later(hand_graph, hand_trace):
    potential = np.zeros((2, 2, 2, 2, 2), np.int32)
    potential[1, 0, 0, 0, 0] = 5
    potential[:, 1, 1, 1, 1] = 9
    other = np.zeros((2, 2, 1, 1, 3), np.int32)
    trace = with_layer(with_layer(hand_trace, 0, potential=potential), 1, potential=other)
    changes = measure(hand_graph, trace).layers[0].changes
    np.testing.assert_array_equal(changes, [[8, 8], [1, 0]])


def test_changes_are_missing_where_one_batch_has_no_potentials(hand_graph, hand_trace):
    with_potential = with_layer(hand_trace, 0, potential=np.zeros((2, 2, 2, 2, 2), np.int32))
    joined = Activity.join([measure(hand_graph, with_potential), measure(hand_graph, hand_trace)])
    assert joined.layers[0].changes is None


def test_a_trace_of_other_layers_is_refused(hand_graph, plain_graph, make_trace):
    with pytest.raises(GraphError, match="the trace is of another network: its layers or steps differ"):
        measure(hand_graph, make_trace(plain_graph))


def test_a_trace_of_other_shapes_is_refused_by_layer(hand_graph, hand_trace):
    trace = with_layer(hand_trace, 1, spikes=np.zeros((2, 2, 1, 1, 4), np.uint8))
    with pytest.raises(GraphError, match=r"'lif_2'.*another network.*\(2, 2, 1, 1, 4\).*expected \(2, 2, 1, 1, 3\)"):
        measure(hand_graph, trace)


def test_a_trace_of_another_window_or_depth_is_refused(hand_graph, hand_trace):
    window = dataclasses.replace(hand_trace.layers[0].window, start=0)
    with pytest.raises(GraphError, match=r"'lif_1'.*another network.*in steps 0 .. 2"):
        measure(hand_graph, with_layer(hand_trace, 0, window=window))
    with pytest.raises(GraphError, match="it ran 6 steps, this one runs 5"):
        measure(hand_graph, dataclasses.replace(hand_trace, total_steps=6))


def test_a_trace_without_images_is_refused(hand_graph, make_trace):
    with pytest.raises(GraphError, match="holds no images"):
        measure(hand_graph, make_trace(hand_graph, 0))
    with pytest.raises(GraphError, match="no images were run"):
        Activity.join([])


@pytest.mark.parametrize("kind", ["spikes", "potential", "gate"])
def test_nan_in_a_trace_is_refused_by_layer(hand_graph, hand_trace, kind):
    values = hand_trace.layers[1].spikes.astype(np.float32)
    values[0, 0] = np.nan
    with pytest.raises(GraphError, match=f"'lif_2': its {kind} hold NaN"):
        measure(hand_graph, with_layer(hand_trace, 1, **{kind: values}))


def test_nan_among_the_scores_is_refused(hand_graph, hand_trace):
    with pytest.raises(GraphError, match="NaN or infinity among its class scores"):
        measure(hand_graph, dataclasses.replace(hand_trace, scores=np.full((2, 2), np.nan)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_graded_spikes_are_refused(hand_graph, hand_trace, dtype):
    spikes = hand_trace.layers[0].spikes.astype(dtype)
    spikes[0, 0, 0, 0, 0] = 2
    with pytest.raises(GraphError, match="'lif_1': its spikes hold values other than 0 and 1"):
        measure(hand_graph, with_layer(hand_trace, 0, spikes=spikes))


def test_float_and_boolean_spikes_count_like_integers(hand_graph, hand_trace):
    expected = measure(hand_graph, hand_trace)
    for dtype in (np.bool_, np.float32):
        trace = dataclasses.replace(
            hand_trace,
            layers=tuple(dataclasses.replace(layer, spikes=layer.spikes.astype(dtype)) for layer in hand_trace.layers),
        )
        assert_same(measure(hand_graph, trace), expected)


def test_activities_of_different_networks_do_not_join(hand_graph, plain_graph, make_trace):
    parts = [measure(graph, make_trace(graph)) for graph in (hand_graph, plain_graph)]
    with pytest.raises(GraphError, match="the activities are of different networks"):
        Activity.join(parts)


def test_spikes_that_reach_an_unknown_node_are_refused_by_name(hand_graph, make_trace):
    @dataclasses.dataclass(frozen=True)
    class Recurrent:
        name: str
        inputs: tuple[str, ...]
        shape: tuple[int, ...]

    nodes = list(hand_graph.nodes)
    nodes[5] = Recurrent("conv_2", ("lif_1",), (1, 1, 3))
    graph = FixedGraph(tuple(nodes), 2, ("a", "b"))
    with pytest.raises(TypeError, match="'conv_2': no fan-out for Recurrent; add one with"):
        measure(graph, make_trace(graph))


def test_the_sum_over_dense_spikes_is_the_sum_of_the_fan_out(hand_graph, make_trace):
    result = measure(hand_graph, make_trace(hand_graph, 1, rate=2.0))
    total = fan_out(find(hand_graph, "conv_2"), (2, 2, 2)).sum()
    np.testing.assert_array_equal(result.synapses[0].stored, [[total], [total]])
