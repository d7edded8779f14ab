"""Spikes, cores, classes, uncertainties and gaps on the page are those of the report."""

import dataclasses

import pytest

from lava_port.energy.results import EnergyReport
from neurallnet_jax.workflows import energy_details, page, wording
from neurallnet_jax.workflows.energy_sources import Sources


@pytest.fixture(scope="module")
def sources(placed_energy: EnergyReport) -> Sources:
    return Sources.of(placed_energy)


def tables(section: page.Section) -> list[page.Table]:
    return [block for block in section.blocks if isinstance(block, page.Table)]


def test_counts_are_printed_in_full(sources: Sources, placed_energy: EnergyReport) -> None:
    rows = {str(row[0]): row for row in tables(energy_details.spikes(sources))[0].rows}
    node = placed_energy.counts.node("lif_1")
    assert rows["lif_1"][1] == f"{node.neurons:,}"
    assert rows["lif_1"][2] == f"{node.spikes.sum(axis=0).mean():,.0f}"
    assert rows["lif_1"][6] == f"{node.neurons * placed_energy.counts.total_steps:,}"
    assert rows["lif_2"][4] == f"{placed_energy.counts.node('conv_2').synops_stored.sum(axis=0).mean():,.0f}"
    macs = sum(placed_energy.counts.node(name).macs.sum(axis=0).mean() for name in ("conv_1", "gate_1"))
    assert rows["lif_1"][5] == f"{macs:,.0f}"
    assert rows["readout"][2] == wording.NOTHING


def test_the_picture_of_spikes_is_told_in_numbers(sources: Sources, placed_energy: EnergyReport) -> None:
    picture = next(block for block in energy_details.spikes(sources).blocks if isinstance(block, page.Picture))
    for value in placed_energy.counts.node("lif_2").spikes.mean(axis=1):
        assert wording.number(float(value)) in picture.alt


def test_cores_are_listed_once_each(sources: Sources, placed_energy: EnergyReport) -> None:
    placement = placed_energy.counts.placement
    assert placement is not None
    rows = tables(energy_details.cores(sources))[0].rows
    assert [row[0] for row in rows] == [layer.name for layer in placement.layers]


def test_a_placement_that_is_missing_is_told_with_its_reason(energy: EnergyReport) -> None:
    blocks = energy_details.cores(Sources.of(energy)).blocks
    absent = next(block for block in blocks if isinstance(block, page.Absent))
    assert "was not placed on a chip" in absent.reason


def test_classes_have_the_quartiles_of_their_images(sources: Sources, placed_energy: EnergyReport) -> None:
    rows = tables(energy_details.by_class(sources))[0].rows
    assert {str(row[0]) for row in rows} == set(placed_energy.graph.classes)
    assert all(str(row[3]) == "2" for row in rows)


def test_one_image_gives_no_histogram(energy: EnergyReport) -> None:
    one = dataclasses.replace(energy, counts=dataclasses.replace(energy.counts, images=1))
    blocks = energy_details.by_class(Sources(one, Sources.of(energy).told)).blocks
    assert any(isinstance(block, page.Absent) and "one image" in block.reason for block in blocks)


def test_the_three_uncertainties_stand_apart(sources: Sources, placed_energy: EnergyReport) -> None:
    section = energy_details.uncertainties(sources)
    points = next(block for block in section.blocks if isinstance(block, page.Points))
    assert [item.split(":")[0] for item in points.items] == ["Data", "Constants", "Model"]
    both, spread = tables(section)
    charged = [entry for entry in placed_energy.scopes if entry.spiking is not None]
    assert len(both.rows) == len(charged)
    assert charged[0].spiking is not None
    assert str(both.rows[0][4]) == energy_details._ends(charged[0].spiking.constants, "J")
    assert [str(row[1]) for row in spread.rows] == [str(one.entries) for one in placed_energy.spreads]


def test_an_interval_keeps_one_prefix_for_both_ends() -> None:
    assert energy_details._ends((0.9e-6, 1.25e-3), "J") == f"0.000900 to 1.25{wording.NO_BREAK}mJ"
    assert energy_details._ends(None, "J") == wording.NOTHING


def test_notes_and_reasons_are_all_there(sources: Sources) -> None:
    points, table = energy_details.leaves_out(sources).blocks
    assert isinstance(points, page.Points)
    assert isinstance(table, page.Table)
    assert points.items == tuple(sources.told["notes"])
    assert len(table.rows) == len(sources.reasons)


def test_every_profile_has_its_constants(sources: Sources, placed_energy: EnergyReport) -> None:
    shown = [table for table in tables(energy_details.origins(sources)) if table.anchor.startswith("constants-")]
    assert [len(table.rows) for table in shown] == [len(profile.constants()) for profile in placed_energy.profiles]
