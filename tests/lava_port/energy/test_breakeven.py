"""Break-evens by hand: the energy is a line in the number of spikes, and sometimes it never crosses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_port.energy.breakeven import Operating, break_even

NOW = Operating(rate=0.1, spikes_per_neuron=0.4, spikes_per_synapse=0.2)


def test_the_factor_is_where_fixed_and_spiking_add_up_to_the_ann():
    # 10 + 5 f = 20 at the values, 10 + 10 f = 20 at the low ends, 5 + 1 f = 20 at the high ones: beyond 10 at rate 0.1.
    found = break_even(np.array([10, 10, 5]), np.array([10, 5, 1]), np.array([20, 20, 20]), NOW)
    assert found.factor == 2
    assert found.factors == (1, None)
    assert (found.at.rate, found.at.spikes_per_neuron, found.at.spikes_per_synapse) == pytest.approx((0.2, 0.8, 0.4))
    assert found.reason == ""


@pytest.mark.parametrize(("fixed", "spiking", "rate", "reason"), [
    (20, 5, 0.1, "without a single spike the network costs as much"),
    (10, 0.5, 0.1, "with a spike of every neuron in every step the network still costs less"),
    (10, 0, 0.1, "no energy grows with the spikes"),
    (10, 5, 0.0, "no energy grows with the spikes"),
])  # fmt: skip
def test_where_the_lines_do_not_cross_there_is_no_break_even(fixed, spiking, rate, reason):
    found = break_even(np.full(3, fixed), np.full(3, spiking), np.full(3, 20), Operating(rate, 4 * rate, None))
    assert found.factor is found.at is None
    assert found.factors == (None, None)
    assert found.reason.startswith("no break-even: ")
    assert reason in found.reason


@given(st.floats(0, 9), st.floats(0.5, 5), st.floats(10, 20), st.floats(0.01, 0.05))
def test_the_curve_crosses_one_at_the_break_even_and_never_leaves_the_possible(fixed, spiking, dense, rate):
    found = break_even(np.full(3, fixed), np.full(3, spiking), np.full(3, dense), Operating(rate, rate, None))
    assert all(0 <= point.rate <= 1 + 1e-12 for point in found.curve)
    assert found.curve[0].value == pytest.approx(fixed / dense)
    values = [point.value for point in found.curve]
    assert values == sorted(values)
    if found.factor is not None:
        assert fixed + found.factor * spiking == pytest.approx(dense)
        below = [point.value for point in found.curve if point.factor < found.factor * (1 - 1e-9)]
        assert all(value < 1 for value in below)
        assert found.curve[-1].value > 1 or found.curve[-1].rate == pytest.approx(1)
