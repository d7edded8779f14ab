"""Deletion and insertion: does the class go when the pixels go that a heat map calls evidence?

Knows classifiers and heat maps; neither methods by name nor files. White balance is not repeated on images that were made
here: it would answer to the pixels that were taken out.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurallnet_jax.checkpoint import Preprocessing
from neurallnet_jax.explain import ranks, scoring
from neurallnet_jax.explain.blanks import blank
from neurallnet_jax.explain.smoothing import blurred
from neurallnet_jax.models import Classifier, Variables

__all__ = ["STEPS", "Curves", "Follow", "Replacement", "area", "make_follow", "replacement_of"]

Replacement: TypeAlias = Literal["background", "offset", "mean", "blur"]

STEPS = 16
"""Steps from a whole image to none of it, unless another number is asked for."""

_BLUR = 0.05
"""Standard deviation of the blur, as a share of the width: of a cell nothing but a shadow is left."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The probability of a class while pixels go, or come, in the order of a heat map.

    Attributes:
        shares: Share of the pixels that have been changed, (steps + 1,), from 0 to 1.
        deletion: Probability while the hottest pixels are taken out first, (steps + 1,).
        insertion: Probability while the hottest pixels are put back first, (steps + 1,).
    """

    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def deletion_auc(self) -> float:
        """Area under the curve of deletion, 0 to 1: the lower, the better the map finds what the class rests on."""
        return area(self.shares, self.deletion)

    @property
    def insertion_auc(self) -> float:
        """Area under the curve of insertion, 0 to 1: the higher, the sooner the map brings the class back."""
        return area(self.shares, self.insertion)


class Follow(Protocol):
    """Curves of heat maps under one classifier."""

    def __call__(self, image: np.ndarray, heat: np.ndarray, target: int, *, seed: int = 0) -> Curves:
        """Return the curves of one heat map.

        Args:
            image: Pixels that `models.prepare` returned, uint8 (height, width, channels).
            heat: (height, width); the hottest pixels go first, so what speaks against the class goes last.
            target: Place of the class.
            seed: Of the order in which pixels of equal heat are taken.
        """
        ...


def make_follow(
    classifier: Classifier, *, steps: int = STEPS, replacement: Replacement = "background", temperature: float = 1.0
) -> Follow:
    """Return a function that draws curves; each curve is one compiled call over its `steps + 1` images.

    Step k takes out, or puts back, the round(k / steps x pixels) hottest pixels. The score is the softmax probability of
    the class, exp(z_c / temperature) / sum_j exp(z_j / temperature).

    Args:
        classifier: The model.
        steps: Steps from the whole image to none of it.
        replacement: What stands where a pixel was taken out, see `replacement_of`.
        temperature: Divisor of the class scores.

    Raises:
        ValueError: No step, an unknown replacement, or a model that has no layer to start from.

    References:
        Petsiuk, Das, Saenko (2018), RISE, BMVC, arXiv:1806.07421, section 4.3: deletion and insertion.
        Samek et al. (2017), IEEE Trans. Neural Netw. Learn. Syst. 28(11):2660-2673, arXiv:1509.06321: removal in order.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; a curve takes at least 1")
    if replacement not in get_args(Replacement):
        raise ValueError(f"no replacement {replacement!r}; there are {', '.join(get_args(Replacement))}")
    if not classifier.layers:
        raise ValueError("the model names no layer, so its scores cannot be taken after white balance")
    forward = scoring.logits(classifier)

    @jax.jit
    def scores(variables: Variables, gone: Array, left: Array, places: Array, counts: Array, target: Array) -> Array:
        taken = places[None, :, :, None] < counts[:, None, None, None]
        images = jnp.where(taken, gone[None], left[None])
        logits = forward(variables, images, jax.random.key(0))
        return jax.nn.softmax(logits / temperature, axis=-1)[:, target]

    def follow(image: np.ndarray, heat: np.ndarray, target: int, *, seed: int = 0) -> Curves:
        if heat.shape != image.shape[:2]:
            raise ValueError(f"the heat map is {heat.shape}, its image {image.shape[:2]}; they must be of one size")
        places = ranks.order(heat, np.random.default_rng(seed))
        counts = np.round(np.linspace(0, heat.size, steps + 1)).astype(np.int32)
        whole = np.asarray(image, np.float32)
        empty = replacement_of(image, replacement, classifier.preprocessing)
        curves = [
            np.asarray(scores(classifier.variables, gone, left, places, counts, target), np.float64)
            for gone, left in ((empty, whole), (whole, empty))
        ]
        return Curves(counts / heat.size, *curves)

    return follow


def replacement_of(
    image: np.ndarray, replacement: Replacement, preprocessing: Preprocessing | None = None
) -> np.ndarray:
    """Return the image in which everything was taken out, float32, of the same shape.

    `background`, `offset` and `mean` are one colour each, see `blanks.blank`. The first is the level of the empty slide,
    which white balance has made one grey: a cell that is taken out leaves empty slide behind, which the network has seen in
    every image; black or the mean colour of a smear it has never seen as a surface. `blur` keeps colours and loses shapes.

    Args:
        image: Pixels that `models.prepare` returned, uint8 (height, width, channels).
        replacement: Which of them.
        preprocessing: That of the classifier, which `offset` asks for.
    """
    if replacement != "blur":
        return blank(image, preprocessing or Preprocessing(), replacement)
    return blurred(image, _BLUR * image.shape[1]).astype(np.float32)


def area(shares: np.ndarray, values: np.ndarray) -> float:
    """Return the area under a curve from 0 to 1, by trapezia."""
    return float((np.diff(shares) * (values[1:] + values[:-1]) / 2).sum())
