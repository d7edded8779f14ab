"""The four classes, the names that folders give them, and the classes of a folder that has its own.

Knows names of sub-folders; not what lies in them.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from neurallnet_jax.images.decode import one_line

__all__ = ["ALIASES", "BENIGN", "CLASSES", "class_folders", "class_name", "malignant"]

CLASSES = ("Benign", "Early Pre-B", "Pre-B", "Pro-B")
"""The four classes of the Taleqani set, in the order of their labels."""

BENIGN = "Benign"
"""The one of them that is no leukaemia: haematogones, which resemble it."""

ALIASES: Mapping[str, str] = {
    "benign": "Benign",
    "hematogone": "Benign",
    "hematogones": "Benign",
    "haematogones": "Benign",
    "early": "Early Pre-B",
    "early pre": "Early Pre-B",
    "early pre b": "Early Pre-B",
    "early preb": "Early Pre-B",
    "malignant early": "Early Pre-B",
    "malignant early pre": "Early Pre-B",
    "malignant early pre b": "Early Pre-B",
    "pre": "Pre-B",
    "pre b": "Pre-B",
    "preb": "Pre-B",
    "malignant pre": "Pre-B",
    "malignant pre b": "Pre-B",
    "pro": "Pro-B",
    "pro b": "Pro-B",
    "prob": "Pro-B",
    "malignant pro": "Pro-B",
    "malignant pro b": "Pro-B",
}
"""Names of class folders, in lower case with single spaces for whatever is neither letter nor digit."""


def class_folders(root: Path, classes: Sequence[str] | None) -> tuple[tuple[str, ...], list[tuple[Path, int]]]:
    """Return the classes of a folder and its sub-folders, each with its label, in the order of the labels.

    Args:
        root: A folder with one sub-folder per class.
        classes: Classes that the labels refer to, or None to take them from the sub-folders.

    Raises:
        ValueError: There is no such folder, it has no sub-folder, or one that is no class; one line.
    """
    where = one_line(str(root))
    if not root.exists():
        raise ValueError(f"{where}: does not exist; name a folder with one sub-folder per class")
    if not root.is_dir():
        raise ValueError(f"{where}: is a file; name a folder with one sub-folder per class")
    try:
        entries = sorted(root.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(f"{where}: cannot be listed ({error.strerror}); check its permissions") from None
    folders = [entry for entry in entries if entry.is_dir() and not entry.name.startswith((".", "__"))]
    if not folders:
        raise ValueError(f"{where}: has no sub-folder; it needs one per class, such as {', '.join(CLASSES)}")
    named = {folder: class_name(folder.name, classes) for folder in folders}
    present = list(named.values())
    for name in present:
        if present.count(name) > 1:
            twice = [one_line(folder.name) for folder in folders if named[folder] == name]
            raise ValueError(f"{where}: folders {' and '.join(twice)} are the same class, {name}; merge them")
    names = _classes_of(where, present) if classes is None else tuple(classes)
    strange = [one_line(name) for name in present if name not in names]
    if strange:
        raise ValueError(
            f"{where}: class {', '.join(strange)} is none of the model's, {', '.join(names)}; "
            "remove it, or train on this folder"
        )
    return names, sorted(((folder, names.index(name)) for folder, name in named.items()), key=lambda pair: pair[1])


def class_name(name: str, classes: Sequence[str] | None) -> str:
    """Return the class that a name stands for, or the name itself where it stands for none.

    Args:
        name: A name as folders and manifests have it.
        classes: Classes that it may stand for, or None for any of the four.
    """
    known = ALIASES.get(re.sub(r"[^a-z0-9]+", " ", name.casefold()).strip())
    if classes is None:
        return known or name
    if known is not None and known in classes:
        return known
    return next((own for own in classes if own.casefold() == name.casefold()), name)


def malignant(classes: Sequence[str]) -> tuple[bool, ...] | None:
    """Return for each class whether it is malignant, or None where that is not known.

    It is known where every class is, by name or alias, one of the four, and both kinds are there.
    """
    own = [class_name(name, None) for name in classes]
    if BENIGN not in own or not set(own) <= set(CLASSES) or set(own) == {BENIGN}:
        return None
    return tuple(name != BENIGN for name in own)


def _classes_of(where: str, present: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(name for name in present if name not in CLASSES)
    if unknown and len(unknown) < len(present):
        known = [name for name in CLASSES if name in present]
        raise ValueError(
            f"{where}: {one_line(', '.join(unknown))} is no class, while {', '.join(known)} is; "
            f"rename it to one of {', '.join(CLASSES)}, or move it out"
        )
    return tuple(unknown) if unknown else tuple(name for name in CLASSES if name in present)
