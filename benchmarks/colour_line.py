"""How far colour alone gets: one nearest neighbour on 18 colour statistics, on the test images of one fold.

A network whose score lies near this line has not been shown to read cells. `neurallnet audit shortcuts` prints it for all
folds, beside what background, scale bar, focus and file reach.

Command: uv run python benchmarks/colour_line.py --data ../shared/data/taleqani --split blocks --fold 0
"""

import argparse
import platform
from pathlib import Path

import numpy as np

from neurallnet_jax.evaluation import shortcuts
from neurallnet_jax.images import folder, splits


def main(data: Path, scheme: splits.Scheme, fold: int) -> float:
    """Print and return the balanced accuracy of colour alone."""
    dataset = folder.open_folder(data, shortcuts.SIZE)
    split = splits.make_split(dataset.records, scheme=scheme, fold=fold)
    known = np.concatenate([splits.indices(split, "train"), splits.indices(split, "validation")])
    test = splits.indices(split, "test")
    found = shortcuts.colour_line(dataset, known, test)
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"{scheme}, fold {fold}: balanced accuracy of colour alone {found:.4f} on {len(test)} images")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("contiguous", "blocks", "random"), default="contiguous")
    parser.add_argument("--fold", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.data, arguments.split, arguments.fold)
