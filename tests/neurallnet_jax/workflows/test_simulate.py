"""One integer network on every backend: the same scores, the same spikes, and a mismatch that is found and named."""

import dataclasses

import jax
import numpy as np
import pytest

from lava_port import reference
from lava_port.graph import FixedGraph, FixedLif
from lava_port.port import Port
from lava_port.trace import Trace
from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint, Preprocessing
from neurallnet_jax.workflows import simulate
from neurallnet_jax.workflows.convert import convert


@pytest.fixture(scope="module")
def port() -> Port:
    network = spec.neurallnet(widths=(4, 6), image_size=(16, 16), attention=spec.SqueezeExcite(delay=2))
    made = models.create(network, tuple("abcd"), preprocessing=Preprocessing(), key=jax.random.key(0))
    weights = models.to_weights(made.variables)
    # Batch norms that have seen nothing leave a fresh network silent; louder ones make it spike.
    weights |= {name: 4 * array for name, array in weights.items() if "norm" in name and name.endswith("scale")}
    return convert(Checkpoint(network, weights, Preprocessing(), tuple("abcd"), temperature=2.0))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (simulate.BATCH + 3, 16, 16, 3), np.uint8)


@pytest.mark.parametrize("backend", ["emulator", "reference"])
def test_batches_add_up_to_one_run(port: Port, images: np.ndarray, backend: simulate.Backend) -> None:
    heard = []
    found = simulate.simulate(
        port.fixed, images, backend=backend, progress=lambda done, total: heard.append((done, total))
    )
    whole = reference.run_fixed(port.fixed, images)
    np.testing.assert_array_equal(found.scores, whole.scores)
    assert found.activity.images == len(images)
    for layer, seen in zip(whole.layers, found.activity.layers, strict=True):
        assert seen.spikes.sum() == layer.spikes.sum() > 0
    assert heard[-1] == (len(images), len(images))


def test_emulator_and_reference_are_identical(port: Port, images: np.ndarray) -> None:
    (found,) = simulate.check_parity(port.fixed, images, backends=("reference", "emulator"))
    assert [entry.mismatches for entry in found.layers] == [0] * len(found.layers)
    assert sum(entry.spikes for entry in found.layers) > 0


@pytest.mark.slow
def test_lava_is_identical_too(port: Port, images: np.ndarray) -> None:
    (found,) = simulate.check_parity(port.fixed, images[:3], backends=("reference", "lava"))
    assert [entry.mismatches for entry in found.layers] == [0] * len(found.layers)


def test_a_backend_that_differs_is_found_with_image_step_and_neuron(
    port: Port, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = (17, 1, 3, 2, 1)

    class Faulty:
        done = 0

        def __init__(self, graph: FixedGraph, *, batch: int) -> None:
            self.graph = graph

        def run(self, batch: np.ndarray, *, potentials: bool = False) -> Trace:
            trace = reference.run_fixed(self.graph, batch, potentials=potentials)
            if self.done <= at[0] < self.done + len(batch):
                spikes = trace.layers[0].spikes.copy()
                spikes[at[1], at[0] - self.done, at[2], at[3], at[4]] ^= 1
                layers = (dataclasses.replace(trace.layers[0], spikes=spikes), *trace.layers[1:])
                trace = dataclasses.replace(trace, layers=layers)
            self.done += len(batch)
            return trace

    from lava_port import emulator

    monkeypatch.setattr(emulator, "prepare", Faulty)
    (found,) = simulate.check_parity(port.fixed, images, backends=("reference", "emulator"))
    assert found.layers[0].mismatches == 1
    assert found.layers[0].first == at
    assert sum(entry.mismatches for entry in found.layers[1:]) == 0


def test_probabilities_are_those_of_calibrated_logits(port: Port) -> None:
    scores = np.array([[100, 0, -100, 50]], np.int64)
    scale = port.fixed.nodes[-1].scale
    expected = np.exp(scores * scale / 2.0)
    np.testing.assert_allclose(simulate.probabilities(port, scores), expected / expected.sum(), rtol=1e-6)


def test_backends_are_named_in_the_order_of_the_table() -> None:
    assert simulate.backends_named("lava, emulator") == ("emulator", "lava")
    for text in ("", "loihi", "reference"):
        with pytest.raises(ValueError, match="--backends"):
            simulate.backends_named(text)


def test_an_unknown_backend_is_refused(port: Port) -> None:
    assert any(isinstance(node, FixedLif) for node in port.fixed.nodes)
    with pytest.raises(ValueError, match="loihi"), simulate.open_backend("loihi", port.fixed):  # pyright: ignore[reportArgumentType]
        pass
