"""How far a score would move with other images: bootstrap intervals over groups and over images.

Knows arrays only: neither models nor files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from neurallnet_jax.metrics import calibration, scores

__all__ = [
    "FEW_GROUPS",
    "METRICS",
    "Interval",
    "Intervals",
    "Metric",
    "bootstrap",
    "check_groups",
    "check_options",
    "drawn",
    "few",
    "from_json",
    "percentiles",
    "resample",
    "to_json",
    "why_not",
]

Metric: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(labels, probabilities, weights) -> one value per column of weights."""

METRICS: Mapping[str, Metric] = {
    "accuracy": scores.weighted_accuracy,
    "balanced_accuracy": scores.weighted_balanced_accuracy,
    "macro_f1": scores.weighted_macro_f1,
    "auroc": scores.weighted_auroc,
    "mean_average_precision": scores.weighted_mean_average_precision,
    "ece": calibration.weighted_ece,
    "brier": calibration.weighted_brier,
}
"""Metrics by name; `bootstrap` adds sensitivity and specificity where it is told which classes are malignant."""

FEW_GROUPS = 10
"""Groups in a class below which an interval over groups comes with a warning."""

_TWO_CLASSES = "it needs two classes, and one occurs"
_NEEDS = {
    "sensitivity": "it needs an image of a malignant class",
    "specificity": "it needs an image of a benign class",
}
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
        note: What an interval without width, or one over few groups, does not say; None where neither is the case.
    """

    group: Interval | None
    image: Interval | None
    groups: tuple[int, ...]
    group_reason: str | None = None
    image_reason: str | None = None
    note: str | None = None


def bootstrap(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike,
    *,
    metrics: Sequence[str] | None = None,
    malignant: Sequence[bool] | None = None,
    classes: Sequence[str] | None = None,
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
    sample, so its interval may lie above the value itself. Where every answer is right, every draw gives 1 and the
    interval has no width: a bootstrap cannot show errors of which the sample holds none. A note then says how many
    there could be.

    Args:
        labels: True classes, integers in 0..K-1, shape (N,).
        probabilities: Predicted probabilities, shape (N, K).
        groups: Group of each image, integers or strings, shape (N,); a group belongs to one class.
        metrics: Names out of `METRICS`, and `sensitivity` and `specificity` with `malignant`; None for all of them.
        malignant: For each class whether it is malignant, at least one of either; None where that is not known.
        classes: Names of the classes, for reasons; None for their numbers.
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
    table = METRICS if malignant is None else {**METRICS, **_binary(malignant, values.shape[1])}
    metrics = tuple(table) if metrics is None else metrics
    check_options(metrics, table, draws, level)
    chosen = {name: table[name] for name in metrics}
    names = check_groups(groups, truth)
    called = tuple(map(str, range(values.shape[1]))) if classes is None else tuple(classes)
    counts = tuple(len(np.unique(names[truth == k])) for k in range(values.shape[1]))
    by_kind = {
        kind: _intervals(
            truth, values, units, noun=kind, metrics=chosen, classes=called, draws=draws, seed=seed, level=level
        )
        for kind, units in (("group", names), ("image", np.arange(len(truth))))
    }
    result = {}
    for metric in metrics:
        (group, group_reason), (image, image_reason) = by_kind["group"][metric], by_kind["image"][metric]
        notes = (
            _flat(metric, group, image, groups=sum(counts), images=len(truth), level=level),
            few(counts, called) if group is not None else None,
        )
        note = "; ".join(filter(None, notes)) or None
        result[metric] = Intervals(group, image, counts, group_reason, image_reason, note)
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
        if entry.note is not None:
            data["note"] = entry.note
        result[metric] = data
    return result


def from_json(data: Mapping[str, Mapping[str, Any]]) -> dict[str, Intervals]:
    """Return the intervals that `to_json` wrote."""
    result = {}
    for metric, entry in data.items():
        group, image = (None if entry[kind] is None else Interval(*entry[kind]) for kind in ("group", "image"))
        reasons = [entry.get(key) for key in ("group_reason", "image_reason", "note")]
        result[metric] = Intervals(group, image, tuple(entry["groups"]), *reasons)
    return result


def why_not(labels: np.ndarray, units: np.ndarray, noun: str, classes: Sequence[str] | None = None) -> str | None:
    """Return why units cannot be drawn within each class, or None where they can.

    Args:
        labels: True classes, shape (N,).
        units: What is drawn, one name per image, shape (N,).
        noun: How the reason calls a unit.
        classes: Names of the classes; None for their numbers.
    """
    for k in np.unique(labels):
        if len(np.unique(units[labels == k])) < 2:
            name = k if classes is None else classes[k]
            return f"class {name} has only 1 {noun}, so nothing varies between its draws; at least 2 are needed"
    return None


def _intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    units: np.ndarray,
    *,
    noun: str,
    metrics: Mapping[str, Metric],
    classes: Sequence[str],
    draws: int,
    seed: int,
    level: float,
) -> dict[str, tuple[Interval | None, str | None]]:
    """Return (interval, None) or (None, reason) by metric, where `units` are drawn."""
    if reason := why_not(labels, units, noun, classes):
        return dict.fromkeys(metrics, (None, reason))
    ones = np.ones((len(labels), 1))
    defined = [name for name in metrics if not np.isnan(metrics[name](labels, probabilities, ones)[0])]

    def values(weights: np.ndarray) -> np.ndarray:
        return np.array([metrics[name](labels, probabilities, weights) for name in defined])

    result: dict[str, tuple[Interval | None, str | None]] = {
        name: (None, f"{name} is not defined for these images: {_NEEDS.get(name, _TWO_CLASSES)}") for name in metrics
    }
    if defined:
        samples = drawn(values, labels, units, draws=draws, seed=seed)
        # Every class keeps at least one image in every draw: what is defined for the images is defined in each draw.
        assert not np.isnan(samples).any()
        result |= {name: (percentiles(one, level), None) for name, one in zip(defined, samples, strict=True)}
    return result


def drawn(
    values: Callable[[np.ndarray], np.ndarray],
    labels: np.ndarray,
    units: np.ndarray,
    *,
    draws: int = 2000,
    seed: int | np.random.Generator = 0,
) -> np.ndarray:
    """Return values under draws of units within each class, shape (..., draws).

    Equal labels, units and seed give equal draws, so whatever is asked in one call, or in several, is paired.

    Args:
        values: Takes how often each image is drawn, float64 (N, D), and returns (..., D).
        labels: What units are drawn within, classes as a rule, shape (N,).
        units: What is drawn, one name per image, shape (N,); a unit belongs to one class.
        draws: Number of draws.
        seed: Seed of the generator, or a generator, which goes on.
    """
    generator = np.random.default_rng(seed)
    return np.concatenate([values(one) for one in resample(labels, units, draws=draws, generator=generator)], axis=-1)


def percentiles(sample: np.ndarray, level: float = 0.95) -> Interval:
    """Return the middle `level` of a sample, shape (draws,), with equal tails; what is NaN stands aside."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected between 0 and 1, such as 0.95")
    low, high = np.quantile(sample[~np.isnan(sample)], ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high))


