"""How well `predict` warns of what is unlike the training images: AUROC and share warned, set by set.

The regions are those of `calibrate`: training images say what is usual, unseen images how far is far; no image of another
set was looked at for either. Here every image is made alike first: brought to 224 x 224 and encoded as the smears of
Taleqani Hospital are (JPEG quality 95, chroma halved both ways), unseen smears as well, so that neither size nor codec
tells. Sets:

- bccd: another laboratory's smears, whole image squeezed (`squeezed`), or its central square (`square`);
- the same after a transfer of stain to the training images, by Reinhard and by Macenko;
- unseen smears out of focus (Gaussian blur, standard deviation in pixels of 224; disc, radius likewise), and with the
  hue shifted;
- cnmc: three single cells on black.

`false warnings` are measured on unseen smears as they are, and per fold of `contiguous` with regions from that fold's
training images and thresholds from the other folds' test images: the next fifth of each class in order of capture.

Command: uv run python benchmarks/unlike_images.py --data ../shared/data --run folds/contiguous-24/fold-4/seed-0
Time: ten minutes on two cores of an AMD EPYC.

References:
    Reinhard, Ashikhmin, Gooch & Shirley (2001), IEEE CG&A 21(5):34-41: mean and deviation in l-alpha-beta.
    Macenko et al. (2009), ISBI, 1107-1110: stain vectors from the extreme angles of optical density.
"""

import argparse
import io
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from neurallnet_jax import checkpoint
from neurallnet_jax.evaluation import held_out, novelty, selection, trust
from neurallnet_jax.images import folder, splits
from neurallnet_jax.images.decode import decode_bytes
from neurallnet_jax.images.folder import Dataset
from neurallnet_jax.trust import Region

RESULTS = Path(__file__).parent / "results" / "unlike_images.jsonl"
SIDE, QUALITY = 224, 95
BLURS, DISCS, HUES = (1.0, 1.5, 2.0, 3.0), (2.0, 3.0), (-60, -30, -20, 20, 30, 60)
EVERY = 2
"""Of the unseen smears each second one is blurred and shifted; all of them count as unseen."""

_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_LAB = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])


def main(data: Path, run: str, results: Path) -> None:
    """Measure every set, write a line for each, and print them."""
    saved = checkpoint.load(run)
    dataset = folder.open_folder(data / "taleqani", saved.spec.image_size, classes=saved.classes)
    made, _ = trust.calibrate(saved, held_out.of_unseen(saved, dataset), trust.Settings())
    assert made.trust is not None
    regions = made.trust.regions
    unseen = selection.select(dataset, seen=saved.seen, test=saved.test, only="test").places
    usual = score(regions, [alike(opened(dataset, place), saved.spec.image_size) for place in unseen.tolist()])
    lines = [false_warnings("unseen smears, encoded again", usual)]
    lines.append(false_warnings("unseen smears, as they are", score(regions, np.asarray(dataset.pixels[unseen]))))
    for name, images in sets(data, dataset, saved, unseen[::EVERY]):
        encode = name != "cnmc, as they are"
        pixels = [alike(image, saved.spec.image_size) if encode else small(image, saved) for image in images]
        lines.append(compared(name, usual, score(regions, pixels)))
    lines += contiguous(dataset)
    machine = {"run": run, "machine": platform.machine(), "numpy": np.__version__}
    results.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps({**line, **machine}) + "\n" for line in lines)
    checkpoint.write_atomically(results, text.encode())
    for line in lines:
        print("  ".join(f"{key} {value}" for key, value in line.items()))


