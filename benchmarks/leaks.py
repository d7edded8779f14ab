"""Recall and precision of the search for twins, on twins planted among real smears, kind by kind.

Of every kind 200 copies of drawn images are added to all images of a folder, in memory. A pair counts as right if it joins
a copy with its original or two images of one group of twins by the definition in `images/twins.py` (the copy being in the
group of its original); each pair that is none of these is listed as an extra. Pairs of originals do not count.

Command: uv run python benchmarks/leaks.py --data ../shared/data/taleqani --out benchmarks/results/leaks.jsonl
"""

import argparse
import io
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from neurallnet_jax.evaluation.leaks import NEAR, OVERLAP
from neurallnet_jax.images import folder, near, twins

SIDE = 224
COPIES = 200


def crop(image: Image.Image, random: np.random.Generator, share: float, *, centred: bool = False) -> Image.Image:
    """Return a window with `share` of each side, somewhere or in the middle, at its own size."""
    width, height = (round(side * share) for side in image.size)
    places = [(image.width - width) / 2, (image.height - height) / 2]
    left, top = (int(place if centred else random.uniform(0, 2 * place)) for place in places)
    return image.crop((left, top, left + width, top + height))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Return an image as it comes back from a JPEG file."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def brightened(image: Image.Image, factor: float) -> Image.Image:
    """Return an image with every value multiplied, what exceeds 255 cut off."""
    return ImageEnhance.Brightness(image).enhance(factor)


Change = Callable[[Image.Image, np.random.Generator], Image.Image]
KINDS: dict[str, Change] = {
    "resize to 128": lambda image, random: image.resize((128, 128), Image.Resampling.BICUBIC),
    "resize to 448 x 336": lambda image, random: image.resize((448, 336), Image.Resampling.BICUBIC),
    "crop, 80 % of each side": lambda image, random: crop(image, random, 0.8),
    "crop, 80 % of each side, centred": lambda image, random: crop(image, random, 0.8, centred=True),
    "crop, 80 % of the area": lambda image, random: crop(image, random, 0.8**0.5),
    "jpeg 40": lambda image, random: jpeg(image, 40),
    "brightness 0.6": lambda image, random: brightened(image, 0.6),
    "brightness 1.2": lambda image, random: brightened(image, 1.2),
    "brightness 1.3": lambda image, random: brightened(image, 1.3),
    "brightness 1.4": lambda image, random: brightened(image, 1.4),
    "flip": lambda image, random: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "flip, upside down": lambda image, random: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "quarter turn": lambda image, random: image.transpose(Image.Transpose.ROTATE_90),
    "crop, flip, brightness 1.15, jpeg 60": lambda image, random: jpeg(
        brightened(crop(image, random, 0.8).transpose(Image.Transpose.FLIP_LEFT_RIGHT), 1.15), 60
    ),
}


def measure(images: np.ndarray, thumbnails: np.ndarray, groups: np.ndarray, kind: str, seed: int) -> dict[str, object]:
    """Plant one kind and return what was found of it."""
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(len(images), COPIES, replace=False))
    copies = [KINDS[kind](Image.fromarray(images[place]), random) for place in chosen.tolist()]
    planted = np.stack([near.thumbnail(np.asarray(copy, np.uint8)) for copy in copies])
    start = time.process_time()
    found = near.matches(np.concatenate([thumbnails, planted]), least=OVERLAP)
    seconds = time.process_time() - start
    origin = np.concatenate([np.arange(len(images)), chosen])
    involved = np.maximum(found.whole, found.part) >= len(images)
    first, second = origin[found.whole[involved]], origin[found.part[involved]]
    correlation = found.correlation[involved]
    own = correlation[first == second]
    extra = np.sort(correlation[groups[first] != groups[second]])[::-1]
    right = int(((groups[first] == groups[second]) & (correlation >= NEAR)).sum())
    extras = int((extra >= NEAR).sum())
    return {
        "kind": kind,
        "copies": COPIES,
        "images": len(images) + COPIES,
        "recall": float((own >= NEAR).sum() / COPIES),
        "recall_at_overlap": float(len(own) / COPIES),
        "precision": right / (right + extras),
        "extras": [round(float(value), 3) for value in extra],
        "correlation": [round(float(np.quantile(own, level)), 4) for level in (0, 0.05, 0.5)],
        "threshold": NEAR,
        "cpu_seconds": round(seconds, 1),
        "seed": seed,
        "machine": f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}",
    }


def main(data: Path, out: Path | None) -> list[dict[str, object]]:
    """Print and return one row per kind."""
    dataset = folder.open_folder(data, (SIDE, SIDE))
    images = np.asarray(dataset.pixels)
    thumbnails = np.stack([near.thumbnail(image) for image in images])
    groups = twins.twin_groups(images)
    rows = []
    for seed, kind in enumerate(KINDS):
        rows.append(measure(images, thumbnails, groups, kind, seed))
        print(json.dumps(rows[-1]), flush=True)
    if out is not None:
        out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    main(arguments.data, arguments.out)
