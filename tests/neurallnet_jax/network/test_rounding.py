"""The rounding rule: its grid, its symmetry, its idempotence, and the same in NumPy and JAX, which it does not import."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neurallnet_jax.network import rounding

BITS = st.integers(rounding.LEAST_BITS, rounding.MOST_BITS)
NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: 0.0 if abs(x) < 1e-6 else x)
ROWS = arrays.arrays(np.float64, arrays.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=NUMBERS)


def integers(real: np.ndarray, bits: int) -> np.ndarray:
    scale = rounding.full_scale(real, bits)
    return rounding.whole(real, np.where(scale > 0, scale, 1), bits)


def test_a_row_worked_out_by_hand():
    """Three bits are L = 3 levels of 64 units: a level is 0.9 / 3 = 0.3. Ties, 0.5, 1.5 and 2.5 levels, go to even."""
    row = np.array([[0.9, -0.44, 0.16, 0.14, 0.0, -0.9]])
    np.testing.assert_array_equal(integers(row, 3), [[192, -64, 64, 0, 0, -192]])
    np.testing.assert_allclose(rounding.rounded(row, 3), [[0.9, -0.3, 0.3, 0, 0, -0.9]])
    np.testing.assert_array_equal(rounding.whole(np.array([1.0, 3.0, 5.0, -1.0, -3.0]), 1.0, 8), [0, 4, 4, 0, -4])


@given(ROWS, BITS)
def test_integers_are_whole_levels_and_no_more_than_their_levels_and_the_largest_weight_takes_the_last(real, bits):
    whole = integers(real, bits)
    step = 2 ** (9 - bits)
    most = step * (2 ** (bits - 1) - 1)
    assert 128 <= most <= 254
    assert not (whole % step).any()
    largest = np.abs(whole).max(axis=1)
    np.testing.assert_array_equal(largest, np.where(np.abs(real).max(axis=1) > 0, most, 0))


@given(ROWS, BITS)
def test_rounding_commutes_with_the_sign(real, bits):
    np.testing.assert_array_equal(integers(-real, bits), -integers(real, bits))
    np.testing.assert_array_equal(rounding.rounded(-real, bits), -rounding.rounded(real, bits))


@given(ROWS, BITS)
def test_rounding_what_is_rounded_changes_not_one_bit(real, bits):
    for kind in (np.float32, np.float64):
        once = rounding.rounded(real.astype(kind), bits)
        assert once.dtype == kind
        np.testing.assert_array_equal(rounding.rounded(once, bits), once)


@given(ROWS, BITS)
def test_an_error_is_half_a_level_at_most(real, bits):
    level = np.abs(real).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    assert (np.abs(rounding.rounded(real, bits) - real) <= level / 2 * (1 + 1e-9)).all()


@given(ROWS, BITS, st.floats(0.01, 100), st.booleans())
def test_a_factor_of_a_row_does_not_change_the_integers_of_what_is_rounded(real, bits, factor, negative):
    """As a batch norm's scale does, folded in after training."""
    factor = -factor if negative else factor
    once = rounding.rounded(real.astype(np.float32), bits)
    np.testing.assert_array_equal(
        integers(factor * once.astype(np.float64), bits), np.sign(factor) * integers(once, bits)
    )


@given(ROWS, BITS)
def test_jax_and_numpy_round_alike(real, bits):
    real = real.astype(np.float32)
    theirs = rounding.rounded(jnp.asarray(real), bits, xp=jnp)
    np.testing.assert_allclose(theirs, rounding.rounded(real, bits), rtol=3e-7)


def test_one_scale_can_serve_all_rows():
    real = np.array([[1.0, 0.2], [0.1, -7.0]])
    np.testing.assert_allclose(rounding.rounded(real, 4, axis=None), [[1, 0], [0, -7]])


@pytest.mark.parametrize("bits", [0, 1, 9, True])
def test_bits_that_are_none_are_refused(bits):
    with pytest.raises(ValueError, match=r"weights of .* bits; expected a whole number in 2\.\.8"):
        rounding.levels(bits)


def test_it_imports_no_jax():
    code = "import sys; import neurallnet_jax.network.rounding; print(sorted({'jax', 'flax'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
