"""Rows of decoded pixels on disk, memory-mapped, named by what they were made from.

Knows keys, rows and a function that makes a row; neither image formats nor classes.
"""

import contextlib
import hashlib
import json
import os
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import PIL

__all__ = ["FORMAT_VERSION", "Rows", "default_folder", "key", "load"]

FORMAT_VERSION = 2
"""Version of the files and of the way pixels are made; raised when either changes."""

_CHUNK = 256


class Rows(NamedTuple):
    """What `load` returns.

    Attributes:
        pixels: The rows that could be made, uint8 (n, height, width, 3), read-only.
        failures: For the others, their place among the entries and the reason.
    """

    pixels: np.ndarray
    failures: dict[int, str]


def default_folder() -> Path:
    """Return the folder of the cache: `NEURALLNET_CACHE`, or the platform's folder for caches."""
    if named := os.environ.get("NEURALLNET_CACHE"):
        return Path(named)
    try:
        import platformdirs
    except ImportError:
        return Path.home() / ".cache" / "neurallnet"
    return Path(platformdirs.user_cache_dir("neurallnet"))


def key(entries: Sequence[tuple[str, str]], image_size: tuple[int, int]) -> str:
    """Return the name under which rows are kept: a hash of what they are made from and how.

    Args:
        entries: Relative path and SHA-256 of every file, in order.
        image_size: Height and width of a row, pixels.
    """
    source = {"version": FORMAT_VERSION, "pillow": PIL.__version__, "size": image_size, "files": entries}
    return hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()[:32]


def load(
    entries: Sequence[tuple[str, str]],
    image_size: tuple[int, int],
    make_row: Callable[[int], np.ndarray | str],
    *,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """Return the rows of all entries, from disk where they were made before.

    A damaged file is made again. Where the folder cannot be written, rows stay in memory and a warning says so.

    Args:
        entries: Relative path and SHA-256 of every file, in order.
        image_size: Height and width of a row, pixels.
        make_row: Takes a place among the entries; returns its row, or the reason why there is none. Runs in threads.
        folder: Folder of the cache, or None for `default_folder()`.
        progress: Called with the rows done and the rows in all while they are made.
    """
    folder = default_folder() if folder is None else Path(folder)
    name = key(entries, image_size)
    stored = _read(folder / f"{name}.npy", folder / f"{name}.json", image_size)
    if stored is not None:
        return stored
    try:
        return _write(folder, name, _made(make_row, len(entries), progress), len(entries), image_size)
    except OSError as error:
        warnings.warn(
            f"cache {folder}: cannot be written ({error.strerror or error}), decoded images stay in memory; "
            "free some space or name another folder with NEURALLNET_CACHE",
            stacklevel=3,
        )
    return _in_memory(_made(make_row, len(entries), progress), len(entries), image_size)


def _made(
    make_row: Callable[[int], np.ndarray | str], count: int, progress: Callable[[int, int], None] | None
) -> Iterator[np.ndarray | str]:
    # Chunks bound the rows that wait in memory for a slow disk.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, count, _CHUNK):
            places = range(start, min(start + _CHUNK, count))
            for place, row in zip(places, pool.map(make_row, places), strict=True):
                yield row
                if progress is not None:
                    progress(place + 1, count)


def _in_memory(made: Iterator[np.ndarray | str], count: int, image_size: tuple[int, int]) -> Rows:
    pixels = np.empty((count, *image_size, 3), np.uint8)
    failures = {}
    for place, row in enumerate(made):
        if isinstance(row, str):
            failures[place] = row
        else:
            pixels[place - len(failures)] = row
    pixels = pixels[: count - len(failures)]
    pixels.flags.writeable = False
    return Rows(pixels, failures)


def _write(folder: Path, name: str, made: Iterator[np.ndarray | str], count: int, image_size: tuple[int, int]) -> Rows:
    # Written as a stream, not through a memory map: a full disk then raises OSError instead of killing the process.
    folder.mkdir(parents=True, exist_ok=True)
    failures: dict[int, str] = {}
    checksum = 0
    with _renamed(folder, folder / f"{name}.npy") as file:
        header = _write_header(file, count, image_size)
        for place, row in enumerate(made):
            if isinstance(row, str):
                failures[place] = row
                continue
            data = row.tobytes()
            checksum = zlib.crc32(data, checksum)
            file.write(data)
        file.seek(0)
        if _write_header(file, count - len(failures), image_size) != header:
            raise OSError("the header of the array changed its length")
    with _renamed(folder, folder / f"{name}.json") as file:
        file.write(json.dumps({"checksum": checksum, "failures": sorted(failures.items())}).encode())
    if len(failures) == count:
        return Rows(np.empty((0, *image_size, 3), np.uint8), failures)
    return Rows(np.load(folder / f"{name}.npy", mmap_mode="r"), failures)


def _write_header(file: IO[bytes], count: int, image_size: tuple[int, int]) -> int:
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *image_size, 3)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.tell()


@contextlib.contextmanager
def _renamed(folder: Path, final: Path) -> Iterator[IO[bytes]]:
    # Not by tempfile, whose files nobody else may read: a laboratory shares its cache.
    temporary = folder / f".{final.stem}-{uuid.uuid4().hex}.tmp"
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read(pixels_path: Path, side_path: Path, image_size: tuple[int, int]) -> Rows | None:
    try:
        side = json.loads(side_path.read_bytes())
        failures = {int(place): str(reason) for place, reason in side["failures"]}
        pixels = np.load(pixels_path, mmap_mode="r")
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (*image_size, 3):
            return None
        checksum = 0
        for start in range(0, len(pixels), _CHUNK):
            checksum = zlib.crc32(np.ascontiguousarray(pixels[start : start + _CHUNK]).data, checksum)
        return Rows(pixels, failures) if checksum == side["checksum"] else None
    except (OSError, ValueError, EOFError, LookupError, TypeError):
        return None
