"""A constant has its ends in order; an operation stands in one place; a scope is charged or refused, never both."""

import dataclasses

import pytest

from lava_port.energy.constants import SCOPE_OF, SCOPES, SI, Constant, Memory, Profile, Variant
from lava_port.energy.profiles import PROFILES


def constant(**changes) -> Constant:
    values = {"value": 2.0, "unit": "nJ", "low": 1.0, "high": 3.0}
    return Constant(**values | changes, source="Nobody 2000", basis="assumed", node="none", scope="for tests only")


def test_units_convert_to_si():
    assert [constant().si(which) for which in ("low", "value", "high")] == pytest.approx([1e-9, 2e-9, 3e-9])
    assert constant(unit="mW").si() == pytest.approx(2e-3)
    assert SI["pJ"] == 1e-12


@pytest.mark.parametrize("ends", [{"low": 2.5}, {"high": 1.5}, {"low": -1}, {"high": float("inf")}])
def test_a_constant_outside_its_own_range_is_refused(ends):
    with pytest.raises(ValueError, match="expected 0 <= low <= value <= high"):
        constant(**ends)


def test_every_operation_has_a_scope_and_memory_and_static_power_are_none():
    assert set(SCOPE_OF.values()) == {"compute", "neuron", "network"}
    assert SCOPES == ("compute", "neuron", "memory", "network", "static")


def test_an_operation_that_stands_nowhere_or_twice_is_refused():
    whole = PROFILES["horowitz45"].variants["f32"]
    with pytest.raises(ValueError, match="operation 'spike' stands nowhere"):
        Variant(whole.constants, whole.unpriced, {key: why for key, why in whole.covered.items() if key != "spike"})
    with pytest.raises(ValueError, match="operation 'synop' stands constants and covered"):
        Variant(whole.constants, whole.unpriced, {**whole.covered, "synop": "in mac"})


def test_joules_and_plain_numbers_do_not_mix_in_a_variant():
    whole = PROFILES["horowitz45"].variants["f32"]
    with pytest.raises(ValueError, match="its constants are in 1, pJ"):
        dataclasses.replace(whole, constants={**whole.constants, "synop": constant(unit="1")})
    assert whole.unit == "J"
    assert PROFILES["intel_proxy"].variants["native"].unit == "1"


def test_a_scope_is_charged_or_refused_and_never_both():
    profile = PROFILES["horowitz45"]
    with pytest.raises(ValueError, match="scope 'memory' is neither charged nor refused"):
        dataclasses.replace(profile, scopes={"network": "none", "static": "none"})
    with pytest.raises(ValueError, match="scope 'neuron' is charged and refused at once"):
        dataclasses.replace(profile, scopes={**profile.scopes, "neuron": "none"})
    with pytest.raises(ValueError, match="it has no variants"):
        Profile("empty", "empty", {})


def test_fewer_bits_than_an_access_are_charged_in_proportion():
    # Horowitz: 10 pJ for 64 bits of 8 KB, so that a 32-bit word costs half.
    memory = PROFILES["horowitz45_memory"].memories[0]
    assert 32 * memory.per_bit("value") == pytest.approx(5e-12)
    assert Memory(None, 32, constant()).per_bit("high") == pytest.approx(3e-9 / 32)
