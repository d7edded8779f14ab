"""Twins within a folder, across a split and between two folders, and what stands for patients on both sides.

Knows folders, splits and the rules that make a match a twin; neither models nor how anything is shown.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from neurallnet_jax import checkpoint
from neurallnet_jax.images import exif, near, registration, twins
from neurallnet_jax.images.decode import open_rgb, quiet_pillow, read_bytes
from neurallnet_jax.images.folder import UNLABELLED, BadImage, Dataset, list_folder
from neurallnet_jax.images.splits import BLOCK, read_split

__all__ = [
    "IN_PLACE",
    "LEAST_SIDE",
    "LEAST_WINDOW",
    "NEAR",
    "OVERLAP",
    "Leaks",
    "Member",
    "Pair",
    "Straddle",
    "audit",
    "from_json",
    "is_near",
    "to_json",
]

NEAR = 0.98
"""Least correlation of near twins one of which is a moved, cropped or turned window of the other."""

IN_PLACE = 0.85
"""The same where they lie upon each other as they are: what differs is then light or compression, not the field."""

OVERLAP = 0.7
"""Least correlation of photographs that show the same field in part."""

LEAST_WINDOW = 0.78
"""Least side of the window in which an overlap is believed: in a smaller one strangers can be made to fit."""

LEAST_SIDE = 96
"""Least side of an image, pixels, in which an overlap is believed: a smaller one has no detail to tell fields apart by."""

FORMAT_VERSION = 1
MANY = 1024
"""Pairs between two sets of exact copies above which one per combination of part, folder and class is listed."""

_SHIFT = 0.02
_PHASH_SIDE = 32
_SIDES = ("train", "validation", "test", "seen")
_DONE = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Member:
    """One image of an audit.

    Attributes:
        folder: 0 for DIR, 1 for OTHER.
        path: Path below its folder.
        label: Its class, None in a folder without classes.
        number: Capture number.
        part: Part of the split, None without a split or for images of OTHER.
        session: EXIF sitting, None where the file has no time.
    """

    folder: int
    path: str
    label: str | None
    number: int
    part: str | None = None
    session: int | None = None


@dataclass(frozen=True)
class Pair:
    """Two images that show the same.

    Attributes:
        kind: `exact` (the same pixels), `near` (one made from the other, or as good as), or `overlap` (another photograph
            of the same field, or of most of it).
        first: The image that a window is cut from.
        second: The image that shows this window.
        correlation: Of the two once aligned, 1 for exact twins.
        orientation: How the second has to be laid: `none`, `mirror`, ...
        window: Top, left, height and width of the window, as shares of the sides of the first.
        crosses: Whether the two stand in different parts of the split, or in different folders.
        conflict: Whether their labels differ.
    """

    kind: str
    first: Member
    second: Member
    correlation: float
    orientation: str
    window: tuple[float, float, float, float]
    crosses: bool
    conflict: bool


@dataclass(frozen=True)
class Straddle:
    """A block of capture numbers or a sitting, and how many of its images stand on each side.

    Attributes:
        name: What it is.
        sides: Number of its images by part of the split, or by folder.
    """

    name: str
    sides: Mapping[str, int]


@dataclass(frozen=True)
class Leaks:
    """What an audit found.

    Attributes:
        root: Last part of the path of DIR.
        other: The same of OTHER, None without.
        split: What gave the parts, None without.
        images: Number of readable images in DIR and in OTHER.
        pairs: Exact and near twins: between the folders where there are two, else within DIR; crossing ones first.
        within: With two folders, those inside either.
        overlaps: Photographs of the same field in part, wherever they stand.
        groups: Images that chains of twins connect, of two and more.
        blocks: Blocks of 48 capture numbers of a class that stand on more than one side.
        sessions: EXIF sittings, all of them.
        blank: Images that show nothing to compare; only their exact copies are found.
        bad: Files that were skipped.
    """

    root: str
    other: str | None
    split: str | None
    images: tuple[int, int]
    pairs: tuple[Pair, ...]
    within: tuple[Pair, ...]
    overlaps: tuple[Pair, ...]
    groups: tuple[tuple[Member, ...], ...]
    blocks: tuple[Straddle, ...]
    sessions: tuple[Straddle, ...]
    blank: int = 0
    bad: tuple[BadImage, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether no exact or near twin crosses."""
        return not any(pair.crosses for pair in (*self.pairs, *self.within))

    @property
    def conflicts(self) -> tuple[Pair, ...]:
        """Twins with different labels."""
        return tuple(pair for pair in (*self.pairs, *self.within) if pair.conflict)


