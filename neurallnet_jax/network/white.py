"""White balance: the light and tint of an image's background brought to one level, in whole numbers.

Knows an array module that it is given, NumPy or JAX's, and no model; importing it imports no JAX. Training, both
interpreters, the emulator and Lava's host share this rule, so that all of them see the same pixels to the bit.

The white point of a channel is its 90th percentile: the greatest grey level w that at least a tenth of the pixels reach,
which on a smear is the background between the cells. With level L every pixel x becomes

    min(255, floor((2 L x + w) / (2 w)))

that is L x / w, rounded half up. The white point itself becomes L, so balancing what is balanced changes not one bit.

References:
    von Kries (1902), as in Finlayson et al. (1994), J. Opt. Soc. Am. A 11(11):3011-3019: a change of light is taken
    for one factor per channel.
"""

from typing import Any

__all__ = ["BRIGHTEST", "balanced", "white_points"]

BRIGHTEST = 10
"""One pixel in this many reaches the white point."""


def white_points(pixels: Any, xp: Any) -> Any:
    """Return the white point of every channel of every image, at least 1; int32 (..., 1, 1, channels).

    Args:
        pixels: Grey levels 0..255, integers (..., height, width, channels).
        xp: `numpy` or `jax.numpy`.
    """
    wanted = -(-pixels.shape[-3] * pixels.shape[-2] // BRIGHTEST)
    found = xp.zeros((*pixels.shape[:-3], 1, 1, pixels.shape[-1]), xp.int32)
    # Bit by bit from above: eight counts, where sorting would cost more.
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        enough = (pixels >= found + bit).sum(axis=(-3, -2), keepdims=True) >= wanted
        found = xp.where(enough, found + bit, found)
    return xp.maximum(found, 1)


def balanced(pixels: Any, level: int | None, xp: Any) -> Any:
    """Return images whose background has the given level in every channel; int32, or the pixels as they are.

    Args:
        pixels: Grey levels 0..255, integers (..., height, width, channels).
        level: L; None returns the pixels.
        xp: `numpy` or `jax.numpy`.
    """
    if level is None:
        return pixels
    whole = pixels.astype(xp.int32)
    white = white_points(whole, xp)
    return xp.minimum(255, (2 * level * whole + white) // (2 * white))
