"""Gradients of a class score with respect to pixels. Knows neither what is averaged nor over what.

Where the network spikes these are surrogate derivatives: slopes of a smooth stand-in, since the score itself is constant
almost everywhere.
"""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float, Int

from neurallnet_jax.explain.scoring import logits
from neurallnet_jax.models import Classifier, Variables

__all__ = ["Slopes", "slopes"]

Slopes = Callable[[Variables, Array, Array, Array], tuple[Array, Array]]


def slopes(classifier: Classifier) -> Slopes:
    """Return `(variables, pixels, target, key) -> (scores, gradients)` of a batch; pure, not compiled.

    Scores are logits of the target, (batch,); gradients are per grey level, (batch, height, width, channels).
    """
    forward = logits(classifier)

    def run(
        variables: Variables,
        pixels: Float[Array, "batch height width channels"],
        target: Int[Array, ""],
        key: Array,
    ) -> tuple[Float[Array, " batch"], Float[Array, "batch height width channels"]]:
        # At rest no image hears of another, so the gradient of the sum holds that of each.
        def total(pixels: Array) -> tuple[Array, Array]:
            scores = forward(variables, pixels, key)[:, target]
            return scores.sum(), scores

        (_, scores), found = jax.value_and_grad(total, has_aux=True)(pixels)
        return scores, found

    return run
