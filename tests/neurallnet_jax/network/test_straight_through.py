"""Rounded kernels run forward; backward, a step is the one that unrounded parameters would take at rounded weights."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurallnet_jax import models, spec
from neurallnet_jax.network import rounding, straight_through

CLASSES = ("a", "b", "c")
LIF = spec.Lif(v_threshold=0.5)
LAYERS = (
    spec.Conv(6, stride=(2, 2)), spec.BatchNorm(), spec.SqueezeExcite(min_hidden=2), LIF,
    spec.Conv(4, groups=2, bias=True), LIF, spec.Dense(5), LIF, spec.Dense(3), spec.Readout(),
)  # fmt: skip
NETWORK = spec.Network(LAYERS, image_size=(8, 8), steps=3)


@pytest.fixture(scope="module")
def plain(classifier_of) -> models.Classifier:
    return classifier_of(NETWORK, CLASSES)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3), np.uint8)


def with_bits(classifier: models.Classifier, bits: int) -> models.Classifier:
    made = models.create(
        classifier.spec, CLASSES, preprocessing=classifier.preprocessing, key=jax.random.key(0), weight_bits=bits
    )
    return dataclasses.replace(made, variables=classifier.variables)


def test_the_value_is_the_stepped_one_to_the_bit_and_the_gradient_the_real_ones():
    """f(x) = 3 step(x)^2 at x = 0.3 with step(x) = 0.1: 0.03, and df/dx = 6 step(x) = 0.6."""
    x = jnp.float32(0.3)
    f = lambda x: 3 * straight_through.straight_through(x, jnp.float32(0.1)) ** 2
    value, slope = jax.value_and_grad(f)(x)
    assert float(value) == pytest.approx(0.03)
    assert float(slope) == pytest.approx(0.6)
    assert straight_through.straight_through(jnp.float32(1e8), jnp.float32(0.1)) == jnp.float32(0.1)


def test_every_output_channel_has_its_levels_and_the_last_dense_layer_one_scale(plain):
    rounded = straight_through.round_kernels(plain.variables["params"], NETWORK, 3)
    for name in ("conv_1", "conv_2", "dense_1"):
        kernel = np.asarray(rounded[name]["kernel"])
        rows = kernel.reshape(-1, kernel.shape[-1]).T
        levels = 3 * rows / np.abs(rows).max(axis=1, keepdims=True)
        np.testing.assert_allclose(levels, np.rint(levels), atol=1e-5)
    last = np.asarray(rounded["dense_2"]["kernel"])
    levels = 3 * last / np.abs(last).max()
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-5)
    assert len(set(np.abs(last).max(axis=0).tolist())) <= 3


def test_gates_norms_and_biases_stay_as_they_are(plain):
    before = plain.variables["params"]
    rounded = straight_through.round_kernels(before, NETWORK, 3)
    assert not np.array_equal(rounded["conv_1"]["kernel"], before["conv_1"]["kernel"])
    for name in ("gate_1", "norm_1"):
        chex.assert_trees_all_equal(rounded[name], before[name])
    chex.assert_trees_all_equal(rounded["conv_2"]["bias"], before["conv_2"]["bias"])


def test_the_gradient_is_that_of_the_unrounded_network_at_the_rounded_weights(plain, images):
    quantised = with_bits(plain, 3)

    def loss(classifier: models.Classifier):
        return lambda variables: (classifier.train(variables, images, jax.random.key(0))[0].logits ** 2).sum()

    found = jax.grad(loss(quantised))(plain.variables)
    expected = jax.grad(loss(plain))(models.rounded(quantised, plain.variables))
    chex.assert_trees_all_close(found, expected, rtol=1e-5, atol=1e-6)
    assert any(np.abs(leaf).max() > 1e-3 for leaf in jax.tree.leaves(found["params"]["conv_1"]))


def test_a_classifier_with_bits_scores_as_the_plain_one_with_rounded_weights(plain, images):
    quantised = with_bits(plain, 4)
    logits = lambda classifier, variables: classifier.apply(variables, images, jax.random.key(0)).logits
    found = logits(quantised, plain.variables)
    np.testing.assert_array_equal(found, logits(plain, models.rounded(quantised, plain.variables)))
    assert not np.array_equal(found, logits(plain, plain.variables))


def test_rounding_rounded_parameters_changes_not_one_bit(plain):
    once = straight_through.round_kernels(plain.variables["params"], NETWORK, 4)
    chex.assert_trees_all_equal(straight_through.round_kernels(once, NETWORK, 4), once)


@pytest.mark.parametrize(
    ("layers", "bits", "message"),
    [
        ((spec.Conv(4), spec.AveragePool(2), *LAYERS[1:]), 4, r"layer 'pool_1': conversion folds an average pool"),
        ((*LAYERS[:-1], spec.BatchNorm(), spec.Readout()), 4, r"layer 'norm_2': stands behind 'dense_2'"),
        (LAYERS, rounding.MOST_BITS + 1, r"weights of 9 bits"),
    ],
)
def test_what_conversion_would_not_keep_is_refused_by_name(layers, bits, message):
    network = dataclasses.replace(NETWORK, layers=layers)
    with pytest.raises(ValueError, match=message):
        straight_through.check(network, bits)
    with pytest.raises(ValueError, match=message):
        models.create(
            network, CLASSES, preprocessing=models.checkpoints.Preprocessing(), key=jax.random.key(0), weight_bits=bits
        )