class _Seen(NamedTuple):
    member: Member
    digest: bytes
    thumbnail: np.ndarray
    hashed: np.uint64
    grey: np.ndarray
    taken: exif.Taken
    side: int


def audit(root: Path, other: Path | None = None, *, split: str | None = None, progress: _DONE | None = None) -> Leaks:
    """Return the twins of one folder, or of two.

    Args:
        root: DIR, with one sub-folder per class or with images alone.
        other: OTHER, the same; None to look at DIR alone.
        split: A RUN, or a split as CSV, that says which image of DIR trains and which tests; None without.
        progress: Called with the name of the step, what is done of it and what there is in all.

    Raises:
        ValueError: A folder is missing, empty, or named twice, or the split speaks of other images; one line.
    """
    roots = [Path(root)] if other is None else [Path(root), Path(other)]
    if other is not None and Path(root).resolve() == Path(other).resolve():
        raise ValueError(
            f"{other}: is DIR itself; name another folder, or leave it out to look for twins within {root}"
        )
    datasets = [list_folder(one) for one in roots]
    parts = [_parts(split, datasets[0]), *([None] * len(datasets[1]) for _ in roots[1:])]
    seen: list[_Seen] = []
    bad = [item for dataset in datasets for item in dataset.bad]
    for place, dataset in enumerate(datasets):
        for item in _read(dataset, place, parts[place], len(roots) > 1, progress):
            (bad if isinstance(item, BadImage) else seen).append(item)  # type: ignore[arg-type]
        if not any(item.member.folder == place for item in seen):
            raise ValueError(f"{dataset.root}: no image of it is readable, the first: {bad[-1].error}")
    sessions = exif.sessions([item.taken for item in seen])
    members = [replace(item.member, session=session) for item, session in zip(seen, sessions, strict=True)]
    pairs, blank = _pairs(seen, members, progress)
    twinned = [pair for pair in pairs if pair.kind != "overlap"]
    between = [pair for pair in twinned if len(roots) == 1 or pair.first.folder != pair.second.folder]
    return Leaks(
        root=Path(root).resolve().name,
        other=None if other is None else Path(other).resolve().name,
        split=split,
        images=(sum(m.folder == 0 for m in members), sum(m.folder == 1 for m in members)),
        pairs=tuple(between),
        within=tuple(pair for pair in twinned if len(roots) == 2 and pair.first.folder == pair.second.folder),
        overlaps=tuple(pair for pair in pairs if pair.kind == "overlap"),
        groups=_groups(members, twinned),
        blocks=_blocks(members, split is not None),
        sessions=_sittings(members, [item.taken for item in seen], len(roots) == 2),
        blank=blank,
        bad=tuple(bad),
    )


def is_near(correlation: float, orientation: int, window: np.ndarray) -> bool:
    """Return whether a match is so good that one image was made from the other.

    Args:
        correlation: Of the two, aligned.
        orientation: Place in `registration.ORIENTATIONS`.
        window: Top, left, height and width as shares of the sides.
    """
    in_place = orientation == 0 and float(np.abs(window - np.array([0, 0, 1, 1])).max()) <= _SHIFT
    return bool(correlation >= (IN_PLACE if in_place else NEAR))


def to_json(leaks: Leaks) -> dict[str, Any]:
    """Return the result as plain data."""
    names = (leaks.root, leaks.other)

    def pair(found: Pair) -> dict[str, Any]:
        first, second = found.first, found.second
        return {
            "first": first.path,
            "second": second.path,
            "folders": [names[first.folder], names[second.folder]],
            "kind": found.kind,
            "correlation": found.correlation,
            "transform": {"orientation": found.orientation, "window": list(found.window)},
            "labels": [first.label, second.label],
            "numbers": [first.number, second.number],
            "parts": [first.part, second.part],
            "crosses": found.crosses,
            "conflict": found.conflict,
            "members": [asdict(first), asdict(second)],
        }

    return {
        "format_version": FORMAT_VERSION,
        "dir": leaks.root,
        "other": leaks.other,
        "split": leaks.split,
        "images": list(leaks.images),
        "clean": leaks.clean,
        "pairs": [pair(found) for found in leaks.pairs],
        "within": [pair(found) for found in leaks.within],
        "overlaps": [pair(found) for found in leaks.overlaps],
        "conflicts": [pair(found) for found in leaks.conflicts],
        "groups": [[asdict(member) for member in group] for group in leaks.groups],
        "blocks": [{"name": one.name, "sides": dict(one.sides)} for one in leaks.blocks],
        "sessions": [{"name": one.name, "sides": dict(one.sides)} for one in leaks.sessions],
        "blank": leaks.blank,
        "skipped": [{"path": item.path, "error": item.error} for item in leaks.bad],
        "thresholds": {"near": NEAR, "in_place": IN_PLACE, "overlap": OVERLAP},
    }


