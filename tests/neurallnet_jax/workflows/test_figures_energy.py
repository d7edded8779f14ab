"""Pictures of an energy estimate show the numbers of the report, in light and in dark."""

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pytest

from lava_port.energy.results import EnergyReport
from neurallnet_jax.workflows import figures, figures_energy


def texts(data: bytes) -> list[str]:
    """Return the texts of an SVG; matplotlib draws them as outlines and notes each in a comment."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    parser.feed(data)
    return [(node.text or "").strip() for node in parser.close().iter() if node.tag is ET.Comment]


FIGURES: dict[str, Callable[..., bytes]] = {
    "curves": figures_energy.ratio_curves,
    "steps": figures_energy.spikes_per_step,
    "cores": figures_energy.core_use,
    "classes": lambda report, **o: figures_energy.class_histogram(report, report.scopes[0], **o),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("theme", [figures.LIGHT, figures.DARK], ids=["light", "dark"])
def test_a_figure_is_valid_small_and_the_same_again(
    placed_energy: EnergyReport, name: str, theme: figures.Theme
) -> None:
    data = FIGURES[name](placed_energy, theme=theme)
    assert len(data) < 300_000
    assert data == FIGURES[name](placed_energy, theme=theme)
    assert ET.fromstring(data).tag.endswith("svg")


def test_the_heat_map_prints_the_mean_spikes_of_every_step(placed_energy: EnergyReport) -> None:
    shown = texts(figures_energy.spikes_per_step(placed_energy))
    spiking = [node for node in placed_energy.counts.nodes if node.signal == "spikes"]
    numbers = [float(text.replace(",", "")) for text in shown if text.replace(",", "").replace(".", "").isdecimal()]
    idle = 0
    for node in spiking:
        idle += placed_energy.counts.total_steps - len(node.spikes)
        for value in node.spikes.mean(axis=1):
            assert any(abs(found - value) <= 0.5 for found in numbers)
    assert shown.count("·") == idle > 0


def test_spikes_in_five_signs_are_off_by_less_than_they_show() -> None:
    for value, text in ((0, "0"), (0.25, "0.25"), (12.34, "12"), (99.6, "100"), (9_999.4, "9,999"), (12_345, "12.3k")):
        assert figures_energy._compact(value) == text
    assert figures_energy._compact(123_456) == "123k"


def test_curves_pass_through_the_ratio_as_it_ran(placed_energy: EnergyReport) -> None:
    panels = figures_energy.curves(placed_energy)
    assert panels
    for panel in panels:
        for one, even in panel.lines:
            assert one.ratio is not None
            assert figures_energy._at_operating(even) == pytest.approx(one.ratio.value)


def test_equal_curves_of_two_profiles_share_a_panel(placed_energy: EnergyReport) -> None:
    twice = tuple(
        dataclasses.replace(entry, profile=name) for name in ("horowitz45", "mine") for entry in placed_energy.scopes
    )
    panels = figures_energy.curves(dataclasses.replace(placed_energy, scopes=twice))
    first = figures_energy.curves(
        dataclasses.replace(placed_energy, scopes=tuple(one for one in twice if one.profile == "mine"))
    )
    assert len(panels) == len(first)
    for both, alone in zip(panels, first, strict=True):
        theirs = tuple(title.replace("mine", "horowitz45") for title in alone.titles)
        assert both.titles == (*theirs, *alone.titles)


def test_published_break_evens_are_brought_to_the_rate_of_this_network(placed_energy: EnergyReport) -> None:
    now = placed_energy.operating
    found = {letter: (low, high) for letter, low, high in figures_energy.published_rates(placed_energy)}
    assert found["a"] == pytest.approx((1.72 / 4, 1.72 / 4))
    assert now.spikes_per_synapse is not None
    assert found["b"][1] / now.rate == pytest.approx(1.38 / now.spikes_per_synapse)
    assert found["c"] == (0.064, 0.064)


def test_cores_hold_what_the_placement_says(placed_energy: EnergyReport) -> None:
    shares = figures_energy.core_shares(placed_energy)
    placement, neurons = placed_energy.counts.placement, placed_energy.counts.neurons_per_core
    assert placement is not None
    assert neurons is not None
    most = placement.layers[0].usage[0].available
    assert most is not None
    np.testing.assert_allclose([one.neurons for one in shares], neurons / most)
    for layer in placement.layers:
        fullest = max(one.memory or 0 for one in shares if one.layer == layer.name)
        assert fullest == pytest.approx({one.limit: one.share for one in layer.usage}["memory"])


def test_what_cannot_be_drawn_is_refused(energy: EnergyReport) -> None:
    assert figures_energy.core_shares(energy) == ()
    with pytest.raises(ValueError, match="was not placed on a chip"):
        figures_energy.core_use(energy)
    with pytest.raises(ValueError, match="no baseline has a curve"):
        figures_energy.ratio_curves(dataclasses.replace(energy, scopes=()))
    with pytest.raises(ValueError, match="1 energies give no histogram"):
        figures_energy.class_histogram(energy, dataclasses.replace(energy.scopes[0], per_image=(1e-6,)))


def test_a_histogram_has_a_row_per_class_with_its_mean(placed_energy: EnergyReport) -> None:
    entry = placed_energy.scopes[0]
    shown = texts(figures_energy.class_histogram(placed_energy, entry))
    rows = [text for text in shown if " images, mean " in text]
    assert len(rows) == len(placed_energy.graph.classes)
    without = dataclasses.replace(placed_energy, labels=None)
    assert any(
        text.startswith("all images: 8 images") for text in texts(figures_energy.class_histogram(without, entry))
    )


def test_static_power_is_drawn_beside_the_layers(placed_energy: EnergyReport) -> None:
    bare = dataclasses.replace(placed_energy, scopes=placed_energy.scopes[:1])
    entry = bare.scopes[0]
    assert entry.spiking is not None
    with_static = dataclasses.replace(bare, scopes=(dataclasses.replace(entry, shared=entry.spiking.mean / 2),))
    assert "static power" not in texts(figures.energy_bars(bare))
    assert "static power" in texts(figures.energy_bars(with_static))
    assert len(figures.energy_bars(with_static)) > len(figures.energy_bars(bare))
