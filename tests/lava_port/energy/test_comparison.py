"""Unlike energies refuse to meet; a bootstrap interval and a verdict are what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_port.energy.comparison import Bootstrap, Energies, compare, summarise, verdict

BOOTSTRAP = Bootstrap(images=3, level=0.95, resamples=200, seed=0)


def energies(values, scope="compute", unit="J") -> Energies:
    return Energies(scope, unit, np.array(values, float))


def test_energies_of_different_scopes_refuse_to_be_compared_or_added():
    left, right = energies([[1, 2, 3]] * 3), energies([[1, 2, 3]], scope="memory")
    with pytest.raises(ValueError, match="scope 'compute' beside one of scope 'memory': they include different things"):
        compare(left, right, BOOTSTRAP)
    with pytest.raises(ValueError, match="compare within one scope"):
        left + right


def test_a_number_without_a_unit_never_meets_joules():
    left, right = energies([[1, 2, 3]] * 3), energies([[1, 2, 3]], unit="1")
    with pytest.raises(ValueError, match="a number without a unit is no energy"):
        compare(left, right, BOOTSTRAP)
    with pytest.raises(ValueError, match="a number without a unit is no energy"):
        left + right
    assert (right + right).values.tolist() == [[2, 4, 6]]


def test_a_ratio_needs_an_energy_above_zero():
    with pytest.raises(ValueError, match="a ratio needs one above zero"):
        compare(energies([[1, 2, 3]] * 3), energies([[0, 2, 3]]), BOOTSTRAP)


def test_low_is_compared_with_low_and_high_with_high():
    found = compare(energies([[1, 2, 8]] * 3), energies([[2, 2, 2]]), BOOTSTRAP)
    assert (found.low, found.value, found.high) == (0.5, 1.0, 4.0)


def test_one_image_gives_no_interval_and_a_dense_network_one_without_width():
    one = Bootstrap(images=1, level=0.95, resamples=10, seed=0)
    assert compare(energies([[1, 2, 3]]), energies([[1, 2, 3]]), one) is None
    assert summarise(energies([[1, 2, 3]]), one).data is None
    assert summarise(energies([[1, 2, 3]]), BOOTSTRAP).data == (2, 2)


def test_the_interval_of_two_images_that_differ_spans_both():
    two = Bootstrap(images=2, level=0.99, resamples=1000, seed=0)
    found = summarise(energies([[0, 1, 1], [0, 3, 5]]), two)
    assert found.data == (1, 3)
    assert found.mean == 2
    assert found.constants == (0, 3)


def test_a_verdict_needs_the_whole_interval_on_one_side():
    assert verdict(0.5, 0.99) == "better"
    assert verdict(1.01, 2.0) == "worse"
    assert verdict(0.9, 1.1) == verdict(1.0, 1.1) == verdict(0.9, 1.0) == "undecided"


@given(st.floats(0.01, 10), st.floats(0, 5), st.floats(1, 10))
def test_a_dearer_network_never_gets_a_better_verdict(low, width, factor):
    order = ["better", "undecided", "worse"]
    before, after = verdict(low, low + width), verdict(factor * low, factor * (low + width))
    assert order.index(after) >= order.index(before)
