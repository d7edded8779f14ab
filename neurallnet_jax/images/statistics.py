"""Few numbers that sum an image or its file up, without a look at any cell's shape.

Knows arrays of pixels and the headers of image files; neither classes nor models.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from neurallnet_jax.images import regions
from neurallnet_jax.images.decode import one_line, quiet_pillow

__all__ = [
    "COLOUR_LEVELS",
    "bar_statistics",
    "cell_colours",
    "colour_statistics",
    "corner_colours",
    "file_sizes",
    "image_statistics",
    "jpeg_settings",
]

COLOUR_LEVELS = (10, 50, 75, 90)
"""Percentiles among the colour statistics."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_QUALITY = 75


def colour_statistics(pixels: np.ndarray) -> np.ndarray:
    """Return mean, standard deviation and the 10th, 50th, 75th and 90th percentile of each channel.

    They are taken from histograms and exact; percentiles interpolate linearly, as NumPy's.

    Args:
        pixels: Images, uint8 (n, height, width, 3).

    Returns:
        Grey levels, float64 (n, 18): the three channels' means, then their deviations, then each percentile's three.
    """
    count = pixels.shape[1] * pixels.shape[2]
    levels = np.arange(256)
    result = np.empty((len(pixels), 2 + len(COLOUR_LEVELS), 3))
    for place, image in enumerate(pixels):
        histograms = np.array(Image.fromarray(np.ascontiguousarray(image)).histogram()).reshape(3, 256)
        for channel, histogram in enumerate(histograms):
            mean = histogram @ levels / count
            result[place, 0, channel] = mean
            result[place, 1, channel] = np.sqrt(histogram @ (levels - mean) ** 2 / count)
            result[place, 2:, channel] = _percentiles(np.cumsum(histogram), count)
    return result.reshape(len(pixels), -1)


def corner_colours(pixels: np.ndarray) -> np.ndarray:
    """Return mean and standard deviation of each channel in the lower right corner, where a scale bar would be.

    Args:
        pixels: Images, uint8 (n, height, width, 3).

    Returns:
        Grey levels, float64 (n, 6).
    """
    rows, columns = regions.bar_zone(*pixels.shape[1:3])
    corner = np.asarray(pixels[:, rows, columns], np.float64).reshape(len(pixels), -1, 3)
    return np.concatenate([corner.mean(axis=1), corner.std(axis=1)], axis=1)


def bar_statistics(pixels: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return height and width of the scale bar's box, and how many of its pixels are red and how many black.

    Args:
        pixels: Images, uint8 (n, height, width, 3).
        masks: Boxes of the bars, bool (n, height, width), as `regions.scale_bar` returns them.

    Returns:
        Pixels, float64 (n, 4); zeros where an image has no bar.
    """
    result = np.zeros((len(pixels), 4))
    for place, (image, mask) in enumerate(zip(pixels, masks, strict=True)):
        inside = image[mask].astype(np.int16)
        red = inside[:, 0] - inside[:, 1:].max(axis=1) > 25
        black = inside.max(axis=1) < 110
        result[place] = mask.any(axis=1).sum(), mask.any(axis=0).sum(), red.sum(), black.sum()
    return result


def cell_colours(pixels: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the mean colour of the stained cells of every image, or of its darkest hundredth where it shows none.

    Args:
        pixels: Images, uint8 (n, height, width, 3).
        masks: Cells, bool (n, height, width), as `regions.cells` returns them.

    Returns:
        Grey levels, float64 (n, 3).
    """
    result = np.empty((len(pixels), 3))
    for place, (image, mask) in enumerate(zip(pixels, masks, strict=True)):
        chosen = mask
        if not mask.any():
            grey = image @ _LUMA
            chosen = grey <= np.quantile(grey, 0.01)
        result[place] = image[chosen].mean(axis=0, dtype=np.float64)
    return result


def image_statistics(pixels: np.ndarray) -> np.ndarray:
    """Return brightness, contrast, sharpness and size as a JPEG of every image, all without colour but the last.

    Brightness and contrast are mean and standard deviation of Y = 0.299 R + 0.587 G + 0.114 B; sharpness is the logarithm
    of 1 plus the variance of Y's Laplacian (4 Y minus its four neighbours); the size is that of the pixels encoded anew at
    quality 75, whatever the file was.

    Args:
        pixels: Images, uint8 (n, height, width, 3).

    Returns:
        Grey levels, grey levels, no unit, bytes: float64 (n, 4).
    """
    result = np.empty((len(pixels), 4))
    for place, image in enumerate(pixels):
        grey = image @ _LUMA
        middle = grey[1:-1, 1:-1]
        laplacian = 4 * middle - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
        encoded = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image)).save(encoded, "JPEG", quality=_QUALITY)
        result[place] = grey.mean(), grey.std(), np.log1p(laplacian.var()), encoded.tell()
    return result


def file_sizes(paths: Sequence[Path]) -> np.ndarray:
    """Return the size of every file, bytes, float64 (n, 1)."""
    return np.array([[path.stat().st_size] for path in paths], np.float64).reshape(-1, 1)


def jpeg_settings(paths: Sequence[Path]) -> np.ndarray:
    """Return what a camera or program chose when it wrote each JPEG file.

    Returns:
        Height, width, mean quantiser of brightness, mean quantiser of colour, and the number of brightness samples to one
        of colour, float64 (n, 5).

    Raises:
        ValueError: A file is no JPEG; one line that names it.
    """
    with quiet_pillow():
        return np.array([_jpeg_settings(path) for path in paths], np.float64).reshape(-1, 5)


def _jpeg_settings(path: Path) -> tuple[float, ...]:
    with Image.open(path) as image:
        tables = getattr(image, "quantization", None)
        layers = getattr(image, "layer", None)
        if image.format not in ("JPEG", "MPO") or not tables or not layers:
            raise ValueError(f"{one_line(path.name)} is {image.format}, no JPEG, so it has no such settings")
        means = [float(np.mean(tables[key])) for key in sorted(tables)]
        samples = [layer[1] * layer[2] for layer in layers]
        return image.height, image.width, means[0], means[-1], samples[0] / samples[-1]


def _percentiles(cumulated: np.ndarray, count: int) -> np.ndarray:
    position = np.array(COLOUR_LEVELS) / 100 * (count - 1)
    below = np.floor(position).astype(np.int64)
    # The value of rank r is the first level that more than r pixels do not exceed.
    low = np.searchsorted(cumulated, below, side="right")
    high = np.searchsorted(cumulated, np.minimum(below + 1, count - 1), side="right")
    return low + (position - below) * (high - low)
