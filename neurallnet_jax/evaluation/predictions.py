"""Predictions of labelled images as a table that survives a CSV file, known by the hash of every image.

Knows neither models nor how predictions are scored.
"""

import csv
import dataclasses
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurallnet_jax.evaluation.selection import Only, spread
from neurallnet_jax.images.decode import one_line
from neurallnet_jax.images.folder import Dataset
from neurallnet_jax.metrics.calibration import SUM_TOLERANCE

__all__ = ["PredictionTable", "choose", "in_order", "is_file", "match", "read", "take", "to_csv"]

_BEFORE = ["path", "truth", "prediction", "seen"]
_AFTER = ["sha256", "group"]
_COLUMNS = f"{', '.join(_BEFORE)}, one per class, {', '.join(_AFTER)}"
_HASH = re.compile(r"[0-9a-f]{64}")
_AGAIN = "write it anew with `neurallnet evaluate --predictions`"


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """What a model says of labelled images, in any order.

    Attributes:
        classes: Names of the classes, in the order of the columns.
        paths: Where each image lay.
        sha256: Hash of the bytes of each.
        labels: True class of each, int64 (n,).
        probabilities: float64 (n, classes).
        seen: Whether training or selection has used it, bool (n,).
        groups: The group it is drawn with in a bootstrap, int64 (n,); a group lies in one class.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    sha256: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    seen: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)


def to_csv(table: PredictionTable) -> str:
    """Return one line per image: path, truth, prediction, seen, the probability of every class, SHA-256 and group.

    Probabilities are written with all their digits, so that `read` gives back what was computed.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_BEFORE, *table.classes, *_AFTER])
    rows = zip(
        table.paths, table.labels.tolist(), table.probabilities, table.seen.tolist(), table.sha256, table.groups.tolist(),
        strict=True,
    )  # fmt: skip
    for path, label, values, seen, sha256, group in rows:
        said = table.classes[int(values.argmax())]
        numbers = [repr(float(value)) for value in values]
        writer.writerow([path, table.classes[label], said, int(seen), *numbers, sha256, group])
    return text.getvalue()


def is_file(argument: str) -> bool:
    """Return whether a command-line argument names a table of predictions rather than a RUN: a file, or `*.csv`."""
    return Path(argument).is_file() or argument.lower().endswith(".csv")


