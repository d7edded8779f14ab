"""How far an image lies from the training images, in kinds that each have a reason, and the sentence that says so.

Knows statistics of pixels and regions; knows neither networks nor folders.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurallnet_jax.images import quality
from neurallnet_jax.trust import Region

__all__ = [
    "FALSE_WARNINGS",
    "KINDS",
    "Kind",
    "Place",
    "bound",
    "distances",
    "excess",
    "locate",
    "novelty",
    "regions",
    "sentences",
    "statistics",
]

FALSE_WARNINGS = 0.02
"""Share of unseen training-like images that may be warned of, over all kinds, unless another is asked for."""

_TYPICAL = 0.95
"""Share of the unseen images within the threshold that lies below the zero of the scale on which kinds are compared. Near
the edge and not at the median, because some kinds have longer tails than others."""

_LEAST_VARIANCE = 1e-3
"""Variance below which a direction counts as having this much, where each statistic has 1: keeps a direction in which the
training images hardly differ from making every other image infinitely far."""


@dataclass(frozen=True)
class Kind:
    """One kind of warning.

    Attributes:
        statistics: uint8 (images, height, width, 3) -> float64 (images, d).
        sentence: Of the region, the image's statistics (d,) and its distance.
    """

    statistics: Callable[[np.ndarray], np.ndarray]
    sentence: Callable[[Region, np.ndarray, float], str]


@dataclass(frozen=True, eq=False)
class Place:
    """Mean (d,) and whitening (d, d) of one kind's statistics over the training images."""

    mean: np.ndarray
    whitening: np.ndarray


def _stain(region: Region, _: np.ndarray, distance: float) -> str:
    return (
        f"another laboratory's stain, light or camera: colours lie {distance:.1f} from the training images, "
        f"unseen smears of theirs within {region.threshold:.1f}"
    )


def _focus(region: Region, values: np.ndarray, _: float) -> str:
    least = math.exp(-(region.mean[0] + region.threshold / region.whitening[0][0]))
    return (
        f"out of focus: the finest detail has {100 * math.exp(-values[0]):.0f} % of the energy of the next coarser, "
        f"sharp smears at least {100 * least:.0f} %"
    )


def _structure(region: Region, _: np.ndarray, distance: float) -> str:
    return (
        f"not a smear like those of the training: texture and filling lie {distance:.1f} from them, "
        f"unseen smears of theirs within {region.threshold:.1f}"
    )


KINDS: Mapping[str, Kind] = {
    "structure": Kind(quality.structure, _structure),
    "focus": Kind(quality.unsharpness, _focus),
    "stain": Kind(quality.colour, _stain),
}
"""The kinds of warning by name."""


