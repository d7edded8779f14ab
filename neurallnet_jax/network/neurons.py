"""Neurons as pairs of pure functions `(init, step)`. Knows neither layers nor time loops beyond `unroll`.

The LIF, as Lava's `floating_pt` model computes it, with current a and bias b:

    u = (1 - du) u + a
    v = (1 - dv) v + u + b
    s = 1 if v > v_threshold else 0
    v = 0 where s = 1   (hard reset)   or   v = v - v_threshold s   (soft reset);   u is kept

An attention gate g multiplies the current and the bias before they reach the neuron: `g a`, `g b`.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurallnet_jax.network import surrogate

__all__ = ["LifState", "Neuron", "Shape", "lif", "unroll"]

Shape: TypeAlias = tuple[Any, ...]
"""Whole numbers, or, while `jax.export` traces for any batch size, symbols that stand for them."""


class LifState(NamedTuple):
    """Synaptic current `u` and membrane potential `v`, dimensionless."""

    u: Float[Array, "*n"]
    v: Float[Array, "*n"]


class Neuron(NamedTuple):
    """A neuron: `init(shape) -> state` and `step(state, current, bias) -> (state, spikes)`."""

    init: Callable[[Shape], LifState]
    step: Callable[[LifState, Array, Array | float], tuple[LifState, Array]]


def lif(
    du: float | Float[Array, ""],
    dv: float | Float[Array, ""],
    *,
    v_threshold: float = 1.0,
    spike: surrogate.Spike = surrogate.atan,
    reset: Literal["hard", "soft"] = "hard",
) -> Neuron:
    """Return leaky integrate-and-fire neurons; the equations stand at the head of this module.

    Args:
        du: Decay of the synaptic current per step, in [0, 1].
        dv: Decay of the membrane potential per step, in [0, 1].
        v_threshold: Potential above which (strictly) a neuron spikes.
        spike: Spike function with its surrogate derivative.
        reset: `hard` sets the potential to zero, `soft` subtracts the threshold.

    Returns:
        The pair of functions.
    """

    def init(shape: Shape) -> LifState:
        return LifState(u=jnp.zeros(shape), v=jnp.zeros(shape))

    def step(state: LifState, current: Array, bias: Array | float) -> tuple[LifState, Array]:
        u = (1 - du) * state.u + current
        v = (1 - dv) * state.v + u + bias
        spikes = spike(v - v_threshold)
        # The reset is a fact about the neuron, not a path for learning.
        fired = jax.lax.stop_gradient(spikes)
        v = v * (1 - fired) if reset == "hard" else v - v_threshold * fired
        return LifState(u=u, v=v), spikes

    return Neuron(init, step)


def unroll(
    neuron: Neuron,
    current: Float[Array, "time batch *n"],
    bias: Float[Array, "time batch *n"] | Float[Array, "..."],
    *,
    steps: int,
) -> Float[Array, "steps batch *n"]:
    """Return the spikes of `steps` steps; a Python loop, because a `lax.scan` of few steps is slower.

    Args:
        neuron: The neuron.
        current: Current per step; a time axis of length 1 stands for a current that is the same in every step.
        bias: Bias per step, broadcast against one step of the current; its time axis may have length 1 as well.
        steps: Number of steps.

    Returns:
        Spikes in {0, 1}.
    """
    state = neuron.init(current.shape[1:])
    spikes = []
    for t in range(steps):
        state, fired = neuron.step(state, _at(current, t), _at(bias, t))
        spikes.append(fired)
    return jnp.stack(spikes)


def _at(array: Array, t: int) -> Array:
    return array[t if array.shape[0] > 1 else 0]
