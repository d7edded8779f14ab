"""LIME for images: a linear model of the score over superpixels that are shown or hidden. Knows no other method.

With rows z of 0 and 1 per superpixel (the first shows all), scores f(z), and weights that fall with the cosine distance
from the whole image, d(z) = 1 - sqrt(share shown),

    w(z) = sqrt(exp(-(d / kernel_width)^2))
    coefficients, intercept = argmin sum over z of w (f - intercept - coefficients z)^2 + ridge |coefficients|^2

every pixel of the heat map holds the coefficient of its superpixel.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Array

from neurallnet_jax.explain import needs
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.explain.blanks import BLANKS, Blank, blank
from neurallnet_jax.explain.scoring import SCORES, Score, batches, masked_scores
from neurallnet_jax.explain.superpixels import slic
from neurallnet_jax.models import Classifier, Variables

__all__ = ["Fill", "Fit", "draw", "fit", "lime", "superpixel_means"]

Fill: TypeAlias = Blank | Literal["superpixel"]


class Fit(NamedTuple):
    """A weighted ridge regression.

    Attributes:
        coefficients: One per superpixel.
        intercept: Score where all are hidden, as the line has it.
        r2: Weighted coefficient of determination; 0 where all scores are the same.
    """

    coefficients: np.ndarray
    intercept: float
    r2: float


def lime(
    classifier: Classifier,
    *,
    samples: int = 300,
    superpixels: int = 64,
    compactness: float = 10.0,
    kernel_width: float = 0.25,
    ridge: float = 1.0,
    fill: Fill = "background",
    score: Score = "probability",
    batch_size: int = 32,
) -> Explainer:
    """Return LIME of a classifier: signed.

    Kernel, ridge and chances are those of the `lime` package; superpixels are SLIC (`superpixels.py`), where that takes
    quickshift.

    Facts: `r2`, how much of the scores the line explains; `intercept`; `superpixels`, how many there are.

    Args:
        classifier: The model.
        samples: Rows, the whole image included, at least 2.
        superpixels: How many to begin with, see `superpixels.slic`.
        compactness: Weight of place against colour in SLIC.
        kernel_width: Distance at which the weight has fallen to exp(-1/2).
        ridge: Penalty on the squared coefficients; it pulls all of them towards zero.
        fill: What a hidden superpixel shows: a blank, see `blanks.blank`, or `superpixel`, its own mean colour, as in the
            package; but a nucleus in its own mean colour is still a nucleus.
        score: `probability` or `logit`.
        batch_size: Rows per call of the network.

    Raises:
        ValueError: An option is out of range.

    References:
        Ribeiro, Singh and Guestrin (2016), KDD, arXiv:1602.04938.
    """
    needs.check(classifier, "lime")
    needs.known_choice("lime", "score", score, SCORES)
    needs.known_choice("lime", "fill", fill, (*BLANKS, "superpixel"))
    needs.whole_number("lime", "samples", samples, 2)
    needs.whole_number("lime", "superpixels", superpixels)
    needs.whole_number("lime", "batch_size", batch_size)
    for name, value in (("kernel_width", kernel_width), ("ridge", ridge), ("compactness", compactness)):
        if not 0 < value < float("inf"):
            raise ValueError(f"lime: {name} is {value!r}; expected a number above zero")
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
        segments = slic(image, superpixels, compactness=compactness)
        empty = (
            superpixel_means(image, segments) if fill == "superpixel" else blank(image, classifier.preprocessing, fill)
        )
        shown = draw(key, samples, int(segments.max()) + 1)
        found = np.zeros(samples)
        for numbers, new in batches(samples, batch_size, progress):
            masks = shown[numbers][:, segments]
            found[numbers[:new]] = scores(variables, image, empty, masks, target, key)[:new]
        line = fit(shown, found, kernel_width=kernel_width, ridge=ridge)
        facts = {"r2": line.r2, "intercept": line.intercept, "superpixels": float(shown.shape[1])}
        return Attribution(line.coefficients[segments].astype(np.float32), signed=True, facts=facts)

    return explain


def fit(shown: np.ndarray, scores: np.ndarray, *, kernel_width: float = 0.25, ridge: float = 1.0) -> Fit:
    """Return the line through the scores, by the equations at the head of this module.

    Args:
        shown: Which superpixels each row shows, 0 or 1 (rows, superpixels).
        scores: Score of each row.
        kernel_width: Distance at which the weight has fallen to exp(-1/2).
        ridge: Penalty on the squared coefficients; the intercept has none.
    """
    rows = np.asarray(shown, float)
    distance = 1 - np.sqrt(rows.mean(axis=1))
    weights = np.sqrt(np.exp(-np.square(distance / kernel_width)))
    middle, level = np.average(rows, axis=0, weights=weights), np.average(scores, weights=weights)
    centred, rest = rows - middle, scores - level
    normal = centred.T @ (weights[:, None] * centred) + ridge * np.eye(rows.shape[1])
    coefficients = np.linalg.solve(normal, centred.T @ (weights * rest))
    spread = (weights * rest**2).sum()
    missed = (weights * (rest - centred @ coefficients) ** 2).sum()
    return Fit(coefficients, float(level - middle @ coefficients), float(1 - missed / spread) if spread else 0.0)


def superpixel_means(image: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Return an image in which every superpixel has its mean colour, float32 (height, width, channels)."""
    flat = segments.ravel()
    count = np.bincount(flat)
    means = [np.bincount(flat, channel.ravel()) / count for channel in np.moveaxis(image, -1, 0)]
    return np.stack(means, axis=-1)[segments].astype(np.float32)


def draw(key: Array, samples: int, superpixels: int) -> np.ndarray:
    """Return which superpixels each row shows, bool (samples, superpixels): the first all, the others each with 1/2."""
    # NumPy draws, because their number differs from image to image and JAX would compile for each.
    seed = np.asarray(jax.random.bits(key, (4,)))
    shown = np.random.default_rng(seed).integers(0, 2, (samples, superpixels)).astype(bool)
    shown[0] = True
    return shown
