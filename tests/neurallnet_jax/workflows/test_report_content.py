"""A report as JSON and back, without its pictures."""

import dataclasses
import json

import pytest

from neurallnet_jax.workflows import report_content, report_page
from neurallnet_jax.workflows.report_content import PARTS, RunReport


def test_a_report_survives_json_and_makes_the_same_page(full: RunReport) -> None:
    bare = dataclasses.replace(
        full,
        pictures=False,
        failures=dataclasses.replace(
            full.failures, shown=tuple(dataclasses.replace(one, image=None) for one in full.failures.shown)
        ),
    )
    text = json.dumps(report_content.to_json(full), allow_nan=False)
    assert "data:image" not in text
    again = report_content.from_json(json.loads(text))
    assert report_page.render(again) == report_page.render(bare)


def test_missing_parts_are_named(reported) -> None:
    data = report_content.to_json(reported.report)
    assert data["missing"] == ["crossvalidation", "explain", "ablation"]
    what, reason, command = data["ablation"]["missing"]
    assert "ablate --data smears" in command
    assert what
    assert "--ablation FOLDER" in reason
    assert set(PARTS) <= set(data)


def test_other_data_is_refused(reported) -> None:
    data = report_content.to_json(reported.report)
    with pytest.raises(ValueError, match="format version 99"):
        report_content.from_json({**data, "format_version": 99})
    del data["subject"]
    with pytest.raises(ValueError, match="is incomplete"):
        report_content.from_json(data)
