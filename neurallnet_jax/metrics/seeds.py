"""How far apart two ways of training are, over seeds and over images: a paired difference with its interval.

Knows arrays only: neither models nor files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from neurallnet_jax.metrics import intervals, scores
from neurallnet_jax.metrics.intervals import Interval

__all__ = ["Difference", "Run", "balanced_accuracies", "paired_difference"]


@dataclass(frozen=True, eq=False)
class Run:
    """What one trained network says of its test images.

    Attributes:
        labels: True classes, integers in 0..K-1, shape (N,).
        groups: Group of each image, integers, shape (N,); a group belongs to one class.
        predicted: Predicted classes, shape (N,).
    """

    labels: np.ndarray
    groups: np.ndarray
    predicted: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.labels) or not (self.labels.shape == self.groups.shape == self.predicted.shape):
            shapes = f"{self.labels.shape}, {self.groups.shape} and {self.predicted.shape}"
            raise ValueError(f"labels, groups and predictions have shapes {shapes}; expected one each per image")


@dataclass(frozen=True)
class Difference:
    """Balanced accuracy of one way of training minus that of another.

    Attributes:
        mean: Mean over the seeds.
        by_seed: The difference of every seed.
        interval: Over seeds and images; with one seed over images alone. None where a class has one group only.
    """

    mean: float
    by_seed: tuple[float, ...]
    interval: Interval | None


def balanced_accuracies(run: Run, weights: np.ndarray) -> np.ndarray:
    """Return the balanced accuracy for each column of weights, how often each image counts, shape (N, D)."""
    return scores.weighted_mean_recall(run.labels, run.predicted == run.labels, weights)


def paired_difference(
    arm: Sequence[Run], reference: Sequence[Run], *, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> Difference:
    """Return how much better `arm` is than `reference`, pair by pair: run s of both has the same seed and images.

    With the difference d_s of the balanced accuracies of seed s and the mean over S seeds, one draw is

        D* = mean_s d_s(images drawn) + sd(d_1 .. d_S) / sqrt(S) * t,    t from Student's t with S - 1 degrees of freedom

    where groups of images are drawn within each class with replacement, the same ones for both sides and all seeds with
    the same images. Images thus vary by bootstrap, and seeds, too few for one, by the t distribution that belongs to the
    mean of few normal values. The interval holds the middle `level` of the draws. It is a little too wide rather than too
    narrow, because the chance of images moves the d_s as well.

    Args:
        arm: One run per seed.
        reference: The runs of the same seeds, in the same order.
        draws: Number of draws.
        seed: Seed of the generator; equal arguments give equal intervals.
        level: Coverage aimed at.

    Raises:
        ValueError: The runs are not pairs.

    References:
        Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 8; seeds: JCGM 101:2008, section 6.4.9, a
        scaled and shifted t distribution for a quantity of which few values were taken.
    """
    if not arm or len(arm) != len(reference):
        raise ValueError(
            f"{len(arm)} runs against {len(reference)}; expected the same seeds on both sides, at least one"
        )
    for place, (one, other) in enumerate(zip(arm, reference, strict=True)):
        if not (np.array_equal(one.labels, other.labels) and np.array_equal(one.groups, other.groups)):
            raise ValueError(f"pair {place} of runs was scored on different images; pair runs of one split")
    pairs = list(zip(arm, reference, strict=True))
    by_seed = np.array([_difference(*pair, np.ones((len(pair[0].labels), 1)))[0] for pair in pairs])
    interval = None
    if not any(intervals.why_not(one.labels, one.groups, "group") for one in arm):
        generator = np.random.default_rng(seed)
        drawn = _over_images(pairs, draws, generator)
        if len(pairs) > 1:
            error = by_seed.std(ddof=1) / np.sqrt(len(pairs))
            drawn = drawn + error * generator.standard_t(len(pairs) - 1, size=draws)
        interval = intervals.percentiles(drawn, level)
    return Difference(float(by_seed.mean()), tuple(by_seed.tolist()), interval)


def _difference(one: Run, other: Run, weights: np.ndarray) -> np.ndarray:
    return balanced_accuracies(one, weights) - balanced_accuracies(other, weights)


def _over_images(pairs: Sequence[tuple[Run, Run]], draws: int, generator: np.random.Generator) -> np.ndarray:
    """Return the mean difference over the seeds for each draw of images, (draws,)."""
    alike: dict[bytes, list[tuple[Run, Run]]] = {}
    for pair in pairs:
        alike.setdefault(pair[0].labels.tobytes() + pair[0].groups.tobytes(), []).append(pair)
    total = np.zeros(draws)
    for same in alike.values():
        images = same[0][0]
        # Seeds with the same images see the same draws; other images are drawn on their own.
        total += intervals.drawn(partial(_sum, same), images.labels, images.groups, draws=draws, seed=generator)
    return total / len(pairs)


def _sum(pairs: Sequence[tuple[Run, Run]], weights: np.ndarray) -> np.ndarray:
    return np.sum([_difference(*pair, weights) for pair in pairs], axis=0)
