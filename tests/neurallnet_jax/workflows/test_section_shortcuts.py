import dataclasses

import pytest

from neurallnet_jax.evaluation.edits import EDITS, UNEDITED, EditScore, RunScore
from neurallnet_jax.evaluation.shortcut_audit import Audit
from neurallnet_jax.evaluation.shortcuts import COLOUR, REFERENCE, Shortcut
from neurallnet_jax.workflows import section_shortcuts
from neurallnet_jax.workflows.page import Absent, Picture, Points, Table

RUN = RunScore(
    "first", "test", 40, 160, (2, 3), (240.0, 240.0, 240.0), (Shortcut(COLOUR, 18, REFERENCE, (0.93,)),),
    tuple(EditScore(name, 0.96 if name == UNEDITED else 0.91, 0.05, (0.01, 0.1), 0.1) for name in EDITS),
)  # fmt: skip
AUDIT = Audit(
    "smears", 200, ("a", "b"), "contiguous", (0, 1), 24, 0,
    (Shortcut("background colour", 3, REFERENCE, (0.7, 0.8)), Shortcut(COLOUR, 18, REFERENCE, (0.9, 0.94)),
     Shortcut("JPEG", 0, REFERENCE, (), "one.png is PNG")),
    (RUN,),
)  # fmt: skip


def test_the_section_shows_every_number_and_why_one_is_missing():
    found = section_shortcuts.section(AUDIT)
    tables = [block for block in found.blocks if isinstance(block, Table)]
    assert [row[0] for row in tables[0].rows] == ["background colour", COLOUR, "JPEG"]
    assert tables[0].rows[0][3:] == ("70.0\u00a0%", "80.0\u00a0%", "75.0\u00a0%")
    assert tables[0].rows[2][3:] == ("–", "–", "–")
    assert [block.items for block in found.blocks if isinstance(block, Points)] == [("JPEG: one.png is PNG.",)]
    assert [row[0] for row in tables[1].rows] == list(EDITS)
    assert tables[1].rows[1][1:4] == ("91.0\u00a0%", "+5.0", "[+1.0,\u00a0+10.0]")
    assert sum(isinstance(block, Picture) for block in found.blocks) == 2
    best = next(block for block in found.blocks if isinstance(block, Picture))
    assert COLOUR in best.alt
    assert "92.0\u00a0%" in best.alt


def test_without_a_run_the_section_says_how_to_name_one():
    found = section_shortcuts.section(dataclasses.replace(AUDIT, runs=()))
    assert [block.reason for block in found.blocks if isinstance(block, Absent)] == [
        "No RUN was named; `--run RUN` scores one."
    ]


def test_a_run_without_neighbours_says_why():
    lonely = dataclasses.replace(
        RUN, shortcuts=(), reason="nothing seen here",
        edits=tuple(dataclasses.replace(edit, interval=None, reason="only 1 group") for edit in RUN.edits),
    )  # fmt: skip
    found = section_shortcuts.section(dataclasses.replace(AUDIT, runs=(lonely,)))
    assert [block.reason for block in found.blocks if isinstance(block, Absent)] == ["nothing seen here"]
    assert ("only 1 group",) in [block.items for block in found.blocks if isinstance(block, Points)]


@pytest.mark.parametrize(("score", "good"), [(0.96, True), (0.90, False)])
def test_a_card_says_whether_the_run_lies_above_the_colour_line(score, good):
    run = dataclasses.replace(RUN, edits=(dataclasses.replace(RUN.edits[0], balanced_accuracy=score), *RUN.edits[1:]))
    cards = section_shortcuts._cards(dataclasses.replace(AUDIT, runs=(run,)))
    assert cards[0].value == "92.0\u00a0%"
    assert cards[-1].good is good


def test_the_page_is_one_file_that_says_the_command(tmp_path):
    place = section_shortcuts.write(AUDIT, tmp_path / "page.html", command="neurallnet audit shortcuts smears")
    text = place.read_text(encoding="utf-8")
    assert "neurallnet audit shortcuts smears" in text
    assert "no medical device" in text
    assert "Could it be told without looking at cells?" in text
    assert text == section_shortcuts.render(AUDIT, command="neurallnet audit shortcuts smears")
