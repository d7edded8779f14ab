"""How well one image lies on a window of another, once that window is moved and scaled to fit best.

Knows thumbnails and windows; which pairs are worth trying is found in `near.py`.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

__all__ = [
    "GRID",
    "LARGEST",
    "LEAST_DARK",
    "MOST_LIGHT",
    "ORIENTATIONS",
    "SIDE",
    "SMALLEST",
    "Aligned",
    "align",
    "orient",
    "sampling",
    "without_light",
]

SIDE = 64
"""Side of a thumbnail, pixels."""

GRID = 32
"""Side of the raster that window and part are compared on."""

SMALLEST, LARGEST = 0.72, 1.05
"""Least and largest side of a window, as a share of the image's side."""

ORIENTATIONS = (
    "none",
    "mirror",
    "upside down",
    "half turn",
    "transpose",
    "quarter turn clockwise",
    "quarter turn anticlockwise",
    "transverse",
)
"""The eight ways to lay a square on itself."""

MOST_LIGHT = 0.5
"""Share of the pixels, the darkest ones, that are compared as they are; the others count as the brightest of these."""

LEAST_DARK = 0.12
"""The same where an image is saturated further down than that."""

_SATURATED = 245
_SPREAD = 0.05
"""Pixels next to saturated ones, which have lost a part of their brightness, as a share of all."""

_STEPS = 8
_BATCH = 256
_SLACK = 0.04
"""How far a window may stick out of its image, as a share of its side."""


class Aligned(NamedTuple):
    """How pairs fit.

    Attributes:
        correlation: Of window and part where they fit best, float32 (p,).
        window: That window: top, left, height, width as shares of the image's sides, float32 (p, 4).
    """

    correlation: np.ndarray
    window: np.ndarray


def orient(thumbnails: np.ndarray, orientation: int) -> np.ndarray:
    """Return squares laid in another way.

    Args:
        thumbnails: (n, side, side).
        orientation: Place in `ORIENTATIONS`.
    """
    turned = thumbnails.swapaxes(1, 2) if orientation & 4 else thumbnails
    turned = turned[:, ::-1] if orientation & 2 else turned
    return turned[:, :, ::-1] if orientation & 1 else turned


def without_light(thumbnails: np.ndarray, share: np.ndarray | float = MOST_LIGHT) -> np.ndarray:
    """Return thumbnails in which everything brighter than a quantile is that quantile, float32.

    A brightened image has lost what is bright, so that it must not count in its original either.

    Args:
        thumbnails: (n, side, side).
        share: The quantile, one or one per thumbnail.
    """
    flat = np.sort(thumbnails.reshape(len(thumbnails), thumbnails.shape[1] * thumbnails.shape[2]), axis=1)
    place = np.broadcast_to(np.asarray(share) * (flat.shape[1] - 1), len(flat)).astype(np.int64)
    bound = flat[np.arange(len(flat)), place].astype(np.float32)
    return np.minimum(thumbnails.astype(np.float32), bound[:, None, None])


