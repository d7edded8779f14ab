"""What a finished run leaves comes back as it was, and damage is named with a way out."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from neurallnet_jax.evaluation import crossvalidation_folder as files

CLASSES = ("calm", "wild")


@pytest.fixture
def out(crossvalidated: Path, tmp_path: Path) -> Path:
    return shutil.copytree(crossvalidated, tmp_path / "cv")


def test_what_was_begun_comes_back(crossvalidated: Path) -> None:
    begun = files.begun(crossvalidated)
    assert begun.classes == CLASSES
    assert (begun.images, begun.skipped) == (400, 1)
    assert begun.plan.folds == (0, 2, 4)
    images = files.read_images(crossvalidated, CLASSES)
    assert len(images.places) == 400
    assert np.bincount(images.labels).tolist() == [200, 200]
    # Five blocks of 48 numbers in each class.
    assert len(set(images.groups.tolist())) == 10


def test_an_outcome_comes_back_to_the_last_bit(out: Path) -> None:
    cell = files.begun(out).plan.cells[0]
    before = files.outcome(out, cell, CLASSES)
    odd = np.random.default_rng(0).dirichlet((0.01, 1), len(before.paths))
    left = dataclasses.replace(before, probabilities=odd, validation=None, colour=1 / 3)
    files.finish(out, cell, left, CLASSES, ["calm"] * len(odd), {"accuracy": 0.5})
    after = files.outcome(out, cell, CLASSES)
    assert after.probabilities.tobytes() == odd.tobytes()
    assert after.paths == before.paths
    assert (after.validation, after.colour, after.best_epoch) == (None, 1 / 3, before.best_epoch)
    kept = json.loads((cell.folder(out) / files.OUTCOME_NAME).read_text())
    assert kept["evaluation"] == {"accuracy": 0.5}


def test_a_run_is_finished_once_its_last_file_is_there(out: Path) -> None:
    cell = files.begun(out).plan.cells[0]
    assert files.is_finished(out, cell)
    (cell.folder(out) / files.OUTCOME_NAME).unlink()
    assert (cell.folder(out) / files.PREDICTIONS_NAME).exists()
    assert not files.is_finished(out, cell)


def test_what_was_not_begun_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no cross-validation \(crossvalidation.json is missing\)"):
        files.begun(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"crossvalidation.json: cannot be read \(it is no JSON\); name another folder"),
        ("[]", "crossvalidation.json: holds no object"),
        ('{"format_version": 2}', "format version 2, this release reads 1"),
        ('{"format_version": 1, "data": {}}', "does not say what was asked for"),
    ],
)
def test_a_plan_that_cannot_be_read_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / files.PLAN_NAME).write_text(text)
    with pytest.raises(ValueError, match=message):
        files.begun(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",calm,", ",tame,", "is no list of images of calm, wild"),
        ("path,sha256", "name,sha256", "has columns name, sha256, label"),
    ],
)
def test_a_damaged_list_of_images_is_refused(out: Path, old: str, new: str, message: str) -> None:
    path = out / files.IMAGES_NAME
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        files.read_images(out, CLASSES)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (files.OUTCOME_NAME, "{", r"test.json: cannot be read \(it is no JSON\); delete it and go on with --resume"),
        (files.OUTCOME_NAME, "{}", "test.json: is not as it was written"),
        (files.PREDICTIONS_NAME, None, "test.csv: cannot be read .No such file.*delete test.json beside it"),
        (files.PREDICTIONS_NAME, "path,truth,prediction,calm,wild\n", "test.csv: is cut short"),
        (files.PREDICTIONS_NAME, "path,truth,prediction,calm,wild\na,b,c,1\n", "test.csv: is cut short"),
        (files.PREDICTIONS_NAME, "path,truth,prediction,calm,tame\n", "test.csv: has columns path, truth"),
    ],
)
def test_a_damaged_outcome_is_refused_with_a_way_out(out: Path, name: str, text: str | None, message: str) -> None:
    cell = files.begun(out).plan.cells[0]
    path = cell.folder(out) / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ValueError, match=message) as refused:
        files.outcome(out, cell, CLASSES)
    assert "\n" not in str(refused.value)
