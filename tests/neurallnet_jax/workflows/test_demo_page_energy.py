import dataclasses

import pytest

from lava_port.energy.results import EnergyReport
from neurallnet_jax.workflows import demo_page_energy, page


@pytest.fixture(scope="module")
def section(energy: EnergyReport) -> page.Section:
    return demo_page_energy.section(energy)


def table(section: page.Section, caption: str) -> page.Table:
    return next(b for b in section.blocks if isinstance(b, page.Table) and b.caption.startswith(caption))


def test_every_scope_that_is_charged_has_a_row_and_every_other_its_reason(
    section: page.Section, energy: EnergyReport
) -> None:
    rows = table(section, "Joules per image").rows
    assert len(rows) == sum(bool(entry.spiking or entry.ann) for entry in energy.scopes)
    reasons = {str(row[2]) for row in table(section, "What could not be priced").rows}
    assert reasons == {reason for entry in energy.scopes for reason in entry.reasons.values()}


def test_a_sum_that_leaves_parts_out_is_starred_and_the_parts_are_named(
    section: page.Section, energy: EnergyReport
) -> None:
    partial = [entry for entry in energy.scopes if entry.left_out and entry.spiking]
    starred = [row for row in table(section, "Joules per image").rows if str(row[2]).endswith("*")]
    assert len(starred) == len(partial) > 0
    told = [str(row[1]) for row in table(section, "What could not be priced").rows]
    assert f"{', '.join(partial[0].left_out)} of this network" in told


def test_every_constant_stands_with_its_source_as_a_link(section: page.Section, energy: EnergyReport) -> None:
    for profile in energy.profiles:
        charged = [constant for variant in profile.variants.values() for constant in variant.constants.values()]
        rows = table(section, f"Constants that were charged: {profile.title}").rows
        assert [row[4].text for row in rows if isinstance(row[4], page.Link)] == [c.source for c in charged]
        if profile.reference:
            further = table(section, f"Further constants of the same sources, not charged: {profile.title}")
            assert len(further.rows) == len(profile.reference)


def test_a_constant_of_large_value_is_printed_in_full(section: page.Section) -> None:
    cells = [row[1] for row in table(section, "Further constants of the same sources, not charged: Loihi 1").rows]
    assert "131,072" in cells


def test_what_an_estimate_leaves_out_is_listed(section: page.Section) -> None:
    points = next(block for block in section.blocks if isinstance(block, page.Points))
    assert any("memory traffic" in item for item in points.items)
    assert any("nothing was measured" in item for item in points.items)


def test_the_card_spans_the_profiles_in_the_widest_scope(energy: EnergyReport) -> None:
    card = demo_page_energy.card(energy)
    assert " to " in card.value
    assert "not measured" in card.detail
    assert "scope neuron" in card.detail
    assert "some leave parts out" in card.detail


def test_the_card_of_nothing_priced_says_so(energy: EnergyReport) -> None:
    bare = dataclasses.replace(energy, scopes=tuple(e for e in energy.scopes if e.spiking is None))
    assert demo_page_energy.card(bare).value == "cannot be priced"
