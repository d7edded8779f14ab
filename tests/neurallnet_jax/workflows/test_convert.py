"""A checkpoint becomes a PORT, and what is no PORT is refused by name."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from lava_port import port as ports
from lava_port import reference
from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax import models, spec
from neurallnet_jax.checkpoint import Checkpoint, Preprocessing
from neurallnet_jax.workflows.convert import convert, open_port, trained_bits


def make_checkpoint(network: spec.Network) -> Checkpoint:
    classes = tuple("abcd")
    preprocessing = Preprocessing((120, 130, 140), 64.0)
    made = models.create(network, classes, preprocessing=preprocessing, key=jax.random.key(3))
    weights = models.to_weights(made.variables)
    return Checkpoint(network, weights, preprocessing, classes, seen=("ab" * 32,), test=("cd" * 32,), temperature=1.5)


@pytest.fixture
def small() -> Checkpoint:
    return make_checkpoint(spec.neurallnet(widths=(4, 6), image_size=(16, 16), attention=spec.SqueezeExcite(delay=2)))


def test_a_port_scores_what_the_network_scores(small: Checkpoint) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    port = convert(small)
    classifier = models.from_checkpoint(small)
    expected = models.make_predict(classifier)(classifier.variables, images)
    np.testing.assert_allclose(reference.run_float(port.graph, images).scores, expected, atol=1e-4)


def test_a_port_knows_what_its_network_has_seen(small: Checkpoint, tmp_path: Path) -> None:
    ports.save(convert(small), tmp_path / "port")
    port = open_port(tmp_path / "port")
    assert (port.seen, port.test) == (small.seen, small.test)
    assert port.provenance["checkpoint"] == checkpoints.digest(small)
    assert port.provenance["temperature"] == 1.5


def test_weights_take_the_bits_they_were_trained_for_unless_told_otherwise(small: Checkpoint) -> None:
    trained = dataclasses.replace(small, provenance={"training": {"weight_bits": 4}})
    largest = lambda port: max(np.abs(node.weight).max() for node in port.fixed.nodes if hasattr(node, "weight"))
    assert [trained_bits(small), trained_bits(trained)] == [8, 4]
    assert [largest(convert(small)), largest(convert(trained)), largest(convert(trained, bits=6))] == [254, 224, 248]
    assert convert(trained, bits=6).provenance["weight_bits"] == 6
    with pytest.raises(ValueError, match="weights of 'four' bits"):
        convert(dataclasses.replace(small, provenance={"training": {"weight_bits": "four"}}))


def test_the_relu_twin_is_refused_by_name(small: Checkpoint) -> None:
    with pytest.raises(ValueError, match="relu_1"):
        convert(make_checkpoint(spec.relu_twin(small.spec)))


def test_a_run_is_no_port_and_the_message_says_how_to_make_one(small: Checkpoint, tmp_path: Path) -> None:
    checkpoints.save(small, tmp_path)
    with pytest.raises(ValueError, match="convert-to-lava"):
        open_port(tmp_path)


def test_pretrained_stands_for_the_port_of_the_shipped_checkpoint() -> None:
    port = open_port("pretrained")
    assert port.provenance["checkpoint"] == checkpoints.digest(checkpoints.load("pretrained"))
