"""Lava against the reference, spike for spike."""

import numpy as np
import pytest

from lava_port import passes, reference
from lava_port.graph import GraphError
from lava_port.runtime.host import LavaNetwork
from lava_port.trace import FACTS, Trace, compare, concatenate


def assert_same(trace: Trace, judge: Trace) -> None:
    assert [entry for entry in compare(trace, judge) if entry.mismatches] == []
    for mine, other in zip(trace.layers, judge.layers, strict=True):
        assert mine.window == other.window
        assert (mine.spikes.dtype, mine.spikes.shape) == (other.spikes.dtype, other.spikes.shape)
        assert (mine.potential is None) == (other.potential is None)
        assert (mine.gate is None) == (other.gate is None)
        for fact in FACTS:
            np.testing.assert_array_equal(getattr(mine, fact), getattr(other, fact), err_msg=fact)
        if mine.gate is not None and other.gate is not None:
            np.testing.assert_array_equal(mine.gate, other.gate)
        if mine.potential is not None and other.potential is not None:
            assert mine.potential.dtype == other.potential.dtype
    np.testing.assert_array_equal(trace.scores, judge.scores)
    assert (trace.steps, trace.total_steps) == (judge.steps, judge.total_steps)


@pytest.fixture(scope="module")
def images(images_of):
    return images_of((12, 10, 3), 4, 0)


@pytest.fixture(scope="module")
def judged(everything, images):
    return reference.run_fixed(everything, images, potentials=True)


@pytest.fixture(scope="module")
def network(everything):
    with LavaNetwork(everything) as running:
        yield running


def test_the_network_under_test_is_alive(everything, judged):
    for layer in judged.layers:
        assert 0.02 < layer.spikes.mean() < 0.9, layer.name
        if layer.gate is not None:
            assert len(np.unique(layer.gate)) > 3, layer.name


def test_lava_spikes_as_the_reference_does_with_every_node(network, judged, images):
    assert_same(network.run(images, potentials=True), judged)


def test_images_run_from_rest_whatever_ran_before(network, judged, images):
    order = [2, 2, 0]
    trace = network.run(images[order])
    for layer in trace.layers:
        np.testing.assert_array_equal(layer.spikes, judged.layer(layer.name).spikes[:, order])
        assert layer.potential is None
    np.testing.assert_array_equal(trace.scores, judged.scores[order])


def test_a_dense_layer_shared_by_all_positions_adds_them_up(shared, images_of):
    images = images_of((7, 6, 1), 3, 1)
    with LavaNetwork(shared) as network:
        trace = network.run(images, potentials=True)
    assert trace.layer("lif_1").spikes.any()
    assert_same(trace, reference.run_fixed(shared, images, potentials=True))


def test_random_networks_agree_in_every_regime(mode, fixed_graph_of, images_of):
    graph = fixed_graph_of(11, mode)
    images = images_of(graph.nodes[0].shape, 3, 2)
    with LavaNetwork(graph) as network:
        assert_same(network.run(images, potentials=True), reference.run_fixed(graph, images, potentials=True))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 23))
def test_more_random_networks_agree(seed, mode, fixed_graph_of, images_of):
    graph = fixed_graph_of(seed, mode)
    images = images_of(graph.nodes[0].shape, 3, seed)
    with LavaNetwork(graph) as network:
        assert_same(network.run(images, potentials=True), reference.run_fixed(graph, images, potentials=True))


@pytest.mark.slow
def test_lavas_own_convolution_makes_the_same_network(everything, judged, images):
    with LavaNetwork(everything, stock_conv=True) as network:
        assert_same(network.run(images, potentials=True), judged)


# --- Floats


@pytest.mark.parametrize(
    "name",
    [
        "delayed",
        "flat",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("gated", "grouped", "hidden", "slow")),
    ],
)
def test_the_float_network_spikes_in_lava_as_in_the_reference(name, networks, lowered, images_of):
    """Both add 64-bit floats, in another order; a spike differs only where a potential meets its threshold to 1e-15."""
    network = networks[name]
    graph = passes.fold(lowered(network, 3))
    images = images_of((*network.image_size, 3), 3, 1)
    expected = reference.run_float(graph, images, potentials=True)
    with LavaNetwork(graph) as running:
        found = running.run(images[:2], potentials=True), running.run(images[2:], potentials=True)
    given = concatenate(list(found))
    assert [entry for entry in compare(expected, given, tolerance=1e-11) if entry.mismatches] == []
    for mine, other in zip(given.layers, expected.layers, strict=True):
        assert 0 < other.spikes.mean() < 1, f"{other.name} shows nothing"
        assert (mine.potential.dtype, mine.overflows) == (np.float64, None)
        assert (mine.gate is None) == (other.gate is None)


def test_a_float_graph_that_is_not_folded_is_refused(networks, lowered):
    with pytest.raises(GraphError, match=r"node .norm_1.: the graph is not folded; call passes\.fold"):
        LavaNetwork(lowered(networks["plain"], 0))


def test_lavas_own_convolution_runs_integers_only(networks, lowered):
    with pytest.raises(GraphError, match="Lava's own convolution runs the integer network only"):
        LavaNetwork(passes.fold(lowered(networks["plain"], 0)), stock_conv=True)
