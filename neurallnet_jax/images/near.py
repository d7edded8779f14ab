"""Which images show the same field, though resized, cropped, mirrored, turned, brightened or compressed anew.

Knows thumbnails; neither files, classes nor splits. How well two images fit is worked out in `registration.py`.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops

from neurallnet_jax.images.registration import SIDE, align, orient, sampling, without_light

__all__ = [
    "CROWD",
    "MIN_SIMILARITY",
    "WINDOWS",
    "Candidates",
    "Matches",
    "blank",
    "candidates",
    "matches",
    "thumbnail",
]

MIN_SIMILARITY = 0.58
"""Least inner product of the descriptors of a candidate."""

CROWD = 32
"""Candidates that an image has at least a say in; of more, the most similar are kept."""

_UPRIGHT = 4
"""Orientations that are tried on windows; all of them are tried on whole images."""

_FREQUENCIES = 10
_POWER = 0.75
_SAMPLES = 32
_DARK = 0.4
"""Share of the pixels, the darkest ones, that descriptors see; the others count as the brightest of these."""

_SIZES = ((1.0, 1), (0.9333, 3), (0.8667, 4), (0.8, 6))
"""Sides of the windows, and how many places each takes along an axis, at most 0.044 apart."""

_ROWS, _COLUMNS, _STACK = 256, 400, 32
"""Sides of a table of products that lies in the cache; it is made of products so small that BLAS starts no threads."""

_FLAT = 4.0
"""Standard deviation, grey levels, below which a thumbnail shows nothing."""


def _windows() -> np.ndarray:
    rows = []
    for size, count in _SIZES:
        starts = np.linspace(0, 1 - size, count)
        rows += [(top, left, size, size) for top in starts for left in starts]
    return np.array(rows, np.float32)


WINDOWS = _windows()
"""Windows that are cut out of every image: top, left, height, width as shares of its sides, float32 (62, 4)."""


def _coefficients() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vertical, horizontal = np.indices((_FREQUENCIES, _FREQUENCIES)).reshape(2, -1)
    distance = np.hypot(vertical, horizontal)
    # A quarter of a circle, so that directions count alike; ordered by the parities of both frequencies.
    used = np.flatnonzero((distance > 0) & (distance <= _FREQUENCIES - 0.5))
    parity = vertical[used] % 2 * 2 + horizontal[used] % 2
    used = used[np.argsort(parity, kind="stable")]
    ends = np.cumsum(np.bincount(parity, minlength=4))
    return used, (distance[used] ** _POWER).astype(np.float32), np.r_[0, ends]


_USED, _WEIGHTS, _PARITIES = _coefficients()
# How orientation 0..3 (1: mirror, 2: upside down) turns the signs of the parities (even even, even odd, odd even, odd odd).
_SIGNS = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float32)


class Candidates(NamedTuple):
    """Pairs of images that may be twins, each once: the part, laid as it says, resembles the window of the whole.

    Attributes:
        whole: Places of the images that a window is cut from, int64 (c,).
        part: Places of the images that show this window, int64 (c,).
        orientation: How the part is to be laid, a place in `ORIENTATIONS`, int64 (c,).
        window: Place in `WINDOWS`, int64 (c,).
        similarity: Inner product of the descriptors, float32 (c,).
    """

    whole: np.ndarray
    part: np.ndarray
    orientation: np.ndarray
    window: np.ndarray
    similarity: np.ndarray


class Matches(NamedTuple):
    """Pairs of images that fit each other: the part, laid as it says, is the window of the whole.

    Attributes:
        whole: Places of the images that a window is cut from, int64 (p,).
        part: Places of the images that show this window, int64 (p,).
        orientation: How the part is laid, a place in `registration.ORIENTATIONS`, int64 (p,).
        window: Top, left, height, width as shares of the sides of the whole, float32 (p, 4).
        correlation: Of window and part, float32 (p,).
    """

    whole: np.ndarray
    part: np.ndarray
    orientation: np.ndarray
    window: np.ndarray
    correlation: np.ndarray


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Return the darkest colour channel of an image, made small: cells are dark in it, and light saturates it last.

    Args:
        image: uint8 (height, width, 3).

    Returns:
        uint8 (64, 64).
    """
    red, green, blue = Image.fromarray(image).split()
    darkest = ImageChops.darker(ImageChops.darker(red, green), blue)
    return np.asarray(darkest.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.uint8)


