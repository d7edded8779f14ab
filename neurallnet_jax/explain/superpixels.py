"""Images cut into superpixels: connected regions of one colour and about one size. Knows arrays only; no model.

SLIC is k-means over colour and place, in which a pixel asks only the nine centres around its own cell of a regular grid.
With CIELAB distance d_c, distance in pixels d_s and the spacing S of the grid, a pixel belongs to the centre of the least

    d_c^2 + (compactness d_s / S)^2

What is cut off from its centre becomes a region of its own, and regions smaller than a quarter of a cell are joined to the
neighbour with which they share the longest border.
"""

import heapq
from collections import Counter

import numpy as np

__all__ = ["lab", "slic"]

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to CIE XYZ under D65, IEC 61966-2-1."""
_WHITE = _TO_XYZ.sum(axis=1)
_SMALLEST = 4
"""A region needs this part of a cell's pixels to stay on its own."""


def slic(image: np.ndarray, count: int, *, compactness: float = 10.0, iterations: int = 10) -> np.ndarray:
    """Return the number of every pixel's superpixel, 0 to n - 1, int32 (height, width); n is near `count`.

    Every superpixel is connected, up, down, left and right.

    Args:
        image: uint8 (height, width, channels); three channels are sRGB, any others are compared as they are, 0 to 100.
        count: How many superpixels to begin with.
        compactness: Weight of place against colour; the larger, the squarer.
        iterations: Rounds of k-means.

    Raises:
        ValueError: Fewer than one superpixel, or more than pixels.

    References:
        Achanta et al. (2012), IEEE TPAMI 34(11):2274-2282; nine centres per pixel: Ren and Reid (2011), gSLIC.
    """
    height, width = image.shape[:2]
    if not 1 <= count <= height * width:
        raise ValueError(f"{count} superpixels for an image of {height} x {width}; expected 1 to {height * width}")
    rows = min(max(round((count * height / width) ** 0.5), 1), height)
    columns = min(max(round(count / rows), 1), width)
    spacing = (height * width / (rows * columns)) ** 0.5
    labels = _clusters(_points(image, compactness / spacing), (rows, columns), iterations)
    return _joined(_regions(labels), height * width // (rows * columns * _SMALLEST)).astype(np.int32)


def lab(image: np.ndarray) -> np.ndarray:
    """Return sRGB pixels, uint8 (..., 3), as CIELAB under D65: L 0 to 100, a and b about -100 to 100."""
    share = image / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    relative = linear @ _TO_XYZ.T / _WHITE
    curve = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(curve, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _points(image: np.ndarray, per_pixel: float) -> np.ndarray:
    """Return (height, width, features) whose squared distance is that of SLIC."""
    colour = lab(image) if image.shape[-1] == 3 else image / 2.55
    place = np.indices(image.shape[:2]) * per_pixel
    return np.concatenate([colour, np.moveaxis(place, 0, -1)], axis=-1)


def _clusters(points: np.ndarray, grid: tuple[int, int], iterations: int) -> np.ndarray:
    """Return the nearest of nine centres for every pixel, after k-means; int (height, width)."""
    (height, width, features), (rows, columns) = points.shape, grid
    row = (np.arange(height) * rows // height)[:, None]
    column = (np.arange(width) * columns // width)[None]
    labels = row * columns + column
    centres = np.zeros((rows * columns, features))
    near = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    asked = [
        np.clip(row + down, 0, rows - 1) * columns + np.clip(column + right, 0, columns - 1) for down, right in near
    ]
    for _ in range(iterations):
        centres = _means(points, labels, centres)
        distances = np.stack([np.square(points - centres[place]).sum(axis=-1) for place in asked])
        nearest = distances.argmin(axis=0)
        labels = np.take_along_axis(np.stack(asked), nearest[None], axis=0)[0]
    return labels


def _means(points: np.ndarray, labels: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the mean point of every cluster; one that lost all its pixels stays where it was."""
    flat = labels.ravel()
    count = np.bincount(flat, minlength=len(before))
    sums = np.stack(
        [np.bincount(flat, points[..., k].ravel(), minlength=len(before)) for k in range(points.shape[-1])], axis=1
    )
    return np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], before)


def _regions(labels: np.ndarray) -> np.ndarray:
    """Return connected regions of equal labels, numbered from 0."""
    # Every pixel points at one of its region with a number no higher; the lowest wins all.
    first = np.arange(labels.size).reshape(labels.shape)
    across, down = labels[:, 1:] == labels[:, :-1], labels[1:] == labels[:-1]
    while True:
        least = first.copy()
        for here, there, same in (
            (np.s_[:, 1:], np.s_[:, :-1], across),
            (np.s_[:, :-1], np.s_[:, 1:], across),
            (np.s_[1:], np.s_[:-1], down),
            (np.s_[:-1], np.s_[1:], down),
        ):
            least[here] = np.where(same, np.minimum(least[here], first[there]), least[here])
        least = least.ravel()[least]
        if (least == first).all():
            return _numbered(first)
        first = least


def _joined(regions: np.ndarray, smallest: int) -> np.ndarray:
    """Return regions of at least `smallest` pixels: the smallest joins its closest neighbour until none is too small."""
    sizes = dict(enumerate(np.bincount(regions.ravel()).tolist()))
    borders = _borders(regions, len(sizes))
    into = list(range(len(sizes)))
    waiting = [(size, region) for region, size in sizes.items() if size < smallest]
    heapq.heapify(waiting)
    while waiting and len(sizes) > 1:
        size, small = heapq.heappop(waiting)
        # A region that has grown or gone since waits there under its former size.
        if sizes.get(small) != size:
            continue
        other = max(borders[small], key=lambda region: (borders[small][region], -region))
        for neighbour, length in borders.pop(small).items():
            del borders[neighbour][small]
            if neighbour != other:
                borders[other][neighbour] += length
                borders[neighbour][other] += length
        sizes[other] += sizes.pop(small)
        into[small] = other
        if sizes[other] < smallest:
            heapq.heappush(waiting, (sizes[other], other))
    return _numbered(np.array([_last(into, region) for region in range(len(into))])[regions])


def _last(into: list[int], region: int) -> int:
    """Return the region that one has become, by way of those it joined."""
    while into[region] != region:
        region = into[region]
    return region


def _borders(regions: np.ndarray, count: int) -> dict[int, Counter[int]]:
    """Return, for every region, how many pixel edges it shares with each neighbour."""
    sides = [(regions[:, 1:], regions[:, :-1]), (regions[1:], regions[:-1])]
    pairs = np.concatenate([np.stack([a[a != b], b[a != b]], axis=1) for a, b in sides])
    found: dict[int, Counter[int]] = {region: Counter() for region in range(count)}
    for one, other in pairs.tolist():
        found[one][other] += 1
        found[other][one] += 1
    return found


def _numbered(regions: np.ndarray) -> np.ndarray:
    """Return the same regions with numbers from 0 without gaps."""
    return np.unique(regions, return_inverse=True)[1].reshape(regions.shape)
