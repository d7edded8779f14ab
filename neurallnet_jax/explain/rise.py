"""RISE: how the score fares, on average, under random masks that keep a pixel. Knows no other method.

With masks m in [0, 1] and scores f of `blank + m (image - blank)`,

    heat = sum of f m / sum of m - mean of f

per pixel: how much higher the score is, on average, when the pixel is shown. The paper leaves the mean in, which shifts the
whole map and says nothing of a place, and divides by the expectation of `sum of m` instead of the sum, which adds noise.

A mask is cut out of a grid of (cells + 2) x (cells + 2) draws, 1 with probability `kept`, enlarged bilinearly to cells of
`ceil(size / cells)` pixels, at a random shift within one cell. The outer half cells, where there is nothing to interpolate
between, are cut off, so that corners are masked like the middle.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurallnet_jax.explain import needs
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.explain.blanks import BLANKS, Blank, blank
from neurallnet_jax.explain.scoring import SCORES, Score, batches, masked_scores
from neurallnet_jax.models import Classifier, Variables

__all__ = ["masks", "rise"]


def rise(
    classifier: Classifier,
    *,
    samples: int = 1000,
    cells: int = 8,
    kept: float = 0.5,
    fill: Blank = "background",
    score: Score = "probability",
    batch_size: int = 32,
) -> Explainer:
    """Return RISE of a classifier: signed, since the mean score is taken off.

    Facts: `mean_score` over all masks, which the paper's map has on top; `samples`.

    Args:
        classifier: The model.
        samples: Masks; the paper takes 4,000 to 8,000.
        cells: Cells along each side of the image; a mask shows or hides about one cell at a time.
        kept: Probability that a cell is shown, in (0, 1).
        fill: What is shown in place of the image, see `blanks.blank`; the paper takes black.
        score: `probability` or `logit`.
        batch_size: Masks per call of the network; it does not change what is drawn.

    Raises:
        ValueError: An option is out of range.

    References:
        Petsiuk, Das and Saenko (2018), BMVC, arXiv:1806.07421.
    """
    needs.check(classifier, "rise")
    needs.known_choice("rise", "score", score, SCORES)
    needs.known_choice("rise", "fill", fill, BLANKS)
    needs.whole_number("rise", "samples", samples)
    needs.whole_number("rise", "cells", cells)
    needs.whole_number("rise", "batch_size", batch_size)
    size = classifier.spec.image_size
    if cells > min(size):
        raise ValueError(f"rise: {cells} cells do not fit along {min(size)} pixels")
    if not 0 < kept < 1:
        raise ValueError(f"rise: kept is {kept!r}; expected a probability above 0 and below 1")
    scores = masked_scores(classifier, score)
    draw = jax.jit(lambda key, numbers: masks(key, numbers, size=size, cells=cells, kept=kept))

    def explain(
        variables: Variables,
        image: np.ndarray,
        target: int,
        key: Array,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Attribution:
        needs.check_image(classifier, image, target)
        empty = blank(image, classifier.preprocessing, fill)
        weighted, shown, total = np.zeros(size), np.zeros(size), 0.0
        for numbers, new in batches(samples, batch_size, progress):
            drawn = draw(key, numbers.astype(np.uint32))
            found = scores(variables, image, empty, drawn, target, key)[:new].astype(np.float64)
            new_masks = np.asarray(drawn)[:new]
            weighted += np.tensordot(found, new_masks, 1)
            shown += new_masks.sum(axis=0)
            total += found.sum()
        mean = total / samples
        # A pixel that no mask showed has told nothing.
        heat = np.divide(weighted, shown, out=np.full(size, mean), where=shown > 0) - mean
        return Attribution(heat.astype(np.float32), signed=True, facts={"mean_score": mean, "samples": float(samples)})

    return explain


def masks(
    key: Array, numbers: Int[Array, " n"], *, size: tuple[int, int], cells: int, kept: float
) -> Float[Array, "n height width"]:
    """Return the masks with these numbers, in [0, 1]; each depends on the key and its own number only.

    Args:
        key: Decides all masks.
        numbers: Which masks.
        size: Height and width, pixels.
        cells: Cells along each side.
        kept: Probability that a cell is 1.
    """
    sides = [-(-length // cells) for length in size]

    def one(number: Array) -> Array:
        grid, rows, columns = jax.random.split(jax.random.fold_in(key, number), 3)
        drawn = jax.random.bernoulli(grid, kept, (cells + 2, cells + 2)).astype(jnp.float32)
        # The weights of bilinear enlargement add up to 1 but for rounding.
        large = jnp.clip(jax.image.resize(drawn, [(cells + 2) * side for side in sides], "linear"), 0, 1)
        corner = [
            -(-side // 2) + jax.random.randint(one, (), 0, side)
            for one, side in zip((rows, columns), sides, strict=True)
        ]
        return jax.lax.dynamic_slice(large, corner, size)

    return jax.vmap(one)(jnp.asarray(numbers))
