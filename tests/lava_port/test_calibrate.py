"""What was measured is what the float network did, and a conversion that trusts it keeps its bits."""

import dataclasses

import numpy as np
import pytest

from lava_port import calibrate, graph, passes, quantise, ranges, reference
from neurallnet_jax import spec


def slow(network: spec.Network, *, decay: float, steps: int) -> spec.Network:
    """Return a network whose neurons remember: in a worst case they add up the currents of many steps."""
    layers = tuple(
        dataclasses.replace(layer, du=decay, dv=decay) if isinstance(layer, spec.Lif) else layer
        for layer in network.layers
    )
    return dataclasses.replace(network, layers=layers, steps=steps)


def test_ranges_worked_out_by_hand():
    """One pixel of 10, 20 or 40 over a scale of 10, weights 1 and -0.5, bias 0.5 and 0, du = 1, dv = 0, threshold 2.

    The current is 1, 2 or 4 and -0.5, -1 or -2. Channel 0 of the darkest image: v = 1.5, then 3 and a spike: 3. The
    brightest: 4.5 at once, and again: 4.5. Channel 1 goes down by its current: in two steps to -1, -2 and -4.
    """
    nodes = (
        graph.InputNode("input", (1, 1, 1), (0,), 10.0),
        graph.ConvNode("conv_1", ("input",), (1, 1, 2), np.array([1, -0.5]).reshape(2, 1, 1, 1), np.array([0.5, 0])),
        graph.LifNode("lif_1", ("conv_1",), (1, 1, 2), 1.0, 0.0, 2.0),
        graph.DenseNode("dense_1", ("lif_1",), (2,), np.eye(2), np.zeros(2)),
        graph.ReadoutNode("readout", ("dense_1",), (2,)),
    )
    images = np.array([10, 20, 40], np.uint8).reshape(3, 1, 1, 1)
    found = calibrate.measure(graph.Graph(nodes, 2, ("a", "b")), images)
    assert set(found) == {"conv_1"}
    np.testing.assert_allclose(found["conv_1"].low, [0, -2])
    np.testing.assert_allclose(found["conv_1"].high, [4, 0])
    np.testing.assert_allclose(found["conv_1"].potential, [4.5, 4])
    darker = calibrate.measure(graph.Graph(nodes, 2, ("a", "b")), images[:1])
    np.testing.assert_allclose(darker["conv_1"].potential, [3, 1])


def test_no_potential_of_the_reference_lies_beyond_what_was_measured(network, lowered, images_of):
    folded = passes.fold(lowered(network, 0))
    images = images_of(folded.nodes[0].shape, 20, 0)
    told = []
    found = calibrate.measure(folded, images, progress=lambda done, total: told.append((done, total)))
    assert told == [(16, 20), (20, 20)]
    for layer in reference.run_float(folded, images, potentials=True).layers:
        lif = graph.find(folded, layer.name)
        most = found[lif.inputs[0]].potential
        # What is kept is the potential after a reset; what spiked lay above the threshold.
        spiked = layer.spikes.reshape(-1, len(most)).any(axis=0)
        np.testing.assert_array_less(np.abs(layer.potential).reshape(-1, len(most)).max(axis=0), most + 1e-12)
        assert (most[spiked] > lif.v_threshold).all()
        if not spiked.all():
            largest = np.abs(layer.potential).reshape(-1, len(most)).max(axis=0)
            assert (most[~spiked] >= largest[~spiked]).all()


def test_a_slow_network_keeps_eight_bits_where_images_say_so_and_the_layer_is_marked(networks, lowered, images_of):
    folded = passes.fold(lowered(slow(networks["gated"], decay=0.1, steps=20), 0))
    images = images_of(folded.nodes[0].shape, 12, 0)
    _, proven = quantise.quantise(folded)
    fixed, trusted = quantise.quantise(folded, measured=calibrate.measure(folded, images))
    before, after = ({entry.name: entry for entry in found} for found in (proven, trusted))
    assert before["conv_2"].proof == "weights"
    assert before["conv_2"].bits < 8
    assert (after["conv_2"].proof, after["conv_2"].bits) == ("calibration", 8)
    assert after["dense_1"].proof == "weights"
    assert all(entry.proof == "weights" for name, entry in after.items() if name.startswith("gate"))
    for entry in trusted:
        assert entry.current_bound <= entry.current_limit
        assert entry.potential_bound <= entry.potential_limit
    assert all(entry.sums <= ranges.SUM_LIMIT for entry in ranges.ranges(fixed).values())


