"""Images that a network has not trained on, with its logits and their distance from its training images.

Either the unseen images of a RUN, or, for a RUN trained on everything, the test images of its cross-validation, each scored
by the RUN that kept it apart. Knows folders and checkpoints; fits nothing but where the training images lie.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurallnet_jax import checkpoint as checkpoints
from neurallnet_jax import models
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.evaluation import novelty, selection
from neurallnet_jax.evaluation.novelty import Place
from neurallnet_jax.images.folder import Dataset

__all__ = ["LEAST_REFERENCE", "HeldOut", "of_folds", "of_unseen"]

LEAST_REFERENCE = 10
"""Training images without which nothing is said about where they lie."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out images of a network.

    Attributes:
        labels: True classes, int (n,).
        logits: float32 (n, classes).
        groups: Group of neighbouring captures and twins of each, int (n,).
        places: Where the training images lie, by kind of statistics; empty where too few are at hand.
        distances: Distance of each held-out image from the training images of the network that scored it, by kind.
        reference: Number of training images behind `places`.
        source: In words, which images these are.
    """

    labels: np.ndarray
    logits: np.ndarray
    groups: np.ndarray
    places: Mapping[str, Place]
    distances: Mapping[str, np.ndarray]
    reference: int
    source: str


def of_unseen(saved: Checkpoint, dataset: Dataset, *, progress: Callable[[int, int], None] | None = None) -> HeldOut:
    """Return the images of a folder that training and selection have not used.

    Raises:
        ValueError: All of them were used.
    """
    seen = _seen(saved, dataset)
    unseen = np.flatnonzero(~seen)
    if not len(unseen):
        raise ValueError(
            f"{dataset.root}: every image was seen in training or selection; name a folder with others, "
            "or the RUNs of its cross-validation with --folds"
        )
    values = novelty.statistics(np.asarray(dataset.pixels))
    places = _locate(values, np.flatnonzero(seen))
    return HeldOut(
        labels=dataset.labels[unseen],
        logits=_logits(saved, dataset, unseen, progress),
        groups=selection.groups_of(dataset, unseen),
        places=places,
        distances=novelty.distances(places, _rows(values, unseen)),
        reference=int(seen.sum()),
        source=f"{len(unseen)} images that training and selection have not used",
    )


def of_folds(
    saved: Checkpoint, dataset: Dataset, folder: Path, *, progress: Callable[[int, int], None] | None = None
) -> HeldOut:
    """Return every test image of a cross-validation, scored by the RUN that kept it apart.

    Where several RUNs kept an image (seeds), the first by path counts. Distances are from the training images of that RUN,
    `places` is of the images that `saved` has seen.

    Args:
        saved: The RUN that is to be calibrated, of the same network and classes.
        dataset: The images.
        folder: Folder with the RUNs, at any depth.
        progress: Called with images scored and images in all.

    Raises:
        ValueError: No RUN there, one of another network, of two schemes, or none with a test image in the folder.
    """
    runs = _runs(folder, saved)
    values = novelty.statistics(np.asarray(dataset.pixels))
    taken = np.zeros(len(dataset), bool)
    chosen: list[tuple[Checkpoint, np.ndarray]] = []
    for run in runs:
        apart = frozenset(run.test) - frozenset(run.seen)
        own = np.array([record.sha256 in apart for record in dataset.records], bool) & ~taken
        taken |= own
        if own.any():
            chosen.append((run, np.flatnonzero(own)))
    if not chosen:
        raise ValueError(f"{folder}: no RUN below it has kept an image of {dataset.root} for its test; name its folder")
    total = int(taken.sum())
    parts, done = [], 0
    for run, own in chosen:
        before = done
        count = (lambda at: lambda step, _: progress(at + step, total))(before) if progress else None
        places = _locate(values, np.flatnonzero(_seen(run, dataset)))
        parts.append((own, _logits(run, dataset, own, count), novelty.distances(places, _rows(values, own))))
        done += len(own)
    everywhere = np.concatenate([own for own, _, _ in parts])
    seen = _seen(saved, dataset)
    places = _locate(values, np.flatnonzero(seen)) if all(found for _, _, found in parts) else {}
    return HeldOut(
        labels=dataset.labels[everywhere],
        logits=np.concatenate([logits for _, logits, _ in parts]),
        groups=selection.groups_of(dataset, everywhere),
        places=places,
        distances={kind: np.concatenate([found[kind] for _, _, found in parts]) for kind in places},
        reference=int(seen.sum()),
        source=f"{total} test images of {len(chosen)} cross-validation RUNs, each scored by the one that kept it apart",
    )


def _runs(folder: Path, saved: Checkpoint) -> list[Checkpoint]:
    files = sorted(folder.rglob(checkpoints.FILE_NAME)) if folder.is_dir() else []
    if not files:
        raise ValueError(f"{folder}: holds no RUN at any depth; name the folder that `neurallnet crossvalidate` wrote")
    runs, schemes = [], set()
    for file in files:
        run = checkpoints.load(file.parent)
        if run.classes != saved.classes or run.spec != saved.spec:
            raise ValueError(f"{file.parent}: is of another network or other classes than the RUN; name its own folds")
        if run.test:
            schemes.add(str(dict(run.provenance.get("split") or {}).get("scheme")))
            runs.append(run)
    if len(schemes) > 1:
        raise ValueError(f"{folder}: holds folds of the splits {', '.join(sorted(schemes))}; name the folder of one")
    return runs


def _logits(
    run: Checkpoint, dataset: Dataset, places: np.ndarray, progress: Callable[[int, int], None] | None
) -> np.ndarray:
    classifier = models.from_checkpoint(run)
    pixels = np.asarray(dataset.pixels[places])
    return models.make_predict(classifier)(classifier.variables, pixels, progress=progress)


def _seen(run: Checkpoint, dataset: Dataset) -> np.ndarray:
    used = frozenset(run.seen)
    return np.array([record.sha256 in used for record in dataset.records], bool)


def _locate(values: Mapping[str, np.ndarray], reference: np.ndarray) -> dict[str, Place]:
    return novelty.locate(_rows(values, reference)) if len(reference) >= LEAST_REFERENCE else {}


def _rows(values: Mapping[str, np.ndarray], places: np.ndarray) -> dict[str, np.ndarray]:
    return {kind: table[places] for kind, table in values.items()}
