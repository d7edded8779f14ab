import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jaxtyping import TypeCheckError

from neurallnet_jax.network import attention


@given(x=hnp.arrays(np.float32, 5, elements=st.floats(-8, 8, width=32, allow_subnormal=False)))
def test_the_hard_sigmoid_is_a_clipped_line(x):
    expected = [0 if value <= -3 else 1 if value >= 3 else value / 6 + 0.5 for value in x.tolist()]
    np.testing.assert_allclose(attention.hard_sigmoid(jnp.asarray(x)), expected, atol=1e-6)


def test_the_squeeze_is_the_mean_over_space_plus_the_bias():
    """Channel 0 holds 0, 2, 4, 6 (mean 3), channel 1 holds 1, 3, 5, 7 (mean 4); the bias is (10, -1)."""
    current = jnp.arange(8.0).reshape(1, 1, 2, 2, 2)
    assert attention.squeeze(current, jnp.array([10.0, -1.0])).tolist() == [[[13, 3]]]


def test_the_squeeze_of_a_dense_layer_is_its_current_plus_the_bias():
    assert attention.squeeze(jnp.ones((2, 1, 3)), jnp.arange(3.0)).tolist() == [[[1, 2, 3]]] * 2


def test_shapes_are_checked_while_testing():
    with pytest.raises(TypeCheckError, match="squeeze"):
        attention.squeeze(jnp.zeros((1, 1, 2, 2, 3)), jnp.zeros(4))


def test_the_gate_is_that_of_plain_loops():
    rng = np.random.default_rng(1)
    mean = rng.normal(0, 2, (3, 2, 4)).astype(np.float32)
    weights = attention.GateWeights(
        *(jnp.asarray(rng.normal(0, 1, shape), jnp.float32) for shape in [(4, 2), (2,), (2, 4), (4,)])
    )
    found = attention.excite(jnp.asarray(mean), weights)
    w1, b1, w2, b2 = (np.asarray(part, np.float64) for part in weights)
    for t, n, c in np.ndindex(3, 2, 4):
        hidden = [max(0.0, sum(mean[t, n, i] * w1[i, h] for i in range(4)) + b1[h]) for h in range(2)]
        x = sum(hidden[h] * w2[h, c] for h in range(2)) + b2[c]
        assert found[t, n, c] == pytest.approx(min(max(x / 6 + 0.5, 0), 1), abs=1e-5)
    assert 0 < float(((found > 0) & (found < 1)).mean()) < 1, "some gates are clipped and some are not"


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_a_delayed_gate_is_the_learned_one_first_and_then_that_of_earlier_steps(delay):
    gate = jnp.arange(4 * 2 * 3, dtype=jnp.float32).reshape(4, 2, 3)
    initial = jnp.array([0.1, 0.2, 0.3])
    found = attention.delayed(gate, initial, delay=delay, steps=4)
    assert found.shape == gate.shape
    for t in range(4):
        expected = jnp.broadcast_to(initial, (2, 3)) if t < delay else gate[t - delay]
        np.testing.assert_array_equal(found[t], expected)


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_a_gate_that_is_the_same_in_every_step_is_delayed_alike(delay):
    gate, initial = jnp.arange(6.0).reshape(1, 2, 3), jnp.zeros(3)
    found = attention.delayed(gate, initial, delay=delay, steps=4)
    np.testing.assert_array_equal(found, attention.delayed(jnp.tile(gate, (4, 1, 1)), initial, delay=delay, steps=4))


def test_the_learned_gate_and_the_statistics_both_receive_gradients():
    """T = 3, delay 2: the learned gate stands in steps 0 and 1, the statistics of step 0 in step 2."""
    to_gate, to_initial = jax.grad(
        lambda gate, initial: attention.delayed(gate, initial, delay=2, steps=3).sum(), argnums=(0, 1)
    )(jnp.ones((3, 1, 2)), jnp.ones(2))
    assert to_gate[:, 0, 0].tolist() == [1, 0, 0]
    assert to_initial.tolist() == [2, 2]


def gates(batch: int, channels: int = 5, time: int = 3) -> jax.Array:
    """Return gates that are all different."""
    return jnp.arange(float(time * batch * channels)).reshape(time, batch, channels)


@given(batch=st.integers(1, 9), seed=st.integers(0, 99))
def test_gates_shuffled_over_images_are_all_there_and_none_is_an_image_s_own(batch, seed):
    gate = gates(batch)
    found = np.asarray(attention.shuffled(gate, "images", jax.random.key(seed)))
    source = [np.flatnonzero((np.asarray(gate[0]) == row).all(axis=-1)).item() for row in found[0]]
    assert sorted(source) == list(range(batch))
    assert batch == 1 or all(place != own for own, place in enumerate(source))
    np.testing.assert_array_equal(found, np.asarray(gate)[:, source], "the same exchange in every step")


@given(batch=st.integers(1, 6), seed=st.integers(0, 99))
def test_gates_shuffled_over_channels_stay_with_their_image(batch, seed):
    gate = gates(batch)
    found = np.asarray(attention.shuffled(gate, "channels", jax.random.key(seed)))
    np.testing.assert_array_equal(np.sort(found, axis=-1), gate)
    order = found[0] - np.asarray(gate)[0, :, :1]
    for t in range(3):
        np.testing.assert_array_equal(found[t] - np.asarray(gate)[t, :, :1], order)


def test_every_image_and_key_has_an_order_of_channels_of_its_own():
    draw = lambda seed: np.asarray(
        attention.shuffled(jnp.tile(gates(1, 8), (1, 20, 1)), "channels", jax.random.key(seed))
    )
    assert len(np.unique(draw(0)[0], axis=0)) > 15
    assert (draw(0) != draw(1)).any()
    np.testing.assert_array_equal(draw(0), draw(0))


def test_every_other_image_is_met_alike_often():
    """A ring in random order: each of the 3 others with chance 1/3; five standard deviations over 600 draws."""
    draws = [attention.shuffled(gates(4, 1, 1), "images", jax.random.key(seed))[0, 0, 0] for seed in range(600)]
    counts = np.bincount(np.asarray(draws, int), minlength=4)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:] / 600, 1 / 3, atol=5 * np.sqrt(2 / 9 / 600))
