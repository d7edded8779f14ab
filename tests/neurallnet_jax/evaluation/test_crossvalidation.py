"""A cross-validation of a toy: its runs are ordinary RUNs, and killed at any time it ends with the same table."""

import dataclasses
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurallnet_jax import checkpoint, config, spec
from neurallnet_jax.evaluation import crossvalidation, crossvalidation_plan, evaluate, selection, shortcuts
from neurallnet_jax.evaluation import crossvalidation_folder as files
from neurallnet_jax.evaluation.crossvalidation_plan import Cell, Plan
from neurallnet_jax.evaluation.crossvalidation_table import CrossValidation
from neurallnet_jax.images import folder, splits
from neurallnet_jax.training import logs, loop
from neurallnet_jax.training import run as runs
from neurallnet_jax.training.request import Request

SIDE = 8
COLOUR = (16, 16)
"""Size that colour is measured at here; 224 pixels would take most of the time."""


def write_squares(root: Path, count: int) -> Path:
    """Write squares of noise of two classes, each brighter in a channel of its own."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("calm", "wild")):
        (root / name).mkdir(parents=True)
        for number in range(1, count + 1):
            pixels = rng.integers(60, 140, (SIDE, SIDE, 3))
            pixels[:, :, label] += 30
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"square-{number}.png")
    return root


@pytest.fixture(scope="module", autouse=True)
def small_colour() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortcuts, "SIZE", COLOUR)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("data") / "squares", 200)


@pytest.fixture(scope="module")
def plan(data: Path) -> Plan:
    network = spec.neurallnet(2, widths=(4,), image_size=(SIDE, SIDE), steps=2, attention=None)
    training = config.Training(
        epochs=2, batch_size=64, learning_rate=0.02, warmup_epochs=0, augmentation=config.NO_AUGMENTATION
    )
    return Plan(Request(str(data), network, training), schemes=("contiguous", "random"), folds=(1, 2), margins=(4,))


@pytest.fixture(scope="module")
def whole(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CrossValidation]:
    out = tmp_path_factory.mktemp("whole") / "cv"
    found = crossvalidation.crossvalidate(plan, out, command="neurallnet crossvalidate")
    assert found is not None
    return out, found


def times(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}


def test_every_run_is_a_run_that_evaluate_scores_alike(whole: tuple[Path, CrossValidation], data: Path) -> None:
    out, found = whole
    dataset = folder.open_folder(data, (SIDE, SIDE))
    assert [split.name for split in found.splits] == ["contiguous-4", "random"]
    for split in found.splits:
        for run in split.runs:
            saved = checkpoint.load(out / run.folder)
            chosen = selection.select(dataset, seen=saved.seen, test=saved.test, only="test")
            scores = evaluate.evaluate(saved, dataset, chosen).scores
            assert (run.n, run.balanced_accuracy, run.auroc) == (scores.n, scores.balanced_accuracy, scores.auroc)
            assert run.best_epoch == saved.provenance["best_epoch"]
            assert run.validation == saved.provenance["validation_balanced_accuracy"]
            assert saved.provenance["split"]["fold"] == run.fold
            assert run.seen == 0
    assert checkpoint.load(out / "contiguous-4/fold-2/seed-0").provenance["split"]["margin"] == 4


def test_colour_stands_beside_every_run(whole: tuple[Path, CrossValidation], plan: Plan, data: Path) -> None:
    dataset = folder.open_folder(data, COLOUR)
    run = whole[1].splits[0].runs[1]
    split = splits.make_split(dataset.records, scheme="contiguous", fold=run.fold, margin=4)
    known = np.flatnonzero(np.isin(split.parts, ("train", "validation")))
    assert run.colour == shortcuts.colour_line(dataset, known, splits.indices(split, "test"))


def test_a_finished_folder_prints_its_table_again_without_its_images(
    whole: tuple[Path, CrossValidation], plan: Plan, data: Path
) -> None:
    out, found = whole
    before = times(out)
    hidden = data.rename(data.with_name("hidden"))
    try:
        assert crossvalidation.crossvalidate(plan, out, resume=True) == found
    finally:
        hidden.rename(data)
    assert times(out) == before


class Stop(crossvalidation.Watcher):
    """Asks to stop within the second run."""

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.steps = 0

    def run(self, number: int, total: int, cell: Cell, epochs: int) -> None:
        self.cells.append(cell.name)
        self.steps = 0

    def step(self, epoch: int, step: int, steps_per_epoch: int, metrics: loop.StepMetrics) -> None:
        self.steps = step

    def should_stop(self) -> bool:
        return len(self.cells) == 2 and self.steps > 0


_KILLED = """
import pathlib, pickle, sys, time
from neurallnet_jax.evaluation import crossvalidation, shortcuts

class Slow(crossvalidation.Watcher):
    def epoch(self, record):
        time.sleep(2)

if __name__ == "__main__":
    shortcuts.SIZE = (16, 16)
    plan = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
    crossvalidation.crossvalidate(plan, pathlib.Path(sys.argv[2]), command="neurallnet crossvalidate", watcher=Slow())
