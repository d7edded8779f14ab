"""Folding changes no potential beyond rounding, whatever the order, and refuses what it cannot fold."""

import math

import numpy as np
import pytest

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
