"""A network comes back from NIR with the same spikes; a NIR graph with no counterpart is refused by node and value."""

import itertools
import json

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lava_port import from_nir, graph, passes, quantise, reference, to_nir

EXPORTABLE = ("plain", "constant", "pooled", "grouped", "hidden", "flat", "learned", "gated")
drawn = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FRAME = {"classes": tuple("abc"), "steps": 4, "offset": (128,), "scale": 64.0, "dt": 1e-3}


@drawn
@given(name=st.sampled_from(EXPORTABLE), seed=st.integers(0, 2**16), dt=st.sampled_from([1e-4, 1e-3, 0.7]))
def test_a_network_that_went_through_nir_spikes_as_before(
    exportable, images_of, nir_run, explained, normalised, name, seed, dt
):
    whole = exportable(name, seed)
    made = to_nir.to_nir(whole, dt=dt)
    back = from_nir.from_nir(made)
    assert (back.steps, back.classes) == (whole.steps, whole.classes)
    assert vars(back.nodes[0]) == vars(whole.nodes[0])
    images = images_of(whole.nodes[0].shape, 3, seed)
    expected, found = reference.run_float(whole, images), reference.run_float(back, images)
    overshoot = nir_run(made, normalised(whole.nodes[0], images), steps=whole.steps, dt=dt).overshoot
    spikes = {layer.name: np.moveaxis(layer.spikes, -1, 2) for layer in found.layers}
    difference = explained(expected, spikes, overshoot)
    assert difference.unexplained == 0
    assert difference.border <= 2
    if not difference.border:
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


@pytest.mark.parametrize("name", EXPORTABLE)
def test_structure_and_constants_come_back(exportable, name):
    folded = passes.fold(exportable(name, 0))
    back = from_nir.from_nir(to_nir.to_nir(folded))
    assert [type(node) for node in back.nodes] == [type(node) for node in folded.nodes]
    assert [node.shape for node in back.nodes] == [node.shape for node in folded.nodes]
    for mine, other in zip(folded.nodes, back.nodes, strict=True):
        if isinstance(mine, graph.DenseNode):
            assert (mine.shared, mine.weight.shape) == (other.shared, other.weight.shape)
        if isinstance(mine, graph.LifNode):
            assert other.dv == pytest.approx(mine.dv, rel=1e-7)
            assert other.v_threshold == pytest.approx(mine.v_threshold, rel=1e-7)


def test_a_network_from_nir_becomes_integers(exportable, images_of, tmp_path):
    """It rounds to the integers of the network it was made from, save for weights that lie between two."""
    whole = exportable("plain", 1)
    to_nir.write(to_nir.to_nir(whole), tmp_path / "net.nir")
    back = from_nir.from_nir(from_nir.read(tmp_path / "net.nir"))
    images = images_of((16, 16, 3), 4, 1)
    ours, theirs = (reference.run_fixed(quantise.quantise(passes.fold(g))[0], images) for g in (whole, back))
    for mine, other in zip(ours.layers, theirs.layers, strict=True):
        assert (mine.spikes != other.spikes).mean() < 0.01


# --- Graphs of others


