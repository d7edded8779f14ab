"""A checkpoint on a folder of images: scores with intervals, and a prediction per image. Knows no command line."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurallnet_jax import models
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import predictions
from neurallnet_jax.evaluation.doubt import Doubt, doubts
from neurallnet_jax.evaluation.predictions import PredictionTable
from neurallnet_jax.evaluation.selection import Selection, groups_of
from neurallnet_jax.images.classes import malignant
from neurallnet_jax.images.folder import Dataset, Files
from neurallnet_jax.metrics import calibration, intervals, scores

__all__ = [
    "Evaluation",
    "Prediction",
    "evaluate",
    "from_json",
    "judge",
    "judge_table",
    "predict",
    "predictions_csv",
    "tabulate",
    "tabulate_model",
    "to_json",
]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes:
        path: The file.
        label: Name of the most probable class.
        probabilities: Probability of every class by name, calibrated where the checkpoint holds a temperature.
        warnings: What makes the answer doubtful, one sentence each.
        truth: Name of the true class, None where unknown.
        seen: Whether training or selection has used this image.
        doubt: Conformal set, warnings and abstention; None where the checkpoint holds nothing fitted for them.
        abstained: Why no answer is given, where abstention was asked for; None where one is.
    """

    path: str
    label: str
    probabilities: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    truth: str | None = None
    seen: bool = False
    doubt: Doubt | None = None
    abstained: str | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model on labelled images.

    Attributes:
        scores: The metrics.
        intervals: By metric, over groups of neighbouring images and over single images.
        seen: Number of images that training or selection has used; their scores flatter.
        reliability: Confidence and accuracy per bin.
        predictions: One per image; none where the evaluation comes from a JSON file.
        table: The same as arrays, with hashes and groups; None likewise.
        colour_line: What colour alone gets on the same images, see `shortcuts.colour_line`; None with a reason.
        colour_line_reason: Why there is none.
    """

    scores: scores.Scores
    intervals: Mapping[str, intervals.Intervals]
    seen: int
    reliability: calibration.ReliabilityBins
    predictions: tuple[Prediction, ...] = ()
    table: PredictionTable | None = None
    colour_line: float | None = None
    colour_line_reason: str | None = "not computed"


def evaluate(
    checkpoint: Checkpoint,
    dataset: Dataset,
    selection: Selection,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a model on the chosen images of a folder.

    Raises:
        ValueError: The folder's images do not fit the model.
    """
    return judge_table(tabulate_model(checkpoint, dataset, selection, progress=progress))


def judge(probabilities: np.ndarray, classes: tuple[str, ...], dataset: Dataset, selection: Selection) -> Evaluation:
    """Score class probabilities, (images, classes), of the chosen images, whoever made them."""
    return judge_table(tabulate(probabilities, classes, dataset, selection))


def judge_table(table: PredictionTable) -> Evaluation:
    """Score predictions that carry their truths and groups."""
    marks = malignant(table.classes)
    return Evaluation(
        scores=scores.score(table.labels, table.probabilities, table.classes, malignant=marks),
        intervals=intervals.bootstrap(
            table.labels, table.probabilities, table.groups, malignant=marks, classes=table.classes
        ),
        seen=int(table.seen.sum()),
        reliability=calibration.reliability(table.labels, table.probabilities),
        predictions=tuple(_predictions(table)),
        table=table,
    )


