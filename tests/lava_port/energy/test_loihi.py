"""The figures of Intel's chips as printed, and what follows from them."""

import pytest

from lava_port.energy.chips import CHIPS
from lava_port.energy.loihi import INTEL_PROXY, LOIHI1_DAVIES2018, LOIHI1_SILICON, LOIHI2_HALAPOINT


def test_loihi_1_has_the_figures_of_its_table():
    constants = LOIHI1_DAVIES2018.variants["native"].constants
    found = {name: constant.value for name, constant in constants.items()}
    assert found == {
        "synop": 23.6, "update_active": 81, "update_quiet": 52, "idle_update": 52, "message": 1.7, "hop_east_west": 3.0,
        "hop_north_south": 4.0,
    }  # fmt: skip
    times = {name: (one.low, one.high) for name, one in LOIHI1_DAVIES2018.times.items()}
    assert times == {"synop": (3.5, 3.5), "update": (5.3, 8.4), "barrier": (113, 465)}
    assert LOIHI1_DAVIES2018.static is not None
    assert LOIHI1_DAVIES2018.static.si() == pytest.approx(0.104)


def test_loihi_1_names_the_limits_that_its_chip_has():
    reference = {name: one.value for name, one in LOIHI1_DAVIES2018.reference.items()}
    chip = CHIPS["loihi1"]
    assert reference["compartments_per_core"] == chip.compartments.value
    assert reference["synapse_bytes_per_core"] == chip.memory_bytes.value
    assert reference["cores"] == chip.cores.value


def test_the_silicon_fit_has_its_figures_with_the_reported_error_as_range():
    constants = LOIHI1_SILICON.variants["native"].constants
    found = {name: constant.value for name, constant in constants.items()}
    assert found == {
        "synop_conv": 24.0, "synop_dense": 35.5, "access": 51.2, "update_active": 21.6, "spike": 69.3, "message": 111.0,
        "hop_east_west": 3.0, "hop_north_south": 4.2,
    }  # fmt: skip
    for constant in constants.values():
        assert (constant.low, constant.high) == pytest.approx((0.883 * constant.value, 1.117 * constant.value))
    assert LOIHI1_SILICON.reference["latency_error"].value == 0.243
    assert "static" not in LOIHI1_SILICON.chargeable


def test_the_anchors_of_hala_point_are_its_power_over_its_rates():
    constants = LOIHI2_HALAPOINT.variants["native"].constants
    assert constants["synop"].value == pytest.approx(2600 / 380e12 * 1e12, abs=0.05)
    assert constants["update"].value == pytest.approx(2600 / 240e12 * 1e12, abs=0.05)
    assert LOIHI2_HALAPOINT.chargeable == {"static"}


def test_the_proxy_counts_a_neuron_operation_as_ten_synops_without_a_unit():
    constants = INTEL_PROXY.variants["native"].constants
    assert constants["update"].value == constants["idle_update"].value == 10 * constants["synop"].value
    assert {constant.unit for constant in constants.values()} == {"1"}
