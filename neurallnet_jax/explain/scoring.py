"""Scores of one image under many masks, in batches of one size. Knows neither what is masked nor why.

Real-valued pixels go in behind the white balance, which was found on the whole image: an image with a hole must not be
balanced anew, or the hole would change the light of all that is left.
"""

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurallnet_jax.models import Classifier, Variables

__all__ = ["SCORES", "MaskedScores", "Score", "batches", "logits", "masked_scores"]

Score: TypeAlias = Literal["probability", "logit"]

SCORES: tuple[str, ...] = get_args(Score)

MaskedScores: TypeAlias = Callable[[Variables, np.ndarray, np.ndarray, Array | np.ndarray, int, Array], np.ndarray]
"""`(variables, image, blank, masks, target, key) -> scores`: see `masked_scores`."""


def logits(classifier: Classifier) -> Callable[[Variables, Array, Array], Array]:
    """Return `(variables, pixels, key) -> (batch, classes)`: class scores of real-valued, prepared pixels, with gradients.

    Unlike `Classifier.apply` it balances nothing.
    """
    layer = classifier.layers[-1]

    def scores(
        variables: Variables, pixels: Float[Array, "batch height width channels"], key: Array
    ) -> Float[Array, "batch classes"]:
        return classifier.tail(variables, classifier.features(variables, pixels, key, layer), key, layer)

    return scores


def masked_scores(classifier: Classifier, score: Score) -> MaskedScores:
    """Return a compiled function that scores a class in `blank + mask (image - blank)`, mask by mask; float32 (masks,).

    Its masks are (masks, height, width) in [0, 1]; 1 keeps the image. Compiled once for each number of masks.

    Args:
        classifier: The model.
        score: `probability` (softmax without temperature) or `logit`.
    """
    forward = logits(classifier)

    @jax.jit
    def run(
        variables: Variables, image: Array, empty: Array, masks: Array, target: Int[Array, ""], key: Array
    ) -> Array:
        kept = masks.astype(jnp.float32)[..., None]
        whole, without = image.astype(jnp.float32)[None], empty[None]
        found = forward(variables, kept * whole + (1 - kept) * without, key)
        return (jax.nn.softmax(found) if score == "probability" else found)[:, target]

    def scores(
        variables: Variables,
        image: np.ndarray,
        empty: np.ndarray,
        masks: Array | np.ndarray,
        target: int,
        key: Array,
    ) -> np.ndarray:
        return np.asarray(run(variables, image, empty, masks, jnp.int32(target), key))

    return scores


def batches(
    count: int, size: int, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield `size` numbers of 0..count-1 at a time and how many of them are new; the last batch is filled up with old ones.

    Args:
        count: How many there are.
        size: How many at a time.
        progress: Called with done and all after every batch.
    """
    for start in range(0, count, size):
        new = min(size, count - start)
        yield np.arange(start, start + size) % count, new
        if progress:
            progress(start + new, count)
