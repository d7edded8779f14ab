"""Whether two classifiers differ on the same images: McNemar, DeLong, a bootstrap over groups, and Holm's correction.

Knows arrays only: neither models nor files. McNemar and DeLong take images for independent of each other, which
neighbouring captures are not; the bootstrap over groups does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from neurallnet_jax.metrics import calibration, intervals

__all__ = ["Delong", "Difference", "Mcnemar", "bootstrap_difference", "delong", "holm", "mcnemar"]

_ROUNDING = 1e-12
"""Differences of areas and standard errors below this are rounding: both are sums of at most a few million terms."""


@dataclass(frozen=True)
class Mcnemar:
    """McNemar's test of equal accuracy.

    Attributes:
        both: Images that both get right.
        first_only: Images that only the first gets right.
        second_only: Images that only the second gets right.
        neither: Images that both get wrong.
        p: Exact two-sided p-value: binomial, conditional on the images on which they differ.
        p_mid: The mid-p value, which counts the observed table half; less conservative.
    """

    both: int
    first_only: int
    second_only: int
    neither: int
    p: float
    p_mid: float


@dataclass(frozen=True)
class Delong:
    """DeLong's test of equal areas under two ROC curves, or of equal means of several.

    Attributes:
        first: Area of the first classifier.
        second: Area of the second.
        standard_error: Standard error of first - second.
        low: Lower end of the interval of the difference, from the normal distribution.
        high: Upper end.
        z: Difference over standard error; 0 where both are zero.
        p: Two-sided p-value; 1 where both are zero, None where the difference is not zero but its standard error is.
        reason: Why `p` is None.
    """

    first: float
    second: float
    standard_error: float
    low: float
    high: float
    z: float | None
    p: float | None
    reason: str | None = None

    @property
    def difference(self) -> float:
        """First minus second."""
        return self.first - self.second


@dataclass(frozen=True)
class Difference:
    """A metric's difference between two classifiers under a bootstrap over groups.

    Attributes:
        first: Metric of the first classifier.
        second: Metric of the second.
        low: Lower percentile of first - second; None with a reason.
        high: Upper percentile.
        p: Two-sided p-value, twice the smaller share of draws on either side of zero, none below 2 / (draws + 1).
        groups: Number of groups in each class, in the order of the columns.
        reason: Why the others are None.
    """

    first: float
    second: float
    low: float | None
    high: float | None
    p: float | None
    groups: tuple[int, ...]
    reason: str | None = None

    @property
    def difference(self) -> float:
        """First minus second."""
        return self.first - self.second


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> Mcnemar:
    """Return McNemar's exact and mid-p test of whether two classifiers are right equally often on the same images.

    With b images that only the first gets right, c that only the second does, n = b + c and X ~ Binomial(n, 1/2):

        p     = min(1, 2 P(X <= min(b, c)))
        p_mid = p - P(X = b), or 1 - P(X = b) / 2 where b = c

    Images count as independent. Where neighbouring captures resemble each other, both are too small.

    Args:
        first_right: Whether the first is right on each image, bool (N,).
        second_right: The same of the second.

    Raises:
        ValueError: Not two bool arrays of one length, or no image.

    References:
        McNemar (1947), Psychometrika 12(2):153-157.
        Fagerland, Lydersen & Laake (2013), BMC Medical Research Methodology 13:91, doi 10.1186/1471-2288-13-91.
    """
    first, second = np.asarray(first_right), np.asarray(second_right)
    if first.dtype != bool or second.dtype != bool or first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(
            f"right and wrong answers are {first.dtype} {first.shape} and {second.dtype} {second.shape}; "
            "expected two bool arrays (N,) of at least one image"
        )
    b, c = int((first & ~second).sum()), int((second & ~first).sum())
    n, least = b + c, min(b, c)
    # Whole numbers throughout, so that no term underflows; their quotient is rounded once.
    tail, point, whole = sum(math.comb(n, i) for i in range(least + 1)), math.comb(n, least), 1 << n
    return Mcnemar(
        both=int((first & second).sum()),
        first_only=b,
        second_only=c,
        neither=int((~first & ~second).sum()),
        p=min(1.0, 2 * tail / whole),
        p_mid=(2 * whole - point) / (2 * whole) if b == c else (2 * tail - point) / whole,
    )


def delong(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    positive: int | None = None,
    level: float = 0.95,
) -> Delong:
    """Return DeLong's test of whether two classifiers rank the same images equally well.

    For one class k against the rest, with m images of it and n others, the placement value of an image of the class is
    the share of others that score lower than it, ties half; that of another image the share of the class that scores
    higher. Their mean is the area A. An image's part in the error of A is

        phi(i) = sqrt(m / (m-1)) (V(i) - A) / m    for an image of the class,
                 sqrt(n / (n-1)) (V(i) - A) / n    for another one,

    and the variance of a difference of areas is the sum over images of (phi_first - phi_second)^2: DeLong's, term by
    term. The macro area is the mean of A over classes; an image's part in it is the mean of its parts, since the same
    image is of one class and another one to the rest. With two classes that is DeLong's test again.

    Images count as independent, as in `mcnemar`.

    Args:
        labels: True classes, integers in 0..K-1, shape (N,).
        first: Probabilities of the first classifier, shape (N, K).
        second: Those of the second.
        positive: The class to tell from the rest; None for the mean over the classes of which at least two images and
            two others occur.
        level: Coverage of the interval.

    Raises:
        ValueError: Bad predictions, or too few images of the class, of the others, or of every class.

    References:
        DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44(3):837-845.
        Sun & Xu (2014), IEEE Signal Processing Letters 21(11):1389-1393: the placement values from ranks.
    """
    truth, one = calibration.check_predictions(labels, first)
    _, other = calibration.check_predictions(labels, second)
    _check_shapes(one, other)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected between 0 and 1, such as 0.95")
    classes = [k for k in range(one.shape[1]) if _enough(truth, k)] if positive is None else [positive]
    if not classes:
        raise ValueError("no class has two images and two others; an area under the ROC curve needs them to vary")
    if not _enough(truth, classes[0]):
        own = int((truth == positive).sum())
        raise ValueError(
            f"class {positive} has {own} images and {len(truth) - own} others; its area needs two of either to vary"
        )
    areas, parts = np.zeros(2), np.zeros((2, len(truth)))
    for k in classes:
        for place, scores in enumerate((one[:, k], other[:, k])):
            area, part = _placements(truth == k, scores)
            areas[place] += area / len(classes)
            parts[place] += part / len(classes)
    error = math.sqrt(float(((parts[0] - parts[1]) ** 2).sum()))
    return _normal_test(float(areas[0]), float(areas[1]), error, level)


def bootstrap_difference(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike,
    *,
    metric: str = "balanced_accuracy",
    draws: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """Return how a metric's difference between two classifiers moves when whole groups are drawn anew.

    Both classifiers are scored on the same draws, within each class and with replacement as in `intervals.bootstrap`, so
    that what makes a draw easy for both cancels. The p-value is the level at which the percentile interval just reaches
    zero: 2 (1 + min(draws <= 0, draws >= 0)) / (1 + draws), at most 1.

    Args:
        labels: True classes, integers in 0..K-1, shape (N,).
        first: Probabilities of the first classifier, shape (N, K).
        second: Those of the second.
        groups: Group of each image, as in `intervals.bootstrap`.
        metric: A name of `intervals.METRICS`.
        draws: Number of resamples.
        seed: Seed of the generator.
        level: Coverage of the interval.

    Raises:
        ValueError: Bad predictions, groups or options.

    References:
        Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 8 and 15.
        Davison & Hinkley (1997), Bootstrap Methods and their Application, sections 3.8 and 4.4.
    """
    truth, one = calibration.check_predictions(labels, first)
    _, other = calibration.check_predictions(labels, second)
    _check_shapes(one, other)
    names = intervals.check_groups(groups, truth)
    intervals.check_options([metric], intervals.METRICS, draws, level)
    score, ones = intervals.METRICS[metric], np.ones((len(truth), 1))
    values = [float(score(truth, rows, ones)[0]) for rows in (one, other)]
    counts = tuple(len(np.unique(names[truth == k])) for k in range(one.shape[1]))
    reason = intervals.why_not(truth, names, "group")
    if reason is None and math.isnan(values[0]):
        reason = f"{metric} is not defined for these images"
    if reason is not None:
        return Difference(values[0], values[1], None, None, None, counts, reason)

    def difference(weights: np.ndarray) -> np.ndarray:
        return score(truth, one, weights) - score(truth, other, weights)

    sample = intervals.drawn(difference, truth, names, draws=draws, seed=seed)
    # What rounding leaves of a difference of equals is no side to lie on.
    sample[np.abs(sample) < _ROUNDING] = 0
    found = intervals.percentiles(sample, level)
    fewer = min(int((sample <= 0).sum()), int((sample >= 0).sum()))
    p = min(1.0, 2 * (1 + fewer) / (1 + draws))
    return Difference(values[0], values[1], found.low, found.high, p, counts)


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return p-values adjusted for having asked several questions, by Holm's step-down procedure.

    Sorted ascending, p_(i) becomes the greatest of (m - j + 1) p_(j) over j <= i, at most 1: whatever is then below 0.05
    keeps the chance of even one false claim below 0.05, however the tests depend on each other.

    Args:
        p_values: The p-values of one family; None where a test could not be made, which is not counted and stays None.

    Raises:
        ValueError: A value is no probability.

    References:
        Holm (1979), Scandinavian Journal of Statistics 6(2):65-70.
    """
    known = [(value, place) for place, value in enumerate(p_values) if value is not None]
    for value, place in known:
        if not 0 <= value <= 1:
            raise ValueError(f"p-value {place} is {value}; expected 0 to 1")
    adjusted: list[float | None] = [None] * len(p_values)
    greatest = 0.0
    for rank, (value, place) in enumerate(sorted(known)):
        greatest = max(greatest, min(1.0, (len(known) - rank) * value))
        adjusted[place] = greatest
    return tuple(adjusted)


