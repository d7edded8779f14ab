"""Counts worked out by hand, every node type covered, nothing unknown counted as zero."""

import dataclasses
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port.energy.activity import Activity, measure
from lava_port.energy.chips import CHIPS
from lava_port.energy.counts import PER_STEP, AnnCounts, count_node, counts
from lava_port.energy.mapping import place
from lava_port.energy.placement import core_of
from lava_port.graph import (
    FixedConv,
    FixedDense,
    FixedGate,
    FixedGraph,
    FixedHold,
    FixedInput,
    FixedLif,
    FixedNode,
    FixedReadout,
    GraphError,
    find,
    total_steps,
    windows,
)
from lava_port.reference import run_fixed
from lava_port.trace import LayerTrace, Trace

ZERO = [[0, 0], [0, 0]]
UNPLACED = ("messages", "hops", "hops_east_west")
"""Counts that are None without a placement."""


def assert_counts(node, **expected) -> None:
    """Compare every array of the node; those not named must be zero."""
    for name in PER_STEP:
        found, zero = getattr(node, name), None if name in UNPLACED else ZERO
        np.testing.assert_array_equal(found, expected.get(name, zero), err_msg=f"{node.name}.{name}")


def operations(ann: AnnCounts) -> dict[str, int]:
    """Return the operations of an ANN that are not zero."""
    every = {name: getattr(ann, name) for name in ("macs", "additions", "multiplies", "activations")}
    return {name: count for name, count in every.items() if count}


def met_weights(node: FixedConv | FixedDense, spikes: np.ndarray) -> tuple[int, int]:
    """Count from the outputs' side, (all, non-zero): each output looks at the spikes under its own weights."""
    if isinstance(node, FixedDense):
        heard = spikes.reshape(-1, node.weight.shape[1])
        return int(heard.sum()) * len(node.weight), int((heard @ (node.weight != 0).T.astype(np.int64)).sum())
    padded = np.pad(spikes.astype(np.int64), (*node.padding, (0, 0)))
    (height, width), (down, across) = node.weight.shape[2:], node.dilation
    stored = nonzero = 0
    for y, x, out in np.ndindex(node.shape):
        group = out // (len(node.weight) // node.groups)
        channels = slice(group * node.weight.shape[1], (group + 1) * node.weight.shape[1])
        top, left = y * node.stride[0], x * node.stride[1]
        rows = slice(top, top + down * (height - 1) + 1, down)
        patch = padded[rows, left : left + across * (width - 1) + 1 : across, channels].transpose(2, 0, 1)
        stored += int(patch.sum())
        nonzero += int(patch[node.weight[out] != 0].sum())
    return stored, nonzero


@pytest.mark.parametrize("seed", range(16))
def test_what_the_reference_runs_is_counted_as_seen_from_the_outputs(fixed_graph_of, images_of, seed):
    graph = fixed_graph_of(seed, "threshold")
    trace = run_fixed(graph, images_of(graph.nodes[0].shape, 2, seed), potentials=True)
    result = counts(graph, measure(graph, trace))
    heard = [node for node in graph.nodes if isinstance(node, FixedConv | FixedDense)]
    for node in heard:
        if isinstance(find(graph, node.inputs[0]), FixedLif):
            spikes = trace.layer(node.inputs[0]).spikes
            expected = np.array([[met_weights(node, image) for image in step] for step in spikes])
            np.testing.assert_array_equal(result.node(node.name).synops_stored, expected[..., 0])
            np.testing.assert_array_equal(result.node(node.name).synops_nonzero, expected[..., 1])
    assert result.membrane_updates is not None
    assert (result.membrane_updates <= sum(node.updates.sum(axis=0) for node in result.nodes)).all()


def test_every_node_has_a_count():
    base = count_node.dispatch(object)
    missing = [kind.__name__ for kind in get_args(FixedNode) if count_node.dispatch(kind) is base]
    assert not missing


def test_the_analogue_first_layer_works_once_per_image(hand_graph, hand_trace):
    result = counts(hand_graph, measure(hand_graph, hand_trace))
    once = [[50, 50], [0, 0]]
    assert_counts(result.node("input"))
    assert_counts(result.node("conv_1"), events=[[16, 16], [0, 0]], macs=once, macs_nonzero=once)
    assert_counts(result.node("hold_1"))
    assert result.node("conv_1").macs_each_step == 100
    assert result.node("conv_1").passes == 1
    assert operations(result.node("conv_1").ann) == {"macs": 50}


