"""No image drives a node of a drawn integer network beyond the range that its weights prove."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port import graph, ranges, reference


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_currents_and_scores_stay_within_their_range(fixed_graph_of, images_of, balanced, mode, seed):
    network = fixed_graph_of(seed, mode)
    known = ranges.ranges(network)
    coins = np.random.default_rng(seed).choice([0, 255], (4, *network.nodes[0].shape)).astype(np.uint8)
    images = np.concatenate([images_of(network.nodes[0].shape, 2, seed), coins])
    seen = reference.run_fixed(network, images)
    values = {"input": balanced(images, network.nodes[0].white_level)[None] - network.nodes[0].offset}
    values |= {layer.name: layer.spikes for layer in seen.layers}
    for node in network.nodes:
        if isinstance(node, graph.FixedConv | graph.FixedDense):
            current = reference.current(node, values[node.inputs[0]])
            assert (current >= known[node.name].low).all()
            assert (current <= known[node.name].high).all()
    last = known[network.nodes[-1].name]
    assert ((seen.scores >= last.low) & (seen.scores <= last.high)).all()


def test_the_worst_image_reaches_the_bound():
    """One 1 x 2 kernel (2, -4) on pixels 0..255 minus 100: most is 2 * 155 + 4 * 100, least -2 * 100 - 4 * 155."""
    conv = graph.FixedConv("conv", ("input",), (1, 1, 1), np.array([[[[2, -4]]]], np.int16))
    low, high = ranges.image_range((100,))
    inputs = [ranges.weight_inputs(x, (1, 1, 1, 2), groups=1, positions=2, shared=False) for x in (low, high)]
    least, most = ranges.current_range(conv.weight.reshape(1, -1), *inputs)
    assert (least.tolist(), most.tolist()) == ([-820], [710])
    worst = np.array([[[[[155], [-100]]]], [[[[-100], [155]]]]])
    assert reference.current(conv, worst).ravel().tolist() == [710, -820]


def test_the_potential_bound_is_reached_by_neurons_that_are_driven_hardest():
    """Current -10 in each of three steps, dv = 2048: v = -640, -960, -1120; upwards 640 stays under the threshold once."""
    one = np.array([10])
    bound = ranges.potential_bound(-one, one * 0, one * 100, one * 0, du=4095, dv=2048, steps=3)
    assert bound.tolist() == [1120]
    bound = ranges.potential_bound(one * 0, one, one, one * 0, du=4095, dv=2048, steps=3)
    assert bound.tolist() == [320 + 640]


def test_an_unknown_node_has_no_range(fixed_graph_of):
    class Stranger:
        name, inputs, shape = "odd", ("input",), (1,)

    with pytest.raises(graph.GraphError, match=r"node 'odd': no range for Stranger; add one"):
        ranges._range(Stranger(), None, 1, 1)
