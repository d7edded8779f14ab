"""The PORT and the folder that arguments name, opened and narrowed as they ask. Computes nothing itself."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lava_port.port import Port
from neurallnet_jax.cli import output
from neurallnet_jax.evaluation.selection import Selection, select
from neurallnet_jax.images.folder import Dataset, open_folder
from neurallnet_jax.workflows.convert import open_port

__all__ = ["PortImages", "open_port_images", "open_selected"]


class PortImages(NamedTuple):
    """A PORT with the images it is to run: their folder, the choice among them, and the pixels of that choice."""

    port: Port
    dataset: Dataset
    selection: Selection
    pixels: np.ndarray


def open_port_images(args: argparse.Namespace) -> PortImages:
    """Return the PORT that `args.port` names, and the images that the other arguments choose for it."""
    port = open_port(args.port)
    dataset, selection = open_selected(args, port.classes, port.image_size, seen=port.seen, test=port.test)
    return PortImages(port, dataset, selection, np.asarray(dataset.pixels[selection.places]))


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
