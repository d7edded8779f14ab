"""Figures of single images as means over images, with intervals over groups of them.

Knows arrays of figures, labels and groups; neither models nor images.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from neurallnet_jax.explain.controls import CONTROLS
from neurallnet_jax.explain.faithfulness_result import Figure, Row, Stage
from neurallnet_jax.explain.trial import METRICS, REGIONS, Trial
from neurallnet_jax.metrics import intervals

__all__ = ["summarise"]


def summarise(
    trials: Mapping[str, Trial],
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    stages: Sequence[str] = (),
    draws: int = 2000,
    seed: int = 0,
) -> tuple[Row, ...]:
    """Return the means of every method, all of them under the same draws of groups.

    A mean takes the images for which its figure is defined. The ratio of a region is the mean share of evidence on it over
    the mean share of area: above 1, more evidence than the region has room for by chance.

    Args:
        trials: What `trial.measure` returned.
        labels: True class of every image, (images,).
        groups: Group of every image, (images,), drawn within each class.
        stages: Names of the stages of the cascade.
        draws: Resamples of the intervals.
        seed: Of the draws.
    """
    without = intervals.why_not(labels, groups, "group") is not None
    rows = []
    for name, trial in trials.items():
        values = np.vstack([*(trial.values[metric] for metric in METRICS), trial.cascade])

        def means(weights: np.ndarray, values: np.ndarray = values) -> np.ndarray:
            found = _means(values, weights)
            ratios = [found[METRICS.index(f"{one}_share")] / found[METRICS.index(f"{one}_area")] for one in REGIONS]
            return np.concatenate([found, np.stack(ratios)])

        whole = means(np.ones((len(labels), 1)))[:, 0]
        sample = None if without else intervals.drawn(means, labels, groups, draws=draws, seed=seed)
        counts = (~np.isnan(values)).sum(axis=1)
        counts = np.concatenate([counts, [counts[METRICS.index(f"{one}_share")] for one in REGIONS]])
        found = [_figure(*one) for one in zip(whole, sample if sample is not None else whole, counts, strict=True)]
        cascade = found[len(METRICS) : len(METRICS) + len(trial.cascade)]
        ratios = dict(zip((f"{one}_ratio" for one in REGIONS), found[-len(REGIONS) :], strict=True))
        rows.append(
            Row(
                name,
                name in CONTROLS,
                {**dict(zip(METRICS, found[: len(METRICS)], strict=True)), **ratios},
                tuple(Stage(*one) for one in zip(stages, cascade, map(_share, trial.emptied), strict=True)),
            )
        )
    return tuple(rows)


def _means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return means of (metrics, images) under weights (images, draws), NaN left out; NaN where nothing is left."""
    known = ~np.isnan(values)
    mass = known.astype(np.float64) @ weights
    return np.divide(np.where(known, values, 0) @ weights, mass, out=np.full(mass.shape, np.nan), where=mass > 0)


def _figure(value: float, sample: np.ndarray, n: int) -> Figure:
    if np.isnan(value):
        return Figure(None, None, 0)
    sample = np.atleast_1d(sample)
    enough = len(sample) > 1 and not np.isnan(sample).all()
    return Figure(float(value), intervals.percentiles(sample) if enough else None, int(n))


def _share(marks: np.ndarray) -> float | None:
    known = marks[~np.isnan(marks)]
    return float(known.mean()) if len(known) else None
