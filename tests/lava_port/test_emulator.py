"""The emulator gives the judge's bits: spikes, potentials, gates and scores, on every path its sums can take."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_port import emulator, graph, passes, quantise, reference, trace
from neurallnet_jax import spec

LIMIT = 2**23


def check_alike(network, images, *, batch=3):
    prepared = emulator.prepare(network, batch=batch)
    expected = reference.run_fixed(network, images, potentials=True)
    given_ = prepared.run(images, potentials=True)
    for entry in trace.compare(expected, given_):
        assert not entry.mismatches, entry
    for left, right in zip(expected.layers, given_.layers, strict=True):
        assert left.spikes.dtype == right.spikes.dtype
        assert left.potential.dtype == right.potential.dtype
        assert (left.gate is None) == (right.gate is None)
        for fact in trace.FACTS:
            assert getattr(left, fact).dtype == getattr(right, fact).dtype == np.int64
    assert (given_.scores.dtype, given_.total_steps) == (expected.scores.dtype, expected.total_steps)
    return prepared


@pytest.mark.parametrize("seed", [2, 3])
def test_drawn_networks_run_bit_for_bit(fixed_graph_of, images_of, mode, seed):
    network = fixed_graph_of(seed, mode)
    check_alike(network, images_of(network.nodes[0].shape, 5, seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 16))
def test_many_more_drawn_networks_run_bit_for_bit(fixed_graph_of, images_of, mode, seed):
    network = fixed_graph_of(seed, mode)
    check_alike(network, images_of(network.nodes[0].shape, 5, seed))


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name", ["delayed", "pooled", *(pytest.param(x, marks=SLOW) for x in ("grouped", "hidden", "slow"))]
)
def test_converted_networks_run_bit_for_bit(networks, lowered, images_of, name):
    network, _ = quantise.quantise(passes.fold(lowered(networks[name], 0)))
    prepared = check_alike(network, images_of(network.nodes[0].shape, 4, 0), batch=4)
    assert set(prepared.sums.values()) == {"float"}


@pytest.mark.slow
def test_the_full_network_runs_bit_for_bit(lowered, images_of):
    network, _ = quantise.quantise(passes.fold(lowered(spec.neurallnet(), 0)))
    check_alike(network, images_of((128, 128, 3), 4, 0), batch=4)


# --- The paths of the sums


def wide_kernel(weight, offset=0):
    """One convolution over the whole of an 11 x 11 colour image, whose sums pass 2^24."""
    return graph.FixedGraph(
        (
            graph.FixedInput("input", (11, 11, 3), (offset,) * 3),
            graph.FixedConv("conv", ("input",), (1, 1, 2), weight),
            graph.FixedHold("hold", ("conv",), (1, 1, 2), 6),
            graph.FixedLif("lif", ("hold",), (1, 1, 2), 4095, 2048, np.full(2, 9, np.int32), np.full(2, 5, np.int32)),
            graph.FixedDense("dense", ("lif",), (2,), np.array([[2, 4], [-6, 8]], np.int16)),
            graph.FixedReadout("readout", ("dense",), (2,), np.array([1, 2]), 1.0),
        ),
        3,
        ("a", "b"),
    )


def test_sums_beyond_24_bits_are_split_into_high_and_low_weights():
    draw = np.random.default_rng(0)
    weight = (254 - 2 * draw.integers(0, 3, (2, 3, 11, 11))).astype(np.int16)
    weight[1] = -weight[1]
    images = draw.choice([254, 255], (4, 11, 11, 3)).astype(np.uint8)
    prepared = check_alike(wide_kernel(weight), images)
    assert prepared.sums["conv"] == "split"
    assert prepared.sums["dense"] == "float"


def test_a_device_whose_float_sums_are_inexact_is_found_out_and_integers_run(fixed_graph_of, images_of, monkeypatch):
    """Sums in bfloat16, as an accelerator may choose, keep eight bits: the trial notices and nothing is lost."""
    exact = emulator._linear

    def inexact(node, folded, weight):
        return exact(node, folded, weight).astype(jnp.bfloat16).astype(jnp.float32)

    monkeypatch.setattr(emulator, "_linear", inexact)
    network = fixed_graph_of(5, "plain")
    prepared = check_alike(network, images_of(network.nodes[0].shape, 5, 0))
    assert "integer" in prepared.sums.values()


@pytest.mark.parametrize("name", ["grouped", "dilated"])
@pytest.mark.parametrize("how", ["float", "split", "integer"])
def test_all_ways_of_adding_up_know_strides_padding_dilation_and_groups(
    networks, lowered, images_of, monkeypatch, name, how
):
    monkeypatch.setattr(emulator, "_provable", lambda node, shape, heard: how)
    network, _ = quantise.quantise(passes.fold(lowered(networks[name], 0)))
    prepared = check_alike(network, images_of(network.nodes[0].shape, 3, 0))
    assert set(prepared.sums.values()) == {how}


# --- Arithmetic at its ends


NUMBERS = st.integers(-(2**30), 2**30)


@settings(deadline=None)
@given(number=NUMBERS, decay=st.integers(0, 4096))
def test_the_split_decay_equals_that_in_64_bits(number, decay):
    expected = reference._decay(np.int64(number), decay)
    assert int(emulator._decay(jnp.int32(number), decay)) == expected


@settings(deadline=None)
@given(number=NUMBERS, gate=st.integers(0, 256))
def test_the_split_gate_equals_that_in_64_bits(number, gate):
    expected = reference._towards_zero(np.int64(gate) * number, 8)
    assert int(emulator._gated(jnp.int32(gate), jnp.int32(number))) == expected


@pytest.mark.parametrize(
    ("number", "wrapped"),
    [(LIMIT, LIMIT), (LIMIT + 1, 1 - LIMIT), (-LIMIT + 1, -LIMIT + 1), (-LIMIT, LIMIT), (-LIMIT - 5, LIMIT - 5)],
)
def test_24_bits_wrap_at_their_ends(number, wrapped):
    assert int(emulator._wrap24(jnp.int32(number))) == wrapped == int(reference._wrap24(np.int64(number)))


def test_a_shift_by_more_than_31_bits_leaves_nothing():
    assert emulator._towards_zero(jnp.array([-(2**30), 2**30]), np.array([40, 31])).tolist() == [0, 0]


# --- Batches and refusals


def test_any_number_of_images_runs_in_batches_of_one_compiled_shape(fixed_graph_of, images_of):
    network = fixed_graph_of(3, "plain")
    prepared = emulator.prepare(network, batch=4)
    images = images_of(network.nodes[0].shape, 9, 0)
    whole = prepared.run(images)
    assert whole.scores.shape[0] == 9
    assert whole.layers[0].spikes.shape[1] == 9
    assert whole.layers[0].potential is None
    np.testing.assert_array_equal(whole.scores, reference.run_fixed(network, images).scores)
    assert prepared.function._cache_size() == 1


def test_images_of_another_size_are_refused(fixed_graph_of):
    prepared = emulator.prepare(fixed_graph_of(0, "plain"), batch=1)
    with pytest.raises(ValueError, match=r"images are uint8 \(1, 2, 2, 1\); the network reads uint8 \(batch, "):
        prepared.run(np.zeros((1, 2, 2, 1), np.uint8))


def test_sums_that_32_bits_cannot_hold_are_refused_by_name():
    network = wide_kernel(np.full((2, 3, 11, 11), 254, np.int16))
    lif = dataclasses.replace(graph.find(network, "lif"), du=0)
    hold = dataclasses.replace(graph.find(network, "hold"), shift=0)
    nodes = tuple({"lif": lif, "hold": hold}.get(node.name, node) for node in network.nodes)
    with pytest.raises(graph.GraphError, match=r"node 'lif': its sums reach \d+, more than 32 bits hold"):
        emulator.prepare(dataclasses.replace(network, nodes=nodes), batch=1)


def test_a_current_that_arrives_once_is_refused():
    network = wide_kernel(np.full((2, 3, 11, 11), 2, np.int16))
    nodes = [node for node in network.nodes if not isinstance(node, graph.FixedHold)]
    nodes[2] = dataclasses.replace(nodes[2], inputs=("conv",))
    with pytest.raises(graph.GraphError, match=r"node 'lif': its current arrives once; FixedHold keeps it for 3 steps"):
        emulator.prepare(dataclasses.replace(network, nodes=tuple(nodes)), batch=1)


def test_an_unknown_node_has_no_rule():
    class Stranger:
        name = "odd"

    with pytest.raises(graph.GraphError, match=r"node 'odd': the emulator has no rule for Stranger; add one"):
        emulator._apply(Stranger(), [], 1, "float")
