"""T steps of LIF neurons behind a factor, a bias and a gate per channel, with a backward pass of their own.

Knows the equations of one step only through `neurons.lif`; knows neither Flax nor layers.

With convolution x, factor k, bias b and gate g (1 without attention), step t hears

    current g_t (k x_t),    bias g_t b.

Plain differentiation keeps several arrays of the size of all spikes per step and walks over them again for every factor.
Here nothing but x is kept: the backward pass repeats the potentials, which costs arithmetic and no memory, and from the
cotangents e_t of the current and f_t of the bias, elementwise, take sums over space alone:

    d x_t = g_t k e_t,     X_t = sum over space of e_t x_t,     F_t = sum over space of f_t,
    d k = sum_t,batch g_t X_t,     d b = sum_t,batch g_t F_t,     d g_t = k X_t + b F_t.

Where x, or g, has a time axis of length 1, its derivative is the sum over the steps.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurallnet_jax.network import neurons, surrogate

__all__ = ["Drive", "fire"]


class Drive(NamedTuple):
    """What reaches the neurons, still in factors.

    Attributes:
        value: Convolution, (time, batch, ..., channels); a time axis of length 1 is the same in every step.
        factor: (channels,), multiplies the value; None for 1.
        bias: (channels,), enters the membrane in every step.
        gate: (time, batch, channels), multiplies current and bias; time and batch may be 1; None without attention.
    """

    value: Float[Array, "time batch *space channels"]
    factor: Float[Array, " channels"] | None
    bias: Float[Array, " channels"]
    gate: Float[Array, "time batch channels"] | None = None


class _Neuron(NamedTuple):
    """What makes the neuron and is not trained; hashable."""

    v_threshold: float
    spike: surrogate.Spike
    reset: Literal["hard", "soft"]
    steps: int

    def step(self, du: Array, dv: Array) -> Callable[..., tuple[neurons.LifState, Array]]:
        return neurons.lif(du, dv, v_threshold=self.v_threshold, spike=self.spike, reset=self.reset).step


def fire(
    drive: Drive,
    du: float | Float[Array, ""],
    dv: float | Float[Array, ""],
    *,
    v_threshold: float = 1.0,
    spike: surrogate.Spike = surrogate.atan,
    reset: Literal["hard", "soft"] = "hard",
    steps: int,
) -> Float[Array, "steps batch *space channels"]:
    """Return the spikes of `steps` steps; `neurons.lif` explains the options.

    It differentiates once, backward, with respect to every array given. Spikes are those of `neurons.unroll` to the bit.

    Args:
        drive: What reaches the neurons.
        du: Decay of the synaptic current per step.
        dv: Decay of the membrane potential per step.
        v_threshold: Potential above which (strictly) a neuron spikes.
        spike: Spike function with its surrogate derivative.
        reset: `hard` or `soft`.
        steps: Number of steps.
    """
    decays = (jnp.asarray(du, drive.value.dtype), jnp.asarray(dv, drive.value.dtype))
    return _fire(_Neuron(v_threshold, spike, reset, steps), drive, decays)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _fire(neuron: _Neuron, drive: Drive, decays: tuple[Array, Array]) -> Array:
    return jnp.stack([spikes for _, spikes in _walk(neuron, drive, decays)])


def _forward(neuron: _Neuron, drive: Drive, decays: tuple[Array, Array]) -> tuple[Array, Any]:
    return _fire(neuron, drive, decays), (drive, decays)


def _backward(neuron: _Neuron, kept: tuple[Drive, tuple[Array, Array]], cotangent: Array) -> tuple[Drive, Any]:
    drive, decays = kept
    states = [_rest(drive), *(state for state, _ in _walk(neuron, drive, decays))]
    to_state = jax.tree.map(jnp.zeros_like, states[0])
    to_decays = jax.tree.map(jnp.zeros_like, decays)
    to_current: list[Array] = []
    to_bias: list[Array] = []
    for t in reversed(range(neuron.steps)):
        # The bias is spread out first, so that its cotangent is elementwise like that of the current.
        current, bias = _at_step(drive, t)
        bias = jnp.broadcast_to(bias, current.shape)
        one = lambda decays, *arrays: neuron.step(*decays)(*arrays)
        _, pull = jax.vjp(one, decays, states[t], current, bias)
        share, to_state, e, f = pull((to_state, cotangent[t]))
        to_decays = jax.tree.map(jnp.add, to_decays, share)
        to_current.insert(0, e)
        to_bias.insert(0, f)
    return _to_drive(drive, to_current, to_bias), to_decays


_fire.defvjp(_forward, _backward)


def _walk(neuron: _Neuron, drive: Drive, decays: tuple[Array, Array]) -> list[tuple[neurons.LifState, Array]]:
    """Return state and spikes after every step."""
    step, state, found = neuron.step(*decays), _rest(drive), []
    for t in range(neuron.steps):
        state, spikes = step(state, *_at_step(drive, t))
        found.append((state, spikes))
    return found


def _rest(drive: Drive) -> neurons.LifState:
    zeros = jnp.zeros(drive.value.shape[1:], drive.value.dtype)
    return neurons.LifState(zeros, zeros)


def _at_step(drive: Drive, t: int) -> tuple[Array, Array]:
    """Return current and bias of step t; the bias broadcasts against the current."""
    current = _at(drive.value, t)
    bias = drive.bias.reshape(*(1,) * (current.ndim - 1), -1)
    if drive.factor is not None:
        current = current * drive.factor.reshape(bias.shape)
    if drive.gate is None:
        return current, bias
    gate = _over_space(_at(drive.gate, t), current)
    return gate * current, gate * bias


def _to_drive(drive: Drive, to_current: list[Array], to_bias: list[Array]) -> Drive:
    """Return the derivatives of a drive from those of current and bias in every step."""
    steps, space = range(len(to_current)), tuple(range(1, drive.value.ndim - 2))
    factor = jnp.ones_like(drive.bias) if drive.factor is None else drive.factor
    gate = jnp.ones((1, 1, *drive.bias.shape), factor.dtype) if drive.gate is None else drive.gate
    scale = gate * factor[None, None]
    to_value = [_over_space(_at(scale, t), to_current[t]) * to_current[t] for t in steps]
    moment = jnp.stack([(to_current[t] * _at(drive.value, t)).sum(axis=space) for t in steps])
    total = jnp.stack([to_bias[t].sum(axis=space) for t in steps])
    to_gate = moment * factor[None, None] + total * drive.bias[None, None]
    return Drive(
        # Added one by one: a reduction over time is far slower on a CPU.
        value=jnp.stack(to_value) if drive.value.shape[0] > 1 else sum(to_value[1:], start=to_value[0])[None],
        factor=None if drive.factor is None else (gate * moment).sum(axis=(0, 1)),
        bias=(gate * total).sum(axis=(0, 1)),
        gate=None if drive.gate is None else _like(to_gate, drive.gate),
    )


def _like(derivative: Array, array: Array) -> Array:
    """Return a derivative summed over the axes along which `array` was broadcast."""
    axes = tuple(axis for axis in (0, 1) if array.shape[axis] == 1 and derivative.shape[axis] != 1)
    return derivative.sum(axis=axes, keepdims=True)


def _at(array: Array, t: int) -> Array:
    return array[t if array.shape[0] > 1 else 0]


def _over_space(per_channel: Array, like: Array) -> Array:
    """Return (batch, channels) with the axes it needs to broadcast against (batch, ..., channels)."""
    return per_channel.reshape(per_channel.shape[0], *(1,) * (like.ndim - 2), -1)
