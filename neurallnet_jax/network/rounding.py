"""The rounding rule of weights: even integers of N bits at one real scale per row, the same in training and conversion.

Knows an array module that it is given, NumPy or JAX's, and neither layers nor ranges; importing it imports no JAX.

With L = 2^(N - 1) - 1 levels on either side, a row w of weights becomes, as round-half-to-even `rint` has it,

    scale = max |w| / (2 L)        integers = 2 rint(w / (2 scale)), at most 2 L either side
    rounded = max |w| (integers / (2 L)) = scale integers

Both sides have the same levels. So rounding commutes with the sign and, but for ties, with any factor of a row: a batch
norm behind the weights scales a row and does not change its integers. The largest weight is kept exactly, therefore
rounding what is rounded changes not one bit.
"""

from typing import Any

import numpy as np

__all__ = ["LEAST_BITS", "MOST_BITS", "check_bits", "full_scale", "levels", "rounded", "whole"]

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


def full_scale(real: Any, bits: int = MOST_BITS, *, axis: Any = -1, xp: Any = np) -> Any:
    """Return the real value of one integer unit at which the weights fill their range; 0 where all weights are 0.

    Args:
        real: Weights.
        bits: Of a weight, sign included.
        axis: Axes of a row, kept with length 1; None for one scale of all.
        xp: Array module.
    """
    return xp.abs(real).max(axis=axis, keepdims=True, initial=0) / (2 * levels(bits))


def whole(real: Any, scale: Any, bits: int = MOST_BITS, *, xp: Any = np) -> Any:
    """Return weights as even integers, of the dtype of `real`.

    Args:
        real: Weights.
        scale: Real value of one integer unit, above zero; broadcasts against `real`.
        bits: Of a weight, sign included.
        xp: Array module.
    """
    most = levels(bits)
    return 2 * xp.clip(xp.rint(real / (2 * scale)), -most, most)


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
    return xp.abs(real).max(axis=axis, keepdims=True, initial=0) * (integers / (2 * levels(bits)))
