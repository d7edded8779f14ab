"""What one image costs: constants of the profiles times counts, against the estimate of a converted network."""

import dataclasses

import jax
import numpy as np
import pytest
from PIL import Image

from lava_port import reference
from lava_port.energy import profiles
from lava_port.energy.connections import fan_out
from lava_port.graph import FixedConv, FixedDense
from neurallnet_jax import checkpoint, models, spec
from neurallnet_jax.checkpoint import Checkpoint, Preprocessing
from neurallnet_jax.evaluation import footprint
from neurallnet_jax.images import synthetic
from neurallnet_jax.workflows import compare
from neurallnet_jax.workflows.convert import convert

NETWORK = spec.neurallnet(widths=(8, 16), image_size=(32, 32), steps=4, attention=None)


@pytest.fixture(scope="module")
def spiking(classifier_of) -> Checkpoint:
    made = classifier_of(NETWORK, synthetic.CLASSES, preprocessing=Preprocessing())
    return Checkpoint(NETWORK, models.to_weights(made.variables), made.preprocessing, synthetic.CLASSES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn") / "smears"
    pixels, labels = synthetic.dataset(3, 0, (32, 32))
    for place, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        where = root / synthetic.CLASSES[label]
        where.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(where / f"{place}.png")
    return root


def test_a_network_without_spikes_is_priced_by_the_constant_of_a_multiply_accumulate():
    """45 nm: 4.6 pJ in f32, 0.3 pJ in int8 (Horowitz 2014); a GPU of 2015: 0.3 nJ; TrueNorth has no such constant."""
    found = compare.dense(10**9, profiles.select(["horowitz45", "gpu", "truenorth_merolla2014"]))
    joules = {(one.profile, one.variant): one.joules for one in found.energies}
    assert joules["horowitz45", "f32"] == pytest.approx(4.6e-3)
    assert joules["horowitz45", "int8"] == pytest.approx(0.3e-3)
    assert joules["gpu", "native"] == pytest.approx(0.3)
    assert joules["truenorth_merolla2014", "native"] is None
    assert "no constant for a multiply-accumulate" in found.energies[-1].reason
    assert (found.macs, found.synops, found.images) == (1e9, None, 0)
    assert [one.scope for one in found.energies] == ["compute", "compute", "static", "static"]


def test_synaptic_operations_are_spikes_times_the_weights_they_meet(spiking):
    """By hand from the trace of the reference: each spike of a layer meets the weights of its place in the next."""
    pixels = synthetic.dataset(1, 0, (32, 32))[0]
    found = compare.spiking(spiking, pixels, profiles.select(["horowitz45", "cpu"]))
    graph = convert(spiking).fixed
    trace = reference.run_fixed(graph, pixels)
    spikes = {layer.name: layer.spikes for layer in trace.layers}
    expected = 0.0
    for node in graph.nodes:
        if isinstance(node, FixedConv | FixedDense) and node.inputs[0] in spikes:
            own = spikes[node.inputs[0]].astype(np.int64)
            table = fan_out(node, own.shape[2:])
            expected += float((own * table.reshape((1, 1, *own.shape[2:]))).sum()) / len(pixels)
    assert expected > 0
    assert found.synops == pytest.approx(expected)
    first = next(iter(footprint.dense_macs(NETWORK).values()))
    assert found.macs == first
    joules = {(one.profile, one.variant): one.joules for one in found.energies}
    # At the least all synaptic operations and the multiply-accumulates of the first layer.
    assert joules["horowitz45", "f32"] >= 0.9e-12 * expected + 4.6e-12 * first - 1e-15
    assert joules["cpu", "native"] is None


def test_every_run_gets_what_its_kind_costs(spiking, folder, tmp_path, small_keras):
    for name, saved in (("spiking", spiking), ("keras", keras_checkpoint())):
        (tmp_path / name).mkdir()
        checkpoint.save(saved, tmp_path / name)
    names = [str(tmp_path / "spiking"), str(tmp_path / "keras"), "predictions.csv"]
    found = compare.operations(names, data=folder, limit=4)
    assert list(found) == names[:2]
    assert found[names[0]].images == 4
    assert found[names[0]].synops is not None
    network = keras_checkpoint().spec
    assert found[names[1]].macs == sum(footprint.dense_macs(network).values())
    without = compare.operations(names[:1], data=None)[names[0]]
    assert without.synops is None
    assert "name a folder with --data" in without.reason


def keras_checkpoint() -> Checkpoint:
    network = spec.KerasNetwork("resnet50", (32, 32))
    made = models.create(network, synthetic.CLASSES, preprocessing=Preprocessing(), key=jax.random.key(0))
    return Checkpoint(network, models.to_weights(made.variables), made.preprocessing, synthetic.CLASSES)


def test_a_network_that_does_not_convert_says_why(spiking):
    soft = dataclasses.replace(
        NETWORK,
        layers=tuple(
            dataclasses.replace(one, reset="soft") if isinstance(one, spec.Lif) else one for one in NETWORK.layers
        ),
    )
    found = compare.spiking(
        dataclasses.replace(spiking, spec=soft), synthetic.dataset(1, 0, (32, 32))[0], profiles.select(["horowitz45"])
    )
    assert found.synops is None
    assert found.reason.startswith("it does not convert to integers: ")
