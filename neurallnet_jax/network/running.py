"""A `spec.Network` as the pure functions that run it. Knows neither pixels nor training."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurallnet_jax import spec
from neurallnet_jax.network import straight_through
from neurallnet_jax.network.model import SHUFFLE_KEY, Model, Part
from neurallnet_jax.runnable import Output, Runnable, Variables, known

__all__ = ["as_run", "draws", "runnable"]


def runnable(network: spec.Network, weight_bits: int | None = None) -> Runnable:
    """Return what runs a network of our own layers.

    Args:
        network: The network.
        weight_bits: Bits that kernels are rounded to before they run, gradients straight through; None: to none.

    Raises:
        ValueError: Rounded kernels do not suit it; the message names the layer.
    """
    if weight_bits is not None:
        straight_through.check(network, weight_bits)
    model = Model(network)

    def apply(variables: Variables, inputs: Array, key: Array) -> Output:
        kernels = as_run(variables, network, weight_bits)
        return model.apply(kernels, inputs, rngs=draws(network, key))  # pyright: ignore[reportReturnType]

    def train(variables: Variables, inputs: Array, key: Array) -> tuple[Output, Any]:
        kernels = as_run(variables, network, weight_bits)
        output, updates = model.apply(kernels, inputs, train=True, mutable=["batch_stats"], rngs=draws(network, key))
        return output, updates.get("batch_stats", {})  # pyright: ignore[reportAttributeAccessIssue]

    def features(variables: Variables, inputs: Array, key: Array, layer: str) -> Array:
        part = Part(network, until=known(layer, layers))
        kernels = as_run(variables, network, weight_bits)
        return part.apply(kernels, inputs, rngs=draws(network, key))  # pyright: ignore[reportReturnType]

    def tail(variables: Variables, features: Array, key: Array, layer: str) -> Array:
        part = Part(network, after=known(layer, layers))
        kernels = as_run(variables, network, weight_bits)
        return part.apply(kernels, features, rngs=draws(network, key))  # pyright: ignore[reportReturnType]

    layers = tuple(
        name
        for name, layer in spec.named_layers(network)
        if isinstance(layer, spec.Lif | spec.Relu) and len(spec.shapes(network)[name]) == 3
    )
    ends = [type(layer) for layer in network.layers[-4:]]
    pools = ends[1:] == [spec.GlobalAverage, spec.Dense, spec.Readout] and ends[0] in (spec.Lif, spec.Relu)
    return Runnable(
        initial=partial(_initial, network),
        # Shapes alone, because drawing initial weights takes seconds to compile.
        shapes=lambda: jax.eval_shape(partial(_initial, network), jax.random.key(0)),
        apply=apply,
        train=train,
        layers=layers,
        pooled=layers[-1] if pools else None,
        features=features,
        tail=tail,
        trained=tuple(name for name, _ in spec.named_layers(network)),
    )


def draws(network: spec.Network, key: Array) -> dict[str, Array] | None:
    """Return the keys that a network draws from at rest and in training; None where it draws nothing."""
    return {SHUFFLE_KEY: jax.random.fold_in(key, 1)} if network.shuffles != "none" else None


def as_run(variables: Variables, network: spec.Network, weight_bits: int | None) -> Variables:
    """Return variables with the kernels that run: rounded ones where there are weight bits."""
    if weight_bits is None:
        return variables
    return {**variables, "params": straight_through.round_kernels(variables["params"], network, weight_bits)}


@partial(jax.jit, static_argnums=0)
def _initial(network: spec.Network, key: Array) -> Variables:
    time = 1 if network.encoding == "direct" else network.steps
    variables = Model(network).init(key, jnp.zeros((time, 1, *network.image_size, network.channels)))
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}
