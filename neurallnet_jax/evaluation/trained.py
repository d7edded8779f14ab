"""How a model was trained, from the record in its checkpoint. Knows no result of it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurallnet_jax.checkpoint import Checkpoint

__all__ = ["Trained", "from_json", "of", "text", "to_json"]

_RANDOM = "random weights"


@dataclass(frozen=True)
class Trained:
    """How a model was trained; None where its checkpoint does not say.

    Attributes:
        epochs: Passes over the training images that were asked for.
        best_epoch: The one that was kept.
        image_size: Height and width of the input, pixels.
        split: Scheme of the split, `manifest` for a file of the user's own.
        fold: Its fold.
        images: Training images.
        began_with: Random weights, a RUN, or a file of weights with the start of its hash.
        seconds: How long it took.
    """

    epochs: int | None
    best_epoch: int | None
    image_size: tuple[int, int]
    split: str | None
    fold: int | None
    images: int | None
    began_with: str
    seconds: float | None


def of(saved: Checkpoint) -> Trained:
    """Return how a checkpoint was trained."""
    record = saved.provenance
    settings, split = (_mapping(record.get(name)) for name in ("training", "split"))
    weights = _mapping(record.get("weights"))
    began = _RANDOM
    if weights:
        began = f"{weights['file']} (SHA-256 {weights['sha256'][:12]}...)"
    elif record.get("source"):
        # Its name alone: a page may be given to others.
        began = f"the RUN {Path(record['source']).name}"
    return Trained(
        epochs=settings.get("epochs"),
        best_epoch=record.get("best_epoch"),
        image_size=saved.spec.image_size,
        split=split.get("scheme"),
        fold=split.get("fold"),
        images=split.get("train"),
        began_with=began,
        seconds=record.get("seconds"),
    )


def text(found: Trained) -> str:
    """Return how a model was trained in one line."""
    size = " x ".join(map(str, found.image_size))
    parts = [f"{size} px"]
    if found.images is not None:
        parts.append(f"{found.images:,} images")
    if found.epochs is not None:
        kept = "" if found.best_epoch is None else f" ({found.best_epoch} kept)"
        parts.append(f"{found.epochs} epoch{'' if found.epochs == 1 else 's'}{kept}")
    if found.split is not None:
        named = "a split file" if found.split == "manifest" else f"split {found.split}, fold {found.fold}"
        parts.append(named)
    parts.append(f"from {found.began_with}")
    return ", ".join(parts)


def to_json(found: Trained) -> dict[str, Any]:
    """Return it as plain data."""
    return {**dataclasses.asdict(found), "image_size": list(found.image_size)}


def from_json(data: Mapping[str, Any]) -> Trained:
    """Return what `to_json` wrote."""
    return Trained(**{**data, "image_size": tuple(data["image_size"])})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