def blank(thumbnails: np.ndarray) -> np.ndarray:
    """Return whether thumbnails show nothing that could be compared, bool (n,).

    Args:
        thumbnails: uint8 (n, 64, 64).
    """
    return np.array([image.std() < _FLAT for image in thumbnails], bool)


def candidates(thumbnails: np.ndarray, *, progress: Callable[[int, int], None] | None = None) -> Candidates:
    """Return the pairs of images of which one resembles a window of the other.

    A descriptor holds the lowest coefficients of the two-dimensional DCT but the constant, weighted by their frequency
    to the power 0.75 and scaled to length one; what is brighter than the 40th percentile counts as that.

    Args:
        thumbnails: uint8 (n, 64, 64).
        progress: Called with the windows done and the windows in all.
    """
    useful = np.flatnonzero(~blank(thumbnails))
    some = without_light(thumbnails[useful], _DARK)
    turned = some.swapaxes(1, 2)
    upright, across = (next(_descriptors(images, WINDOWS[:1])) for images in (some, turned))
    none = np.empty(0, np.int64)
    kept = Candidates(none, none, none, none, np.empty(0, np.float32))
    starts = range(0, len(some), _ROWS)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for place, wholes in enumerate(_descriptors(some, WINDOWS)):
            for parts, turned in ((upright, 0), (across, _UPRIGHT))[: 1 if place else 2]:
                for rows, columns, orientation, similarity in pool.map(partial(_rows_alike, wholes, parts), starts):
                    window = np.full(len(rows), place)
                    new = Candidates(rows, columns, orientation + turned, window, similarity)
                    kept = _best(kept, new, len(some))
            if progress is not None:
                progress(place + 1, len(WINDOWS))
    return kept._replace(whole=useful[kept.whole], part=useful[kept.part])


def matches(
    thumbnails: np.ndarray, *, least: float, progress: Callable[[str, int, int], None] | None = None
) -> Matches:
    """Return the pairs that correlate by at least `least` once laid upon each other, the best first.

    Args:
        thumbnails: uint8 (n, 64, 64).
        least: Least correlation.
        progress: Called with the name of the step, what is done of it and what there is in all.
    """

    def tell(step: str) -> Callable[[int, int], None] | None:
        return None if progress is None else partial(progress, step)

    found = candidates(thumbnails, progress=tell("comparing windows"))
    parts = np.empty((len(found.part), SIDE, SIDE), np.uint8)
    for orientation in np.unique(found.orientation):
        here = found.orientation == orientation
        parts[here] = orient(thumbnails[found.part[here]], int(orientation))
    aligned = align(thumbnails, found.whole, parts, WINDOWS[found.window], progress=tell("aligning pairs"))
    order = np.argsort(-aligned.correlation, kind="stable")
    order = order[aligned.correlation[order] >= least]
    return Matches(
        found.whole[order],
        found.part[order],
        found.orientation[order],
        aligned.window[order],
        aligned.correlation[order],
    )


def _basis(start: float, length: float) -> np.ndarray:
    cosines = np.cos(np.pi * np.arange(_FREQUENCIES)[:, None] * (2 * np.arange(_SAMPLES) + 1) / (2 * _SAMPLES))
    window = sampling(np.array([start]), np.array([length]), _SAMPLES)[0]
    return (cosines @ window).astype(np.float32)


