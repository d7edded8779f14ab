"""Rounded weights lie on the even grid, next to the real ones."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lava_port import scales

FLOATS = st.floats(-300, 300, allow_subnormal=False)


@given(arrays.arrays(np.float64, (3, 5), elements=FLOATS))
def test_rounding_finds_the_nearest_even_integer_in_range(real):
    whole = scales.whole_weights(real, np.ones(3))
    assert not (whole % 2).any()
    nearest = np.arange(-256, 255, 2)
    distance = np.abs(real[..., None] - nearest).min(axis=-1)
    np.testing.assert_allclose(np.abs(real - whole), distance)


def test_bits_count_the_levels_of_the_channel_that_uses_fewest():
    """A largest weight of 254 of 2 is 127 levels either side, 8 bits with sign; 2 is one level, 1 bit; zeros count not."""
    assert scales.bits(np.array([[256, -2], [256, 0]])) == 8
    assert scales.bits(np.array([[254, 0], [0, -2]])) == 1
    assert scales.bits(np.array([[0, 0], [-128, 4]])) == 7
    assert scales.bits(np.zeros((2, 2))) == 8


def test_errors_are_shares_of_what_was_rounded():
    real = np.array([[3.0, 4.0], [0.0, 0.0]])
    error = np.array([[0.3, 0.4], [0.0, 0.0]])
    assert np.isclose(scales.relative_rms(error, real), 0.1)
    assert np.isclose(scales.relative_max(error, real), 0.1)
    assert scales.relative_rms(error * 0, real * 0) == 0