def test_spiking_layers_count_accumulations_and_no_multiplication(hand_graph, hand_trace):
    result = counts(hand_graph, measure(hand_graph, hand_trace))
    assert_counts(
        result.node("conv_2"),
        events=[[8, 0], [1, 0]],
        synops_stored=[[24, 0], [3, 0]],
        synops_nonzero=[[23, 0], [2, 0]],
    )
    assert_counts(
        result.node("dense_1"),
        events=[[0, 1], [2, 0]],
        synops_stored=[[0, 2], [4, 0]],
        synops_nonzero=[[0, 2], [3, 0]],
    )
    assert operations(result.node("conv_2").ann) == {"macs": 24}
    assert operations(result.node("dense_1").ann) == {"macs": 6}
    assert result.node("conv_2").passes == 2


def test_a_gate_sums_a_held_current_once_and_any_other_in_every_step(hand_graph, hand_trace):
    # gate_1: 2 x 2 x 2 elements, 4 hidden units: 2 x 8 MACs a step. gate_2: 1 x 1 x 3 elements, 2 x 12 MACs a step.
    result = counts(hand_graph, measure(hand_graph, hand_trace))
    assert_counts(
        result.node("gate_1"),
        additions=[[8, 8], [0, 0]],
        macs=[[16, 16]] * 2,
        macs_nonzero=[[16, 16]] * 2,
        multiplies=[[8, 8]] * 2,
    )
    assert_counts(
        result.node("gate_2"),
        additions=[[3, 3]] * 2,
        macs=[[24, 24]] * 2,
        macs_nonzero=[[24, 24]] * 2,
        multiplies=[[3, 3]] * 2,
    )
    assert operations(result.node("gate_1").ann) == {"macs": 16, "additions": 8, "multiplies": 8}


def test_neurons_are_updated_in_the_window_and_idle_ones_stand_apart(hand_graph, hand_trace):
    # T = 2 of 5 steps: 3 idle ones.
    result = counts(hand_graph, measure(hand_graph, hand_trace))
    fired = [[8, 0], [1, 0]]
    assert_counts(result.node("lif_1"), updates=[[8, 8]] * 2, active=fired, charged=[[0, 8], [7, 8]], spikes=fired)
    fired = [[0, 1], [2, 0]]
    assert_counts(result.node("lif_2"), updates=[[3, 3]] * 2, active=fired, charged=[[3, 2], [1, 3]], spikes=fired)
    every = [[2, 2]] * 2
    assert_counts(result.node("readout"), updates=every, active=every, charged=every)
    for name, neurons in (("lif_1", 8), ("lif_2", 3), ("readout", 2)):
        assert result.node(name).neurons == neurons
        np.testing.assert_array_equal(result.node(name).idle_updates, [3 * neurons] * 2)
    assert operations(result.node("lif_1").ann) == {"activations": 8}
    assert operations(result.node("readout").ann) == {}


def test_all_counts_are_64_bit_integers(hand_graph, hand_trace):
    result = counts(
        hand_graph, measure(hand_graph, hand_trace), placement=place(hand_graph, CHIPS["loihi2"], sharing="shared")
    )
    for node in result.nodes:
        for name in (*PER_STEP, "idle_updates"):
            assert getattr(node, name).dtype == np.int64
        for field in dataclasses.fields(node.traffic):
            assert getattr(node.traffic, field.name).dtype == np.int64
    assert result.neurons_per_core.dtype == result.events_per_core.dtype == np.int64


def test_what_nobody_counted_is_none_and_never_zero(hand_graph, hand_trace):
    bare = tuple(dataclasses.replace(layer, active=None, charged=None) for layer in hand_trace.layers)
    result = counts(hand_graph, measure(hand_graph, dataclasses.replace(hand_trace, layers=bare)))
    assert (result.node("lif_1").active, result.node("lif_1").charged, result.node("lif_1").messages) == (None,) * 3
    assert (result.placement, result.neurons_per_core, result.events_per_core) == (None,) * 3


def test_an_ann_costs_as_many_macs_as_spikes_everywhere_cost_synops(hand_graph, plain_graph, make_trace):
    for graph in (hand_graph, plain_graph):
        result = counts(graph, measure(graph, make_trace(graph, 1, rate=2.0)))
        for node in result.nodes:
            if node.synops_stored.any():
                assert (node.synops_stored == node.ann.macs).all()


