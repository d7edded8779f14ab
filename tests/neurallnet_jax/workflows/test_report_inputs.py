"""Results of other commands: taken where they are of the same images and RUN, refused in one line where not."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from neurallnet_jax import checkpoint
from neurallnet_jax.evaluation import leaks, origin, robustness_result, shortcut_audit, trust
from neurallnet_jax.evaluation.origin import Origin
from neurallnet_jax.explain import faithfulness_result
from neurallnet_jax.workflows import report_inputs
from neurallnet_jax.workflows.report_content import RunReport
from neurallnet_jax.workflows.report_inputs import Wanted

READERS: dict[str, Any] = {
    "leaks": (report_inputs.read_leaks, leaks),
    "shortcuts": (report_inputs.read_shortcuts, shortcut_audit),
    "robustness": (report_inputs.read_robustness, robustness_result),
    "explain": (report_inputs.read_explain, faithfulness_result),
    "trust": (report_inputs.read_trust, trust),
}


@pytest.fixture
def wanted(reported) -> Wanted:
    made = reported.report
    return Wanted(
        Origin(made.manifest.digest, (made.subject.digest,)), ("smears", "run"), checkpoint.load(reported.run)
    )


def write(path: Path, report: RunReport, name: str, of: Origin) -> Path:
    data = {**READERS[name][1].to_json(getattr(report, name)), **origin.to_json(of)}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", READERS)
def test_a_result_of_the_same_is_read(name: str, full: RunReport, wanted: Wanted, tmp_path: Path) -> None:
    reader, form = READERS[name]
    found = reader(write(tmp_path / "x.json", full, name, wanted.origin), wanted)
    assert form.to_json(found) == form.to_json(getattr(full, name))


@pytest.mark.parametrize("name", READERS)
def test_other_images_another_run_and_no_result_are_refused(
    name: str, full: RunReport, wanted: Wanted, tmp_path: Path
) -> None:
    reader, _ = READERS[name]
    path = tmp_path / "x.json"
    for of, said in (
        (Origin("0" * 64, wanted.origin.runs), "other images"),
        (Origin(wanted.origin.data, ("0" * 64,)), "another RUN"),
    ):
        with pytest.raises(ValueError, match=said) as refusal:
            reader(write(path, full, name, of), wanted)
        assert "\n" not in str(refusal.value)
    path.write_text(json.dumps(origin.to_json(wanted.origin)), encoding="utf-8")
    with pytest.raises(ValueError, match=r"version|missing|no result"):
        reader(path, wanted)
    for text in ("{", "[]", "{}"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"x\.json"):
            reader(path, wanted)
    with pytest.raises(ValueError, match="cannot be read"):
        reader(tmp_path / "nowhere.json", wanted)


def test_a_result_of_several_models_gives_the_wanted_one(reported, wanted: Wanted, tmp_path: Path) -> None:
    mine = robustness_result.to_json(reported.report.robustness)
    both = Origin(wanted.origin.data, ("0" * 64, *wanted.origin.runs))
    data = {**mine, "n": 999, "others": [mine], **origin.to_json(both)}
    (tmp_path / "x.json").write_text(json.dumps(data), encoding="utf-8")
    assert report_inputs.read_robustness(tmp_path / "x.json", wanted).n == reported.report.robustness.n


def test_folds_of_other_images_or_another_network_are_refused(
    crossvalidated: Path, reported, wanted: Wanted, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="is of other images"):
        report_inputs.read_crossvalidation(crossvalidated, wanted)
    digest = json.loads((crossvalidated / "crossvalidation.json").read_text())["data"]["digest"]
    same = dataclasses.replace(wanted, origin=Origin(digest, wanted.origin.runs))
    found = report_inputs.read_crossvalidation(crossvalidated, same)
    assert found.images == 400
    folder = shutil.copytree(crossvalidated, tmp_path / "cv")
    other = dataclasses.replace(wanted.model, spec=dataclasses.replace(wanted.model.spec, steps=3))
    checkpoint.save(other, folder / "contiguous-4" / "extra")
    with pytest.raises(ValueError, match="another network than run"):
        report_inputs.read_crossvalidation(folder, same)


@pytest.mark.parametrize(
    ("command", "bare"),
    [
        ("neurallnet train --data ../a/b --out /home/me/run", "neurallnet train --data b --out run"),
        ("neurallnet x --out=/home/me/run --n 3", "neurallnet x --out=run --n 3"),
        ("C:\\\\tools\\\\neurallnet x", "neurallnet x"),
        ("neurallnet 'a b/", "a b"),
    ],
)
def test_a_command_line_loses_its_folders(command: str, bare: str) -> None:
    found = report_inputs.without_folders(command)
    assert "/" not in found
    assert bare.split()[-1] in found
