"""SmoothGrad: the gradient, averaged over copies of the image with noise. Knows no other method.

    heat = max over channels of |mean over samples of dy/dx at x + e|,     e ~ N(0, (noise (max x - min x))^2)

Noisy copies are not cut off at 0 and 255. With a spiking network the gradient is that of its surrogates.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurallnet_jax.explain import needs
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.explain.gradients import slopes
from neurallnet_jax.explain.scoring import batches
from neurallnet_jax.models import Classifier, Variables

__all__ = ["smoothgrad"]


def smoothgrad(classifier: Classifier, *, noise: float = 0.15, samples: int = 48, batch_size: int = 8) -> Explainer:
    """Return SmoothGrad of a classifier: unsigned.

    Facts: `noise_sd`, the standard deviation of the noise, grey levels.

    Args:
        classifier: The model.
        noise: Standard deviation of the noise as a share of the image's range; the paper takes 0.1 to 0.2.
        samples: Noisy copies.
        batch_size: Copies per call of the network; it does not change what is drawn.

    Raises:
        ValueError: The network's input is coded in spikes, or an option is out of range.

    References:
        Smilkov et al. (2017), arXiv:1706.03825.
    """
    needs.check(classifier, "smoothgrad", "pixel gradient")
    needs.whole_number("smoothgrad", "samples", samples)
    needs.whole_number("smoothgrad", "batch_size", batch_size)
    if not 0 <= noise < float("inf"):
        raise ValueError(f"smoothgrad: noise is {noise!r}; expected a share of the image's range from 0 up")
    gradient = slopes(classifier)

    @jax.jit
    def run(
        variables: Variables, image: Array, places: Array, weights: Array, scale: Array, target: Array, key: Array
    ) -> Array:
        # One key per copy, so that the size of a batch decides nothing.
        keys = jax.vmap(lambda place: jax.random.fold_in(key, place))(places)
        drawn = jax.vmap(lambda one: jax.random.normal(one, image.shape))(keys)
        _, found = gradient(variables, image.astype(jnp.float32)[None] + scale * drawn, target, key)
        return jnp.tensordot(weights, found, 1)

    def explain(
        variables: Variables,
        image: np.ndarray,
        target: int,
        key: Array,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Attribution:
        needs.check_image(classifier, image, target)
        scale = noise * float(np.ptp(image))
        mean = np.zeros(image.shape)
        for places, new in batches(samples, batch_size, progress):
            weights = np.where(np.arange(batch_size) < new, 1 / samples, 0).astype(np.float32)
            found = run(variables, image, places.astype(np.uint32), weights, jnp.float32(scale), jnp.int32(target), key)
            mean += np.asarray(found)
        heat = np.abs(mean).max(axis=-1).astype(np.float32)
        return Attribution(heat, signed=False, facts={"noise_sd": scale})

    return explain
