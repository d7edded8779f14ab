"""The table of a cross-validation, made from the files of its runs, as dataclasses and as JSON.

Knows what finished runs left; trains nothing and opens no image.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurallnet_jax.evaluation import crossvalidation_folder as files
from neurallnet_jax.evaluation.crossvalidation_folder import Images, Outcome
from neurallnet_jax.evaluation.crossvalidation_plan import Arm, Cell
from neurallnet_jax.metrics import folds, scores
from neurallnet_jax.metrics.folds import FoldMean, Predicted
from neurallnet_jax.metrics.intervals import Interval

__all__ = [
    "METRICS",
    "CrossValidation",
    "Gap",
    "RunScores",
    "SplitScores",
    "from_json",
    "tabulate",
    "to_json",
]

METRICS = ("balanced_accuracy", "accuracy", "auroc")
"""Metrics that are averaged over folds, by their names in `metrics.scores`."""


@dataclass(frozen=True)
class RunScores:
    """One run on the images that its fold tests on; None where a value is not defined.

    Attributes:
        fold: The fold.
        seed: The seed.
        n: Number of test images.
        groups: Number of groups among them.
        balanced_accuracy: Mean recall over the classes.
        accuracy: Share of right predictions.
        auroc: Mean one-against-rest area under the ROC curve.
        validation: Balanced accuracy on the validation images, by which the epoch was chosen.
        best_epoch: That epoch.
        seen: Test images whose very bytes training or selection has used, under another name.
        colour: Balanced accuracy of colour alone on the same images.
        folder: The RUN, below the folder of the cross-validation.
    """

    fold: int
    seed: int
    n: int
    groups: int
    balanced_accuracy: float
    accuracy: float
    auroc: float | None
    validation: float | None
    best_epoch: int
    seen: int
    colour: float
    folder: str


@dataclass(frozen=True)
class SplitScores:
    """All runs of one split.

    Attributes:
        name: Scheme and margin, such as `contiguous-24`.
        scheme: The scheme.
        margin: Capture numbers left out on either side of a test fifth; None where the scheme has no margin.
        runs: One per fold and seed, by fold.
        tested: Number of images that some run tests on.
        untested: Number of images that none does.
        means: Mean over folds, spread and intervals, by metric out of `METRICS`.
        colour: Mean over the same runs of the balanced accuracy of colour alone.
    """

    name: str
    scheme: str
    margin: int | None
    runs: tuple[RunScores, ...]
    tested: int
    untested: int
    means: Mapping[str, FoldMean]
    colour: float


@dataclass(frozen=True)
class Gap:
    """How much better one split makes the same recipe look, in balanced accuracy.

    Attributes:
        first: Name of the split that flatters.
        second: Name of the other.
        value: Mean of the first minus that of the second.
        group: Percentile interval of the difference from drawing groups, each side its own; None where one has none.
        image: The same from drawing images.
        colour: The same difference for colour alone.
    """

    first: str
    second: str
    value: float
    group: Interval | None
    image: Interval | None
    colour: float


@dataclass(frozen=True)
class CrossValidation:
    """What `crossvalidate` found.

    Attributes:
        data: The image folder.
        command: The command line that began it.
        classes: Names of the classes.
        images: Number of images.
        skipped: Number of files that were no readable image.
        folds: Folds that were run.
        seeds: Seeds that were run.
        splits: One entry per split.
        gaps: `random` minus every `contiguous`, where both were run.
    """

    data: str
    command: str
    classes: tuple[str, ...]
    images: int
    skipped: int
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    splits: tuple[SplitScores, ...]
    gaps: tuple[Gap, ...]


def tabulate(out: Path) -> CrossValidation:
    """Return the table of a folder in which every run is finished.

    Raises:
        ValueError: A run is not finished, or a file is damaged; one line.
    """
    begun = files.begun(out)
    plan = begun.plan
    images = files.read_images(out, begun.classes)
    missing = [cell.name for cell in plan.cells if not files.is_finished(out, cell)]
    if missing:
        raise ValueError(
            f"{out}: {len(missing)} of {len(plan.cells)} runs are not finished, {missing[0]} first; go on with --resume"
        )
    tested: dict[str, list[Predicted]] = {}
    rows = []
    for arm in plan.arms:
        cells = [cell for cell in plan.cells if cell.arm == arm]
        found = [(cell, files.outcome(out, cell, begun.classes)) for cell in cells]
        tested[arm.name] = [_tested(out, cell, left, images) for cell, left in found]
        rows.append(_split_scores(arm, found, tested[arm.name], begun.classes, begun.images))
    return CrossValidation(
        data=plan.request.data,
        command=begun.command,
        classes=begun.classes,
        images=begun.images,
        skipped=begun.skipped,
        folds=plan.folds,
        seeds=plan.seeds,
        splits=tuple(rows),
        gaps=_gaps(rows, tested),
    )


def to_json(found: CrossValidation) -> dict[str, Any]:
    """Return a table as plain data: intervals are [low, high] or None."""
    data = dataclasses.asdict(found)
    for split in data["splits"]:
        for mean in split["means"].values():
            mean |= {by: _pair(mean[by]) for by in ("group", "image")}
    for gap in data["gaps"]:
        gap |= {by: _pair(gap[by]) for by in ("group", "image")}
    return data


def from_json(data: Mapping[str, Any]) -> CrossValidation:
    """Return the table that `to_json` gave; further keys, such as a command adds, are left out.

    Raises:
        ValueError: Something is missing.
    """
    try:
        fields = {field.name: data[field.name] for field in dataclasses.fields(CrossValidation)}
        for name in ("classes", "folds", "seeds"):
            fields[name] = tuple(fields[name])
        fields["splits"] = tuple(_split_from_json(one) for one in data["splits"])
        fields["gaps"] = tuple(Gap(**_with_intervals(one)) for one in data["gaps"])
        return CrossValidation(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is no result of crossvalidate ({error}); give the file that its --json wrote") from None


def _tested(out: Path, cell: Cell, left: Outcome, images: Images) -> Predicted:
    strange = next((path for path in left.paths if path not in images.places), None)
    if strange is not None:
        raise ValueError(
            f"{cell.folder(out)}: scores {strange}, which {out} does not list; these are predictions of another folder"
        )
    places = np.array([images.places[path] for path in left.paths], np.int64)
    return Predicted(cell.fold, cell.seed, places, images.labels[places], left.probabilities, images.groups[places])


def _split_scores(
    arm: Arm, found: Sequence[tuple[Cell, Outcome]], tested: Sequence[Predicted], classes: tuple[str, ...], images: int
) -> SplitScores:
    rows = [_run_scores(cell, left, run, classes) for (cell, left), run in zip(found, tested, strict=True)]
    together = len(np.unique(np.concatenate([run.images for run in tested])))
    return SplitScores(
        name=arm.name,
        scheme=arm.scheme,
        margin=arm.margin,
        runs=tuple(sorted(rows, key=lambda row: (row.fold, row.seed))),
        tested=together,
        untested=images - together,
        means={metric: folds.summarise(tested, metric=metric) for metric in METRICS},
        colour=float(np.mean([row.colour for row in rows])),
    )


def _run_scores(cell: Cell, left: Outcome, run: Predicted, classes: tuple[str, ...]) -> RunScores:
    found = scores.score(run.labels, run.probabilities, classes)
    return RunScores(
        fold=cell.fold,
        seed=cell.seed,
        n=found.n,
        groups=len(np.unique(run.groups)),
        balanced_accuracy=found.balanced_accuracy,
        accuracy=found.accuracy,
        auroc=found.auroc,
        validation=left.validation,
        best_epoch=left.best_epoch,
        seen=left.seen,
        colour=left.colour,
        folder=cell.name,
    )


def _gaps(rows: Sequence[SplitScores], tested: Mapping[str, Sequence[Predicted]]) -> tuple[Gap, ...]:
    flattering = [row for row in rows if row.scheme == "random"]
    honest = [row for row in rows if row.scheme == "contiguous"]
    return tuple(
        Gap(
            first=first.name,
            second=second.name,
            value=_mean(first) - _mean(second),
            group=folds.difference(tested[first.name], tested[second.name], by="group"),
            image=folds.difference(tested[first.name], tested[second.name], by="image"),
            colour=first.colour - second.colour,
        )
        for first in flattering
        for second in honest
    )


def _mean(row: SplitScores) -> float:
    mean = row.means["balanced_accuracy"].mean
    assert mean is not None  # every fold has test images, so there is a class that occurs
    return mean


def _pair(interval: Mapping[str, float] | None) -> list[float] | None:
    return None if interval is None else [interval["low"], interval["high"]]


def _with_intervals(data: Mapping[str, Any]) -> dict[str, Any]:
    pairs = {by: None if data[by] is None else Interval(*data[by]) for by in ("group", "image")}
    return {**data, **pairs}


def _split_from_json(data: Mapping[str, Any]) -> SplitScores:
    fields = dict(data)
    fields["runs"] = tuple(RunScores(**row) for row in data["runs"])
    fields["means"] = {
        metric: FoldMean(**{**_with_intervals(mean), "reasons": tuple(mean["reasons"])})
        for metric, mean in data["means"].items()
    }
    return SplitScores(**fields)
