"""The one table of a cross-validation: every run, and below each split its mean, spread and intervals. Computes nothing."""

from neurallnet_jax.cli.output import console, show_table
from neurallnet_jax.evaluation.crossvalidation_table import METRICS, CrossValidation, SplitScores
from neurallnet_jax.metrics.intervals import Interval

__all__ = ["show"]

_COLUMNS = [
    "split", "fold", "seed", "n", "groups", "balanced accuracy", "accuracy", "AUROC", "validation", "epoch", "colour",
]  # fmt: skip


def show(found: CrossValidation, *, title: str) -> None:
    """Print the table, and in words what it leaves out."""
    rows = [row for split in found.splits for row in _rows(split)]
    for gap in found.gaps:
        rows.append(
            [f"{gap.first} - {gap.second}", "gap", "", "", "", _signed(gap.value), "", "", "", "", _signed(gap.colour)]
        )
        for by, interval in (("groups", gap.group), ("images", gap.image)):
            shown = "-" if interval is None else f"{_signed(interval.low)}..{_signed(interval.high)}"
            rows.append(["", f"95 % {by}", "", "", "", shown, "", "", "", "", ""])
    show_table(
        f"{title}: {found.images:,} images, {len(found.folds)} folds, {len(found.seeds)} seeds",
        _COLUMNS,
        rows,
        caption="groups: blocks of 48 neighbouring captures, joined where twins join them; sd: standard deviation of "
        "the folds (means over seeds) and of the seeds (means over folds); 95 %: interval of the mean, by bootstrap over "
        "groups, which is what to quote, and over images; colour: the nearest neighbour in 18 "
        "colour statistics on the same images, a line that a network must leave well below to have read cells",
    )
    out = console()
    for split in found.splits:
        out.print(_words(split), markup=False)
        for reason in dict.fromkeys(reason for mean in split.means.values() for reason in mean.reasons):
            out.print(f"{split.name}: {reason}", markup=False)
    if found.skipped:
        out.print(f"files that are no readable image, left out: {found.skipped:,}", markup=False)


def _rows(split: SplitScores) -> list[list[object]]:
    rows: list[list[object]] = [
        [
            split.name, str(one.fold), str(one.seed), str(one.n), str(one.groups), _score(one.balanced_accuracy),
            _score(one.accuracy), _score(one.auroc), _score(one.validation), str(one.best_epoch), _score(one.colour),
        ]
        for one in split.runs
    ]  # fmt: skip
    means = [split.means[metric] for metric in METRICS]
    rest = ["", "", ""]
    rows.append([split.name, "mean", *rest, *(_score(one.mean) for one in means), "", "", _score(split.colour)])
    rows.append(["", "sd of folds", *rest, *(_score(one.fold_deviation) for one in means), "", "", ""])
    rows.append(["", "sd of seeds", *rest, *(_score(one.seed_deviation) for one in means), "", "", ""])
    rows.append(["", "95 % groups", *rest, *(_interval(one.group) for one in means), "", "", ""])
    rows.append(["", "95 % images", *rest, *(_interval(one.image) for one in means), "", "", ""])
    return rows


def _words(split: SplitScores) -> str:
    seen = sum(one.seen for one in split.runs)
    tested = f"{split.name}: {split.tested:,} images are tested on, {split.untested:,} are in no test fold"
    return tested + (f"; test images with the bytes of one that trained or selected: {seen:,}" if seen else "")


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _interval(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.low:.4f}..{interval.high:.4f}"
