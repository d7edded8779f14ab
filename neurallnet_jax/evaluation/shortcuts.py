"""How far colour alone gets on the test images of a split. Knows pixels and labels; neither models nor splits."""

import numpy as np

from neurallnet_jax.images.folder import Dataset
from neurallnet_jax.metrics import scores

__all__ = ["SIZE", "colour_line"]

SIZE = (224, 224)
"""Height and width of the images that the statistics are taken of, pixels."""

_LEVELS = (10, 50, 75, 90)
_PARTS = 32


def colour_line(dataset: Dataset, known_places: np.ndarray, test_places: np.ndarray) -> float:
    """Return the balanced accuracy of one nearest neighbour on 18 colour statistics.

    They are mean, standard deviation and the 10th, 50th, 75th and 90th percentile of each channel, each scaled by mean
    and standard deviation of the known images. A network whose score lies near this line has not been shown to read
    cells.

    Args:
        dataset: Images of `SIZE`.
        known_places: Places of the images that neighbours come from: those that train and those that validate.
        test_places: Places of the images to tell.
    """
    places = np.concatenate([known_places, test_places])
    parts = min(_PARTS, len(places))
    statistics = np.concatenate([_statistics(dataset.pixels[part]) for part in np.array_split(places, parts)])
    known, test = statistics[: len(known_places)], statistics[len(known_places) :]
    deviation = known.std(axis=0)
    # A statistic that never varies says nothing.
    scaled = [(some - known.mean(axis=0)) / np.where(deviation > 0, deviation, 1) for some in (known, test)]
    nearest = [np.square(scaled[0] - row).sum(axis=1).argmin() for row in scaled[1]]
    told = dataset.labels[known_places][nearest]
    names = dataset.classes
    return scores.score(dataset.labels[test_places], np.eye(len(names))[told], names).balanced_accuracy


def _statistics(pixels: np.ndarray) -> np.ndarray:
    """Return 18 numbers per image, float64 (images, 18)."""
    flat = pixels.reshape(len(pixels), -1, 3).astype(np.float64)
    percentiles = [np.percentile(flat, level, axis=1) for level in _LEVELS]
    return np.concatenate([flat.mean(axis=1), flat.std(axis=1), *percentiles], axis=1)
