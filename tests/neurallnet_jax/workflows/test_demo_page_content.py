import dataclasses
import json

import numpy as np
import pytest

from lava_port import graph, lower, passes, quantise, reference
from lava_port.energy import activity
from neurallnet_jax import checkpoint, spec
from neurallnet_jax.training.loop import EpochRecord
from neurallnet_jax.workflows import demo_page_content


@pytest.fixture(scope="module")
def trained() -> checkpoint.Checkpoint:
    network = spec.neurallnet(2, widths=(4, 6), image_size=(8, 8), steps=3)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.uniform(0.1, 0.9, shape).astype(np.float32) for name, shape in lower.weight_shapes(network).items()
    }
    return checkpoint.Checkpoint(network, weights, checkpoint.Preprocessing(), ("a", "b"))


@pytest.fixture(scope="module")
def fixed(trained: checkpoint.Checkpoint) -> graph.FixedGraph:
    lowered = lower.lower(
        trained.spec,
        trained.weights,
        offset=trained.preprocessing.offset,
        scale=trained.preprocessing.scale,
        classes=trained.classes,
    )
    return quantise.quantise(passes.fold(lowered))[0]


def test_every_parameter_is_counted_once_and_spikes_are_means_per_image(
    trained: checkpoint.Checkpoint, fixed: graph.FixedGraph
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    trace = reference.run_fixed(fixed, pixels)
    rows = demo_page_content.layer_figures(trained, trace)
    assert [row.name for row in rows] == ["lif_1", "lif_2", "readout"]
    assert sum(row.parameters for row in rows) == sum(
        array.size for name, array in trained.weights.items() if name.startswith("params/")
    )
    spikes = trace.layer("lif_1").spikes
    assert rows[0].spikes == pytest.approx(spikes.sum() / 3)
    assert rows[0].rate == pytest.approx(spikes.mean())
    assert spikes.any()
    assert (rows[-1].spikes, rows[-1].images) == (None, 3)
    assert demo_page_content.layer_figures(trained, activity.measure(fixed, trace)) == rows


def test_a_run_of_another_network_is_refused(trained: checkpoint.Checkpoint, fixed: graph.FixedGraph) -> None:
    trace = reference.run_fixed(fixed, np.zeros((1, 8, 8, 3), np.uint8))
    cut = dataclasses.replace(trace, layers=trace.layers[:1])
    with pytest.raises(ValueError, match="layer 'lif_2' is not in the run, which has lif_1"):
        demo_page_content.layer_figures(trained, cut)


def test_epochs_come_back_from_the_lines_of_a_log(epochs: tuple[EpochRecord, ...]) -> None:
    lines = [json.loads(json.dumps({**dataclasses.asdict(epoch), "of a later version": 1})) for epoch in epochs]
    assert [dataclasses.replace(e, warnings=tuple(e.warnings)) for e in demo_page_content.epoch_records(lines)] == list(
        epochs
    )
