"""Which image trains, validates and tests, decided by class and capture number, and the file that says so.

Knows records and their order; neither pixels nor models.
"""

import csv
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from neurallnet_jax.images.classes import class_name
from neurallnet_jax.images.decode import one_line
from neurallnet_jax.images.folder import Dataset, Record
from neurallnet_jax.images.twins import components

__all__ = [
    "BLOCK",
    "BLOCK_MARGIN",
    "FOLDS",
    "TEST_MARGIN",
    "Part",
    "Scheme",
    "Split",
    "digest",
    "groups",
    "indices",
    "make_split",
    "read_split",
    "write_split",
]

Scheme: TypeAlias = Literal["contiguous", "blocks", "random", "all"]
Part: TypeAlias = Literal["train", "validation", "test", "unused"]
_Span: TypeAlias = tuple[int, int]

FOLDS = 5
"""Folds of every scheme."""
BLOCK = 48
"""Capture numbers of a block."""
BLOCK_MARGIN = 8
"""Numbers left out on either side of a block that tests or validates."""
TEST_MARGIN = 24
"""Numbers left out on either side of the fifth that a contiguous fold tests on."""

_HEADER = "# neurallnet split, format_version 1, scheme "
_COLUMNS = ["path", "sha256", "label", "number", "part"]


@dataclass(frozen=True)
class Split:
    """The part of every record, in the order of the records.

    Attributes:
        scheme: `contiguous`, `blocks`, `random`, `all`, or `manifest` for a file made elsewhere.
        parts: `train`, `validation`, `test` or `unused` per record.
    """

    scheme: str
    parts: tuple[str, ...]


def make_split(
    records: Sequence[Record], *, scheme: Scheme, fold: int = 0, seed: int = 0, margin: int = TEST_MARGIN
) -> Split:
    """Return the part of every record, decided class by class.

    - `contiguous`: fold k tests on the k-th fifth in order of capture number; 24 numbers on either side are left out.
      Of the blocks of 48 numbers that this leaves whole, the third of every five validates, with 8 numbers left out
      around it, and the rest trains.
    - `blocks`: of the blocks of 48 numbers that hold images, those whose place is k modulo 5 test and the next ones
      validate; 8 numbers around each are left out, the test keeping its own where the two touch.
    - `random`: a tenth tests, a tenth validates, the rest trains, image by image; `seed` shuffles, and the folds' tests
      are disjoint.
    - `all`: everything trains.

    Args:
        records: Images with their labels and capture numbers.
        scheme: Which of the above.
        fold: k, in 0..4; without effect on `all`.
        seed: Shuffles `random`; without effect on the others.
        margin: Capture numbers left out on either side of a `contiguous` test fifth; the other schemes have none.

    Raises:
        ValueError: A class is too small for the scheme, or an argument is out of range; one line.
    """
    if scheme not in get_args(Scheme):
        raise ValueError(f"split {scheme!r} is unknown; expected one of {', '.join(get_args(Scheme))}")
    if fold not in range(FOLDS):
        raise ValueError(f"fold is {fold}; expected 0..{FOLDS - 1}")
    if not records:
        raise ValueError("there is no image to split; name a folder with one sub-folder per class")
    parts = ["train"] * len(records)
    if scheme != "all":
        for label in sorted({record.label for record in records}):
            places = [place for place, record in enumerate(records) if record.label == label]
            places.sort(key=lambda place: (records[place].number, records[place].path))
            members = [records[place] for place in places]
            chosen = _random(members, fold, seed) if scheme == "random" else _by_number(members, scheme, fold, margin)
            _check_class(members, chosen, scheme, fold)
            for place, part in zip(places, chosen, strict=True):
                parts[place] = part
    return Split(scheme, tuple(parts))


def indices(split: Split, part: Part) -> np.ndarray:
    """Return the places of the records of one part, int64, ascending."""
    if part not in get_args(Part):
        raise ValueError(f"part {part!r} is unknown; expected one of {', '.join(get_args(Part))}")
    return np.flatnonzero(np.array(split.parts) == part)


def groups(records: Sequence[Record], twins: np.ndarray) -> np.ndarray:
    """Return the group that each record is drawn with in a bootstrap: its block of 48 numbers, merged with its twins.

    Args:
        records: Images with their labels and capture numbers.
        twins: Group of twins of every record, as `twins.twin_groups` returns it.

    Returns:
        Group of every record, int64, numbered from 0 in order of first appearance.
    """
    if len(twins) != len(records):
        raise ValueError(f"{len(twins)} twin groups for {len(records)} records; compute them from the same images")
    first: dict[tuple, int] = {}
    places = np.arange(len(records))
    blocks = np.array([first.setdefault((r.label, _block(r.number)), place) for place, r in enumerate(records)], int)
    same = np.array([first.setdefault(("twins", int(twin)), place) for place, twin in enumerate(twins)], int)
    return components(len(records), [(places, blocks), (places, same)])


