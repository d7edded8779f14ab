"""What is gained by leaving doubtful images unanswered: the risk-coverage curve, its area, and a threshold for a target.

Knows arrays only. Here `coverage` is the share of images answered; `metrics/conformal.py` uses the word for sets.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["RiskCoverage", "aurc", "risk_coverage", "threshold_for_answered", "threshold_for_risk"]


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """One point per distinct confidence, from the most confident images alone to all of them.

    Attributes:
        threshold: Images of at least this confidence are answered.
        answered: Share of images answered.
        risk: Share of wrong answers among them.
    """

    threshold: np.ndarray
    answered: np.ndarray
    risk: np.ndarray


def risk_coverage(confidence: ArrayLike, wrong: ArrayLike) -> RiskCoverage:
    """Return the curve; images of equal confidence are answered together.

    Args:
        confidence: Confidence of each answer, any scale, shape (n,).
        wrong: Whether each answer is wrong, shape (n,).

    Raises:
        ValueError: Empty, or of unequal length.

    References:
        El-Yaniv & Wiener (2010), JMLR 11:1605-1641; Geifman & El-Yaniv (2017), NeurIPS, arXiv:1705.08500.
    """
    values, errors = np.asarray(confidence, np.float64), np.asarray(wrong, np.float64)
    if values.ndim != 1 or values.shape != errors.shape or not len(values):
        raise ValueError(
            f"confidences {values.shape} and errors {errors.shape}; expected one of each per image, at least 1"
        )
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    last = np.append(ranked[1:] != ranked[:-1], True)
    count = np.arange(1, len(values) + 1)
    risk = np.cumsum(errors[order]) / count
    return RiskCoverage(ranked[last], (count / len(values))[last], risk[last])


def aurc(curve: RiskCoverage) -> float:
    """Return the area under the curve: the risk averaged over all shares of images answered, lower is better.

    AURC = sum over points of (answered_i - answered_(i-1)) risk_i; without ties the mean of the n risks.

    References:
        Geifman, Uziel & El-Yaniv (2019), ICLR, arXiv:1805.08206, eq. 3.
    """
    return float(np.sum(np.diff(curve.answered, prepend=0.0) * curve.risk))


def threshold_for_risk(curve: RiskCoverage, target: float) -> float:
    """Return the threshold that answers the most images with at most the share `target` of wrong answers among them.

    Raises:
        ValueError: The target is out of range, or no threshold reaches it; the message names the least risk.
    """
    _check(target, "risk")
    good = np.flatnonzero(curve.risk <= target)
    if not good.size:
        raise ValueError(
            f"no confidence reaches a risk of {target:g}; the least is {curve.risk.min():.3g}, ask for that or more"
        )
    return float(curve.threshold[good[-1]])


def threshold_for_answered(curve: RiskCoverage, target: float) -> float:
    """Return the highest threshold at which at least the share `target` of the images is answered.

    Raises:
        ValueError: The target is out of range.
    """
    _check(target, "share of images answered")
    return float(curve.threshold[np.flatnonzero(curve.answered >= target - 1e-12)[0]])


def _check(target: float, what: str) -> None:
    if not 0 <= target <= 1:
        raise ValueError(f"{what} is {target}; expected a number between 0 and 1")
