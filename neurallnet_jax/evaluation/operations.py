"""What one image costs a model in operations, and in joules by profile: as records. Knows neither counts nor constants."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Energy", "Operations", "from_json", "to_json"]


@dataclass(frozen=True)
class Energy:
    """Joules of one image under one profile.

    Attributes:
        profile: Name of the profile.
        variant: Its arithmetic.
        scope: What is charged; `compute` is arithmetic alone.
        joules: Mean over the images; None with a reason.
        reason: Why there is none.
    """

    profile: str
    variant: str
    scope: str
    joules: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Operations:
    """What one image costs.

    Attributes:
        images: Images that synaptic operations were counted on; 0 for a model without spikes, which does the same for all.
        synops: Synaptic operations of an image, mean; None without spikes, or with a reason.
        macs: Multiply-accumulates of an image: of a spiking network what is left of them beside the synaptic operations,
            of any other its dense pass; None with a reason.
        energies: By profile.
        reason: Why synaptic operations were not counted.
    """

    images: int
    synops: float | None
    macs: float | None
    energies: tuple[Energy, ...]
    reason: str | None = None


def to_json(found: Operations) -> dict[str, Any]:
    """Return them as plain data."""
    return {**dataclasses.asdict(found), "energies": [dataclasses.asdict(one) for one in found.energies]}


def from_json(data: Mapping[str, Any]) -> Operations:
    """Return what `to_json` wrote."""
    return Operations(**{**data, "energies": tuple(Energy(**one) for one in data["energies"])})
