"""Every fold of every split from every seed, trained, scored on its test images, and taken up again where it stopped.

Knows which run comes next; the plan, the files and the table stand in rooms of their own.
"""

from pathlib import Path

import numpy as np

from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax.evaluation import crossvalidation_folder as files
from neurallnet_jax.evaluation import crossvalidation_plan as plans
from neurallnet_jax.evaluation import evaluate, shortcuts
from neurallnet_jax.evaluation.crossvalidation_folder import Begun
from neurallnet_jax.evaluation.crossvalidation_plan import Cell, Plan
from neurallnet_jax.evaluation.crossvalidation_table import CrossValidation, tabulate
from neurallnet_jax.evaluation.selection import Selection, groups_of
from neurallnet_jax.images import folder, splits, statistics
from neurallnet_jax.images.decode import one_line
from neurallnet_jax.images.folder import Dataset
from neurallnet_jax.training import allocator
from neurallnet_jax.training import run as runs
from neurallnet_jax.training.alone import alone

__all__ = ["Watcher", "crossvalidate"]


class Watcher(runs.Watcher):
    """Who is told how a cross-validation goes; the base class hears and says nothing."""

    def run(self, number: int, total: int, cell: Cell, epochs: int) -> None:
        """Hear that run `number` of `total`, from 0, begins or goes on."""

    def scoring(self, done: int, total: int) -> None:
        """Hear of scored test images."""

    def scored(self, cell: Cell, balanced_accuracy: float) -> None:
        """Hear how a run did on its test images."""


def crossvalidate(
    plan: Plan, out: Path, *, resume: bool = False, command: str = "", watcher: Watcher | None = None
) -> CrossValidation | None:
    """Train and score every run of a plan, and return the table, or None where the watcher asked to stop before the end.

    A run that is finished is not touched again, one that was stopped or killed goes on after its last whole epoch, and
    the table is made from the files of the runs: so it is the same however often all was stopped.

    Args:
        plan: What to do; with `resume` it must be what the folder was begun with.
        out: The folder.
        resume: Go on with a folder that was begun.
        command: The command line, for the record.
        watcher: Who is told.

    Raises:
        ValueError: Bad input; the message says what, where and what to do. A folder that was not begun is left as it was.
    """
    watcher = watcher or Watcher()
    # Before images are decoded in threads, which would keep heaps of their own for good.
    allocator.keep_freed_memory()
    if not resume and (out / files.PLAN_NAME).exists():
        raise ValueError(
            f"{out}: holds a cross-validation already; add --resume to go on with it, or name another folder"
        )
    before = files.begun(out) if resume else None
    if before and (changes := plans.differences(before.plan, plan)):
        raise ValueError(
            f"{out}: was begun with other settings ({'; '.join(changes)}); resume with the same, or name another folder"
        )
    waiting = [cell for cell in plan.cells if not files.is_finished(out, cell)]
    if before and not waiting:
        return tabulate(out)
    images = _open(plan, watcher)
    _check(plan, images[0])
    training = plan.request.training
    with alone(out):
        if before is None:
            before = _begin(plan, out, images[0], command=command)
        elif before.digest != splits.digest(images[0]):
            raise ValueError(
                f"{plan.request.data}: holds other images than when {out} was begun; restore them, or name another folder"
            )
        for number, cell in enumerate(plan.cells):
            if cell in waiting:
                watcher.run(number, len(plan.cells), cell, training.twin_epochs + training.epochs)
                if watcher.should_stop() or not _finish(plan, out, cell, images, watcher=watcher):
                    return None
    return tabulate(out)


def _open(plan: Plan, watcher: Watcher) -> tuple[Dataset, np.ndarray]:
    """Return the images at the size of the network, and their colour statistics, which serve every run."""
    sizes = (plan.request.network.image_size, shortcuts.SIZE)
    small, large = (
        folder.open_folder(
            Path(plan.request.data), size, on_bad_image=plan.request.on_bad_image, progress=watcher.decoding
        )
        for size in sizes
    )
    if small.records != large.records:
        raise ValueError(f"{plan.request.data}: changed while it was read; run again once nothing writes to it")
    return small, statistics.colour_statistics(large.pixels)


def _check(plan: Plan, dataset: Dataset) -> None:
    """Refuse, before anything is trained, what some run could not do.

    Raises:
        ValueError: Too few images of a class, a split that a class is too small for, or weights that have seen test images.
    """
    runs.check_classes(dataset)
    for label in range(len(dataset.classes)):
        members = [record for record in dataset.records if record.label == label]
        if len(members) < splits.FOLDS:
            name = one_line(members[0].path.split("/")[0])
            raise ValueError(
                f"{dataset.root}: class folder {name} has {len(members)} images, fewer than the {splits.FOLDS} folds; "
                "add images"
            )
    seen = frozenset(checkpoints.load(plan.request.source).seen if plan.request.source else ())
    for cell in plan.cells:
        request = plan.request_of(cell)
        split = splits.make_split(
            dataset.records, scheme=cell.arm.scheme, fold=cell.fold, seed=cell.seed, margin=request.margin
        )
        known = sum(dataset.records[place].sha256 in seen for place in splits.indices(split, "test").tolist())
        if known:
            raise ValueError(
                f"--from {request.source}: its training has seen {known} of the images that {cell.arm.name}, fold "
                f"{cell.fold} tests on; begin with weights that have seen none of these images"
            )


def _begin(plan: Plan, out: Path, dataset: Dataset, *, command: str) -> Begun:
    begun = Begun(plan, command, splits.digest(dataset), dataset.classes, len(dataset), len(dataset.bad))
    files.begin(out, begun, dataset, groups_of(dataset, np.arange(len(dataset))))
    return begun


def _finish(plan: Plan, out: Path, cell: Cell, images: tuple[Dataset, np.ndarray], *, watcher: Watcher) -> bool:
    """Train one run, or go on with it, and score it; return whether it came to its end."""
    dataset, colours = images
    run = cell.folder(out)
    result = runs.train(
        plan.request_of(cell),
        run,
        resume=(run / runs.RUN_NAME).exists(),
        command=f"neurallnet crossvalidate, {cell.name}",
        watcher=watcher,
    )
    if result.checkpoint is None:
        return False
    # What the RUN itself says it kept apart; refused where the images are not those any more.
    split = splits.read_split(run / runs.SPLIT_NAME, dataset)
    test = splits.indices(split, "test")
    seen = frozenset(result.checkpoint.seen)
    selection = Selection(test, np.array([dataset.records[place].sha256 in seen for place in test.tolist()], bool))
    found = evaluate.evaluate(result.checkpoint, dataset, selection, progress=watcher.scoring)
    known = np.concatenate([splits.indices(split, "train"), splits.indices(split, "validation")])
    left = files.Outcome(
        paths=tuple(one.path for one in found.predictions),
        probabilities=np.array([list(one.probabilities.values()) for one in found.predictions]),
        seen=found.seen,
        best_epoch=result.best_epoch,
        validation=result.validation,
        colour=shortcuts.colour_line(dataset, known, test, values=colours),
    )
    truths = [dataset.classes[label] for label in dataset.labels[test].tolist()]
    files.finish(out, cell, left, dataset.classes, truths, evaluate.to_json(found))
    watcher.scored(cell, found.scores.balanced_accuracy)
    return True
