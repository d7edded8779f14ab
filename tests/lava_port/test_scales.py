"""Rounded weights lie on the even grid, next to the real ones; a measured range counts where proof costs bits only."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lava_port import graph, scales
from lava_port.ranges import CURRENT_LIMIT, POTENTIAL_LIMIT, SUM_LIMIT

FLOATS = st.floats(-300, 300, allow_subnormal=False)


@given(arrays.arrays(np.float64, (3, 5), elements=FLOATS))
def test_rounding_finds_the_nearest_even_integer_in_range(real):
    whole = scales.whole_weights(real, np.ones(3))
    assert not (whole % 2).any()
    nearest = np.arange(-254, 255, 2)
    distance = np.abs(real[..., None] - nearest).min(axis=-1)
    np.testing.assert_allclose(np.abs(real - whole), distance)


def test_bits_count_the_levels_of_the_channel_that_uses_fewest():
    """A largest weight of 254 is 127 levels either side, 8 bits with sign; 2 is one level, 2 bits; zeros count not."""
    assert scales.bits(np.array([[254, -2], [-254, 0]])) == 8
    assert scales.bits(np.array([[254, 0], [0, -2]])) == 2
    assert scales.bits(np.array([[0, 0], [-126, 4]])) == 7
    assert scales.bits(np.zeros((2, 2))) == 8
    assert scales.bits(np.array([[192, 0], [64, 0]]), 3) == 2
    assert scales.bits(np.array([[192, 64], [-192, 0]]), 3) == 3


def test_errors_are_shares_of_what_was_rounded():
    real = np.array([[3.0, 4.0], [0.0, 0.0]])
    error = np.array([[0.3, 0.4], [0.0, 0.0]])
    assert np.isclose(scales.relative_rms(error, real), 0.1)
    assert np.isclose(scales.relative_max(error, real), 0.1)
    assert scales.relative_rms(error * 0, real * 0) == 0


# --- Measured ranges


def slow_fit(measured=None, *, weights=(100, 10), **changes):
    """Return two channels of 100 and of 10 weights of 1 before neurons that keep their current for 100 steps.

    At full scale a weight is 254, so a current of channel 0 is 25,400 at most and of channel 1 2,540. Over 100 steps u
    adds up 100 of them, less 1/4096 per step, at 64 units each: 160e6 and 16e6, 19 and 1.9 times 2^23.
    """
    real = np.zeros((2, max(weights)))
    for row, count in zip(real, weights, strict=True):
        row[:count] = 1.0
    lif = graph.LifNode("lif", ("conv",), (2,), du=1 / 4096, dv=0.0, v_threshold=1.0)
    one = np.ones((1, max(weights)), np.int64)
    fields = {"limit": CURRENT_LIMIT, "measured": measured, "steps": 100, **changes}
    return scales.Fit("conv", real, 0 * one, one, np.zeros(2), lif, **fields)


def measured(current, potential):
    return scales.Measured(np.zeros(2), np.asarray(current, float), np.asarray(potential, float))


def report(fit):
    scale = fit.scales(0)
    return fit.report(fit.whole(scale), scale, 0)


def test_channels_that_proof_would_take_bits_from_keep_them_by_what_was_measured():
    """20 thresholds are 20 x 254 x 64 = 325,120 units of the potential at full scale, which count twice."""
    proven, fit = report(slow_fit()), slow_fit(measured([20.0, 1.0], [20.0, 15.0]))
    assert (proven.proof, proven.bits) == ("weights", 3.81)
    assert proven.current_bound > 0.9 * proven.potential_limit / (64 * 100)
    np.testing.assert_array_equal(fit.scales(0), fit.full())
    found = report(fit)
    assert (found.proof, found.bits) == ("calibration", 8)
    assert found.potential_bound == scales.MARGIN * 20 * 254 * 64
    assert found.current_bound == scales.MARGIN * 20 * 254


def test_a_measured_range_narrows_the_channels_alone_that_need_it():
    """100 steps are too many for channel 0 alone where channel 1 has one weight: 1.6e6 units are proven to fit."""
    few = {"weights": (100, 1)}
    trusting = slow_fit(measured([20.0, 99.0], [50.0, 9e9]), **few)
    np.testing.assert_array_equal(trusting.calibrated(0), [True, False])
    np.testing.assert_array_equal(trusting.scales(0), trusting.full())
    assert report(trusting).potential_bound == 2 * 50 * 254 * 64


def test_a_measured_range_beyond_the_hardware_costs_bits_as_well():
    """400 thresholds are 400 x 254 x 64 = 6.5e6 units, which the margin doubles: 1.55 times 2^23. 19 are proven."""
    fit = slow_fit(measured([20.0, 1.0], [400.0, 1.0]))
    np.testing.assert_allclose(fit.scales(0) / fit.full(), [1.55, 1], rtol=2e-3)
    assert 0.99 * POTENTIAL_LIMIT < report(fit).potential_bound <= POTENTIAL_LIMIT


def test_what_was_measured_never_counts_for_more_than_what_is_proven():
    plain, told = slow_fit(), slow_fit(measured([1e9, 1e9], [1e9, 1e9]))
    np.testing.assert_array_equal(told.scales(0), plain.scales(0))


def test_a_layer_that_proof_costs_nothing_trusts_no_image():
    """In two steps u is 25,400 x 64 x 2 = 3.3e6 at most."""
    plain, told = slow_fit(steps=2), slow_fit(measured([20.0, 1.0], [1.0, 1.0]), steps=2)
    np.testing.assert_array_equal(told.scales(0), plain.full())
    assert report(told) == report(plain)
    assert report(told).proof == "weights"


def test_sums_of_32_bits_stay_proven_whatever_was_measured():
    """The current's sum over space has a limit of its own; 2,000 weights make u reach 3.2e9 before any wrap."""
    nothing = measured([0.0, 0.0], [0.0, 0.0])
    fit = slow_fit(nothing, sums=10_000)
    assert 9_800 < fit.whole(fit.scales(0))[0].sum() <= 10_000
    fit = slow_fit(nothing, weights=(2000, 1))
    whole = fit.whole(fit.scales(0))[0].sum()
    assert whole < 254 * 2000
    assert whole * 64 * 100 * (4095 / 4096) ** 100 + POTENTIAL_LIMIT < SUM_LIMIT
