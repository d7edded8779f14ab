"""Maps of a layer at the size of the image. Knows neither layers nor methods."""

import jax
from jaxtyping import Array, Float

__all__ = ["to_image"]


def to_image(maps: Float[Array, "n height width"], size: tuple[int, int]) -> Float[Array, "n rows columns"]:
    """Return maps at the size of an image, bilinearly between the centres of their cells; it never leaves their range.

    Args:
        maps: Maps of a layer.
        size: Height and width of the image, pixels; at least those of the maps.
    """
    return jax.image.resize(maps, (maps.shape[0], *size), "linear")
