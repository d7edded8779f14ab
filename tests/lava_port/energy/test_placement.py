"""Where every neuron lies and where its spikes go, against listing the connections one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port.energy.chips import CHIPS
from lava_port.energy.mapping import place
from lava_port.energy.placement import arrivals, core_of, destinations
from lava_port.graph import GraphError


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), compartments=st.integers(1, 40), sharing=st.sampled_from(["shared", "unrolled"]))
def test_a_spike_goes_to_exactly_the_cores_that_hold_a_neuron_it_reaches(
    seed, compartments, sharing, fixed_graph_of, walk, make_chip
):
    graph = fixed_graph_of(seed, "plain")
    placement = place(graph, make_chip(compartments=compartments), sharing=sharing)
    cores = {layer.name: core_of(placement, layer.name) for layer in placement.layers}
    reached = {name: {} for name in placement.shapes}
    for (source, target), pairs in walk(graph).items():
        for before, after in pairs:
            reached[source].setdefault(before, set()).add(int(cores[target][after]))
    rng = np.random.default_rng(seed)
    for name, shape in placement.shapes.items():
        expected = np.zeros(shape, np.int64)
        for neuron, held in reached[name].items():
            expected[neuron] = len(held)
        found = destinations(placement, name)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)
        emitted = rng.integers(0, 4, shape)
        messages = np.zeros(placement.cores, np.int64)
        for neuron, held in reached[name].items():
            messages[sorted(held)] += emitted[neuron]
        np.testing.assert_array_equal(arrivals(placement, name, emitted), messages)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), compartments=st.integers(1, 40))
def test_every_core_holds_one_box_of_one_layer_and_no_core_is_left_out(seed, compartments, fixed_graph_of, make_chip):
    placement = place(fixed_graph_of(seed, "plain"), make_chip(compartments=compartments), sharing="shared")
    held = np.zeros(placement.cores, np.int64)
    for layer in placement.layers:
        found = core_of(placement, layer.name)
        assert found.shape == layer.shape
        numbers, sizes = np.unique(found, return_counts=True)
        np.testing.assert_array_equal(numbers, layer.first_core + np.arange(layer.cores))
        np.testing.assert_array_equal(sizes, layer.loads.neurons.ravel())
        held[numbers] += 1
        boxes = found if found.ndim == 3 else found[None, None]
        for number in numbers[:5]:
            at = np.argwhere(boxes == number)
            assert np.prod(at.max(axis=0) - at.min(axis=0) + 1) == len(at) <= compartments
    np.testing.assert_array_equal(held, np.ones(placement.cores))


def test_borders_send_to_fewer_cores_as_worked_out_by_hand(chain_graph, make_chip):
    """12 compartments cut lif_2 (4 x 4 x 3) into 2 x 2 boxes of all channels.

    Row 0 of lif_1 reaches rows 0 and 1 of lif_2, in the upper boxes; row 1 reaches rows 0 to 2, in both; and so on.
    """
    placement = place(chain_graph, make_chip(compartments=12), sharing="shared")
    assert placement.layer("lif_2").tile == (2, 2, 3)
    per_row = np.array([1, 2, 2, 1])
    np.testing.assert_array_equal(destinations(placement, "lif_1")[..., 0], np.outer(per_row, per_row))
    # A 1 x 1 kernel takes a pixel to the one box of lif_1 above it.
    np.testing.assert_array_equal(destinations(placement, "input"), np.ones((4, 4, 1)))
    np.testing.assert_array_equal(destinations(placement, "lif_2"), np.ones((4, 4, 3)))
    np.testing.assert_array_equal(destinations(placement, "readout"), [0, 0])


def test_spikes_of_what_is_not_placed_come_from_outside(chain_graph):
    placement = place(chain_graph, CHIPS["loihi1"], sharing="shared")
    assert [layer.name for layer in placement.layers] == ["lif_2"]
    np.testing.assert_array_equal(destinations(placement, "lif_1"), np.ones((4, 4, 2)))
    np.testing.assert_array_equal(destinations(placement, "lif_2"), np.zeros((4, 4, 3)))
    np.testing.assert_array_equal(destinations(placement, "input"), np.zeros((4, 4, 1)))


def test_unknown_names_and_wrong_shapes_are_refused(chain_graph):
    placement = place(chain_graph, CHIPS["loihi2"], sharing="shared")
    with pytest.raises(
        GraphError, match="nothing called 'lif_9' sends anything; there are input, lif_1, lif_2, readout"
    ):
        destinations(placement, "lif_9")
    with pytest.raises(GraphError, match="no layer 'input' was placed; there are lif_1, lif_2, readout"):
        core_of(placement, "input")
    with pytest.raises(GraphError, match=r"spikes of 'lif_1' have shape \(4, 4\); expected \(4, 4, 2\)"):
        arrivals(placement, "lif_1", np.zeros((4, 4)))


def test_chips_are_rounded_up_and_unknown_without_their_number_of_cores(chain_graph, make_chip):
    chip = make_chip(compartments=12)
    placement = place(chain_graph, chip, sharing="shared")
    assert (placement.cores, placement.chips) == (9, 1)
    few = make_chip(compartments=12, cores=4)
    assert place(chain_graph, few, sharing="shared").chips == 3
    assert place(chain_graph, make_chip(compartments=12, cores=None), sharing="shared").chips is None
