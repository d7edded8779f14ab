"""What freezing gates changes is counted rightly: nothing where gates are constant, every spike that differs elsewhere."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from lava_port import graph as graphs
from lava_port import reference
from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint, Preprocessing
from neurallnet_jax.workflows import freeze
from neurallnet_jax.workflows.convert import float_graph
from neurallnet_jax.workflows.freeze import FrozenLayer

PREPROCESSING = Preprocessing((120, 130, 140), 64.0)


@pytest.fixture(params=[0, 2], ids=["fused", "delayed"])
def whole(request: pytest.FixtureRequest, classifier_of: Callable[..., models.Classifier]) -> graphs.Graph:
    attention = spec.SqueezeExcite(delay=request.param)
    network = spec.neurallnet(widths=(4, 6), image_size=(16, 16), attention=attention)
    made = classifier_of(network, tuple("abcd"), preprocessing=PREPROCESSING)
    return float_graph(Checkpoint(network, models.to_weights(made.variables), PREPROCESSING, tuple("abcd")))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (11, 16, 16, 3), np.uint8)


def test_the_counts_are_those_of_the_two_networks(whole: graphs.Graph, images: np.ndarray) -> None:
    """Eleven images are run in more than one batch; counted here in one."""
    labels = np.arange(11) % 4
    frozen, found = freeze.freeze(whole, images, labels=labels)
    before, after = reference.run_float(whole, images), reference.run_float(frozen, images)
    assert found.images == 11
    old, new = before.scores.argmax(axis=1), after.scores.argmax(axis=1)
    assert found.changed_classes == (old != new).sum()
    assert (found.right, found.frozen_right) == ((old == labels).sum(), (new == labels).sum())
    for layer, left, right in zip(found.layers, before.layers, after.layers, strict=True):
        assert layer.name == left.name
        assert (layer.spikes, layer.frozen_spikes) == (left.spikes.sum(), right.spikes.sum())
        assert layer.differing == (left.spikes != right.spikes).sum()
        assert layer.share == pytest.approx(layer.differing / (left.spikes | right.spikes).sum())
    assert sum(layer.differing for layer in found.layers) > 0
    for gate, layer in zip(found.gates, before.layers, strict=True):
        assert layer.gate is not None
        mean = layer.gate.mean(axis=(0, 1))
        np.testing.assert_allclose(graphs.find(frozen, gate.name).scale, mean)  # pyright: ignore[reportAttributeAccessIssue]
        assert (gate.low, gate.mean, gate.high) == pytest.approx((mean.min(), mean.mean(), mean.max()))
        assert gate.deviation == pytest.approx(np.sqrt(((layer.gate - mean) ** 2).mean()))


def test_constant_gates_change_nothing(whole: graphs.Graph, images: np.ndarray) -> None:
    nodes = tuple(
        dataclasses.replace(node, excite=0 * node.excite, initial=node.excite_bias if node.delay else None)
        if isinstance(node, graphs.GateNode)
        else node
        for node in whole.nodes
    )
    _, found = freeze.freeze(dataclasses.replace(whole, nodes=nodes), images)
    assert found.changed_classes == 0
    assert (found.right, found.frozen_right) == (None, None)
    assert all(layer.differing == 0 < layer.spikes for layer in found.layers)
    assert all(gate.deviation == pytest.approx(0, abs=1e-12) for gate in found.gates)


def test_the_share_counts_spikes_of_either_network() -> None:
    """Three spikes and two, of which they share one: four in all, three in one only."""
    assert FrozenLayer("lif", 3, 2, 3).share == 0.75
    assert FrozenLayer("lif", 0, 0, 0).share == 0


def test_progress_counts_both_runs(whole: graphs.Graph, images: np.ndarray) -> None:
    seen: list[tuple[int, int]] = []
    freeze.freeze(whole, images, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(8, 22), (11, 22), (19, 22), (22, 22)]


def test_there_has_to_be_a_gate_and_an_image(whole: graphs.Graph, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no images to take the mean"):
        freeze.freeze(whole, images[:0])
    frozen, _ = freeze.freeze(whole, images)
    with pytest.raises(graphs.GraphError, match="the network has no gate that moves; leave --freeze-gates out"):
        freeze.freeze(frozen, images)
