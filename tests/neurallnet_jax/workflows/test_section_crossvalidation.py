"""The section shows the numbers of the table, and the page needs nothing else."""

import re
from pathlib import Path

import pytest

from neurallnet_jax.evaluation import crossvalidation_table as tables
from neurallnet_jax.evaluation.crossvalidation_table import CrossValidation
from neurallnet_jax.workflows import page, section_crossvalidation


@pytest.fixture(scope="module")
def found(crossvalidated: Path) -> CrossValidation:
    return tables.tabulate(crossvalidated)


def tables_of(section: page.Section) -> dict[str, page.Table]:
    return {block.caption: block for block in section.blocks if isinstance(block, page.Table)}


def test_every_run_and_every_mean_has_a_row_with_its_numbers(found: CrossValidation) -> None:
    shown = tables_of(section_crossvalidation.section(found))
    for split in found.splits:
        rows = shown[f"Every run of {split.name}"].rows
        assert len(rows) == len(split.runs)
        for row, run in zip(rows, split.runs, strict=True):
            assert row[:2] == (str(run.fold), str(run.seed))
            assert row[4] == f"{run.balanced_accuracy:.4f}"
            assert row[-1] == f"{run.colour:.4f}"
    means = next(table for caption, table in shown.items() if caption.startswith("Mean over folds"))
    mean = found.splits[1].means["balanced_accuracy"]
    assert mean.group is not None
    row = next(row for row in means.rows if row[:2] == ("random", "Balanced accuracy"))
    assert row[2] == f"{mean.mean:.4f}"
    assert row[5] == f"[{mean.group.low:.4f},\u00a0{mean.group.high:.4f}]"
    assert row[-1] == f"{found.splits[1].colour:.4f}"


def test_the_gap_and_the_images_left_out_are_shown(found: CrossValidation) -> None:
    shown = tables_of(section_crossvalidation.section(found))
    gap = next(table for caption, table in shown.items() if caption.startswith("What images drawn at random hide"))
    assert gap.rows[0][:2] == ("random minus contiguous-4", f"{found.gaps[0].value:+.4f}")
    counts = next(table for caption, table in shown.items() if caption.startswith("Images by split, of 400"))
    assert counts.rows[0] == ("contiguous-4", "240", "160", "0")
    assert counts.rows[1][-1] == "6"


def test_a_missing_interval_has_its_reason(found: CrossValidation) -> None:
    assert found.splits[0].means["balanced_accuracy"].group is None
    blocks = section_crossvalidation.section(found).blocks
    (reasons,) = [block for block in blocks if isinstance(block, page.Points)]
    assert any("has only 1 group" in line for line in reasons.items)


def test_the_page_is_whole_shows_its_command_and_refers_to_nothing_outside(
    found: CrossValidation, tmp_path: Path
) -> None:
    place = section_crossvalidation.write(found, tmp_path / "deep" / "cv.html", command="neurallnet crossvalidate")
    text = place.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<code>neurallnet crossvalidate</code>" in text
    assert not re.findall(r"https?://", text)
    assert "no medical device" in text
    assert section_crossvalidation.render(found, command="neurallnet crossvalidate") == text
    with pytest.raises(ValueError, match="cannot be written"):
        section_crossvalidation.write(found, tmp_path, command="x")
