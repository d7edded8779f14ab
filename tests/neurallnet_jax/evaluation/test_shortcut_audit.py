import dataclasses
import json

import pytest

from neurallnet_jax.evaluation.edits import EDITS, EditScore, RunScore
from neurallnet_jax.evaluation.shortcut_audit import Audit, from_json, to_json
from neurallnet_jax.evaluation.shortcuts import COLOUR, REFERENCE, Shortcut

COLOURS = Shortcut(COLOUR, 18, REFERENCE, (0.9, 0.94))
JPEG = Shortcut("JPEG settings of the file", 0, REFERENCE, (), "one.png is PNG, no JPEG")
RUN = RunScore(
    run="first",
    only="test",
    images=40,
    known=160,
    groups=(2, 3, 1),
    fill=(240.0, 239.5, 230.0),
    shortcuts=(dataclasses.replace(COLOURS, folds=(0.93,)),),
    edits=tuple(EditScore(name, 0.95, 0.01 * place, (0.0, 0.02), 0.1) for place, name in enumerate(EDITS)),
)
UNKNOWN = dataclasses.replace(
    RUN,
    run="second",
    shortcuts=(),
    reason="nothing seen",
    edits=tuple(dataclasses.replace(edit, interval=None, reason="1 group") for edit in RUN.edits),
)
AUDIT = Audit("smears", 200, ("a", "b", "c"), "contiguous", (0, 3), 24, 0, (COLOURS, JPEG), (RUN, UNKNOWN))


def test_the_json_gives_the_audit_back():
    text = json.dumps(to_json(AUDIT), allow_nan=False)
    assert from_json(json.loads(text)) == AUDIT


def test_the_json_has_the_keys_that_others_rely_on():
    data = to_json(AUDIT)
    assert data["chance"] == pytest.approx(1 / 3)
    assert data["colour_line"] == pytest.approx(0.92)
    first, second = data["shortcuts"]
    assert first["balanced_accuracy"] == {"folds": [0.9, 0.94], "mean": pytest.approx(0.92)}
    assert {"name", "rule", "chance", "numbers"} <= set(first)
    assert second["balanced_accuracy"] == {"folds": [], "mean": None}
    assert second["reason"] == "one.png is PNG, no JPEG"
    assert [edit["run"] for edit in data["edits"]] == ["first"] * len(EDITS) + ["second"] * len(EDITS)
    assert data["runs"][0]["balanced_accuracy"] == 0.95
    assert data["runs"][0]["colour_line"] == 0.93
    assert data["runs"][1]["colour_line"] is None


def test_other_files_are_refused():
    with pytest.raises(ValueError, match="format version None, this release reads 1"):
        from_json({})
    data = to_json(AUDIT)
    del data["edits"]
    with pytest.raises(ValueError, match="is incomplete"):
        from_json(data)