def resample(
    labels: np.ndarray, units: np.ndarray, *, draws: int, generator: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield how often each image is drawn, shape (N, chunk of draws), drawing units within each class.

    Args:
        labels: True classes, shape (N,).
        units: What is drawn, one name per image, shape (N,); a unit belongs to one class.
        draws: Number of draws in all.
        generator: Where chance comes from.
    """
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


def check_options(metrics: Sequence[str], known: Mapping[str, Metric], draws: int, level: float) -> None:
    """Refuse, by name, a metric that is not known, and draws or a level out of range."""
    for name in metrics:
        if name not in known:
            raise ValueError(f"unknown metric {name!r}; known are {', '.join(known)}")
    if draws < 1:
        raise ValueError(f"draws is {draws}; expected at least 1 (2000 for a quotable interval)")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected between 0 and 1, such as 0.95")


def check_groups(groups: ArrayLike, labels: np.ndarray) -> np.ndarray:
    """Return the group of each image, shape (N,), or refuse groups that do not fit or lie in two classes."""
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


def _binary(malignant: Sequence[bool], classes: int) -> dict[str, Metric]:
    mask = np.asarray(malignant)
    if mask.dtype != bool or mask.shape != (classes,) or mask.all() or not mask.any():
        raise ValueError(
            f"malignant is {list(malignant)}; expected {classes} booleans, at least one malignant and one benign class"
        )
    return {
        "sensitivity": partial(scores.weighted_sensitivity, malignant=mask),
        "specificity": partial(scores.weighted_sensitivity, malignant=~mask),
    }


def few(groups: Sequence[int], classes: Sequence[str]) -> str | None:
    """Return what to bear in mind where a class has few groups, fewer than `FEW_GROUPS`; None where none has.

    Args:
        groups: Number of groups of each class; 0 where it does not occur.
        classes: Their names.
    """
    short = [(name, count) for name, count in zip(classes, groups, strict=True) if 0 < count < FEW_GROUPS]
    if not short:
        return None
    least = min(count for _, count in short)
    said = ", ".join(f"{name} {count}" for name, count in short)
    factor = (least / (least - 1)) ** 0.5 if least > 1 else float("inf")
    return (
        f"few groups in a class ({said}): what is drawn over groups is too narrow there, by a factor of at least "
        f"{factor:.2f} for {least} of them, and its p-values are too small"
    )


def _flat(
    metric: str, group: Interval | None, image: Interval | None, *, groups: int, images: int, level: float
) -> str | None:
    known = [(one, noun, n) for one, noun, n in ((group, "group", groups), (image, "image", images)) if one is not None]
    flat = [(noun, n) for one, noun, n in known if one.low == one.high]
    if not flat:
        return None
    value = next(one.low for one, _, _ in known if one.low == one.high)
    text = f"every draw gives {value:.4g}, so a width of zero says that draws are alike, not that the value is certain"
    if value == 1 and metric == "accuracy":
        # Clopper & Pearson (1934) for no failure among n: 1 - ((1 - level) / 2)^(1 / n).
        could = [f"{100 * (1 - ((1 - level) / 2) ** (1 / n)):.2g} % of {noun}s, from {n} without" for noun, n in flat]
        text += f"; an error could still lie in up to {' and '.join(could)} ({100 * level:g} %, Clopper-Pearson)"
    return text
