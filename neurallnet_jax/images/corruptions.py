"""Eight ways in which an image gets worse, at five severities each, with what a severity means in natural units.

Knows arrays and one image at a time; neither models nor folders. Lengths in pixels are meant for images of `SIDE` pixels,
to which an image is brought before it is corrupted, so that a severity does not depend on what a network takes.
"""

import functools
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from neurallnet_jax.images.resize import area_weights

__all__ = [
    "CORRUPTIONS",
    "FILL",
    "SEVERITIES",
    "SIDE",
    "Corruption",
    "blur",
    "compress",
    "corrupt",
    "generator",
    "illuminate",
    "noise",
    "occlude",
    "resample",
    "rotate",
    "salt_and_pepper",
    "select",
    "select_severities",
]

SIDE = 224
"""Height and width at which images are corrupted, pixels."""
SEVERITIES = (1, 2, 3, 4, 5)
FILL = 128
"""Grey level of what covers an image, in every channel: the middle, as in Zeiler & Fergus (2014)."""

_TRUNCATE = 4.0
"""Standard deviations at which the Gaussian of a blur ends, as in scipy.ndimage."""


def noise(image: np.ndarray, deviation: float, draw: np.random.Generator) -> np.ndarray:
    """Return `round(x + deviation n)`, clipped to 0..255, with n standard normal, independent per pixel and channel.

    Args:
        image: uint8 (height, width, channels), as in every function here.
        deviation: Grey levels.
        draw: Source of chance, as in every function here.
    """
    return _bytes(image + np.float32(deviation) * draw.standard_normal(image.shape, np.float32))


def salt_and_pepper(image: np.ndarray, percent: float, draw: np.random.Generator) -> np.ndarray:
    """Return the image with exactly that share of its pixels replaced, all channels, each by white or black, even odds.

    The number of pixels is rounded to the nearest whole one.
    """
    result = image.reshape(-1, image.shape[-1]).copy()
    count = round(percent * len(result) / 100)
    places = draw.choice(len(result), count, replace=False, shuffle=False)
    result[places] = 255 * draw.integers(0, 2, (count, 1), np.uint8)
    return result.reshape(image.shape)


def blur(image: np.ndarray, sigma: float, draw: np.random.Generator) -> np.ndarray:
    """Return the image convolved with a Gaussian of standard deviation `sigma`, pixels.

    It ends at 4 sigma and the image is mirrored at its border (the border pixel twice).
    """
    return _separable(image, *(_gaussian_weights(length, sigma) for length in image.shape[:2]))


