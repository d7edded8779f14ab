"""Blood smears drawn by procedure: four classes of lymphoid cells among red cells, with their ground truth.

Knows NumPy and Pillow only: neither models, nor training, nor real images.

A field of 40 µm is drawn at 256 x 256 pixels and reduced by area. Every structure adds optical density in one of three
dyes (haemoglobin, cytoplasm, chromatin); light, dyes, focus and camera are drawn per image and never see the class, so
that colour says little about it. What does tell the classes apart stands in `MORPHOLOGIES`.

The classes follow what text books say of lymphoid cells under Romanowsky stains: a mature lymphocyte is barely larger
than a red cell, round, with clumped chromatin and a rim of cytoplasm; the L1 blasts of the FAB group are larger, regular
or with a cleft, their nucleoli hard to see; L2 blasts are large, indented and irregular, with finer chromatin, distinct
nucleoli and more, bluer cytoplasm. That the three stages of the B line climb this ladder in the order of the table is a
convention of these drawings: in patients they are told apart by antigens, not by shape (WHO 2022).

References:
    Bennett et al. (1976), Br. J. Haematol. 33(4):451-458 (FAB); Alaggio et al. (2022), Leukemia 36:1720-1748 (WHO);
    Bain (2015), Blood Cells, 5th ed. (sizes); Evans & Fung (1972), Microvasc. Res. 4(4):335-347 (the red cell's profile).
"""

import csv
import functools
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

__all__ = ["CLASSES", "MORPHOLOGIES", "Morphology", "Scene", "dataset", "draw", "draw_scene", "write_folder"]

FIELD = 256
"""Extent of the drawn field, pixels."""

PIXELS_PER_UM = FIELD / 40
MARGIN = 88
"""Pixels drawn beyond every side of the field, so that no patch is cut; more than the radius of the largest cell."""

ANGLES = 360
HAEMOGLOBIN, CYTOPLASM, CHROMATIN = range(3)

# Optical density (natural logarithm) of unit amounts per red, green and blue; an image mixes the two of its row.
DYES = np.array(
    [
        [[0.20, 0.40, 0.30], [0.42, 0.38, 0.28]],
        [[0.62, 0.48, 0.10], [0.42, 0.50, 0.10]],
        [[0.92, 1.15, 0.36], [0.50, 1.05, 0.25]],
    ]
)


@dataclass(frozen=True)
class Morphology:
    """How the white cells of one class look; pairs are mean and standard deviation or least and most, as stated.

    Attributes:
        name: The class.
        diameter_um: Cell diameter, mean and standard deviation, micrometres.
        nuclear_fraction: Share of the cell's area that the nucleus takes, mean and standard deviation.
        indentation: Depth of the one cleft of the nucleus, least and most, fraction of its radius.
        irregularity: Amplitude of the waves in the nuclear outline, fraction of its radius.
        clumping: Contrast of the chromatin, 0 open to 1 blocks and gaps.
        grain_um: Extent of a chromatin grain, micrometres.
        density: Amount of chromatin dye, relative.
        nucleoli: Number of nucleoli, least and most.
        nucleolus_um: Diameter of a nucleolus, micrometres.
        basophilia: Amount of cytoplasm dye, relative.
        counts: Probability of 1, 2, 3, 4 such cells in a field; small cells come in greater number, so that the
            area they cover says little.
    """

    name: str
    diameter_um: tuple[float, float]
    nuclear_fraction: tuple[float, float]
    indentation: tuple[float, float]
    irregularity: float
    clumping: float
    grain_um: float
    density: float
    nucleoli: tuple[int, int]
    nucleolus_um: float
    basophilia: float
    counts: tuple[float, float, float, float]


