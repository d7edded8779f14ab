"""Every constant has a source and plausible numbers, and the figures of the sources stand as printed."""

import re
from typing import get_args

import pytest

from lava_port.energy.estimate import CHARGED, SCOPES
from lava_port.energy.profiles import PROFILES, Basis, Operation, Unit, select

CONSTANTS = [
    pytest.param(constant, id=f"{profile.name}.{where}.{name}")
    for profile in PROFILES.values()
    for where, constants in [
        *((key, variant.constants) for key, variant in profile.variants.items()),
        ("reference", profile.reference),
    ]
    for name, constant in constants.items()
]


@pytest.mark.parametrize("constant", CONSTANTS)
def test_every_constant_has_a_source_a_range_and_a_scope(constant):
    assert 0 <= constant.low <= constant.value <= constant.high
    assert constant.value > 0
    assert constant.unit in get_args(Unit)
    assert constant.basis in get_args(Basis)
    assert re.search(r"\w+.* (19|20)\d\d.*doi 10\.\d{4,}/\S+$", constant.source)
    assert constant.node
    assert len(constant.scope) > 10


@pytest.mark.parametrize("constant", CONSTANTS)
def test_energies_lie_between_a_femtojoule_and_ten_nanojoules(constant):
    if constant.unit == "pJ":
        assert 1e-15 < constant.si() < 1e-8


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_operation_is_priced_or_has_a_reason_and_so_is_every_scope(profile):
    for variant in profile.variants.values():
        assert set(variant.constants) | set(variant.unpriced) == set(get_args(Operation))
        assert not set(variant.constants) & set(variant.unpriced)
        assert all(constant.unit == "pJ" for constant in variant.constants.values())
    assert set(profile.scopes) == set(SCOPES) - set(CHARGED)


def test_profiles_stand_under_their_own_name():
    assert list(PROFILES) == ["horowitz45", "loihi1_davies2018"]
    assert all(name == profile.name for name, profile in PROFILES.items())


def test_derived_arithmetic_follows_from_its_parts():
    # Horowitz 2014: float32 add 0.9, multiply 3.7; int8 multiply 0.2, int32 add 0.1, int32 multiply 3.1 pJ.
    parts = {"f32": (0.9, 3.7, 3.7), "int8": (0.1, 0.2, 3.1)}
    for name, (add, multiply, wide) in parts.items():
        constants = PROFILES["horowitz45"].variants[name].constants
        assert constants["synop"].value == constants["addition"].value == add
        assert constants["mac"].value == pytest.approx(multiply + add)
        update = constants["update"]
        assert (update.low, update.value, update.high) == pytest.approx((3 * add, wide + 3 * add, 2 * wide + 4 * add))
        assert constants["activation"].value == pytest.approx(2 * add)


def test_loihi_has_the_figures_of_its_table():
    profile = PROFILES["loihi1_davies2018"]
    constants = profile.variants["native"].constants
    assert constants["synop"].value == 23.6
    assert (constants["update"].value, constants["idle_update"].value) == (81, 52)
    assert (profile.reference["barrier_time"].low, profile.reference["barrier_time"].high) == (113, 465)
    assert profile.reference["static_power"].si() == pytest.approx(0.104)
    assert "mac" not in constants


def test_units_convert_to_si():
    profile = PROFILES["loihi1_davies2018"]
    assert profile.variants["native"].constants["synop"].si() == pytest.approx(23.6e-12)
    assert profile.reference["barrier_time"].si("high") == pytest.approx(465e-9)
    assert profile.reference["cores"].si() == 128


def test_an_unknown_profile_is_refused_with_the_list():
    assert [profile.name for profile in select()] == list(PROFILES)
    assert [profile.name for profile in select(["loihi1_davies2018"])] == ["loihi1_davies2018"]
    with pytest.raises(ValueError, match="no energy profile 'loihi9'; there are horowitz45, loihi1_davies2018"):
        select(["loihi9"])
