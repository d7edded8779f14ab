"""A NIR graph spikes, by NIR's own equations, like the network it was made from; what NIR cannot say is refused."""

import dataclasses
import io
import json

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lava_port import graph, passes, reference, to_nir
from neurallnet_jax import spec

EXPORTABLE = ("plain", "constant", "pooled", "grouped", "hidden", "flat", "learned", "gated")
drawn = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@drawn
@given(name=st.sampled_from(EXPORTABLE), seed=st.integers(0, 2**16), dt=st.sampled_from([1e-4, 1e-3, 0.7]))
def test_the_equations_of_nir_give_the_spikes_of_the_reference(
    exportable, images_of, nir_run, explained, normalised, name, seed, dt
):
    whole = exportable(name, seed)
    images = images_of(whole.nodes[0].shape, 3, seed)
    found = nir_run(to_nir.to_nir(whole, dt=dt), normalised(whole.nodes[0], images), steps=whole.steps, dt=dt)
    expected = reference.run_float(whole, images)
    difference = explained(expected, found.spikes, found.overshoot)
    assert difference.unexplained == 0
    assert difference.border <= 2
    if not difference.border:
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


def test_a_network_of_the_shipped_size_exports(lowered, images_of, nir_run, explained, normalised):
    whole = lowered(spec.neurallnet(widths=(4, 6, 8), image_size=(32, 32), attention=None), 0)
    images = images_of((32, 32, 3), 2, 0)
    found = nir_run(to_nir.to_nir(whole), normalised(whole.nodes[0], images), steps=4, dt=1e-4)
    expected = reference.run_float(whole, images)
    assert explained(expected, found.spikes, found.overshoot).unexplained == 0
    assert sum(layer.spikes.sum() for layer in expected.layers) > 1000


