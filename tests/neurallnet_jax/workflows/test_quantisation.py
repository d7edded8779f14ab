"""A calibrated conversion reports what the two networks did, and its PORT remembers."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from lava_port import calibrate, passes, reference
from lava_port import port as ports
from lava_port.graph import DenseNode, Graph
from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint, Preprocessing
from neurallnet_jax.workflows import quantisation
from neurallnet_jax.workflows.convert import convert, of_checkpoint

LABELS = np.arange(20) % 4


@pytest.fixture(scope="module")
def small() -> Checkpoint:
    network = spec.neurallnet(widths=(4, 6), image_size=(16, 16), attention=spec.SqueezeExcite(delay=2))
    layers = tuple(
        dataclasses.replace(layer, v_threshold=0.3) if isinstance(layer, spec.Lif) else layer
        for layer in network.layers
    )
    network, preprocessing = dataclasses.replace(network, layers=layers), Preprocessing((120, 130, 140), 64.0)
    made = models.create(network, tuple("abcd"), preprocessing=preprocessing, key=jax.random.key(3))
    return Checkpoint(network, models.to_weights(made.variables), preprocessing, tuple("abcd"), temperature=1.5)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)


def test_the_report_is_that_of_both_references_on_all_images_at_once(small: Checkpoint, pixels: np.ndarray) -> None:
    """The emulator runs the integers here, 16 images and then 4; the judge runs all of them."""
    port = convert(small, bits=3)
    found = quantisation.compare(port, pixels, LABELS, seen=7)
    real = reference.run_float(passes.fold(port.graph), pixels)
    whole = reference.run_fixed(port.fixed, pixels)
    assert (found.images, found.seen) == (20, 7)
    for entry, left, right in zip(found.layers, real.layers, whole.layers, strict=True):
        assert entry.name == left.name
        assert entry.float_rate == pytest.approx(left.spikes.mean())
        assert entry.integer_rate == pytest.approx(right.spikes.mean())
        assert entry.differing == pytest.approx((left.spikes != right.spikes).mean())
    assert found.layers[0].differing > 0
    told, integer = real.scores.argmax(axis=1), whole.scores.argmax(axis=1)
    difference = port.fixed.nodes[-1].scale * whole.scores - real.scores
    assert found.logit_error == pytest.approx(np.sqrt((difference**2).mean()))
    assert found.classes_differing == (told != integer).mean()
    recall = lambda predicted: np.mean([(predicted[c == LABELS] == c).mean() for c in range(4)])
    assert found.float_balanced_accuracy == pytest.approx(recall(told))
    assert found.integer_balanced_accuracy == pytest.approx(recall(integer))


def test_a_port_remembers_its_calibration(small: Checkpoint, pixels: np.ndarray, tmp_path: Path) -> None:
    told = []
    port, found = quantisation.convert_with_images(
        of_checkpoint(small), pixels, LABELS, seen=3, bits=6, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(done, 6) for done in range(1, 7)]  # ranges, three layers, two comparisons
    ports.save(port, tmp_path / "port")
    record = ports.load(tmp_path / "port").provenance["calibration"]
    assert record["margin"] == found.margin == 2.0
    assert record == quantisation.to_json(found)
    assert record["layers"] == [dataclasses.asdict(layer) for layer in found.agreement.layers]
    assert port.provenance["weight_bits"] == 6


def test_corrected_biases_are_kept_where_they_bring_the_logits_nearer(small: Checkpoint, pixels: np.ndarray) -> None:
    port, found = quantisation.convert_with_images(of_checkpoint(small), pixels, LABELS, seen=0, bits=3)
    plain = quantisation.compare(convert(small, bits=3), pixels, LABELS)
    assert found.bias_corrected
    assert found.agreement == quantisation.compare(port, pixels, LABELS)
    assert found.agreement.logit_error < found.logit_error_otherwise == plain.logit_error


def test_corrected_biases_that_are_worse_are_left_out(
    small: Checkpoint, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(graph: Graph, *_: object, **__: object) -> Graph:
        dense = graph.nodes[-2]
        assert isinstance(dense, DenseNode)
        return dataclasses.replace(
            graph,
            nodes=(
                *graph.nodes[:-2],
                dataclasses.replace(dense, bias=dense.bias + np.array([3, 0, 0, 0])),
                graph.nodes[-1],
            ),
        )

    monkeypatch.setattr(calibrate, "correct_biases", spoil)
    port, found = quantisation.convert_with_images(of_checkpoint(small), pixels, LABELS, seen=0, bits=3)
    plain = convert(small, bits=3)
    assert not found.bias_corrected
    assert found.agreement == quantisation.compare(plain, pixels, LABELS)
    assert found.logit_error_otherwise > 1
    np.testing.assert_array_equal(port.fixed.nodes[-1].bias, plain.fixed.nodes[-1].bias)


def test_slow_neurons_trust_the_images_and_are_marked(small: Checkpoint, pixels: np.ndarray) -> None:
    layers = tuple(
        dataclasses.replace(layer, du=0.1, dv=0.1) if isinstance(layer, spec.Lif) else layer
        for layer in small.spec.layers
    )
    slow = dataclasses.replace(small, spec=dataclasses.replace(small.spec, layers=layers, steps=40))
    port, _ = quantisation.convert_with_images(of_checkpoint(slow), pixels, LABELS, seen=0)
    before = {entry.name: entry for entry in convert(slow).rounding}
    trusting = [entry for entry in port.rounding if entry.proof == "calibration"]
    assert trusting
    assert all(entry.bits > before[entry.name].bits for entry in trusting)


def test_images_of_another_size_are_refused(small: Checkpoint) -> None:
    with pytest.raises(ValueError, match=r"the network reads uint8 \(batch, 16, 16, 3\)"):
        quantisation.convert_with_images(of_checkpoint(small), np.zeros((2, 8, 8, 3), np.uint8), LABELS[:2], seen=0)
