"""The picture of all folds is drawn from the table, alike each time, in light and in dark."""

import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from neurallnet_jax.evaluation import crossvalidation_table as tables
from neurallnet_jax.evaluation.crossvalidation_table import CrossValidation
from neurallnet_jax.workflows import figures, figures_folds


def texts(data: bytes) -> list[str]:
    """Return the texts of an SVG; matplotlib draws them as outlines and notes each in a comment."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    parser.feed(data)
    return [(node.text or "").strip() for node in parser.close().iter() if node.tag is ET.Comment]


@pytest.fixture(scope="module")
def found(crossvalidated: Path) -> CrossValidation:
    return tables.tabulate(crossvalidated)


@pytest.mark.parametrize("theme", [figures.LIGHT, figures.DARK], ids=["light", "dark"])
def test_the_picture_is_valid_small_and_the_same_again(found: CrossValidation, theme: figures.Theme) -> None:
    data = figures_folds.fold_dots(found, theme=theme)
    assert len(data) < 200_000
    assert data == figures_folds.fold_dots(found, theme=theme)
    assert ET.fromstring(data).tag.endswith("svg")


def test_it_names_every_split_with_its_mean_and_every_fold(found: CrossValidation) -> None:
    shown = texts(figures_folds.fold_dots(found))
    for split in found.splits:
        assert f"{split.name}: {split.means['balanced_accuracy'].mean:.4f}, colour alone {split.colour:.4f}" in shown
    assert [shown.count(f"fold {fold}") for fold in (0, 1, 2, 4)] == [2, 0, 2, 2]
    assert {"one run", "mean over folds", "colour alone", "95 % over groups", "95 % over images"} <= set(shown)


def test_a_run_that_scores_otherwise_is_drawn_elsewhere(found: CrossValidation) -> None:
    split = found.splits[0]
    for change in ({"balanced_accuracy": 0.5}, {"colour": 0.5}):
        runs = (dataclasses.replace(split.runs[0], **change), *split.runs[1:])
        other = dataclasses.replace(found, splits=(dataclasses.replace(split, runs=runs), *found.splits[1:]))
        assert figures_folds.fold_dots(other) != figures_folds.fold_dots(found)


def test_seeds_of_a_fold_stand_apart(found: CrossValidation) -> None:
    first, second = found.splits[0].runs[:2]
    assert first.fold == second.fold
    assert figures_folds._offset(first, [0, 1]) == -figures_folds._offset(second, [0, 1]) != 0
    assert figures_folds._offset(first, [0]) == 0