def occlude(image: np.ndarray, percent: float, draw: np.random.Generator) -> np.ndarray:
    """Return the image with exactly that share of its pixels, to the nearest whole one, covered by the grey `FILL`.

    They form one rectangle at a random place, its ratio of height to width, relative to the image's, between 1/2 and 2,
    whose last row may be shorter.
    """
    height, width = image.shape[:2]
    count = round(percent * height * width / 100)
    if not count:
        return image.copy()
    aspect = np.exp(draw.uniform(-np.log(2), np.log(2)))
    rows = int(np.clip(round(height * np.sqrt(percent / 100 * aspect)), -(-count // width), height))
    columns = -(-count // rows)
    # With columns rounded up, fewer rows may do.
    rows = -(-count // columns)
    top, left = (int(draw.integers(0, free + 1)) for free in (height - rows, width - columns))
    result = image.copy()
    result[top : top + rows - 1, left : left + columns] = FILL
    result[top + rows - 1, left : left + count - (rows - 1) * columns] = FILL
    return result


def rotate(image: np.ndarray, degrees: float, draw: np.random.Generator) -> np.ndarray:
    """Return the image turned about its centre by `degrees`, either way with even odds, at the same size.

    Linear interpolation between the four nearest pixels. Where the turned image does not reach, it is mirrored at its
    border, so that corners hold smear and no black wedge tells the angle.
    """
    sign = 1 if draw.integers(0, 2) else -1
    places, weights = _turned(*image.shape[:2], sign * degrees)
    flat = image.reshape(-1, image.shape[-1]).astype(np.float32)
    result = sum(weight[:, None] * flat.take(place, axis=0) for place, weight in zip(places, weights, strict=True))
    return _bytes(np.asarray(result)).reshape(image.shape)


def illuminate(image: np.ndarray, factor: float, draw: np.random.Generator) -> np.ndarray:
    """Return the image brighter or darker, with even odds: `round(255 g (x / 255)^c)`, clipped.

    Brighter: gain g = factor, exponent c = 1 / factor. Darker: g = 1 / factor, c = factor.
    """
    gain = factor if draw.integers(0, 2) else 1 / factor
    return _bytes(255 * gain * (np.arange(256) / 255) ** (1 / gain))[image]


def compress(image: np.ndarray, quality: float, draw: np.random.Generator) -> np.ndarray:
    """Return the image after one round through JPEG at `quality` (1 to 95, libjpeg's scale), colour halved (4:2:0)."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(quality), subsampling="4:2:0")
    with Image.open(buffer, formats=("JPEG",)) as stored:
        return np.array(stored.convert("RGB"), np.uint8)


def resample(image: np.ndarray, factor: float, draw: np.random.Generator) -> np.ndarray:
    """Return the image made smaller by `factor` (means over areas) and brought back by linear interpolation.

    The smaller image has `round(side / factor)` pixels along each side, at least one, and is not rounded to grey levels.
    """
    return _separable(image, *(_there_and_back(length, factor) for length in image.shape[:2]))


@dataclass(frozen=True)
class Corruption:
    """One way in which an image gets worse.

    Attributes:
        title: For people.
        unit: What its levels are, with the unit.
        levels: The parameter at severities 1 to 5.
        apply: `(image, level, generator) -> image`, uint8 (height, width, channels).
    """

    title: str
    unit: str
    levels: tuple[float, float, float, float, float]
    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


CORRUPTIONS: Mapping[str, Corruption] = {
    "gaussian-noise": Corruption("Gaussian noise", "deviation, grey levels", (5, 10, 20, 40, 80), noise),
    "salt-and-pepper": Corruption("Salt and pepper", "% of the pixels", (1, 2, 4, 8, 16), salt_and_pepper),
    "gaussian-blur": Corruption("Gaussian blur", "sigma, px of 224", (0.5, 1, 2, 4, 8), blur),
    "occlusion": Corruption("Random occlusion", "% of the area", (2.5, 5, 10, 20, 40), occlude),
    "rotation": Corruption("Rotation", "degrees, either way", (5, 10, 20, 30, 45), rotate),
    "illumination": Corruption("Illumination", "gain and gamma, x or ÷", (1.05, 1.1, 1.2, 1.4, 1.8), illuminate),
    "jpeg": Corruption("JPEG", "quality", (80, 60, 40, 20, 10), compress),
    "resampling": Corruption("Resampling", "factor, down and up", (2, 3, 4, 6, 8), resample),
}
"""By name, in the order of tables: the six of the NeurALLNet paper, then two that copying an image brings."""


def corrupt(image: np.ndarray, name: str, severity: int, *, key: str, seed: int = 0) -> np.ndarray:
    """Return one image corrupted; equal arguments give equal bits, whatever else is corrupted before or beside it.

    Args:
        image: uint8 (height, width, 3).
        name: Key of `CORRUPTIONS`.
        severity: 1 to 5.
        key: What the image is known by: the SHA-256 of its file.
        seed: Another one draws other noise, places and directions.

    Raises:
        ValueError: No such corruption or severity, or no 8-bit RGB image.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3 or not image.size:
        raise ValueError(f"image is {image.dtype} {image.shape}; expected uint8 (height, width, 3)")
    (name,), (severity,) = select([name]), select_severities([severity])
    chosen = CORRUPTIONS[name]
    return chosen.apply(image, chosen.levels[severity - 1], generator(key, name, severity, seed=seed))


def generator(key: str, name: str, severity: int, *, seed: int = 0) -> np.random.Generator:
    """Return the source of chance of one image under one corruption."""
    digest = hashlib.sha256(f"{key}\0{name}\0{severity}\0{seed}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


def select(names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the named corruptions, each once and in the order of the table; all of them for None.

    Raises:
        ValueError: There is no such corruption, or none is named.
    """
    if names is None:
        return tuple(CORRUPTIONS)
    for name in names:
        if name not in CORRUPTIONS:
            raise ValueError(f"no corruption {name!r}; there are {', '.join(CORRUPTIONS)}")
    if not names:
        raise ValueError(f"no corruption is named; there are {', '.join(CORRUPTIONS)}")
    return tuple(name for name in CORRUPTIONS if name in names)


def select_severities(severities: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the severities, each once and ascending; all five for None.

    Raises:
        ValueError: One is not in 1..5, or none is named.
    """
    if severities is None:
        return SEVERITIES
    for severity in severities:
        if severity not in SEVERITIES:
            raise ValueError(f"no severity {severity}; expected {SEVERITIES[0]} (mild) to {SEVERITIES[-1]} (severe)")
    if not severities:
        raise ValueError("no severity is named; expected some of 1 to 5")
    return tuple(sorted(set(severities)))


# --- Weights along one axis


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _separable(image: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return `down` applied along the height and `across` along the width, each (target, source), rounded."""
    height, width, channels = image.shape
    tall = (down @ image.reshape(height, -1).astype(np.float32)).reshape(-1, width, channels)
    wide = across @ tall.transpose(1, 0, 2).reshape(width, -1)
    return _bytes(wide.reshape(len(across), -1, channels).transpose(1, 0, 2))


def _mirrored(index: np.ndarray, length: int) -> np.ndarray:
    """Return whole positions folded back into 0..length-1, the border pixel twice: -1 is 0, `length` is `length - 1`."""
    folded = index % (2 * length)
    return np.minimum(folded, 2 * length - 1 - folded)


@functools.lru_cache(maxsize=64)
def _gaussian_weights(length: int, sigma: float) -> np.ndarray:
    radius = int(_TRUNCATE * sigma + 0.5)
    offset = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offset / sigma) ** 2)
    weights = np.zeros((length, length))
    rows = np.repeat(np.arange(length), len(offset))
    columns = _mirrored(rows.reshape(length, -1) + offset, length).ravel()
    np.add.at(weights, (rows, columns), np.tile(kernel / kernel.sum(), length))
    return _kept(weights)


@functools.lru_cache(maxsize=64)
def _there_and_back(length: int, factor: float) -> np.ndarray:
    small = max(1, round(length / factor))
    # Pixel centres; beyond the outermost of the small image its value stays.
    position = np.clip((np.arange(length) + 0.5) * small / length - 0.5, 0, small - 1)
    below = np.floor(position).astype(int)
    share = position - below
    up = np.zeros((length, small))
    np.add.at(up, (np.arange(length), below), 1 - share)
    np.add.at(up, (np.arange(length), np.minimum(below + 1, small - 1)), share)
    return _kept(up @ area_weights(length, small))


@functools.lru_cache(maxsize=32)
def _turned(height: int, width: int, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Return, for every pixel of the turned image, the four pixels it lies between and their weights, (4, pixels)."""
    # Rounded, so that a quarter turn hits pixels exactly.
    cosine, sine = (round(float(turn(np.deg2rad(degrees))), 12) for turn in (np.cos, np.sin))
    y, x = np.indices((height, width)) - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    row, column = cosine * y + sine * x + (height - 1) / 2, cosine * x - sine * y + (width - 1) / 2
    places, weights = [], []
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        places.append(_mirrored(top + down, height) * width + _mirrored(left + right, width))
        weights.append((1 - np.abs(row - top - down)) * (1 - np.abs(column - left - right)))
    return np.stack(places).reshape(4, -1), _kept(np.stack(weights).reshape(4, -1))


def _kept(weights: np.ndarray) -> np.ndarray:
    weights = weights.astype(np.float32)
    weights.setflags(write=False)
    return weights