MORPHOLOGIES = (
    Morphology(
        name="Benign",
        diameter_um=(8.7, 0.4),
        nuclear_fraction=(0.88, 0.02),
        indentation=(0.0, 0.06),
        irregularity=0.008,
        clumping=0.36,
        grain_um=1.3,
        density=1.06,
        nucleoli=(0, 0),
        nucleolus_um=0.0,
        basophilia=0.55,
        counts=(0.05, 0.25, 0.35, 0.35),
    ),
    Morphology(
        name="Early Pre-B",
        diameter_um=(11.3, 0.4),
        nuclear_fraction=(0.81, 0.025),
        indentation=(0.05, 0.20),
        irregularity=0.015,
        clumping=0.26,
        grain_um=0.9,
        density=1.0,
        nucleoli=(0, 1),
        nucleolus_um=1.5,
        basophilia=0.75,
        counts=(0.20, 0.40, 0.30, 0.10),
    ),
    Morphology(
        name="Pre-B",
        diameter_um=(13.7, 0.45),
        nuclear_fraction=(0.70, 0.025),
        indentation=(0.25, 0.45),
        irregularity=0.025,
        clumping=0.18,
        grain_um=0.6,
        density=0.96,
        nucleoli=(1, 2),
        nucleolus_um=1.9,
        basophilia=0.95,
        counts=(0.45, 0.40, 0.15, 0.0),
    ),
    Morphology(
        name="Pro-B",
        diameter_um=(16.5, 0.6),
        nuclear_fraction=(0.57, 0.03),
        indentation=(0.10, 0.35),
        irregularity=0.075,
        clumping=0.12,
        grain_um=0.45,
        density=0.92,
        nucleoli=(2, 4),
        nucleolus_um=2.4,
        basophilia=1.2,
        counts=(0.60, 0.35, 0.05, 0.0),
    ),
)

CLASSES: tuple[str, ...] = tuple(morphology.name for morphology in MORPHOLOGIES)
"""Canonical class names; an image's label is an index into them."""


class Scene(NamedTuple):
    """A drawn image and where its class can be seen.

    Attributes:
        image: (height, width, 3) uint8.
        nuclei_mask: (height, width) bool, the nuclei of the lymphoid cells; neither of other leucocytes nor of debris.
        cells_mask: (height, width) bool, the lymphoid cells, nuclei included.
        background_mask: (height, width) bool, where nothing was drawn: no cell of any kind, no platelet, no smudge.
    """

    image: np.ndarray
    nuclei_mask: np.ndarray
    cells_mask: np.ndarray
    background_mask: np.ndarray


def draw(label: int, seed: int, image_size: tuple[int, int]) -> np.ndarray:
    """Return the smear that `draw_scene` draws, (height, width, 3) uint8."""
    return draw_scene(label, seed, image_size).image


def draw_scene(label: int, seed: int, image_size: tuple[int, int]) -> Scene:
    """Return a smear of one class with its ground truth.

    Label and seed decide the scene; the size only decides how finely it is sampled. Images that are not square show
    the middle of the field.

    Args:
        label: Index into `CLASSES`.
        seed: Any integer from 0.
        image_size: Height and width, pixels.

    Raises:
        ValueError: The label, the seed or the size is out of range.
    """
    if not 0 <= label < len(CLASSES):
        raise ValueError(f"label is {label}; expected 0..{len(CLASSES) - 1}, an index into {', '.join(CLASSES)}")
    if seed < 0:
        raise ValueError(f"seed is {seed}; expected an integer from 0")
    if len(image_size) != 2 or min(image_size) < 8:
        raise ValueError(f"image size is {image_size}; expected height and width of at least 8 pixels")
    generator = np.random.default_rng((label, seed))
    extent = FIELD + 2 * MARGIN
    dyes = np.zeros((3, extent, extent), np.float32)
    masks = np.zeros((3, extent, extent), bool)
    zoom = generator.uniform(0.95, 1.05) * PIXELS_PER_UM
    leucocytes = _place_leucocytes(generator, MORPHOLOGIES[label], zoom)
    _draw_red_cells(generator, dyes, masks, zoom, leucocytes)
    _draw_debris(generator, dyes, masks, zoom, leucocytes)
    for y, x, radius in leucocytes:
        _draw_leucocyte(generator, dyes, masks, MORPHOLOGIES[label], zoom, (y, x, radius))
    inner = slice(MARGIN, MARGIN + FIELD)
    photograph = _photograph(generator, dyes[:, inner, inner])
    nuclei, cells, drawn = (_sampled(Image.fromarray(mask[inner, inner]).convert("L"), image_size) for mask in masks)
    image = np.asarray(_sampled(photograph, image_size), np.float32)
    noise = generator.uniform(1.0, 4.0) * generator.standard_normal(image.shape, np.float32)
    return Scene(
        image=np.clip(np.rint(image + noise), 0, 255).astype(np.uint8),
        nuclei_mask=np.asarray(nuclei) > 127,
        cells_mask=np.asarray(cells) > 127,
        background_mask=np.asarray(drawn) <= 127,
    )