def score(regions: Sequence[Region], pixels: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Return how far images lie beyond what is usual, (images, kinds); above 1 there is a warning."""
    return novelty.excess(regions, novelty.statistics(np.stack(list(pixels))))


def compared(name: str, usual: np.ndarray, strange: np.ndarray) -> dict[str, Any]:
    """Return how well the greatest excess tells two sets apart, and which kinds warn."""
    return {
        "set": name,
        "images": len(strange),
        "auroc": round(auroc(usual.max(axis=1), strange.max(axis=1)), 4),
        "warned": round(float((strange.max(axis=1) > 1).mean()), 4),
        **{kind: round(float((column > 1).mean()), 4) for kind, column in zip(novelty.KINDS, strange.T, strict=True)},
    }


def false_warnings(name: str, usual: np.ndarray) -> dict[str, Any]:
    """Return the share of usual images that is warned of, by kind."""
    found = compared(name, usual, usual)
    return {key: value for key, value in found.items() if key != "auroc"}


def auroc(usual: np.ndarray, strange: np.ndarray) -> float:
    """Return the probability that a strange image scores higher than a usual one, ties by half."""
    less = np.searchsorted(np.sort(usual), strange, side="left")
    at_most = np.searchsorted(np.sort(usual), strange, side="right")
    return float((less + at_most).mean() / (2 * len(usual)))


def contiguous(dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Yield the false warnings on each fifth, with thresholds from the other four."""
    values = novelty.statistics(np.asarray(dataset.pixels))
    folds = []
    for fold in range(splits.FOLDS):
        split = splits.make_split(dataset.records, scheme="contiguous", fold=fold)
        known = np.concatenate([splits.indices(split, "train"), splits.indices(split, "validation")])
        test = splits.indices(split, "test")
        rows = lambda places: {kind: table[places] for kind, table in values.items()}
        places = novelty.locate(rows(known))
        folds.append((places, rows(test), novelty.distances(places, rows(test))))
    for fold, (places, own, _) in enumerate(folds):
        others = [found for other, (_, _, found) in enumerate(folds) if other != fold]
        regions = novelty.regions(places, {kind: np.concatenate([one[kind] for one in others]) for kind in places})
        yield false_warnings(f"unseen smears, contiguous fold {fold}", novelty.excess(regions, own))


def sets(
    data: Path, dataset: Dataset, saved: checkpoint.Checkpoint, unseen: np.ndarray
) -> Iterator[tuple[str, list[Image.Image]]]:
    """Yield the sets by name, opened and changed but not yet made alike."""
    known = frozenset(saved.seen)
    reference = [place for place, record in enumerate(dataset.records) if record.sha256 in known][::20]
    smears = [opened(dataset, place) for place in reference]
    strange = [Image.open(file).convert("RGB") for file in sorted((data / "bccd").glob("*.jpg"))]
    for shape, cut in (("squeezed", squeezed), ("square", square)):
        images = [cut(image) for image in strange]
        yield f"bccd, {shape}", images
        for name, transfer in (("Reinhard", reinhard(smears)), ("Macenko", macenko(smears))):
            yield f"bccd, {shape}, {name}", [transfer(image) for image in images]
    sharp = [opened(dataset, place) for place in unseen.tolist()]
    for sigma in BLURS:
        yield f"unseen, Gaussian blur {sigma:g} px", [image.filter(ImageFilter.GaussianBlur(sigma)) for image in sharp]
    for radius in DISCS:
        yield f"unseen, disc blur {radius:g} px", [disc(image, radius) for image in sharp]
    for degrees in HUES:
        yield f"unseen, hue {degrees:+d} degrees", [shifted(image, degrees) for image in sharp]
    cells = [Image.open(file).convert("RGB") for file in sorted((data / "cnmc-samples").glob("*.bmp"))]
    yield "cnmc, as they are", cells
    yield "cnmc, made alike", [squeezed(cell) for cell in cells]


def opened(dataset: Dataset, place: int) -> Image.Image:
    """Return an image of the folder as its file has it."""
    return Image.open(dataset.root / dataset.records[place].path).convert("RGB")


def alike(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Return an image encoded as the smears are, and read as `predict` reads files."""
    buffer = io.BytesIO()
    image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return decode_bytes(buffer.getvalue(), size, name="image")


def small(image: Image.Image, saved: checkpoint.Checkpoint) -> np.ndarray:
    """Return an image as `predict` reads its file, without another encoding between."""
    buffer = io.BytesIO()
    image.save(buffer, "BMP")
    return decode_bytes(buffer.getvalue(), saved.spec.image_size, name="image")


def squeezed(image: Image.Image) -> Image.Image:
    """Return the whole image at 224 x 224."""
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def square(image: Image.Image) -> Image.Image:
    """Return the central square at 224 x 224."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return squeezed(image.crop((left, top, left + side, top + side)))


def disc(image: Image.Image, radius: float) -> Image.Image:
    """Return an image blurred by a disc, as a lens out of focus does; the border repeats."""
    reach = int(np.ceil(radius))
    offsets = [
        (dy, dx)
        for dy in range(-reach, reach + 1)
        for dx in range(-reach, reach + 1)
        if dy * dy + dx * dx <= radius * radius
    ]
    pixels = np.pad(np.asarray(image, np.float32), ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = image.height, image.width
    total = sum(pixels[reach + dy : reach + dy + height, reach + dx : reach + dx + width] for dy, dx in offsets)
    return Image.fromarray(np.rint(total / len(offsets)).astype(np.uint8))


def shifted(image: Image.Image, degrees: float) -> Image.Image:
    """Return an image with its hue turned, saturation and value as they were."""
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([int(level + degrees * 256 / 360) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def reinhard(targets: Sequence[Image.Image]) -> Callable[[Image.Image], Image.Image]:
    """Return the transfer to the mean over targets of mean and deviation in l-alpha-beta."""

    def forth(image: Image.Image) -> np.ndarray:
        return np.log10(np.maximum(np.asarray(image, np.float64), 1) / 255 @ _LMS.T) @ _LAB.T

    over = (0, 1)
    mean = np.mean([forth(image).mean(axis=over) for image in targets], axis=0)
    deviation = np.mean([forth(image).std(axis=over) for image in targets], axis=0)

    def transfer(image: Image.Image) -> Image.Image:
        own = forth(image)
        moved = (own - own.mean(axis=over)) / own.std(axis=over) * deviation + mean
        back = 10 ** (moved @ np.linalg.inv(_LAB).T) @ np.linalg.inv(_LMS).T
        return Image.fromarray(np.rint(np.clip(255 * back, 0, 255)).astype(np.uint8))

    return transfer


def macenko(targets: Sequence[Image.Image]) -> Callable[[Image.Image], Image.Image]:
    """Return the transfer to the targets' two stain vectors and their 99th percentiles of amount."""
    together = np.concatenate([density(image) for image in targets])
    vectors = stains(together)
    most = np.percentile(amounts(together, vectors), 99, axis=0)

    def transfer(image: Image.Image) -> Image.Image:
        own = amounts(density(image), stains(density(image)))
        moved = own * (most / np.percentile(own, 99, axis=0)) @ vectors
        pixels = np.clip(256 * np.exp(-moved) - 1, 0, 255).reshape(image.height, image.width, 3)
        return Image.fromarray(np.rint(pixels).astype(np.uint8))

    return transfer


def density(image: Image.Image) -> np.ndarray:
    """Return optical density, (pixels, 3)."""
    return -np.log((np.asarray(image, np.float64).reshape(-1, 3) + 1) / 256)


def stains(found: np.ndarray, beta: float = 0.15, alpha: float = 1.0) -> np.ndarray:
    """Return the two stain vectors of Macenko, (2, 3), the one with more red absorbed first."""
    dense = found[(found > beta).all(axis=1)]
    _, directions = np.linalg.eigh(np.cov(dense.T))
    plane = directions[:, [2, 1]] * np.sign(directions[0, [2, 1]])
    angle = np.arctan2(*(dense @ plane).T[::-1])
    ends = [plane @ [np.cos(at), np.sin(at)] for at in np.percentile(angle, [alpha, 100 - alpha])]
    first, second = sorted((end / np.linalg.norm(end) for end in ends), key=lambda end: -end[0])
    return np.stack([first, second])


def amounts(found: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return how much of each stain there is, (pixels, 2)."""
    return found @ np.linalg.pinv(vectors)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with taleqani, bccd and cnmc-samples")
    parser.add_argument("--run", required=True, help="a RUN with test images of its own, so not pretrained")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    main(arguments.data, arguments.run, arguments.results)
