import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurallnet_jax.network import surrogate

# Height over distance from threshold, in float64, with the width each function has by default.
CLOSED_FORMS = {
    "triangle": lambda x, w=1.0: np.maximum(0, 1 - np.abs(x) / w) / w,
    "atan": lambda x, w=1.0: 1 / (w * (1 + (np.pi * x / w) ** 2)),
    "fast_sigmoid": lambda x, w=0.5: 1 / (2 * w * (1 + np.abs(x) / w) ** 2),
    "sigmoid": lambda x, w=0.25: 1 / (4 * w * np.cosh(x / (2 * w)) ** 2),
}
arrays = hnp.arrays(np.float32, (2, 8), elements=st.floats(-16, 16, width=32, allow_subnormal=False))


@pytest.fixture(params=sorted(surrogate.SURROGATES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@functools.partial(jax.jit, static_argnums=(0, 2))
def compiled_slope(name: str, x: jax.Array, width: float | None) -> jax.Array:
    rest = () if width is None else (width,)
    return jax.grad(lambda x: surrogate.SURROGATES[name](x, *rest).sum())(x)


def slope(name: str, x: np.ndarray, width: float | None = None) -> np.ndarray:
    return np.asarray(compiled_slope(name, jnp.asarray(x, jnp.float32), width))


def test_the_table_lists_every_spike_function_of_the_module():
    listed = {name for name in surrogate.__all__ if name.islower()}
    assert set(surrogate.SURROGATES) == listed == set(CLOSED_FORMS)


@given(x=arrays)
def test_a_spike_stands_strictly_above_zero_and_nowhere_else(x):
    for name, spike in surrogate.SURROGATES.items():
        spikes = spike(jnp.asarray(x))
        assert spikes.dtype == jnp.float32, name
        np.testing.assert_array_equal(spikes, (x > 0).astype(np.float32), err_msg=name)


def test_exactly_on_the_threshold_there_is_no_spike(name):
    tiny = np.finfo(np.float32).tiny
    spikes = surrogate.SURROGATES[name](jnp.array([-tiny, -0.0, 0.0, tiny]))
    assert spikes.tolist() == [0, 0, 0, 1]


@given(x=arrays)
def test_the_gradient_is_the_closed_form(x):
    for name, closed in CLOSED_FORMS.items():
        np.testing.assert_allclose(slope(name, x), closed(x.astype(np.float64)), rtol=2e-5, atol=1e-7, err_msg=name)


@given(x=arrays, width=st.sampled_from([0.125, 3.0]))
def test_the_gradient_follows_the_width_it_is_given(x, width):
    for name, closed in CLOSED_FORMS.items():
        found = slope(name, x, width)
        np.testing.assert_allclose(found, closed(x.astype(np.float64), width), rtol=2e-5, atol=1e-7, err_msg=name)


@given(x=arrays)
def test_the_gradient_is_symmetric_and_never_negative(x):
    for name in surrogate.SURROGATES:
        found = slope(name, x)
        assert (found >= 0).all(), name
        np.testing.assert_array_equal(found, slope(name, -x), err_msg=name)


def test_the_gradient_has_unit_area(name):
    # x = tan(theta) brings the whole axis, heavy tails included, onto (-pi/2, pi/2); midpoints never touch the ends.
    count = 20_000
    theta = (np.arange(count) + 0.5) / count * np.pi - np.pi / 2
    area = (slope(name, np.tan(theta)) / np.cos(theta) ** 2).sum() * np.pi / count
    assert area == pytest.approx(1, abs=1e-4)


def test_the_gradient_is_scaled_by_what_comes_from_above(name):
    _, pull = jax.vjp(surrogate.SURROGATES[name], jnp.array([0.1, -0.3]))
    (found,) = pull(jnp.array([2.0, -5.0]))
    np.testing.assert_allclose(found, CLOSED_FORMS[name](np.array([0.1, -0.3])) * [2, -5], rtol=1e-5)


def test_jit_and_vmap_change_nothing(name):
    spike = surrogate.SURROGATES[name]
    x = jnp.linspace(-2, 2, 12).reshape(3, 4)
    chex.assert_trees_all_close(jax.jit(spike)(x), spike(x), jax.vmap(spike)(x), atol=0)
    plain = jax.grad(lambda x: spike(x).sum())
    chex.assert_trees_all_close(jax.jit(plain)(x), plain(x), jax.vmap(plain)(x), rtol=1e-6)
