"""What training minimises: smoothed cross-entropy and a penalty on firing rates. Knows neither models nor optimisers."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

__all__ = ["class_weights", "cross_entropy", "log_shares", "rate_penalty"]


def cross_entropy(
    logits: Float[Array, "batch classes"],
    labels: Int[Array, " batch"],
    *,
    smoothing: float,
    weights: Float[Array, " classes"],
) -> Float[Array, ""]:
    """Return the mean cross-entropy against smoothed targets, each image weighed by its class.

    Args:
        logits: Class scores.
        labels: True classes.
        smoothing: Share of the target spread evenly over all classes (Szegedy et al. 2016, arXiv:1512.00567).
        weights: Weight of each class.
    """
    classes = logits.shape[-1]
    target = jax.nn.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
    each = -(target * jax.nn.log_softmax(logits)).sum(axis=-1)
    weight = weights[labels]
    return (weight * each).sum() / weight.sum()


def rate_penalty(rates: Mapping[str, Float[Array, ""]], *, low: float, high: float) -> Float[Array, ""]:
    """Return the sum over layers of the squared distance of the firing rate from [low, high].

    Args:
        rates: Spikes per neuron and step of each layer.
        low: Rate below which a layer is pushed up.
        high: Rate above which a layer is pushed down.
    """
    outside = [jax.nn.relu(low - rate) ** 2 + jax.nn.relu(rate - high) ** 2 for rate in rates.values()]
    return sum(outside, start=jnp.zeros(()))


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return one weight per class, inverse to its number of images, with mean 1 over the images; float32.

    Raises:
        ValueError: A class has no image; the message gives its place.
    """
    counts = _counts(labels, classes)
    return (len(labels) / (classes * counts)).astype(np.float32)


def log_shares(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the logarithm of each class's share of the images, float32 (classes,).

    Added to the class scores within the loss it makes the plain scores right for classes that are equally likely.

    Raises:
        ValueError: A class has no image; the message gives its place.

    References:
        Menon et al. (2021), ICLR, arXiv:2007.07314, equation 10 with tau = 1.
    """
    return np.log(_counts(labels, classes) / len(labels)).astype(np.float32)


def _counts(labels: np.ndarray, classes: int) -> np.ndarray:
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise ValueError(f"class {int(np.argmin(counts))} has no training image; every class needs some")
    return counts
