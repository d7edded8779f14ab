"""A checkpoint on a folder of images: scores with intervals, and a prediction per image. Knows no command line."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurallnet_jax import models
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation.doubt import Doubt, doubts
from neurallnet_jax.evaluation.selection import Selection
from neurallnet_jax.images import splits, twins
from neurallnet_jax.images.folder import Dataset, Files
from neurallnet_jax.metrics import calibration, intervals, scores

__all__ = ["Evaluation", "Prediction", "evaluate", "judge", "predict", "predictions_csv", "to_json"]


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
        predictions: One per image.
    """

    scores: scores.Scores
    intervals: Mapping[str, intervals.Intervals]
    seen: int
    predictions: tuple[Prediction, ...]


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
    classifier = models.from_checkpoint(checkpoint)
    pixels = np.asarray(dataset.pixels[selection.places])
    logits = models.make_predict(classifier)(classifier.variables, pixels, progress=progress)
    return judge(_probabilities(checkpoint, logits), checkpoint.classes, dataset, selection)


def judge(probabilities: np.ndarray, classes: tuple[str, ...], dataset: Dataset, selection: Selection) -> Evaluation:
    """Score class probabilities, (images, classes), of the chosen images, whoever made them."""
    labels = dataset.labels[selection.places]
    records = [dataset.records[place] for place in selection.places.tolist()]
    # Twins of another class stay apart: groups are drawn within each class.
    related = twins.twin_groups(np.asarray(dataset.pixels[selection.places])) * len(classes) + labels
    found = tuple(
        Prediction(
            path=record.path,
            label=classes[int(row.argmax())],
            probabilities=dict(zip(classes, row.tolist(), strict=True)),
            warnings=("seen in training",) if seen else (),
            truth=classes[record.label],
            seen=bool(seen),
        )
        for record, row, seen in zip(records, probabilities, selection.seen.tolist(), strict=True)
    )
    return Evaluation(
        scores=scores.score(labels, probabilities, classes),
        intervals=intervals.bootstrap(labels, probabilities, splits.groups(records, related)),
        seen=int(selection.seen.sum()),
        predictions=found,
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
    }


def predictions_csv(evaluation: Evaluation) -> str:
    """Return one line per image: path, truth, prediction, whether it was seen, and the probability of every class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "truth", "prediction", "seen", *evaluation.scores.classes])
    for entry in evaluation.predictions:
        numbers = [f"{value:.6f}" for value in entry.probabilities.values()]
        writer.writerow([entry.path, entry.truth, entry.label, int(entry.seen), *numbers])
    return text.getvalue()


def _probabilities(checkpoint: Checkpoint, logits: np.ndarray) -> np.ndarray:
    return calibration.apply_temperature(logits, checkpoint.temperature or 1.0)