def dataset(count_per_class: int, seed: int, image_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, height, width, 3) uint8 and labels (n,) int32, with the classes taking turns.

    Image i has label i mod 4; the first images of a larger data set are those of a smaller one, and two seeds share none.

    Args:
        count_per_class: Images of each class.
        seed: Any integer from 0.
        image_size: Height and width, pixels.

    Raises:
        ValueError: A value is out of range.
    """
    if count_per_class < 1:
        raise ValueError(f"count per class is {count_per_class}; expected at least 1")
    labels = np.tile(np.arange(len(CLASSES), dtype=np.int32), count_per_class)
    images = np.empty((len(labels), *image_size, 3), np.uint8)
    for index, label in enumerate(labels):
        images[index] = draw(int(label), _image_seed(seed, index // len(CLASSES)), image_size)
    return images, labels


def write_folder(
    root: Path,
    *,
    count: int,
    seed: int,
    image_size: tuple[int, int],
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write an image folder, one sub-folder per class, and return the number of images.

    The files are `<class>/smear-0001.png` and so on, the pictures those of `dataset`; `manifest.csv` lists path, sha256,
    label and the seed with which `draw` draws the picture again. The folder is written beside its final name and renamed.

    Args:
        root: The folder to make; it must be empty or not exist.
        count: Images of each class.
        seed: Any integer from 0.
        image_size: Height and width, pixels.
        progress: Called after each image with the number written and the number in total.

    Raises:
        ValueError: The folder exists and holds something, or a value is out of range.
    """
    root = root.absolute()
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise ValueError(f"{root} exists and is not an empty folder; choose another name or remove it first")
    if count < 1:
        raise ValueError(f"count is {count}; expected at least 1 image per class")
    total = count * len(CLASSES)
    partial = root.with_name(f".{root.name}.{os.getpid()}.partial")
    try:
        rows = []
        for index in range(total):
            number, label = divmod(index, len(CLASSES))
            path = Path(CLASSES[label]) / f"smear-{number + 1:04d}.png"
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw(label, _image_seed(seed, number), image_size)).save(partial / path)
            digest = hashlib.sha256((partial / path).read_bytes()).hexdigest()
            rows.append((path.as_posix(), digest, CLASSES[label], _image_seed(seed, number)))
            if progress:
                progress(index + 1, total)
        with (partial / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("path", "sha256", "label", "seed"), *rows])
        if root.exists():
            root.rmdir()
        partial.rename(root)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return total


def _image_seed(seed: int, number: int) -> int:
    return (seed << 32) + number


def _sampled(picture: Image.Image, image_size: tuple[int, int]) -> Image.Image:
    height, width = image_size
    side = FIELD / max(height, width)
    box = ((FIELD - side * width) / 2, (FIELD - side * height) / 2)
    box = (*box, FIELD - box[0], FIELD - box[1])
    method = Image.Resampling.BOX if max(image_size) <= FIELD else Image.Resampling.BICUBIC
    return picture.resize((width, height), method, box)


def _normal(generator: np.random.Generator, mean: float, deviation: float) -> float:
    """Draw a normal number, cut at 2.5 deviations."""
    return mean + deviation * float(np.clip(generator.normal(), -2.5, 2.5))


