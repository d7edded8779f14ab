"""The integer network stays near the float one, its proofs hold on images, and what fits no range is refused."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port import graph, passes, quantise, ranges, reference
from neurallnet_jax import spec


def even_and_in_range(weight):
    return weight.dtype == np.int16 and not (weight % 2).any() and np.abs(weight).max() <= 254


def check_integers(fixed):
    for node in fixed.nodes:
        match node:
            case graph.FixedConv() | graph.FixedDense():
                assert even_and_in_range(node.weight), node.name
            case graph.FixedGate():
                assert even_and_in_range(node.reduce), node.name
                assert even_and_in_range(node.excite), node.name
                assert (node.gate_shift >= 0).all()
                assert node.initial is None or (node.initial.min() >= 0 and node.initial.max() <= 256)
            case graph.FixedLif():
                assert node.threshold.dtype == node.bias.dtype == np.int32
                assert node.threshold.min() >= 1
                assert node.threshold.max() <= ranges.CURRENT_LIMIT
                assert np.abs(node.bias.astype(np.int64)).max() <= ranges.POTENTIAL_LIMIT
                assert 0 <= node.du <= 4095
                assert 0 <= node.dv <= 4096
    assert all(entry.sums <= ranges.SUM_LIMIT for entry in ranges.ranges(fixed).values())


def check_proofs(fixed, rounding, images):
    """Check that nothing is claimed to leave its range, and that no image of a batch goes beyond a claim."""
    bounds = {entry.name: entry for entry in rounding}
    for entry in rounding:
        assert entry.current_bound <= entry.current_limit, entry
        assert entry.potential_bound <= entry.potential_limit, entry
        assert entry.proof == "weights"
    seen = reference.run_fixed(fixed, images, potentials=True)
    for layer in seen.layers:
        lif = graph.find(fixed, layer.name)
        source = graph.find(fixed, lif.inputs[0])
        linear = source.inputs[0] if isinstance(source, graph.FixedHold) else source.name
        assert np.abs(layer.potential).max() <= bounds[linear].potential_bound
        assert not layer.overflows.any()
    last = bounds[graph.find(fixed, fixed.nodes[-1].name).inputs[0]]
    assert last.potential_bound >= np.abs(seen.scores).max() or isinstance(
        graph.find(fixed, last.name), graph.FixedHold
    )


def test_integer_networks_are_well_formed_and_within_their_proofs(network, lowered, images_of):
    for seed in range(3):
        whole = lowered(network, seed)
        fixed, rounding = quantise.quantise(passes.fold(whole))
        check_integers(fixed)
        extreme = np.random.default_rng(seed).choice([0, 255], (4, *whole.nodes[0].shape)).astype(np.uint8)
        check_proofs(fixed, rounding, np.concatenate([images_of(whole.nodes[0].shape, 4, seed), extreme]))


@pytest.mark.parametrize("bits", range(2, 8))
def test_fewer_bits_mean_fewer_levels_and_gates_keep_eight(networks, lowered, images_of, bits):
    folded = passes.fold(lowered(networks["delayed"], 0))
    fixed, rounding = quantise.quantise(folded, bits=bits)
    check_integers(fixed)
    check_proofs(fixed, rounding, images_of((16, 16, 3), 4, 0))
    most = 2 ** (bits - 1) - 1
    for node in fixed.nodes:
        if isinstance(node, graph.FixedConv | graph.FixedDense):
            assert np.abs(node.weight).max() == 2 ** (9 - bits) * most
            assert len(np.unique(node.weight)) <= 2 * most + 1
    gates = [node for node in fixed.nodes if isinstance(node, graph.FixedGate)]
    assert max(np.abs(gate.reduce).max() for gate in gates) == 254
    kept = {entry.name: (entry.bits, entry.weight_bits) for entry in rounding}
    assert kept["conv_1"] == kept["conv_2"] == (bits, bits)
    assert kept["gate_1"][1] == 8
    assert max(entry.weight_error_max for entry in rounding if entry.name.startswith("conv")) <= 1.01 / (2 * most)


def test_integers_do_not_depend_on_the_sign_of_a_channel(networks, lowered):
    """As a batch norm of negative scale turns it: every integer turns with it."""
    folded = passes.fold(lowered(networks["plain"], 0))
    turned = replaced(folded, "conv_2", kernel=-graph.find(folded, "conv_2").kernel)
    left, right = (graph.find(quantise.quantise(one)[0], "conv_2").weight for one in (folded, turned))
    np.testing.assert_array_equal(left, -right)


@pytest.mark.parametrize("bits", [1, 9])
def test_bits_out_of_range_are_refused(networks, lowered, bits):
    with pytest.raises(ValueError, match=rf"weights of {bits} bits; expected a whole number in 2\.\.8"):
        quantise.quantise(passes.fold(lowered(networks["plain"], 0)), bits=bits)


def stretched(folded, draw, span):
    """Return the graph with every weight and bias of every channel multiplied by its own power of ten."""
    nodes = []
    for node in folded.nodes:
        if isinstance(node, graph.ConvNode):
            factor = 10.0 ** draw.uniform(-span, span / 2, len(node.bias))
            bias = node.bias * 10.0 ** draw.uniform(-span, span / 2, len(node.bias))
            node = dataclasses.replace(node, kernel=node.kernel * factor[:, None, None, None], bias=bias)
        nodes.append(node)
    return dataclasses.replace(folded, nodes=tuple(nodes))


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(["plain", "gated", "delayed", "slow", "grouped"]))
def test_channels_of_very_different_sizes_stay_within_their_proofs(networks, lowered, images_of, seed, name):
    folded = stretched(passes.fold(lowered(networks[name], 0)), np.random.default_rng(seed), 2.0)
    fixed, rounding = quantise.quantise(folded)
    check_integers(fixed)
    check_proofs(fixed, rounding, images_of(folded.nodes[0].shape, 4, 0))


def test_integer_scores_follow_the_float_ones(network, lowered, images_of):
    """Rounded weights move a few potentials across their threshold; the scores stay close and in order."""
    errors, spreads, agree = [], [], []
    for seed in range(3):
        whole = lowered(network, seed)
        images = images_of(whole.nodes[0].shape, 12, seed)
        fixed, _ = quantise.quantise(passes.fold(whole))
        wanted = reference.run_float(whole, images)
        seen = reference.run_fixed(fixed, images)
        logits = seen.scores * fixed.nodes[-1].scale
        errors.append(np.sqrt(((logits - wanted.scores) ** 2).mean()))
        spreads.append((wanted.scores - wanted.scores.mean(axis=0)).std())
        agree.append((logits.argmax(axis=1) == wanted.scores.argmax(axis=1)).mean())
        assert (seen.layers[0].spikes != wanted.layers[0].spikes).mean() < 0.01
    assert np.mean(errors) < 0.35 * np.mean(spreads)
    assert np.mean(agree) >= 0.9


def exact(whole):
    """Return the graph with first-layer weights and threshold that integers hold without error."""
    conv, lif = graph.find(whole, "conv_1"), graph.find(whole, "lif_1")
    kernel = 2 * np.random.default_rng(0).integers(-127, 128, conv.kernel.shape)
    kernel.reshape(len(kernel), -1)[:, 0] = 254
    new = {
        "conv_1": dataclasses.replace(conv, kernel=kernel / 512.0),
        "lif_1": dataclasses.replace(lif, v_threshold=0.5),
    }
    return dataclasses.replace(whole, nodes=tuple(new.get(node.name, node) for node in whole.nodes))


@pytest.mark.parametrize("name", ["gated", "delayed"])
def test_a_gate_errs_by_less_than_one_step_of_256_and_never_by_three(networks, lowered, images_of, name):
    for seed in range(4):
        folded = exact(passes.fold(lowered(networks[name], seed)))
        images = images_of(folded.nodes[0].shape, 8, seed)
        fixed, _ = quantise.quantise(folded)
        whole, rounded = reference.run_float(folded, images).layers[0], reference.run_fixed(fixed, images).layers[0]
        error = 256 * whole.gate - rounded.gate
        assert np.sqrt((error**2).mean()) < 1
        assert np.abs(error).max() < 3
        assert whole.gate.std() > 0.02


def test_a_network_that_integers_hold_exactly_gives_the_float_spikes_and_scores(images_of):
    """Weights, threshold, bias and decay on the integer grid, no hold to round: the two graphs agree to the last spike."""
    draw = np.random.default_rng(3)

    def whole(*shape):
        weight = 2 * draw.integers(-20, 21, shape)
        weight.reshape(shape[0], -1)[:, 0] = 254
        return weight / 2048

    nodes = (
        graph.InputNode("input", (6, 6, 1), (128,), 1.0),
        graph.ConvNode("conv_1", ("input",), (4, 4, 3), whole(3, 1, 3, 3) / 16, draw.integers(-40, 40, 3) / 32),
        graph.LifNode("lif_1", ("conv_1",), (4, 4, 3), 1.0, 1.0, 1.0),
        graph.DenseNode("dense_1", ("lif_1",), (5,), whole(5, 48), draw.integers(-8, 8, 5) / 64),
        graph.LifNode("lif_2", ("dense_1",), (5,), 1.0, 0.0, 0.25),
        graph.DenseNode("dense_2", ("lif_2",), (4,), whole(4, 5), np.zeros(4)),
        graph.ReadoutNode("readout", ("dense_2",), (4,)),
    )
    network = graph.Graph(nodes, 4, tuple("abcd"))
    fixed, rounding = quantise.quantise(network)
    assert max(entry.weight_error_max for entry in rounding) == 0
    assert graph.find(fixed, "hold").shift == 0
    images = images_of((6, 6, 1), 16, 0)
    wanted, seen = reference.run_float(network, images), reference.run_fixed(fixed, images)
    assert 0.05 < wanted.layers[0].spikes.mean() < 0.95
    for left, right in zip(wanted.layers, seen.layers, strict=True):
        np.testing.assert_array_equal(left.spikes, right.spikes)
    np.testing.assert_allclose(seen.scores * fixed.nodes[-1].scale, wanted.scores, atol=1e-12)


def test_all_classes_share_one_scale_and_the_logits_include_the_mean_over_time(networks, lowered):
    folded = passes.fold(lowered(networks["plain"], 0))
    fixed, _ = quantise.quantise(folded)
    dense, readout = graph.find(fixed, "dense_1"), graph.find(fixed, "readout")
    step = readout.scale * fixed.steps
    np.testing.assert_allclose(dense.weight * step, graph.find(folded, "dense_1").weight, atol=1.01 * step)
    np.testing.assert_allclose(readout.bias * step, graph.find(folded, "dense_1").bias, atol=0.51 * step)


def test_a_long_memory_costs_bits_and_the_report_says_so(networks, lowered, images_of):
    """With du = dv = 0.02 over 40 steps a worst case adds up 800 currents: eight bits no longer fit 24."""
    layers = tuple(
        dataclasses.replace(layer, du=0.02, dv=0.02) if isinstance(layer, spec.Lif) else layer
        for layer in networks["plain"].layers
    )
    whole = lowered(dataclasses.replace(networks["plain"], layers=layers, steps=40), 0)
    fixed, rounding = quantise.quantise(passes.fold(whole))
    later = next(entry for entry in rounding if entry.name == "conv_2")
    assert later.bits < 8
    assert later.scale_max > 0
    check_integers(fixed)
    check_proofs(fixed, rounding, images_of((16, 16, 3), 4, 0))


def test_a_dead_channel_stays_silent(networks, lowered, images_of):
    folded = passes.fold(lowered(networks["gated"], 0))
    conv = graph.find(folded, "conv_2")
    kernel, bias = conv.kernel.copy(), conv.bias.copy()
    kernel[2], bias[2] = 0, 0
    new = dataclasses.replace(conv, kernel=kernel, bias=bias)
    folded = dataclasses.replace(folded, nodes=tuple(new if n.name == "conv_2" else n for n in folded.nodes))
    fixed, rounding = quantise.quantise(folded)
    check_integers(fixed)
    seen = reference.run_fixed(fixed, images_of((16, 16, 3), 4, 0))
    assert not seen.layers[1].spikes[..., 2].any()
    assert all(np.isfinite(entry.weight_error_max) for entry in rounding)


# --- Refusals


def replaced(whole, name, **fields):
    new = dataclasses.replace(graph.find(whole, name), **fields)
    return dataclasses.replace(whole, nodes=tuple(new if node.name == name else node for node in whole.nodes))


@pytest.mark.parametrize(("name", "node"), [("plain", "norm_1"), ("pooled", "pool_1")])
def test_an_unfolded_graph_is_refused(networks, lowered, name, node):
    with pytest.raises(
        graph.GraphError, match=rf"(node '{node}': the graph is not folded|layer 'conv_1': its current)"
    ):
        quantise.quantise(lowered(networks[name], 0))


def test_a_threshold_lost_under_huge_weights_is_refused(networks, lowered):
    folded = passes.fold(lowered(networks["plain"], 0))
    folded = replaced(folded, "lif_2", v_threshold=1e-6)
    with pytest.raises(graph.GraphError, match=r"layer 'conv_2': channel \d: a threshold of 1e-06 is .* at least 1"):
        quantise.quantise(folded)


def test_a_decay_too_small_for_12_bits_is_refused(networks, lowered):
    folded = replaced(passes.fold(lowered(networks["plain"], 0)), "lif_1", du=1e-5)
    with pytest.raises(graph.GraphError, match=r"layer 'lif_1': du 1e-05 and dv 0.5 do not fit 12 bits"):
        quantise.quantise(folded)


def test_a_gate_beyond_32_bits_is_refused(networks, lowered):
    folded = passes.fold(lowered(networks["gated"], 0))
    huge = graph.find(folded, "gate_1").excite_bias + 1e9
    with pytest.raises(graph.GraphError, match=r"layer 'gate_1': channel \d: excitation weights up to"):
        quantise.quantise(replaced(folded, "gate_1", excite_bias=huge))


def test_a_current_heard_by_two_layers_of_neurons_is_refused(networks, lowered):
    folded = passes.fold(lowered(networks["plain"], 0))
    twin = dataclasses.replace(graph.find(folded, "lif_1"), name="twin")
    nodes = (*folded.nodes[:3], twin, *folded.nodes[3:])
    with pytest.raises(
        graph.GraphError, match=r"layer 'conv_1': its current must reach one layer of neurons, but it reach"
    ):
        quantise.quantise(dataclasses.replace(folded, nodes=nodes))


@pytest.mark.slow
@pytest.mark.parametrize("downsample", ["stride", "pool"])
def test_the_full_network_is_within_its_proofs_and_near_the_float_one(lowered, images_of, downsample):
    whole = lowered(spec.neurallnet(downsample=downsample), 0)
    fixed, rounding = quantise.quantise(passes.fold(whole))
    check_integers(fixed)
    images = images_of((128, 128, 3), 4, 0)
    check_proofs(fixed, rounding, images)
    assert min(entry.bits for entry in rounding if entry.name.startswith("conv")) > 7.5
    wanted, seen = reference.run_float(whole, images), reference.run_fixed(fixed, images)
    assert (seen.layers[0].spikes != wanted.layers[0].spikes).mean() < 0.01
    logits = seen.scores * fixed.nodes[-1].scale
    assert np.sqrt(((logits - wanted.scores) ** 2).mean()) < 0.35 * wanted.scores.std()