def conv(outs=2, ins=3, size=3, padding=(1, 1), stride=(1, 1), dilation=(1, 1), groups=1, shape=(6, 6)):
    weight = np.random.default_rng(0).normal(0, 1, (outs, ins // groups, size, size)).astype(np.float32)
    return nir.Conv2d(shape, weight, stride, padding, dilation, groups, np.full(outs, 0.1, np.float32))


def lif(*shape, **change):
    whole = np.ones(shape, np.float32)
    values = {"tau": 2e-3, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0, **change}
    return nir.LIF(**{name: np.float32(value) * whole for name, value in values.items()})


def dense(outs, ins):
    return nir.Affine(np.random.default_rng(1).normal(0, 1, (outs, ins)).astype(np.float32), np.zeros(outs, np.float32))


def pool(window, stride=None):
    return nir.AvgPool2d(*(np.array([side, side]) for side in (window, stride or window, 0)))


def flatten(*shape, start=0):
    return nir.Flatten({"input": np.array(shape)}, start_dim=start)


def chain(*nodes, shape=(3, 6, 6)):
    named = {"input": nir.Input({"input": np.array(shape)})}
    named |= {f"n{place}": node for place, node in enumerate(nodes, 1)}
    named |= {"output": nir.Output({"output": np.array([3])})}
    names = list(named)
    return nir.NIRGraph(named, list(itertools.pairwise(names)), type_check=False)


def usual(**change):
    nodes = {"conv": conv(), "lif": lif(2, 6, 6), "flatten": flatten(2, 6, 6), "dense": dense(3, 72), **change}
    return chain(*(node for node in nodes.values() if node is not None))


def read(made, **change):
    return from_nir.from_nir(made, **{**FRAME, **change})


def test_a_neuron_by_hand():
    """tau = 2 ms, dt = 1 ms, R = 3: dv = 1/2, and weights and bias before it are multiplied by dv R = 3/2."""
    made = usual(lif=lif(2, 6, 6, r=3.0))
    back = read(made)
    assert [node.name for node in back.nodes] == ["input", "n1", "n2", "n4", "readout"]
    assert graph.find(back, "n2").dv == 0.5
    np.testing.assert_allclose(graph.find(back, "n1").kernel, 1.5 * made.nodes["n1"].weight, rtol=1e-6)
    np.testing.assert_allclose(graph.find(back, "n1").bias, 0.15, rtol=1e-6)
    weight = graph.find(back, "n4").weight
    # Channel 1, row 2, column 3: place (1 6 + 2) 6 + 3 = 51 in NIR, (2 6 + 3) 2 + 1 = 31 here.
    np.testing.assert_array_equal(weight[:, 31], made.nodes["n4"].weight[:, 51])


@pytest.mark.parametrize(("r", "dt"), [(1.0, None), (1.0, 1e-3), (1000.0, 1e-3)])
def test_integrate_and_fire_takes_what_arrives_whole(r, dt):
    whole = np.ones((2, 6, 6), np.float32)
    made = usual(lif=nir.IF(r * whole, 2 * whole))
    back = read(made, dt=dt)
    neuron = graph.find(back, "n2")
    assert (neuron.dv, neuron.v_threshold) == (0.0, 2.0)
    np.testing.assert_array_equal(graph.find(back, "n1").kernel, made.nodes["n1"].weight)


@pytest.mark.parametrize("start", [0, 1])
def test_pools_linear_layers_and_flattens_that_fold_are_read(start, images_of, nir_run):
    """Average of currents, average of spikes over the whole map, Linear without bias, 'valid' and 'same' padding."""
    made = chain(
        conv(padding="same"),
        pool(2),
        lif(2, 3, 3),
        pool(3),
        flatten(2, 1, 1, start=start),
        nir.Linear(dense(3, 2).weight),
    )
    back = read(made)
    kinds = [graph.InputNode, graph.ConvNode, graph.AveragePoolNode, graph.LifNode, graph.GlobalAverageNode]
    assert [type(node) for node in back.nodes] == [*kinds, graph.DenseNode, graph.ReadoutNode]
    assert graph.find(back, "n1").padding == ((1, 1), (1, 1))
    images = images_of((6, 6, 3), 2, 0)
    assert reference.run_float(passes.fold(back), images).layers[0].spikes.sum() > 0
    assert graph.find(read(usual(conv=conv(padding="valid"), lif=lif(2, 4, 4), dense=dense(3, 32))), "n1").shape == (
        4,
        4,
        2,
    )


def test_neurons_at_the_end_are_scored_by_their_spikes(images_of):
    back = read(chain(conv(), lif(2, 6, 6), flatten(2, 6, 6), dense(3, 72), lif(3)))
    trace = reference.run_float(back, images_of((6, 6, 3), 3, 0))
    np.testing.assert_allclose(trace.scores, trace.layers[-1].spikes.mean(axis=0))
    assert trace.scores.max() > 0


def test_neurons_behind_a_flatten_are_those_of_the_map(images_of):
    flat = read(chain(conv(), flatten(2, 6, 6), lif(72), dense(3, 72)))
    images = images_of((6, 6, 3), 2, 0)
    expected = reference.run_float(read(usual()), images)
    np.testing.assert_allclose(reference.run_float(flat, images).scores, expected.scores)


def test_what_arguments_say_counts_more_than_the_metadata(exportable):
    made = to_nir.to_nir(exportable("plain", 0))
    back = from_nir.from_nir(made, steps=9, classes=list("wxyz"), offset=(7,), scale=2.0)
    assert (back.steps, back.classes, back.nodes[0].offset, back.nodes[0].scale) == (9, tuple("wxyz"), (7, 7, 7), 2.0)


# --- Refusals


def refusal(made, **change):
    with pytest.raises(graph.GraphError) as caught:
        read(made, **change)
    message = str(caught.value)
    assert "\n" not in message
    return message


WHOLE = np.ones((2, 6, 6), np.float32)
UNEVEN = np.where(np.arange(72).reshape(2, 6, 6) == 5, np.float32(0.25), WHOLE)
REFUSED = [
    ({"lif": nir.CubaLIF(WHOLE, WHOLE, WHOLE, 0 * WHOLE, WHOLE)}, "node 'n2': a CubaLIF is discretised"),
    ({"lif": nir.LI(WHOLE, WHOLE, 0 * WHOLE)}, "node 'n2': a LI has no counterpart here; a chain of Conv2d"),
    ({"lif": nir.Threshold(WHOLE)}, "node 'n2': a Threshold has no counterpart"),
    ({"conv": nir.Scale(np.ones((3, 6, 6)))}, "node 'n1': a Scale has no counterpart"),
    ({"lif": lif(2, 6, 6, v_leak=0.5)}, "node 'n2': v_leak is 0.5"),
    ({"lif": lif(2, 6, 6, v_reset=-1.0)}, "node 'n2': v_reset is -1"),
    ({"lif": lif(2, 6, 6, v_threshold=0.0)}, "node 'n2': v_threshold is 0; expected above 0"),
    ({"lif": lif(2, 6, 6, v_threshold=UNEVEN)}, "node 'n2': v_threshold ranges from 0.25 to 1"),
    ({"lif": lif(2, 6, 6, tau=2e-3 * UNEVEN)}, "node 'n2': tau ranges from 0.0005 to 0.002"),
    ({"lif": lif(2, 6, 6, tau=5e-4)}, "node 'n2': tau is 0.0005 s with a step of 0.001 s; expected tau >= dt"),
    ({"lif": lif(2, 6, 6, tau=-1.0)}, "node 'n2': tau is -1 s"),
    ({"lif": lif(2, 6, 6, r=np.nan)}, "node 'n2': r holds NaN"),
    ({"lif": lif(7)}, "node 'n2': 7 neurons behind (6, 6, 2) of 'n1'"),
    ({"lif": nir.IF(3 * WHOLE, WHOLE)}, "node 'n2': r is 3 with a step of 0.001 s; expected 1 / dt, or 1"),
    ({"lif": None}, "node 'n3': hears the current of 'n1'; put neurons between"),
    ({"conv": conv(dilation=(2, 2))}, "node 'n1': dilation is (2, 2); only 1 converts"),
    ({"conv": conv(padding="same", stride=(2, 2))}, "node 'n1': padding is 'same' with kernel (3, 3) and stride (2, 2)"),
    ({"conv": conv(padding=(-1, 0))}, "node 'n1': padding is [-1.0, 0.0]; expected one or two whole numbers"),
    ({"conv": conv(stride=(1.5, 1))}, "node 'n1': stride is [1.5, 1.0]"),
    ({"conv": conv(size=9)}, "node 'n1': kernel (9, 9) is larger than its input, (6, 6)"),
    ({"conv": conv(ins=4)}, "node 'n1': kernel (2, 4, 3, 3) in 1 groups does not fit 3 channels"),
    ({"conv": lif(3, 6, 6)}, "node 'n1': neurons hear a convolution or a dense layer, not 'input'"),
    ({"flatten": None}, "node 'n3': hears a feature map (6, 6, 2); put a Flatten before it"),
    ({"flatten": flatten(2, 6, 6, start=2)}, "node 'n3': flattens axes 2 to -1"),
    ({"dense": dense(3, 71)}, "node 'n4': weight (3, 71) does not fit (6, 6, 2)"),
    ({"dense": nir.Linear(np.ones((3, 2, 2)))}, "node 'n4': weight has shape (3, 2, 2)"),
    ({"dense": nir.Affine(np.ones((3, 72)), np.ones(4))}, "node 'n4': bias has shape (4,); expected (3,)"),
    ({"dense": dense(5, 72)}, "3 classes, but the read-out has shape (5,)"),
    ({"dense": None}, "node 'n2': is heard by the output; class scores come from a dense layer or neurons"),
    ({"flatten": pool(2)}, "node 'n3': averages spikes over (2, 2) of 6 x 6"),
    ({"flatten": pool(2, 1)}, "node 'n3': window (2, 2), stride (1, 1)"),
    ({"lif": pool(4)}, "node 'n2': window (4, 4) is not square or does not divide 6 x 6"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_has_no_counterpart_is_refused_by_node_and_value(change, message):
    assert message in refusal(usual(**change))


def joined(*extra, without=()):
    made = usual()
    made.nodes["lone"] = lif(2, 6, 6)
    made.edges = [edge for edge in made.edges if edge not in without] + list(extra)
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (joined(), "node 'lone': is not on the way from the input to 'output'"),
        (joined(("n1", "lone"), ("lone", "n3")), "node 'n1': is joined to 'lone' and 'n2'; a branch or loop"),
        (joined(("n2", "n2")), "node 'n2': is joined to 'n2' and 'n3'; a branch or loop"),
        (joined(("n9", "n1")), "an edge joins 'n9' and 'n1', but there is no node 'n9'"),
        (joined(("n4", "lone"), without=[("n4", "output")]), "node 'output': is not on the way from the input to 'lone'"),
    ],
)  # fmt: skip
def test_a_graph_that_is_no_chain_is_refused(made, message):
    assert message in refusal(made)


def test_a_graph_with_two_inputs_or_no_output_is_refused():
    made = usual()
    made.nodes["second"] = nir.Input({"input": np.array([3, 6, 6])})
    assert "the NIR graph has 2 inputs; expected one" in refusal(made)
    made = usual()
    del made.nodes["output"]
    made.edges = made.edges[:-1]
    assert "node 'n4': hands on to nothing; a graph ends with an Output" in refusal(made)
    assert "node 'input': takes an input of shape [784]" in refusal(chain(dense(3, 784), shape=(784,)))


@pytest.mark.parametrize("name", ["classes", "steps", "offset", "scale"])
def test_what_nobody_says_is_refused_with_the_option_that_says_it(name):
    assert f"the NIR graph does not say its {name}; give it, such as --{name}" in refusal(usual(), **{name: None})


def test_values_that_make_no_frame_are_refused():
    assert "how long is a step? give it, such as --dt 1e-4" in refusal(usual(), dt=None)
    assert "2 offsets for 3 colour channels" in refusal(usual(), offset=(1, 2))
    assert "scale is 0" in refusal(usual(), scale=0)
    assert "steps is 0" in refusal(usual(), steps=0)


@pytest.mark.parametrize("text", ["{", "[]", "3", "{}", '{"version": 1}', '{"version": 1, "classes": 3}', None, 3.5])
def test_damaged_metadata_is_refused(text):
    made = usual()
    made.metadata = {to_nir.METADATA: text if text is not None else b"\xff"}
    assert "is damaged; export it again" in refusal(made)
    made.metadata = {to_nir.METADATA: json.dumps({"version": 99})}
    assert "metadata of version 99; update" in refusal(made)


def test_a_file_that_is_no_nir_is_refused_in_one_line(exportable, tmp_path):
    path = tmp_path / "net.nir"
    to_nir.write(to_nir.to_nir(exportable("plain", 0)), path)
    whole = path.read_bytes()
    for data in (b"", b"no HDF5", *(whole[: len(whole) * part // 8] for part in range(1, 8))):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"net\.nir: cannot be read as NIR .*; export it again") as caught:
            from_nir.read(path)
        assert "\n" not in str(caught.value)
    for other in (tmp_path, tmp_path / "nowhere.nir"):
        with pytest.raises(ValueError, match=r"no such file"):
            from_nir.read(other)


def test_a_file_with_single_bytes_changed_is_read_or_refused(exportable, tmp_path):
    path = tmp_path / "net.nir"
    to_nir.write(to_nir.to_nir(exportable("flat", 0)), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = []
    for place in rng.integers(0, len(whole), 150):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ int(rng.integers(1, 256))]) + whole[place + 1 :])
        try:
            from_nir.from_nir(from_nir.read(path))
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert not any("\n" in message for message in refused)


def test_a_file_that_holds_another_kind_of_hdf5_is_refused(tmp_path):
    nir.write(tmp_path / "lone.nir", lif(3))
    with pytest.raises(ValueError, match=r"lone\.nir: holds a single LIF, not a NIR graph|cannot be read as NIR"):
        from_nir.read(tmp_path / "lone.nir")
