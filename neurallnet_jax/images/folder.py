"""A folder with one sub-folder per class to arrays, labels and the hash of every file.

Knows folders, class names and capture numbers; neither models nor splits.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from neurallnet_jax.images import cache as pixel_cache
from neurallnet_jax.images.classes import class_folders
from neurallnet_jax.images.decode import decode_bytes, one_line, quiet_pillow, read_bytes

__all__ = [
    "IMAGE_EXTENSIONS",
    "SIDE_FILES",
    "UNLABELLED",
    "BadImage",
    "Dataset",
    "Files",
    "Record",
    "list_folder",
    "open_files",
    "open_folder",
]

IMAGE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
"""Endings of files that are taken for images."""

SIDE_FILES = frozenset({"thumbs.db", "desktop.ini", ".csv", ".txt", ".json", ".md"})
"""Names or endings of files that may lie beside images; so may hidden ones."""

UNLABELLED = "unlabelled"
"""Class of images that lie in no class folder."""

_TRAILING_NUMBER = re.compile(r"([0-9]{1,9})$")


@dataclass(frozen=True)
class Record:
    """One readable image.

    Attributes:
        path: Path below the folder, with forward slashes.
        sha256: SHA-256 of the bytes of the file, in hexadecimal.
        label: Place of its class among the classes.
        number: Capture number: the integer that ends the file's name where those of its class are distinct, else its
            place, from 1, among the sorted names of its class.
    """

    path: str
    sha256: str
    label: int
    number: int


@dataclass(frozen=True)
class BadImage:
    """One file that was skipped.

    Attributes:
        path: Path as in a record, or as it was given.
        error: One line that names it, what was found and what to do.
    """

    path: str
    error: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """The images of a folder.

    Attributes:
        root: The folder.
        classes: Names of the classes; a label is a place in it.
        records: One per readable image, by class and then by path.
        pixels: Read-only uint8 (n, height, width, 3), in the order of the records.
        bad: The files that were skipped.
    """

    root: Path
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    pixels: np.ndarray
    bad: tuple[BadImage, ...] = ()

    def __len__(self) -> int:
        """Return the number of readable images."""
        return len(self.records)

    @property
    def labels(self) -> np.ndarray:
        """Label of every record, int32."""
        return np.array([record.label for record in self.records], np.int32)


@dataclass(frozen=True, eq=False)
class Files:
    """Single images without classes.

    Attributes:
        paths: The readable ones, as they were given.
        sha256: Hash of the bytes of each.
        pixels: uint8 (n, height, width, 3), in the order of the paths.
        bad: The files that were skipped.
    """

    paths: tuple[str, ...]
    sha256: tuple[str, ...]
    pixels: np.ndarray
    bad: tuple[BadImage, ...] = ()


@dataclass(frozen=True)
class _Listed:
    path: str
    label: int
    number: int


def open_folder(
    root: Path,
    image_size: tuple[int, int],
    *,
    classes: Sequence[str] | None = None,
    on_bad_image: Literal["skip", "fail"] = "fail",
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Return the images of a folder that has one sub-folder per class.

    Sub-folders are matched with `classes.ALIASES`. Where none is one of the four classes, their sorted names are the
    classes.

    Args:
        root: The folder.
        image_size: Height and width that images are resized to, pixels.
        classes: Classes of a trained model, which then give the labels; the folder may lack some, not add any.
        on_bad_image: Whether a file that is no readable image is listed in `bad` or refused.
        cache: Folder for decoded pixels, or None for the user's cache.
        progress: Called with the images done and the images in all while they are decoded.

    Raises:
        ValueError: There is no such folder, its classes do not fit, it holds no image, or one is bad; one line.
    """
    root = Path(root)
    names, folders = class_folders(root, classes)
    listed, bad = _list_images(root, folders)
    hashes, unreadable = _hash_files(root, listed)
    listed = [item for item in listed if item.path in hashes]

    def make_row(place: int) -> np.ndarray | str:
        path = listed[place].path
        data = read_bytes(root / path, name=path, root=root)
        if hashlib.sha256(data).hexdigest() != hashes[path]:
            raise ValueError(f"{root / path}: changed while it was read; run again once nothing writes to it")
        try:
            return decode_bytes(data, image_size, name=path)
        except ValueError as error:
            return str(error)

    entries = [(item.path, hashes[item.path]) for item in listed]
    with quiet_pillow():
        rows = pixel_cache.load(entries, image_size, make_row, folder=cache, progress=progress)
    bad = [*bad, *unreadable, *(BadImage(listed[place].path, error) for place, error in rows.failures.items())]
    bad.sort(key=lambda item: item.path)
    if bad and (on_bad_image == "fail" or not len(rows.pixels)):
        raise ValueError(_refusal(root, bad, len(rows.pixels)))
    records = tuple(
        Record(item.path, hashes[item.path], item.label, item.number)
        for place, item in enumerate(listed)
        if place not in rows.failures
    )
    return Dataset(root, names, records, rows.pixels, tuple(bad))


