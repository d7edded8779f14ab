"""Energies per image and how two of them compare: intervals from a bootstrap over images, ratios, verdicts.

Knows neither counts nor constants. Energies of different scopes or units refuse to be added or compared.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from lava_port.energy.constants import Scope

__all__ = ["Bootstrap", "Energies", "Estimate", "Ratio", "Verdict", "compare", "summarise", "verdict"]

Verdict: TypeAlias = Literal["better", "worse", "undecided"]
_VALUE = 1
"""Place of the constants' values between their low and their high end."""


@dataclass(frozen=True, eq=False)
class Energies:
    """Energies of a run of images.

    Attributes:
        scope: What they include.
        unit: Joules, or `1` for a number without a unit.
        values: (images, 3) at low constants, at their values and at high ones; one row where all images cost the same.
    """

    scope: Scope
    unit: Literal["J", "1"]
    values: np.ndarray

    def __add__(self, other: "Energies") -> "Energies":
        """Return the sum of two energies of one scope and unit."""
        _check_like(self, other)
        return Energies(self.scope, self.unit, self.values + other.values)


@dataclass(frozen=True)
class Estimate:
    """An energy per image, in joules or, under a proxy, in its own unit.

    Attributes:
        mean: Mean over the images, at the constants' values.
        data: Bootstrap interval of that mean over the images; None with fewer than two images. A dense network does the
            same for every image: its interval has no width.
        constants: The mean with all constants at their low, and all at their high end.
    """

    mean: float
    data: tuple[float, float] | None
    constants: tuple[float, float]


@dataclass(frozen=True)
class Ratio:
    """Spiking energy over that of another network, below 1 where the spiking network is better.

    Attributes:
        value: Ratio of the means.
        low: Least ratio within the data's interval, low constants against low ones, high against high.
        high: Greatest such ratio.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """Draws of images with replacement; the same draws serve every energy of a report.

    Attributes:
        images: Number of images.
        level: Level of the intervals.
        resamples: Number of draws.
        seed: Seed of the draws.
    """

    images: int
    level: float
    resamples: int
    seed: int

    @cached_property
    def weights(self) -> np.ndarray:
        """How much each image weighs in each draw, (resamples, images); rows sum to 1."""
        generator = np.random.default_rng(self.seed)
        draws = [
            np.bincount(generator.integers(self.images, size=self.images), minlength=self.images)
            for _ in range(self.resamples)
        ]
        return np.stack(draws) / self.images

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of every draw, (resamples, 3), or one row where all images cost the same."""
        return values if len(values) == 1 else self.weights @ values

    def interval(self, means: np.ndarray) -> np.ndarray:
        """Return both ends of the interval of every column, (2, columns)."""
        return np.quantile(means, [(1 - self.level) / 2, (1 + self.level) / 2], axis=0)


def summarise(energies: Energies, bootstrap: Bootstrap) -> Estimate:
    """Return the mean with its interval over images and its range over constants, kept apart."""
    low, value, high = (float(entry) for entry in energies.values.mean(axis=0))
    if len(energies.values) == 1 < bootstrap.images:
        return Estimate(value, (value, value), (low, high))
    if bootstrap.images < 2:
        return Estimate(value, None, (low, high))
    ends = bootstrap.interval(bootstrap.means(energies.values))[:, _VALUE]
    return Estimate(value, (float(ends[0]), float(ends[1])), (low, high))


def compare(spiking: Energies, other: Energies, bootstrap: Bootstrap) -> Ratio | None:
    """Return the ratio of two energies of one scope, best with best and worst with worst; None for fewer than two images.

    Each end of the constants is one comparison of its own: low with low, high with high. Images are drawn together where
    both energies differ between images.

    Raises:
        ValueError: The scopes or units differ, or the other energy is not above zero.
    """
    _check_like(spiking, other)
    dense = other.values.mean(axis=0)
    if not (dense > 0).all():
        raise ValueError(f"the energy to compare with is {dense.min():g}; a ratio needs one above zero")
    if bootstrap.images < 2:
        return None
    ends = bootstrap.interval(bootstrap.means(spiking.values) / bootstrap.means(other.values))
    value = float(spiking.values.mean(axis=0)[_VALUE] / dense[_VALUE])
    return Ratio(value, float(ends.min()), float(ends.max()))


def verdict(low: float, high: float) -> Verdict:
    """Return what an interval of spiking over dense energy says: undecided where it holds 1."""
    if high < 1:
        return "better"
    return "worse" if low > 1 else "undecided"


def _check_like(left: Energies, right: Energies) -> None:
    if left.scope != right.scope:
        raise ValueError(
            f"an energy of scope {left.scope!r} beside one of scope {right.scope!r}: they include different things; "
            "compare within one scope"
        )
    if left.unit != right.unit:
        raise ValueError(
            f"an energy in {left.unit!r} beside one in {right.unit!r}: a number without a unit is no energy; "
            "compare within one profile"
        )
