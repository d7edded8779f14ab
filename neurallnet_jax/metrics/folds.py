"""The mean of a metric over folds and seeds: how far it spreads, and how far it would move with other images.

Knows arrays only: neither models, files nor how folds were cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from neurallnet_jax.metrics import calibration, intervals
from neurallnet_jax.metrics.intervals import METRICS, Interval, Metric, percentiles

__all__ = ["FoldMean", "Predicted", "difference", "draw_means", "summarise"]


@dataclass(frozen=True, eq=False)
class Predicted:
    """What one run says of the images that its fold tests on.

    Attributes:
        fold: The fold.
        seed: Seed of the run.
        images: What tells images apart, integers (n,): the same image has the same number in every run.
        labels: True classes, integers in 0..K-1, (n,).
        probabilities: Predicted probabilities, (n, K).
        groups: Group of each image, integers (n,); a group belongs to one class.
    """

    fold: int
    seed: int
    images: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class FoldMean:
    """A metric over folds and seeds; None where a value is not defined, with the reason in `reasons`.

    Attributes:
        mean: Mean over the folds of the mean over the seeds.
        fold_deviation: Standard deviation over the folds (n - 1) of the means over seeds.
        seed_deviation: Standard deviation over the seeds (n - 1) of the means over folds.
        group: Percentile interval of the mean from drawing groups.
        image: The same from drawing images as if they were independent: too narrow where they are not.
        groups: Number of groups that were drawn from, over classes and folds.
        reasons: One line for each value that is None.
    """

    mean: float | None
    fold_deviation: float | None
    seed_deviation: float | None
    group: Interval | None
    image: Interval | None
    groups: int
    reasons: tuple[str, ...] = ()


def summarise(
    tested: Sequence[Predicted],
    *,
    metric: str = "balanced_accuracy",
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> FoldMean:
    """Return mean, spread and intervals of a metric over runs; every fold must have every seed.

    Raises:
        ValueError: No run, a fold without one of the seeds, bad predictions, an unknown metric, or draws or level out of
            range.
    """
    values = _values(tested, metric)
    reasons = []
    undefined = int(np.isnan(values).sum())
    if undefined:
        reasons.append(f"{metric} is not defined in {undefined} of {values.size} runs: a class has no image there")
    deviations: list[float | None] = []
    for axis, noun in ((1, "fold"), (0, "seed")):
        means = values.mean(axis=axis)
        deviations.append(float(means.std(ddof=1)) if len(means) > 1 and not undefined else None)
        if len(means) == 1:
            reasons.append(f"one {noun} has no spread; at least 2 are needed")
    found: list[Interval | None] = []
    for by in ("group", "image"):
        sample, reason = draw_means(tested, metric=metric, by=by, draws=draws, seed=seed)
        found.append(None if sample is None else percentiles(sample, level))
        reasons += [reason] if reason else []
    groups = sum(_groups(part) for part in _by_fold(tested))
    mean = None if undefined else float(values.mean())
    return FoldMean(mean, deviations[0], deviations[1], found[0], found[1], groups, tuple(dict.fromkeys(reasons)))


def difference(
    first: Sequence[Predicted],
    second: Sequence[Predicted],
    *,
    metric: str = "balanced_accuracy",
    by: str = "group",
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval | None:
    """Return the percentile interval of the mean of the first runs minus that of the second, or None if one has none.

    Each side draws its own test images, as in `summarise`; nothing is assumed of images that both share.
    """
    ours, _ = draw_means(first, metric=metric, by=by, draws=draws, seed=seed)
    theirs, _ = draw_means(second, metric=metric, by=by, draws=draws, seed=seed + 1)
    return None if ours is None or theirs is None else percentiles(ours - theirs, level)


def draw_means(
    tested: Sequence[Predicted], *, metric: str, by: str, draws: int = 2000, seed: int = 0
) -> tuple[np.ndarray | None, str | None]:
    """Return the metric's mean over folds and seeds in every draw, (draws,), or None with the reason.

    Within each fold and class, as many groups (or images) as there are are drawn with replacement, and all seeds of the
    fold see the same draw. A run of which a draw holds no image stands aside in that draw.

    Args:
        tested: Every seed of every fold.
        metric: Name out of `intervals.METRICS`.
        by: `group` or `image`.
        draws: Number of resamples.
        seed: Seed of the generator; equal arguments give equal draws.
    """
    if by not in ("group", "image"):
        raise ValueError(f"by is {by!r}; expected group or image")
    if draws < 1:
        raise ValueError(f"draws is {draws}; expected at least 1 (2000 for a quotable interval)")
    _values(tested, metric)
    folds = [_Fold.of(part, by) for part in _by_fold(tested)]
    for fold in folds:
        if reason := intervals.why_not(fold.labels, fold.units, by):
            return None, f"fold {fold.number}: {reason}"
    # A class of one fold is drawn apart from the same class of another.
    classes = 1 + max(int(fold.labels.max()) for fold in folds)
    strata = np.concatenate([place * classes + fold.labels for place, fold in enumerate(folds)])
    ends = np.cumsum([len(fold.labels) for fold in folds])[:-1]

    def mean(weights: np.ndarray) -> np.ndarray:
        parts = np.split(weights, ends)
        return np.mean(
            [_known_mean(list(fold.scores(METRICS[metric], own))) for fold, own in zip(folds, parts, strict=True)],
            axis=0,
        )

    sample = intervals.drawn(mean, strata, np.concatenate([fold.units for fold in folds]), draws=draws, seed=seed)
    if np.isnan(sample).all():
        return None, f"{metric} is not defined in any draw: a class has no image there"
    return sample, None


@dataclass(frozen=True, eq=False)
class _Fold:
    """The images of one fold, each once, however many seeds test on it.

    Attributes:
        number: The fold.
        runs: One per seed.
        places: For each run, the place of each of its images among the fold's.
        labels: True class of each image.
        units: Group of each image, or the image itself.
    """

    number: int
    runs: tuple[Predicted, ...]
    places: tuple[np.ndarray, ...]
    labels: np.ndarray
    units: np.ndarray

    @classmethod
    def of(cls, runs: Sequence[Predicted], by: str) -> "_Fold":
        """Return the fold of the runs of all its seeds."""
        names, first, places = np.unique(
            np.concatenate([run.images for run in runs]), return_index=True, return_inverse=True
        )
        labels = np.concatenate([run.labels for run in runs])[first]
        units = names if by == "image" else np.concatenate([run.groups for run in runs])[first]
        cuts = np.cumsum([len(run.images) for run in runs])[:-1]
        return cls(runs[0].fold, tuple(runs), tuple(np.split(places.reshape(-1), cuts)), labels, units)

    def scores(self, metric: Metric, weights: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the metric of every run under weights of the fold's images, (n, D); NaN where none of its own is drawn."""
        for run, places in zip(self.runs, self.places, strict=True):
            own = weights[places]
            drawn = own.sum(axis=0) > 0
            values = np.full(len(drawn), np.nan)
            values[drawn] = metric(run.labels, run.probabilities, own[:, drawn])
            yield values


