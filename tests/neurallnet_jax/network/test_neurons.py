import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurallnet_jax.network import neurons, surrogate


@functools.partial(jax.jit, static_argnames=("v_threshold", "steps", "reset"))
def run(current: Any, bias: Any, du: Any, dv: Any, v_threshold: float, *, steps: int, reset: Any = "hard") -> Any:
    """Return spikes and the potential after every step, (steps, batch, n) each."""
    neuron = neurons.lif(du, dv, v_threshold=v_threshold, reset=reset)
    state, potentials = neuron.init(current.shape[1:]), []
    for t in range(steps):
        state, _ = neuron.step(state, current[t], bias[t])
        potentials.append(state.v)
    return neurons.unroll(neuron, current, bias, steps=steps), jnp.stack(potentials)


def as_column(*values: float) -> jax.Array:
    return jnp.array(values, jnp.float32).reshape(-1, 1, 1)


def reference(
    current: np.ndarray, bias: np.ndarray, du: float, dv: float, v_threshold: float, reset: str
) -> tuple[np.ndarray, np.ndarray]:
    """Compute each neuron on its own, in float64."""
    spikes, potentials = np.zeros(current.shape), np.zeros(current.shape)
    for place in np.ndindex(*current.shape[1:]):
        u = v = 0.0
        for t in range(len(current)):
            u = (1 - du) * u + float(current[(t, *place)])
            v = (1 - dv) * v + u + float(bias[(t, *place)])
            if v > v_threshold:
                spikes[(t, *place)] = 1
                v = 0.0 if reset == "hard" else v - v_threshold
            potentials[(t, *place)] = v
    return spikes, potentials


def test_a_plain_neuron_follows_the_trace_worked_out_by_hand():
    """du = 1, dv = 1/2, threshold 1, bias 1/4.

    t   a      u      v = v/2 + u + 1/4            spike
    0   1/2    1/2    0 + 1/2 + 1/4     = 3/4      0
    1   3/8    3/8    3/8 + 3/8 + 1/4   = 1        0, exactly on the threshold
    2   1/2    1/2    1/2 + 1/2 + 1/4   = 5/4      1, v = 0
    3   0      0      0 + 0 + 1/4       = 1/4      0
    4   -1     -1     1/8 - 1 + 1/4     = -5/8     0
    """
    bias = as_column(*[0.25] * 5)
    spikes, potential = run(as_column(0.5, 0.375, 0.5, 0, -1), bias, 1.0, 0.5, 1.0, steps=5)
    assert spikes.ravel().tolist() == [0, 0, 1, 0, 0]
    assert potential.ravel().tolist() == [0.75, 1, 0, 0.25, -0.625]


def test_a_neuron_with_synaptic_memory_follows_the_trace_worked_out_by_hand():
    """du = 1/2, dv = 1/4, threshold 1, no bias; the current survives the reset.

    t   a    u = u/2 + a   v = 3/4 v + u      spike
    0   1    1             1                  0, exactly on the threshold
    1   0    1/2           3/4 + 1/2 = 5/4    1, v = 0
    2   1    5/4           5/4                1, v = 0
    3   0    5/8           5/8                0
    4   0    5/16          15/32 + 10/32      0, v = 25/32
    """
    spikes, potential = run(as_column(1, 0, 1, 0, 0), as_column(*[0.0] * 5), 0.5, 0.25, 1.0, steps=5)
    assert spikes.ravel().tolist() == [0, 1, 1, 0, 0]
    assert potential.ravel().tolist() == [1, 0, 0, 0.625, 0.78125]


def test_a_soft_reset_subtracts_the_threshold():
    """du = 1, dv = 0, threshold 1, current 3/4: v = 3/4, 3/2 -> 1/2, 5/4 -> 1/4, 1 (no spike), 7/4 -> 3/4."""
    spikes, potential = run(as_column(*[0.75] * 5), as_column(*[0.0] * 5), 1.0, 0.0, 1.0, steps=5, reset="soft")
    assert spikes.ravel().tolist() == [0, 1, 1, 0, 1]
    assert potential.ravel().tolist() == [0.75, 0.5, 0.25, 1, 0.75]


# Eighths and decays by powers of two are exact in float32, so that many membranes end exactly on the threshold.
eighths = st.integers(-16, 16).map(lambda n: n / 8)


