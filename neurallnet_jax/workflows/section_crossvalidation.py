"""A cross-validation as a section of a page, and as a page of its own. Knows the table; computes none of it."""

from pathlib import Path

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.evaluation.crossvalidation_table import METRICS, CrossValidation, Gap, SplitScores
from neurallnet_jax.metrics.intervals import Interval
from neurallnet_jax.workflows import figures, figures_folds, page, wording
from neurallnet_jax.workflows.page import Block, Card, Section, Table

__all__ = ["NOTICE", "render", "section", "write"]

NOTICE = (
    "No image that a run is scored on has trained it or chosen its epoch; the images are still those of one laboratory.",
    "File numbers follow the order of capture, and no patient is named: neighbours may be of one patient, and a split by "
    "numbers keeps them apart only as far as its margin goes.",
    "For research and teaching only; the network is no medical device.",
)
"""What the page says at its head."""

_LEAD = (
    "Each fold is tested on by a network that has not seen it. The spread says how much fold and seed matter, the interval "
    "how much other images would, and colour alone how far one gets without looking at a cell."
)
_TITLES = {"balanced_accuracy": "Balanced accuracy", "accuracy": "Accuracy", "auroc": "AUROC"}


def section(found: CrossValidation) -> Section:
    """Return the section: the picture, every split's mean with spread and intervals, the gap, and every run."""
    blocks: list[Block] = [_picture(found), _means(found)]
    if found.gaps:
        blocks.append(_gaps(found))
    blocks.append(_counts(found))
    if reasons := _reasons(found):
        blocks.append(page.Points("Why some values are missing", reasons))
    blocks += [_runs(split) for split in found.splits]
    return Section("crossvalidation", "Cross-validation", _LEAD, tuple(blocks))


def render(found: CrossValidation, *, command: str) -> str:
    """Return the cross-validation as one HTML page that needs nothing else; equal tables give equal text."""
    folds, seeds = len(found.folds), len(found.seeds)
    names = ", ".join(split.name for split in found.splits)
    return page.render(
        page.Page(
            title="How well it does on folds it has not seen",
            subtitle=f"{found.images:,} images; {_count(folds, 'fold')} and {_count(seeds, 'seed')} of {names}",
            command=command,
            notice=NOTICE,
            cards=tuple(_card(split) for split in found.splits) + tuple(_gap_card(gap) for gap in found.gaps),
            sections=(section(found),),
            footer="Written by neurallnet-jax.",
        )
    )


def write(found: CrossValidation, path: Path, *, command: str) -> Path:
    """Write the page to `path` and return it; a killed command leaves the old file or the new one.

    Raises:
        ValueError: The place cannot be written.
    """
    write_atomically(path, render(found, command=command).encode())
    return path


def _card(split: SplitScores) -> Card:
    mean = split.means["balanced_accuracy"]
    detail = f"balanced accuracy, 95 % over groups {_interval(mean.group)}; colour alone {_score(split.colour)}"
    return Card(split.name, _score(mean.mean), detail)


def _gap_card(gap: Gap) -> Card:
    detail = f"95 % over groups {_interval(gap.group, signed=True)}; of colour alone {gap.colour:+.4f}"
    return Card(f"{gap.first} minus {gap.second}", f"{gap.value:+.4f}", detail)


def _picture(found: CrossValidation) -> page.Picture:
    said = "; ".join(
        f"{split.name}: mean {_score(split.means['balanced_accuracy'].mean)}, runs from "
        f"{_score(min(run.balanced_accuracy for run in split.runs))} to "
        f"{_score(max(run.balanced_accuracy for run in split.runs))}, colour alone {_score(split.colour)}"
        for split in found.splits
    )
    return page.picture(
        figures_folds.fold_dots(found),
        figures_folds.fold_dots(found, theme=figures.DARK),
        alt=f"Balanced accuracy of every run by split and fold. {said}.",
        caption="Rings are runs, the diamond is their mean with its intervals over groups (line) and over images (band), "
        "upright strokes are what colour alone reaches on the same images.",
    )


def _means(found: CrossValidation) -> Table:
    rows = []
    for split in found.splits:
        for metric in METRICS:
            mean = split.means[metric]
            rows.append(
                (
                    split.name,
                    _TITLES[metric],
                    _score(mean.mean),
                    _score(mean.fold_deviation),
                    _score(mean.seed_deviation),
                    _interval(mean.group),
                    _interval(mean.image),
                    f"{mean.groups:,}",
                    _score(split.colour) if metric == "balanced_accuracy" else "",
                )
            )
    header = (
        "Split", "Metric", "Mean", "Spread of folds", "Spread of seeds", "95 % over groups", "95 % over images", "Groups",
        "Colour alone",
    )  # fmt: skip
    caption = "Mean over folds; spreads are standard deviations. Quote the interval over groups."
    return Table(caption, header, "llrrrrrrr", tuple(rows))


def _gaps(found: CrossValidation) -> Table:
    rows = tuple(
        (
            f"{gap.first} minus {gap.second}",
            f"{gap.value:+.4f}",
            _interval(gap.group, signed=True),
            _interval(gap.image, signed=True),
            f"{gap.colour:+.4f}",
        )
        for gap in found.gaps
    )
    caption = "What images drawn at random hide: the same recipe, scored beside its training images and apart from them"
    return Table(caption, ("Gap", "Value", "95 % over groups", "95 % over images", "Of colour alone"), "lrrrr", rows)


def _counts(found: CrossValidation) -> Table:
    rows = tuple(
        (
            split.name,
            f"{split.tested:,}",
            f"{split.untested:,}",
            f"{sum(run.seen for run in split.runs):,}",
        )
        for split in found.splits
    )
    skipped = f"; {found.skipped:,} more could not be read" if found.skipped else ""
    header = ("Split", "Tested on", "In no test fold", "Same bytes in training")
    return Table(f"Images by split, of {found.images:,}{skipped}", header, "lrrr", rows)


def _reasons(found: CrossValidation) -> tuple[str, ...]:
    lines = (
        f"{split.name}: {reason}" for split in found.splits for mean in split.means.values() for reason in mean.reasons
    )
    return tuple(dict.fromkeys(lines))


def _runs(split: SplitScores) -> Table:
    rows = tuple(
        (
            f"{run.fold}",
            f"{run.seed}",
            f"{run.n:,}",
            f"{run.groups:,}",
            _score(run.balanced_accuracy),
            _score(run.accuracy),
            _score(run.auroc),
            _score(run.validation),
            f"{run.best_epoch}",
            _score(run.colour),
        )
        for run in split.runs
    )
    header = (
        "Fold", "Seed", "Images", "Groups", "Balanced accuracy", "Accuracy", "AUROC", "Validation", "Best epoch",
        "Colour alone",
    )  # fmt: skip
    return Table(f"Every run of {split.name}", header, "rrrrrrrrrr", rows, folded=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _score(value: float | None) -> str:
    return wording.NOTHING if value is None else f"{value:.4f}"


def _interval(interval: Interval | None, *, signed: bool = False) -> str:
    if interval is None:
        return wording.NOTHING
    low, high = (f"{end:+.4f}" if signed else f"{end:.4f}" for end in (interval.low, interval.high))
    return f"[{low},{wording.NO_BREAK}{high}]"
