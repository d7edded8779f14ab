"""The folder of a cross-validation: what was begun on which images, and what every finished run says of its test images.

Knows files; trains and scores nothing.

crossvalidation.json    the plan, and the images it was begun on
images.csv              every image with its class, capture number, and the group it is drawn with in a bootstrap
<split>/fold-K/seed-S/  a RUN, and once it is scored
    test.csv            class probabilities of its test images
    test.json           how the training ended, and the scores; written last, so that a run that has it is finished
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurallnet_jax.checkpoint import write_atomically
from neurallnet_jax.evaluation import crossvalidation_plan as plans
from neurallnet_jax.evaluation.crossvalidation_plan import Cell, Plan
from neurallnet_jax.images.folder import Dataset

__all__ = [
    "PLAN_NAME",
    "Begun",
    "Images",
    "Outcome",
    "begin",
    "begun",
    "finish",
    "is_finished",
    "outcome",
    "read_images",
]

FORMAT_VERSION = 1
PLAN_NAME = "crossvalidation.json"
IMAGES_NAME = "images.csv"
PREDICTIONS_NAME = "test.csv"
OUTCOME_NAME = "test.json"

_IMAGE_COLUMNS = ["path", "sha256", "label", "number", "group"]
_PREDICTION_COLUMNS = ["path", "truth", "prediction"]
_AGAIN = "delete it and go on with --resume, which scores the run again"


@dataclass(frozen=True)
class Begun:
    """What a folder was begun with.

    Attributes:
        plan: What was asked.
        command: The command line, for the record.
        digest: `splits.digest` of the images.
        classes: Names of the classes.
        images: Number of images.
        skipped: Number of files that were no readable image.
    """

    plan: Plan
    command: str
    digest: str
    classes: tuple[str, ...]
    images: int
    skipped: int


@dataclass(frozen=True, eq=False)
class Images:
    """Every image of the folder: places by path, labels and groups by place, int64."""

    places: Mapping[str, int]
    labels: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a finished run left.

    Attributes:
        paths: Its test images.
        probabilities: Class probabilities of each, float64 (n, K).
        seen: How many of them its training or selection has seen under another name.
        best_epoch: The epoch that was kept.
        validation: Its balanced accuracy on the validation images.
        colour: Balanced accuracy of colour alone on the same images.
    """

    paths: tuple[str, ...]
    probabilities: np.ndarray
    seen: int
    best_epoch: int
    validation: float | None
    colour: float


def begin(out: Path, begun: Begun, dataset: Dataset, groups: np.ndarray) -> None:
    """Write what is begun, the plan last."""
    rows = [
        [record.path, record.sha256, dataset.classes[record.label], record.number, int(group)]
        for record, group in zip(dataset.records, groups, strict=True)
    ]
    _write_csv(out / IMAGES_NAME, _IMAGE_COLUMNS, rows)
    fields = {
        "format_version": FORMAT_VERSION,
        "command": begun.command,
        "plan": plans.to_json(begun.plan),
        "data": {
            "digest": begun.digest,
            "classes": list(begun.classes),
            "images": begun.images,
            "skipped": begun.skipped,
        },
    }
    _write_json(out / PLAN_NAME, fields)