@pytest.mark.parametrize("name", EXPORTABLE)
def test_the_file_passes_the_type_check_of_nir_and_keeps_everything(exportable, tmp_path, name):
    whole = exportable(name, 0)
    made = to_nir.to_nir(whole)
    to_nir.write(made, tmp_path / "net.nir")
    back = nir.read(tmp_path / "net.nir")
    assert back.edges == made.edges
    for key, node in made.nodes.items():
        assert type(back.nodes[key]) is type(node)
        for field in dataclasses.fields(node):
            if field.name in ("weight", "bias", "tau", "r", "v_threshold", "v_reset", "v_leak"):
                value = getattr(back.nodes[key], field.name)
                assert value.dtype == np.float32
                np.testing.assert_array_equal(value, getattr(node, field.name))
    said = json.loads(back.metadata[to_nir.METADATA])
    assert (said["classes"], said["steps"]) == (list(whole.classes), whole.steps)
    assert (said["offset"], said["scale"], said["dt"]) == ([200, 130, 180], 64.0, 1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["net.nir"]


def test_a_neuron_by_hand(networks, lowered):
    """dv = 1/2 and dt = 1 ms: tau = 2 ms, the weights before it double. dv = 0: R = 1000 per second."""
    whole = lowered(networks["flat"], 0)
    dense = graph.find(whole, "dense_1")
    made = to_nir.to_nir(whole, dt=1e-3)
    lif = made.nodes["lif_1"]
    np.testing.assert_allclose(lif.tau, np.full(7, 2e-3), rtol=1e-6)
    # (height, width, channels) 5 x 6 x 3: the weight of row 1, column 2, channel 1 stands at (1 6 + 2) 3 + 1 = 25 here,
    # and, channels first, at (1 5 + 1) 6 + 2 = 38 in NIR.
    np.testing.assert_allclose(made.nodes["dense_1"].weight[:, 38], 2 * dense.weight[:, 25], rtol=1e-6)
    np.testing.assert_allclose(made.nodes["dense_2"].weight, graph.find(whole, "dense_2").weight, rtol=1e-6)
    still = dataclasses.replace(graph.find(whole, "lif_1"), dv=0.0)
    nodes = tuple(still if node.name == "lif_1" else node for node in whole.nodes)
    made = to_nir.to_nir(dataclasses.replace(whole, nodes=nodes), dt=1e-3)
    assert isinstance(made.nodes["lif_1"], nir.IF)
    np.testing.assert_allclose(made.nodes["lif_1"].r, np.full(7, 1000.0), rtol=1e-6)
    np.testing.assert_allclose(made.nodes["dense_1"].weight[:, 38], dense.weight[:, 25], rtol=1e-6)


def test_what_nir_cannot_say_is_refused_by_name(networks, lowered, exportable):
    with pytest.raises(graph.GraphError, match=r"node 'gate_1': NIR has no gate .*--freeze-gates DIR"):
        to_nir.to_nir(lowered(networks["delayed"], 0))
    slow = exportable("slow", 0)
    with pytest.raises(graph.GraphError, match=r"node 'lif_1': du is 0\.\d+; NIR's CubaLIF is discretised.*du=1"):
        to_nir.to_nir(slow)
    whole = lowered(networks["plain"], 0)
    for dt in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(graph.GraphError, match=r"dt is .*; expected seconds"):
            to_nir.to_nir(whole, dt=dt)


def test_a_decay_so_small_that_weights_leave_float32_is_refused(networks, lowered):
    whole = lowered(networks["flat"], 0)
    hardly = dataclasses.replace(graph.find(whole, "lif_1"), dv=1e-39)
    nodes = tuple(hardly if node.name == "lif_1" else node for node in whole.nodes)
    with pytest.raises(graph.GraphError, match=r"node 'dense_1': a weight of .* is beyond float32"):
        to_nir.to_nir(dataclasses.replace(whole, nodes=nodes))


def test_an_unknown_node_is_refused_by_name(networks, lowered):
    @dataclasses.dataclass(frozen=True, eq=False)
    class DreamNode:
        name: str
        inputs: tuple[str, ...]
        shape: tuple[int, ...]

    whole = passes.fold(lowered(networks["plain"], 0))
    dream = DreamNode("dream", ("dense_1",), (4,))
    readout = dataclasses.replace(whole.nodes[-1], inputs=("dream",))
    with pytest.raises(
        graph.GraphError, match=r"node 'dream': no NIR for DreamNode; add a rule with @say_node.register"
    ):
        to_nir.to_nir(graph.Graph((*whole.nodes[:-1], dream, readout), 4, whole.classes))


def test_a_branch_is_refused(networks, lowered):
    whole = lowered(networks["plain"], 0)
    twin = dataclasses.replace(graph.find(whole, "lif_2"), name="lif_twin")
    place = [node.name for node in whole.nodes].index("lif_2")
    with pytest.raises(graph.GraphError, match=r"node 'lif_twin': hears conv_2; only a plain chain"):
        to_nir.to_nir(dataclasses.replace(whole, nodes=(*whole.nodes[: place + 1], twin, *whole.nodes[place + 1 :])))


def test_a_kernel_that_nir_would_measure_wrongly_is_refused():
    """2 x 3 over 4 x 4 gives 3 x 2; bordered to 3 x 3, with one row of padding, it would give 4 x 2."""
    image = graph.InputNode("input", (4, 4, 1), (0,), 1.0)
    conv = graph.ConvNode("conv", ("input",), (3, 2, 1), np.ones((1, 1, 2, 3)), np.zeros(1))
    lif = graph.LifNode("lif", ("conv",), (3, 2, 1), 1.0, 0.5, 1.0)
    dense = graph.DenseNode("dense", ("lif",), (1,), np.ones((1, 6)), np.zeros(1))
    readout = graph.ReadoutNode("readout", ("dense",), (1,))
    with pytest.raises(graph.GraphError, match=r"node 'conv': a kernel of 2 x 3 .* train with a square kernel"):
        to_nir.to_nir(graph.Graph((image, conv, lif, dense, readout), 1, ("a",)))


def test_a_file_that_cannot_be_written_leaves_nothing(networks, lowered, tmp_path):
    made = to_nir.to_nir(lowered(networks["plain"], 0))
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"net\.nir: cannot be written"):
        to_nir.write(made, tmp_path / "file" / "net.nir")
    with pytest.raises(ValueError, match=r"cannot be written"):
        to_nir.write(made, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_writing_twice_gives_the_same_bytes(networks, lowered):
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        nir.write(file, to_nir.to_nir(lowered(networks["plain"], 0)))
    assert files[0].getvalue() == files[1].getvalue()


def test_a_dilated_kernel_is_written_with_its_zeros_and_gives_the_same_currents(nir_run, normalised, images_of):
    rng = np.random.default_rng(0)
    nodes = (
        graph.InputNode("input", (8, 8, 2), (100, 120), 64.0),
        graph.ConvNode(
            "conv", ("input",), (4, 4, 3), rng.normal(0, 1, (3, 2, 3, 3)), rng.normal(0, 0.1, 3), (1, 1), ((0, 0), (0, 0)),
            1, (2, 2),
        ),
        graph.LifNode("lif", ("conv",), (4, 4, 3), 1.0, 0.25, 1.0),
        graph.DenseNode("dense", ("lif",), (2,), rng.normal(0, 1, (2, 48)), np.zeros(2)),
        graph.ReadoutNode("readout", ("dense",), (2,)),
    )  # fmt: skip
    whole = graph.Graph(nodes, 4, ("a", "b"))
    written = to_nir.to_nir(whole, dt=1e-4)
    assert written.nodes["conv"].weight.shape == (3, 2, 5, 5)
    images = images_of((8, 8, 2), 3, 0)
    seen = nir_run(written, normalised(nodes[0], images), steps=4, dt=1e-4)
    expected = reference.run_float(whole, images)
    np.testing.assert_array_equal(seen.spikes["lif"], np.moveaxis(expected.layers[0].spikes, -1, 2))
    assert 0 < expected.layers[0].spikes.mean() < 1
