"""Where a smear shows background, scale bar and stained cells, and images in which one of them is made neutral.

Knows arrays of pixels and how light is absorbed; neither files, classes nor models.

Every length is given for an image 224 pixels wide and grows with it; below about 96 pixels bars and cells blur into each
other, so find and edit regions first and make images smaller afterwards.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neurallnet_jax.images.morphology import dilated, grown, opened, shrunk

__all__ = [
    "Regions",
    "background",
    "background_colours",
    "bar_zone",
    "cells",
    "find",
    "mask_scale_bar",
    "neutralise_background",
    "scale_bar",
    "without_colour",
]

_WIDTH = 224
"""Width that lengths are given for, pixels."""

_BAR_ZONE = (0.84, 0.84)
"""A scale bar is looked for below and right of these fractions of height and width."""

_LEAST_INK = 5
"""Pixels of ink, at 224 px, that make a scale bar; fewer are debris."""

_LUMA = np.array([0.299, 0.587, 0.114])
_LEAST_FILL = 0.15
"""Share of a bar's box that is ink, at least; the edges of red cells fill less of theirs."""

_LOG = np.log((np.arange(256) + 1) / 256).astype(np.float32)
_GRID = 4
"""Every so many pixels the light of the empty slide is sampled."""

_BINS = 64
"""Bins of the histogram that Otsu's threshold is taken from."""


class Regions(NamedTuple):
    """Masks of the same images, bool (n, height, width); the first two share no pixel.

    Attributes:
        background: As `background` returns it.
        scale_bar: As `scale_bar` returns it.
        cells: As `cells` returns it.
    """

    background: np.ndarray
    scale_bar: np.ndarray
    cells: np.ndarray


def background(pixels: np.ndarray) -> np.ndarray:
    """Return where the slide is empty: neither cell, nor platelet, nor smudge, nor scale bar.

    The light of the empty slide, I0, is a quadratic surface per channel, fitted to the logarithm of the brightest pixels
    again and again until darker ones no longer pull at it. A pixel is empty where the greatest optical density of its
    channels, ln(I0 / I), averaged over 3 x 3 pixels, lies below Otsu's threshold, kept within 0.045 to 0.075. What is
    bright but narrower than 9 pixels and cut off from the rest, such as the pale centre of a red cell, belongs to a cell.

    Args:
        pixels: Images, uint8 (n, height, width, 3).

    Returns:
        Masks, bool (n, height, width).

    References:
        Otsu (1979), IEEE Trans. Syst. Man Cybern. 9(1):62-66.
    """
    return _each(pixels, _background)


def cells(pixels: np.ndarray) -> np.ndarray:
    """Return where stained cells lie: nuclei with their coloured cytoplasm, and smudges of such cells; no red cells.

    Chromatin and basophilic cytoplasm take away more green than blue, haemoglobin after a Romanowsky stain takes both: a
    pixel is stained where the optical density of green exceeds that of blue, averaged over 3 x 3 pixels, by more than
    Otsu's threshold among the pixels where it does so by 0.16, kept within 0.22 to 0.40. Specks narrower than 5 pixels,
    such as platelets, are left out.

    Args:
        pixels: Images, uint8 (n, height, width, 3).

    Returns:
        Masks, bool (n, height, width).
    """
    return _each(pixels, _cells)


