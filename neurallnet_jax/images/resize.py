"""Means over areas: the resampling that counts every source pixel by how much of it a target pixel covers.

Knows arrays only, neither files nor image libraries. (Pillow's BOX gives each source pixel to exactly one target pixel
where the sizes do not divide, which aliases.)
"""

import functools

import numpy as np

__all__ = ["area_weights", "by_area"]

_ROWS = 512
"""Rows held as floats at once, so that a huge photograph does not need four times its own memory."""


@functools.lru_cache(maxsize=64)
def area_weights(source: int, target: int) -> np.ndarray:
    """Return the share of each source pixel in each target pixel along one axis, float32 (target, source).

    Every row sums to 1; with `source` a multiple of `target` it is the plain mean.
    """
    edges = np.arange(target + 1) * (source / target)
    pixel = np.arange(source)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    weights = (np.clip(overlap, 0, None) * (target / source)).astype(np.float32)
    weights.setflags(write=False)
    return weights


def by_area(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image made smaller, each pixel the mean of the area it covers.

    Args:
        image: uint8 (height, width, channels).
        size: Height and width of the result, at most those of the image.

    Returns:
        uint8 (*size, channels), rounded to the nearest grey level (a tie may go either way).

    Raises:
        ValueError: The result would be larger than the image.
    """
    height, width, channels = image.shape
    if size[0] > height or size[1] > width:
        raise ValueError(f"image is {height} x {width}, its area mean cannot be {size[0]} x {size[1]}")
    down, across = area_weights(height, size[0]), area_weights(width, size[1])
    # Along the width first: what is left to hold for the second product is small.
    narrow = np.empty((height, size[1], channels), np.float32)
    for start in range(0, height, _ROWS):
        rows = image[start : start + _ROWS].astype(np.float32)
        narrow[start : start + _ROWS] = np.einsum("hwc,vw->hvc", rows, across, optimize=True)
    mean = (down @ narrow.reshape(height, -1)).reshape(*size, channels)
    return np.clip(np.rint(mean), 0, 255).astype(np.uint8)
