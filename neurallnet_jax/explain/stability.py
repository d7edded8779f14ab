"""Whether a heat map stays when the image hardly changes, and when nothing but the draw changes.

Knows explainers and images; neither methods by name nor files.
"""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array

from neurallnet_jax.explain import ranks
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.models import Variables

__all__ = ["DRAWS", "NOISE", "Stability", "stability"]

NOISE = 2.0
"""Standard deviation of the noise, grey levels: less than what saving as JPEG once more does."""

DRAWS = 3
"""Noisy copies of every image."""


@dataclass(frozen=True)
class Stability:
    """How a map changes.

    Attributes:
        mean_change: Mean over noisy copies of |map - map of the copy| / |map|, Euclidean; None where the map is zero.
        max_change: The largest of them, likewise.
        correlation: Mean rank correlation of the two, absolute values.
        repeated: Rank correlation of the map with one of the same image under another key: 1 where nothing is drawn.
    """

    mean_change: float | None
    max_change: float | None
    correlation: float
    repeated: float


def stability(
    explain: Explainer,
    variables: Variables,
    image: np.ndarray,
    target: int,
    key: Array,
    *,
    found: Attribution | None = None,
    noise: float = NOISE,
    draws: int = DRAWS,
) -> Stability:
    """Return how a map changes under noise that nobody sees, and under another draw.

    Every copy adds Gaussian noise to every channel, rounded, 0 to 255, and is explained with the same key.

    Args:
        explain: The method, for the classifier.
        variables: The classifier's variables.
        image: Pixels that `models.prepare` returned, uint8 (height, width, channels).
        target: Place of the class.
        key: What method and noise draw from.
        found: The map of the image under this key, if it is there already.
        noise: Standard deviation, grey levels.
        draws: Noisy copies.

    References:
        Yeh et al. (2019), On the (In)fidelity and Sensitivity of Explanations, NeurIPS, arXiv:1901.09392: the maximum over
            a neighbourhood; relative to the map, so that methods of other units can be compared.
        Ghorbani, Abid, Zou (2019), Interpretation of Neural Networks is Fragile, AAAI, arXiv:1710.10547: rank correlation.
    """
    whole = (found or explain(variables, image, target, key)).heat
    size = float(np.linalg.norm(whole))
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    changes, agreements = [], []
    for _ in range(draws):
        copy = np.clip(np.rint(image + generator.normal(0, noise, image.shape)), 0, 255).astype(np.uint8)
        heat = explain(variables, copy, target, key).heat
        changes.append(float(np.linalg.norm(heat - whole)) / size if size else None)
        agreements.append(ranks.spearman(np.abs(whole), np.abs(heat)))
    again = explain(variables, image, target, jax.random.fold_in(key, 1)).heat
    known = [change for change in changes if change is not None]
    return Stability(
        mean_change=sum(known) / len(known) if known else None,
        max_change=max(known, default=None),
        correlation=float(np.mean(agreements)),
        repeated=ranks.spearman(np.abs(whole), np.abs(again)),
    )
