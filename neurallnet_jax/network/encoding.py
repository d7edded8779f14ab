"""Images into input over time. Knows neither files nor layers.

The result has a leading time axis; length 1 stands for an input that is the same in every step.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt32

from neurallnet_jax.checkpoint import Preprocessing
from neurallnet_jax.network import white
from neurallnet_jax.spec import Encoding

__all__ = ["balance", "direct", "encode", "latency", "rate"]


def balance(
    pixels: Float[Array, "*n height width channels"], level: int | None
) -> Float[Array, "*n height width channels"]:
    """Return images after white balance, whole numbers; a gradient sees one factor per channel, held still.

    Args:
        pixels: Images, 0 to 255; fractions are cut off.
        level: Grey level of the background; None returns the pixels.
    """
    if level is None:
        return pixels
    whole = jax.lax.stop_gradient(pixels).astype(jnp.int32)
    scaled = pixels * (level / white.white_points(whole, jnp))
    return white.balanced(whole, level, jnp).astype(pixels.dtype) + (scaled - jax.lax.stop_gradient(scaled))


def direct(pixels: Float[Array, "*n channels"], preprocessing: Preprocessing) -> Float[Array, "1 *n channels"]:
    """Return the analogue image, `(pixel - offset) / scale`, the same in every step."""
    offset = jnp.broadcast_to(jnp.asarray(preprocessing.offset, jnp.float32), pixels.shape)
    return ((pixels - offset) / preprocessing.scale)[None]


def rate(
    pixels: Float[Array, " *n"], key: PRNGKeyArray | UInt32[Array, "2"], *, steps: int
) -> Float[Array, " steps *n"]:
    """Return Bernoulli spikes whose probability per step is the pixel's intensity, `pixel / 255`."""
    chance = jax.random.uniform(key, (steps, *pixels.shape))
    return (chance < pixels[None] / 255).astype(jnp.float32)


def latency(pixels: Float[Array, " *n"], *, steps: int) -> Float[Array, " steps *n"]:
    """Return one spike per pixel, the brighter the earlier: in step `round((1 - pixel / 255) (T - 1))`."""
    when = jnp.round((1 - pixels / 255) * (steps - 1))
    time = jnp.arange(steps).reshape(-1, *(1,) * pixels.ndim)
    return (time == when[None]).astype(jnp.float32)


def encode(
    encoding: Encoding,
    pixels: Float[Array, "batch height width channels"],
    preprocessing: Preprocessing,
    key: PRNGKeyArray | UInt32[Array, "2"],
    *,
    steps: int,
) -> Float[Array, "time batch height width channels"]:
    """Return the input of a network over time.

    Args:
        encoding: `direct`, `rate` or `latency`, see `spec.Network`.
        pixels: Images, 0 to 255.
        preprocessing: White level of every encoding; offset and scale of the direct one.
        key: Drawn from by the rate encoding only.
        steps: T.

    Raises:
        ValueError: An unknown encoding.
    """
    pixels = balance(pixels, preprocessing.white_level)
    match encoding:
        case "direct":
            return direct(pixels, preprocessing)
        case "rate":
            return rate(pixels, key, steps=steps)
        case "latency":
            return latency(pixels, steps=steps)
    raise ValueError(f"unknown encoding {encoding!r}; expected direct, rate or latency")
