"""Numbers that say how an image was stained, lit, focused and textured, whatever it shows.

Knows arrays only: neither models nor what is usual.
"""

from collections.abc import Callable

import numpy as np

from neurallnet_jax.images.augment import STAINS

__all__ = ["LEAST_SIZE", "colour", "detail", "structure", "unsharpness"]

LEAST_SIZE = 8
"""Height and width below which an image has no two octaves of detail, pixels."""

_LEVELS = 5
_PERCENTILES = (5, 25, 50, 75, 95)
_CHUNK = 64
"""Images held as floats at once."""


def colour(pixels: np.ndarray) -> np.ndarray:
    """Return 24 numbers per image on stain and illumination, float64 (images, 24).

    With optical density d = -ln((x + 1) / 256) per channel and stain amounts a = d S^-1 (S = `augment.STAINS`): mean,
    standard deviation and the 5th, 25th, 50th, 75th and 95th percentile of each of the three amounts, and the three
    correlations of density between channels. Percentiles tell shapes of a distribution that a transfer of mean and
    deviation (Reinhard et al. 2001) leaves as they are.

    Args:
        pixels: uint8 (images, height, width, 3).
    """
    return _chunked(_colour, pixels)


def detail(pixels: np.ndarray) -> np.ndarray:
    """Return the log energy of detail in each octave, finest first, and the log variance of the rest, float64.

    Octave k is the mean square of the discrete Laplacian of optical density (mean of channels) after k halvings by
    2 x 2 means. Small images have fewer octaves, at least two and at most five.

    Args:
        pixels: uint8 (images, height, width, 3), at least 8 x 8.

    Raises:
        ValueError: The images are smaller than that.

    References:
        Laplacian energy as a measure of focus: Pertuz, Puig & Garcia (2013), Pattern Recognition 46(5):1415-1432.
    """
    return _chunked(lambda some: _detail(_density(some).mean(axis=-1)), pixels)


def unsharpness(pixels: np.ndarray) -> np.ndarray:
    """Return how much less detail the finest octave has than the next, natural logarithm, float64 (images, 1).

    A ratio of two octaves, because contrast and the number of cells move both alike and blur takes the finest first.
    """
    found = detail(pixels)
    return found[:, 1:2] - found[:, :1]


def structure(pixels: np.ndarray) -> np.ndarray:
    """Return `detail` and five numbers on the shape of the distribution of density: how a smear is textured and filled.

    With z the density (mean of channels) scaled by its mean and deviation over the image: mean of z^3, root of the mean
    of z^4, and the shares of pixels with z > 1, z > 2 and z < -1.
    """
    return _chunked(_structure, pixels)


def _chunked(measure: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim != 4 or pixels.shape[-1] != 3:
        raise ValueError(f"images have shape {pixels.shape}; expected (images, height, width, 3)")
    if min(pixels.shape[1:3]) < LEAST_SIZE:
        raise ValueError(
            f"images are {pixels.shape[1]} x {pixels.shape[2]}; "
            f"statistics of detail need at least {LEAST_SIZE} x {LEAST_SIZE}"
        )
    if not len(pixels):
        # The number of statistics is a fact about the size, so that it is there without an image as well.
        return _chunked(measure, np.zeros((1, *pixels.shape[1:]), np.uint8))[:0]
    starts = range(0, len(pixels), _CHUNK)
    return np.concatenate([measure(np.asarray(pixels[start : start + _CHUNK])) for start in starts]).astype(np.float64)


def _density(pixels: np.ndarray) -> np.ndarray:
    return -np.log((pixels.astype(np.float32) + 1) / 256)


def _colour(pixels: np.ndarray) -> np.ndarray:
    density = _density(pixels).reshape(len(pixels), -1, 3)
    amounts = density @ np.linalg.inv(STAINS).astype(np.float32)
    centred = density - density.mean(axis=1, keepdims=True)
    # A grey or even image has no variance to correlate.
    spread = density.std(axis=1) + 1e-6
    product = lambda i, j: (centred[..., i] * centred[..., j]).mean(axis=1) / (spread[:, i] * spread[:, j])
    correlations = np.stack([product(0, 1), product(0, 2), product(1, 2)], axis=1)
    levels = np.percentile(amounts, _PERCENTILES, axis=1)
    return np.concatenate([amounts.mean(axis=1), amounts.std(axis=1), *levels, correlations], axis=1)


def _detail(grey: np.ndarray) -> np.ndarray:
    levels = min(_LEVELS, int(np.log2(min(grey.shape[1:]) / 4)) + 1)
    found = []
    for _ in range(levels):
        centre = 4 * grey[:, 1:-1, 1:-1]
        around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
        found.append(np.square(centre - around).mean(axis=(1, 2)))
        height, width = grey.shape[1] // 2 * 2, grey.shape[2] // 2 * 2
        even = grey[:, :height, :width]
        grey = (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4
    # The floor lies far below the step of one grey level, so that only an even image meets it.
    return np.log(np.stack([*found, grey.var(axis=(1, 2))], axis=1) + 1e-7)


def _structure(pixels: np.ndarray) -> np.ndarray:
    grey = _density(pixels).mean(axis=-1)
    scaled = grey - grey.mean(axis=(1, 2), keepdims=True)
    scaled = scaled / (scaled.std(axis=(1, 2), keepdims=True) + 1e-6)
    mean = lambda values: values.mean(axis=(1, 2), dtype=np.float64)
    shape = [mean(scaled**3), np.sqrt(mean(scaled**4)), mean(scaled > 1), mean(scaled > 2), mean(scaled < -1)]
    return np.concatenate([_detail(grey), np.stack(shape, axis=1)], axis=1)