def statistics(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the statistics of images by kind, float64 (images, d).

    Raises:
        ValueError: The images are too small to have them.
    """
    return {name: kind.statistics(pixels) for name, kind in KINDS.items()}


def locate(found: Mapping[str, np.ndarray]) -> dict[str, Place]:
    """Return where images lie, by kind, such that the mean square of |whitening (x - mean)| over them is d (or less).

    Each statistic is scaled by its deviation, then whitened along the principal directions: a Mahalanobis distance whose
    small variances are raised to a thousandth of a statistic's own.

    References:
        Lee et al. (2018), NeurIPS, arXiv:1807.03888, use it on features of the network.
    """
    return {kind: _place(values) for kind, values in found.items()}


def distances(places: Mapping[str, Place], found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return how far images lie, by kind, float64 (images,); a kind of one number is far on its upper side only."""
    return {kind: _distance(place.mean, place.whitening, found[kind]) for kind, place in places.items()}


def regions(
    places: Mapping[str, Place], unseen: Mapping[str, np.ndarray], false_warnings: float = FALSE_WARNINGS
) -> tuple[Region, ...]:
    """Return the regions, each with the threshold that unseen images give it.

    The threshold of each of m kinds is the k-th smallest of the n distances with k = ceil((n + 1) (1 - rate / m)), so that
    an image exchangeable with them is warned of with a probability of at most `rate` (conformal p-values, union bound);
    where k > n it is the largest, and `bound` says what is then promised.

    Args:
        places: What `locate` returned.
        unseen: Distances of images that `locate` has not used.
        false_warnings: The rate, between 0 and 1.

    Raises:
        ValueError: The rate is out of range, or there is no unseen image.
    """
    if not 0 < false_warnings < 1:
        raise ValueError(
            f"share of false warnings is {false_warnings}; expected a number between 0 and 1, such as 0.02"
        )
    found = []
    for kind, place in places.items():
        ordered = np.sort(unseen[kind])
        if not len(ordered):
            raise ValueError("no unseen image tells how far is far; add images that training has not used")
        rank = _rank(len(ordered), false_warnings, len(places))
        found.append(
            Region(
                kind=kind,
                mean=tuple(place.mean.tolist()),
                whitening=tuple(map(tuple, place.whitening.tolist())),
                typical=float(np.quantile(ordered, _TYPICAL * rank / len(ordered))),
                threshold=float(ordered[rank - 1]),
            )
        )
    return tuple(found)


def bound(n: int, kinds: int, false_warnings: float = FALSE_WARNINGS) -> float:
    """Return the greatest probability of a false warning that n exchangeable unseen images promise."""
    return min(1.0, kinds * (n + 1 - _rank(n, false_warnings, kinds)) / (n + 1)) if n else 1.0


def excess(found: Sequence[Region], values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return how far images lie on a scale where 95 % of unseen images stay below 0 and the threshold is 1.

    Args:
        found: Regions.
        values: What `statistics` returned for the images.

    Returns:
        float64 (images, regions).

    Raises:
        ValueError: A region is of an unknown kind, or of other statistics.
    """
    columns = []
    for region in found:
        if region.kind not in KINDS:
            raise ValueError(f"trust: region {region.kind!r} is unknown; this release knows {', '.join(KINDS)}")
        own = values[region.kind]
        if own.shape[1] != len(region.mean):
            raise ValueError(
                f"trust: region {region.kind!r} has {len(region.mean)} numbers, images of this size {own.shape[1]}; "
                "calibrate again"
            )
        distance = _distance(np.asarray(region.mean), np.asarray(region.whitening), own)
        # All unseen images alike: whatever differs from them is far.
        span = max(region.threshold - region.typical, 1e-9)
        columns.append((distance - region.typical) / span)
    return np.stack(columns, axis=1)


def novelty(beyond: np.ndarray) -> np.ndarray:
    """Return one number per image from what `excess` returned: its greatest; above 1 there is a warning."""
    return beyond.max(axis=1)


def sentences(found: Sequence[Region], values: Mapping[str, np.ndarray]) -> tuple[tuple[str, ...], ...]:
    """Return the warnings of each image, one sentence per kind that lies beyond its threshold."""
    beyond = excess(found, values) > 1
    return tuple(
        tuple(_sentence(region, values[region.kind][row]) for region, far in zip(found, flags, strict=True) if far)
        for row, flags in enumerate(beyond.tolist())
    )


def _sentence(region: Region, values: np.ndarray) -> str:
    distance = _distance(np.asarray(region.mean), np.asarray(region.whitening), values[None])[0]
    return KINDS[region.kind].sentence(region, values, float(distance))


def _place(values: np.ndarray) -> Place:
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    # A statistic that is the same in every training image (an empty octave) still has a unit.
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    scaled = (values - mean) / deviation
    variance, directions = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    whitening = (directions / np.sqrt(np.maximum(variance, _LEAST_VARIANCE))).T / deviation
    if len(mean) == 1:
        whitening = np.abs(whitening)
    # Six digits are more than images tell, and half the bytes.
    rounded = np.vectorize(lambda number: float(f"{number:.6g}"))
    return Place(rounded(mean), rounded(whitening))


def _distance(mean: np.ndarray, whitening: np.ndarray, values: np.ndarray) -> np.ndarray:
    white = (values - mean) @ whitening.T
    return white[:, 0] if len(mean) == 1 else np.sqrt(np.square(white).sum(axis=1))


def _rank(n: int, rate: float, kinds: int) -> int:
    return min(n, math.ceil((n + 1) * (1 - rate / kinds) - 1e-9))
