"""The part of a page on scores: what stands in it, and that a JSON file gives the same."""

import dataclasses
import json
from html.parser import HTMLParser

import numpy as np
import pytest
import scipy.special

from neurallnet_jax.evaluation import evaluate
from neurallnet_jax.evaluation.evaluate import Evaluation
from neurallnet_jax.evaluation.predictions import PredictionTable
from neurallnet_jax.workflows import page, section_scores

CLASSES = ("Benign", "Early Pre-B", "Pre-B", "Pro-B")


def evaluation(
    *, classes: tuple[str, ...] = CLASSES, skill: float = 2.0, seen: int = 0, present: int = 4
) -> Evaluation:
    generator = np.random.default_rng(0)
    labels = np.arange(80) % present
    probabilities = scipy.special.softmax(generator.normal(size=(80, 4)) + skill * np.eye(4)[labels], axis=1)
    return evaluate.judge_table(
        PredictionTable(
            classes, tuple(f"{p}.png" for p in range(80)), tuple(f"{p:064x}" for p in range(80)), labels,
            probabilities, np.arange(80) < seen, labels + 4 * (np.arange(80) // 20),
        )
    )  # fmt: skip


class Words(HTMLParser):
    """Collects what a reader reads."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def words(text: str) -> str:
    parser = Words()
    parser.feed(text)
    return " ".join(" ".join(parser.words).split())


def rendered(found: Evaluation, tmp_path) -> str:
    path = section_scores.write(found, tmp_path / "page.html", subject="run on folder", command="neurallnet evaluate")
    return words(path.read_text(encoding="utf-8"))


def test_the_page_holds_every_metric_with_both_intervals(tmp_path):
    found = evaluation()
    said = rendered(found, tmp_path)
    for name, text in section_scores.METRICS.items():
        value = getattr(found.scores, name)
        assert text in said
        assert section_scores.metric_text(name, value).replace("\u00a0", " ") in said.replace("\u00a0", " ")
        interval = found.intervals[name].group
        assert section_scores.interval_text(name, interval).replace("\u00a0", " ") in said.replace("\u00a0", " ")
    assert "80 images in 16 groups of neighbouring captures (Benign 4, Early Pre-B 4, Pre-B 4, Pro-B 4)" in said
    assert "not a medical device" in said
    assert "seen in training" not in said


def test_what_flatters_or_is_missing_is_said(tmp_path):
    said = rendered(evaluation(seen=7, present=3), tmp_path)
    assert "7 of these images were seen in training" in said
    assert "Pro-B: no image of this class" in said
    assert "few groups in a class" in said
    assert "it is not known which of these classes are benign" in rendered(evaluation(classes=tuple("abcd")), tmp_path)
    assert "every draw gives 1" in rendered(evaluation(skill=50.0), tmp_path)


def test_the_colour_line_stands_beside_the_scores_or_the_reason_why_there_is_none(tmp_path):
    plain = evaluation()
    assert "Colour line" in rendered(plain, tmp_path)
    assert "as it is" in rendered(dataclasses.replace(plain, colour_line_reason="as it is"), tmp_path)
    said = rendered(dataclasses.replace(plain, colour_line=0.94, colour_line_reason=None), tmp_path)
    assert "Colour alone, the nearest neighbour on 18 colour statistics, gets a balanced accuracy of 94.0" in said
    assert "colour alone 94.0" in said


def test_the_section_from_a_json_file_is_the_same():
    found = evaluation(seen=3, present=3)
    data = json.loads(json.dumps(evaluate.to_json(found), allow_nan=False))
    assert section_scores.section(evaluate.from_json(data)) == section_scores.section(found)


def test_names_of_classes_are_text_and_nothing_else(tmp_path):
    hostile = ("<script>alert(1)</script>", "$\\frac{$", "& ' \"", "ordinary")
    path = section_scores.write(evaluation(classes=hostile), tmp_path / "x.html", subject="<i>", command="<b>")
    text = path.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "<i>" not in text


def test_the_parts_have_anchors_and_kinds_that_the_page_knows():
    section = section_scores.section(evaluation())
    assert section.anchor == "scores"
    assert [type(block) for block in section.blocks].count(page.Picture) == 2


@pytest.mark.parametrize(("name", "text"), [("accuracy", "93.2\u00a0%"), ("auroc", "0.932")])
def test_shares_are_shown_in_per_cent(name, text):
    assert section_scores.metric_text(name, 0.932) == text
