"""Maps that no model made: a random order, the middle of the image, its edges. What a method has to do better than.

Knows images; asks no model anything, though it is handed one as every method is.
"""

from collections.abc import Callable, Mapping

import jax
import numpy as np
from jaxtyping import Array

from neurallnet_jax.explain.attribution import Attribution, Explain, Explainer
from neurallnet_jax.models import Classifier, Variables

__all__ = ["CONTROLS", "centre", "edges", "random"]

_SPREAD = 0.25
"""Standard deviation of the bell in the middle, as a share of height and width."""

_LUMA = np.array([0.299, 0.587, 0.114])


def random(classifier: Classifier) -> Explainer:
    """Return heat drawn evenly from 0 to 1, pixel by pixel: what a map is worth that knows nothing."""
    return _control(lambda image, key: np.asarray(jax.random.uniform(key, image.shape[:2])))


def centre(classifier: Classifier) -> Explainer:
    """Return a bell over the middle, a quarter of the side wide: what whoever takes a picture knows without looking.

    References:
        Judd et al. (2009), Learning to Predict Where Humans Look, ICCV, 2106-2113: the centre as baseline.
    """
    return _control(lambda image, key: _bell(*image.shape[:2]))


def edges(classifier: Classifier) -> Explainer:
    """Return the steepness of brightness after Sobel: looks like an explanation, and is one of no network at all.

    References:
        Adebayo et al. (2018), Sanity Checks for Saliency Maps, NeurIPS, arXiv:1810.03292: the edge detector as control.
    """
    return _control(lambda image, key: _steepness(image))


CONTROLS: Mapping[str, Explain] = {"random": random, "centre": centre, "edges": edges}
"""Controls by name, explained like any method."""


def _control(heat: Callable[[np.ndarray, Array], np.ndarray]) -> Explainer:
    def explain(
        variables: Variables,
        image: np.ndarray,
        target: int,
        key: Array,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Attribution:
        return Attribution(heat(image, key).astype(np.float32), signed=False)

    return explain


def _bell(height: int, width: int) -> np.ndarray:
    down, across = (((np.arange(n) + 0.5) / n - 0.5) / _SPREAD for n in (height, width))
    return np.exp(-(down[:, None] ** 2 + across[None] ** 2) / 2)


def _steepness(image: np.ndarray) -> np.ndarray:
    grey = image @ _LUMA if image.shape[-1] == len(_LUMA) else image.mean(axis=-1)
    padded = np.pad(grey, 1, mode="edge")
    down, across = padded[2:] - padded[:-2], padded[:, 2:] - padded[:, :-2]
    vertical = (down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]) / 8
    horizontal = (across[:-2] + 2 * across[1:-1] + across[2:]) / 8
    return np.hypot(vertical, horizontal)
