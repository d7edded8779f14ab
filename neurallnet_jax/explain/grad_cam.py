"""Grad-CAM: which channels of a layer raise a class score, and where they are active. Knows no other method.

With the output A of a layer, (time, height, width, channels), of one image, and the score y of the target:

    alpha[t, k] = mean over space of dy / dA[t, :, :, k]
    L[t]        = sum over k of alpha[t, k] A[t, :, :, k]
    steps[t]    = max(0, L[t]),        heat = max(0, sum over t of L[t])

each resized bilinearly to the image. A network without time has one step, and heat is then that of the paper. Layers behind
the one that is looked at hand back surrogate derivatives where they spike; the layer before the class scores does not.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurallnet_jax.explain import needs
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.explain.resizing import to_image
from neurallnet_jax.models import Classifier, Variables

__all__ = ["grad_cam"]


def grad_cam(classifier: Classifier, *, layer: str | None = None) -> Explainer:
    """Return Grad-CAM of a classifier: unsigned, with a map of every step where the network spikes.

    Args:
        classifier: The model.
        layer: Which of `classifier.layers` to look at; None for the last.

    Raises:
        ValueError: No such layer.

    References:
        Selvaraju et al. (2017), ICCV, arXiv:1610.02391; over time: Kim and Panda (2021), Scientific Reports 11:19037.
    """
    needs.check(classifier, "grad-cam", "gradient")
    layer = needs.known_layer(classifier, "grad-cam", layer)
    size = classifier.spec.image_size

    @jax.jit
    def run(variables: Variables, image: Array, target: Array, key: Array) -> tuple[Array, Array, Array]:
        found = classifier.features(variables, image[None].astype(jnp.float32), key, layer)
        score = lambda features: classifier.tail(variables, features, key, layer)[0, target]
        value, slope = jax.value_and_grad(score)(found)
        weights = slope.mean(axis=(2, 3), keepdims=True)
        maps = (weights * found).sum(axis=-1)[:, 0]
        heat, steps = jax.nn.relu(maps.sum(axis=0, keepdims=True)), jax.nn.relu(maps)
        return to_image(heat, size)[0], to_image(steps, size), value

    def explain(
        variables: Variables,
        image: np.ndarray,
        target: int,
        key: Array,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Attribution:
        needs.check_image(classifier, image, target)
        heat, steps, value = run(variables, image, jnp.int32(target), key)
        if progress:
            progress(1, 1)
        over_time = np.asarray(steps) if classifier.spec.spiking else None
        return Attribution(np.asarray(heat), signed=False, steps=over_time, facts={"score": float(value)})

    return explain