def read(path: Path) -> PredictionTable:
    """Return the table in a file that `to_csv` wrote.

    Raises:
        ValueError: The file cannot be read, or a line is damaged; the message names it.
    """
    where = one_line(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ValueError(f"{where}: cannot be read as predictions ({reason}); name a CSV file") from None
    # Told apart by our own lines alone: a damaged file may hold a carriage return or a NUL anywhere.
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: list[_Row] = []
    classes: tuple[str, ...] = ()
    try:
        for place, cells in enumerate(reader):
            if place == 0:
                classes = _classes(cells)
            else:
                rows.append(_row(cells, classes))
        if not rows:
            raise ValueError("holds no image" if classes else "is empty")
        _check_groups(rows)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{where}, line {max(reader.line_num, 1)}: {one_line(str(error))}; {_AGAIN}") from None
    return PredictionTable(
        classes=classes,
        paths=tuple(row.path for row in rows),
        sha256=tuple(row.sha256 for row in rows),
        labels=np.array([row.label for row in rows], np.int64),
        probabilities=np.array([row.probabilities for row in rows], np.float64),
        seen=np.array([row.seen for row in rows], bool),
        groups=np.array([row.group for row in rows], np.int64),
    )


def in_order(table: PredictionTable, classes: Sequence[str]) -> PredictionTable:
    """Return `table` with its columns in the order of `classes`.

    Raises:
        ValueError: The classes are not the same.
    """
    if set(table.classes) != set(classes):
        raise ValueError(f"knows the classes {', '.join(table.classes)}, not {', '.join(classes)}")
    order = [table.classes.index(name) for name in classes]
    place = {old: new for new, old in enumerate(order)}
    labels = np.array([place[label] for label in table.labels.tolist()], np.int64)
    return dataclasses.replace(
        table, classes=tuple(classes), labels=labels, probabilities=table.probabilities[:, order]
    )


def choose(table: PredictionTable, *, only: Only, limit: int | None, source: str) -> PredictionTable:
    """Return the rows that `--only` and `--limit` ask for.

    Raises:
        ValueError: Nothing is left, or the test part is asked for, which a table does not know.
    """
    if only == "test":
        raise ValueError(f"{source}: does not say which images the test held; write it with --only test instead")
    places = np.flatnonzero(~table.seen) if only == "unseen" else np.arange(len(table))
    if not len(places):
        raise ValueError(f"{source}: holds no unseen image; leave --only out, or predict others")
    return take(table, spread(places, limit))


def take(table: PredictionTable, places: np.ndarray) -> PredictionTable:
    """Return the images at these places, int64, in their order."""
    chosen = places.tolist()
    return PredictionTable(
        classes=table.classes,
        paths=tuple(table.paths[place] for place in chosen),
        sha256=tuple(table.sha256[place] for place in chosen),
        labels=table.labels[places],
        probabilities=table.probabilities[places],
        seen=table.seen[places],
        groups=table.groups[places],
    )


def match(table: PredictionTable, dataset: Dataset, *, source: str) -> np.ndarray:
    """Return the place in a data set of every image of a table, by hash and class; the classes must be the same.

    Args:
        table: The predictions.
        dataset: The folder they are said to be of.
        source: What messages call the predictions.

    Raises:
        ValueError: An image is not in the folder, or is of another class there.
    """
    places: dict[tuple[str, int], int] = {}
    for place, record in enumerate(dataset.records):
        places.setdefault((record.sha256, record.label), place)
    known = {record.sha256: dataset.classes[record.label] for record in dataset.records}
    missing = [path for path, sha256 in zip(table.paths, table.sha256, strict=True) if sha256 not in known]
    where, root = one_line(source), one_line(str(dataset.root))
    if missing:
        raise ValueError(
            f"{where}: {len(missing)} of its {len(table)} images are not in {root}, by SHA-256 (the first is "
            f"{one_line(missing[0])}); these are predictions of another folder, name that one with --data"
        )
    found = []
    for path, sha256, label in zip(table.paths, table.sha256, table.labels.tolist(), strict=True):
        if (sha256, label) not in places:
            raise ValueError(
                f"{where}: {one_line(path)} is {table.classes[label]} there and {known[sha256]} in {root}; "
                "correct one of the two"
            )
        found.append(places[sha256, label])
    return np.array(found, np.int64)


@dataclass(frozen=True)
class _Row:
    path: str
    sha256: str
    label: int
    probabilities: tuple[float, ...]
    seen: bool
    group: int


def _classes(cells: list[str]) -> tuple[str, ...]:
    names = tuple(cells[len(_BEFORE) : -len(_AFTER)])
    if cells[: len(_BEFORE)] != _BEFORE or cells[-len(_AFTER) :] != _AFTER or len(names) < 2:
        raise ValueError(f"the columns are {', '.join(cells[:12]) or 'none'}; expected {_COLUMNS}")
    if len(set(names)) != len(names):
        raise ValueError(f"two columns have the same name among {', '.join(names)}")
    return names


def _row(cells: list[str], classes: tuple[str, ...]) -> _Row:
    expected = len(_BEFORE) + len(classes) + len(_AFTER)
    if len(cells) != expected:
        raise ValueError(f"has {len(cells)} cells; expected {expected}")
    path, truth, said, seen = cells[: len(_BEFORE)]
    sha256, group = cells[-len(_AFTER) :]
    for name in (truth, said):
        if name not in classes:
            raise ValueError(f"class {name!r} is none of {', '.join(classes)}")
    if seen not in ("0", "1"):
        raise ValueError(f"seen is {seen!r}; expected 0 or 1")
    if not _HASH.fullmatch(sha256):
        raise ValueError(f"{sha256[:70]!r} is no SHA-256 in hexadecimal")
    if not group.isascii() or not group.isdigit() or len(group) > 18:
        raise ValueError(f"group {group[:70]!r} is no whole number")
    values = tuple(map(_share, cells[len(_BEFORE) : -len(_AFTER)]))
    if abs(sum(values) - 1) > SUM_TOLERANCE:
        raise ValueError(f"the probabilities sum to {sum(values):.6g}; expected 1")
    if values[classes.index(said)] != max(values):
        raise ValueError(f"the prediction is {said!r}, which is not the most probable class")
    return _Row(path, sha256, classes.index(truth), values, seen == "1", int(group))


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text[:70]!r} is no number") from None
    if not 0 <= value <= 1 + SUM_TOLERANCE:
        raise ValueError(f"probability {text[:70]} is not in 0..1")
    return value


def _check_groups(rows: Sequence[_Row]) -> None:
    labels: dict[int, int] = {}
    for row in rows:
        if labels.setdefault(row.group, row.label) != row.label:
            raise ValueError(f"group {row.group} holds images of two classes")
