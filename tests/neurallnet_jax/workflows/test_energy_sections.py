"""Verdicts, scopes and break-evens on the page say what the report says."""

import dataclasses

import pytest

from lava_port.energy.results import EnergyReport
from neurallnet_jax.workflows import energy_sections, page, wording
from neurallnet_jax.workflows.energy_sources import Sources


@pytest.fixture(scope="module")
def sources(placed_energy: EnergyReport) -> Sources:
    return Sources.of(placed_energy)


def tables(section: page.Section) -> list[page.Table]:
    return [block for block in section.blocks if isinstance(block, page.Table)]


def test_comparisons_equal_under_two_profiles_come_once(placed_energy: EnergyReport) -> None:
    found = list(energy_sections.compared(placed_energy))
    every = [one for entry in placed_energy.scopes for one in entry.baselines if one.verdict]
    assert 0 < len(found) < len(every)
    assert {id(one.ratio) for _, one in found} <= {id(one.ratio) for one in every}


def test_the_verdict_in_words_holds_the_ends_of_the_ratio(sources: Sources, placed_energy: EnergyReport) -> None:
    rows = tables(energy_sections.verdicts(sources))[0].rows
    for entry, one in energy_sections.compared(placed_energy):
        assert one.ratio is not None
        assert one.verdict is not None
        low, high = wording.rounded(one.ratio.low), wording.rounded(one.ratio.high)
        mine = [row for row in rows if row[1] == energy_sections.baseline_name(one) and low in str(row[3])]
        assert any(high in str(row[3]) and row[2] == energy_sections.SIGNS[one.verdict] for row in mine), entry


def test_the_sentence_in_short_counts_every_verdict(sources: Sources, placed_energy: EnergyReport) -> None:
    text = energy_sections.verdicts(sources).blocks[0]
    assert isinstance(text, page.Text)
    found = [one.verdict for entry, one in energy_sections.compared(placed_energy) if entry.scope == "compute"]
    assert f"compute: {found[0]} in {found.count(found[0])}" in text.text
    assert "no comparison" in text.text


def test_every_dash_of_the_scopes_leads_to_a_reason(sources: Sources) -> None:
    rows = tables(energy_sections.scopes(sources))[0].rows
    for row in rows:
        for cell in row[2:]:
            assert cell != wording.NOTHING
            if isinstance(cell, page.Jump) and cell.text == wording.NOTHING:
                assert cell.anchor.startswith("reason-")


def test_bars_leave_out_what_costs_nothing_and_what_is_no_joule(placed_energy: EnergyReport) -> None:
    kept = {entry.profile for entry in energy_sections._worth_bars(placed_energy).scopes}
    assert "horowitz45" in kept
    assert not kept & {"intel_proxy", "cpu", "gpu", "arm"}


def test_break_evens_stand_with_their_margin_or_the_reason(sources: Sources, placed_energy: EnergyReport) -> None:
    rows = tables(energy_sections.break_evens(sources))[0].rows
    margins = [one.break_even for e in placed_energy.scopes for one in e.baselines if one.break_even and e.unit == "J"]
    shown = {str(row[5]) for row in rows if not isinstance(row[3], page.Jump)}
    assert shown == {f"{wording.rounded(even.factor)} x" for even in margins if even.factor is not None}
    for row in rows:
        if isinstance(row[3], page.Jump):
            assert row[3].anchor.startswith("reason-")


def test_without_curves_the_page_says_why(placed_energy: EnergyReport) -> None:
    bare = dataclasses.replace(placed_energy, scopes=tuple(e for e in placed_energy.scopes if e.profile == "gpu"))
    blocks = energy_sections.break_evens(Sources.of(bare)).blocks
    absent = next(block for block in blocks if isinstance(block, page.Absent))
    assert len(absent.reason) > 10