def from_json(data: Mapping[str, Any]) -> Leaks:
    """Return what `to_json` wrote.

    Raises:
        ValueError: It is no such result, or one of a newer version.
    """
    if data.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"leaks: format version {data.get('format_version')}, this release reads {FORMAT_VERSION}")

    def pair(entry: Mapping[str, Any]) -> Pair:
        first, second = (Member(**member) for member in entry["members"])
        transform = entry["transform"]
        return Pair(
            *(entry["kind"], first, second, entry["correlation"], transform["orientation"], tuple(transform["window"])),
            *(entry["crosses"], entry["conflict"]),
        )

    return Leaks(
        root=data["dir"],
        other=data["other"],
        split=data["split"],
        images=tuple(data["images"]),
        pairs=tuple(map(pair, data["pairs"])),
        within=tuple(map(pair, data["within"])),
        overlaps=tuple(map(pair, data["overlaps"])),
        groups=tuple(tuple(Member(**member) for member in group) for group in data["groups"]),
        blocks=tuple(Straddle(**one) for one in data["blocks"]),
        sessions=tuple(Straddle(**one) for one in data["sessions"]),
        blank=data["blank"],
        bad=tuple(BadImage(**item) for item in data["skipped"]),
    )


def _parts(split: str | None, dataset: Dataset) -> list[str | None]:
    if split is None:
        return [None] * len(dataset)
    manifest = Path(split) / "split.csv" if Path(split).is_dir() else Path(split)
    if split != checkpoint.PRETRAINED and (manifest.is_file() or not checkpoint.is_run(split)):
        if Path(split).is_dir() and not manifest.is_file():
            raise ValueError(f"{split}: holds neither split.csv nor a checkpoint; name a RUN or a split as CSV")
        return list(read_split(manifest, dataset).parts)
    trained = checkpoint.load(split)
    part = {**dict.fromkeys(trained.test, "test"), **dict.fromkeys(trained.seen, "seen")}
    found: list[str | None] = [part.get(record.sha256, "unused") for record in dataset.records]
    if not set(found) & {"test", "seen"}:
        raise ValueError(f"{split}: has seen no image of {dataset.root}; name the folder it was trained on")
    return found


