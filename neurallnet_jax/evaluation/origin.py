"""Which images and which models a result is of, by hash, so that results of other ones are not mixed with it.

Knows neither what the results say nor how they are shown.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from neurallnet_jax import checkpoint
from neurallnet_jax.checkpoint import Checkpoint
from neurallnet_jax.images import splits
from neurallnet_jax.images.folder import Dataset

__all__ = ["KEY", "Origin", "from_json", "of", "place", "to_json"]

KEY = "origin"
"""What the JSON files of commands call it."""


@dataclass(frozen=True)
class Origin:
    """What a result rests on.

    Attributes:
        data: SHA-256 over paths, bytes and classes of the images of the folder, as `splits.digest`.
        runs: SHA-256 of weights and spec of every model, as `checkpoint.digest`, in the order of the result.
    """

    data: str
    runs: tuple[str, ...] = ()


def of(dataset: Dataset, *models: Checkpoint, without: Collection[str] = ()) -> Origin:
    """Return the origin of a result on a folder.

    Args:
        dataset: The folder, opened or listed.
        models: The models, in the order of the result.
        without: Paths of records that turned out to be no readable image, where the folder was listed only.
    """
    if without:
        dataset = replace(dataset, records=tuple(one for one in dataset.records if one.path not in without))
    return Origin(splits.digest(dataset), tuple(checkpoint.digest(one) for one in models))


def to_json(origin: Origin) -> dict[str, Any]:
    """Return it as plain data, under the key that commands write it."""
    return {KEY: {"data": origin.data, "runs": list(origin.runs)}}


def from_json(data: Mapping[str, Any], *, source: str) -> Origin:
    """Return the origin in the JSON result of a command.

    Args:
        data: The result.
        source: The file, for the message.

    Raises:
        ValueError: It holds none.
    """
    found = data.get(KEY)
    try:
        return Origin(str(found["data"]), tuple(map(str, found["runs"])))  # type: ignore[index]
    except (KeyError, TypeError):
        raise ValueError(
            f"{source}: does not say which images and RUN it is of; write it again with this release"
        ) from None


def place(found: Origin, wanted: Origin, *, source: str, names: Sequence[str]) -> int:
    """Return which model of a result is the wanted one.

    Args:
        found: Of the result.
        wanted: The images and the one model it should be of.
        source: The file, for the message.
        names: What the folder and the model are called, for the message.

    Raises:
        ValueError: The result is of other images, or of other models; one line with both digests.
    """
    folder, run = names
    if found.data != wanted.data:
        raise ValueError(
            f"{source}: is of other images ({found.data[:12]}) than {folder} ({wanted.data[:12]}); make it on this folder"
        )
    model = wanted.runs[0]
    if model not in found.runs:
        others = ", ".join(one[:12] for one in found.runs) or "none"
        raise ValueError(f"{source}: is of another RUN ({others}) than {run} ({model[:12]}); make it with this one")
    return found.runs.index(model)
