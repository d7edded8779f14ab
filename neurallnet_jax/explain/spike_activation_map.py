"""The spike activation map: where neurons of a layer fire in quick succession. Knows no other method.

With the spikes s of a layer, (time, height, width, channels), in {0, 1}, and a decay gamma per step,

    N[t] = sum over t' < t with s[t'] = 1 of exp(-gamma (t - t'))     the neuron's contribution score
    steps[t] = sum over channels of N[t] s[t],     heat = mean over t of steps[t]

each resized bilinearly to the image. No gradient is taken, and no class is asked for: the map is the same for every target,
and shows where the network is busy, not what speaks for a class. The first spike of a neuron has none before it and counts
nothing, so the map of the first step is empty.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurallnet_jax.explain import needs
from neurallnet_jax.explain.attribution import Attribution, Explainer
from neurallnet_jax.explain.resizing import to_image
from neurallnet_jax.models import Classifier, Variables

__all__ = ["activation_maps", "spike_activation_map"]


def spike_activation_map(classifier: Classifier, *, layer: str | None = None, gamma: float = 0.5) -> Explainer:
    """Return the spike activation map of a spiking classifier: unsigned, of every step, the same for every class.

    The equations are those of the paper; the code published with it also counts the present spike, and a step without a
    spike as if it were one in the first step. Its default of gamma is taken over.

    Args:
        classifier: The model.
        layer: Which of `classifier.layers` to look at; None for the last.
        gamma: Decay per step, from 0 up; the larger, the more only the last steps count.

    Raises:
        ValueError: The network does not spike, no such layer, or gamma is out of range.

    References:
        Kim and Panda (2021), Scientific Reports 11:19037, doi 10.1038/s41598-021-98448-0.
    """
    needs.check(classifier, "spike-activation-map", "spikes")
    layer = needs.known_layer(classifier, "spike-activation-map", layer)
    if not 0 <= gamma < float("inf"):
        raise ValueError(f"spike-activation-map: gamma is {gamma!r}; expected a decay per step from 0 up")
    size = classifier.spec.image_size

    @jax.jit
    def run(variables: Variables, image: Array, key: Array) -> tuple[Array, Array]:
        spikes = classifier.features(variables, image[None].astype(jnp.float32), key, layer)[:, 0]
        maps = activation_maps(spikes, gamma)
        return to_image(maps, size), spikes.mean()

    def explain(
        variables: Variables,
        image: np.ndarray,
        target: int,
        key: Array,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Attribution:
        needs.check_image(classifier, image, target)
        steps, rate = run(variables, image, key)
        if progress:
            progress(1, 1)
        over_time = np.asarray(steps)
        return Attribution(over_time.mean(axis=0), signed=False, steps=over_time, facts={"rate": float(rate)})

    return explain


def activation_maps(
    spikes: Float[Array, "time height width channels"], gamma: float
) -> Float[Array, "time height width"]:
    """Return the map of every step at the size of the layer, by the equations at the head of this module."""
    fade = jnp.exp(-jnp.asarray(gamma, spikes.dtype))
    score, maps = jnp.zeros_like(spikes[0]), []
    for now in spikes:
        maps.append((score * now).sum(axis=-1))
        # One step later all earlier spikes have faded once more, this one for the first time.
        score = fade * (score + now)
    return jnp.stack(maps)
