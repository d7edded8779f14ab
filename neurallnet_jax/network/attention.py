"""Squeeze-and-excitation gates over time, as pure functions. Knows neither Flax nor neurons.

A gate g in [0, 1] per channel and step, from the mean m of a layer's current over space (its bias included):

    g = hard_sigmoid(W2 relu(W1 m + b1) + b2),    hard_sigmoid(x) = clip(x / 6 + 1/2, 0, 1)

On hardware the mean has to travel: with `delay = k` step t is gated by the mean of step t - k, and by a learned gate per
channel before one has arrived.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt32

__all__ = ["GateWeights", "delayed", "excite", "hard_sigmoid", "shuffled", "squeeze"]


class GateWeights(NamedTuple):
    """Weights of the two dense layers of a gate."""

    reduce_kernel: Float[Array, "channels hidden"]
    reduce_bias: Float[Array, " hidden"]
    excite_kernel: Float[Array, "hidden channels"]
    excite_bias: Float[Array, " channels"]


def hard_sigmoid(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return `clip(x / 6 + 1/2, 0, 1)`, the sigmoid that integer hardware can compute."""
    return jnp.clip(x / 6 + 0.5, 0, 1)


def squeeze(
    current: Float[Array, "time batch *space channels"],
    bias: Float[Array, " channels"],
    factor: Float[Array, " channels"] | None = None,
) -> Float[Array, "time batch channels"]:
    """Return the mean of a current over space, if it has any, times a factor, plus its bias."""
    mean = current.mean(axis=tuple(range(2, current.ndim - 1)))
    return (mean if factor is None else mean * factor[None, None]) + bias[None, None]


def excite(mean: Float[Array, "time batch channels"], weights: GateWeights) -> Float[Array, "time batch channels"]:
    """Return the gate of every step and channel, in [0, 1].

    Args:
        mean: What `squeeze` returned.
        weights: Weights of the two dense layers.

    References:
        Hu, Shen and Sun (2018), CVPR, arXiv:1709.01507; hard sigmoid: Courbariaux et al. (2015), arXiv:1511.00363.
    """
    hidden = jax.nn.relu(mean @ weights.reduce_kernel + weights.reduce_bias[None, None])
    return hard_sigmoid(hidden @ weights.excite_kernel + weights.excite_bias[None, None])


def delayed(
    gate: Float[Array, "time batch channels"], initial: Float[Array, " channels"], *, delay: int, steps: int
) -> Float[Array, "steps batch channels"]:
    """Return the gates as the neurons see them: `initial` for `delay` steps, then those of `delay` steps earlier.

    Args:
        gate: Gates as computed; a time axis of length 1 stands for gates that are the same in every step.
        initial: Learned gates, in [0, 1].
        delay: Steps between the statistics and the gate, at least 1 and below `steps`.
        steps: T.
    """
    before = jnp.broadcast_to(initial, (delay, *gate.shape[1:]))
    after = jnp.broadcast_to(gate[: steps - delay], (steps - delay, *gate.shape[1:]))
    return jnp.concatenate([before, after])


def shuffled(
    gate: Float[Array, "time batch channels"],
    over: Literal["images", "channels"],
    key: PRNGKeyArray | UInt32[Array, "2"],
) -> Float[Array, "time batch channels"]:
    """Return the same gates at the wrong places, the same exchange in every step: a control for what gates tell.

    `images`: the batch is put on a ring in random order, and every image gets the gates of its neighbour on it; so none
    keeps its own unless it is alone. `channels`: each image's gates in a random order of channels, another one for each.

    Args:
        gate: What `excite` returned.
        over: What is shuffled.
        key: Draws the order.
    """
    _, batch, channels = gate.shape
    if over == "images":
        ring = jax.random.permutation(key, batch)
        source = jnp.zeros_like(ring).at[ring].set(jnp.roll(ring, 1))
        return gate[:, source]
    order = jax.random.uniform(key, (batch, channels)).argsort(axis=-1)
    return jnp.take_along_axis(gate, jnp.broadcast_to(order[None], gate.shape), axis=-1)
