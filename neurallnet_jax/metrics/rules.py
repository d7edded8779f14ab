"""Two plain rules that tell classes from a few numbers: the nearest neighbour, and a linear model.

Knows arrays only: neither images nor files. Both scale every number by its standard deviation over the known rows.
"""

from collections.abc import Callable, Mapping

import numpy as np

__all__ = ["RULES", "linear", "nearest_neighbour"]

_ROWS = 128
"""Rows whose distances are held at once."""

_STEPS = 50
_PENALTY = 1e-3
_ENOUGH = 1e-8


def nearest_neighbour(known: np.ndarray, labels: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Return the class of the nearest known row, by Euclidean distance; of equally near ones the first.

    Args:
        known: Numbers of the known rows, float (n, d).
        labels: Their classes, integers (n,).
        unknown: Numbers of the others, float (m, d).

    Returns:
        Classes, (m,).
    """
    known, unknown = _scaled(known, unknown)
    nearest = [
        np.square(unknown[start : start + _ROWS, None] - known[None]).sum(axis=-1).argmin(axis=1)
        for start in range(0, len(unknown), _ROWS)
    ]
    return labels[np.concatenate([np.empty(0, np.intp), *nearest])]


def linear(known: np.ndarray, labels: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Return the classes that multinomial logistic regression gives, fitted so that every class weighs the same.

    It minimises sum_i w_i (log sum_k exp z_ik - z_iy) + 0.0005 |W|^2 with z = x W + b, w_i = 1 / (K n_y) and n_y the rows
    of the class of row i, by Newton's method with halved steps; the intercepts b are not penalised.

    Args:
        known: Numbers of the known rows, float (n, d).
        labels: Their classes, integers (n,).
        unknown: Numbers of the others, float (m, d).

    Returns:
        Classes, (m,).
    """
    known, unknown = _scaled(known, unknown)
    classes, truth = np.unique(labels, return_inverse=True)
    weights = _fit(_with_one(known), truth, len(classes))
    return classes[(_with_one(unknown) @ weights).argmax(axis=1)]


RULES: Mapping[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "nearest neighbour": nearest_neighbour,
    "linear": linear,
}
"""Rules by name: (known, labels, unknown) -> classes."""


def _scaled(known: np.ndarray, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1)
    return (known - mean) / deviation, (unknown - mean) / deviation


def _with_one(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1)


def _fit(rows: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Return weights (d + 1, classes)."""
    shares = 1 / (classes * np.bincount(truth, minlength=classes)[truth])
    target = np.eye(classes)[truth]
    penalty = np.full((rows.shape[1], classes), _PENALTY)
    # Adding the same to all intercepts changes nothing; a whiff of penalty makes the curvature invertible.
    penalty[-1] = 1e-9
    weights = np.zeros((rows.shape[1], classes))
    loss, probabilities = _loss(rows, target, shares, penalty, weights)
    for _ in range(_STEPS):
        gradient = rows.T @ (shares[:, None] * (probabilities - target)) + penalty * weights
        step = np.linalg.solve(_curvature(rows, shares, probabilities, penalty), gradient.T.ravel())
        step = step.reshape(classes, -1).T
        length = 1.0
        while True:
            moved = _loss(rows, target, shares, penalty, weights - length * step)
            if moved[0] <= loss or length < 1e-6:
                break
            length /= 2
        gained, weights = loss - moved[0], weights - length * step
        loss, probabilities = moved
        if gained < _ENOUGH:
            break
    return weights


def _loss(
    rows: np.ndarray, target: np.ndarray, shares: np.ndarray, penalty: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray]:
    scores = rows @ weights
    scores -= scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return float(-(shares[:, None] * target * logs).sum() + (penalty * weights**2).sum() / 2), np.exp(logs)


def _curvature(rows: np.ndarray, shares: np.ndarray, probabilities: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Return the Hessian, weights of one class after those of another."""
    width, classes = penalty.shape
    result = np.diag(penalty.T.ravel())
    for one in range(classes):
        for other in range(classes):
            weight = shares * probabilities[:, one] * ((one == other) - probabilities[:, other])
            block = slice(one * width, (one + 1) * width), slice(other * width, (other + 1) * width)
            result[block] += rows.T @ (weight[:, None] * rows)
    return result
