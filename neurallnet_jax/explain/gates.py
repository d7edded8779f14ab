"""The attention gates of a network over time, for one image: traces, not a heat map. Knows no method that makes one.

A gate multiplies a whole channel, so it has no place in the image: what it shows is which channels a block opens or closes
for this image, and when. Gates are caught on their way through the model (Flax's `capture_intermediates`), which costs
nothing where nobody asks.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neurallnet_jax import models, spec
from neurallnet_jax.explain import needs
from neurallnet_jax.models import Classifier, Variables
from neurallnet_jax.network import encoding, running
from neurallnet_jax.network.model import Model

__all__ = ["GateTrace", "Traces", "gate_traces"]


@dataclass(frozen=True, eq=False)
class GateTrace:
    """The gates of one block.

    Attributes:
        layer: Name of the attention layer.
        gates: float32 (time, channels) in [0, 1], as the neurons see them.
        delay: Steps at the beginning whose gates are learned and the same for every image.
    """

    layer: str
    gates: np.ndarray
    delay: int


Traces = Callable[[Variables, np.ndarray, Array], tuple[GateTrace, ...]]
"""`(variables, image, key) -> traces`, one per block, in order of execution."""


def gate_traces(classifier: Classifier) -> Traces:
    """Return a compiled function that traces the gates of a classifier, image by image.

    Args:
        classifier: The model.

    Raises:
        ValueError: The network has no gates.

    References:
        Gates: Hu, Shen and Sun (2018), CVPR, arXiv:1709.01507; their delay: `network/attention.py`.
    """
    network = classifier.spec
    kinds = spec.SqueezeExcite | spec.StaticGate
    if not isinstance(network, spec.Network) or not any(isinstance(layer, kinds) for layer in network.layers):
        raise ValueError("gate-traces: no layer of this network has gates; it is for networks with attention")
    needs.check(classifier, "gate-traces")
    layers = {name: layer for name, layer in spec.named_layers(network) if isinstance(layer, kinds)}
    run = jax.jit(_captured(classifier, network, tuple(layers)))

    def traces(variables: Variables, image: np.ndarray, key: Array) -> tuple[GateTrace, ...]:
        needs.check_image(classifier, image, 0)
        found = run(variables, image, key)
        return tuple(
            GateTrace(name, np.asarray(found[name]), getattr(layer, "delay", 0)) for name, layer in layers.items()
        )

    return traces


def _captured(
    classifier: Classifier, network: spec.Network, names: tuple[str, ...]
) -> Callable[[Variables, Array, Array], dict[str, Array]]:
    """Return `(variables, image, key) -> gates (time, channels) by layer`."""
    balanced = dataclasses.replace(classifier.preprocessing, white_level=None)
    shapes, steps = spec.shapes(network), network.steps

    def run(variables: Variables, image: Array, key: Array) -> dict[str, Array]:
        _, kept = Model(network).apply(
            models.rounded(classifier, variables),
            encoding.encode(network.encoding, image[None].astype(jnp.float32), balanced, key, steps=steps),
            rngs=running.draws(network, key),
            capture_intermediates=lambda module, method: module.name in names,
            mutable=["intermediates"],
        )
        caught: Any = kept.get("intermediates", {})
        found = {}
        for name in names:
            channels = shapes[name][-1]
            # A gate that is 1 by its spec is no module, and leaves nothing to catch.
            gate = caught[name]["__call__"][0][:, 0] if name in caught else jnp.ones((1, channels))
            found[name] = jnp.broadcast_to(gate, (steps, channels))
        return found

    return run
