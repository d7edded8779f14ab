"""Segmentations of blasts that others made with a threshold of colour, cleaned: weak labels, no ground truth.

Knows files and masks; neither models nor explanations. A weak mask holds smudged cells and stained debris as well, and
misses what its threshold missed: a figure taken against it says whether stained cells are looked at, not blasts alone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurallnet_jax.images import decode, morphology

__all__ = ["SIDE", "clean", "find"]

SIDE = 224
"""Height and width, pixels, at which masks are cleaned."""

_INK = 64
"""Grey level that the brightest channel of a marked pixel exceeds; JPEG leaves up to about 40 beside one."""

_CLOSE, _OPEN, _CORE = 1, 3, 5
"""Radii: gaps that are closed, threads and specks that are dropped, what a cell holds at least; a blast has about 10."""


def clean(picture: np.ndarray) -> np.ndarray:
    """Return the cells of a false-colour segmentation, black where nothing is marked.

    What is marked is made a mask, gaps of 2 pixels are closed, threads and specks narrower than 7 pixels dropped, holes
    filled, and of the parts that are left those kept that hold a square of 11 pixels, as blasts do and platelets do not.

    Args:
        picture: uint8 (224, 224, 3).

    Returns:
        Mask, bool (224, 224).

    Raises:
        ValueError: It has another size or type.
    """
    if picture.shape != (SIDE, SIDE, 3) or picture.dtype != np.uint8:
        raise ValueError(f"segmentation is {picture.dtype} {picture.shape}; expected uint8 {(SIDE, SIDE, 3)}")
    mask = picture.max(axis=-1) > _INK
    mask = morphology.shrunk(morphology.grown(mask, _CLOSE), _CLOSE)
    mask = morphology.without_holes(morphology.opened(mask, _OPEN))
    return morphology.reconstructed(morphology.shrunk(mask, _CORE), mask)


def find(folder: Path, names: Sequence[str]) -> list[np.ndarray | None]:
    """Return the weak mask of every image, bool (224, 224); None for an image that has none.

    A segmentation belongs to the image whose file name it bears, up to the ending, in whichever sub-folder it lies.

    Args:
        folder: Where the segmentations lie, in sub-folders or not.
        names: Paths of images.

    Raises:
        ValueError: There is no such folder, two segmentations of one name, one that is no image, or not one that belongs
            to any of the images.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: is no folder; name the one that holds segmentations named as the images are")
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff") or path.name.startswith("."):
            continue
        if path.stem in files:
            raise ValueError(f"{path}: has the name of {files[path.stem]}; keep one segmentation of each image")
        files[path.stem] = path
    wanted = [Path(name).stem for name in names]
    if not files.keys() & set(wanted):
        raise ValueError(
            f"{folder}: holds no segmentation named as one of the {len(wanted)} images is, such as {wanted[0]}"
        )
    return [clean(decode.decode(files[name], (SIDE, SIDE))) if name in files else None for name in wanted]
