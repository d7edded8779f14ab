"""A table of faithfulness as a section and a page."""

import dataclasses
from pathlib import Path

import pytest

from neurallnet_jax.explain.faithfulness_result import Faithfulness, Figure, Row, Stage
from neurallnet_jax.explain.trial import METRICS, REGIONS
from neurallnet_jax.metrics.intervals import Interval
from neurallnet_jax.workflows import page, section_explain


def row(name: str, gain: float, *, control: bool = False, **changed: float | None) -> Row:
    """A method whose deletion beats a random order by `gain`, give or take 0.02; all else is 0.5, shares 0.1 of 0.04."""
    values: dict[str, float | None] = {
        **dict.fromkeys(METRICS, 0.5),
        **{
            f"{region}_{kind}": value
            for region in REGIONS
            for kind, value in (("share", 0.1), ("area", 0.04), ("ratio", 2.5))
        },
        "deletion_over_random": gain,
        **changed,
    }
    found = {
        metric: Figure(None, None, 0) if value is None else Figure(value, Interval(value - 0.02, value + 0.02), 100)
        for metric, value in values.items()
    }
    return Row(
        name, control, found, (Stage("dense_1", Figure(0.4, None, 5), 0.2), Stage("conv_1", Figure(0.1, None, 5), 0.0))
    )


@pytest.fixture
def found() -> Faithfulness:
    return Faithfulness(
        rows=(row("grad-cam", 0.01), row("lime", 0.25), row("random", 0.0, control=True, deletion_over_random=None)),
        refused={"saliency": "the gradient goes through surrogates"}, n=100, seen=0, masks=31, checked=5, groups=12,
        no_interval=None, note="few groups in a class (Benign 3)", target="predicted",
        settings={"steps": 16, "replacement": "background", "noise": 2.0},
    )  # fmt: skip


def plain(text: object) -> str:
    return str(text).replace("\u00a0", " ")


def tables(section: page.Section) -> list[page.Table]:
    return [block for block in section.blocks if isinstance(block, page.Table)]


def reading(section: page.Section) -> str:
    return " ".join(section.blocks[-1].items)  # type: ignore[union-attr]


def test_tables_hold_every_figure(found: Faithfulness) -> None:
    curves, places, masks, checks = tables(section_explain.section(found))
    assert [one[0] for one in curves.rows] == ["grad-cam", "lime", "random *"]
    assert [plain(cell) for cell in curves.rows[1][1:3]] == ["0.500 [0.480, 0.520]", "0.250 [0.230, 0.270]"]
    assert curves.rows[2][2] == "–"
    assert [plain(cell) for cell in places.rows[0][-3:]] == ["10.0 %", "4.00 %", "2.50 [2.48, 2.52]"]
    assert "31 images" in masks.caption
    assert checks.rows[0][5:7] == ("0.40 (e)", "0.10")


def test_the_answer_names_the_best_those_that_beat_nothing_and_the_scale_bar(found: Faithfulness) -> None:
    said = plain(section_explain.answer(found))
    assert "lime is the most faithful by deletion, with an area 0.250 [0.230, 0.270] below" in said
    assert "not shown to beat that order: grad-cam;" in said
    assert "10.0 % of the evidence of lime lies on the scale bar, which is 4.00 % of the area." in said
    assert ". " not in said.replace("0. ", "")
    without = row("lime", 0.25, scale_bar_share=None, scale_bar_area=None)
    assert "no image has a scale bar" in section_explain.answer(dataclasses.replace(found, rows=(without,)))
    assert "No method was tested" in section_explain.answer(dataclasses.replace(found, rows=found.rows[2:]))


def test_what_is_missing_or_flatters_is_said(found: Faithfulness) -> None:
    section = section_explain.section(found)
    assert "Not for this network: saliency: the gradient goes through surrogates." in reading(section)
    assert "Few groups in a class (Benign 3)." in reading(section)
    assert "were seen in training" not in reading(section)
    bare = dataclasses.replace(found, seen=7, masks=0, no_interval="class Benign has only 1 group", note=None)
    section = section_explain.section(bare)
    assert "7 of the 100 images were seen in training" in reading(section)
    assert "There are no intervals: class Benign has only 1 group." in reading(section)
    assert len(tables(section)) == 3
    assert "7 of the 100 images were seen" in section_explain.render(bare, run="x", command="y")
    unlabelled = dataclasses.replace(found, rows=(row("lime", 0.2, shuffled=None),))
    assert "Label randomisation was not tested" in reading(section_explain.section(unlabelled))
    assert "Label randomisation was not tested" not in reading(section_explain.section(found))


def test_a_table_without_a_cascade_has_one_picture_less(found: Faithfulness) -> None:
    bare = dataclasses.replace(found, rows=tuple(dataclasses.replace(one, cascade=()) for one in found.rows))
    pictures = [
        [block for block in section_explain.section(one).blocks if isinstance(block, page.Picture)]
        for one in (found, bare)
    ]
    assert [len(one) for one in pictures] == [2, 1]


def test_a_hostile_name_is_text_and_equal_results_give_equal_pages(found: Faithfulness, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    rows = (dataclasses.replace(found.rows[0], method=hostile), *found.rows[1:])
    made = dataclasses.replace(found, rows=rows)
    written = section_explain.write(made, tmp_path / "page.html", run=hostile, command="neurallnet explain")
    text = written.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "neurallnet explain" in text
    assert text == section_explain.render(made, run=hostile, command="neurallnet explain")
