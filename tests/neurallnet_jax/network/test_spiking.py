import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurallnet_jax.network import neurons, spiking, surrogate

BATCH, CHANNELS = 2, 5


@dataclasses.dataclass(frozen=True)
class Case:
    """A network of one layer: shapes of what reaches it, and what its neurons are."""

    steps: int
    value_time: int
    space: tuple[int, ...]
    factor: bool
    gate: tuple[int, int] | None
    spike: str
    reset: Any
    v_threshold: float


@st.composite
def cases(draw: st.DrawFn) -> Case:
    steps = draw(st.integers(1, 5))
    times = st.sampled_from(sorted({1, steps}))
    return Case(
        steps=steps,
        value_time=draw(times),
        space=draw(st.sampled_from([(), (3, 4)])),
        factor=draw(st.booleans()),
        gate=draw(st.none() | st.tuples(times, st.sampled_from([1, BATCH]))),
        spike=draw(st.sampled_from(sorted(surrogate.SURROGATES))),
        reset=draw(st.sampled_from(["hard", "soft"])),
        v_threshold=draw(st.sampled_from([0.5, 1.0])),
    )


def drawn(case: Case, seed: int) -> tuple[spiking.Drive, jax.Array]:
    """Return a drive and what its spikes are weighed with in the loss."""
    rng = np.random.default_rng(seed)
    normal = lambda mean, *shape: jnp.asarray(rng.normal(mean, 1, shape), jnp.float32)
    drive = spiking.Drive(
        value=normal(0.5, case.value_time, BATCH, *case.space, CHANNELS),
        factor=normal(1.0, CHANNELS) if case.factor else None,
        bias=normal(0.2, CHANNELS),
        gate=None if case.gate is None else jnp.asarray(rng.uniform(0, 1, (*case.gate, CHANNELS)), jnp.float32),
    )
    return drive, normal(0.0, case.steps, BATCH, *case.space, CHANNELS)


def unrolled(case: Case, drive: spiking.Drive, du: Any, dv: Any) -> jax.Array:
    """The equations at the head of the module, one after the other, for JAX to differentiate."""
    spread = lambda vector: vector.reshape(*vector.shape[:-1], *(1,) * len(case.space), CHANNELS)
    current = drive.value if drive.factor is None else drive.value * spread(drive.factor[None, None])
    bias = spread(drive.bias[None, None])
    if drive.gate is not None:
        current, bias = spread(drive.gate) * current, spread(drive.gate) * bias
    neuron = neurons.lif(du, dv, v_threshold=case.v_threshold, spike=surrogate.SURROGATES[case.spike], reset=case.reset)
    time = case.steps if max(len(current), len(bias)) > 1 else 1
    current = jnp.broadcast_to(current, (time, BATCH, *current.shape[2:]))
    return neurons.unroll(neuron, current, jnp.broadcast_to(bias, (time, *bias.shape[1:])), steps=case.steps)


def fired(case: Case, drive: spiking.Drive, du: Any, dv: Any) -> jax.Array:
    options = {"spike": surrogate.SURROGATES[case.spike], "reset": case.reset, "v_threshold": case.v_threshold}
    return spiking.fire(drive, du, dv, steps=case.steps, **options)


@functools.partial(jax.jit, static_argnums=(0, 1))
def with_gradients(run: Any, case: Case, drive: spiking.Drive, weights: jax.Array, du: Any, dv: Any) -> Any:
    """Return spikes, and the derivatives of their weighed sum by everything that is an array."""

    def loss(drive: spiking.Drive, du: Any, dv: Any) -> tuple[jax.Array, jax.Array]:
        spikes = run(case, drive, du, dv)
        return (weights * spikes).sum(), spikes

    gradients, spikes = jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(drive, du, dv)
    return spikes, gradients


@settings(max_examples=40, deadline=None)
@given(
    case=cases(),
    seed=st.integers(0, 2**16),
    du=st.sampled_from([1.0, 0.5, 0.25]),
    dv=st.sampled_from([0.0, 0.5, 0.75, 1.0]),
)
def test_spikes_and_gradients_are_those_of_the_differentiated_equations(case, seed, du, dv):
    drive, weights = drawn(case, seed)
    du, dv = jnp.float32(du), jnp.float32(dv)
    spikes, gradients = with_gradients(fired, case, drive, weights, du, dv)
    expected_spikes, expected = with_gradients(unrolled, case, drive, weights, du, dv)
    np.testing.assert_array_equal(spikes, expected_spikes)
    for found, right in zip(jax.tree.leaves(gradients), jax.tree.leaves(expected), strict=True):
        assert found.shape == right.shape
        # Sums of some hundred terms of either sign: relative to the largest, since some cancel.
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6 * max(1, float(jnp.abs(right).max())))


def test_gradients_agree_to_a_millionth_in_a_network_of_real_size():
    case = Case(4, 1, (16, 16), True, (4, BATCH), "atan", "hard", 1.0)
    drive, weights = drawn(case, 7)
    found, expected = (
        with_gradients(run, case, drive, weights, jnp.float32(1), jnp.float32(0.5)) for run in (fired, unrolled)
    )
    assert 0.05 < float(found[0].mean()) < 0.95
    for one, other in zip(jax.tree.leaves(found[1]), jax.tree.leaves(expected[1]), strict=True):
        assert float(jnp.linalg.norm(one - other)) <= 1e-6 * float(jnp.linalg.norm(other))


@pytest.mark.parametrize(("du", "dv"), [(1.0, 0.5), (0.5, 0.25)])
def test_decays_may_be_plain_numbers(du, dv):
    case = Case(4, 4, (3, 4), True, (4, BATCH), "triangle", "soft", 1.0)
    drive, weights = drawn(case, 3)
    loss = lambda run, drive: (weights * run(case, drive, du, dv)).sum()
    found, expected = (jax.jit(jax.grad(functools.partial(loss, run)))(drive) for run in (fired, unrolled))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5), found, expected)


def test_only_the_value_is_kept_for_the_backward_pass():
    """Of arrays with time, batch and space there is one, however many steps are run."""
    case = Case(8, 1, (6, 7), True, (8, BATCH), "atan", "hard", 1.0)
    drive, _ = drawn(case, 1)
    _, pull = jax.vjp(lambda drive: fired(case, drive, 1.0, 0.5), drive)
    large = [leaf.shape for leaf in jax.tree.leaves(pull) if getattr(leaf, "size", 0) >= drive.value.size]
    assert large == [drive.value.shape]