def digest(dataset: Dataset) -> str:
    """Return one SHA-256 over the paths, bytes and classes of a data set, in hexadecimal."""
    lines = [f"{record.path}\0{record.sha256}\0{dataset.classes[record.label]}\n" for record in dataset.records]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def write_split(split: Split, dataset: Dataset, path: Path) -> None:
    """Write path, SHA-256, label, number and part of every record as CSV, after one line that names the scheme.

    The file is written beside its final name and renamed.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("x", newline="", encoding="utf-8") as file:
            file.write(f"{_HEADER}{split.scheme}\n")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for record, part in zip(dataset.records, split.parts, strict=True):
                label = dataset.classes[record.label]
                writer.writerow([record.path, record.sha256, label, record.number, part])
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_split(path: Path, dataset: Dataset) -> Split:
    """Return the split in a file, refusing one that was made for other images.

    Args:
        path: A file of `write_split`, or any CSV with the columns path, sha256 and part.
        dataset: The images it must speak of, each and no other.

    Raises:
        ValueError: The file cannot be read, or a file's bytes or class differ, or one is missing or added; one line.
    """
    scheme, rows = _read_rows(Path(path))
    known = {record.path: record for record in dataset.records}
    parts: dict[str, str] = {}
    for row in rows:
        problem = _problem(row, known.get(row["path"]), dataset)
        if row["path"] in parts:
            problem = "is listed twice; keep one line"
        if problem:
            raise ValueError(one_line(f"{path}: {row['path']} {problem}"))
        parts[row["path"]] = row["part"]
    for name in known:
        if name not in parts:
            text = f"{path}: {name} of {dataset.root} is not listed; remove it, or make a new split"
            raise ValueError(one_line(text))
    return Split(scheme, tuple(parts[record.path] for record in dataset.records))


def _problem(row: dict[str, str], record: Record | None, dataset: Dataset) -> str:
    if record is None:
        return f"is not in {dataset.root}; restore it, or make a new split"
    if row["sha256"] != record.sha256:
        return f"has other bytes in {dataset.root}; restore it, or make a new split"
    label = dataset.classes[record.label]
    if class_name(row.get("label") or label, dataset.classes) != label:
        return f"is {row['label']} there and {label} in {dataset.root}; make a new split"
    if row["part"] not in get_args(Part):
        return f"has part {row['part']!r}; expected one of {', '.join(get_args(Part))}"
    return ""


def _read_rows(path: Path) -> tuple[str, list[dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ValueError(f"{path}: cannot be read as a split ({reason}); name a CSV file") from None
    scheme = "manifest"
    if text.startswith("#"):
        first, _, text = text.partition("\n")
        if not first.startswith(_HEADER):
            raise ValueError(f"{path}: begins with {first[:60]!r}; expected {_HEADER!r}, from this version or older")
        scheme = first[len(_HEADER) :].strip()
    reader = csv.DictReader(text.splitlines(keepends=True))
    lacking = [column for column in ("path", "sha256", "part") if column not in (reader.fieldnames or ())]
    if lacking:
        raise ValueError(f"{path}: has no column {', '.join(lacking)}; a split has {', '.join(_COLUMNS)}")
    return scheme, list(reader)


def _block(number: int) -> int:
    return (number - 1) // BLOCK


def _random(members: Sequence[Record], fold: int, seed: int) -> list[str]:
    # Ordered by hash, so that the draw depends on nothing but the seed and the name.
    drawn = sorted(members, key=lambda record: hashlib.sha256(f"{seed}\0{record.path}".encode()).digest())
    count, tenth = len(drawn), max(1, round(len(drawn) / 10))
    start = fold * count // FOLDS
    rotated = drawn[start:] + drawn[:start]
    part = {record.path: "train" for record in rotated}
    part.update({record.path: "test" for record in rotated[:tenth]})
    part.update({record.path: "validation" for record in rotated[tenth : 2 * tenth]})
    return [part[record.path] for record in members]


def _by_number(members: Sequence[Record], scheme: Scheme, fold: int, margin: int) -> list[str]:
    numbers = [record.number for record in members]
    if scheme == "blocks":
        present = sorted({_block(number) for number in numbers})
        test = [_span(block) for place, block in enumerate(present) if place % FOLDS == fold]
        validation = [_span(block) for place, block in enumerate(present) if place % FOLDS == (fold + 1) % FOLDS]
        return [_part(number, test, BLOCK_MARGIN, validation) for number in numbers]
    fifth = numbers[fold * len(numbers) // FOLDS : (fold + 1) * len(numbers) // FOLDS]
    test = [(fifth[0], fifth[-1])] if fifth else []
    cut = {_block(number) for number in numbers if _near(number, test, margin)}
    whole = sorted({_block(number) for number in numbers} - cut)
    phase = min(FOLDS // 2, len(whole) - 1)
    validation = [_span(block) for place, block in enumerate(whole) if place % FOLDS == phase]
    return [_part(number, test, margin, validation) for number in numbers]


def _part(number: int, test: Sequence[_Span], margin: int, validation: Sequence[_Span]) -> str:
    if _near(number, test, 0):
        return "test"
    if _near(number, test, margin):
        return "unused"
    if _near(number, validation, 0):
        return "validation"
    return "unused" if _near(number, validation, BLOCK_MARGIN) else "train"


def _near(number: int, spans: Sequence[_Span], margin: int) -> bool:
    return any(first - margin <= number <= last + margin for first, last in spans)


def _span(block: int) -> _Span:
    return block * BLOCK + 1, (block + 1) * BLOCK


def _check_class(members: Sequence[Record], parts: Sequence[str], scheme: Scheme, fold: int) -> None:
    for part in ("test", "validation", "train"):
        if part not in parts:
            name = members[0].path.split("/")[0]
            raise ValueError(
                f"split {scheme}, fold {fold}: class folder {name} ({len(members)} images) would have none for {part}; "
                + ("add images" if scheme == "random" else "use --split random, or add images")
            )