def test_the_integers_stay_within_what_was_measured_and_nearer_to_the_floats(networks, lowered, images_of):
    folded = passes.fold(lowered(slow(networks["plain"], decay=0.02, steps=40), 0))
    images = images_of(folded.nodes[0].shape, 12, 0)
    plain, _ = quantise.quantise(folded, bits=8)
    fixed, rounding = quantise.quantise(folded, measured=calibrate.measure(folded, images))
    bounds = {entry.name: entry.potential_bound for entry in rounding}
    wanted = reference.run_float(folded, images)
    seen, before = reference.run_fixed(fixed, images, potentials=True), reference.run_fixed(plain, images)
    assert np.abs(seen.layer("lif_2").potential).max() <= bounds["conv_2"] < ranges.POTENTIAL_LIMIT
    differing = lambda trace: (trace.layer("lif_2").spikes != wanted.layer("lif_2").spikes).mean()
    assert differing(seen) < differing(before)


@pytest.mark.parametrize("name", ["gated", "delayed", "plain", "flat"])
def test_corrected_biases_give_every_channel_the_mean_of_the_floats(networks, lowered, images_of, name):
    """Exactly, before the bias itself becomes an integer, whose step is 1/64 of a unit (of the read-out's one unit)."""
    folded = passes.fold(lowered(networks[name], 0))
    images = images_of(folded.nodes[0].shape, 12, 0)
    corrected = calibrate.correct_biases(folded, images, bits=4)
    wanted = means(folded, images, reference.run_float)
    errors = {}
    for key, built in (("before", folded), ("after", corrected)):
        fixed, _ = quantise.quantise(built, bits=4)
        found, units = means(fixed, images, reference.run_fixed), quantise.units(built, bits=4)
        for layer, (source, unit) in units.items():
            bias = graph.find(built, layer).bias
            shift = found[source] * unit + bias - wanted[layer] - graph.find(folded, layer).bias
            errors.setdefault(layer, {})[key] = np.abs(shift).max()
    assert set(errors) == {node.name for node in folded.nodes if isinstance(node, graph.ConvNode | graph.DenseNode)}
    for layer, error in errors.items():
        assert error["after"] < 1e-9 < error["before"], layer


def means(built, images, run):
    parts = {}
    run(built, images, listen=lambda node, values: parts.setdefault(node.name, []).append(values))
    return {
        name: np.concatenate(some, axis=1).reshape(-1, some[0].shape[-1]).mean(axis=0) for name, some in parts.items()
    }


def test_a_unit_is_what_an_integer_of_the_current_stands_for(networks, lowered, images_of):
    """The float current of weights that are rounded, over the integer current: the unit, but for what the hold rounds."""
    folded = passes.fold(lowered(networks["plain"], 0))
    fixed, _ = quantise.quantise(folded, bits=5)
    units = quantise.units(folded, bits=5)
    assert units["conv_1"][0] == "hold"
    assert units["conv_2"][0] == "conv_2"
    real, whole = graph.find(folded, "conv_2").kernel, graph.find(fixed, "conv_2").weight
    assert np.abs(whole * units["conv_2"][1][:, None, None, None] - real).max() <= 8.01 * units["conv_2"][1].max()
    largest = lambda kernel: np.abs(kernel.reshape(len(kernel), -1)).max(axis=1)
    np.testing.assert_allclose(largest(real), largest(whole) * units["conv_2"][1])


def test_without_an_image_nothing_is_measured(networks, lowered):
    folded = passes.fold(lowered(networks["plain"], 0))
    with pytest.raises(ValueError, match="no image to calibrate with"):
        calibrate.measure(folded, np.zeros((0, 16, 16, 3), np.uint8))


def test_an_unfolded_graph_is_refused(networks, lowered, images_of):
    with pytest.raises(graph.GraphError, match=r"node 'lif_1': the graph is not folded"):
        calibrate.measure(lowered(networks["plain"], 0), images_of((16, 16, 3), 1, 0))
