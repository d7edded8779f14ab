"""An evaluation as a part of a page: metrics with both intervals, confusion, reliability, and each class.

Knows what the scores mean and how to say it; computes none of them.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.evaluation.evaluate import Evaluation
from neurallnet_jax.metrics.calibration import ReliabilityBins
from neurallnet_jax.metrics.intervals import Interval, Intervals
from neurallnet_jax.metrics.scores import Scores
from neurallnet_jax.workflows import figures, figures_scores, page, wording
from neurallnet_jax.workflows.page import Block, Card, Section, Table

__all__ = [
    "IN_PERCENT",
    "METRICS",
    "NOTICE",
    "card",
    "class_table",
    "colour_block",
    "confusion_picture",
    "confusion_table",
    "interval_text",
    "metric_text",
    "reliability_picture",
    "section",
    "write",
]

METRICS: Mapping[str, str] = {
    "accuracy": "Accuracy: share of images told right",
    "balanced_accuracy": "Balanced accuracy: mean share per class",
    "macro_f1": "F1: precision and recall in one, mean per class",
    "sensitivity": "Sensitivity: malignant images told malignant, of whichever class",
    "specificity": "Specificity: benign images told benign",
    "auroc": "AUROC: how well one class ranks above the rest",
    "mean_average_precision": "Mean average precision",
    "ece": "Expected calibration error: gap between confidence and truth",
    "brier": "Brier score, 0 (best) to 2",
}
"""What each metric is called where there is room for it."""

IN_PERCENT = ("accuracy", "balanced_accuracy", "sensitivity", "specificity")
"""Metrics that are shares."""

NOTICE = (
    "For research and teaching only. This is not a medical device, and nothing here is fit to diagnose anybody.",
    "Capture numbers stand in for patients, whom nobody recorded: images of one block of 48 numbers count as one group. "
    "Where two blocks show one patient, even the interval over groups is too narrow.",
)
"""What a page of scores says at its head."""


def section(evaluation: Evaluation) -> Section:
    """Return scores with both intervals, confusion, reliability and each class."""
    scores = evaluation.scores
    groups = next(iter(evaluation.intervals.values())).groups
    said = ", ".join(f"{name} {count}" for name, count in zip(scores.classes, groups, strict=True))
    blocks: list[Block] = [
        page.Text(
            f"{scores.n:,} images in {sum(groups):,} groups of neighbouring captures ({said}). The interval over groups is "
            "the one to quote; the one over images takes neighbours for independent and is too narrow."
        )
    ]
    if evaluation.seen:
        blocks.append(
            page.Text(
                f"{figures.WRONG} {evaluation.seen:,} of these images were seen in training or selection, which flatters "
                "every figure."
            )
        )
    blocks.append(colour_block(evaluation.colour_line, evaluation.colour_line_reason))
    rows = tuple(
        (METRICS[name], metric_text(name, getattr(scores, name)), *_both(name, evaluation.intervals.get(name)))
        for name in METRICS
    )
    header = ("Metric", "Value", "95 % over groups", "95 % over images")
    blocks.append(Table(f"Scores on {scores.n:,} images", header, "lrrr", rows))
    if reasons := _reasons(evaluation.intervals):
        blocks.append(page.Points("Of the intervals", reasons))
    if scores.undefined:
        blocks.append(page.Points("Not defined here", scores.undefined))
    blocks += [
        confusion_picture(scores),
        confusion_table(scores),
        class_table(scores),
        reliability_picture(evaluation.reliability, scores),
        _reliability_table(evaluation.reliability),
    ]
    lead = "An interval says how far a score would move with other images of the same kind."
    return Section("scores", "How often is it right?", lead, tuple(blocks))


def card(evaluation: Evaluation) -> Card:
    """Return the balanced accuracy with its interval over groups as a key figure."""
    found = evaluation.intervals["balanced_accuracy"].group
    over = "no interval over groups" if found is None else f"95 % over groups {interval_text(IN_PERCENT[1], found)}"
    line = evaluation.colour_line
    beside = "" if line is None else f"; colour alone {wording.percent(line)}"
    return Card("Balanced accuracy", wording.percent(evaluation.scores.balanced_accuracy), over + beside)


def colour_block(line: float | None, reason: str | None) -> Block:
    """Return what colour alone gets on the same images, or why that is not known."""
    if line is None:
        return page.Absent("Colour line", reason or "not computed")
    return page.Text(
        f"Colour alone, the nearest neighbour on 18 colour statistics, gets a balanced accuracy of {wording.percent(line)} "
        "on the same unseen images: a score near it does not show that cells are read."
    )


def write(evaluation: Evaluation, path: Path, *, subject: str, command: str) -> Path:
    """Write a page of scores and return its place; a killed run leaves the old file or the new one.

    Args:
        evaluation: The scores.
        path: The file.
        subject: What was scored on what, for the subtitle.
        command: The command line, for the page.

    Raises:
        ValueError: The place cannot be written.
    """
    content = page.Page(
        title="How far to trust this classifier",
        subtitle=subject,
        command=command,
        notice=NOTICE,
        cards=(card(evaluation),),
        sections=(section(evaluation),),
        footer="Written by neurallnet-jax. Research use only; not a medical device.",
    )
    write_atomically(path, page.render(content).encode())
    return path


def metric_text(name: str, value: float | None) -> str:
    """Return a metric for people."""
    return wording.percent(value) if name in IN_PERCENT else wording.number(value)


def interval_text(name: str, found: Interval | None) -> str:
    """Return an interval of a metric for people, or a dash."""
    if found is None:
        return wording.NOTHING
    if name in IN_PERCENT:
        return f"{wording.interval(100 * found.low, 100 * found.high)}{wording.NO_BREAK}%"
    return wording.interval(found.low, found.high)


def confusion_picture(scores: Scores) -> page.Picture:
    """Return the confusion matrix as a picture."""
    right = int(np.trace(scores.confusion))
    return page.picture(
        figures.confusion_matrix(scores.confusion, scores.classes),
        figures.confusion_matrix(scores.confusion, scores.classes, theme=figures.DARK),
        alt=f"Confusion matrix: {right:,} of {scores.n:,} images on the diagonal; the table below has every cell.",
        caption="Rows are true classes, columns what the network says; what lies off the diagonal is confused.",
    )


def confusion_table(scores: Scores) -> Table:
    """Return the counts of the confusion matrix."""
    rows = tuple(
        (name, *(f"{int(number):,}" for number in row))
        for name, row in zip(scores.classes, scores.confusion, strict=True)
    )
    header = ("True class", *(f"said: {name}" for name in scores.classes))
    return Table("The same counts as a table", header, "l" + "r" * len(scores.classes), rows, folded=True)


def class_table(scores: Scores) -> Table:
    """Return each class against the rest."""
    rows = tuple(
        (
            entry.name,
            f"{entry.support:,}",
            wording.percent(entry.recall),
            wording.percent(entry.precision),
            wording.number(entry.f1),
            wording.number(entry.auroc),
        )
        for entry in scores.per_class
    )
    header = ("Class", "Images", "Found (recall)", "Right when said (precision)", "F1", "AUROC")
    return Table("Each class against the rest", header, "lrrrrr", rows)


def reliability_picture(bins: ReliabilityBins, scores: Scores) -> page.Picture:
    """Return how far probabilities may be believed, as a picture."""
    return page.picture(
        figures_scores.reliability(bins),
        figures_scores.reliability(bins, theme=figures.DARK),
        alt=(
            f"Reliability diagram of {len(bins.n)} bins; expected calibration error {wording.number(scores.ece)}; "
            "the table below has every bin."
        ),
        caption=(
            "Images by the probability that the network gives its answer: on the dotted line it is right as often as it "
            f"says. Below the line it claims too much. Expected calibration error {wording.number(scores.ece)}, which "
            "few images in a bin make larger by chance."
        ),
    )


def _reliability_table(bins: ReliabilityBins) -> Table:
    rows = tuple(
        (
            f"{wording.percent(low, 2)} to {wording.percent(high, 2)}",
            f"{int(n):,}",
            wording.percent(confidence),
            wording.percent(accuracy),
        )
        for low, high, n, confidence, accuracy in zip(
            bins.low.tolist(), bins.high.tolist(), bins.n.tolist(), bins.confidence.tolist(), bins.accuracy.tolist(),
            strict=True,
        )
    )  # fmt: skip
    header = ("Probability of the answer", "Images", "Mean probability", "Right")
    return Table("The same bins as a table", header, "lrrr", rows, folded=True)


def _both(name: str, found: Intervals | None) -> tuple[str, str]:
    if found is None:
        return wording.NOTHING, wording.NOTHING
    return interval_text(name, found.group), interval_text(name, found.image)


def _reasons(found: Mapping[str, Intervals]) -> tuple[str, ...]:
    lines, noted = [], {}
    for name, entry in found.items():
        lines += [reason for reason in (entry.group_reason, entry.image_reason) if reason]
        if entry.note:
            noted.setdefault(entry.note, []).append(name.replace("_", " "))
    # Few groups trouble every metric alike: said once.
    lines += [f"{', '.join(names)}: {note}" for note, names in noted.items()]
    return tuple(dict.fromkeys(lines))