def _dark_share(wholes: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Return the share of pixels that are to be compared: those that neither image has lost to saturation."""
    lost = np.maximum((wholes >= _SATURATED).mean(axis=(1, 2)), (parts >= _SATURATED).mean(axis=(1, 2)))
    return np.clip(1 - lost - _SPREAD, LEAST_DARK, MOST_LIGHT)


def sampling(start: np.ndarray, length: np.ndarray, count: int) -> np.ndarray:
    """Return matrices that average a window of one axis of a thumbnail over equal intervals, float32 (m, count, 64).

    Args:
        start: Begin of each window as a share of the axis, (m,).
        length: Its length, (m,); what sticks out is left out of the mean.
        count: Number of intervals.
    """
    edges = (start[:, None] + length[:, None] * (np.arange(count + 1) / count)) * SIDE
    edges = np.clip(edges, 0, SIDE).astype(np.float32)
    pixel = np.arange(SIDE, dtype=np.float32)
    weights = np.minimum(edges[:, 1:, None], pixel + 1) - np.maximum(edges[:, :-1, None], pixel)
    np.maximum(weights, 0, out=weights)
    weights /= np.maximum(weights.sum(axis=2, keepdims=True), 1e-6)
    return weights


def align(
    thumbnails: np.ndarray,
    wholes: np.ndarray,
    parts: np.ndarray,
    windows: np.ndarray,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Aligned:
    """Return how well each part fits its whole, the window moved and scaled by Gauss-Newton steps.

    Each step solves, in the least squares, for the change of the window's middle and sides that brings the window nearest
    to the part, both brought to mean zero and length one. The best window on the way is kept.

    Args:
        thumbnails: Images, uint8 (n, 64, 64).
        wholes: Place of the image of every pair that the window is cut from, (p,).
        parts: The other image of every pair, laid as it is to fit, uint8 (p, 64, 64).
        windows: Where to begin: top, left, height, width, (p, 4).
        progress: Called with the pairs done and the pairs in all.

    References:
        Evangelidis, Psarakis (2008), Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization,
        IEEE TPAMI 30(10), for the measure; Baker, Matthews (2004), Lucas-Kanade 20 Years On, IJCV 56(3), for the steps.
    """
    correlation = np.zeros(len(wholes), np.float32)
    window = np.array(windows, np.float32).reshape(len(wholes), 4)

    def fit(start: int) -> None:
        some = slice(start, start + _BATCH)
        images = thumbnails[wholes[some]].astype(np.float32)
        correlation[some], window[some] = _fit(images, parts[some], window[some])

    starts = range(0, len(wholes), _BATCH)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start, _ in zip(starts, pool.map(fit, starts), strict=True):
            if progress is not None:
                progress(min(start + _BATCH, len(wholes)), len(wholes))
    return Aligned(correlation, window)


def _fit(wholes: np.ndarray, parts: np.ndarray, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    zero, one = np.zeros(1), np.ones(1)
    whole_axis = sampling(zero, one, GRID)[0]
    share = _dark_share(wholes, parts)
    target = _normalised(without_light(whole_axis @ parts.astype(np.float32) @ whole_axis.T, share))
    # Middle and side of the window, vertically and horizontally.
    state = np.stack([windows[:, :2] + windows[:, 2:] / 2, windows[:, 2:]], axis=1).astype(np.float32)
    best, kept = np.full(len(wholes), -1, np.float32), state.copy()
    for step in range(_STEPS + 1):
        cut = _cut(wholes, state, share)
        plain = _normalised(cut)
        found = np.einsum("pi,pi->p", target, plain)
        better = found > best
        best[better], kept[better] = found[better], state[better]
        if step < _STEPS:
            state = _moved(state, cut, plain, target)
    return best, np.concatenate([kept[:, 0] - kept[:, 1] / 2, kept[:, 1]], axis=1)


def _cut(wholes: np.ndarray, state: np.ndarray, share: np.ndarray) -> np.ndarray:
    start = state[:, 0] - state[:, 1] / 2
    rows, columns = (sampling(start[:, axis], state[:, 1, axis], GRID) for axis in (0, 1))
    return without_light(rows @ wholes @ columns.swapaxes(1, 2), share)


def _normalised(cut: np.ndarray) -> np.ndarray:
    flat = cut.reshape(len(cut), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _moved(state: np.ndarray, cut: np.ndarray, plain: np.ndarray, target: np.ndarray) -> np.ndarray:
    count = len(cut)
    down, across = np.gradient(cut, 1 / GRID, axis=(1, 2))
    place = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID - 0.5
    side = state[:, 1, :, None, None]
    slopes = np.stack(
        [
            down / side[:, 0],
            across / side[:, 1],
            down * place[:, None] / side[:, 0],
            across * place / side[:, 1],
        ],
        axis=1,
    ).reshape(count, 4, -1)
    # How the normalised window changes: neither its mean nor its length does.
    slopes = slopes - slopes.mean(axis=2, keepdims=True)
    flat = cut.reshape(count, -1)
    length = np.maximum(np.linalg.norm(flat - flat.mean(axis=1, keepdims=True), axis=1), 1e-6)
    slopes = slopes - np.einsum("pki,pi->pk", slopes, plain)[..., None] * plain[:, None]
    slopes = slopes / length[:, None, None]
    normal = slopes @ slopes.swapaxes(1, 2)
    trace = np.einsum("pkk->p", normal)
    normal += (1e-3 * trace + 1e-6)[:, None, None] * np.eye(4, dtype=np.float32)
    right = np.einsum("pki,pi->pk", slopes, target - plain)
    change = np.clip(np.linalg.solve(normal, right[..., None])[..., 0], -0.05, 0.05).reshape(count, 2, 2)
    middle, sides = state[:, 0] + change[:, 0], np.clip(state[:, 1] + change[:, 1], SMALLEST, LARGEST)
    inside = np.clip(middle, sides / 2 - _SLACK, 1 + _SLACK - sides / 2)
    return np.stack([inside, sides], axis=1).astype(np.float32)
