"""Class activation mapping: the class score taken apart over space, exactly. Knows no other method.

Where the score is linear in the mean of a layer's output A, (time, height, width, channels), over time and space,

    y = bias + mean over t, i, j of M[t, i, j],     M[t, i, j] = sum over k of w[k] A[t, i, j, k]

with the weights w of the class. They are read off as the gradient of the linear tail, times the number of places and steps:

    steps[t] = M[t],     heat = mean over t of M[t]

each resized bilinearly to the image. Nothing is approximated and nothing is cut off at zero: before it is resized, the map
has the score less its bias as its mean.
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

__all__ = ["cam"]


def cam(classifier: Classifier) -> Explainer:
    """Return class activation mapping of a classifier: signed, with a map of every step where the network spikes.

    Facts: `score` of the target and its `bias`, what the score would be if the layer were silent.

    Args:
        classifier: The model, whose `pooled` layer goes through a mean into the class scores.

    Raises:
        ValueError: No layer is pooled in this way.

    References:
        Zhou et al. (2016), CVPR, arXiv:1512.04150.
    """
    needs.check(classifier, "cam", "pooling")
    layer, size = str(classifier.pooled), classifier.spec.image_size

    @jax.jit
    def run(variables: Variables, image: Array, target: Array, key: Array) -> tuple[Array, Array, dict[str, Array]]:
        found = classifier.features(variables, image[None].astype(jnp.float32), key, layer)
        score = lambda features: classifier.tail(variables, features, key, layer)[0, target]
        value, slope = jax.value_and_grad(score)(found)
        time, _, height, width, _ = found.shape
        maps = (slope * (time * height * width) * found).sum(axis=-1)[:, 0]
        facts = {"score": value, "bias": score(jnp.zeros_like(found))}
        return to_image(maps.mean(axis=0, keepdims=True), size)[0], to_image(maps, size), facts

    def explain(
        variables: Variables,
        image: np.ndarray,
        target: int,
        key: Array,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Attribution:
        needs.check_image(classifier, image, target)
        heat, steps, facts = run(variables, image, jnp.int32(target), key)
        if progress:
            progress(1, 1)
        over_time = np.asarray(steps) if classifier.spec.spiking else None
        return Attribution(
            np.asarray(heat), signed=True, steps=over_time, facts={name: float(fact) for name, fact in facts.items()}
        )

    return explain