def _known_mean(rows: list[np.ndarray]) -> np.ndarray:
    """Return the mean over the rows of what is not NaN, per column; NaN where nothing is left."""
    values = np.stack(rows)
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _by_fold(tested: Sequence[Predicted]) -> list[list[Predicted]]:
    numbers = sorted({run.fold for run in tested})
    return [sorted((run for run in tested if run.fold == one), key=lambda run: run.seed) for one in numbers]


def _groups(runs: Sequence[Predicted]) -> int:
    fold = _Fold.of(runs, "group")
    return len(set(zip(fold.labels.tolist(), fold.units.tolist(), strict=True)))


def _values(tested: Sequence[Predicted], metric: str) -> np.ndarray:
    """Return the metric of every run, (folds, seeds), checked."""
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; known are {', '.join(METRICS)}")
    if not tested:
        raise ValueError("there is no run to summarise")
    rows = _by_fold(tested)
    seeds = sorted({run.seed for run in tested})
    for row in rows:
        if [run.seed for run in row] != seeds:
            found = ", ".join(str(run.seed) for run in row)
            raise ValueError(
                f"fold {row[0].fold} has seeds {found}; expected each of {', '.join(map(str, seeds))} once"
            )
    return np.array([[_value(run, metric) for run in row] for row in rows])


def _value(run: Predicted, metric: str) -> float:
    labels, probabilities = calibration.check_predictions(run.labels, run.probabilities)
    return float(METRICS[metric](labels, probabilities, np.ones((len(labels), 1)))[0])
