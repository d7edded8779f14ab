"""Where the heat lies: inside cells that others marked, on the scale bar, on the empty slide.

Knows heat maps and regions as arrays; neither how a region was found nor what a model is.
"""

from dataclasses import dataclass

import numpy as np

from neurallnet_jax.explain import ranks
from neurallnet_jax.explain.attribution import Attribution

__all__ = ["Located", "Share", "coverage", "locate", "share"]


@dataclass(frozen=True)
class Located:
    """How a heat map meets a mask.

    Attributes:
        area: Share of the image that the mask covers: what each of the next two would be of a map that knows nothing.
        hit: Share of the hottest pixels, one as a rule, that lie inside: the pointing game.
        inside: Share of the evidence inside; None where the map holds none.
        iou: Intersection over union of the mask and as many of the hottest pixels as it has.
    """

    area: float
    hit: float
    inside: float | None
    iou: float


@dataclass(frozen=True)
class Share:
    """What part of the evidence lies on a region.

    Attributes:
        heat: Share of the evidence; None where the map holds none.
        area: Share of the image that the region covers, 0 where there is none.
    """

    heat: float | None
    area: float


def coverage(mask: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Return what share of every pixel of an image of another size a mask covers, float64 (height, width).

    Args:
        mask: bool, of any size.
        image_size: Height and width wanted.
    """
    height, width = image_size
    result = np.asarray(mask, np.float64)
    for axis, wanted in ((0, height), (1, width)):
        result = np.moveaxis(np.tensordot(_shares(result.shape[axis], wanted), result, (1, axis)), 0, axis)
    return result


def locate(found: Attribution, mask: np.ndarray, *, seed: int = 0) -> Located:
    """Return how a heat map meets a mask.

    Args:
        found: The map.
        mask: bool (height, width) of the map, with at least one pixel.
        seed: Of the order in which pixels of equal heat are taken.

    Raises:
        ValueError: The mask has another size or holds nothing.

    References:
        Zhang et al. (2018), Top-Down Neural Attention by Excitation Backprop, Int. J. Comput. Vis. 126:1084-1102,
            arXiv:1608.00507: the pointing game.
        Wang et al. (2020), Score-CAM, CVPR workshops, arXiv:1910.01279: the share of energy inside.
    """
    if mask.shape != found.heat.shape or not mask.any():
        raise ValueError(f"the mask is {mask.shape} with {int(mask.sum())} pixels; the heat map is {found.heat.shape}")
    count = int(mask.sum())
    hottest = ranks.order(found.heat, np.random.default_rng(seed)) < count
    both = int((hottest & mask).sum())
    return Located(
        area=count / mask.size,
        hit=float(mask[found.heat == found.heat.max()].mean()),
        inside=share(found, mask.astype(np.float64)).heat,
        iou=both / (2 * count - both),
    )


def share(found: Attribution, covered: np.ndarray) -> Share:
    """Return what share of the evidence lies on a region: sum(max(heat, 0) covered) / sum(max(heat, 0)).

    Args:
        found: The map.
        covered: Share of every pixel that the region covers, (height, width), 0 to 1.
    """
    heat = ranks.evidence(found)
    total = heat.sum()
    return Share(float((heat * covered).sum() / total) if total > 0 else None, float(covered.mean()))


def _shares(have: int, want: int) -> np.ndarray:
    """Return what part of each of `want` equal stretches every one of `have` equal ones fills, (want, have)."""
    edges, wanted = np.linspace(0, 1, have + 1), np.linspace(0, 1, want + 1)
    low = np.maximum(edges[None, :-1], wanted[:-1, None])
    high = np.minimum(edges[None, 1:], wanted[1:, None])
    return np.maximum(high - low, 0) * want