def test_counts_of_joined_batches_are_those_of_the_batches_side_by_side(plain_graph, make_trace):
    parts = [measure(plain_graph, make_trace(plain_graph, images, seed=images)) for images in (2, 3)]
    joined = counts(plain_graph, Activity.join(parts))
    apart = [counts(plain_graph, part) for part in parts]
    for node in joined.nodes:
        for name in set(PER_STEP) - set(UNPLACED):
            expected = np.concatenate([getattr(part.node(node.name), name) for part in apart], axis=1)
            np.testing.assert_array_equal(getattr(node, name), expected)


def test_a_dense_layer_on_a_current_without_neurons_multiplies_in_every_step(plain_graph, make_trace):
    # dense_1 takes 36 spikes to 2 values, dense_2 those to 2 again: 4 graded MACs in each of 3 steps.
    nodes = list(plain_graph.nodes)
    extra = FixedDense("dense_2", ("dense_1",), (2,), np.array([[2, 0], [2, 2]], np.int16))
    nodes[5:] = [extra, dataclasses.replace(nodes[5], inputs=("dense_2",))]
    graph = FixedGraph(tuple(nodes), 3, ("a", "b"))
    node = counts(graph, measure(graph, make_trace(graph, 1))).node("dense_2")
    np.testing.assert_array_equal(node.macs, [[4]] * 3)
    np.testing.assert_array_equal(node.macs_nonzero, [[3]] * 3)
    np.testing.assert_array_equal(node.events, [[2]] * 3)
    assert not node.synops_stored.any()


def test_a_dense_layer_on_a_held_current_multiplies_in_every_step(plain_graph, make_trace):
    nodes = list(plain_graph.nodes)
    extra = FixedDense("dense_0", ("hold_1",), (4,), np.full((4, 4), 2, np.int16), shared=True)
    nodes[3:4] = [extra, dataclasses.replace(nodes[3], inputs=("dense_0",), shape=(4,))]
    nodes[5] = dataclasses.replace(nodes[5], weight=np.full((2, 4), 2, np.int16))
    graph = FixedGraph(tuple(nodes), 3, ("a", "b"))
    node = counts(graph, measure(graph, make_trace(graph, 1))).node("dense_0")
    np.testing.assert_array_equal(node.macs, [[144]] * 3)


def test_a_second_layer_on_the_image_works_once_as_well(plain_graph, make_trace):
    nodes = list(plain_graph.nodes)
    extra = FixedConv("conv_2", ("conv_1",), (3, 3, 4), np.full((4, 4, 1, 1), 2, np.int16))
    nodes[2:3] = [extra, FixedHold("hold_1", ("conv_2",), (3, 3, 4), 0)]
    graph = FixedGraph(tuple(nodes), 3, ("a", "b"))
    node = counts(graph, measure(graph, make_trace(graph, 1))).node("conv_2")
    np.testing.assert_array_equal(node.macs, [[144], [0], [0]])
    assert node.macs_each_step == 432


def test_membrane_updates_are_summed_over_layers_and_missing_without_potentials(hand_graph, hand_trace):
    assert counts(hand_graph, measure(hand_graph, hand_trace)).membrane_updates is None
    layers = tuple(
        dataclasses.replace(layer, potential=np.zeros(layer.spikes.shape, np.int32)) for layer in hand_trace.layers
    )
    layers[1].potential[1, 1, 0, 0, 2] = 7
    result = counts(hand_graph, measure(hand_graph, dataclasses.replace(hand_trace, layers=layers)))
    np.testing.assert_array_equal(result.membrane_updates, [11, 12])


def test_an_unknown_node_is_refused_by_name(plain_graph, make_trace):
    @dataclasses.dataclass(frozen=True)
    class Delay:
        name: str
        inputs: tuple[str, ...]
        shape: tuple[int, ...]

    nodes = list(plain_graph.nodes)
    nodes[2] = Delay("hold_1", ("conv_1",), (3, 3, 4))
    graph = FixedGraph(tuple(nodes), 3, ("a", "b"))
    activity = measure(graph, make_trace(graph))
    with pytest.raises(TypeError, match=r"'hold_1': no counts for Delay; add some with @count_node.register"):
        counts(graph, activity)


def test_the_activity_of_another_network_is_refused(hand_graph, plain_graph, make_trace):
    with pytest.raises(GraphError, match="the activity is of another network: its layers or their shapes differ"):
        counts(hand_graph, measure(plain_graph, make_trace(plain_graph)))
    longer = dataclasses.replace(plain_graph, steps=4)
    with pytest.raises(GraphError, match="another network: 3 of 5 steps, expected 4 of 6"):
        counts(longer, measure(plain_graph, make_trace(plain_graph)))


