"""The folder that `--data` names, opened and narrowed as the arguments ask. Computes nothing itself."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from neurallnet_jax.cli import output
from neurallnet_jax.evaluation.selection import Selection, select
from neurallnet_jax.images.folder import Dataset, open_folder

__all__ = ["open_selected"]


def open_selected(
    args: argparse.Namespace,
    classes: Sequence[str],
    image_size: tuple[int, int],
    *,
    seen: Sequence[str],
    test: Sequence[str],
) -> tuple[Dataset, Selection]:
    """Return the images of `args.data`, and those of them that `--only` and `--limit` choose.

    Args:
        args: Parsed arguments with `data`, `on_bad_image`, `only` and `limit`.
        classes: Classes of the model.
        image_size: Height and width the model takes.
        seen: Hashes of the images the model has seen.
        test: Hashes of the images its split kept apart.
    """
    with output.progress("reading images") as progress:
        dataset = open_folder(
            Path(args.data), image_size, classes=classes, on_bad_image=args.on_bad_image, progress=progress
        )
    return dataset, select(dataset, seen=seen, test=test, only=args.only, limit=args.limit)
