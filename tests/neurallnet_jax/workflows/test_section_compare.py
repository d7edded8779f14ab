"""The part of a page on a comparison: forest, costs, tests with their caution, and the same from a JSON file."""

import json

import numpy as np
import pytest
import scipy.special

from neurallnet_jax.evaluation import comparison
from neurallnet_jax.evaluation.comparison import Comparison, Entrant
from neurallnet_jax.evaluation.footprint import Footprint, Latency
from neurallnet_jax.evaluation.operations import Energy, Operations
from neurallnet_jax.evaluation.predictions import PredictionTable
from neurallnet_jax.evaluation.trained import Trained
from neurallnet_jax.workflows import page, section_compare

CLASSES = ("Benign", "Early Pre-B", "Pre-B")
COST = Footprint("spiking", 4, (32, 32), 1234, 4936, 5_600_000, Latency(1.5e-3, 1e-3, 2e-3, 5), None)


def entrant(name: str, seed: int, *, groups: int = 12) -> Entrant:
    labels = np.arange(90) % 3
    logits = np.random.default_rng(seed).normal(size=(90, 3)) + (1 + seed) * np.eye(3)[labels]
    table = PredictionTable(
        CLASSES, tuple(map(str, range(90))), tuple(f"{p:064x}" for p in range(90)), labels,
        scipy.special.softmax(logits, axis=1), np.zeros(90, bool), labels + 3 * (np.arange(90) * groups // 90),
    )  # fmt: skip
    return Entrant(name, name, table, COST if seed else None)


def compared(*names: str, groups: int = 12) -> Comparison:
    return comparison.compare([entrant(name, seed, groups=groups) for seed, name in enumerate(names)], draws=50)


def table_named(section: page.Section, caption: str) -> page.Table:
    return next(one for one in section.blocks if isinstance(one, page.Table) and caption in one.caption)


def test_every_test_has_a_row_and_the_caution_stands_beside_them():
    found = compared("first/run", "second/run", "third")
    section = section_compare.section(found)
    tests = table_named(section, "Holm's correction")
    assert len(tests.rows) == len(found.tests) == 3 * 6
    assert tests.rows[0][:3] == ("first/run − second/run", "McNemar, exact", "accuracy")
    assert {row[-1] for row in tests.rows} == {"independent images", "independent groups"}
    assert any(isinstance(one, page.Text) and one.text == section_compare.CAUTION for one in section.blocks)
    assert not any(isinstance(one, page.Text) and "ew groups in a class" in one.text for one in section.blocks)


def test_few_groups_are_warned_of():
    section = section_compare.section(compared("a", "b", groups=3))
    assert any(isinstance(one, page.Text) and one.text.startswith("Few groups in a class") for one in section.blocks)


def test_costs_are_shown_where_they_are_known():
    costs = table_named(section_compare.section(compared("a", "b")), "What they cost")
    assert costs.rows[0][1:] == ("–",) * 8
    assert [str(cell).replace("\u00a0", " ") for cell in costs.rows[1][4:7]] == ["1,234", "4.94 kB", "5.60 M"]
    assert "1.50" in str(costs.rows[1][7])
    assert costs.rows[1][8] == "–"


def test_models_without_images_say_what_is_missing():
    found = comparison.compare([Entrant("a", "a", None, COST)])
    section = section_compare.section(found)
    assert any(isinstance(one, page.Absent) for one in section.blocks)
    assert table_named(section, "Scores").rows[0][1:8] == ("–",) * 7


def test_the_section_from_a_json_file_is_the_same():
    found = compared("a", "b")
    data = json.loads(json.dumps(comparison.to_json(found)))
    assert section_compare.section(comparison.from_json(data)) == section_compare.section(found)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["pretrained"], ["pretrained"]),
        (["/home/x/runs/a", "/home/x/runs/b"], ["a", "b"]),
        (["one/run", "two/run"], ["one/run", "two/run"]),
    ],
)
def test_names_are_as_short_as_tells_them_apart(names, expected):
    assert section_compare.short_names(names) == dict(zip(names, expected, strict=True))


def test_the_page_is_one_file_that_names_no_folder_of_this_machine(tmp_path):
    found = compared("/home/someone/runs/a", "/home/someone/runs/<b>")
    text = section_compare.write(found, tmp_path / "page.html", command="neurallnet compare a b").read_text()
    assert "someone" not in text
    assert "<b>" not in text
    assert "Models side by side" in text
    assert "data:image/svg+xml" in text


def test_what_one_image_costs_and_how_each_was_trained_are_said():
    energies = (Energy("horowitz45", "f32", "compute", 4.5e-6), Energy("cpu", "native", "static", None, "why"))
    spent = Operations(8, 2e6, 3e6, energies)
    record = Trained(6, 4, (96, 96), "blocks", 2, 1066, "random weights", 61.5)
    one = Entrant("runs/a", "a", None, COST, trained=record, operations=spent)
    section = section_compare.section(comparison.compare([one]))
    table = table_named(section, "What one image costs")
    assert table.rows[0] == ("a", "3.00\u00a0M", "2.00\u00a0M", "4.50\u00a0µJ", "–")
    points = {block.title: block for block in section.blocks if isinstance(block, page.Points)}
    assert "a: why" in str(points["What was not counted or priced"])
    assert "96 x 96 px, 1,066 images" in str(points["How each was trained"])