@settings(max_examples=60)
@given(
    current=hnp.arrays(np.float32, (4, 2, 3), elements=eighths),
    bias=hnp.arrays(np.float32, (4, 2, 3), elements=eighths),
    du=st.sampled_from([1.0, 0.5, 0.25]),
    dv=st.sampled_from([0.0, 0.5, 1.0]),
    v_threshold=st.sampled_from([0.125, 0.5, 1.0]),
    reset=st.sampled_from(["hard", "soft"]),
)
def test_spikes_and_potentials_are_those_of_numpy(current, bias, du, dv, v_threshold, reset):
    spikes, potential = run(current, bias, du, dv, v_threshold, steps=4, reset=reset)
    expected, potential_expected = reference(current, bias, du, dv, v_threshold, reset)
    np.testing.assert_array_equal(spikes, expected)
    np.testing.assert_array_equal(potential, potential_expected)


@given(drive=st.floats(0.0078125, 0.5, width=32), dv=st.sampled_from([0.5, 0.75, 1.0]))
def test_a_neuron_stays_silent_below_rheobase(drive, dv):
    """With a constant current a the potential rises to a / dv and no further."""
    current = np.full((12, 1, 1), drive * dv * 1.99, np.float32)
    spikes, _ = run(current, np.zeros_like(current), 1.0, dv, 1.0, steps=12)
    assert not spikes.any()


@pytest.mark.parametrize("du", [1.0, 0.3])
def test_a_current_given_once_is_the_same_in_every_step(du):
    rng = np.random.default_rng(0)
    current, bias = jnp.asarray(rng.normal(0.5, 1, (1, 3, 4))), jnp.asarray(rng.normal(0, 0.2, (1, 1, 4)))
    neuron = neurons.lif(du, 0.5)
    once = neurons.unroll(neuron, current, bias, steps=5)
    repeated = neurons.unroll(neuron, jnp.repeat(current, 5, axis=0), jnp.repeat(bias, 5, axis=0), steps=5)
    assert once.shape == (5, 3, 4)
    assert 0 < float(once.mean()) < 1
    np.testing.assert_array_equal(once, repeated)


@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_the_reset_carries_no_gradient(reset):
    """Two steps, du = 1, decay k = 1 - dv, threshold 1, spikes s1 = 1 and s2; h is the surrogate.

    v1 = a1, s1 = H(v1 - 1); after the reset r1 = v1 (1 - s1) or v1 - s1, with s1 held fixed; v2 = k r1 + a2.
    d s2 / d a1 = h(v2 - 1) k (1 - s1) for the hard reset and h(v2 - 1) k for the soft one; a gradient through the
    spike would add - h(v2 - 1) k h(v1 - 1) v1 or - h(v2 - 1) k h(v1 - 1).
    """
    decay, a1, a2 = 0.75, 1.25, 0.5

    def second_spike(current: jax.Array) -> jax.Array:
        neuron = neurons.lif(1.0, 1 - decay, reset=reset, spike=surrogate.triangle)
        return neurons.unroll(neuron, current.reshape(2, 1, 1), jnp.zeros((1, 1, 1)), steps=2)[1].sum()

    found = jax.grad(second_spike)(jnp.array([a1, a2]))
    v2 = a2 if reset == "hard" else decay * (a1 - 1) + a2
    slope = 1 - abs(v2 - 1)
    assert found[1] == pytest.approx(slope)
    assert found[0] == pytest.approx(0 if reset == "hard" else slope * decay)


def test_a_silent_neuron_passes_its_gradient_on_through_the_membrane():
    """No spike in step 1, so d s2 / d a1 = h(v2 - 1) k and d s2 / d bias = h(v2 - 1) (k + 1), with v2 = k a1 + a2."""

    def second_spike(current: jax.Array, bias: jax.Array) -> jax.Array:
        neuron = neurons.lif(1.0, 0.25, spike=surrogate.triangle)
        return neurons.unroll(neuron, current.reshape(2, 1, 1), bias.reshape(1, 1, 1), steps=2)[1].sum()

    to_current, to_bias = jax.grad(second_spike, argnums=(0, 1))(jnp.array([0.5, 0.25]), jnp.zeros(()))
    slope = 1 - abs(0.75 * 0.5 + 0.25 - 1)
    np.testing.assert_allclose(to_current, [slope * 0.75, slope], rtol=1e-6)
    assert to_bias == pytest.approx(slope * 1.75)


def test_decays_can_be_learned():
    """v2 = (1 - dv) a + a without a spike, so d s2 / d dv = - h(v2 - 1) a."""

    def second_spike(dv: jax.Array) -> jax.Array:
        neuron = neurons.lif(1.0, dv, spike=surrogate.triangle)
        return neurons.unroll(neuron, jnp.full((1, 1, 1), 0.5), jnp.zeros((1, 1, 1)), steps=2)[1].sum()

    assert jax.grad(second_spike)(jnp.array(0.5)) == pytest.approx(-0.75 * 0.5)
