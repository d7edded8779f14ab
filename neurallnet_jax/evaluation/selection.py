"""Which images of a folder are scored, which of them the model has seen, and what each is drawn with in a bootstrap.

Knows hashes and splits, no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from neurallnet_jax.images import splits, twins
from neurallnet_jax.images.folder import Dataset

__all__ = ["Only", "Selection", "groups_of", "kept_apart", "select", "spread"]

Only: TypeAlias = Literal["all", "unseen", "test"]


@dataclass(frozen=True, eq=False)
class Selection:
    """Places in a data set.

    Attributes:
        places: Places of the chosen images, ascending.
        seen: For each of them, whether training or selection has used its bytes.
    """

    places: np.ndarray
    seen: np.ndarray


def select(
    dataset: Dataset,
    *,
    seen: Sequence[str],
    test: Sequence[str] = (),
    only: Only = "all",
    limit: int | None = None,
) -> Selection:
    """Return the images to score; they are known by the hash of their bytes, wherever they lie.

    Args:
        dataset: The folder.
        seen: SHA-256 of the images the model has seen.
        test: SHA-256 of the images that its split kept apart for the test.
        only: `all`, `unseen`, or `test`, which leaves out the images between training and test as well.
        limit: Number of images to keep, spread evenly over the choice.

    Raises:
        ValueError: Nothing is left.
    """
    used = frozenset(seen)
    known = np.array([record.sha256 in used for record in dataset.records], bool)
    places = np.arange(len(dataset))
    if only == "unseen":
        places = places[~known]
    elif only == "test":
        apart = frozenset(test)
        places = places[[record.sha256 in apart for record in dataset.records]]
    elif only != "all":
        raise ValueError(f"--only {only}: expected one of {', '.join(get_args(Only))}")
    if not len(places):
        raise ValueError(f"{dataset.root}: holds no image for --only {only}; name the folder the model was trained on")
    places = spread(places, limit)
    return Selection(places, known[places])


def kept_apart(dataset: Dataset, *, seen: Sequence[str], test: Sequence[str] = ()) -> tuple[Only, Selection] | None:
    """Return the images of a folder that a model may be judged by, and which these are; None where it has seen every one.

    Where the folder holds images that the model's split kept apart for the test, these alone: what lies between training
    and test resembles the training. Otherwise all that training and selection have not seen.

    Args:
        dataset: The folder.
        seen: SHA-256 of the images the model has seen.
        test: SHA-256 of the images that its split kept apart for the test.
    """
    present = {record.sha256 for record in dataset.records}
    if present & set(test):
        return "test", select(dataset, seen=seen, test=test, only="test")
    if present <= set(seen):
        return None
    return "unseen", select(dataset, seen=seen, only="unseen")


def groups_of(dataset: Dataset, places: np.ndarray, *, pixels: np.ndarray | None = None) -> np.ndarray:
    """Return the group that each of some images is drawn with in a bootstrap, integers (n,).

    A group is a block of capture numbers of one class, merged with those it shares twins with.

    Args:
        dataset: The folder.
        places: Places of the images in it.
        pixels: The images at the size at which twins are looked for; None for that of the folder.
    """
    if pixels is None:
        pixels = np.asarray(dataset.pixels[places])
    # Twins of another class stay apart: groups are drawn within each class.
    related = twins.twin_groups(pixels) * len(dataset.classes) + dataset.labels[places]
    return splits.groups([dataset.records[place] for place in places.tolist()], related)


def spread(places: np.ndarray, limit: int | None) -> np.ndarray:
    """Return at most `limit` of the places, spread evenly, so that every class is met in an ordered folder."""
    if limit is None or limit >= len(places):
        return places
    return places[np.linspace(0, len(places) - 1, limit).round().astype(int)]
