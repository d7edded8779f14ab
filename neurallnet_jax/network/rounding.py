"""The rounding rule of weights: integers of N bits at one real scale per row, the same in training and conversion.

Knows an array module that it is given, NumPy or JAX's, and neither layers nor ranges; importing it imports no JAX.

With L = 2^(N - 1) - 1 levels on either side of zero and G = 2^(9 - N) integer units between two of them, a row w of
weights becomes, as round-half-to-even `rint` has it,

    scale = max |w| / (G L)        integers = G rint(w / (G scale)), at most G L either side
    rounded = max |w| (integers / (G L)) = scale integers

So eight bits are the even integers in [-254, 254], and fewer bits are fewer integers in the same range, not smaller ones:
the lowest bits are zero, as Lava's `num_weight_bits` has it for matrices of mixed sign. Thresholds and currents in the same
unit stay as fine as at eight bits.

Both sides have the same levels. So rounding commutes with the sign and, but for ties, with any factor of a row: a batch
norm behind the weights scales a row and does not change its integers. The largest weight is kept exactly, therefore
rounding what is rounded changes not one bit.
"""

from typing import Any

import numpy as np

__all__ = ["LEAST_BITS", "MOST_BITS", "check_bits", "full_scale", "grain", "levels", "rounded", "whole"]

LEAST_BITS, MOST_BITS = 2, 8
"""Of a weight, sign included: below two there is no level, above eight the even integers leave [-256, 254]."""


def check_bits(bits: Any) -> int:
    """Return `bits`.

    Raises:
        ValueError: They are no whole number of `LEAST_BITS` to `MOST_BITS`.
    """
    if not isinstance(bits, int) or isinstance(bits, bool) or not LEAST_BITS <= bits <= MOST_BITS:
        raise ValueError(
            f"weights of {bits!r} bits; expected a whole number in {LEAST_BITS}..{MOST_BITS}, sign included"
        )
    return bits


def levels(bits: int) -> int:
    """Return the number of levels on either side of zero."""
    return 2 ** (check_bits(bits) - 1) - 1


def grain(bits: int) -> int:
    """Return the integer units from one level to the next."""
    return 2 ** (MOST_BITS + 1 - check_bits(bits))


def full_scale(real: Any, bits: int = MOST_BITS, *, axis: Any = -1, xp: Any = np) -> Any:
    """Return the real value of one integer unit at which the weights fill their range; 0 where all weights are 0.

    Args:
        real: Weights.
        bits: Of a weight, sign included.
        axis: Axes of a row, kept with length 1; None for one scale of all.
        xp: Array module.
    """
    return xp.abs(real).max(axis=axis, keepdims=True, initial=0) / (grain(bits) * levels(bits))


def whole(real: Any, scale: Any, bits: int = MOST_BITS, *, xp: Any = np) -> Any:
    """Return weights as integers, multiples of the grain, of the dtype of `real`.

    Args:
        real: Weights.
        scale: Real value of one integer unit, above zero; broadcasts against `real`.
        bits: Of a weight, sign included.
        xp: Array module.
    """
    most, step = levels(bits), grain(bits)
    return step * xp.clip(xp.rint(real / (step * scale)), -most, most)


def rounded(real: Any, bits: int, *, axis: Any = -1, xp: Any = np) -> Any:
    """Return the real weights that the integers at full scale stand for, of the shape and dtype of `real`.

    Args:
        real: Weights.
        bits: Of a weight, sign included.
        axis: Axes of a row; None for one scale of all.
        xp: Array module.
    """
    scale = full_scale(real, bits, axis=axis, xp=xp)
    integers = whole(real, xp.where(scale > 0, scale, 1), bits, xp=xp)
    # Not times `scale`: so the largest weight comes back as it was.
    return xp.abs(real).max(axis=axis, keepdims=True, initial=0) * (integers / (grain(bits) * levels(bits)))
