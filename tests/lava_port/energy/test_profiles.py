"""Every constant of every profile has a source and plausible numbers; profiles are found by name or as files."""

import re
from typing import get_args

import pytest

from lava_port.energy.constants import Basis, Operation, Unit
from lava_port.energy.profile_file import dump
from lava_port.energy.profiles import PROFILES, PUBLISHED_BREAK_EVENS, select

CONSTANTS = [
    pytest.param(profile.name, constant, id=f"{profile.name}.{where}")
    for profile in PROFILES.values()
    for where, constant in profile.constants().items()
]
SOURCE = re.compile(r"\w+.* (19|20)\d\d.*(doi 10\.\d{4,}/\S+|arXiv:\d{4}\.\d{5}(, .*)?)$")


@pytest.mark.parametrize(("profile", "constant"), CONSTANTS)
def test_every_constant_has_a_source_a_range_and_a_scope(profile, constant):
    assert 0 <= constant.low <= constant.value <= constant.high
    assert constant.value > 0
    assert constant.unit in get_args(Unit)
    assert constant.basis in get_args(Basis)
    # A press release has no doi, and says so.
    bare = profile == "loihi2_halapoint" and constant.source.endswith("without a doi")
    assert SOURCE.match(constant.source) or bare
    assert constant.node
    assert len(constant.scope) > 10


@pytest.mark.parametrize(("profile", "constant"), CONSTANTS)
def test_energies_lie_between_a_femtojoule_and_a_tenth_of_a_microjoule(profile, constant):
    if constant.unit in ("pJ", "nJ"):
        assert 1e-15 < constant.si() < 1e-7


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_what_is_not_priced_has_its_reason(profile):
    for variant in profile.variants.values():
        assert set(variant.constants) | set(variant.unpriced) | set(variant.covered) == set(get_args(Operation))
        assert all(len(why) > 4 for why in (*variant.unpriced.values(), *variant.covered.values()))
    assert all(len(why) > 20 for why in (*profile.scopes.values(), *profile.contained.values()))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_what_is_charged_elsewhere_names_an_operation_that_has_a_place(profile):
    for variant in profile.variants.values():
        for operation, where in variant.covered.items():
            named = [one for one in get_args(Operation) if re.search(rf"\b{one}\b", where)]
            assert named, operation
            assert all(one in variant.constants or one in variant.unpriced for one in named)


def test_profiles_stand_under_their_own_name():
    assert list(PROFILES) == [
        "horowitz45", "horowitz45_memory", "loihi1_davies2018", "loihi1_silicon", "loihi2_halapoint", "intel_proxy",
        "truenorth_merolla2014", "spinnaker1", "spinnaker2_prototype", "cpu", "gpu", "arm",
    ]  # fmt: skip
    assert all(name == profile.name for name, profile in PROFILES.items())


def test_published_break_evens_have_sources_and_the_version_where_it_matters():
    assert all(SOURCE.match(one.source) and 0 < one.low <= one.high for one in PUBLISHED_BREAK_EVENS)
    rates = {one.low: one.source for one in PUBLISHED_BREAK_EVENS if one.quantity == "rate"}
    assert "versions 1 to 3" in rates[0.064]
    assert "version 4" in rates[0.057]


def test_an_unknown_profile_is_refused_with_the_list():
    assert [profile.name for profile in select()] == list(PROFILES)
    assert [profile.name for profile in select(["loihi1_davies2018"])] == ["loihi1_davies2018"]
    with pytest.raises(ValueError, match=r"no energy profile 'loihi9'; there are horowitz45, .*FILE\.yaml"):
        select(["loihi9"])


def test_a_name_that_ends_in_yaml_is_a_file(tmp_path):
    (tmp_path / "mine.yaml").write_text(dump(PROFILES["gpu"]), encoding="utf-8")
    assert select([str(tmp_path / "mine.yaml"), "cpu"]) == (PROFILES["gpu"], PROFILES["cpu"])
