"""The table against scikit-learn on the files it was made from, and through JSON."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from neurallnet_jax.evaluation import crossvalidation_folder as files
from neurallnet_jax.evaluation import crossvalidation_table as tables
from neurallnet_jax.evaluation.crossvalidation_table import CrossValidation


@pytest.fixture(scope="module")
def found(crossvalidated: Path) -> CrossValidation:
    return tables.tabulate(crossvalidated)


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / files.PREDICTIONS_NAME).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_run_is_scored_on_what_its_file_says(found: CrossValidation, crossvalidated: Path) -> None:
    count = 0
    for split in found.splits:
        for run in split.runs:
            rows = rows_of(crossvalidated / run.folder)
            truth, told = [row["truth"] for row in rows], [row["prediction"] for row in rows]
            assert run.n == len(rows)
            assert run.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, told))
            assert run.accuracy == pytest.approx(np.mean([t == p for t, p in zip(truth, told, strict=True)]))
            wild = [float(row["wild"]) for row in rows]
            assert run.auroc == pytest.approx(roc_auc_score([t == "wild" for t in truth], wild))
            assert (run.validation, run.colour) == (0.9 + run.seed / 100, 0.75 + run.fold / 100)
            count += 1
    assert count == 2 * 3 * 2


def test_means_colour_and_gap_are_those_of_the_runs(found: CrossValidation) -> None:
    means = {}
    for split in found.splits:
        scores = np.array([run.balanced_accuracy for run in split.runs]).reshape(3, 2)
        mean = split.means["balanced_accuracy"]
        assert mean.mean == pytest.approx(scores.mean())
        assert mean.fold_deviation == pytest.approx(scores.mean(axis=1).std(ddof=1))
        assert mean.seed_deviation == pytest.approx(scores.mean(axis=0).std(ddof=1))
        assert split.colour == pytest.approx(0.77)
        assert mean.image is not None
        assert mean.image.low < scores.mean() < mean.image.high
        means[split.name] = scores.mean()
    (gap,) = found.gaps
    assert (gap.first, gap.second) == ("random", "contiguous-4")
    assert gap.value == pytest.approx(means["random"] - means["contiguous-4"])
    assert gap.value > 0.02
    assert gap.image is not None
    assert gap.image.low < gap.value < gap.image.high
    assert gap.colour == pytest.approx(0)


def test_images_in_no_test_fold_are_counted(found: CrossValidation, crossvalidated: Path) -> None:
    for split in found.splits:
        tested = {row["path"] for run in split.runs for row in rows_of(crossvalidated / run.folder)}
        assert split.tested == len(tested)
        assert split.tested + split.untested == 400
    contiguous = found.splits[0]
    # Three of five folds, and no image twice.
    assert contiguous.untested == 160


def test_groups_are_those_of_the_test_images(found: CrossValidation) -> None:
    """Fold 0 tests on 1 to 40, one block of each class; fold 2 on 81 to 120, two; fold 4 on 161 to 200, two."""
    assert [run.groups for run in found.splits[0].runs if run.seed == 0] == [2, 4, 4]
    contiguous, random = (split.means["balanced_accuracy"] for split in found.splits)
    assert contiguous.groups == 10
    # One group of a class cannot vary.
    assert contiguous.group is None
    assert (
        "fold 0: class 0 has only 1 group, so nothing varies between its draws; at least 2 are needed"
        in contiguous.reasons
    )
    assert random.group is not None
    assert found.gaps[0].group is None


def test_the_table_survives_json(found: CrossValidation) -> None:
    text = json.dumps(tables.to_json(found), allow_nan=False)
    assert tables.from_json({**json.loads(text), "seconds": 3}) == found
    data = json.loads(text)
    mean = data["splits"][1]["means"]["accuracy"]
    assert mean["group"] == [mean["group"][0], mean["group"][1]]


@pytest.mark.parametrize("change", [{"splits": 3}, {"gaps": [{}]}, {"splits": [{"runs": [{}]}]}])
def test_what_is_no_table_is_refused(found: CrossValidation, change: dict) -> None:
    with pytest.raises(ValueError, match="this is no result of crossvalidate"):
        tables.from_json({**tables.to_json(found), **change})
    with pytest.raises(ValueError, match="this is no result of crossvalidate"):
        tables.from_json({})


def test_a_folder_that_is_not_finished_has_no_table(crossvalidated: Path, tmp_path: Path) -> None:
    out = shutil.copytree(crossvalidated, tmp_path / "cv")
    (out / "random" / "fold-2" / "seed-1" / files.OUTCOME_NAME).unlink()
    with pytest.raises(
        ValueError, match="1 of 12 runs are not finished, random/fold-2/seed-1 first; go on with --resume"
    ):
        tables.tabulate(out)


def test_predictions_of_another_folder_are_refused(crossvalidated: Path, tmp_path: Path) -> None:
    out = shutil.copytree(crossvalidated, tmp_path / "cv")
    path = out / "random" / "fold-2" / "seed-1" / files.PREDICTIONS_NAME
    path.write_text(path.read_text().replace("calm/", "quiet/", 1))
    with pytest.raises(ValueError, match=r"scores quiet/.*does not list; these are predictions of another folder"):
        tables.tabulate(out)