def test_asking_for_an_absent_node_lists_those_that_exist(plain_graph, make_trace):
    result = counts(plain_graph, measure(plain_graph, make_trace(plain_graph)))
    with pytest.raises(GraphError, match="no counts of a node 'lif_9'; there are input, conv_1, hold_1"):
        result.node("lif_9")


# --- Every spike, weight and destination, one by one


def meetings(node: FixedConv | FixedDense, source: tuple[int, ...]):
    """Return by neuron before the list of (weight, neuron behind), as the layer is defined."""
    found = {}
    if isinstance(node, FixedDense):
        for place, before in enumerate(np.ndindex(source)):
            column = before[-1] if node.shared else place
            found[before] = [(int(row[column]), (out,)) for out, row in enumerate(node.weight)]
        return found
    ins, outs = node.weight.shape[1], len(node.weight) // node.groups
    for y, x, out in np.ndindex(node.shape):
        for channel, ky, kx in np.ndindex(node.weight.shape[1:]):
            row = y * node.stride[0] + ky * node.dilation[0] - node.padding[0][0]
            column = x * node.stride[1] + kx * node.dilation[1] - node.padding[1][0]
            if 0 <= row < source[0] and 0 <= column < source[1]:
                before = (row, column, out // outs * ins + channel)
                found.setdefault(before, []).append((int(node.weight[out, channel, ky, kx]), (y, x, out)))
    return found


def towards_zero(number: int, divisor: int) -> int:
    return abs(number) // divisor * (1 if number >= 0 else -1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), mode=st.sampled_from(["threshold", "plain"]), compartments=st.integers(1, 30))
def test_counts_are_those_of_a_list_of_every_spike_weight_and_destination(
    seed, mode, compartments, fixed_graph_of, images_of, make_chip, balanced
):
    """Stored and non-zero synops, active neurons, and messages to the cores that the list names."""
    graph = fixed_graph_of(seed, mode)
    images = images_of(graph.nodes[0].shape, 2, seed)
    trace = run_fixed(graph, images)
    placement = place(graph, make_chip(compartments=compartments), sharing="shared")
    cores = {layer.name: core_of(placement, layer.name) for layer in placement.layers}
    result = counts(graph, measure(graph, trace), placement=placement)
    for node in [one for one in graph.nodes if isinstance(one, FixedConv | FixedDense)]:
        source = find(graph, node.inputs[0])
        analogue = isinstance(source, FixedInput)
        if isinstance(source, FixedInput):
            sent = balanced(images, source.white_level)[None] - np.array(source.offset)
        else:
            sent = trace.layer(source.name).spikes
        met = meetings(node, source.shape)
        hold = next((one for one in graph.nodes if isinstance(one, FixedHold) and one.inputs[0] == node.name), None)
        behind = next(
            one for one in graph.nodes if (hold or node).name in one.inputs and one.name in result_neurons(graph)
        )
        routed = not any(
            isinstance(one, FixedGate) and node.name in one.inputs and one.delay >= 2 for one in graph.nodes
        )
        for step in range(graph.steps):
            for image in range(2):
                now = sent[0 if analogue else step, image]
                stored = nonzero = messages = 0
                current = dict.fromkeys(np.ndindex(node.shape), 0)
                for before, spike in np.ndenumerate(now):
                    if not spike:
                        continue
                    for weight, after in met.get(before, ()):
                        stored += 1
                        nonzero += weight != 0
                        current[after] += int(spike) * weight
                    messages += len({int(cores[behind.name][after]) for _, after in met.get(before, ())})
                if not analogue:
                    found = result.node(node.name)
                    assert (found.synops_stored[step, image], found.synops_nonzero[step, image]) == (stored, nonzero)
                    if routed:
                        assert result.node(source.name).messages[step, image] == messages
                if isinstance(behind, FixedLif):
                    active = 0
                    for after, value in current.items():
                        value = value if hold is None else towards_zero(value, 2**hold.shift)
                        if len(behind.inputs) > 1:
                            value = towards_zero(
                                int(trace.layer(behind.name).gate[step, image, after[-1]]) * value, 256
                            )
                        active += value != 0
                    assert result.node(behind.name).active[step, image] == active, (behind.name, step, image)


def result_neurons(graph: FixedGraph) -> set[str]:
    return {node.name for node in graph.nodes if isinstance(node, FixedLif | FixedReadout)}


GEOMETRIES = {
    # height, width, channels, outputs, kernel, stride, padding, groups, dilation
    "plain": (7, 6, 2, 3, (3, 3), (1, 1), (1, 1), 1, (1, 1)),
    "without padding": (7, 6, 2, 3, (3, 3), (1, 1), (0, 0), 1, (1, 1)),
    "halving": (8, 8, 2, 4, (3, 3), (2, 2), (1, 1), 1, (1, 1)),
    "a stride that leaves a rest": (9, 7, 2, 2, (3, 3), (3, 2), (0, 1), 1, (1, 1)),
    "1 x 1": (5, 6, 3, 4, (1, 1), (1, 1), (0, 0), 1, (1, 1)),
    "1 x 1 with stride 2, whose odd rows reach nothing": (6, 6, 3, 4, (1, 1), (2, 2), (0, 0), 1, (1, 1)),
    "an even kernel": (8, 8, 2, 3, (2, 2), (2, 2), (0, 0), 1, (1, 1)),
    "an even kernel with overlap": (8, 7, 2, 3, (4, 2), (1, 1), (2, 1), 1, (1, 1)),
    "groups": (6, 6, 4, 6, (3, 3), (1, 1), (1, 1), 2, (1, 1)),
    "depthwise": (6, 5, 4, 4, (3, 3), (2, 1), (1, 1), 4, (1, 1)),
    "dilation": (9, 9, 2, 3, (3, 3), (1, 1), (2, 2), 1, (2, 2)),
    "dilation, stride, groups, oblong": (11, 8, 4, 4, (2, 3), (2, 1), (1, 3), 2, (3, 2)),
    "a kernel larger than the image": (3, 3, 2, 2, (5, 5), (1, 1), (2, 2), 1, (1, 1)),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_convolutions_meet_as_many_weights_as_a_dense_correlation_with_ones_finds(name):
    """JAX's own convolution of the spikes with a kernel of ones, and with one where the weight is not zero, summed up."""
    import jax

    height, width, channels, outputs, kernel, stride, pad, groups, dilation = GEOMETRIES[name]
    rng = np.random.default_rng(sorted(GEOMETRIES).index(name))
    weight = 2 * rng.integers(-1, 2, (outputs, channels // groups, *kernel)).astype(np.int16)
    padding = ((pad[0], pad[0]), (pad[1], pad[1]))
    spikes = (rng.random((3, 2, height, width, channels)) < 0.3).astype(np.uint8)

    def correlated(ones: np.ndarray) -> np.ndarray:
        return np.asarray(
            jax.lax.conv_general_dilated(
                spikes.reshape(-1, *spikes.shape[2:]).astype(np.float32), ones.astype(np.float32), stride, padding,
                rhs_dilation=dilation, dimension_numbers=("NHWC", "OIHW", "NHWC"), feature_group_count=groups,
            )
        )  # fmt: skip

    every = correlated(np.ones_like(weight))
    conv = FixedConv("conv", ("lif",), every.shape[1:], weight, stride, padding, groups, dilation)
    one = np.ones(channels, np.int32)
    nodes = (
        FixedInput("input", (height, width, channels), (0,) * channels),
        FixedHold("hold", ("input",), (height, width, channels), 0),
        FixedLif("lif", ("hold",), (height, width, channels), 4095, 0, one, one),
        conv,
        FixedLif("last", ("conv",), conv.shape, 4095, 0, np.ones(outputs, np.int32), np.ones(outputs, np.int32)),
        FixedDense("dense", ("last",), (2,), np.ones((2, outputs), np.int16), shared=True),
        FixedReadout("readout", ("dense",), (2,), np.zeros(2, np.int64), 1.0),
    )
    graph = FixedGraph(nodes, 3, ("a", "b"))
    silent = np.zeros((3, 2, *conv.shape), np.uint8)
    layers = (LayerTrace(layer, windows(graph)[layer], values) for layer, values in (("lif", spikes), ("last", silent)))
    trace = Trace(tuple(layers), np.zeros((2, 2), np.int64), 3, total_steps(graph))
    found = counts(graph, measure(graph, trace)).node("conv")
    assert every.sum() > 0
    np.testing.assert_array_equal(found.synops_stored, every.sum(axis=(1, 2, 3)).reshape(3, 2))
    np.testing.assert_array_equal(found.synops_nonzero, correlated(weight != 0).sum(axis=(1, 2, 3)).reshape(3, 2))
    dense = np.ones_like(spikes[:1, :1])
    spikes[...] = dense
    assert found.ann.macs == int(correlated(np.ones_like(weight)).sum(axis=(1, 2, 3))[0])
