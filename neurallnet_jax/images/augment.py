"""Random transforms of a batch of images inside jit, one independent draw per image.

Knows arrays and keys; knows neither files, nor labels, nor models.
"""

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from neurallnet_jax.config import Augmentation

__all__ = ["STAINS", "Draws", "apply", "augment", "draw", "mix"]

Images: TypeAlias = Shaped[Array | np.ndarray, "batch height width 3"]

_BLUE, _EOSIN = (0.834750233, 0.513556283, 0.196330403), (0.092789, 0.954111, 0.283111)

STAINS = np.array([_BLUE, _EOSIN, np.cross(_BLUE, _EOSIN) / np.linalg.norm(np.cross(_BLUE, _EOSIN))])
"""Optical density per red, green and blue of unit amounts of methylene blue, of eosin, and of what neither explains.

The first two are the Giemsa vectors of G. Landini's Colour Deconvolution plugin for ImageJ, the third is perpendicular
to both; the space is that of Ruifrok & Johnston (2001), Anal. Quant. Cytol. Histol. 23(4):291-299.
"""


class Draws(NamedTuple):
    """What was drawn for each image of a batch; equations in `apply`.

    Attributes:
        mirror: Whether rows and columns run backwards.
        transpose: Whether rows and columns are exchanged, before everything else.
        shift: Shift of the content along rows and columns, fraction of the extent.
        scale: Magnification, the same along both axes.
        gain: Factor per channel.
        offset: Addend per channel, grey levels.
        stain_gain: Factor per stain, in the order of `STAINS`.
        stain_offset: Addend per stain, optical density.
        sharpness: Multiple of an image's difference from its blurred self that is added to it; -1 leaves the blurred one.
    """

    mirror: Bool[Array, "batch 2"]
    transpose: Bool[Array, " batch"]
    shift: Float[Array, "batch 2"]
    scale: Float[Array, " batch"]
    gain: Float[Array, "batch 3"]
    offset: Float[Array, "batch 3"]
    stain_gain: Float[Array, "batch 3"]
    stain_offset: Float[Array, "batch 3"]
    sharpness: Float[Array, " batch"]


def draw(key: Array, count: int, settings: Augmentation) -> Draws:
    """Return one independent draw per image.

    The draw of image i depends on the key, i and the settings, not on the size of the batch.

    Args:
        key: PRNG key.
        count: Number of images.
        settings: Strengths.
    """
    one = lambda index: jax.random.uniform(jax.random.fold_in(key, index), (19,))
    uniform = jax.vmap(one)(jnp.arange(count))
    sides, transpose, shift, scale, gain, offset, stain_gain, stain_offset, sharpness = jnp.split(
        uniform, (2, 3, 5, 6, 9, 12, 15, 18), axis=1
    )
    sides, transpose = sides < 0.5, (transpose[:, 0] < 0.5) & settings.quarter_turns
    if not settings.flip:
        # Turns without mirror images: two mirrors make a half turn, and a transposition takes exactly one.
        first = sides[:, 0] & settings.quarter_turns
        sides = jnp.stack([first, first ^ transpose], axis=1)
    low, high = settings.scale
    return Draws(
        mirror=sides,
        transpose=transpose,
        shift=settings.shift * (2 * shift - 1),
        scale=low + (high - low) * scale[:, 0],
        gain=1 + settings.gain * (2 * gain - 1),
        offset=255 * settings.offset * (2 * offset - 1),
        stain_gain=1 + settings.stain * (2 * stain_gain - 1),
        stain_offset=settings.stain * (2 * stain_offset - 1),
        sharpness=settings.sharpness * (2 * sharpness[:, 0] - 1),
    )


def apply(images: Images, draws: Draws, settings: Augmentation) -> Float[Array, "batch height width 3"]:
    """Return the images transformed by given draws; what `settings` switches off costs nothing.

    First rows and columns are exchanged where `transpose` says so. Then along each axis of extent n with centre
    c = (n - 1) / 2, output pixel i is read at

        clip(c + m (i - c) / scale - shift n, 0, n - 1),    m = -1 where mirrored, else 1,

    linearly between the two pixels around it, so that beyond the edge the border repeats. Focus follows: with B the
    binomial blur (1, 4, 6, 4, 1) / 16 along both axes, whose standard deviation is one pixel,

        x' = x + sharpness (x - B x).

    Colour comes last: with optical density d = -ln((x + 1) / 256) and stain matrix S = `STAINS`,

        d' = ((d S^-1) stain_gain + stain_offset) S,    x' = 256 exp(-d') - 1,    y = clip(gain x' + offset, 0, 255).

    Args:
        images: Grey levels 0..255 of any dtype.
        draws: One draw per image.
        settings: The strengths the draws were made with.

    Raises:
        ValueError: Quarter turns are asked for and the images are not square.
    """
    height, width = images.shape[1:3]
    if settings.quarter_turns and height != width:
        raise ValueError(
            f"images are {height} x {width}, and quarter turns need square ones; "
            "crop them or set quarter_turns=False (flip=True still gives half turns)"
        )
    result = jnp.asarray(images)
    if settings.quarter_turns:
        result = jnp.where(draws.transpose[:, None, None, None], result.swapaxes(1, 2), result)
    result = result.astype(jnp.float32)
    if settings.flip or settings.quarter_turns or settings.resamples:
        # Whole rows are gathered, which is fast; columns are the rows of the transposed images. The barriers keep XLA
        # from fusing one gather into the other, which would compute every pixel of the first many times.
        barrier = jax.lax.optimization_barrier
        mirror, shift = draws.mirror, draws.shift
        result = _along_rows(barrier(result), mirror[:, 0], shift[:, 0], draws.scale, settings.resamples)
        result = barrier(result.swapaxes(1, 2))
        result = _along_rows(result, mirror[:, 1], shift[:, 1], draws.scale, settings.resamples)
        result = barrier(result.swapaxes(1, 2))
    if settings.sharpness:
        result = result + draws.sharpness[:, None, None, None] * (result - _blurred(result))
        # What sharpening throws beyond black or white has no optical density.
        result = jnp.clip(result, 0.0, 255.0)
    if settings.stain:
        result = _restain(result, draws.stain_gain, draws.stain_offset)
    if settings.gain or settings.offset:
        result = draws.gain[:, None, None, :] * result + draws.offset[:, None, None, :]
    return jnp.clip(result, 0.0, 255.0)


