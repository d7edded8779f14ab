"""Balanced accuracies of many sets of predictions on the same images, under the same draws of groups.

Knows arrays only. What is drawn, and why within each class, stands in `intervals.py`; here every condition sees the same
draws, so that differences between conditions have intervals of their own.
"""

import numpy as np
from numpy.typing import ArrayLike

from neurallnet_jax.metrics.intervals import Interval

__all__ = ["balanced_accuracies", "draw_balanced_accuracies", "obstacle", "percentiles"]

_CHUNK = 250
"""Draws made together, as in `intervals.py`, so that equal seeds draw the same groups there and here."""


def balanced_accuracies(labels: ArrayLike, right: ArrayLike) -> np.ndarray:
    """Return the mean recall over the classes that occur, float64 (conditions,).

    Args:
        labels: True classes, integers, shape (N,).
        right: Whether each image is told right under each condition, shape (conditions, N).
    """
    truth, hits = np.asarray(labels), np.asarray(right, np.float64)
    return np.mean([hits[:, truth == k].mean(axis=1) for k in np.unique(truth)], axis=0)


def draw_balanced_accuracies(
    labels: ArrayLike, right: ArrayLike, groups: ArrayLike, *, draws: int = 2000, seed: int = 0
) -> np.ndarray:
    """Return the balanced accuracy of every condition in every draw of groups, float64 (draws, conditions).

    Groups are drawn with replacement within each class, as many as the class has.

    Args:
        labels: True classes, integers, shape (N,).
        right: Whether each image is told right under each condition, shape (conditions, N).
        groups: Group of each image, integers, shape (N,); a group belongs to one class.
        draws: Number of resamples.
        seed: Seed of the generator.

    Raises:
        ValueError: A class with fewer than two groups, which `obstacle` tells beforehand.
    """
    truth, hits, names = np.asarray(labels), np.asarray(right, np.float64), np.asarray(groups)
    if reason := obstacle(truth, names):
        raise ValueError(reason)
    strata = []
    for k in np.unique(truth):
        _, index = np.unique(names[truth == k], return_inverse=True)
        member = np.eye(int(index.max()) + 1)[index].T
        strata.append((member @ hits[:, truth == k].T, member.sum(axis=1)))
    generator = np.random.default_rng(seed)
    parts = []
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        recalls = []
        for right_in, images_in in strata:
            picks = generator.integers(len(images_in), size=(size, len(images_in)))
            times = (picks[:, :, None] == np.arange(len(images_in))).sum(axis=1)
            recalls.append((times @ right_in) / (times @ images_in)[:, None])
        parts.append(np.mean(recalls, axis=0))
    return np.concatenate(parts)


def obstacle(labels: ArrayLike, groups: ArrayLike) -> str | None:
    """Return why groups cannot be drawn, or None: every class needs at least two."""
    truth, names = np.asarray(labels), np.asarray(groups)
    for k in np.unique(truth):
        if len(np.unique(names[truth == k])) < 2:
            return f"class {k} has only 1 group, so nothing varies between its draws; at least 2 are needed"
    return None


def percentiles(sample: np.ndarray, *, level: float = 0.95) -> Interval:
    """Return the interval that holds the share `level` of a sample, shape (draws,), with equal tails."""
    low, high = np.quantile(sample, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high))
