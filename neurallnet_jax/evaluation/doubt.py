"""What a calibrated RUN adds to an answer: the set of classes, warnings, and whether to abstain. Knows no files."""

from dataclasses import dataclass

import numpy as np

from neurallnet_jax.evaluation import novelty
from neurallnet_jax.metrics import conformal
from neurallnet_jax.trust import Abstention, Trust

__all__ = ["Doubt", "doubts"]


@dataclass(frozen=True)
class Doubt:
    """What stands beside the class of one image.

    Attributes:
        members: Classes of the conformal set.
        warnings: One sentence per kind in which the image is unlike the training images.
        novelty: How far it is from them: below 0 as 95 % of unseen images, above 1 a warning; None where nothing was
            fitted.
        reason: Why an answer should be withheld; None where it need not.
    """

    members: tuple[str, ...]
    warnings: tuple[str, ...]
    novelty: float | None
    reason: str | None


def doubts(trust: Trust, classes: tuple[str, ...], probabilities: np.ndarray, pixels: np.ndarray) -> tuple[Doubt, ...]:
    """Return the doubts about each image.

    Args:
        trust: What `calibrate` fitted.
        classes: Class names in the order of the probabilities.
        probabilities: Calibrated, (images, classes).
        pixels: uint8 (images, height, width, 3) as the network takes them.
    """
    rule = trust.conformal
    held = conformal.sets(probabilities, rule.quantiles, method=rule.method)
    warned: tuple[tuple[str, ...], ...] = ((),) * len(pixels)
    far: list[float | None] = [None] * len(pixels)
    if trust.regions and len(pixels):
        values = novelty.statistics(pixels)
        warned = novelty.sentences(trust.regions, values)
        far = list(novelty.novelty(novelty.excess(trust.regions, values)).tolist())
    return tuple(
        Doubt(
            members=tuple(name for name, inside in zip(classes, row.tolist(), strict=True) if inside),
            warnings=sentences,
            novelty=distance,
            reason=_reason(trust.abstention, float(top), sentences),
        )
        for row, sentences, distance, top in zip(held, warned, far, probabilities.max(axis=1), strict=True)
    )


def _reason(rule: Abstention | None, top: float, warnings: tuple[str, ...]) -> str | None:
    if warnings:
        return warnings[0]
    if rule is not None and top < rule.threshold:
        aim = f"at most {100 * rule.value:g} % wrong" if rule.target == "risk" else f"{100 * rule.value:g} % answered"
        return f"probability {top:.3f} lies below {rule.threshold:.3f}, the threshold for {aim}"
    return None