"""


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_ends_with_the_same_table(
    whole: tuple[Path, CrossValidation], plan: Plan, tmp_path: Path
) -> None:
    out = tmp_path / "cv"
    (tmp_path / "killed.py").write_text(_KILLED)
    (tmp_path / "plan").write_bytes(pickle.dumps(plan))
    process = subprocess.Popen([sys.executable, tmp_path / "killed.py", tmp_path / "plan", out], env=os.environ)
    first, second = (cell.folder(out) for cell in plan.cells[:2])
    try:
        deadline = time.monotonic() + 480
        while not logs.read(second):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "no second run within eight minutes"
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert files.is_finished(out, plan.cells[0])
    assert not files.is_finished(out, plan.cells[1])
    before = times(first)
    assert crossvalidation.crossvalidate(plan, out, resume=True) == whole[1]
    assert times(first) == before
    assert [line["epoch"] for line in logs.read(second)] == [1, 2]


def test_stopped_on_request_it_goes_on_where_it_was(
    whole: tuple[Path, CrossValidation], plan: Plan, tmp_path: Path
) -> None:
    out, watcher = tmp_path / "cv", Stop()
    assert crossvalidation.crossvalidate(plan, out, command="neurallnet crossvalidate", watcher=watcher) is None
    assert watcher.cells == [cell.name for cell in plan.cells[:2]]
    shutil.rmtree(plan.cells[1].folder(out) / runs.STATES_NAME)
    watcher = Stop()
    watcher.should_stop = lambda: False
    assert crossvalidation.crossvalidate(plan, out, resume=True, watcher=watcher) == whole[1]
    assert watcher.cells == [cell.name for cell in plan.cells[1:]]


def test_a_trained_run_whose_predictions_are_gone_is_scored_again(
    whole: tuple[Path, CrossValidation], plan: Plan, tmp_path: Path
) -> None:
    out = shutil.copytree(whole[0], tmp_path / "cv")
    cell = plan.cells[-1]
    weights = (cell.folder(out) / checkpoint.FILE_NAME).read_bytes()
    (cell.folder(out) / files.OUTCOME_NAME).unlink()
    assert crossvalidation.crossvalidate(plan, out, resume=True) == whole[1]
    assert (cell.folder(out) / checkpoint.FILE_NAME).read_bytes() == weights


# --- What is refused, and leaves nothing behind -------------------------------------------------------------------------


def test_a_folder_begun_with_other_settings_is_refused_by_name(whole: tuple[Path, CrossValidation], plan: Plan) -> None:
    with pytest.raises(ValueError, match="holds a cross-validation already; add --resume"):
        crossvalidation.crossvalidate(plan, whole[0])
    longer = dataclasses.replace(plan.request, training=dataclasses.replace(plan.request.training, epochs=9))
    for other, message in (
        (dataclasses.replace(plan, request=longer), r"\(training.epochs was 2, is 9\)"),
        (dataclasses.replace(plan, folds=(1, 3)), r"\(folds were 1, 2, are 1, 3\)"),
        (dataclasses.replace(plan, margins=(5,)), r"\(margins were 4, are 5\)"),
    ):
        with pytest.raises(ValueError, match=f"was begun with other settings {message}"):
            crossvalidation.crossvalidate(other, whole[0], resume=True)


def test_other_images_than_at_the_beginning_are_refused(
    whole: tuple[Path, CrossValidation], plan: Plan, data: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(whole[0], tmp_path / "cv")
    (plan.cells[-1].folder(out) / files.OUTCOME_NAME).unlink()
    path = data / "calm" / "square-7.png"
    before = path.read_bytes()
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(path)
    try:
        with pytest.raises(ValueError, match=r"holds other images than when .* was begun"):
            crossvalidation.crossvalidate(plan, out, resume=True)
    finally:
        path.write_bytes(before)


@pytest.fixture
def asked(plan: Plan, tmp_path: Path) -> Callable[..., Plan]:
    """Return a function that asks the same of a folder with few images of each class."""

    def ask(count: int, **changes: object) -> Plan:
        request = dataclasses.replace(plan.request, data=str(write_squares(tmp_path / "few", count)))
        return dataclasses.replace(plan, request=request, **changes)

    return ask


@pytest.mark.parametrize(
    ("count", "margin", "message"),
    [
        (4, 4, "class folder calm has 4 images, fewer than the 5 folds; add images"),
        (40, 4, "fold 1 with 4 numbers left out on either side: class folder calm .* none for validation"),
        (200, 150, "with 150 numbers left out .*; take a smaller --margin"),
    ],
)
def test_too_few_images_are_refused(
    asked: Callable[..., Plan], tmp_path: Path, count: int, margin: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        crossvalidation.crossvalidate(asked(count, margins=(margin,)), tmp_path / "cv")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "cv").exists()


def test_an_empty_class_folder_is_refused(asked: Callable[..., Plan], tmp_path: Path) -> None:
    chosen = asked(5)
    (tmp_path / "few" / "dull").mkdir()
    with pytest.raises(ValueError, match="dull: is a class folder without images"):
        crossvalidation.crossvalidate(chosen, tmp_path / "cv")


def test_weights_that_have_seen_test_images_are_refused(
    whole: tuple[Path, CrossValidation], plan: Plan, tmp_path: Path
) -> None:
    source = whole[0] / "contiguous-4" / "fold-1" / "seed-0"
    begun = dataclasses.replace(plan, request=dataclasses.replace(plan.request, source=str(source)), folds=(2,))
    with pytest.raises(ValueError, match=r"its training has seen \d+ of the images that contiguous-4, fold 2 tests on"):
        crossvalidation.crossvalidate(begun, tmp_path / "cv")
    assert not (tmp_path / "cv").exists()
    assert crossvalidation_plan.to_json(begun)["request"]["source"] == str(source)
