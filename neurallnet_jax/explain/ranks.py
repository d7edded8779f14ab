"""Heat maps as orders of pixels: which come first, how two orders agree, and what part of the heat speaks for the class.

Knows arrays; neither models nor images.
"""

import numpy as np

from neurallnet_jax.explain.attribution import Attribution

__all__ = ["evidence", "order", "spearman"]


def order(heat: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the place of every pixel when they are taken by falling heat, int32 (height, width), the first 0.

    Pixels of equal heat are taken in an order that is drawn: row by row, a flat map would begin at the top.

    Args:
        heat: (height, width).
        generator: Draws the order of ties.
    """
    ties = generator.permutation(heat.size)
    places = np.empty(heat.size, np.int32)
    places[np.lexsort((ties, -heat.ravel()))] = np.arange(heat.size, dtype=np.int32)
    return places.reshape(heat.shape)


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Return the rank correlation of two maps of one shape; ties share their mean rank.

    A flat map orders nothing: two of them agree (1), and one agrees with no other map (0).

    References:
        Spearman (1904), Am. J. Psychol. 15(1):72-101.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"maps have shapes {first.shape} and {second.shape}; only maps of one image have a correlation"
        )
    one, two = (ranks - ranks.mean() for ranks in (_ranks(first), _ranks(second)))
    scale = np.sqrt((one @ one) * (two @ two))
    if scale == 0:
        return float(not one.any() and not two.any())
    return float(one @ two / scale)


def evidence(found: Attribution) -> np.ndarray:
    """Return what speaks for the class, float64 (height, width), at least 0: of a signed map the part above zero."""
    return np.maximum(np.asarray(found.heat, np.float64), 0)


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse.ravel()]
