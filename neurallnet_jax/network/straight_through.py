"""Parameters as rounded weights see them: kernels rounded forward, gradients passed straight through.

Knows specs and JAX; neither models nor training. Which weights share a scale is what `lava_port.quantise` does: one per
output channel, and one for all outputs of the dense layer that the read-out hears, whose sums are compared.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurallnet_jax import spec
from neurallnet_jax.network import rounding

__all__ = ["check", "round_kernels", "straight_through"]


def straight_through(real: Array, stepped: Array) -> Array:
    """Return `stepped`, to the bit, with the gradient of `real`.

    Forward:   stepped.
    Backward:  the cotangent, as if nothing had been rounded.

    References:
        Bengio, Leonard and Courville (2013), arXiv:1308.3432.
    """
    # The difference is exactly zero, so it changes no bit of the other term.
    return jax.lax.stop_gradient(stepped) + (real - jax.lax.stop_gradient(real))


def round_kernels(params: Any, network: spec.Network, bits: int) -> Any:
    """Return parameters with the kernels of convolutions and dense layers rounded; gates and norms stay as they are.

    Args:
        params: Parameters of the network's model.
        network: The network.
        bits: Of a weight, sign included.
    """
    shared = spec.last_dense(network)
    result = dict(params)
    for name, layer in spec.named_layers(network):
        if isinstance(layer, spec.Conv | spec.Dense):
            kernel = params[name]["kernel"]
            axis = None if name == shared else tuple(range(kernel.ndim - 1))
            stepped = rounding.rounded(kernel, bits, axis=axis, xp=jnp)
            result[name] = {**params[name], "kernel": straight_through(kernel, stepped)}
    return result


def check(network: spec.Network, bits: int) -> None:
    """Refuse a network whose integers are not those of its rounded kernels.

    Raises:
        ValueError: Too few or too many bits, or a layer that conversion folds into a kernel as more than a factor per
            channel; the message names it.
    """
    rounding.check_bits(bits)
    last = spec.last_dense(network)
    before = ""
    for name, layer in spec.named_layers(network):
        if isinstance(layer, spec.AveragePool):
            raise ValueError(
                f"layer '{name}': conversion folds an average pool into the kernel before it, which weights rounded in "
                "training do not survive; use strides, or train without weight bits"
            )
        if isinstance(layer, spec.BatchNorm) and before == last:
            raise ValueError(
                f"layer '{name}': stands behind '{last}', whose outputs share one scale, and would give each its own; "
                "leave it out, or train without weight bits"
            )
        before = name