def list_folder(root: Path) -> Dataset:
    """Return the images of a folder without their pixels, which have no height and width; none is decoded.

    A folder without sub-folders may hold images itself; they are of the one class `unlabelled`.

    Args:
        root: The folder.

    Raises:
        ValueError: There is no such folder, its classes do not fit, or it holds no image; one line.
    """
    root = Path(root)
    flat = root.is_dir() and not any(
        entry.is_dir() and not entry.name.startswith((".", "__")) for entry in root.iterdir()
    )
    if flat:
        names: tuple[str, ...] = (UNLABELLED,)
        images, bad = _images_of(root, root)
        paths = [image.relative_to(root).as_posix() for image in images]
        listed = [_Listed(path, 0, number) for path, number in zip(paths, _numbers(images), strict=True)]
    else:
        names, folders = class_folders(root, None)
        listed, bad = _list_images(root, folders)
    if not listed:
        raise ValueError(
            f"{one_line(str(root))}: holds no image; name a folder with images, or with one folder per class"
        )
    hashes, unreadable = _hash_files(root, listed)
    records = tuple(
        Record(item.path, hashes[item.path], item.label, item.number) for item in listed if item.path in hashes
    )
    pixels = np.empty((len(records), 0, 0, 3), np.uint8)
    return Dataset(root, names, records, pixels, tuple(sorted([*bad, *unreadable], key=lambda item: item.path)))


def open_files(
    paths: Iterable[Path | str], image_size: tuple[int, int], *, on_bad_image: Literal["skip", "fail"] = "skip"
) -> Files:
    """Return single images, in the order given, without a cache.

    Args:
        paths: The files; they may lie anywhere.
        image_size: Height and width that images are resized to, pixels.
        on_bad_image: Whether a file that is no readable image is listed in `bad` or refused.

    Raises:
        ValueError: A file is bad and `on_bad_image` is `fail`; one line.
    """

    def load(path: str) -> tuple[str, np.ndarray] | str:
        try:
            data = read_bytes(Path(path), name=path)
            return hashlib.sha256(data).hexdigest(), decode_bytes(data, image_size, name=path)
        except ValueError as error:
            return str(error)

    names = [str(path) for path in paths]
    with quiet_pillow(), ThreadPoolExecutor(os.cpu_count()) as pool:
        loaded = list(zip(names, pool.map(load, names), strict=True))
    bad = tuple(BadImage(name, found) for name, found in loaded if isinstance(found, str))
    if bad and on_bad_image == "fail":
        raise ValueError(bad[0].error)
    good = [(name, *found) for name, found in loaded if not isinstance(found, str)]
    pixels = np.stack([image for _, _, image in good]) if good else np.empty((0, *image_size, 3), np.uint8)
    return Files(tuple(name for name, _, _ in good), tuple(sha256 for _, sha256, _ in good), pixels, bad)


def _refusal(root: Path, bad: Sequence[BadImage], readable: int) -> str:
    more = f" (and {len(bad) - 1} more bad files)" if len(bad) > 1 else ""
    hint = "; --on-bad-image skip leaves such files out" if readable else "; no image of the folder is readable"
    return f"{one_line(str(root))}: {bad[0].error}{more}{hint}"


def _list_images(root: Path, folders: Sequence[tuple[Path, int]]) -> tuple[list[_Listed], list[BadImage]]:
    listed: list[_Listed] = []
    loose = [entry for entry in sorted(root.iterdir()) if entry.is_file() and _is_image(entry)]
    bad = [
        BadImage(entry.name, f"{one_line(entry.name)}: lies beside the class folders; move it into one or remove it")
        for entry in loose
    ]
    for folder, label in folders:
        images, strange = _images_of(root, folder)
        bad += strange
        if not images and not strange:
            raise ValueError(f"{one_line(str(folder))}: is a class folder without images; fill it or remove it")
        paths = [image.relative_to(root).as_posix() for image in images]
        listed += [_Listed(path, label, number) for path, number in zip(paths, _numbers(images), strict=True)]
    return listed, bad


def _images_of(root: Path, folder: Path) -> tuple[list[Path], list[BadImage]]:
    if not folder.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{one_line(str(folder))}: is a link out of {one_line(str(root))}; copy the folder instead")
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(f"{one_line(str(folder))}: cannot be listed ({error.strerror}); check permissions") from None
    images, bad = [], []
    for entry in entries:
        if entry.name.startswith(".") or {entry.name.lower(), entry.suffix.lower()} & SIDE_FILES:
            continue
        path = entry.relative_to(root).as_posix()
        if entry.is_dir():
            bad.append(BadImage(path, f"{one_line(path)}: is a folder inside a class folder; name the folder above it"))
        elif not _is_image(entry):
            bad.append(BadImage(path, f"{one_line(path)}: has no image's ending; rename, convert or remove it"))
        elif not _is_text(path):
            bad.append(BadImage(path, f"{one_line(path)}: has a name that is not valid UTF-8; rename it"))
        else:
            images.append(entry)
    return images, bad


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_EXTENSIONS and not path.name.startswith(".")


def _is_text(path: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in path)


def _numbers(images: Sequence[Path]) -> list[int]:
    found = [int(match[1]) for image in images if (match := _TRAILING_NUMBER.search(image.stem))]
    distinct = len(found) == len(images) == len(set(found))
    return found if distinct else list(range(1, len(images) + 1))


def _hash_files(root: Path, listed: Sequence[_Listed]) -> tuple[dict[str, str], list[BadImage]]:
    def digest(item: _Listed) -> str | BadImage:
        try:
            return hashlib.sha256(read_bytes(root / item.path, name=item.path, root=root)).hexdigest()
        except ValueError as error:
            return BadImage(item.path, str(error))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(zip(listed, pool.map(digest, listed), strict=True))
    hashes = {item.path: result for item, result in found if isinstance(result, str)}
    return hashes, [result for _, result in found if isinstance(result, BadImage)]
