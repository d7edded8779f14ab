"""Sums and constants on the page are those of the report."""

import dataclasses

import pytest

from lava_port.energy import activity, chips, counts, estimate, fit, profiles
from lava_port.energy.results import EnergyReport
from lava_port.graph import FixedGraph
from lava_port.trace import Trace
from neurallnet_jax.workflows import energy_sources, page
from neurallnet_jax.workflows.energy_sources import Sources

PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "µ": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}


@pytest.fixture(scope="module")
def sources(placed_energy: EnergyReport) -> Sources:
    return Sources.of(placed_energy)


def joules(text: str) -> float:
    """Return a number with a prefix and perhaps a unit."""
    number, *unit = text.split("\u00a0")
    prefix = unit[0].removesuffix("J") if unit else ""
    return float(number.replace(",", "")) * PREFIXES.get(prefix, 1.0)


def test_counts_times_constants_add_up_to_the_energy_of_the_widest_scope(
    sources: Sources, placed_energy: EnergyReport
) -> None:
    tables = 0
    for profile in placed_energy.profiles:
        for variant in profile.variants:
            table = energy_sources.product_table(sources, profile, variant)
            charged = [
                e for e in placed_energy.scopes if (e.profile, e.variant) == (profile.name, variant) and e.spiking
            ]
            assert (table is None) == (not charged)
            if table is None:
                continue
            tables += 1
            *parts, last = [joules(str(row[4])) for row in table.rows]
            assert charged[-1].spiking is not None
            assert sum(parts) == pytest.approx(charged[-1].spiking.mean, rel=0.01)
            assert last == pytest.approx(charged[-1].spiking.mean, rel=0.01)
            for row in table.rows[:-1]:
                assert isinstance(row[3], page.Jump)
    assert tables >= 8


def test_a_sum_leaves_out_what_the_host_does(ported: tuple[FixedGraph, object], run: Trace) -> None:
    placement, _ = fit.place_first(ported[0], chips.select(["loihi1"]))
    counted = counts.counts(ported[0], activity.measure(ported[0], run), placement=placement)
    report = estimate.estimate(ported[0], counted, profiles.select(["loihi1_davies2018"]))
    entry = report.entry("loihi1_davies2018", "native", "static")
    assert "dense_1" in entry.left_out
    assert entry.spiking is not None
    table = energy_sources.product_table(Sources.of(report), report.profiles[0], "native")
    assert table is not None
    *parts, _ = [joules(str(row[4])) for row in table.rows]
    assert sum(parts) == pytest.approx(entry.spiking.mean, rel=0.01)
    told = {str(row[0]): str(row[2]) for row in table.rows}
    kept = [node for node in counted.nodes if node.name not in entry.left_out]
    assert told["synop"] == f"{sum(node.synops_stored.sum(axis=0).mean() for node in kept):,.0f}"
    assert "power x duration" in told


def test_a_product_is_its_count_times_its_constant(sources: Sources, placed_energy: EnergyReport) -> None:
    profile = next(one for one in placed_energy.profiles if one.name == "horowitz45")
    table = energy_sources.product_table(sources, profile, "f32")
    assert table is not None
    row = next(row for row in table.rows if row[0] == "synop")
    count = float(str(row[2]).replace(",", ""))
    assert count == round(sum(float(node.synops_stored.sum(axis=0).mean()) for node in placed_energy.counts.nodes))
    assert joules(str(row[4])) == pytest.approx(count * 0.9e-12, rel=0.01)


def test_every_reason_has_a_row_and_an_anchor(sources: Sources) -> None:
    table = energy_sources.reasons_table(sources)
    assert len(table.rows) == len(set(table.anchors)) == len(sources.reasons)
    told = [place for place in sources.told["reasons"] if place != "ClassificationAccuracy"]
    assert sum(int(str(row[1]).replace(",", "")) for row in table.rows) == len(told)


def test_an_energy_leads_to_its_sum_and_a_dash_to_its_reason(sources: Sources, placed_energy: EnergyReport) -> None:
    for entry in placed_energy.scopes:
        cell = sources.spiking(entry)
        assert isinstance(cell, page.Jump)
        assert cell.anchor.startswith("sum-" if entry.spiking else "reason-")


def test_names_that_differ_in_signs_alone_keep_their_own_anchors(placed_energy: EnergyReport) -> None:
    first = placed_energy.profiles[0]
    twice = tuple(dataclasses.replace(first, name=name) for name in ("a b", "a_b", "<a>"))
    found = Sources(dataclasses.replace(placed_energy, profiles=twice), {"reasons": {}})
    anchors = [found.constant(one.name, "f32.synop") for one in twice]
    assert len(set(anchors)) == 3
    assert all(anchor.replace("-", "").isalnum() for anchor in anchors)


def test_a_place_is_told_in_words() -> None:
    long = "profiles.gpu.variants.native.scopes.compute.baselines.dense_native.energy"
    assert energy_sources._readable(long) == "gpu, compute"
    assert energy_sources._readable("layers.lif_1.energy.10.energy") == "lif 1, energy"
    assert energy_sources._readable("twin") == "twin"