def begun(out: Path) -> Begun:
    """Return what a folder was begun with.

    Raises:
        ValueError: Nothing was begun there, or another version began it; one line.
    """
    path = out / PLAN_NAME
    if not path.is_file():
        raise ValueError(
            f"{out}: no cross-validation ({PLAN_NAME} is missing); name a folder that `neurallnet crossvalidate` began, "
            "or begin one without --resume"
        )
    fields = _read_json(path, "name another folder")
    if fields.get("format_version") != FORMAT_VERSION:
        found = fields.get("format_version")
        raise ValueError(f"{path}: format version {found}, this release reads {FORMAT_VERSION}")
    try:
        data = fields["data"]
        return Begun(
            plan=plans.from_json(fields["plan"]),
            command=fields["command"],
            digest=data["digest"],
            classes=tuple(data["classes"]),
            images=data["images"],
            skipped=data["skipped"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: does not say what was asked for ({error}); name another folder") from None


def read_images(out: Path, classes: Sequence[str]) -> Images:
    """Return the images that a folder was begun on.

    Raises:
        ValueError: Their list cannot be read, or speaks of another class; one line.
    """
    path = out / IMAGES_NAME
    rows = _read_csv(path, _IMAGE_COLUMNS, "name another folder")
    try:
        labels = [classes.index(row["label"]) for row in rows]
        groups = [int(row["group"]) for row in rows]
    except ValueError as error:
        raise ValueError(
            f"{path}: is no list of images of {', '.join(classes)} ({error}); name another folder"
        ) from None
    places = {row["path"]: place for place, row in enumerate(rows)}
    return Images(places, np.array(labels, np.int64), np.array(groups, np.int64))


def is_finished(out: Path, cell: Cell) -> bool:
    """Return whether a run is trained and scored."""
    return (cell.folder(out) / OUTCOME_NAME).is_file()


def finish(
    out: Path, cell: Cell, found: Outcome, classes: Sequence[str], truths: Sequence[str], evaluation: Mapping[str, Any]
) -> None:
    """Write what a run says of its test images.

    Args:
        out: Folder of the cross-validation.
        cell: The run.
        found: What it left.
        classes: Names of the classes, in the order of the probabilities.
        truths: Name of the true class of each image.
        evaluation: Its scores as plain data, as `evaluate --json` writes them.
    """
    run = cell.folder(out)
    rows = [
        # repr, so that the numbers come back as they are.
        [path, truth, classes[int(row.argmax())], *map(repr, row.tolist())]
        for path, truth, row in zip(found.paths, truths, found.probabilities, strict=True)
    ]
    _write_csv(run / PREDICTIONS_NAME, [*_PREDICTION_COLUMNS, *classes], rows)
    fields = {
        "format_version": FORMAT_VERSION,
        "best_epoch": found.best_epoch,
        "validation": found.validation,
        "seen": found.seen,
        "colour": found.colour,
        "evaluation": dict(evaluation),
    }
    _write_json(run / OUTCOME_NAME, fields)


def outcome(out: Path, cell: Cell, classes: Sequence[str]) -> Outcome:
    """Return what a finished run left.

    Raises:
        ValueError: A file is missing or damaged; one line that names it.
    """
    run = cell.folder(out)
    fields = _read_json(run / OUTCOME_NAME, _AGAIN)
    path = run / PREDICTIONS_NAME
    rows = _read_csv(path, [*_PREDICTION_COLUMNS, *classes], f"delete {OUTCOME_NAME} beside it and go on with --resume")
    try:
        return Outcome(
            paths=tuple(row["path"] for row in rows),
            probabilities=np.array([[float(row[name]) for name in classes] for row in rows]),
            seen=fields["seen"],
            best_epoch=fields["best_epoch"],
            validation=fields["validation"],
            colour=float(fields["colour"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{run / OUTCOME_NAME}: is not as it was written ({error}); {_AGAIN}") from None


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def _read_csv(path: Path, header: Sequence[str], what_to_do: str) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no table"
        raise ValueError(f"{path}: cannot be read ({reason}); {what_to_do}") from None
    if list(reader.fieldnames or ()) != list(header):
        raise ValueError(f"{path}: has columns {', '.join(reader.fieldnames or ())}; {what_to_do}")
    if not rows or any(None in row.values() or None in row for row in rows):
        raise ValueError(f"{path}: is cut short; {what_to_do}")
    return rows


def _write_json(path: Path, fields: Mapping[str, Any]) -> None:
    write_atomically(path, (json.dumps(fields, indent=1, allow_nan=False) + "\n").encode())


def _read_json(path: Path, what_to_do: str) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON"
        raise ValueError(f"{path}: cannot be read ({reason}); {what_to_do}") from None
    if not isinstance(fields, dict):
        raise ValueError(f"{path}: holds no object; {what_to_do}")
    return fields