def _descriptors(thumbnails: np.ndarray, windows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the descriptors of one window after the other, float32 (n, 81), those of one parity side by side."""
    # Stacks of small products: BLAS would share a large one among threads that wait for each other on a busy machine.
    rows = None
    for place, (top, left, height, width) in enumerate(windows.tolist()):
        # Of windows with the same rows, the rows are worked out once.
        if rows is None or (top, height) != (windows[place - 1, 0], windows[place - 1, 2]):
            rows = _basis(top, height) @ thumbnails
        both = (rows @ _basis(left, width).T).reshape(len(thumbnails), _FREQUENCIES * _FREQUENCIES)
        coefficients = both[:, _USED] * _WEIGHTS
        yield coefficients / np.maximum(np.linalg.norm(coefficients, axis=1, keepdims=True), 1e-6)


def _rows_alike(wholes: np.ndarray, parts: np.ndarray, start: int) -> tuple[np.ndarray, ...]:
    """Return whole, part, orientation and similarity of the pairs of some wholes, those of a crowd left out."""
    mine = wholes[start : start + _ROWS]
    found = []
    for other in range(0, len(parts), _COLUMNS):
        rows, columns = _promising(mine, parts[other : other + _COLUMNS])
        columns = columns + other
        similarity = np.add.reduceat(mine[rows] * parts[columns], _PARITIES[:-1], axis=1) @ _SIGNS
        best = similarity.max(axis=1, initial=0)
        alike = np.flatnonzero((best > MIN_SIMILARITY) & (rows + start != columns))
        found.append((rows[alike] + start, columns[alike], similarity[alike].argmax(axis=1), best[alike]))
    rows, columns, orientation, best = (np.concatenate(column) for column in zip(*found, strict=True))
    if len(rows) > CROWD * len(mine):
        leading = _ranks(rows, best) < CROWD
        return rows[leading], columns[leading], orientation[leading], best[leading]
    return rows, columns, orientation, best


def _promising(wholes: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs whose inner product may exceed the bound in some orientation.

    A mirror turns the sign of the coefficients of odd frequency, so that no orientation can exceed the sum of the
    absolute products over the four parities.
    """
    padded = np.pad(wholes, ((0, -len(wholes) % _STACK), (0, 0)))
    stacked = padded.reshape(-1, _STACK, padded.shape[1])
    bound = None
    for begin, end in pairwise(_PARITIES):
        table = (stacked[..., begin:end] @ parts[:, begin:end].T).reshape(-1, len(parts))[: len(wholes)]
        if bound is None:
            bound = table
        else:
            bound += np.abs(table, out=table)
    assert bound is not None
    hits = np.flatnonzero(bound > MIN_SIMILARITY)
    if len(hits) > CROWD * len(wholes):
        count = min(CROWD + 1, len(parts))
        columns = np.argpartition(bound, -count, axis=1)[:, -count:]
        hits = (np.arange(len(wholes))[:, None] * len(parts) + columns).reshape(-1)
        hits = hits[bound.reshape(-1)[hits] > MIN_SIMILARITY]
    return np.divmod(hits, len(parts))


def _best(kept: Candidates, new: Candidates, count: int) -> Candidates:
    """Return the best candidate of every pair, and of an image in a crowd those it resembles most."""
    if not len(new.whole):
        return kept
    both = Candidates(*(np.concatenate(columns) for columns in zip(kept, new, strict=True)))
    pair = np.minimum(both.whole, both.part) * count + np.maximum(both.whole, both.part)
    order = np.lexsort((-both.similarity, pair))
    order = order[np.unique(pair[order], return_index=True)[1]]
    both = Candidates(*(column[order] for column in both))
    image, similarity = np.concatenate([both.whole, both.part]), np.concatenate([both.similarity] * 2)
    leading = (_ranks(image, similarity) < CROWD).reshape(2, -1).any(axis=0)
    return both if leading.all() else Candidates(*(column[leading] for column in both))


def _ranks(owner: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Return how many of the same owner are more similar, for each."""
    order = np.lexsort((-similarity, owner))
    ordered = owner[order]
    begin = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ranks = np.empty(len(owner), np.int64)
    ranks[order] = np.arange(len(order)) - np.repeat(begin, np.diff(np.r_[begin, len(order)]))
    return ranks