def augment(key: Array, images: Images, settings: Augmentation) -> Float[Array, "batch height width 3"]:
    """Return the images, each transformed by a draw of its own; pure, for use inside jit with `settings` static.

    Args:
        key: PRNG key; the same key gives the same images.
        images: Grey levels 0..255 of any dtype.
        settings: Strengths; `config.NO_AUGMENTATION` returns the images as float32.

    Returns:
        Grey levels 0..255.

    Raises:
        ValueError: Quarter turns are asked for and the images are not square.

    References:
        Stain jitter: Tellez et al. (2018), IEEE Trans. Med. Imaging 37(9):2126-2136, arXiv:1808.05896.
    """
    return apply(images, draw(key, images.shape[0], settings), settings)


def mix(
    key: Array, images: Float[Array, "batch height width 3"], strength: float
) -> tuple[Float[Array, "batch height width 3"], Int[Array, " batch"], Float[Array, ""]]:
    """Return each image blended with another of the batch: `share x_i + (1 - share) x_partner(i)`.

    Args:
        key: PRNG key.
        images: Grey levels.
        strength: Both parameters of the beta distribution that `share` is drawn from, once per batch; 0 blends nothing.

    Returns:
        Images, the partner of each, and the share of its own in [0, 1]; the loss is blended in the same way.

    References:
        Zhang et al. (2018), ICLR, arXiv:1710.09412.
    """
    share_key, order_key = jax.random.split(key)
    partner = jax.random.permutation(order_key, images.shape[0])
    if not strength:
        return images, partner, jnp.ones(())
    share = jax.random.beta(share_key, strength, strength)
    return share * images + (1 - share) * images[partner], partner, share


def _along_rows(images: Array, mirror: Array, shift: Array, scale: Array, resamples: bool) -> Array:
    count = images.shape[1]
    centre = (count - 1) / 2
    sign = jnp.where(mirror, -1.0, 1.0)[:, None]
    from_centre = jnp.arange(count)[None, :] - centre
    if not resamples:
        return _rows(images, (centre + sign * from_centre).astype(jnp.int32))
    position = centre + sign * from_centre / scale[:, None] - shift[:, None] * count
    position = jnp.clip(position, 0.0, count - 1.0)
    below = jnp.floor(position)
    index = below.astype(jnp.int32)
    weight = (position - below)[:, :, None, None]
    return (1 - weight) * _rows(images, index) + weight * _rows(images, jnp.minimum(index + 1, count - 1))


def _rows(images: Array, index: Array) -> Array:
    return jax.vmap(lambda image, rows: image.at[rows].get(mode="promise_in_bounds"))(images, index)


def _blurred(images: Array) -> Array:
    """Return the images under the binomial blur of five taps along rows and columns, with the border repeated."""
    for axis in (1, 2):
        padded = jnp.pad(images, [(2, 2) if place == axis else (0, 0) for place in range(4)], mode="edge")
        far, near, middle, nearer, further = (
            jax.lax.slice_in_dim(padded, start, start + images.shape[axis], axis=axis) for start in range(5)
        )
        images = (far + further + 4 * (near + nearer) + 6 * middle) / 16
    return images


def _restain(images: Array, gain: Array, offset: Array) -> Array:
    stains = jnp.asarray(STAINS, jnp.float32)
    inverse = jnp.asarray(np.linalg.inv(STAINS), jnp.float32)
    exact = jax.lax.Precision.HIGHEST
    mixing = jnp.einsum("is,bs,so->bio", inverse, gain, stains, precision=exact)
    shift = jnp.einsum("bs,so->bo", offset, stains, precision=exact)
    density = -jnp.log((images + 1) / 256)
    # Three multiplications per pixel written out: a matrix product with an inner extent of 3 is slower.
    mixed = sum(density[..., i : i + 1] * mixing[:, None, None, i, :] for i in range(3))
    return 256 * jnp.exp(-(mixed + shift[:, None, None, :])) - 1
