import dataclasses
from pathlib import Path

import pytest

from neurallnet_jax.evaluation.robustness_result import Clean, Condition, Robustness, Summary
from neurallnet_jax.metrics.intervals import Interval
from neurallnet_jax.workflows import page, section_robustness


@pytest.fixture
def found() -> Robustness:
    """JPEG at two severities: 0.9 clean, 0.8 and 0.5; lif_2 falls to a fifth of its rate."""
    condition = Condition(
        "jpeg", 1, 80, 0.8, Interval(0.75, 0.85), 0.1, Interval(0.05, 0.15), 0.125, {"lif_1": 0.2, "lif_2": 0.1}
    )
    worse = dataclasses.replace(
        condition, severity=5, parameter=10, balanced_accuracy=0.5, drop=0.4, rates={"lif_1": 0.2, "lif_2": 0.02}
    )
    mean = Summary("jpeg", 0.65, Interval(0.6, 0.7), 0.25, Interval(0.2, 0.3), 0.25 / 0.65)
    return Robustness(
        classes=("a", "b", "c", "d"),
        n=1200,
        seen=0,
        seed=0,
        chance=0.25,
        groups=31,
        no_interval=None,
        clean=Clean(0.9, Interval(0.85, 0.95), {"lif_1": 0.2, "lif_2": 0.1}),
        conditions=(condition, worse),
        summaries=(mean,),
        overall=dataclasses.replace(mean, name="all"),
    )


def tables(section: page.Section) -> dict[str, page.Table]:
    return {block.caption: block for block in section.blocks if isinstance(block, page.Table)}


def test_tables_hold_every_figure(found: Robustness) -> None:
    section = section_robustness.section({"pretrained": found})
    means, conditions = tables(section).values()
    assert [row[0] for row in means.rows] == ["JPEG", "All of them"]
    assert [str(cell).replace("\xa0", " ") for cell in means.rows[0]] == [
        "JPEG", "65.0 %", "[60.0, 70.0]", "25.0", "[20.0, 30.0]", "38 %",
    ]  # fmt: skip
    assert [row[0] for row in conditions.rows] == ["Clean", "JPEG 1 (80; quality)", "JPEG 5 (10; quality)"]
    assert conditions.header[-2:] == ("lif_1", "lif_2")
    assert [str(cell).replace("\xa0", " ") for cell in conditions.rows[2]] == [
        "JPEG 5 (10; quality)", "50.0 %", "[75.0, 85.0]", "40.0", "[5.0, 15.0]", "12 %", "0.200", "0.0200",
    ]  # fmt: skip


def test_a_layer_that_falls_silent_is_named(found: Robustness) -> None:
    section = section_robustness.section({"pretrained": found})
    points = next(block for block in section.blocks if isinstance(block, page.Points) and "below half" in block.title)
    assert points.items == ("lif_2 at JPEG 5 (10; quality): 0.20 times its clean rate",)


def test_what_flatters_or_is_missing_is_said(found: Robustness) -> None:
    text = section_robustness.render(
        {"pretrained": dataclasses.replace(found, seen=7, no_interval="class 0 has only 1 group")}, command="x"
    )
    assert "7 of the 1,200 images were seen in training or selection" in text
    assert "There are no intervals: class 0 has only 1 group." in text
    assert "were seen" not in section_robustness.render({"pretrained": found}, command="x")


def test_a_network_without_spikes_has_no_rates(found: Robustness) -> None:
    relu = dataclasses.replace(
        found,
        clean=dataclasses.replace(found.clean, rates={}),
        conditions=tuple(dataclasses.replace(one, rates={}) for one in found.conditions),
    )
    section = section_robustness.section({"relu": relu})
    assert any(isinstance(block, page.Absent) for block in section.blocks)


def test_two_models_share_the_curves_and_have_tables_of_their_own(found: Robustness) -> None:
    section = section_robustness.section({"one": found, "two": found})
    assert list(tables(section)) == [
        "Means over the severities of one",
        "Every corruption and severity of one; of layers: spikes per neuron and step",
        "Means over the severities of two",
        "Every corruption and severity of two; of layers: spikes per neuron and step",
    ]


def test_the_page_needs_nothing_else_and_says_what_it_is_not(found: Robustness, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    written = section_robustness.write({hostile: found}, tmp_path / "page.html", command="neurallnet robustness")
    text = written.read_text(encoding="utf-8")
    assert hostile not in text
    assert "no medical device" in text
    assert "neurallnet robustness" in text
    assert text == section_robustness.render({hostile: found}, command="neurallnet robustness")