def tabulate_model(
    checkpoint: Checkpoint,
    dataset: Dataset,
    selection: Selection,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> PredictionTable:
    """Return what a model says of the chosen images of a folder.

    Raises:
        ValueError: The folder's images do not fit the model.
    """
    classifier = models.from_checkpoint(checkpoint)
    pixels = np.asarray(dataset.pixels[selection.places])
    logits = models.make_predict(classifier)(classifier.variables, pixels, progress=progress)
    return tabulate(_probabilities(checkpoint, logits), checkpoint.classes, dataset, selection)


def tabulate(
    probabilities: np.ndarray, classes: tuple[str, ...], dataset: Dataset, selection: Selection
) -> PredictionTable:
    """Return class probabilities, (images, classes), of the chosen images with their truths, hashes and groups."""
    labels = dataset.labels[selection.places].astype(np.int64)
    records = [dataset.records[place] for place in selection.places.tolist()]
    return PredictionTable(
        classes=classes,
        paths=tuple(record.path for record in records),
        sha256=tuple(record.sha256 for record in records),
        labels=labels,
        probabilities=np.asarray(probabilities, np.float64),
        seen=np.asarray(selection.seen, bool),
        groups=groups_of(dataset, selection.places),
    )


def predict(checkpoint: Checkpoint, files: Files, *, abstain: bool = False) -> tuple[Prediction, ...]:
    """Return what a model says of single images.

    Args:
        checkpoint: The model.
        files: The images.
        abstain: Whether doubtful images are left unanswered.

    Raises:
        ValueError: Abstention is asked for and the checkpoint holds nothing fitted for it.
    """
    if abstain and checkpoint.trust is None:
        raise ValueError("this RUN holds no fitted abstention; run `neurallnet calibrate` on it first")
    classifier = models.from_checkpoint(checkpoint)
    logits = models.make_predict(classifier)(classifier.variables, files.pixels)
    probabilities = _probabilities(checkpoint, logits)
    doubted: tuple[Doubt | None, ...] = (None,) * len(files.paths)
    if checkpoint.trust is not None:
        doubted = doubts(checkpoint.trust, checkpoint.classes, probabilities, files.pixels)
    seen = set(checkpoint.seen)
    always = () if checkpoint.temperature else ("probabilities are not calibrated",)
    return tuple(
        Prediction(
            path=path,
            label=checkpoint.classes[int(row.argmax())],
            probabilities=dict(zip(checkpoint.classes, row.tolist(), strict=True)),
            warnings=(
                *always,
                *(("seen in training",) if sha256 in seen else ()),
                *(doubt.warnings if doubt else ()),
            ),
            seen=sha256 in seen,
            doubt=doubt,
            abstained=doubt.reason if abstain and doubt else None,
        )
        for path, sha256, row, doubt in zip(files.paths, files.sha256, probabilities, doubted, strict=True)
    )


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain data, the predictions left out."""
    return {
        **scores.to_json(evaluation.scores),
        "seen": evaluation.seen,
        "intervals": intervals.to_json(evaluation.intervals),
        "reliability": calibration.bins_to_json(evaluation.reliability),
        "colour_line": evaluation.colour_line,
        "colour_line_reason": evaluation.colour_line_reason,
    }


def from_json(data: Mapping[str, Any]) -> Evaluation:
    """Return the evaluation that `to_json` wrote, without its predictions; other keys are left alone."""
    return Evaluation(
        scores=scores.from_json(data),
        intervals=intervals.from_json(data["intervals"]),
        seen=data["seen"],
        reliability=calibration.bins_from_json(data["reliability"]),
        colour_line=data["colour_line"],
        colour_line_reason=data.get("colour_line_reason"),
    )


def predictions_csv(evaluation: Evaluation) -> str:
    """Return one line per image, as `predictions.to_csv`.

    Raises:
        ValueError: The evaluation comes from a JSON file, which holds no predictions.
    """
    if evaluation.table is None:
        raise ValueError("this evaluation holds no predictions; score the images again")
    return predictions.to_csv(evaluation.table)


def _predictions(table: PredictionTable) -> Iterator[Prediction]:
    rows = zip(table.paths, table.labels.tolist(), table.probabilities, table.seen.tolist(), strict=True)
    for path, label, values, seen in rows:
        yield Prediction(
            path=path,
            label=table.classes[int(values.argmax())],
            probabilities=dict(zip(table.classes, values.tolist(), strict=True)),
            warnings=("seen in training",) if seen else (),
            truth=table.classes[label],
            seen=seen,
        )


def _probabilities(checkpoint: Checkpoint, logits: np.ndarray) -> np.ndarray:
    return calibration.apply_temperature(logits, checkpoint.temperature or 1.0)
