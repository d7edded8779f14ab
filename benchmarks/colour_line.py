"""How far colour alone gets: one nearest neighbour on 18 colour statistics, on the test images of a split.

The statistics are mean, standard deviation and the 10th, 50th, 75th and 90th percentile of each channel at 224 px, each
scaled by its standard deviation; neighbours come from the training and validation images together. A network whose score
lies near this line has not been shown to read cells.

Command: uv run python benchmarks/colour_line.py --data ../shared/data/taleqani --split blocks --fold 0
"""

import argparse
import platform
from pathlib import Path

import numpy as np

from neurallnet_jax.images import folder, splits
from neurallnet_jax.metrics import scores

SIZE = (224, 224)


def colour_statistics(pixels: np.ndarray) -> np.ndarray:
    """Return 18 numbers per image, float64 (images, 18)."""
    flat = pixels.reshape(len(pixels), -1, 3).astype(np.float64)
    percentiles = [np.percentile(flat, level, axis=1) for level in (10, 50, 75, 90)]
    return np.concatenate([flat.mean(axis=1), flat.std(axis=1), *percentiles], axis=1)


def main(data: Path, scheme: splits.Scheme, fold: int) -> float:
    """Print and return the balanced accuracy of colour alone."""
    dataset = folder.open_folder(data, SIZE)
    split = splits.make_split(dataset.records, scheme=scheme, fold=fold)
    known = np.concatenate([splits.indices(split, "train"), splits.indices(split, "validation")])
    test = splits.indices(split, "test")
    statistics = np.concatenate(
        [colour_statistics(dataset.pixels[part]) for part in np.array_split(range(len(dataset)), 32)]
    )
    statistics = (statistics - statistics[known].mean(axis=0)) / statistics[known].std(axis=0)
    distance = np.square(statistics[test, None] - statistics[None, known]).sum(axis=-1)
    predicted = dataset.labels[known][distance.argmin(axis=1)]
    found = scores.score(dataset.labels[test], np.eye(len(dataset.classes))[predicted], dataset.classes)
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"{scheme}, fold {fold}: balanced accuracy of colour alone {found.balanced_accuracy:.4f} on {found.n} images")
    return found.balanced_accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("contiguous", "blocks", "random"), default="contiguous")
    parser.add_argument("--fold", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.data, arguments.split, arguments.fold)
