"""Pairs of images that show the same field, by perceptual hash and by correlation of their thumbnails.

Knows arrays of pixels; neither files, classes nor splits.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from neurallnet_jax.images.resize import area_weights

__all__ = [
    "MAX_DISTANCE",
    "MIN_CORRELATION",
    "Fingerprints",
    "Pairs",
    "components",
    "fingerprints",
    "grey32",
    "phash",
    "twin_groups",
    "twin_pairs",
]

MAX_DISTANCE = 4
"""Bits, of 64, in which the hashes of twins differ at most."""

MIN_CORRELATION = 0.95
"""Least correlation of the grey thumbnails of twins."""

_SIDE = 32
_LOW = 8
_BATCH = 8
_TABLE = 1 << 22
"""Entries of the largest table of comparisons held at a time."""


class Fingerprints(NamedTuple):
    """What images are compared by.

    Attributes:
        hashes: 64-bit perceptual hashes, uint64 (n,).
        thumbnails: Grey thumbnails without their mean, of length one, float32 (n, 1024).
    """

    hashes: np.ndarray
    thumbnails: np.ndarray


class Pairs(NamedTuple):
    """Twins, ordered by place.

    Attributes:
        first: Places among the first images, int64 (p,).
        second: Places among the second images, or the later places among the first, int64 (p,).
        distance: Bits in which the hashes differ, int64 (p,).
        correlation: Correlation of the grey thumbnails, float32 (p,).
    """

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray
    correlation: np.ndarray


def grey32(pixels: np.ndarray) -> np.ndarray:
    """Return 32x32 thumbnails of brightness, averaged over areas.

    Brightness is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).

    Args:
        pixels: Images, uint8 (n, height, width, 3).

    Returns:
        Brightness in 0..255, float32 (n, 32, 32).
    """
    if pixels.ndim != 4 or pixels.shape[-1] != 3:
        raise ValueError(f"pixels have shape {pixels.shape}; expected (n, height, width, 3)")
    height, width = pixels.shape[1:3]
    luma = np.array([[0.299], [0.587], [0.114]], np.float32)
    rows, columns = area_weights(height, _SIDE), np.kron(area_weights(width, _SIDE).T, luma)
    result = np.empty((len(pixels), _SIDE, _SIDE), np.float32)
    for start in range(0, len(pixels), _BATCH):
        batch = np.asarray(pixels[start : start + _BATCH], np.float32).reshape(-1, width * 3)
        result[start : start + _BATCH] = rows @ (batch @ columns).reshape(-1, height, _SIDE)
    return result


def phash(pixels: np.ndarray) -> np.ndarray:
    """Return the 64-bit perceptual hash of images.

    A bit says whether one of the 8x8 lowest coefficients of the two-dimensional DCT-II of the 32x32 thumbnail exceeds
    their median.

    Args:
        pixels: Images, uint8 (n, height, width, 3).

    Returns:
        Hashes, uint64 (n,); the constant coefficient is the lowest bit, and an image of one colour has hash 0.

    References:
        Zauner (2010), Implementation and Benchmarking of Perceptual Image Hash Functions, section 3.2.
    """
    return _hashes(grey32(pixels))


def fingerprints(pixels: np.ndarray) -> Fingerprints:
    """Return what the images are compared by.

    Args:
        pixels: Images, uint8 (n, height, width, 3).
    """
    thumbnails = grey32(pixels)
    hashes = _hashes(thumbnails)
    flat = thumbnails.reshape(len(pixels), _SIDE * _SIDE).astype(np.float64)
    # Images of one colour correlate with each other and with nothing else.
    blank = _blank(thumbnails)[:, None]
    flat -= flat.mean(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = np.where(blank, 1 / _SIDE, flat / np.where(blank, 1, length))
    return Fingerprints(hashes, flat.astype(np.float32))


def twin_pairs(first: Fingerprints, second: Fingerprints | None = None) -> Pairs:
    """Return all pairs whose hashes differ in at most 4 bits and whose thumbnails correlate by at least 0.95.

    Args:
        first: Fingerprints of images.
        second: Those of other images; without them, pairs among the first, each once.
    """
    nothing = np.empty(0, np.int64)
    batches = [Pairs(nothing, nothing, nothing, np.empty(0, np.float32)), *_pair_batches(first, second)]
    return Pairs(*(np.concatenate(column) for column in zip(*batches, strict=True)))


def twin_groups(pixels: np.ndarray) -> np.ndarray:
    """Return the group of every image: images that a chain of twins connects share one.

    Args:
        pixels: Images, uint8 (n, height, width, 3).

    Returns:
        Groups, int64 (n,), numbered from 0 in order of first appearance.
    """
    return components(len(pixels), ((pairs.first, pairs.second) for pairs in _pair_batches(fingerprints(pixels), None)))


def components(count: int, edges: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the connected component of every node.

    Args:
        count: Number of nodes.
        edges: Batches of edges, each as two arrays of places.

    Returns:
        Components, int64 (count,), numbered from 0 in order of first appearance.
    """
    # A root is the lowest place of its component, so components appear in order of their roots.
    root = np.arange(count)
    for first, second in edges:
        while True:
            lowest = np.minimum(root[first], root[second])
            if np.array_equal(root[first], lowest) and np.array_equal(root[second], lowest):
                break
            np.minimum.at(root, root[first], lowest)
            np.minimum.at(root, root[second], lowest)
            while not np.array_equal(root, root[root]):
                root = root[root]
    return np.unique(root, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _blank(thumbnails: np.ndarray) -> np.ndarray:
    return np.ptp(thumbnails, axis=(1, 2)) < 0.01


def _hashes(thumbnails: np.ndarray) -> np.ndarray:
    frequency, place = np.arange(_LOW)[:, None], np.arange(_SIDE)
    basis = np.cos(np.pi * frequency * (2 * place + 1) / (2 * _SIDE))
    coefficients = (basis @ thumbnails.astype(np.float64) @ basis.T).reshape(len(thumbnails), _LOW * _LOW)
    bits = coefficients > np.median(coefficients, axis=1, keepdims=True)
    # Else the bits of an image of one colour were those of rounding errors.
    bits &= ~_blank(thumbnails)[:, None]
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").reshape(-1).astype(np.uint64)


def _signs(hashes: np.ndarray) -> np.ndarray:
    octets = np.ascontiguousarray(hashes, "<u8").view(np.uint8).reshape(len(hashes), 8)
    return np.unpackbits(octets, axis=1).astype(np.float32) * 2 - 1


def _pair_batches(first: Fingerprints, second: Fingerprints | None) -> Iterator[Pairs]:
    # The inner product of two hashes written as +-1 is 64 minus twice their distance, exact in float32.
    other = first if second is None else second
    mine, theirs = _signs(first.hashes), _signs(other.hashes)
    step = max(1, _TABLE // max(1, len(theirs)))
    for start in range(0, len(mine), step):
        distances = (64 - mine[start : start + step] @ theirs.T) / 2
        rows, columns = np.nonzero(distances <= MAX_DISTANCE)
        if second is None:
            later = columns > rows + start
            rows, columns = rows[later], columns[later]
        correlations = _correlations(first.thumbnails, rows + start, other.thumbnails, columns)
        alike = correlations >= MIN_CORRELATION
        rows, columns = rows[alike], columns[alike]
        if len(rows):
            yield Pairs(rows + start, columns, distances[rows, columns].astype(np.int64), correlations[alike])


def _correlations(first: np.ndarray, rows: np.ndarray, second: np.ndarray, columns: np.ndarray) -> np.ndarray:
    result = np.empty(len(rows), np.float32)
    step = _TABLE // (_SIDE * _SIDE)
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        result[some] = np.einsum("ij,ij->i", first[rows[some]], second[columns[some]])
    return result
