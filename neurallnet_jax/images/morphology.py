"""Masks made larger and smaller: the steps of which rules about regions are built.

Knows arrays of booleans; neither images nor what a region means. What lies beyond the border changes nothing.
"""

import numpy as np

__all__ = ["dilated", "grown", "opened", "reconstructed", "shrunk", "without_holes"]


def dilated(mask: np.ndarray) -> np.ndarray:
    """Return a mask, bool (height, width), grown by one pixel to all eight sides."""
    padded = np.pad(mask, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def grown(mask: np.ndarray, radius: int) -> np.ndarray:
    """Return a mask grown by a square of `2 radius + 1` pixels."""
    result = mask
    for _ in range(radius):
        result = dilated(result)
    return result


def shrunk(mask: np.ndarray, radius: int) -> np.ndarray:
    """Return a mask shrunk by a square of `2 radius + 1` pixels; the border takes nothing away."""
    return ~grown(~mask, radius)


def opened(mask: np.ndarray, radius: int) -> np.ndarray:
    """Return a mask without its parts narrower than `2 radius + 1` pixels."""
    return grown(shrunk(mask, radius), radius)


def reconstructed(seeds: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the connected parts of a mask, by eight neighbours, that hold a seed."""
    result = seeds & mask
    while True:
        more = dilated(result) & mask
        if (more == result).all():
            return result
        result = more


def without_holes(mask: np.ndarray) -> np.ndarray:
    """Return a mask with every part filled in that no path, by eight neighbours, joins to the border."""
    outside = np.zeros_like(mask)
    outside[[0, -1]] = outside[:, [0, -1]] = True
    return ~reconstructed(outside, ~mask)
