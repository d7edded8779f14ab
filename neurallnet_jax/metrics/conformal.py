"""Prediction sets that hold the true class with a stated probability: split conformal prediction.

Knows arrays only: neither models nor files. The promise is on average over images that are exchangeable with those of the
calibration; images of another laboratory, and neighbours of one smear, are not.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from neurallnet_jax.metrics.calibration import check_predictions

__all__ = ["SCORES", "Coverage", "aps", "covered", "fit", "lac", "measure", "quantile", "sets"]


def lac(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 - p_k for every class: the score of least ambiguous classifiers, whose sets are the smallest on average.

    References:
        Sadinle, Lei & Wasserman (2019), JASA 114(525):223-234, arXiv:1609.00451.
    """
    return 1 - probabilities


def aps(probabilities: np.ndarray) -> np.ndarray:
    """Return for every class the summed probability of the classes at least as probable, itself included.

    The deterministic form: without the random fraction of the own class the sets are a little larger and every image gets
    the same set twice.

    References:
        Romano, Sesia & Candes (2020), NeurIPS, arXiv:2006.02544.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    summed = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
    return np.take_along_axis(summed, np.argsort(order, axis=1, kind="stable"), axis=1)


SCORES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"lac": lac, "aps": aps}
"""How badly each class suits an image, (images, classes) -> (images, classes), by name of the method."""


@dataclass(frozen=True)
class Coverage:
    """How sets did.

    Attributes:
        coverage: Share of the true classes that their sets hold.
        by_class: The same among the images of each class; None for a class without any.
        mean_size: Mean number of classes in a set.
        single: Share of sets of one class.
    """

    coverage: float
    by_class: tuple[float | None, ...]
    mean_size: float
    single: float


def quantile(scores: ArrayLike, coverage: float) -> float:
    """Return the score that a new, exchangeable one does not exceed with probability at least `coverage`.

    It is the k-th smallest of n with k = ceil((n + 1) coverage); the probability is then at most coverage + 1 / (n + 1)
    where scores are distinct.

    Args:
        scores: Scores of the true classes, shape (n,).
        coverage: Between 0 and 1.

    Raises:
        ValueError: The coverage is out of range, or n < k: too few images to promise it.

    References:
        Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World; Lei et al. (2018), JASA 113(523), eq. 5.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage is {coverage}; expected a number between 0 and 1, such as 0.9")
    values = np.asarray(scores, np.float64)
    n = len(values)
    # 0.9 * 10 must not become 10 by a rounding error.
    rank = math.ceil((n + 1) * coverage - 1e-9)
    if rank > n:
        needed = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise ValueError(
            f"{n} image{'' if n == 1 else 's'} cannot promise a coverage of {coverage:g}, which needs at least {needed}; "
            "add images, or ask for less"
        )
    return float(np.partition(values, rank - 1)[rank - 1])


def fit(
    labels: ArrayLike, probabilities: ArrayLike, *, coverage: float, method: str = "lac", by_class: bool = False
) -> tuple[float, ...]:
    """Return the quantile of the scores of the true classes, or one per class.

    Args:
        labels: True classes, shape (n,).
        probabilities: Calibrated probabilities, shape (n, K).
        coverage: Share of true classes that the sets are to hold.
        method: A key of `SCORES`.
        by_class: Whether each class gets a quantile of its own (Mondrian), so that the coverage holds within each class.

    Raises:
        ValueError: Unknown method, bad predictions, or too few images, in all or of a class.

    References:
        Class-conditional: Vovk (2012), ACML, PMLR 25:475-490, arXiv:1209.2673.
    """
    if method not in SCORES:
        raise ValueError(f"method {method!r} is unknown; expected one of {', '.join(SCORES)}")
    truth, values = check_predictions(labels, probabilities)
    own = SCORES[method](values)[np.arange(len(truth)), truth]
    if not by_class:
        return (quantile(own, coverage),)
    return tuple(_of_class(own[truth == label], coverage, label) for label in range(values.shape[1]))


def sets(
    probabilities: np.ndarray, quantiles: tuple[float, ...], *, method: str = "lac", never_empty: bool = True
) -> np.ndarray:
    """Return which classes the set of each image holds, bool (images, classes).

    Args:
        probabilities: Calibrated probabilities, shape (n, K).
        quantiles: What `fit` returned.
        method: The method they were fitted with.
        never_empty: Whether the most probable class is always a member. That only adds to the coverage; without it a
            network that is right more often than asked leaves some sets empty.
    """
    held = SCORES[method](np.asarray(probabilities, np.float64)) <= np.asarray(quantiles)[None, :]
    if never_empty:
        held[np.arange(len(held)), np.argmax(probabilities, axis=1)] = True
    return held


def covered(labels: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return whether each set holds the true class, bool (images,)."""
    return held[np.arange(len(labels)), labels]


def measure(labels: np.ndarray, held: np.ndarray) -> Coverage:
    """Return how sets do on images whose classes are known."""
    inside, sizes = covered(labels, held), held.sum(axis=1)
    shares = tuple(
        float(inside[labels == label].mean()) if (labels == label).any() else None for label in range(held.shape[1])
    )
    return Coverage(float(inside.mean()), shares, float(sizes.mean()), float((sizes == 1).mean()))


def _of_class(scores: np.ndarray, coverage: float, label: int) -> float:
    try:
        return quantile(scores, coverage)
    except ValueError as error:
        raise ValueError(f"class {label}: {error}, or leave out the quantiles by class") from None
