import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from lava_port.trace import Mismatch
from neurallnet_jax.metrics import intervals
from neurallnet_jax.workflows import demo_page_sections, page
from neurallnet_jax.workflows.demo_page_content import LayerFigures, Missing, Parity, ReportContent, Samples

Make = Callable[..., ReportContent]
WHY = Missing("The reason for it.")


def table(section: page.Section, caption: str) -> page.Table:
    return next(b for b in section.blocks if isinstance(b, page.Table) and b.caption.startswith(caption))


@pytest.mark.parametrize("name", ["samples", "scores", "epochs", "layers", "trace", "rounding", "energy", "intervals"])
def test_what_is_missing_is_stated_with_its_reason(content_of: Make, name: str) -> None:
    section = {"epochs": "training", "trace": "raster", "intervals": "scores"}.get(name, name)
    content = content_of(**{name: WHY})
    blocks = getattr(demo_page_sections, section)(content).blocks
    assert [block.reason for block in blocks if isinstance(block, page.Absent)] == [WHY.reason]


def test_a_training_without_epochs_is_stated(content_of: Make) -> None:
    blocks = demo_page_sections.training(content_of(epochs=())).blocks
    assert isinstance(blocks[0], page.Absent)


def test_a_wrong_answer_is_marked_by_a_sign_and_told_in_the_alternative_text(content_of: Make) -> None:
    pixels = np.zeros((2, 4, 4, 3), np.uint8)
    chances = np.array([[0.9, 0.1, 0, 0], [0.6, 0.4, 0, 0]])
    content = content_of(samples=Samples(pixels, [0, 1], [0, 0], chances), classes=("a", "b", "c", "d"))
    gallery = demo_page_sections.samples(content).blocks[0]
    assert isinstance(gallery, page.Gallery)
    right, wrong = gallery.tiles
    assert (right.sign, right.good) == ("✓", True)
    assert (wrong.sign, wrong.good, wrong.title, wrong.detail) == ("✗", False, "a, 60\u00a0%", "is b")
    assert wrong.alt == "Smear of class b; the network says a, 60\u00a0%, which is wrong."
    assert gallery.caption.startswith("1 of these 2 are told right.")


def test_the_interval_over_groups_is_quoted_and_that_over_images_where_there_is_none(content_of: Make) -> None:
    group, image = intervals.Interval(0.8, 0.9), intervals.Interval(0.84, 0.86)
    reason = "class 0 has only 1 group"
    content = content_of(
        intervals={
            "accuracy": intervals.Intervals(group, image, (4,)),
            "balanced_accuracy": intervals.Intervals(None, image, (1,), group_reason=reason),
        }
    )
    section = demo_page_sections.scores(content)
    rows = table(section, "Scores on 80 images").rows
    assert [row[2] for row in rows[:3]] == ["[80.0,\u00a090.0]\u00a0%", "[84.0,\u00a086.0]\u00a0%", "–"]
    points = [block.items for block in section.blocks if isinstance(block, page.Points)]
    assert points == [(reason,), tuple(content.scores.undefined)]


def test_counts_of_the_confusion_stand_in_a_table_too(content_of: Make) -> None:
    content = content_of()
    rows = table(demo_page_sections.scores(content), "The same counts").rows
    assert [[int(str(cell)) for cell in row[1:]] for row in rows] == content.scores.confusion.tolist()  # type: ignore[union-attr]


def test_layers_that_fell_silent_are_named_with_their_epoch(content_of: Make) -> None:
    points = next(b for b in demo_page_sections.training(content_of()).blocks if isinstance(b, page.Points))
    assert points.items == ("epoch 1: layer 'lif_2' is silent: 0.00000 spikes per neuron and step",)


def test_a_layer_without_a_spike_is_called_silent(content_of: Make) -> None:
    layers = (LayerFigures("lif_1", (2, 2, 1), 9, 3.0, 0.2, 8), LayerFigures("lif_2", (2,), 9, 0.0, 0.0, 8))
    texts = [
        block.text
        for block in demo_page_sections.layers(content_of(layers=layers)).blocks
        if isinstance(block, page.Text)
    ]
    assert texts == ["Silent on all of these images: lif_2. No layer after a silent one hears anything."]
    assert len(demo_page_sections.layers(content_of(layers=layers[:1])).blocks) == 1


def test_a_difference_between_executions_says_where_it_begins(content_of: Make) -> None:
    differs = (
        Mismatch("lif_1", 70, 0, None),
        Mismatch("lif_2", 1_234, 5, (0, 3, 1, 1, 2)),
        Mismatch("readout", 0, 0, None),
    )
    lava = Parity("NumPy reference", "Lava", 0, WHY)
    section = demo_page_sections.parity(
        content_of(parity=(Parity("NumPy reference", "JAX emulator", 1, differs), lava))
    )
    rows = table(section, "NumPy reference and JAX emulator, on one image").rows
    assert rows[0] == ("lif_1", "70", "0", "✓ identical")
    assert rows[1] == ("lif_2", "1,234", "5", "✗ first at (0, 3, 1, 1, 2)")
    assert rows[2][1] == "–"
    absent = [block for block in section.blocks if isinstance(block, page.Absent)]
    assert absent == [page.Absent("NumPy reference and Lava", WHY.reason)]


def test_no_comparison_at_all_is_stated(content_of: Make) -> None:
    blocks = demo_page_sections.parity(content_of(parity=())).blocks
    assert any(isinstance(block, page.Absent) for block in blocks)


def test_the_worst_case_is_told_as_a_share_of_its_range(content_of: Make) -> None:
    content = content_of()
    assert not isinstance(content.rounding, Missing)
    row = dataclasses.replace(content.rounding[0], current_bound=25, current_limit=100)
    cells = table(demo_page_sections.rounding(content_of(rounding=(row,))), "What the rounding").rows[0]
    assert cells[4] == "25.0\u00a0%"


def test_facts_that_were_not_recorded_are_stated(content_of: Make) -> None:
    assert any(isinstance(block, page.Absent) for block in demo_page_sections.making(content_of(facts=())).blocks)