def _check_shapes(one: np.ndarray, other: np.ndarray) -> None:
    if one.shape != other.shape:
        raise ValueError(f"probabilities have shapes {one.shape} and {other.shape}; expected the same classes in both")


def _enough(labels: np.ndarray, k: int) -> bool:
    own = int((labels == k).sum())
    return own >= 2 and len(labels) - own >= 2


def _placements(positive: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the area under the ROC curve, and each image's part in its error, shape (N,)."""
    own, others = np.sort(scores[positive]), np.sort(scores[~positive])
    m, n = len(own), len(others)
    values = np.empty(len(scores))
    values[positive] = _below(others, scores[positive]) / n
    values[~positive] = 1 - _below(own, scores[~positive]) / m
    area = float(values[positive].mean())
    scale = np.where(positive, math.sqrt(m / (m - 1)) / m, math.sqrt(n / (n - 1)) / n)
    return area, scale * (values - area)


def _below(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how many of `ordered` lie below each value, those that tie counting half."""
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2


def _normal_test(first: float, second: float, error: float, level: float) -> Delong:
    difference = first - second
    # The half-width of the interval in standard errors: the quantile of the normal distribution.
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    z: float | None
    p: float | None
    reason = None
    if error > _ROUNDING:
        z = difference / error
        p = math.erfc(abs(z) / math.sqrt(2))
    elif abs(difference) <= _ROUNDING:
        z, p = 0.0, 1.0
    else:
        z = p = None
        reason = "the areas differ and nothing varies between images, so their difference has no standard error"
    return Delong(first, second, error, difference - half, difference + half, z, p, reason)
