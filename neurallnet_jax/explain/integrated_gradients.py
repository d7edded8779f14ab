"""Integrated gradients: the gradient along the way from an image without evidence to the image. Knows no other method.

With the image x, the blank b and the score y of the target,

    heat = sum over channels of (x - b) mean over a of dy/dx at b + a (x - b),     a = (i + 1/2) / steps,  i = 0..steps-1

Where y is smooth, heat sums up to y(x) - y(b) as steps grow: completeness. Surrogate derivatives of spikes are not the
derivatives of anything, so with a spiking network the sum misses, however many steps there are; by how much is a fact that
comes with every map.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurallnet_jax.explain import needs
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.explain.blanks import BLANKS, Blank, blank
from neurallnet_jax.explain.gradients import slopes
from neurallnet_jax.explain.scoring import batches, logits
from neurallnet_jax.models import Classifier, Variables

__all__ = ["integrated_gradients"]


def integrated_gradients(
    classifier: Classifier, *, baseline: Blank = "background", steps: int = 48, batch_size: int = 8
) -> Explainer:
    """Return integrated gradients of a classifier: signed.

    Facts: `score` and `blank_score`, the logits of image and blank; `sum` of the heat; `completeness_error`,
    `|sum - (score - blank_score)| / |score - blank_score|`, absent where the blank scores like the image.

    Args:
        classifier: The model.
        baseline: The blank, see `blanks.blank`; the background by default, because a slide without cells is an image that
            there is, and holds no evidence for any cell.
        steps: Points on the way.
        batch_size: Points per call of the network.

    Raises:
        ValueError: The network's input is coded in spikes, or an option is out of range.

    References:
        Sundararajan, Taly and Yan (2017), ICML, arXiv:1703.01365.
    """
    needs.check(classifier, "integrated-gradients", "pixel gradient")
    needs.known_choice("integrated-gradients", "baseline", baseline, BLANKS)
    needs.whole_number("integrated-gradients", "steps", steps)
    needs.whole_number("integrated-gradients", "batch_size", batch_size)
    gradient, forward = slopes(classifier), jax.jit(logits(classifier))

    @jax.jit
    def run(
        variables: Variables, image: Array, empty: Array, way: Array, weights: Array, target: Array, key: Array
    ) -> Array:
        difference = image.astype(jnp.float32) - empty
        _, found = gradient(variables, empty[None] + way.reshape(-1, 1, 1, 1) * difference[None], target, key)
        return difference * jnp.tensordot(weights, found, 1)

    def explain(
        variables: Variables,
        image: np.ndarray,
        target: int,
        key: Array,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Attribution:
        needs.check_image(classifier, image, target)
        empty = blank(image, classifier.preprocessing, baseline)
        evidence = np.zeros(image.shape)
        for places, new in batches(steps, batch_size, progress):
            weights = np.where(np.arange(batch_size) < new, 1 / steps, 0).astype(np.float32)
            way = ((places + 0.5) / steps).astype(np.float32)
            evidence += np.asarray(run(variables, image, empty, way, weights, jnp.int32(target), key))
        heat = evidence.sum(axis=-1).astype(np.float32)
        ends = np.asarray(forward(variables, np.stack([image, empty]).astype(np.float32), key))[:, target]
        return Attribution(heat, signed=True, facts=_facts(float(ends[0]), float(ends[1]), float(evidence.sum())))

    return explain


def _facts(score: float, blank_score: float, total: float) -> dict[str, float]:
    """Return the figures that tell whether the heat accounts for the score."""
    difference = score - blank_score
    facts = {"score": score, "blank_score": blank_score, "sum": total}
    return {**facts, "completeness_error": abs(total - difference) / abs(difference)} if difference else facts
