"""Recall and precision of the search for twins, on twins planted among real smears, kind by kind.

Of every kind 200 copies of drawn images are added to all images of a folder, in memory, and all are searched at once.
Recall is the share of copies found as near twins of their originals. A pair of a copy and an original is right where both
come from one group of twins. `precision_phash` takes the groups of `images/twins.py`; `precision` joins to them the
originals that are other photographs of the same field (all such pairs of the folder were looked at: they are).
`false` counts pairs of neither kind from the bound of overlaps up.

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

from neurallnet_jax.evaluation.leaks import IN_PLACE, NEAR, OVERLAP, is_near
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


def plant(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the thumbnails of all copies, the places of their originals, and the places of their kinds."""
    planted, origin = [], []
    for seed, change in enumerate(KINDS.values()):
        random = np.random.default_rng(seed)
        chosen = np.sort(random.choice(len(images), COPIES, replace=False))
        copies = [change(Image.fromarray(images[place]), random) for place in chosen.tolist()]
        planted += [near.thumbnail(np.asarray(copy.convert("RGB"), np.uint8)) for copy in copies]
        origin.append(chosen)
    return np.stack(planted), np.concatenate(origin), np.repeat(np.arange(len(KINDS)), COPIES)


def measure(images: np.ndarray) -> list[dict[str, object]]:
    """Plant all kinds, search once, and return what was found of each."""
    count = len(images)
    thumbnails = np.stack([near.thumbnail(image) for image in images])
    planted, chosen, kinds = plant(images)
    start = time.process_time()
    found = near.matches(np.concatenate([thumbnails, planted]), least=OVERLAP)
    seconds = time.process_time() - start
    twin = np.array(
        [is_near(*one) for one in zip(found.correlation, found.orientation, found.window, strict=True)], bool
    )
    hashed = twins.twin_groups(images)
    old = np.maximum(found.whole, found.part) < count
    places = np.arange(count)
    same = np.unique(hashed, return_index=True)[1][hashed]
    fields = twins.components(count, [(places, same), (found.whole[old], found.part[old])])
    mixed = (np.maximum(found.whole, found.part) >= count) & (np.minimum(found.whole, found.part) < count)
    copy, original = (end(found.whole, found.part)[mixed] for end in (np.maximum, np.minimum))
    copy, correlation, twin = copy - count, found.correlation[mixed], twin[mixed]
    source = chosen[copy]
    rows: list[dict[str, object]] = []
    for place, kind in enumerate(KINDS):
        here = kinds[copy] == place
        own = here & (source == original)
        listed = here & twin
        rows.append(
            {
                "kind": kind,
                "copies": COPIES,
                "recall": float((own & twin).sum() / COPIES),
                "recall_with_overlaps": float(own.sum() / COPIES),
                "precision": float((fields[source] == fields[original])[listed].mean()),
                "precision_phash": float((hashed[source] == hashed[original])[listed].mean()),
                "false": int((here & (fields[source] != fields[original])).sum()),
                "correlation_quantiles": {
                    str(level): round(float(np.quantile(correlation[own], level)), 4) for level in (0, 0.05, 0.5)
                },
                "images": count + len(planted),
                "thresholds": {"near": NEAR, "in_place": IN_PLACE, "overlap": OVERLAP},
                "search_cpu_seconds": round(seconds, 1),
                "seed": place,
                "machine": f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}",
            }
        )
    return rows


def main(data: Path, out: Path | None) -> list[dict[str, object]]:
    """Print and return one row per kind."""
    paths = [data / record.path for record in folder.list_folder(data).records]
    images = np.stack([np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE)), np.uint8) for path in paths])
    rows = measure(images)
    for row in rows:
        print(json.dumps(row), flush=True)
    if out is not None:
        out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    main(arguments.data, arguments.out)
