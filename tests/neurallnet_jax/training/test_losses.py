import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurallnet_jax.training import losses

logit = st.floats(-20, 20, width=32, allow_subnormal=False)
cross_entropy = jax.jit(losses.cross_entropy, static_argnames="smoothing")


@given(
    logits=hnp.arrays(np.float32, (5, 3), elements=logit),
    labels=hnp.arrays(np.int32, 5, elements=st.integers(0, 2)),
    smoothing=st.sampled_from([0.0, 0.1, 0.5]),
    weights=hnp.arrays(np.float32, 3, elements=st.sampled_from([0.25, 1.0, 3.0])),
)
def test_the_cross_entropy_is_that_of_plain_numpy(logits, labels, smoothing, weights):
    total = weight = 0.0
    for row, label in zip(scipy.special.log_softmax(np.float64(logits), axis=1), labels, strict=True):
        own = (1 - smoothing) * row[label] + smoothing * row.mean()
        total, weight = total - weights[label] * own, weight + weights[label]
    found = cross_entropy(logits, labels, smoothing=smoothing, weights=weights)
    np.testing.assert_allclose(found, total / weight, rtol=1e-4, atol=1e-5)


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    found = losses.cross_entropy(jnp.zeros((2, 4)), jnp.array([0, 3]), smoothing=0.1, weights=jnp.ones(4))
    assert found == pytest.approx(np.log(4))


def test_the_smoothed_minimum_lies_at_the_smoothed_target():
    """The gradient of the loss is softmax - target, here zero with softmax (0.9 + 0.05, 0.05)."""
    logits = jnp.log(jnp.array([[0.95, 0.05]]))
    loss = lambda z: losses.cross_entropy(z, jnp.array([0]), smoothing=0.1, weights=jnp.ones(2))
    np.testing.assert_allclose(jax.grad(loss)(logits), 0, atol=1e-6)


def test_rates_within_the_bounds_cost_nothing_and_others_the_square_of_the_distance():
    """0.1 below and 0.2 above: 0.01 + 0.04."""
    rates = {"a": jnp.array(0.1), "b": jnp.array(0.3), "c": jnp.array(0.7), "d": jnp.array(0.2)}
    assert losses.rate_penalty(rates, low=0.2, high=0.5) == pytest.approx(0.05)


def test_the_penalty_pushes_a_silent_layer_up_and_a_busy_one_down():
    penalty = lambda rate: losses.rate_penalty({"a": rate}, low=0.2, high=0.5)
    assert jax.grad(penalty)(jnp.array(0.1)) == pytest.approx(-0.2)
    assert jax.grad(penalty)(jnp.array(0.3)) == 0
    assert jax.grad(penalty)(jnp.array(0.7)) == pytest.approx(0.4)


def test_a_network_without_spikes_pays_no_penalty():
    assert losses.rate_penalty({}, low=0.1, high=0.2) == 0


@given(counts=st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_every_class_weighs_the_same_in_total_and_an_image_one_on_average(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    weights = losses.class_weights(labels, len(counts))
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights * counts, len(labels) / len(counts), rtol=1e-6)
    assert weights[labels].mean() == pytest.approx(1)


@pytest.mark.parametrize(("labels", "missing"), [([0, 0, 2], 1), ([1, 2], 0), ([0, 1], 2)])
def test_a_class_without_images_is_refused_by_its_place(labels, missing):
    with pytest.raises(ValueError, match=f"class {missing} has no training image"):
        losses.class_weights(np.array(labels), 3)


def test_scores_fitted_under_the_adjusted_loss_are_fair_to_a_rare_class():
    """One image that three of class 0 and one of class 1 look like: the adjusted optimum calls both equally likely."""
    labels = jnp.array([0, 0, 0, 1])
    shares = losses.log_shares(np.asarray(labels), 2)
    np.testing.assert_allclose(shares, np.log([0.75, 0.25]), rtol=1e-6)
    loss = lambda z: losses.cross_entropy(
        jnp.tile(z, (4, 1)) + shares[None], labels, smoothing=0.0, weights=jnp.ones(2)
    )
    np.testing.assert_allclose(jax.grad(loss)(jnp.zeros(2)), 0, atol=1e-6)


def test_a_class_without_images_has_no_share():
    with pytest.raises(ValueError, match="class 1 has no training image"):
        losses.log_shares(np.array([0, 0, 2]), 3)