@functools.cache
def _polar(half: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[-half:half, -half:half] + 0.5
    angle = np.floor(np.arctan2(y, x) / (2 * np.pi) * ANGLES).astype(np.intp) % ANGLES
    return np.hypot(y, x).astype(np.float32), angle


def _patch(y: float, x: float, half: int) -> tuple[slice, slice]:
    top, left = round(y) + MARGIN - half, round(x) + MARGIN - half
    return slice(top, top + 2 * half), slice(left, left + 2 * half)


def _outline(
    generator: np.random.Generator, area: float, *, elongation: float, waves: dict[int, float], cleft: float = 0.0
) -> np.ndarray:
    """Return the radius of a closed curve per angle; amplitudes are fractions of the radius, the area is met exactly."""
    angle = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    radius = 1 + elongation * np.cos(2 * angle + generator.uniform(0, 2 * np.pi))
    for order, amplitude in waves.items():
        radius += (
            amplitude * np.clip(generator.normal(), -1.5, 1.5) * np.cos(order * angle + generator.uniform(0, 2 * np.pi))
        )
    if cleft:
        from_cleft = np.angle(np.exp(1j * (angle - generator.uniform(0, 2 * np.pi))))
        radius *= 1 - cleft * np.exp(-((from_cleft / 0.38) ** 2))
    return (radius * np.sqrt(2 * area / (np.sum(radius**2) * (2 * np.pi / ANGLES)))).astype(np.float32)


def _texture(generator: np.random.Generator, extent: int, grain: float) -> np.ndarray:
    """Return smooth noise of zero mean and about unit variance, whose grains measure `grain` pixels."""
    count = max(2, int(np.ceil(extent / grain)))
    coarse = Image.fromarray(1.4 * generator.standard_normal((count, count), np.float32))
    return np.asarray(coarse.resize((extent, extent), Image.Resampling.BICUBIC))


def _place_leucocytes(
    generator: np.random.Generator, morphology: Morphology, zoom: float
) -> list[tuple[float, float, float]]:
    """Return row, column and radius of the cells, most of each inside the field and hardly overlapping."""
    wanted = 1 + generator.choice(4, p=morphology.counts)
    placed: list[tuple[float, float, float]] = []
    for _ in range(60):
        radius = zoom / 2 * _normal(generator, *morphology.diameter_um)
        inset = (0.95 if not placed else 0.6) * radius
        y, x = generator.uniform(inset, FIELD - inset, 2)
        if all(np.hypot(y - v, x - u) > 0.97 * (radius + r) for v, u, r in placed):
            placed.append((y, x, radius))
        if len(placed) == wanted:
            break
    return placed


def _draw_red_cells(
    generator: np.random.Generator,
    dyes: np.ndarray,
    masks: np.ndarray,
    zoom: float,
    leucocytes: list[tuple[float, float, float]],
) -> None:
    wanted, closeness = generator.integers(9, 26), generator.uniform(1.1, 2.1)
    mean_radius = zoom / 2 * generator.uniform(6.8, 7.6)
    pallor, crenated = generator.uniform(0.5, 1.0), generator.choice([0.0, 0.05, 0.4], p=[0.6, 0.25, 0.15])
    half = 40
    distance, angle = _polar(half)
    step = np.linspace(0, 1.3, 131)
    inside = np.clip(1 - step**2, 0, None)
    flat = inside**0.25 * 0.8
    biconcave = np.sqrt(inside) * (0.207 + 2.003 * step**2 - 1.123 * step**4)
    halo = -0.10 * np.exp(-(((step - 1.10) / 0.06) ** 2))
    centres = np.array([(y, x) for y, x, _ in leucocytes])
    keep_off = np.array([radius for *_, radius in leucocytes]) + 0.85 * mean_radius
    reds = np.empty((0, 2))
    for y, x in generator.uniform(-0.8 * mean_radius, FIELD + 0.8 * mean_radius, (4 * wanted, 2)):
        if np.any(np.hypot(*(centres - (y, x)).T) < keep_off):
            continue
        if np.any(np.hypot(*(reds - (y, x)).T) < closeness * mean_radius):
            continue
        reds = np.vstack([reds, (y, x)])
        spiny = generator.random() < crenated
        waves = {3: 0.02, generator.integers(9, 14): 0.035} if spiny else {3: 0.02, 4: 0.01}
        area = np.pi * (mean_radius * generator.normal(1, 0.05)) ** 2
        outline = _outline(generator, area, elongation=abs(generator.normal(0, 0.04)), waves=waves)
        dip = np.clip(pallor + generator.normal(0, 0.12), 0, 1) * (0.3 if spiny else 1)
        profile = ((1 - dip) * flat + dip * biconcave + halo).astype(np.float32)
        index = np.minimum(distance / outline[angle] * 100, 130).astype(np.intp)
        dyes[(HAEMOGLOBIN, *_patch(y, x, half))] += profile[index] * np.float32(generator.normal(1, 0.07))
        masks[(2, *_patch(y, x, half))] |= index <= 100
        if len(reds) == wanted:
            break


def _draw_debris(
    generator: np.random.Generator,
    dyes: np.ndarray,
    masks: np.ndarray,
    zoom: float,
    leucocytes: list[tuple[float, float, float]],
) -> None:
    """Draw platelets and, in some fields, the smudge of a burst cell; both leave the white cells free."""
    half = 60
    distance, angle = _polar(half)
    sizes = list(generator.uniform(1.6, 3.4, generator.poisson(2.0)))
    smudges = list(generator.uniform(9, 14, generator.binomial(1, 0.3)))
    for diameter in sizes + smudges:
        smudge = diameter > 5
        y, x = generator.uniform(0, FIELD, 2)
        radius = zoom / 2 * diameter
        if any(np.hypot(y - v, x - u) < radius + r for v, u, r in leucocytes):
            continue
        waves = {3: 0.12, 4: 0.1, 5: 0.09, 7: 0.06, 9: 0.05} if smudge else {3: 0.08, 5: 0.06}
        outline = _outline(generator, np.pi * radius**2, elongation=0.15 if smudge else 0.1, waves=waves)
        softness = 0.6 if smudge else 0.15
        amount = np.clip((1 - distance / outline[angle]) / softness, 0, 1)
        grain = _texture(generator, 2 * half, (1.1 if smudge else 0.7) * zoom)
        where = _patch(y, x, half)
        dyes[(CHROMATIN, *where)] += amount * np.clip(0.38 + 0.14 * grain, 0.05, 1)
        dyes[(HAEMOGLOBIN, *where)] *= 1 - 0.7 * amount
        masks[(2, *where)] |= amount > 0.25


def _draw_leucocyte(
    generator: np.random.Generator,
    dyes: np.ndarray,
    masks: np.ndarray,
    morphology: Morphology,
    zoom: float,
    place: tuple[float, float, float],
) -> None:
    y, x, radius = place
    half = 8 * int(np.ceil(1.33 * radius / 8))
    distance, angle = _polar(half)
    area = np.pi * radius**2
    waves: dict[int, float] = dict.fromkeys((3, 4, 5), 0.3 * morphology.irregularity + 0.008)
    cell = distance / _outline(generator, area, elongation=generator.uniform(0, 0.06), waves=waves)[angle]

    fraction = _normal(generator, *morphology.nuclear_fraction)
    outline = _outline(
        generator,
        fraction * area,
        elongation=generator.uniform(0, 0.02 + 2 * morphology.irregularity),
        waves={order: 3 / order * morphology.irregularity for order in (2, 3, 4, 5, 6)},
        cleft=generator.uniform(*morphology.indentation),
    )
    # A nucleus lies off the centre as far as the cytoplasm leaves it room.
    room = 0.6 * radius * (1 - np.sqrt(fraction)) * generator.uniform(0.2, 1)
    direction = generator.uniform(0, 2 * np.pi)
    shift = (round(room * np.sin(direction)), round(room * np.cos(direction)))
    nucleus = np.maximum(np.roll(distance / outline[angle], shift, (0, 1)), cell * 1.02)

    # One pixel of soft edge.
    in_cell = np.clip((1 - cell) * radius + 0.5, 0, 1)
    in_nucleus = np.clip((1 - nucleus) * radius + 0.5, 0, 1)
    blocks, threads = (_texture(generator, 2 * half, scale * morphology.grain_um * zoom) for scale in (1.0, 0.5))
    grain = np.tanh(1.3 * blocks + 0.5 * threads)
    chromatin = morphology.density * (1 + morphology.clumping * grain + 0.18 * np.exp(-(((1 - nucleus) / 0.07) ** 2)))
    cytoplasm = morphology.basophilia * (0.62 + 0.38 * np.clip(cell, 0, 1) ** 3)
    cytoplasm = cytoplasm + 0.07 * _texture(generator, 2 * half, 0.8 * zoom)
    for _ in range(generator.integers(morphology.nucleoli[0], morphology.nucleoli[1] + 1)):
        reach, at = 0.55 * np.sqrt(fraction) * radius * np.sqrt(generator.random()), generator.uniform(0, 2 * np.pi)
        offset = (round(reach * np.sin(at)) + shift[0], round(reach * np.cos(at)) + shift[1])
        size = zoom / 2 * morphology.nucleolus_um * generator.uniform(0.8, 1.2)
        ring = np.roll(distance, offset, (0, 1)) / size
        chromatin *= 1 - 0.42 * np.clip((1.1 - ring) * 2.5, 0, 1) + 0.12 * np.exp(-(((ring - 1.2) / 0.2) ** 2))
    where = _patch(y, x, half)
    dyes[(slice(None), *where)] *= 1 - in_cell
    dyes[(CYTOPLASM, *where)] += in_cell * cytoplasm * (1 - 0.5 * in_nucleus)
    dyes[(CHROMATIN, *where)] += in_nucleus * chromatin
    masks[(0, *where)] |= in_nucleus > 0.5
    masks[(1, *where)] |= in_cell > 0.5
    masks[(2, *where)] |= in_cell > 0.5


def _photograph(generator: np.random.Generator, dyes: np.ndarray) -> Image.Image:
    """Return the field as a camera sees it: dyes, plasma, lamp, white balance, focus and coarse colour."""
    mixed = generator.uniform(0, 1, (3, 1))
    vectors = DYES[:, 0] * mixed + DYES[:, 1] * (1 - mixed)
    vectors *= generator.normal(1, 0.08, (3, 3)) * generator.uniform([[0.6], [0.6], [0.65]], [[1.5], [1.4], [1.4]])
    # One plane per channel; the logarithm of the light, so that a single exponential makes the picture.
    light = np.stack([sum(np.float32(-vectors[dye, channel]) * dyes[dye] for dye in range(3)) for channel in range(3)])
    light -= 0.012 * _texture(generator, FIELD, FIELD / 6)
    across = np.linspace(-1, 1, FIELD, dtype=np.float32)
    tilt, centre = generator.normal(0, 0.04, 2), generator.uniform(-0.4, 0.4, 2)
    down, along = ((across - c) ** 2 for c in centre)
    fall_off = generator.uniform(0, 0.10)
    light += (tilt[0] * across - fall_off * down).astype(np.float32)[:, None]
    light += (tilt[1] * across - fall_off * along).astype(np.float32)
    plasma = generator.uniform(0, 0.055, 3) + generator.uniform(0, 0.08)
    balance = np.log(generator.uniform(0.94, 1.03, 3) * generator.uniform(0.90, 1.06))
    light += (balance - plasma).astype(np.float32)[:, None, None]
    levels = 255 * np.exp(np.float32(generator.uniform(0.85, 1.2)) * np.minimum(light, 0))
    picture = Image.fromarray(np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0)))
    picture = picture.filter(ImageFilter.GaussianBlur(0.5 + 1.7 * generator.beta(1.2, 2.5)))
    brightness, *colours = picture.convert("YCbCr").split()
    coarse = (colour.reduce(4).resize(colour.size, Image.Resampling.BILINEAR) for colour in colours)
    return Image.merge("YCbCr", (brightness, *coarse)).convert("RGB")