def _read(
    dataset: Dataset, place: int, parts: Sequence[str | None], several: bool, progress: _DONE | None
) -> list[_Seen | BadImage]:
    def look(position: int) -> _Seen | BadImage:
        record = dataset.records[position]
        label = dataset.classes[record.label]
        member = Member(
            *(place, record.path, None if label == UNLABELLED else label, record.number, parts[position]),
        )
        try:
            data = read_bytes(dataset.root / record.path, name=record.path, root=dataset.root)
            image = open_rgb(data, name=record.path)
        except ValueError as error:
            return BadImage(record.path, str(error))
        pixels = np.asarray(image, np.uint8)
        digest = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).digest()
        small = np.asarray(image.resize((_PHASH_SIDE, _PHASH_SIDE), Image.Resampling.BILINEAR), np.uint8)
        prints = twins.fingerprints(small[None])
        grey = prints.thumbnails[0].astype(np.float16)
        return _Seen(member, digest, near.thumbnail(pixels), prints.hashes[0], grey, exif.read(data), min(image.size))

    step = f"reading {'OTHER' if place else 'DIR' if several else 'images'}"
    found = []
    with quiet_pillow(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for item in pool.map(look, range(len(dataset))):
            found.append(item)
            if progress is not None:
                progress(step, len(found), len(dataset))
    return found


def _pairs(seen: Sequence[_Seen], members: Sequence[Member], progress: _DONE | None) -> tuple[list[Pair], int]:
    """Return all pairs, crossing ones first and then the most alike, and the number of blank images."""
    copies: dict[bytes, list[int]] = {}
    for place, item in enumerate(seen):
        copies.setdefault(item.digest, []).append(place)
    sets = list(copies.values())
    thumbnails = np.stack([seen[places[0]].thumbnail for places in sets])
    whole = (0.0, 0.0, 1.0, 1.0)
    pairs = []
    for places in sets:
        joined = [(a, b) for position, a in enumerate(places) for b in places[position + 1 :]][: MANY + 1]
        if len(joined) > MANY:
            joined = _representative(places, places, members)
        pairs += [_pair("exact", members[a], members[b], 1.0, "none", whole) for a, b in joined]
    found = near.matches(thumbnails, least=OVERLAP, progress=progress)
    for first, second, turn, window, correlation in zip(*found, strict=True):
        left, right = sets[first], sets[second]
        many = len(left) * len(right) > MANY
        joined = _representative(left, right, members) if many else [(a, b) for a in left for b in right]
        kind = "near" if _near(seen[left[0]], seen[right[0]], turn, window, correlation) else "overlap"
        small = min(seen[left[0]].side, seen[right[0]].side) < LEAST_SIDE
        if kind == "overlap" and (small or window[2:].min() < LEAST_WINDOW):
            continue
        box = tuple(round(float(value), 4) for value in window)
        orientation = registration.ORIENTATIONS[turn]
        pairs += [
            _pair(kind, members[a], members[b], round(float(correlation), 4), orientation, box) for a, b in joined
        ]
    pairs.sort(key=lambda pair: (not pair.crosses, -pair.correlation, pair.first.path, pair.second.path))
    return pairs, int(sum(len(places) for places, flat in zip(sets, near.blank(thumbnails), strict=True) if flat))


def _near(first: _Seen, second: _Seen, turn: int, window: np.ndarray, correlation: float) -> bool:
    """Return whether a match is a near twin: by its fit, or by the definition that bootstrap groups rest on."""
    distance = (int(first.hashed) ^ int(second.hashed)).bit_count()
    alike = float(first.grey.astype(np.float32) @ second.grey.astype(np.float32))
    hashed = distance <= twins.MAX_DISTANCE and alike >= twins.MIN_CORRELATION
    return hashed or is_near(correlation, turn, window)


def _representative(left: Sequence[int], right: Sequence[int], members: Sequence[Member]) -> list[tuple[int, int]]:
    """Return one pair per combination of folder, part and class."""
    chosen = []
    for places in (left, right):
        first: dict[tuple, list[int]] = {}
        for place in places:
            first.setdefault((members[place].folder, members[place].part, members[place].label), []).append(place)
        chosen.append(first)
    ends = [(a[0], b[-1]) for a in chosen[0].values() for b in chosen[1].values()]
    return sorted({(min(a, b), max(a, b)) if left is right else (a, b) for a, b in ends if a != b})


def _pair(kind: str, first: Member, second: Member, correlation: float, orientation: str, window: tuple) -> Pair:
    parts = first.part in _SIDES and second.part in _SIDES and first.part != second.part
    conflict = first.label is not None and second.label is not None and first.label != second.label
    return Pair(
        *(kind, first, second, correlation, orientation, window),
        crosses=parts or first.folder != second.folder,
        conflict=conflict,
    )


def _groups(members: Sequence[Member], pairs: Sequence[Pair]) -> tuple[tuple[Member, ...], ...]:
    place = {(member.folder, member.path): position for position, member in enumerate(members)}
    edges = np.array(
        [[place[one.folder, one.path] for one in (pair.first, pair.second)] for pair in pairs], np.int64
    ).reshape(-1, 2)
    group = twins.components(len(members), [(edges[:, 0], edges[:, 1])])
    gathered: dict[int, list[Member]] = {}
    for position in np.unique(edges).tolist():
        gathered.setdefault(int(group[position]), []).append(members[position])
    return tuple(map(tuple, gathered.values()))


def _blocks(members: Sequence[Member], split: bool) -> tuple[Straddle, ...]:
    """Return the blocks of DIR that stand in more than one part."""
    if not split:
        return ()
    counts: dict[tuple[str, int], Counter[str]] = {}
    for member in members:
        if member.folder == 0 and member.part in _SIDES:
            key = member.label or UNLABELLED, (member.number - 1) // BLOCK
            counts.setdefault(key, Counter())[str(member.part)] += 1
    return tuple(
        Straddle(f"{label}, numbers {block * BLOCK + 1} to {(block + 1) * BLOCK}", dict(sides))
        for (label, block), sides in sorted(counts.items())
        if len(sides) > 1
    )


def _sittings(members: Sequence[Member], taken: Sequence[exif.Taken], two: bool) -> tuple[Straddle, ...]:
    counts: dict[int, Counter[str]] = {}
    names: dict[int, str] = {}
    for member, one in zip(members, taken, strict=True):
        if member.session is None:
            continue
        side = ("OTHER" if member.folder else member.part or "DIR") if two else member.part or "DIR"
        counts.setdefault(member.session, Counter())[side] += 1
        day = "" if one.time is None else f"{one.time:%Y-%m-%d %H:%M}"
        names[member.session] = min(names.get(member.session, day), day)
    device = {member.session: one.device for member, one in zip(members, taken, strict=True)}
    return tuple(
        Straddle(f"{names[session]} {device[session]}".strip(), dict(sides))
        for session, sides in sorted(counts.items())
    )
