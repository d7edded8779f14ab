"""How far predicted probabilities may be believed: calibration errors, reliability bins and temperature scaling.

Knows arrays only: neither models nor files.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "SUM_TOLERANCE",
    "ReliabilityBins",
    "apply_temperature",
    "bins_from_json",
    "bins_to_json",
    "brier",
    "check_predictions",
    "ece",
    "fit_temperature",
    "nll",
    "reliability",
    "weighted_brier",
    "weighted_ece",
]

SUM_TOLERANCE = 1e-3
"""How far the probabilities of one image may sum away from 1 (float32 and printed values round)."""


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """The bins of a reliability diagram that hold at least one image, in order of confidence.

    Attributes:
        low: Lower edge of each bin, exclusive.
        high: Upper edge of each bin, inclusive.
        n: Images in each bin.
        confidence: Mean probability of the predicted class.
        accuracy: Share of right predictions.
    """

    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def check_predictions(labels: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as int64 (N,) and probabilities as float64 (N, K), or refuse them.

    Args:
        labels: True class of each image, integers in 0..K-1, shape (N,).
        probabilities: Predicted probability of each class, shape (N, K); each row sums to 1.

    Raises:
        ValueError: Empty, of unequal length, not integers, out of range, not finite, negative, or not summing to 1;
            the message names the first row at fault.
    """
    truth, values = _check_rows(labels, probabilities, "probabilities")
    negative = np.flatnonzero((values < 0).any(axis=1))
    if negative.size:
        row = negative[0]
        raise ValueError(f"row {row} of the probabilities holds {values[row].min():.6g}; expected 0 to 1")
    sums = values.sum(axis=1)
    off = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if off.size:
        raise ValueError(
            f"row {off[0]} of the probabilities sums to {sums[off[0]]:.6g}; expected 1 within {SUM_TOLERANCE:g}, "
            "so turn logits into probabilities first"
        )
    return truth, values


