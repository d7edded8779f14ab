"""Occlusion: what the score loses where a window hides the image. Knows no other method.

    heat at a pixel = mean, over the windows w that cover it, of  score(image) - score(image without w)

Windows stand every `stride` pixels from the upper left corner on; the last in each row and column is moved inward to the
border, so that every pixel is covered.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Array

from neurallnet_jax.explain import needs
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.explain.blanks import BLANKS, Blank, blank
from neurallnet_jax.explain.scoring import SCORES, Score, batches, masked_scores
from neurallnet_jax.models import Classifier, Variables

__all__ = ["corners", "occlusion"]


def occlusion(
    classifier: Classifier,
    *,
    window: int | None = None,
    stride: int | None = None,
    fill: Blank = "background",
    score: Score = "logit",
    batch_size: int = 32,
) -> Explainer:
    """Return occlusion of a classifier: signed.

    Facts: `score` of the whole image; `windows`, how many were tried; `largest_drop`.

    Args:
        classifier: The model.
        window: Side of the window, pixels; None for an eighth of the image's shorter side.
        stride: Pixels from one window to the next, at most `window`; None for half a window.
        fill: What the window shows, see `blanks.blank`.
        score: `logit` or `probability`; a probability near 1 hardly moves, a logit always does.
        batch_size: Windows per call of the network.

    Raises:
        ValueError: An option is out of range.

    References:
        Zeiler and Fergus (2014), ECCV, arXiv:1311.2901.
    """
    needs.check(classifier, "occlusion")
    needs.known_choice("occlusion", "score", score, SCORES)
    needs.known_choice("occlusion", "fill", fill, BLANKS)
    needs.whole_number("occlusion", "batch_size", batch_size)
    size = classifier.spec.image_size
    side = max(min(size) // 8, 1) if window is None else window
    step = max(side // 2, 1) if stride is None else stride
    needs.whole_number("occlusion", "window", side)
    needs.whole_number("occlusion", "stride", step)
    if side > min(size):
        raise ValueError(f"occlusion: a window of {side} pixels does not fit into an image of {size[0]} x {size[1]}")
    if step > side:
        raise ValueError(f"occlusion: a stride of {step} steps over pixels that a window of {side} never covers")
    places = corners(size, side, step)
    scores = masked_scores(classifier, score)

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
        # Window 0 hides nothing.
        found = np.zeros(len(places) + 1)
        for numbers, new in batches(len(found), batch_size, progress):
            masks = np.ones((batch_size, *size), bool)
            for mask, number in zip(masks, numbers.tolist(), strict=True):
                if number:
                    top, left = places[number - 1]
                    mask[top : top + side, left : left + side] = False
            found[numbers[:new]] = scores(variables, image, empty, masks, target, key)[:new]
        drops = found[0] - found[1:]
        facts = {"score": float(found[0]), "windows": float(len(places)), "largest_drop": float(drops.max())}
        return Attribution(_spread(drops, places, side, size), signed=True, facts=facts)

    return explain


def corners(size: tuple[int, int], window: int, stride: int) -> list[tuple[int, int]]:
    """Return the upper left corners (row, column) of windows that together cover an image, row by row."""
    rows, columns = ([*range(0, length - window, stride), length - window] for length in size)
    return [(row, column) for row in rows for column in columns]


def _spread(drops: np.ndarray, places: list[tuple[int, int]], side: int, size: tuple[int, int]) -> np.ndarray:
    """Return the mean drop over all windows that cover a pixel, float32 (height, width)."""
    total, count = np.zeros(size), np.zeros(size)
    for drop, (top, left) in zip(drops, places, strict=True):
        total[top : top + side, left : left + side] += drop
        count[top : top + side, left : left + side] += 1
    return (total / count).astype(np.float32)
