import dataclasses
import json

import numpy as np
import pytest

from neurallnet_jax.evaluation import trust
from neurallnet_jax.evaluation.trust import Quality, TrustReport
from neurallnet_jax.metrics import calibration, selective
from neurallnet_jax.metrics.conformal import Coverage
from neurallnet_jax.trust import Abstention, ConformalRule, Trust
from neurallnet_jax.workflows import section_trust
from neurallnet_jax.workflows.page import Absent, Picture, Table


@pytest.fixture(scope="module")
def report() -> TrustReport:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    first = rng.uniform(0, 1, 80)
    probabilities = np.stack([first, 1 - first], axis=1)
    bins = calibration.reliability(labels, probabilities)
    curve = selective.risk_coverage(probabilities.max(axis=1), probabilities.argmax(axis=1) != labels)
    return TrustReport(
        temperature=0.58,
        previous=None,
        n=80,
        groups=7,
        parts=5,
        reference=1234,
        source="80 images of <somewhere>",
        classes=("calm", "wild"),
        uncalibrated=Quality(0.5, 0.6, 0.7),
        before=Quality(0.5, 0.6, 0.7),
        after=Quality(0.0123, 0.2, 0.3),
        reliability=(bins, bins),
        trust=Trust(ConformalRule("aps", 0.9, (0.8,), 80), Abstention(0.87654, "risk", 0.01)),
        sets=Coverage(0.912, (0.9, None), 1.25, 0.75),
        part_coverage=(0.9, 0.95),
        curve=curve,
        aurc=0.0456,
        answered=0.83,
        risk=0.011,
        warned={"stain": 0.01, "any": 0.015},
        notes=("a note",),
    )


def test_the_page_shows_every_figure_and_escapes_what_it_is_given(report):
    html = section_trust.render(report, command="neurallnet calibrate <x>")
    for text in ("0.0123", "91.2", "1.25", "0.8765", "1,234", "a note", "90.0 %, 95.0 %", "0.58"):
        assert text in html
    assert "&lt;somewhere&gt;" in html
    assert "<somewhere>" not in html
    assert html == section_trust.render(report, command="neurallnet calibrate <x>")


def test_a_page_from_the_json_of_the_command_is_the_same(report):
    again = trust.from_json(json.loads(json.dumps(trust.to_json(report))))
    assert section_trust.render(again, command="c") == section_trust.render(report, command="c")


def test_what_was_not_fitted_is_named_as_absent(report):
    bare = dataclasses.replace(
        report,
        trust=dataclasses.replace(report.trust, abstention=None),
        warned={},
        answered=None,
        risk=None,
        temperature=None,
        notes=(),
    )
    blocks = section_trust.section(bare).blocks
    assert [block.what for block in blocks if isinstance(block, Absent)] == ["Abstention", "Warnings of unlike images"]
    assert len([block for block in section_trust.section(report).blocks if isinstance(block, Picture)]) == 2
    assert {card.label for card in section_trust.cards(bare)} == {"Calibration error", "Sets hold the true class"}
    assert section_trust.render(bare, command="c")


def test_a_coverage_that_was_missed_is_marked(report):
    short = dataclasses.replace(report, sets=dataclasses.replace(report.sets, coverage=0.85))
    marks = [next(card.good for card in section_trust.cards(one) if "Sets" in card.label) for one in (report, short)]
    assert marks == [True, False]


def test_a_class_without_images_has_a_dash(report):
    table = next(
        block for block in section_trust.section(report).blocks if isinstance(block, Table) and "aps" in block.caption
    )
    assert table.rows[2][:2] == ("wild", "-")


def test_the_file_is_written_whole(report, tmp_path):
    path = section_trust.write(report, tmp_path / "page.html", command="c")
    assert path.read_text(encoding="utf-8") == section_trust.render(report, command="c")
