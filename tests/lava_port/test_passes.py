"""Folding changes no potential beyond rounding, whatever the order; freezing changes nothing where gates are constant."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lava_port import graph, passes, reference, shapes

FOLDED = graph.InputNode | graph.ConvNode | graph.DenseNode | graph.GateNode | graph.LifNode | graph.ReadoutNode
BOUND = 1e-9


@pytest.mark.parametrize("order", [(passes.fold,), (passes.fold_pooling, passes.fold_batch_norm)])
def test_folding_changes_no_potential(network, lowered, images_of, order):
    for seed in range(2):
        whole = lowered(network, seed)
        folded = whole
        for step in order:
            folded = step(folded)
        assert all(isinstance(node, FOLDED) for node in folded.nodes)
        images = images_of(whole.nodes[0].shape, 4, seed)
        before = reference.run_float(whole, images, potentials=True)
        after = reference.run_float(folded, images, potentials=True)
        for left, right in zip(before.layers, after.layers, strict=True):
            assert left.window == right.window
            np.testing.assert_allclose(left.potential, right.potential, atol=BOUND)
        np.testing.assert_allclose(before.scores, after.scores, atol=BOUND)


def test_a_fold_leaves_the_graph_it_was_given_alone(networks, lowered):
    whole = lowered(networks["pooled"], 0)
    kernels = [node.kernel.copy() for node in whole.nodes if isinstance(node, graph.ConvNode)]
    passes.fold(whole)
    after = [node.kernel for node in whole.nodes if isinstance(node, graph.ConvNode)]
    assert all((old == new).all() for old, new in zip(kernels, after, strict=True))


def test_a_pool_widens_the_kernel_by_the_stride(networks, lowered):
    """3 x 3 with stride 1 under a pool of 2: 4 x 4 with stride 2; its weights sum to those of the old kernel."""
    whole = lowered(networks["pooled"], 0)
    folded = graph.find(passes.fold_pooling(whole), "conv_1")
    assert folded.kernel.shape == (6, 3, 4, 4)
    assert folded.stride == (2, 2)
    assert folded.shape == (8, 8, 6)
    np.testing.assert_allclose(
        folded.kernel.sum(axis=(2, 3)), graph.find(whole, "conv_1").kernel.sum(axis=(2, 3)), rtol=1e-5
    )


@pytest.mark.parametrize("window", [1, 2, 3])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 2), (2, 2), (2, 4), (2, 3), (3, 1), (4, 6)])
def test_a_pool_behind_a_dilated_convolution_averages_its_currents(window, stride, dilation):
    """With stride 4 and dilation 6 the folded kernel keeps a dilation of 2; what it puts out is the mean of the tiles."""
    rng = np.random.default_rng(stride * 10 + dilation)
    extent = stride * (2 * window - 1) + 2 * dilation + 1
    whole = graph.ConvNode(
        "conv", ("input",), (2 * window, 2 * window, 2), rng.normal(0, 1, (2, 2, 3, 3)), np.zeros(2),
        (stride, stride), ((0, 0), (0, 0)), 1, (dilation, dilation),
    )  # fmt: skip
    pool = graph.AveragePoolNode("pool", ("conv",), (2, 2, 2), window)
    dense = graph.DenseNode("dense", ("lif",), (1,), np.ones((1, 8)), np.zeros(1))
    nodes = (
        graph.InputNode("input", (extent, extent, 2), (100, 100), 50.0), whole, pool,
        graph.LifNode("lif", ("pool",), (2, 2, 2), 1.0, 0.0, 1e9), dense, graph.ReadoutNode("readout", ("dense",), (1,)),
    )  # fmt: skip
    network = graph.Graph(nodes, 1, ("a",))
    folded = passes.fold_pooling(network)
    assert graph.find(folded, "conv").dilation == (math.gcd(stride, dilation),) * 2
    shapes.check(folded)
    images = rng.integers(0, 256, (2, extent, extent, 2)).astype(np.uint8)
    before, after = (reference.run_float(one, images, potentials=True).layers[0].potential for one in (network, folded))
    np.testing.assert_allclose(before, after, atol=BOUND)
    assert np.abs(before).max() > 0.1


def image():
    return graph.InputNode("input", (4, 4, 2), (0, 0), 1.0)


def conv(name="conv", source="input"):
    return graph.ConvNode(name, (source,), (4, 4, 2), np.ones((2, 2, 1, 1)), np.zeros(2))


def test_a_norm_without_a_layer_before_it_is_refused():
    norm = graph.NormNode("norm", ("input",), (4, 4, 2), np.ones(2), np.zeros(2))
    with pytest.raises(graph.GraphError, match=r"node 'norm': cannot be folded into 'input', a InputNode"):
        passes.fold(graph.Graph((image(), norm, *tail("norm")), 2, ("a",)))


def test_a_norm_whose_layer_is_heard_elsewhere_is_refused():
    norm = graph.NormNode("norm", ("conv",), (4, 4, 2), np.ones(2), np.zeros(2))
    other = graph.LifNode("other", ("conv",), (4, 4, 2), 1.0, 0.5, 1.0)
    with pytest.raises(
        graph.GraphError, match=r"node 'norm': cannot be folded, 'conv' is heard by other nodes as well"
    ):
        passes.fold(graph.Graph((image(), conv(), other, norm, *tail("norm")), 2, ("a",)))


def test_a_global_average_without_a_dense_layer_after_it_is_refused():
    lif = graph.LifNode("lif", ("conv",), (4, 4, 2), 1.0, 0.5, 1.0)
    average = graph.GlobalAverageNode("average", ("lif",), (2,))
    with pytest.raises(graph.GraphError, match=r"node 'average': is heard by 'odd'; only a dense layer"):
        passes.fold(graph.Graph((image(), conv(), lif, average, conv("odd", "average"), *tail("odd")), 2, ("a",)))


def tail(source):
    dense = graph.DenseNode("dense", (source,), (1,), np.ones((1, 32)), np.zeros(1))
    return dense, graph.ReadoutNode("readout", ("dense",), (1,))


# --- Freezing gates


def steady(whole):
    """Return `whole` with gates that no statistic moves: nothing excites them, and they begin as they go on."""
    nodes = tuple(
        dataclasses.replace(node, excite=np.zeros_like(node.excite), initial=node.excite_bias if node.delay else None)
        if isinstance(node, graph.GateNode)
        else node
        for node in whole.nodes
    )
    return dataclasses.replace(whole, nodes=nodes)


def frozen(whole, images):
    return passes.freeze_gates(whole, passes.mean_gates(whole, reference.run_float(whole, images)))


def gated(networks):
    return sorted(name for name, network in networks.items() if any("Excite" in str(one) for one in network.layers))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.integers(0, 2**16))
def test_freezing_gates_that_are_constant_changes_nothing(networks, lowered, images_of, data, seed):
    whole = steady(lowered(networks[data.draw(st.sampled_from(gated(networks)))], seed))
    images = images_of(whole.nodes[0].shape, 2, seed)
    held = frozen(whole, images)
    assert not any(isinstance(node, graph.GateNode) for node in held.nodes)
    before = reference.run_float(whole, images, potentials=True)
    for after in (held, passes.fold(held)):
        after = reference.run_float(after, images, potentials=True)
        assert all(layer.gate is None for layer in after.layers)
        for left, right in zip(before.layers, after.layers, strict=True):
            np.testing.assert_allclose(left.potential, right.potential, atol=BOUND)
        np.testing.assert_allclose(before.scores, after.scores, atol=BOUND)


def test_gates_that_move_are_frozen_at_their_mean_and_the_network_changes(networks, lowered, images_of):
    whole = lowered(networks["delayed"], 0)
    images = images_of((16, 16, 3), 6, 0)
    before = reference.run_float(whole, images)
    gates = passes.mean_gates(whole, before)
    assert set(gates) == {"gate_1", "gate_2"}
    np.testing.assert_allclose(gates["gate_2"], before.layer("lif_2").gate.mean(axis=(0, 1)))
    held = passes.freeze_gates(whole, gates)
    np.testing.assert_array_equal(graph.find(held, "gate_1").scale, gates["gate_1"])
    after = reference.run_float(held, images)
    assert (before.layer("lif_1").spikes != after.layer("lif_1").spikes).any()
    assert isinstance(graph.find(whole, "gate_1"), graph.GateNode)


def test_a_gate_of_a_half_halves_current_and_bias(networks, lowered):
    """The kernel of the folded convolution and its bias are half of what they are without a gate."""
    whole = lowered(networks["gated"], 0)
    kinds = {node.name: node.shape for node in whole.nodes if isinstance(node, graph.GateNode)}
    full, half = (
        graph.find(
            passes.fold(passes.freeze_gates(whole, {name: np.full(n, x) for name, n in kinds.items()})), "conv_1"
        )
        for x in (1.0, 0.5)
    )
    np.testing.assert_allclose(half.kernel, full.kernel / 2)
    np.testing.assert_allclose(half.bias, full.bias / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda gates: gates.pop("gate_2"), r"node 'gate_2': no values to freeze it at; there are some for gate_1"),
        (lambda gates: gates.update(gate_3=np.ones(3)), r"no gate 'gate_3' to freeze; there are gate_1, gate_2"),
        (
            lambda gates: gates.update(gate_1=np.ones(3)),
            r"node 'gate_1': frozen at values of shape \(3,\), expected \(6,\)",
        ),
        (
            lambda gates: gates.update(gate_1=np.full(6, 1.25)),
            r"node 'gate_1': frozen at 1.25; a gate lies in \[0, 1\]",
        ),
        (lambda gates: gates.update(gate_1=np.full(6, np.nan)), r"node 'gate_1': frozen at nan; a gate lies in"),
    ],
)
def test_gates_that_do_not_fit_are_refused(networks, lowered, change, message):
    whole = lowered(networks["gated"], 0)
    gates = {node.name: np.ones(node.shape) for node in whole.nodes if isinstance(node, graph.GateNode)}
    change(gates)
    with pytest.raises(graph.GraphError, match=message):
        passes.freeze_gates(whole, gates)


def test_a_gate_that_acts_on_another_current_is_refused(networks, lowered):
    whole = lowered(networks["gated"], 0)
    crossed = dataclasses.replace(graph.find(whole, "lif_1"), inputs=("conv_1", "gate_1"))
    nodes = tuple(crossed if node.name == "lif_1" else node for node in whole.nodes)
    with pytest.raises(graph.GraphError, match=r"node 'gate_1': gates 'lif_1', which are no neurons of the current"):
        passes.freeze_gates(dataclasses.replace(whole, nodes=nodes), {})


def test_gates_are_not_taken_from_the_trace_of_another_network(networks, lowered, images_of):
    images = images_of((16, 16, 3), 1, 0)
    other, bare = lowered(networks["one_step"], 0), lowered(networks["plain"], 0)
    with pytest.raises(graph.GraphError, match=r"the trace is of another network"):
        passes.mean_gates(lowered(networks["gated"], 0), reference.run_float(other, images))
    with pytest.raises(graph.GraphError, match=r"layer 'lif_1': the trace holds no gate, though 'gate_1' gates it"):
        passes.mean_gates(lowered(networks["gated"], 0), reference.run_float(bare, images))
