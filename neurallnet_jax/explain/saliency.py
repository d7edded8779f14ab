"""The plain gradient of a class score with respect to pixels, under the name it deserves. Knows no other method.

    heat = max over channels of |dy / dx|,     per grey level

Where the network does not spike, that is the gradient: `saliency`. Where it spikes, the score is a staircase whose true
gradient is zero almost everywhere; what comes back is the derivative of the surrogates of training: `surrogate_gradient`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurallnet_jax.explain import needs
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.explain.gradients import slopes
from neurallnet_jax.models import Classifier, Variables

__all__ = ["saliency", "surrogate_gradient"]


def saliency(classifier: Classifier) -> Explainer:
    """Return the gradient of a classifier that does not spike: unsigned.

    Args:
        classifier: The model.

    Raises:
        ValueError: The network spikes, or its input is coded in spikes.

    References:
        Simonyan, Vedaldi and Zisserman (2014), ICLR workshop, arXiv:1312.6034.
    """
    needs.check(classifier, "saliency", "pixel gradient", "no spikes")
    return _greatest_slope(classifier)


def surrogate_gradient(classifier: Classifier) -> Explainer:
    """Return the gradient of a spiking classifier through the surrogates of its spikes: unsigned.

    Args:
        classifier: The model.

    Raises:
        ValueError: The network does not spike, or its input is coded in spikes.

    References:
        The map: Simonyan et al. (2014), arXiv:1312.6034; surrogates: Neftci, Mostafa and Zenke (2019), IEEE Signal
        Processing Magazine 36(6), arXiv:1901.09948.
    """
    needs.check(classifier, "surrogate-gradient", "pixel gradient", "spikes")
    return _greatest_slope(classifier)


def _greatest_slope(classifier: Classifier) -> Explainer:
    run = jax.jit(slopes(classifier))

    def explain(
        variables: Variables,
        image: np.ndarray,
        target: int,
        key: Array,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Attribution:
        needs.check_image(classifier, image, target)
        scores, found = run(variables, image[None].astype(np.float32), jnp.int32(target), key)
        if progress:
            progress(1, 1)
        heat = np.abs(np.asarray(found[0])).max(axis=-1)
        return Attribution(heat, signed=False, facts={"score": float(scores[0])})

    return explain
