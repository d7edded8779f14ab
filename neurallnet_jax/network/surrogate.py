"""Spike functions: a step forward, a smooth derivative backward. Knows neither neurons nor layers.

Every function spikes strictly above zero, and its surrogate derivative has unit area, so that exchanging one for another
changes the shape of the gradient and not its scale.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["SURROGATES", "Spike", "atan", "fast_sigmoid", "sigmoid", "triangle"]

Spike: TypeAlias = Callable[[Float[Array, "*n"]], Float[Array, "*n"]]


def _step_with(derivative: Callable[[Array, float], Array]) -> Callable[[Array, float], Array]:
    def step(overshoot: Array, width: float) -> Array:
        return (overshoot > 0).astype(overshoot.dtype)

    def forward(overshoot: Array, width: float) -> tuple[Array, Array]:
        return step(overshoot, width), overshoot

    def backward(width: float, overshoot: Array, cotangent: Array) -> tuple[Array]:
        return (cotangent * derivative(overshoot, width),)

    spike = jax.custom_vjp(step, nondiff_argnums=(1,))
    spike.defvjp(forward, backward)
    return spike


_triangle = _step_with(lambda x, half_width: jnp.maximum(0.0, 1.0 - jnp.abs(x) / half_width) / half_width)
_atan = _step_with(lambda x, width: 1.0 / (width * (1.0 + jnp.square(jnp.pi * x / width))))
_fast_sigmoid = _step_with(lambda x, width: 1.0 / (2.0 * width * jnp.square(1.0 + jnp.abs(x) / width)))
_sigmoid = _step_with(lambda x, width: jax.nn.sigmoid(x / width) * jax.nn.sigmoid(-x / width) / width)


def triangle(overshoot: Float[Array, "*n"], half_width: float = 1.0) -> Float[Array, "*n"]:
    """Spike where the membrane lies above threshold; triangular surrogate derivative.

    Forward:   1 if overshoot > 0, else 0.
    Backward:  max(0, 1 - |overshoot| / half_width) / half_width.

    Args:
        overshoot: Membrane potential minus threshold, dimensionless.
        half_width: Distance from threshold at which the gradient vanishes.

    Returns:
        Spikes in {0, 1}, same shape and dtype as `overshoot`.

    References:
        Esser et al. (2016), PNAS 113(41), arXiv:1603.08270.
    """
    return _triangle(overshoot, half_width)


def atan(overshoot: Float[Array, "*n"], width: float = 1.0) -> Float[Array, "*n"]:
    """Spike where the membrane lies above threshold; derivative of an arc tangent.

    Forward:   1 if overshoot > 0, else 0.
    Backward:  1 / (width (1 + (pi overshoot / width)^2)).

    Args:
        overshoot: Membrane potential minus threshold, dimensionless.
        width: Reciprocal of the derivative at threshold.

    Returns:
        Spikes in {0, 1}, same shape and dtype as `overshoot`.

    References:
        Fang et al. (2021), ICCV, arXiv:2007.05785.
    """
    return _atan(overshoot, width)


def fast_sigmoid(overshoot: Float[Array, "*n"], width: float = 0.5) -> Float[Array, "*n"]:
    """Spike where the membrane lies above threshold; derivative of a fast sigmoid.

    Forward:   1 if overshoot > 0, else 0.
    Backward:  1 / (2 width (1 + |overshoot| / width)^2).

    Args:
        overshoot: Membrane potential minus threshold, dimensionless.
        width: Distance from threshold at which the gradient has fallen to a quarter.

    Returns:
        Spikes in {0, 1}, same shape and dtype as `overshoot`.

    References:
        Zenke and Ganguli (2018), Neural Computation 30(6), arXiv:1705.11146.
    """
    return _fast_sigmoid(overshoot, width)


def sigmoid(overshoot: Float[Array, "*n"], width: float = 0.25) -> Float[Array, "*n"]:
    """Spike where the membrane lies above threshold; derivative of a logistic function.

    Forward:   1 if overshoot > 0, else 0.
    Backward:  sigma(overshoot / width) sigma(-overshoot / width) / width.

    Args:
        overshoot: Membrane potential minus threshold, dimensionless.
        width: Scale of the logistic function.

    Returns:
        Spikes in {0, 1}, same shape and dtype as `overshoot`.

    References:
        Neftci, Mostafa and Zenke (2019), IEEE Signal Processing Magazine 36(6), arXiv:1901.09948.
    """
    return _sigmoid(overshoot, width)


SURROGATES: Mapping[str, Spike] = {
    "triangle": triangle,
    "atan": atan,
    "fast_sigmoid": fast_sigmoid,
    "sigmoid": sigmoid,
}