def ece(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> float:
    """Return the expected calibration error of the predicted class.

    ECE = sum over bins of n_b / N * |accuracy_b - confidence_b|, with bins ((b-1)/B, b/B] of the predicted class's
    probability. It is biased upwards in small samples: noise in a bin counts as error.

    Args:
        labels: True classes, shape (N,).
        probabilities: Predicted probabilities, shape (N, K).
        bins: B, the number of bins of equal width.

    References:
        Guo et al. (2017), ICML, arXiv:1706.04599, eq. 3.
    """
    truth, values = check_predictions(labels, probabilities)
    return float(weighted_ece(truth, values, np.ones((len(truth), 1)), bins)[0])


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the multi-class Brier score, from 0 (certain and right) to 2 (certain and wrong).

    Brier = mean over images of sum over classes of (p_k - [label = k])^2.

    Args:
        labels: True classes, shape (N,).
        probabilities: Predicted probabilities, shape (N, K).

    References:
        Brier (1950), Monthly Weather Review 78(1):1-3.
    """
    truth, values = check_predictions(labels, probabilities)
    return float(weighted_brier(truth, values, np.ones((len(truth), 1)))[0])


def nll(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the negative log-likelihood per image, nats: mean of -ln p_label, with p at least 1e-12.

    Args:
        labels: True classes, shape (N,).
        probabilities: Predicted probabilities, shape (N, K).
    """
    truth, values = check_predictions(labels, probabilities)
    return float(-np.log(np.maximum(values[np.arange(len(truth)), truth], 1e-12)).mean())


def weighted_ece(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray, bins: int = 15) -> np.ndarray:
    """Return `ece` for each column of weights, without checking the predictions.

    Args:
        labels: True classes, shape (N,).
        probabilities: Predicted probabilities, shape (N, K).
        weights: How often each image counts, shape (N, D).
        bins: Number of bins of equal width.

    Returns:
        One value per column, shape (D,).
    """
    confidence, correct, index = _binned(labels, probabilities, bins)
    # Within a bin, n_b |accuracy_b - confidence_b| is the absolute sum of (correct - confidence).
    residual = np.zeros((bins, len(labels)))
    residual[index, np.arange(len(labels))] = correct - confidence
    return np.abs(residual @ weights).sum(axis=0) / weights.sum(axis=0)


def weighted_brier(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return `brier` for each column of weights, without checking the predictions; arguments as in `weighted_ece`."""
    error = probabilities - np.eye(probabilities.shape[1])[labels]
    return (error**2).sum(axis=1) @ weights / weights.sum(axis=0)


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> ReliabilityBins:
    """Return confidence and accuracy per bin, for a reliability diagram; empty bins are left out.

    Args:
        labels: True classes, shape (N,).
        probabilities: Predicted probabilities, shape (N, K).
        bins: Number of bins of equal width, the same as those of `ece`.
    """
    truth, values = check_predictions(labels, probabilities)
    confidence, correct, index = _binned(truth, values, bins)
    n = np.bincount(index, minlength=bins)
    filled = n > 0
    edges = np.linspace(0, 1, bins + 1)
    return ReliabilityBins(
        low=edges[:-1][filled],
        high=edges[1:][filled],
        n=n[filled],
        confidence=np.bincount(index, weights=confidence, minlength=bins)[filled] / n[filled],
        accuracy=np.bincount(index, weights=correct, minlength=bins)[filled] / n[filled],
    )


def bins_to_json(bins: ReliabilityBins) -> dict[str, list[float]]:
    """Return the bins as plain data, one list per column."""
    return {field.name: getattr(bins, field.name).tolist() for field in dataclasses.fields(bins)}


def bins_from_json(data: Mapping[str, Sequence[float]]) -> ReliabilityBins:
    """Return the bins that `bins_to_json` wrote."""
    return ReliabilityBins(**{field.name: np.array(data[field.name]) for field in dataclasses.fields(ReliabilityBins)})


def fit_temperature(labels: ArrayLike, logits: ArrayLike) -> float:
    """Return the temperature T > 0 at which softmax(logits / T) gives the labels the greatest likelihood.

    With beta = 1 / T the mean of logsumexp(beta z) - beta z_label is convex in beta. Its slope, the mean of
    E_p[z] - z_label, is driven to zero by Newton's method inside a shrinking bracket.

    Args:
        labels: True classes, shape (N,).
        logits: Class scores of any scale, shape (N, K).

    Raises:
        ValueError: No temperature is best: every image is classified correctly (the likelihood grows for ever as T
            falls), or the logits favour the labels no more than chance (it grows as T rises).

    References:
        Guo et al. (2017), ICML, arXiv:1706.04599, section 4.2.
    """
    truth, values = _check_rows(labels, logits, "logits")
    values = values - values.max(axis=1, keepdims=True)
    scale = -values.min()
    if scale == 0:
        raise ValueError("the logits of every image are all equal, so every temperature gives the same likelihood")
    values = values / scale
    own = values[np.arange(len(truth)), truth]
    if not own.any():
        raise ValueError(
            f"all {len(truth)} images are classified correctly, so no temperature is best (the likelihood grows as it "
            "falls to 0); fit on more images or keep 1"
        )
    if (values.mean(axis=1) - own).mean() >= 0:
        raise ValueError(
            "the logits favour the true classes no more than chance, so no temperature is best; train the model first"
        )
    return float(scale / _zero_slope(values, own))


def apply_temperature(logits: ArrayLike, temperature: float) -> np.ndarray:
    """Return softmax(logits / temperature) over the last axis, as float64.

    Args:
        logits: Class scores, shape (..., K).
        temperature: T > 0; above 1 softens the probabilities, below 1 sharpens them.

    Raises:
        ValueError: The temperature is not positive and finite, or a logit is not finite.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature is {temperature}; expected a finite number above 0")
    values = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("the logits hold NaN or infinity; look for the layer that overflows")
    return _softmax((values - values.max(axis=-1, keepdims=True)) / temperature)


def _check_rows(labels: ArrayLike, rows: ArrayLike, name: str) -> tuple[np.ndarray, np.ndarray]:
    truth, values = np.asarray(labels), np.asarray(rows, dtype=np.float64)
    if truth.size == 0 or values.size == 0:
        raise ValueError(f"labels have shape {truth.shape} and {name} {values.shape}; expected at least one image")
    if truth.ndim != 1 or values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(
            f"labels have shape {truth.shape} and {name} {values.shape}; expected (N,) and (N, K) with K >= 2 classes"
        )
    if len(truth) != len(values):
        raise ValueError(f"{len(truth)} labels but {len(values)} rows of {name}; expected one label per row")
    if truth.dtype.kind not in "iu":
        raise ValueError(f"labels are {truth.dtype}; expected integers, the position of each true class")
    outside = np.flatnonzero((truth < 0) | (truth >= values.shape[1]))
    if outside.size:
        raise ValueError(f"label {outside[0]} is {truth[outside[0]]}; expected 0 to {values.shape[1] - 1}")
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if broken.size:
        raise ValueError(f"row {broken[0]} of the {name} holds NaN or infinity; look for the layer that overflows")
    return truth.astype(np.int64), values


def _binned(labels: np.ndarray, probabilities: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each image's confidence, whether it is right, and its bin."""
    if bins < 1:
        raise ValueError(f"bins is {bins}; expected at least 1")
    confidence = probabilities.max(axis=1)
    index = np.searchsorted(np.linspace(0, 1, bins + 1), confidence, side="left") - 1
    # Rows may sum to a little more than 1.
    return confidence, probabilities.argmax(axis=1) == labels, np.minimum(index, bins - 1)


def _softmax(values: np.ndarray) -> np.ndarray:
    """Return the softmax of values whose greatest in each row is 0."""
    weights = np.exp(values)
    return weights / weights.sum(axis=-1, keepdims=True)


def _zero_slope(values: np.ndarray, own: np.ndarray) -> float:
    """Return the beta at which the mean log-likelihood of `own` among `values` is greatest."""

    def slope(beta: float) -> tuple[float, float]:
        p = _softmax(beta * values)
        mean = (p * values).sum(axis=1)
        return float((mean - own).mean()), float(((p * values**2).sum(axis=1) - mean**2).mean())

    low, high = 0.0, 1.0
    while slope(high)[0] < 0:
        low, high = high, 2 * high
    beta = (low + high) / 2
    for _ in range(200):
        first, second = slope(beta)
        low, high = (beta, high) if first < 0 else (low, beta)
        following = beta - first / second if second > 0 else -np.inf
        if not low <= following <= high:
            following = (low + high) / 2
        if abs(following - beta) <= 1e-12 * beta:
            return following
        beta = following
    return beta
