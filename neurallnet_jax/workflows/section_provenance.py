"""Which images a report is on, and which part each of them played for the RUN, as a section of a page.

Knows the manifest and the RUN's own record; reads no file.
"""

from collections import Counter

from neurallnet_jax.workflows import page, wording
from neurallnet_jax.workflows.page import Block, Section, Table
from neurallnet_jax.workflows.report_content import Manifest, Subject

__all__ = ["PARTS", "section", "split_known"]

PARTS = {
    "train": "trained",
    "validation": "chose the epoch",
    "seen": "trained or chose",
    "test": "kept apart",
    "unused": "left out",
    "new": "unknown to the RUN",
}
"""What each part is called."""

_DIGITS = 16


def section(manifest: Manifest, subject: Subject) -> Section:
    """Return digests, classes by part, what the RUN says of its own split, and every image with hash and part."""
    return Section(
        "provenance",
        "Which images, and who has seen them?",
        "An image is known by the SHA-256 of its bytes, wherever it lies. Whoever has the folder can check every line.",
        (_origin(manifest, subject), _classes(manifest), *_split(subject), *_skipped(manifest), _images(manifest)),
    )


def split_known(manifest: Manifest) -> bool:
    """Return whether the folder holds images that the RUN has seen, and others that its split kept apart."""
    parts = {one.part for one in manifest.entries}
    return bool(parts & {"train", "validation", "seen"}) and "test" in parts


def _origin(manifest: Manifest, subject: Subject) -> Table:
    recorded = dict(subject.provenance.get("data") or {})
    same = {None: "not recorded", manifest.digest: "yes"}.get(recorded.get("digest"), "no")
    rows = (
        ("Folder", manifest.data),
        ("Readable images", f"{len(manifest.entries):,}"),
        ("Files skipped", f"{len(manifest.skipped):,}"),
        ("Digest of the folder (paths, bytes, classes)", manifest.digest),
        ("The folder that the RUN was trained on", same),
        ("RUN", subject.name),
        ("Digest of the RUN (weights, layers)", subject.digest),
        ("Parts are taken from", manifest.source),
    )
    return Table("What this page is on", ("What", "Value"), "lw", rows)


def _classes(manifest: Manifest) -> Table:
    counts = Counter((one.label, one.part) for one in manifest.entries)
    labels = tuple(dict.fromkeys(one.label for one in manifest.entries))
    parts = manifest.parts
    rows = [
        (label, *(f"{counts[label, part]:,}" for part in parts), f"{sum(counts[label, part] for part in parts):,}")
        for label in labels
    ]
    sums = [sum(counts[label, part] for label in labels) for part in parts]
    rows.append(("All", *(f"{number:,}" for number in sums), f"{sum(sums):,}"))
    header = ("Class", *(PARTS[part][:1].upper() + PARTS[part][1:] for part in parts), "All")
    return Table(
        "Images by class and part", header, "l" + "r" * (len(parts) + 1), tuple(rows), anchor="provenance-split"
    )


def _split(subject: Subject) -> tuple[Block, ...]:
    recorded = subject.provenance.get("split")
    if not isinstance(recorded, dict):
        return (page.Absent("The split", "the RUN does not record how its images were split"),)
    rows = tuple((name.replace("_", " "), str(value)) for name, value in recorded.items())
    rows += (("seed", str(subject.provenance.get("seed", wording.NOTHING))),)
    return (Table("The split, as the training recorded it", ("What", "Value"), "lw", rows),)


def _skipped(manifest: Manifest) -> tuple[Block, ...]:
    return (page.Points("Files that were skipped", manifest.skipped),) if manifest.skipped else ()


def _images(manifest: Manifest) -> Table:
    rows = tuple(
        (one.path, one.label, f"{one.number}", PARTS[one.part], one.sha256[:_DIGITS]) for one in manifest.entries
    )
    header = ("Image", "Class", "Number", "Part", f"SHA-256, first {_DIGITS} digits")
    return Table(f"Manifest: every image, {len(rows):,} of them", header, "wlrll", rows, folded=True)