def bar_zone(height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of the lower right corner, where a scale bar is looked for."""
    return slice(int(_BAR_ZONE[0] * height), height), slice(int(_BAR_ZONE[1] * width), width)


def scale_bar(pixels: np.ndarray) -> np.ndarray:
    """Return the box around a scale bar in the lower right corner, with its label; an empty mask where there is none.

    Ink is black (all channels below 110 and within 40 of each other) or red (red exceeds the others by more than 25).
    The strokes are thin, and make a box that is wider than high and 15 % full. It takes in the white panel that black bars
    stand on, and a margin of 3 pixels, 10 beside red ones. Where the stain itself is red, cells may be taken for a bar.

    Args:
        pixels: Images, uint8 (n, height, width, 3).

    Returns:
        Masks, bool (n, height, width).
    """
    return _each(pixels, _scale_bar)


def find(pixels: np.ndarray) -> Regions:
    """Return all three regions, for less than what they cost one by one.

    Args:
        pixels: Images, uint8 (n, height, width, 3).
    """
    _check(pixels)
    found = [np.empty(pixels.shape[:3], bool) for _ in Regions._fields]
    for place in range(len(pixels)):
        image = np.asarray(pixels[place])
        density, bar = _density(image), _scale_bar(image)
        for masks, mask in zip(found, (_empty(density) & ~bar, bar, _stained(density, bar)), strict=True):
            masks[place] = mask
    return Regions(*found)


def background_colours(pixels: np.ndarray, masks: np.ndarray | None = None) -> np.ndarray:
    """Return the mean colour of the empty slide of every image, or of its brightest tenth where none of it is empty.

    Args:
        pixels: Images, uint8 (n, height, width, 3).
        masks: What `background` returned for them; computed where None.

    Returns:
        Grey levels, float64 (n, 3).
    """
    masks = background(pixels) if masks is None else masks
    return np.array([_mean_colour(image, mask) for image, mask in zip(pixels, masks, strict=True)]).reshape(-1, 3)


def neutralise_background(
    pixels: np.ndarray, colour: np.ndarray | None = None, *, masks: np.ndarray | None = None
) -> np.ndarray:
    """Return images whose empty slide has one colour; at its border it blends into what was there, over 3 pixels.

    Args:
        pixels: Images, uint8 (n, height, width, 3).
        colour: The colour, grey levels (3,); where None, each image keeps the mean colour of its own background, so that
            texture and uneven light go and the tint stays.
        masks: What `background` returned for them; computed where None.

    Returns:
        Images, uint8, of the same shape.
    """
    masks = background(pixels) if masks is None else masks
    colours = background_colours(pixels, masks) if colour is None else np.broadcast_to(colour, (len(pixels), 3))
    result = np.empty_like(pixels)
    for place, (image, mask) in enumerate(zip(pixels, masks, strict=True)):
        share = _box_mean(mask.astype(np.float32))[..., None]
        filled = share * colours[place] + (1 - share) * image
        result[place] = np.where(dilated(mask)[..., None], np.rint(filled), image)
    return result


def mask_scale_bar(pixels: np.ndarray, *, masks: np.ndarray | None = None) -> np.ndarray:
    """Return images whose scale bar is painted over from its surroundings.

    A pixel of the box becomes the mean of the pixels straight above, below, left and right of the box (each averaged over
    5 along the edge), weighted by one over their distance; a side that lies on the border of the image has none.

    Args:
        pixels: Images, uint8 (n, height, width, 3).
        masks: What `scale_bar` returned for them, or other boxes; computed where None.

    Returns:
        Images, uint8, of the same shape.
    """
    result = np.array(pixels)
    for image, mask in zip(result, scale_bar(pixels) if masks is None else masks, strict=True):
        if mask.any():
            _paint_over(image, mask)
    return result


def without_colour(pixels: np.ndarray) -> np.ndarray:
    """Return grey images: every channel is the brightness 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    grey = np.rint(np.asarray(pixels, np.float32) @ _LUMA.astype(np.float32)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _each(pixels: np.ndarray, rule: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    _check(pixels)
    result = np.empty(pixels.shape[:3], bool)
    for place in range(len(pixels)):
        result[place] = rule(np.asarray(pixels[place]))
    return result


def _check(pixels: np.ndarray) -> None:
    if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"pixels are {pixels.dtype} {pixels.shape}; expected uint8 (n, height, width, 3)")


def _scaled(length: float, image: np.ndarray) -> int:
    return max(1, round(length * image.shape[1] / _WIDTH))


def _mean_colour(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if not mask.any():
        grey = image.reshape(-1, 3) @ _LUMA
        return image.reshape(-1, 3)[grey >= np.quantile(grey, 0.9)].mean(axis=0)
    return image[mask].mean(axis=0, dtype=np.float64)


# --- Background and cells


def _background(image: np.ndarray) -> np.ndarray:
    return _empty(_density(image)) & ~_scale_bar(image)


def _cells(image: np.ndarray) -> np.ndarray:
    return _stained(_density(image), _scale_bar(image))


def _empty(density: np.ndarray) -> np.ndarray:
    depth = _box_mean(_greatest(density))
    bright = depth < _otsu(depth, 0.4, (0.045, 0.075))
    mask = shrunk(bright, _scaled(4, density))
    for _ in range(_scaled(10, density)):
        mask = dilated(mask) & bright
    return mask


def _stained(density: np.ndarray, bar: np.ndarray) -> np.ndarray:
    stain = _box_mean(density[..., 1] - density[..., 2])
    more_than_red_cells = stain[stain > 0.16]
    mask = stain > _otsu(more_than_red_cells, 1.2, (0.22, 0.40))
    mask &= ~bar
    radius = _scaled(2, density)
    mask = opened(mask, radius)
    return shrunk(grown(mask, radius), radius)


def _density(image: np.ndarray) -> np.ndarray:
    """Return the optical density of every pixel and channel above that of the empty slide, float32."""
    logs = _LOG[image]
    height, width = image.shape[:2]
    basis = _surface_basis(height, width)
    rows, columns = slice(_GRID // 2, None, _GRID), slice(_GRID // 2, None, _GRID)
    samples, surface = logs[rows, columns].reshape(-1, 3), basis[rows, columns].reshape(-1, basis.shape[-1])
    darkest = _least(samples)
    kept = darkest >= np.quantile(darkest, 0.5)
    fit = np.zeros((basis.shape[-1], 3), np.float32)
    # Towards a constant where few pixels say otherwise.
    ridge = np.diag([1e-6, *[2.0] * (basis.shape[-1] - 1)]).astype(np.float32)
    for tolerance in (0.10, 0.07, 0.05, 0.04, 0.04):
        some = surface[kept]
        fit = np.linalg.solve(some.T @ some + ridge, some.T @ samples[kept]).astype(np.float32)
        above = _least(samples - surface @ fit)
        # Where the surface has left all samples below it, the highest of them pull it down again.
        kept = above >= min(-tolerance, float(np.quantile(above, 0.98)))
    return basis @ fit - logs


@functools.lru_cache(maxsize=8)
def _surface_basis(height: int, width: int) -> np.ndarray:
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.stack([np.ones_like(y), y, x, y * x, y * y, x * x], axis=-1).astype(np.float32)


def _otsu(values: np.ndarray, most: float, limits: tuple[float, float]) -> float:
    bins = np.clip(values * (_BINS / most), 0, _BINS - 1).astype(np.intp).ravel()
    counts = np.bincount(bins, minlength=_BINS)
    width = most / _BINS
    centres = width * (np.arange(_BINS) + 0.5)
    below = np.cumsum(counts)
    total, mass = below[-1], np.cumsum(counts * centres)
    above = total - below
    mean_below = mass / np.maximum(below, 1)
    mean_above = (mass[-1] - mass) / np.maximum(above, 1)
    best = int((below * above * (mean_above - mean_below) ** 2).argmax())
    return float(np.clip(width * (best + 1), *limits))


# --- Scale bar


def _scale_bar(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    rows, columns = bar_zone(height, width)
    zone = image[rows, columns].astype(np.int16)
    darkest, brightest = _least(zone), _greatest(zone)
    redness = zone[..., 0] - np.maximum(zone[..., 1], zone[..., 2])
    ink = (redness > 25) | ((brightest < 110) & (brightest - darkest < 40))
    mask = np.zeros((height, width), bool)
    # Letters and lines are thin; a red cell is as red, a nucleus may be as dark.
    thick = opened(ink, _scaled(3, image))
    ink &= ~dilated(thick)
    ink[~_band(ink.sum(axis=1))] = False
    if ink.sum() < _LEAST_INK * (width / _WIDTH) ** 2:
        return mask
    top, bottom, left, right = _box(ink)
    high, wide = bottom - top, right - left
    sparse = ink.sum() < _LEAST_FILL * high * wide
    if sparse or wide < max(_scaled(8, image), high) or high > _scaled(20, image):
        return mask
    is_red = bool(np.median(redness[ink]) > 25)
    if not is_red:
        top, bottom, left, right = _panel(darkest >= 240, (top, bottom, left, right), _scaled(14, image))
    # The ticks of a red bar are so thin that resizing leaves nothing of them on a nucleus; they lie 6 to 9 pixels off.
    aside, margin = _scaled(10 if is_red else 3, image), _scaled(3, image)
    top, left = max(0, top - margin), max(0, left - aside)
    mask[rows.start + top : rows.start + bottom + margin, columns.start + left : columns.start + right + aside] = True
    return mask


def _band(counts: np.ndarray) -> np.ndarray:
    """Return the rows around the fullest one, up to the first two empty ones on either side."""
    used = np.convolve(counts > 0, np.ones(2, int))[1:] > 0
    peak, result = int(counts.argmax()), np.zeros(len(counts), bool)
    above = np.flatnonzero(~used[:peak])
    below = np.flatnonzero(~used[peak:])
    result[above[-1] + 1 if len(above) else 0 : peak + below[0] if len(below) else len(counts)] = True
    return result


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _panel(white: np.ndarray, box: tuple[int, int, int, int], most: int) -> tuple[int, int, int, int]:
    """Return the box grown by at most `most` pixels on each side, as far as lines along it are white.

    A line that is not may lie between: the far tick of a bar.
    """
    top, bottom, left, right = box
    return (
        top - _white_lines(white[:top, left:right][::-1], most),
        bottom + _white_lines(white[bottom:, left:right], most),
        left - _white_lines(white[top:bottom, :left].T[::-1], most),
        right + _white_lines(white[top:bottom, right:].T, most),
    )


def _white_lines(lines: np.ndarray, most: int) -> int:
    reached = 0
    for place in np.flatnonzero(lines[:most].mean(axis=1) >= 0.9):
        if place > reached + 2:
            break
        reached = int(place) + 1
    return reached


def _paint_over(image: np.ndarray, mask: np.ndarray) -> None:
    """Paint the box around a mask over, in place."""
    top, bottom, left, right = _box(mask)
    height, width = image.shape[:2]
    down, across = np.arange(top, bottom), np.arange(left, right)
    total = np.zeros((len(down), len(across), 3))
    weights = np.zeros((len(down), len(across), 1))

    def add(edge: np.ndarray, distance: np.ndarray) -> None:
        nonlocal total, weights
        total += edge / distance
        weights += 1 / distance

    if top > 0:
        add(_smooth(image[top - 1, left:right])[None], (down - top + 1.0)[:, None, None])
    if bottom < height:
        add(_smooth(image[bottom, left:right])[None], (bottom - down + 0.0)[:, None, None])
    if left > 0:
        add(_smooth(image[top:bottom, left - 1])[:, None], (across - left + 1.0)[None, :, None])
    if right < width:
        add(_smooth(image[top:bottom, right])[:, None], (right - across + 0.0)[None, :, None])
    image[top:bottom, left:right] = np.rint(total / weights)


def _smooth(line: np.ndarray) -> np.ndarray:
    padded = np.pad(line.astype(np.float64), ((2, 2), (0, 0)), mode="edge")
    return np.mean([padded[shift : shift + len(line)] for shift in range(5)], axis=0)


# --- Channels and neighbourhoods


def _greatest(values: np.ndarray) -> np.ndarray:
    # Several times as fast as a maximum along an axis of three.
    return np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2])


def _least(values: np.ndarray) -> np.ndarray:
    return np.minimum(np.minimum(values[..., 0], values[..., 1]), values[..., 2])


def _box_mean(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
