"""A model on images that get worse: balanced accuracy, its fall, changed answers and firing rates per corruption, severity.

Knows models as a function of pixels, whoever computes it; neither hardware nor how results are kept or shown.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import jax
import numpy as np

from neurallnet_jax import models
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation.robustness_result import Clean, Condition, Robustness, Summary
from neurallnet_jax.evaluation.selection import Selection, groups_of
from neurallnet_jax.images import corruptions, decode
from neurallnet_jax.images.folder import Dataset
from neurallnet_jax.metrics import intervals, scores
from neurallnet_jax.metrics.intervals import Interval

__all__ = ["Score", "Scored", "float_score", "measure"]

_BATCH = 32
_CHUNK = 8 * _BATCH
"""Corrupted images held at once."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What a model makes of a batch.

    Attributes:
        scores: Class scores or probabilities, (images, classes); the first largest is the answer.
        rates: Spikes per neuron and step of every spiking layer by name, averaged over the batch.
    """

    scores: np.ndarray
    rates: Mapping[str, float]


Score: TypeAlias = Callable[[np.ndarray], Scored]
"""A model: uint8 (images, height, width, 3) at its own size -> what it makes of them."""


def float_score(saved: Checkpoint) -> Score:
    """Return the float model of a checkpoint as a function of pixels; it compiles once per size of a batch."""
    classifier = models.from_checkpoint(saved)
    run = jax.jit(classifier.apply)
    key = jax.random.key(0)

    def score(pixels: np.ndarray) -> Scored:
        logits, rates = [], []
        for start in range(0, len(pixels), _BATCH):
            batch = pixels[start : start + _BATCH]
            output = jax.device_get(run(classifier.variables, batch, jax.random.fold_in(key, start)))
            logits.append(output.logits)
            rates.append((len(batch), {name: float(rate) for name, rate in output.rates.items()}))
        return Scored(np.concatenate(logits), _mean_rates(rates))

    return score


def measure(
    dataset: Dataset,
    selection: Selection,
    score: Score,
    *,
    image_size: tuple[int, int],
    names: Sequence[str] | None = None,
    severities: Sequence[int] | None = None,
    seed: int = 0,
    draws: int = 2000,
    progress: Callable[[int, int], None] | None = None,
) -> Robustness:
    """Score a model on the chosen images as they are, and under every corruption at every severity.

    Args:
        dataset: Images of `corruptions.SIDE` pixels; a severity means the same for every network that way.
        selection: Which of them.
        score: The model.
        image_size: Height and width it takes; an image is brought there after it was corrupted.
        names: Corruptions, all for None.
        severities: Of 1 to 5, all for None.
        seed: Another one draws other noise, places and directions.
        draws: Resamples of the intervals.
        progress: Called with images done and images in all, over all conditions.

    Raises:
        ValueError: Images of another size, an unknown corruption or severity.
    """
    if dataset.pixels.shape[1:3] != (corruptions.SIDE,) * 2:
        found = " x ".join(map(str, dataset.pixels.shape[1:3]))
        raise ValueError(
            f"{dataset.root}: images are {found}, corruptions take {corruptions.SIDE}; decode them at that"
        )
    names, severities = corruptions.select(names), corruptions.select_severities(severities)
    planned = [(name, severity) for name in names for severity in severities]
    records = [dataset.records[place] for place in selection.places.tolist()]
    images = _Images(dataset.pixels[selection.places], [one.sha256 for one in records], image_size, seed)
    total = len(records) * (1 + len(planned))
    answers, rates = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, condition in enumerate([None, *planned]):
            parts = []
            for start in range(0, len(records), _CHUNK):
                scored = score(images.made_worse(condition, slice(start, start + _CHUNK), pool))
                parts.append((len(scored.scores), scored))
                if progress:
                    progress(number * len(records) + start + len(scored.scores), total)
            answers.append(np.concatenate([scored.scores.argmax(axis=1) for _, scored in parts]))
            rates.append(_mean_rates([(count, scored.rates) for count, scored in parts]))
        # Twins are found at the size of the network, as `evaluate` does, so that both draw the same groups.
        clean = images.made_worse(None, slice(None), pool)
    labels = dataset.labels[selection.places]
    groups = groups_of(dataset, selection.places, pixels=clean)
    return _judged(
        dataset.classes, selection, labels, groups, planned, np.stack(answers), rates, seed=seed, draws=draws
    )


@dataclass(frozen=True, eq=False)
class _Images:
    """Images at the size at which they are corrupted, what each is known by, and the size that a network takes."""

    pixels: np.ndarray
    keys: Sequence[str]
    image_size: tuple[int, int]
    seed: int

    def made_worse(self, condition: tuple[str, int] | None, places: slice, pool: ThreadPoolExecutor) -> np.ndarray:
        """Return some of the images under a corruption and severity, or clean, at the size of the network."""

        def one(image: np.ndarray, key: str) -> np.ndarray:
            worse = image if condition is None else corruptions.corrupt(image, *condition, key=key, seed=self.seed)
            return decode.resized(worse, self.image_size)

        return np.stack(list(pool.map(one, self.pixels[places], self.keys[places])))


def _judged(
    classes: tuple[str, ...],
    selection: Selection,
    labels: np.ndarray,
    groups: np.ndarray,
    planned: Sequence[tuple[str, int]],
    answers: np.ndarray,
    rates: Sequence[Mapping[str, float]],
    *,
    seed: int,
    draws: int,
) -> Robustness:
    """Return the figures of answers, (1 + conditions, images), the clean ones first."""
    right = answers == labels

    def recalls(weights: np.ndarray) -> np.ndarray:
        return scores.weighted_mean_recall(labels, right, weights)

    values = recalls(np.ones((len(labels), 1)))[:, 0]
    reason = intervals.why_not(labels, groups, "group")
    # Every condition sees the same draws, so differences between conditions have intervals of their own.
    sample = None if reason else intervals.drawn(recalls, labels, groups, draws=draws).T
    rows = {name: [1 + place for place, (one, _) in enumerate(planned) if one == name] for name, _ in planned}
    chance = 1 / len(np.unique(labels))
    # Every corruption counts alike in the mean, whatever the number of severities.
    weights = {name: np.isin(np.arange(len(answers)), own) / len(own) for name, own in rows.items()}
    summaries = [_summary(name, weight, values, sample, chance) for name, weight in weights.items()]
    return Robustness(
        classes=classes,
        n=len(labels),
        seen=int(selection.seen.sum()),
        seed=seed,
        chance=chance,
        groups=len(np.unique(groups)),
        no_interval=reason,
        clean=Clean(float(values[0]), _interval(sample, 0), rates[0]),
        conditions=tuple(
            Condition(
                name=name,
                severity=severity,
                parameter=corruptions.CORRUPTIONS[name].levels[severity - 1],
                balanced_accuracy=float(values[row]),
                interval=_interval(sample, row),
                drop=float(values[0] - values[row]),
                drop_interval=None if sample is None else intervals.percentiles(sample[:, 0] - sample[:, row]),
                changed=float((answers[row] != answers[0]).mean()),
                rates=rates[row],
            )
            for row, (name, severity) in enumerate(planned, start=1)
        ),
        summaries=tuple(summaries),
        overall=_summary("all", np.mean(list(weights.values()), axis=0), values, sample, chance),
    )


def _summary(name: str, weight: np.ndarray, values: np.ndarray, sample: np.ndarray | None, chance: float) -> Summary:
    # Differences first, so that what changes nothing is exactly zero.
    drop, clean = float(weight @ (values[0] - values)), float(values[0])
    return Summary(
        name=name,
        balanced_accuracy=float(weight @ values),
        interval=None if sample is None else intervals.percentiles(sample @ weight),
        drop=drop,
        drop_interval=None if sample is None else intervals.percentiles((sample[:, :1] - sample) @ weight),
        lost=drop / (clean - chance) if clean > chance else None,
    )


def _interval(sample: np.ndarray | None, column: int) -> Interval | None:
    return None if sample is None else intervals.percentiles(sample[:, column])


def _mean_rates(parts: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, float]:
    images = sum(count for count, _ in parts)
    return {name: sum(count * rates[name] for count, rates in parts) / images for name in parts[0][1]}
