"""The figures of Horowitz 2014 as printed, and what follows from them."""

import pytest

from lava_port.energy.cmos45 import HOROWITZ45, HOROWITZ45_MEMORY


def test_derived_arithmetic_follows_from_its_parts():
    # float32 add 0.9, multiply 3.7; int8 multiply 0.2, int32 add 0.1, int32 multiply 3.1 pJ.
    parts = {"f32": (0.9, 3.7, 3.7), "int8": (0.1, 0.2, 3.1)}
    for name, (add, multiply, wide) in parts.items():
        constants = HOROWITZ45.variants[name].constants
        assert constants["synop"].value == constants["addition"].value == add
        assert constants["mac"].value == pytest.approx(multiply + add)
        update = constants["update"]
        assert (update.low, update.value, update.high) == pytest.approx((3 * add, wide + 3 * add, 2 * wide + 4 * add))
        assert constants["activation"].value == pytest.approx(2 * add)


def test_memories_have_the_figures_of_the_source_per_64_bits():
    found = [(one.capacity_bytes, one.access_bits, one.energy.value) for one in HOROWITZ45_MEMORY.memories]
    assert found == [(8192, 64, 10), (32768, 64, 20), (1048576, 64, 100), (None, 64, 1950)]
    dram = HOROWITZ45_MEMORY.memories[-1].energy
    assert (dram.low, dram.high) == (1300, 2600)


def test_both_ends_of_reuse_have_the_same_arithmetic():
    best, worst = (HOROWITZ45_MEMORY.variants[name] for name in ("int8_best", "int8_worst"))
    assert best.constants == worst.constants == HOROWITZ45.variants["int8"].constants
    assert (best.reuse, worst.reuse) == ("best", "worst")
