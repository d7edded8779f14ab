"""How far a score would move with other images: bootstrap intervals over groups and over images.

Knows arrays only: neither models nor files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurallnet_jax.metrics import calibration, scores

__all__ = ["METRICS", "Interval", "Intervals", "bootstrap", "to_json"]

METRICS: Mapping[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "accuracy": scores.weighted_accuracy,
    "balanced_accuracy": scores.weighted_balanced_accuracy,
    "auroc": scores.weighted_auroc,
    "mean_average_precision": scores.weighted_mean_average_precision,
    "ece": calibration.weighted_ece,
    "brier": calibration.weighted_brier,
}
"""Metrics by name: (labels, probabilities, weights) -> one value per column of weights."""

_CHUNK = 250
"""Draws computed together: large enough for NumPy, small enough for the cache."""


@dataclass(frozen=True)
class Interval:
    """Percentiles of a metric over the draws."""

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """The two intervals of one metric; where one is None, its reason says why.

    Attributes:
        group: From drawing whole groups: what to quote, since images of one group resemble each other.
        image: From drawing images as if they were independent: too narrow where they are not.
        groups: Number of groups in each class, in the order of the columns.
        group_reason: Why `group` is None.
        image_reason: Why `image` is None.
    """

    group: Interval | None
    image: Interval | None
    groups: tuple[int, ...]
    group_reason: str | None = None
    image_reason: str | None = None


def bootstrap(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Intervals]:
    """Return percentile bootstrap intervals by metric, over groups and over images.

    Both draw within each class, as many units as the class has, with replacement: the mix of classes was chosen by
    whoever took the images and is no part of the chance that is measured. So the two intervals differ by the grouping
    alone, and with one image per group, numbered in order, they are equal. All metrics share the same draws.

    What to bear in mind: with few groups in a class, G, the percentile interval is too narrow, by a factor of
    sqrt((G-1)/G) and a little more. The expected calibration error is biased upwards, in each draw more than in the
    sample, so its interval may lie above the value itself.

    Args:
        labels: True classes, integers in 0..K-1, shape (N,).
        probabilities: Predicted probabilities, shape (N, K).
        groups: Group of each image, integers or strings, shape (N,); a group belongs to one class.
        metrics: Names out of `METRICS`.
        draws: Number of resamples.
        seed: Seed of the generator; equal arguments give equal intervals.
        level: Coverage aimed at, between 0 and 1.

    Raises:
        ValueError: Bad predictions, a group in two classes, an unknown metric, draws or level out of range.

    References:
        Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 8 and 13.
        Davison & Hinkley (1997), Bootstrap Methods and their Application, sections 3.2 (strata) and 3.8 (clusters).
    """
    truth, values = calibration.check_predictions(labels, probabilities)
    _check_options(metrics, draws, level)
    names = _check_groups(groups, truth)
    counts = tuple(len(np.unique(names[truth == k])) for k in range(values.shape[1]))
    by_kind = {
        kind: _intervals(truth, values, units, noun=kind, metrics=metrics, draws=draws, seed=seed, level=level)
        for kind, units in (("group", names), ("image", np.arange(len(truth))))
    }
    result = {}
    for metric in metrics:
        (group, group_reason), (image, image_reason) = by_kind["group"][metric], by_kind["image"][metric]
        result[metric] = Intervals(group, image, counts, group_reason, image_reason)
    return result


def to_json(intervals: Mapping[str, Intervals]) -> dict[str, dict[str, Any]]:
    """Return intervals as plain data: metric -> `group` and `image` as [low, high] or None, `groups`, and reasons."""
    result = {}
    for metric, entry in intervals.items():
        data: dict[str, Any] = {"groups": list(entry.groups)}
        for kind, interval, reason in (
            ("group", entry.group, entry.group_reason),
            ("image", entry.image, entry.image_reason),
        ):
            data[kind] = None if interval is None else [interval.low, interval.high]
            if reason is not None:
                data[f"{kind}_reason"] = reason
        result[metric] = data
    return result


def _intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    units: np.ndarray,
    *,
    noun: str,
    metrics: Sequence[str],
    draws: int,
    seed: int,
    level: float,
) -> dict[str, tuple[Interval | None, str | None]]:
    """Return (interval, None) or (None, reason) by metric, where `units` are drawn."""
    for k in np.unique(labels):
        if len(np.unique(units[labels == k])) < 2:
            reason = f"class {k} has only 1 {noun}, so nothing varies between its draws; at least 2 are needed"
            return dict.fromkeys(metrics, (None, reason))
    ones = np.ones((len(labels), 1))
    defined = [name for name in metrics if not np.isnan(METRICS[name](labels, probabilities, ones)[0])]
    parts: dict[str, list[np.ndarray]] = {name: [] for name in defined}
    for weights in _resample(labels, units, draws=draws, generator=np.random.default_rng(seed)):
        for name in defined:
            parts[name].append(METRICS[name](labels, probabilities, weights))
    tails = ((1 - level) / 2, (1 + level) / 2)
    result: dict[str, tuple[Interval | None, str | None]] = {
        name: (None, f"{name} is not defined for these images: it needs two classes, and one occurs")
        for name in metrics
    }
    for name in defined:
        sample = np.concatenate(parts[name])
        # Every class keeps at least one image in every draw: what is defined for the images is defined in each draw.
        assert not np.isnan(sample).any()
        low, high = np.quantile(sample, tails)
        result[name] = (Interval(float(low), float(high)), None)
    return result


def _resample(
    labels: np.ndarray, units: np.ndarray, *, draws: int, generator: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield how often each image is drawn, shape (N, chunk of draws), drawing units within each class."""
    strata = []
    for k in np.unique(labels):
        members = np.flatnonzero(labels == k)
        names, index = np.unique(units[members], return_inverse=True)
        strata.append((members, index, len(names)))
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        weights = np.empty((len(labels), size))
        for members, index, n in strata:
            picks = generator.integers(n, size=(size, n)).T * size + np.arange(size)
            drawn = np.bincount(picks.ravel(), minlength=n * size).reshape(n, size)
            weights[members] = drawn[index]
        yield weights


def _check_options(metrics: Sequence[str], draws: int, level: float) -> None:
    for name in metrics:
        if name not in METRICS:
            raise ValueError(f"unknown metric {name!r}; known are {', '.join(METRICS)}")
    if draws < 1:
        raise ValueError(f"draws is {draws}; expected at least 1 (2000 for a quotable interval)")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected between 0 and 1, such as 0.95")


def _check_groups(groups: ArrayLike, labels: np.ndarray) -> np.ndarray:
    names = np.asarray(groups)
    if names.shape != labels.shape:
        raise ValueError(f"groups have shape {names.shape}; expected {labels.shape}, one per image")
    if names.dtype.kind not in "iuU":
        raise ValueError(f"groups are {names.dtype}; expected integers or strings")
    order = np.argsort(names, kind="stable")
    same = names[order][1:] == names[order][:-1]
    torn = np.flatnonzero(same & (labels[order][1:] != labels[order][:-1]))
    if torn.size:
        first, second = order[torn[0]], order[torn[0] + 1]
        raise ValueError(
            f"group {names[first]} holds images of classes {labels[first]} and {labels[second]}; groups are drawn "
            "within each class, so number them apart by class"
        )
    return names
